/* Opening directories ahead: see list_ahead.h.
 *
 * Only where it pays: a directory that opens quickly is followed by one alone. Otherwise each round
 * opens twice as many as the one before, up to the Store's parallelism: a listing of a
 * few items opens few. The larger the directories prove to be, the fewer are opened at once, so
 * that what waits in memory stays bounded. */
#include "store/list_ahead.h"

#include "base/cleanup.h"
#include "base/pool.h"

#define AHEAD_MOST  32
#define QUICK_NS    (300 * 1000) /* less than this is not worth other threads */
#define WAITING_ALL 32768        /* heads in all directories opened at once, about */

void ms_ahead_init(struct ms_ahead *a, unsigned jobs)
{
    *a = (struct ms_ahead){1, jobs < 1 ? 1 : jobs > AHEAD_MOST ? AHEAD_MOST : jobs};
}

struct round {
    const struct ms_source *source;
    struct ms_head *dirs[AHEAD_MOST];
    size_t count;
    int code; /* of the first, the one that is needed now */
    struct ms_error err;
};

/* What fails ahead of its time is tried again when it is needed. */
static int open_one(void *arg, size_t i)
{
    struct round *r = arg;
    struct ms_error err = {0};
    int code = ms_source_enter(r->source, r->dirs[i], &r->dirs[i]->opened, &err);
    if (i == 0) {
        r->code = code;
        r->err = err;
    }
    return 0;
}

/* Takes the next directories out of s->heads, past the items between them. */
static void take_dirs(struct round *r, struct ms_source *s, unsigned wanted)
{
    struct ms_head *items[2 * AHEAD_MOST];
    size_t count = 0;
    while (r->count < wanted && count < 2 * AHEAD_MOST) {
        struct ms_head *h = ms_heads_pop(&s->heads);
        if (!h)
            break;
        if (h->directory && !h->opened)
            r->dirs[r->count++] = h;
        else
            items[count++] = h;
    }
    while (count) /* into room that was theirs: cannot fail */
        (void)ms_heads_push(&s->heads, items[--count]);
}

static void adapt(struct ms_ahead *a, const struct round *r, uint64_t took_ns)
{
    size_t largest = 1;
    for (size_t i = 0; i < r->count; i++)
        if (r->dirs[i]->opened && r->dirs[i]->opened->heads.count > largest)
            largest = r->dirs[i]->opened->heads.count;
    size_t room = WAITING_ALL / largest;
    unsigned most = room < a->most ? (unsigned)(room ? room : 1) : a->most;
    a->now = took_ns < QUICK_NS ? 1 : 2 * a->now < most ? 2 * a->now : most;
}

int ms_ahead_enter(struct ms_ahead *a, struct ms_source *s, struct ms_source **out,
                   struct ms_error *err)
{
    struct round r = {.source = s, .count = 1, .code = MS_ERR_CANCELLED};
    int code = 0;
    r.dirs[0] = ms_heads_pop(&s->heads);
    if (!r.dirs[0]->opened) {
        if (a->now > 1) {
            code = ms_source_read_ahead(s, 2 * a->now, err);
            take_dirs(&r, s, code ? 1 : a->now);
        }
        struct ms_clock *clock = s->listing->store->base.clock;
        uint64_t begin = ms_clock_now(clock);
        if (!code)
            code = ms_parallel(r.count, a->now, open_one, &r, err);
        if (!code && r.code) {
            code = r.code;
            if (err)
                *err = r.err;
        }
        if (!code)
            adapt(a, &r, ms_clock_now(clock) - begin);
    }
    for (size_t i = code ? 0 : 1; i < r.count; i++) /* as above; what failed can be tried again */
        (void)ms_heads_push(&s->heads, r.dirs[i]);
    if (!code) {
        *out = MS_TAKE(r.dirs[0]->opened);
        ms_head_free(r.dirs[0]);
    }
    return code;
}
