/* The deadlines of waiting tasks: a binary heap, earliest first, equal ones by task number, so that
 * the order depends on nothing else. Each task knows its place. There is room for every task. */
#include "base/sim_core.h"

#include "base/assert.h"

static bool before(struct ms_timer a, struct ms_timer b)
{
    if (a.deadline_ns != b.deadline_ns)
        return a.deadline_ns < b.deadline_ns;
    return a.fiber->id < b.fiber->id;
}

static void place(struct ms_sim *s, size_t at, struct ms_timer t)
{
    s->timers[at] = t;
    t.fiber->timer = at;
}

static void sift_up(struct ms_sim *s, size_t at, struct ms_timer t)
{
    while (at > 0 && before(t, s->timers[(at - 1) / 2])) {
        place(s, at, s->timers[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(s, at, t);
}

static void sift_down(struct ms_sim *s, size_t at, struct ms_timer t)
{
    for (size_t child; (child = 2 * at + 1) < s->timer_count; at = child) {
        if (child + 1 < s->timer_count && before(s->timers[child + 1], s->timers[child]))
            child++;
        if (!before(s->timers[child], t))
            break;
        place(s, at, s->timers[child]);
    }
    place(s, at, t);
}

void ms_sim_timer_add(struct ms_sim *s, struct ms_fiber *f, uint64_t deadline_ns)
{
    ms_assert(f->timer == MS_NO_TIMER && s->timer_count < s->room);
    sift_up(s, s->timer_count++, (struct ms_timer){deadline_ns, f});
}

void ms_sim_timer_remove(struct ms_sim *s, struct ms_fiber *f)
{
    size_t at = f->timer;
    if (at == MS_NO_TIMER)
        return;
    f->timer = MS_NO_TIMER;
    struct ms_timer last = s->timers[--s->timer_count];
    if (at == s->timer_count)
        return;
    if (at > 0 && before(last, s->timers[(at - 1) / 2]))
        sift_up(s, at, last);
    else
        sift_down(s, at, last);
}
