/* tests/support/wrapalloc.h - lets one allocation of the library fail.
 *
 * The linker sends the library's calls of malloc and friends here (--wrap, see
 * tests/fault/CMakeLists.txt). Any thread; arming is for one test at a time. */
#ifndef SUPPORT_WRAPALLOC_H
#define SUPPORT_WRAPALLOC_H

#include <stdbool.h>

/* Allocation number k (0 is the next) fails, once. */
void wrapalloc_arm(long k);
/* No more; whether it has failed since. */
bool wrapalloc_disarm(void);

#endif
