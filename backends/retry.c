/* Trying again on a network: see retry.h.
 *
 * The policy's mutex guards its generator and its tokens, and is never held while waiting. */
#include "backends/retry.h"

#define ATTEMPTS      5
#define BASE_NS       UINT64_C(200000000)
#define LIMIT_NS      UINT64_C(10000000000)
#define BUDGET_TOKENS 500 /* as the AWS SDKs: 100 retries in a row without a success */
#define RETRY_TOKENS  5

void ms_retry_policy_init(struct ms_retry_policy *p, uint64_t seed)
{
    *p = (struct ms_retry_policy){
        .attempts = ATTEMPTS, .base_ns = BASE_NS, .limit_ns = LIMIT_NS, .tokens = BUDGET_TOKENS};
    ms_mutex_init(&p->mutex);
    ms_random_seed(&p->random, seed);
}

void ms_retry_policy_fini(struct ms_retry_policy *p)
{
    ms_mutex_fini(&p->mutex);
}

/* The longest wait after so many failures: base × 2^(done-1), up to the limit. */
static uint64_t longest_wait(const struct ms_retry_policy *p, unsigned done)
{
    uint64_t wait = p->base_ns;
    for (unsigned i = 1; i < done && wait < p->limit_ns; i++)
        if (__builtin_mul_overflow(wait, UINT64_C(2), &wait))
            wait = p->limit_ns;
    return wait < p->limit_ns ? wait : p->limit_ns;
}

/* Whether the failure may pass. Whatever is no trouble of the line is an answer. */
static bool may_pass(struct ms_retry_policy *p, int code)
{
    MS_HOLD(&p->mutex);
    if (code != MS_ERR_TIMEOUT && code != MS_ERR_CONNECTION && code != MS_ERR_CANCELLED)
        p->answered = true;
    return ms_code_class(code) == MS_CLASS_TRANSIENT && (code != MS_ERR_TIMEOUT || p->answered);
}

/* Pays for one more attempt and draws the wait before it; false: the budget is used up. */
static bool draw(struct ms_retry_policy *p, unsigned done, uint64_t *wait_ns)
{
    MS_HOLD(&p->mutex);
    if (p->tokens < RETRY_TOKENS)
        return false;
    p->tokens -= RETRY_TOKENS;
    uint64_t longest = longest_wait(p, done);
    *wait_ns = longest ? ms_random_below(&p->random, longest) : 0;
    return true;
}

bool ms_retry_again(struct ms_retry *r, struct ms_retry_policy *p, struct ms_backend *b,
                    enum ms_verb verb, uint64_t wanted_ns, int *code, struct ms_error *err)
{
    uint64_t wait_ns = 0;
    r->done++;
    if (!may_pass(p, *code) || r->done >= p->attempts || !draw(p, r->done, &wait_ns))
        return false;
    struct ms_error cancelled = {0};
    int slept = ms_sleep(b->clock, wait_ns > wanted_ns ? wait_ns : wanted_ns, &cancelled);
    if (slept) {
        *code = ms_error_set(err, slept, "%s", cancelled.text);
        return false;
    }
    ms_backend_count_retry(b, verb);
    return true;
}

void ms_retry_succeeded(struct ms_retry_policy *p)
{
    MS_HOLD(&p->mutex);
    p->answered = true;
    if (p->tokens < BUDGET_TOKENS)
        p->tokens++;
}
