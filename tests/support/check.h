/* tests/support/check.h - cmocka with the project's errors: a failed call shows its sentence. */
#ifndef SUPPORT_CHECK_H
#define SUPPORT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mstore/base.h>

#include <string.h>

/* The call succeeds; `err` is the struct ms_error it was given. */
#define check_ok(call, err)                                                                        \
    do {                                                                                           \
        int code_ = (call);                                                                        \
        if (code_ != 0)                                                                            \
            fail_msg("%s: %s: %s", #call, ms_code_name(code_), (err).text);                        \
    } while (0)

/* The call fails with that code. */
#define check_code(call, wanted, err)                                                              \
    do {                                                                                           \
        int code_ = (call);                                                                        \
        if (code_ != (wanted))                                                                     \
            fail_msg("%s: %s instead of %s: %s", #call, ms_code_name(code_), ms_code_name(wanted), \
                     (err).text);                                                                  \
    } while (0)

/* ... and its sentence holds that text. */
#define check_text(err, part)                                                                      \
    do {                                                                                           \
        if (!strstr((err).text, (part)))                                                           \
            fail_msg("the sentence \"%s\" does not say \"%s\"", (err).text, (part));               \
    } while (0)

#endif
