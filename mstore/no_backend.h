/* mstore/no_backend.h - in place of the storage of a member whose url says something that is not to
 * be had (an account without its credentials, a file that is missing): it never opens, so that the
 * store works without it as if it were away, and says why. Any thread. */
#ifndef MSTORE_NO_BACKEND_H
#define MSTORE_NO_BACKEND_H

#include <mstore/backend.h>

/* url: for messages, no secrets; cut when longer than those are. why: copied; create and destroy
 * end with it, and open with its sentence as CONNECTION: other codes would be taken for what a
 * storage says of a key, or of itself. */
int ms_no_backend_new(const char *url, struct ms_clock *clock, const struct ms_error *why,
                      struct ms_backend **out, struct ms_error *err) MS_MUST_CHECK;
/* Why there is none. Borrowed; NULL: another backend. */
const struct ms_error *ms_no_backend_why(const struct ms_backend *b);

#endif
