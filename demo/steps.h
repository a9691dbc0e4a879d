/* demo/steps.h - telling the story: headings, findings, checks. */
#ifndef DEMO_STEPS_H
#define DEMO_STEPS_H

#include <mstore/mstore.h>

/* Starts a numbered step. */
void step(const char *title);
/* A line of what is seen. */
void tell(const char *fmt, ...) MS_PRINTF(1, 2);
/* Ends the program with a clear message when something is not as promised. */
void check(bool as_promised, const char *fmt, ...) MS_PRINTF(2, 3);
void check_ok(int code, const struct ms_error *err, const char *what);
unsigned checks_done(void);

const char *size_text(uint64_t bytes); /* in a ring of static buffers */
const char *time_text(uint64_t ns);    /* likewise */

#endif
