/* backends/retry.h - trying again on a network: how often, how long to wait, and when to stop.
 *
 * Full jitter over an exponential back-off (M. Brooker, "Exponential Backoff and Jitter", AWS
 * Architecture Blog, 2015), and a budget per backend as in the AWS SDKs' "standard" mode: a retry
 * takes tokens, a success gives one back, so that a storage that is down is not asked again by
 * everybody for ever. A storage that never said a word is asked once: that it does not answer was
 * told by the whole time-out, which is what the user waits for. Any thread.
 */
#ifndef BACKENDS_RETRY_H
#define BACKENDS_RETRY_H

#include <mstore/backend.h>

#include "base/sync.h"

struct ms_retry_policy {
    unsigned attempts;          /* in all, the first one among them; default 5 */
    uint64_t base_ns, limit_ns; /* first wait up to base, doubling up to limit; 200 ms, 10 s */
    struct ms_mutex mutex;
    struct ms_random random;
    unsigned tokens; /* left in the budget */
    bool answered;   /* the other side has said something: a time-out may pass */
};

void ms_retry_policy_init(struct ms_retry_policy *p, uint64_t seed);
void ms_retry_policy_fini(struct ms_retry_policy *p);

/* One operation: `struct ms_retry r = {0};`, then after each failed attempt ms_retry_again. */
struct ms_retry {
    unsigned done; /* attempts that failed */
};

/* After an attempt failed with `code`: waits (at least `wanted_ns`, what the storage asked for; 0:
 * nothing) and returns true when another is due; counts it under verb. False: not transient, no
 * attempts or budget left, cancelled; err stays as the attempt left it (or says it was cancelled,
 * and *code with it). */
bool ms_retry_again(struct ms_retry *r, struct ms_retry_policy *p, struct ms_backend *b,
                    enum ms_verb verb, uint64_t wanted_ns, int *code, struct ms_error *err);
/* After an operation succeeded. */
void ms_retry_succeeded(struct ms_retry_policy *p);

#endif
