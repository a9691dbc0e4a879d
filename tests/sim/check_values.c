/* What must hold of every reading: see check_values.h. Only live values are judged here; an
 * undelete may bring back any earlier value, so where one may have happened a value is not called
 * stale. */
#include "tests/sim/check_values.h"

static bool stores_live(const struct sim_history *h, const struct sim_op *op)
{
    return sim_op_stores(op) ||
           (op->verb == SIM_UNDELETE && (!h->frail || sim_move_is_whole(h, op)));
}

static bool removes_live(const struct sim_history *h, const struct sim_op *op)
{
    (void)h;
    return (op->verb == SIM_DELETE && !op->deleted) || op->verb == SIM_SOFT_DELETE;
}

static bool may_have_happened(const struct sim_op *op)
{
    return op->answer == SIM_DONE || op->answer == SIM_NO_ANSWER;
}

/* The latest acknowledged change of that kind that lies wholly between the two places; NULL: none.
 */
static const struct sim_op *surely_between(const struct sim_history *h, unsigned key,
                                           bool (*kind)(const struct sim_history *h,
                                                        const struct sim_op *op),
                                           uint64_t after, uint64_t before)
{
    const struct sim_op *latest = NULL;
    for (size_t i = 0; i < h->count; i++) {
        const struct sim_op *op = &h->ops[i];
        if (op->key == key && op->answer == SIM_DONE && op->begin_seq > after &&
            op->end_seq < before && (!latest || op->end_seq > latest->end_seq) && kind(h, op))
            latest = op;
    }
    return latest;
}

static bool undelete_possible(const struct sim_history *h, const struct sim_op *reading)
{
    for (size_t i = 0; i < h->count; i++) {
        const struct sim_op *op = &h->ops[i];
        if (op->key == reading->key && op->verb == SIM_UNDELETE && may_have_happened(op) &&
            op->begin_seq < reading->end_seq)
            return true;
    }
    return false;
}

static bool changes_live(const struct sim_history *h, const struct sim_op *op)
{
    return sim_op_stores(op) || removes_live(h, op);
}

static void say(char *why, size_t size, const struct sim_op *reading, const char *what,
                const struct sim_op *other)
{
    char a[256], b[256] = "";
    sim_op_print(a, sizeof a, reading);
    if (other)
        sim_op_print(b, sizeof b, other);
    snprintf(why, size, "%s: %s%s%s", what, a, other ? " after " : "", b);
}

/* A value that was read must have been stored, and not surely be gone. */
static bool check_present(const struct sim_history *h, const struct sim_op *r, char *why,
                          size_t size)
{
    if (r->id == 0)
        return true;
    bool stored = false;
    const struct sim_op *over = NULL;
    for (size_t i = 0; i < h->count; i++) {
        const struct sim_op *s = &h->ops[i];
        if (s->key != r->key || !sim_op_stores(s) || s->id != r->id || s->begin_seq > r->end_seq)
            continue;
        stored = true;
        over = surely_between(h, r->key, changes_live, s->end_seq, r->begin_seq);
        if (!over)
            return true;
    }
    if (!stored) {
        say(why, size, r, "a value that nobody had stored was read", NULL);
        return false;
    }
    if (undelete_possible(h, r))
        return true;
    say(why, size, r,
        removes_live(h, over) ? "a deleted value came back" : "a replaced value was read", over);
    return false;
}

/* A missing value must never have been surely stored, or perhaps have been removed since. */
static bool check_absent(const struct sim_history *h, const struct sim_op *r, char *why,
                         size_t size)
{
    const struct sim_op *stored = surely_between(h, r->key, stores_live, 0, r->begin_seq);
    if (!stored)
        return true;
    for (size_t i = 0; i < h->count; i++) {
        const struct sim_op *d = &h->ops[i];
        if (d->key == r->key && removes_live(h, d) && may_have_happened(d) &&
            d->begin_seq < r->end_seq &&
            !surely_between(h, r->key, stores_live, d->end_seq, r->begin_seq))
            return true;
    }
    say(why, size, r, "an acknowledged value is lost", stored);
    return false;
}

enum sim_verdict sim_check_values(const struct sim_history *h, unsigned key, char *why,
                                  size_t why_size, uint64_t *at)
{
    for (size_t i = 0; i < h->count; i++) {
        const struct sim_op *r = &h->ops[i];
        if (r->key != key || !sim_op_reads(r) || r->deleted || r->answer == SIM_NO_ANSWER)
            continue;
        bool fine = r->answer == SIM_DONE ? check_present(h, r, why, why_size)
                                          : check_absent(h, r, why, why_size);
        if (!fine) {
            *at = r->end_seq;
            return SIM_BROKEN;
        }
    }
    return h->full ? SIM_UNDECIDED : SIM_HOLDS;
}
