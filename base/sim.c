/* The deterministic executor: see sim.h.
 *
 * Invariant: exactly one fiber of a simulation runs; all others are in `runnable`, or wait in a
 * mutex's or condition's list, some of these also with a deadline. Everything lives on one thread,
 * so there are no locks. The next fiber is drawn from `runnable` with the seed's generator; time
 * moves only when it is empty. */
#include "base/sim.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/fiber.h"
#include "base/sim_core.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct ms_fiber {
    struct ms_stack stack;
    unsigned id;
    void (*fn)(void *arg);
    void *arg;
    struct ms_cancel *cancel;
    struct ms_fiber *next_waiter; /* in a mutex's or condition's list */
    struct ms_cond *waiting_on;
    const char *waiting_for; /* for the deadlock report */
    uint64_t deadline_ns;    /* while waiting; UINT64_MAX: none */
    bool timed_out;
    struct ms_fiber *next, *previous; /* all fibers */
};

struct sim {
    struct ms_clock clock;
    struct ms_random random;
    struct ms_sim_options options;
    struct ms_stack own; /* of ms_sim_run's caller */
    struct ms_fiber *current, *all, *zombie;
    struct ms_stack *switched_from;
    struct ms_fiber **runnable;
    size_t runnable_count, runnable_room;
    unsigned next_id;
    size_t alive;
    uint64_t steps, hash;
    int (*main_fn)(void *arg);
    void *main_arg;
    int main_result;
    int broken; /* a code: deadlock, too many steps */
};

static __thread struct sim *current_sim;

bool ms_sim_active(void)
{
    return current_sim != NULL;
}

struct ms_clock *ms_sim_clock(void)
{
    return current_sim ? &current_sim->clock : NULL;
}

struct ms_cancel **ms_sim_cancel_slot(void)
{
    return &current_sim->current->cancel;
}

/* ---- trace: FNV-1a, 64 bits (Fowler, Noll, Vo) ---- */

static void hash_bytes(struct sim *s, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        s->hash = (s->hash ^ bytes[i]) * UINT64_C(0x100000001b3);
}

void ms_sim_note(const char *fmt, ...)
{
    struct sim *s = current_sim;
    if (!s)
        return;
    char line[512];
    int at = snprintf(line, sizeof line, "%llu task %u: ", (unsigned long long)s->clock.now_ns,
                      s->current ? s->current->id : 0);
    va_list args;
    va_start(args, fmt);
    vsnprintf(line + at, sizeof line - (size_t)at, fmt, args);
    va_end(args);
    hash_bytes(s, line, strlen(line));
    if (s->options.trace)
        s->options.trace(s->options.trace_ctx, line);
}

/* ---- choosing and switching ---- */

static void make_runnable(struct sim *s, struct ms_fiber *f)
{
    ms_assert(s->runnable_count < s->runnable_room);
    s->runnable[s->runnable_count++] = f;
}

static struct ms_fiber *draw(struct sim *s)
{
    size_t index = s->runnable_count > 1 ? ms_random_below(&s->random, s->runnable_count) : 0;
    struct ms_fiber *f = s->runnable[index];
    s->runnable[index] = s->runnable[--s->runnable_count];
    return f;
}

static void leave_list(struct ms_fiber **list, struct ms_fiber *f)
{
    while (*list && *list != f)
        list = &(*list)->next_waiter;
    if (*list)
        *list = f->next_waiter;
    f->next_waiter = NULL;
}

/* Wakes everybody whose deadline comes first. False: nobody has one. */
static bool jump(struct sim *s)
{
    uint64_t first = UINT64_MAX;
    for (struct ms_fiber *f = s->all; f; f = f->next)
        if (f->waiting_for && f->deadline_ns < first)
            first = f->deadline_ns;
    if (first == UINT64_MAX)
        return false;
    ms_clock_advance(&s->clock, first);
    for (struct ms_fiber *f = s->all; f; f = f->next)
        if (f->waiting_for && f->deadline_ns <= first) {
            leave_list(&f->waiting_on->first_waiter, f);
            f->timed_out = true;
            f->deadline_ns = UINT64_MAX;
            f->waiting_for = NULL;
            make_runnable(s, f);
        }
    return true;
}

static void bury(struct sim *s)
{
    if (!s->zombie)
        return;
    ms_stack_fini(&s->zombie->stack);
    free(s->zombie);
    s->zombie = NULL;
}

static void switch_to(struct sim *s, struct ms_stack *from, struct ms_stack *to, bool leaving)
{
    s->switched_from = from;
    ms_stack_switch(from, to, leaving);
    bury(s);
}

/* Leaves the running fiber for the next one; `leaving`: for ever. The running fiber has put itself
 * where it will be found again. */
static void schedule(struct sim *s, bool leaving)
{
    struct ms_fiber *self = s->current;
    if (s->runnable_count == 0 && s->all && !jump(s))
        s->broken = MS_ERR_INTERNAL;
    s->steps++;
    if (s->options.max_steps && s->steps > s->options.max_steps)
        s->broken = MS_ERR_TIMEOUT;
    if (s->broken || !s->all) {
        switch_to(s, &self->stack, &s->own, leaving);
        return;
    }
    struct ms_fiber *next = draw(s);
    if (next == self)
        return;
    uint64_t step[2] = {next->id, s->clock.now_ns};
    hash_bytes(s, step, sizeof step);
    s->current = next;
    if (s->options.trace) {
        char line[80];
        snprintf(line, sizeof line, "%llu task %u runs", (unsigned long long)s->clock.now_ns,
                 next->id);
        s->options.trace(s->options.trace_ctx, line);
    }
    switch_to(s, &self->stack, &next->stack, leaving);
}

static void run_fiber(void *arg)
{
    struct ms_fiber *self = arg;
    struct sim *s = current_sim;
    ms_stack_entered(&self->stack, s->switched_from);
    bury(s);
    self->fn(self->arg);
    if (self->previous)
        self->previous->next = self->next;
    else
        s->all = self->next;
    if (self->next)
        self->next->previous = self->previous;
    s->alive--;
    s->zombie = self;
    schedule(s, true);
    ms_assert(!"a finished task ran again");
}

int ms_sim_spawn(void (*fn)(void *arg), void *arg, struct ms_error *err)
{
    struct sim *s = current_sim;
    if (s->alive == s->runnable_room) { /* room for all of them to be runnable */
        size_t room = s->runnable_room ? s->runnable_room * 2 : 64;
        struct ms_fiber **grown = realloc(s->runnable, room * sizeof *grown);
        if (!grown)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a task");
        s->runnable = grown;
        s->runnable_room = room;
    }
    struct ms_fiber *f = calloc(1, sizeof *f);
    if (!f)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a task");
    f->fn = fn;
    f->arg = arg;
    f->deadline_ns = UINT64_MAX;
    int code = ms_stack_init(&f->stack, run_fiber, f, err);
    if (code) {
        free(f);
        return code;
    }
    f->id = s->next_id++;
    s->alive++;
    f->next = s->all;
    if (s->all)
        s->all->previous = f;
    s->all = f;
    make_runnable(s, f);
    return 0;
}

void ms_sim_yield(void)
{
    struct sim *s = current_sim;
    make_runnable(s, s->current);
    schedule(s, false);
}

/* ---- the primitives ---- */

static void block(struct sim *s, struct ms_fiber **list, const char *why)
{
    struct ms_fiber *self = s->current;
    struct ms_fiber **end = list;
    while (*end)
        end = &(*end)->next_waiter;
    *end = self;
    self->next_waiter = NULL;
    self->waiting_for = why;
    schedule(s, false);
    self->waiting_for = NULL;
}

static void wake_first(struct sim *s, struct ms_fiber **list)
{
    struct ms_fiber *f = *list;
    *list = f->next_waiter;
    f->next_waiter = NULL;
    f->waiting_for = NULL;
    f->deadline_ns = UINT64_MAX;
    make_runnable(s, f);
}

void ms_sim_mutex_lock(struct ms_mutex *m)
{
    struct sim *s = current_sim;
    ms_sim_yield();
    while (m->owner) {
        ms_assert(m->owner != s->current);
        block(s, &m->first_waiter, "a mutex");
    }
    m->owner = s->current;
}

void ms_sim_mutex_unlock(struct ms_mutex *m)
{
    struct sim *s = current_sim;
    ms_assert(m->owner == s->current);
    m->owner = NULL;
    if (m->first_waiter)
        wake_first(s, &m->first_waiter);
}

bool ms_sim_cond_wait(struct ms_cond *c, struct ms_mutex *m, uint64_t deadline_ns)
{
    struct sim *s = current_sim;
    struct ms_fiber *self = s->current;
    if (deadline_ns <= s->clock.now_ns) {
        ms_sim_mutex_unlock(m);
        ms_sim_mutex_lock(m);
        return false;
    }
    ms_sim_mutex_unlock(m);
    self->timed_out = false;
    self->deadline_ns = deadline_ns;
    self->waiting_on = c;
    block(s, &c->first_waiter, "a condition");
    self->waiting_on = NULL;
    bool timed_out = self->timed_out;
    ms_sim_mutex_lock(m);
    return !timed_out;
}

void ms_sim_cond_wake(struct ms_cond *c, bool all)
{
    struct sim *s = current_sim;
    while (c->first_waiter) {
        wake_first(s, &c->first_waiter);
        if (!all)
            return;
    }
}

/* ---- running ---- */

static void run_main(void *arg)
{
    struct sim *s = arg;
    s->main_result = s->main_fn(s->main_arg);
}

static int report_broken(struct sim *s, struct ms_error *err)
{
    if (s->broken == MS_ERR_TIMEOUT)
        return ms_error_set(err, MS_ERR_TIMEOUT, "simulation of seed %llu: more than %llu steps",
                            (unsigned long long)s->options.seed,
                            (unsigned long long)s->options.max_steps);
    char tasks[300] = "";
    size_t at = 0;
    for (struct ms_fiber *f = s->all; f && at < sizeof tasks - 40; f = f->next)
        at += (size_t)snprintf(tasks + at, sizeof tasks - at, "%stask %u waits for %s",
                               at ? ", " : "", f->id, f->waiting_for ? f->waiting_for : "nothing");
    return ms_error_set(err, MS_ERR_INTERNAL, "simulation of seed %llu: deadlock at %llu ns: %s",
                        (unsigned long long)s->options.seed, (unsigned long long)s->clock.now_ns,
                        tasks);
}

static void free_sim(struct sim *s)
{
    bury(s);
    while (s->all) {
        struct ms_fiber *f = s->all;
        s->all = f->next;
        ms_stack_fini(&f->stack);
        free(f);
    }
    free(s->runnable);
    free(s);
}

int ms_sim_run(const struct ms_sim_options *options, int (*main_fn)(void *arg), void *arg,
               struct ms_sim_result *result, struct ms_error *err)
{
    ms_assert(!current_sim);
    struct sim *s = calloc(1, sizeof *s);
    if (!s)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a simulation");
    s->options = *options;
    s->clock.kind = MS_CLOCK_SIMULATED;
    s->clock.now_ns = options->start_ns;
    s->clock.wall_offset_ns = options->start_wall_ns - (int64_t)options->start_ns;
    s->hash = UINT64_C(0xcbf29ce484222325);
    s->main_fn = main_fn;
    s->main_arg = arg;
    ms_random_seed(&s->random, options->seed);
    ms_stack_init_own(&s->own);
    current_sim = s;
    int code = ms_sim_spawn(run_main, s, err);
    if (!code) {
        s->current = draw(s);
        switch_to(s, &s->own, &s->current->stack, false);
        code = s->broken ? report_broken(s, err) : s->main_result;
        if (result)
            *result = (struct ms_sim_result){s->steps, s->hash, s->clock.now_ns};
    }
    current_sim = NULL;
    free_sim(s);
    return code;
}
