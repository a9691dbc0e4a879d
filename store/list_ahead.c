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
#define PAGE        1000         /* names that a storage sends in one round trip, about */
#define LARGE       4096         /* what a directory counts for that is not read to its end */

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
    struct ms_source *s = NULL;
    int code = ms_source_enter(r->source, r->dirs[i], &s, &err);
    if (!code && r->count > 1) /* with its first names, so that they come in parallel too */
        code = ms_source_read_ahead(s, PAGE, &err);
    if (code)
        ms_source_free(s);
    else
        r->dirs[i]->opened = s;
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
        if (h->directory && (!h->opened || r->count == 0))
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
    for (size_t i = 0; i < r->count; i++) {
        const struct ms_source *s = r->dirs[i]->opened;
        size_t size = !s ? 0 : s->all_read ? s->heads.count : LARGE;
        largest = size > largest ? size : largest;
    }
    size_t room = WAITING_ALL / largest;
    unsigned most = room < a->most ? (unsigned)(room ? room : 1) : a->most;
    a->now = took_ns < QUICK_NS ? 1 : 2 * a->now < most ? 2 * a->now : most;
}

/* Opens the directories of the round; what failed can be tried again. */
static int open_all(struct ms_ahead *a, struct round *r, struct ms_error *err)
{
    struct ms_clock *clock = r->source->listing->store->base.clock;
    uint64_t begin = ms_clock_now(clock);
    int code = ms_parallel(r->count, a->now, open_one, r, err);
    if (!code && r->code) {
        code = r->code;
        if (err)
            *err = r->err;
    }
    if (!code)
        adapt(a, r, ms_clock_now(clock) - begin);
    return code;
}

int ms_ahead_enter(struct ms_ahead *a, struct ms_source *s, struct ms_source **out,
                   struct ms_error *err)
{
    struct round r = {.source = s, .code = MS_ERR_CANCELLED};
    int code = 0;
    bool opened = ms_heads_first(&s->heads)->opened;
    if (!opened && a->now > 1)
        (void)ms_source_read_ahead(s, 2 * (size_t)a->now, NULL); /* if that fails, later too */
    take_dirs(&r, s, opened ? 1 : a->now);
    if (!opened)
        code = open_all(a, &r, err);
    for (size_t i = code ? 0 : 1; i < r.count; i++) /* as in take_dirs */
        (void)ms_heads_push(&s->heads, r.dirs[i]);
    if (!code) {
        *out = MS_TAKE(r.dirs[0]->opened);
        ms_head_free(r.dirs[0]);
    }
    return code;
}
