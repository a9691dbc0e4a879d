/* The deterministic executor: see sim.h.
 *
 * Invariant: exactly one task of a simulation runs; every other one is in `runnable`, or waits in
 * the ring of a mutex or condition, with or without a deadline in `timers`. Everything lives on one
 * thread, so there are no locks. The next task is drawn from `runnable` with the seed's generator;
 * time moves only when it is empty. */
#include "base/sim.h"

#include "base/assert.h"
#include "base/sim_core.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static __thread struct ms_sim *current_sim;

bool ms_sim_active(void)
{
    return current_sim != NULL;
}

struct ms_sim *ms_sim_here(void)
{
    ms_assert(current_sim && "an object made in a simulation is used outside it");
    return current_sim;
}

struct ms_clock *ms_sim_clock(void)
{
    return current_sim ? &current_sim->clock : NULL;
}

struct ms_cancel **ms_sim_cancel_slot(void)
{
    return &current_sim->current->cancel;
}

void ms_sim_thread_mutex(int change)
{
    if (current_sim)
        current_sim->thread_mutexes += change;
}

/* ---- trace: FNV-1a, 64 bits (Fowler, Noll, Vo), over the notes; for a switch over the task's
 * number, for a jump over the new time, both little-endian whatever the machine. */

static void hash_bytes(struct ms_sim *s, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        s->hash = (s->hash ^ bytes[i]) * UINT64_C(0x100000001b3);
}

static void hash_number(struct ms_sim *s, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    hash_bytes(s, bytes, size);
}

void ms_sim_note(const char *fmt, ...)
{
    struct ms_sim *s = current_sim;
    if (!s)
        return;
    char line[512];
    int at = snprintf(line, sizeof line, "%llu task %u: ", (unsigned long long)s->clock.now_ns,
                      s->current->id);
    va_list args;
    va_start(args, fmt);
    vsnprintf(line + at, sizeof line - (size_t)at, fmt, args);
    va_end(args);
    hash_bytes(s, line, strlen(line));
    if (s->options.trace)
        s->options.trace(s->options.trace_ctx, line);
}

static void trace_switch(struct ms_sim *s, const struct ms_fiber *next)
{
    hash_number(s, next->id, 4);
    if (!s->options.trace)
        return;
    char line[80];
    snprintf(line, sizeof line, "%llu task %u runs", (unsigned long long)s->clock.now_ns, next->id);
    s->options.trace(s->options.trace_ctx, line);
}

/* ---- choosing and switching ---- */

void ms_sim_make_runnable(struct ms_sim *s, struct ms_fiber *f)
{
    ms_assert(s->runnable_count < s->room);
    s->runnable[s->runnable_count++] = f;
}

static struct ms_fiber *draw(struct ms_sim *s)
{
    size_t index = s->runnable_count > 1 ? ms_random_below(&s->random, s->runnable_count) : 0;
    struct ms_fiber *f = s->runnable[index];
    s->runnable[index] = s->runnable[--s->runnable_count];
    return f;
}

/* Time goes to the earliest deadline and wakes all who have it. False: nobody has one. */
static bool jump(struct ms_sim *s)
{
    if (s->timer_count == 0)
        return false;
    uint64_t first = s->timers[0].deadline_ns;
    ms_clock_advance(&s->clock, first);
    hash_number(s, first, 8);
    while (s->timer_count > 0 && s->timers[0].deadline_ns <= first) {
        struct ms_fiber *f = s->timers[0].fiber;
        f->timed_out = true;
        ms_sim_wake(s, f);
    }
    return true;
}

static void free_ended(struct ms_sim *s)
{
    if (!s->ended)
        return;
    ms_stack_fini(&s->ended->stack);
    free(s->ended);
    s->ended = NULL;
}

static void switch_to(struct ms_sim *s, struct ms_stack *from, struct ms_stack *to, bool leaving)
{
    s->switched_from = from;
    ms_stack_switch(from, to, leaving);
    free_ended(s);
}

void ms_sim_schedule(struct ms_sim *s, bool leaving)
{
    struct ms_fiber *self = s->current;
    ms_assert(s->thread_mutexes == 0 && "a threads' mutex is held where a simulation switches");
    if (s->runnable_count == 0 && s->alive > 0 && !jump(s))
        s->broken = MS_ERR_INTERNAL;
    s->steps++;
    if (s->options.max_steps && s->steps > s->options.max_steps && s->alive > 0)
        s->broken = MS_ERR_TIMEOUT;
    if (s->broken || s->alive == 0) {
        switch_to(s, &self->stack, &s->own, leaving);
        return;
    }
    struct ms_fiber *next = draw(s);
    if (next == self)
        return;
    trace_switch(s, next);
    s->current = next;
    int saved = errno; /* a thread has one of its own, and so shall a task */
    switch_to(s, &self->stack, &next->stack, leaving);
    errno = saved;
}

void ms_sim_yield(void)
{
    struct ms_sim *s = ms_sim_here();
    ms_sim_make_runnable(s, s->current);
    ms_sim_schedule(s, false);
}

/* ---- tasks ---- */

static void run_fiber(void *arg)
{
    struct ms_fiber *self = arg;
    struct ms_sim *s = current_sim;
    ms_stack_entered(&self->stack, s->switched_from);
    free_ended(s);
    self->fn(self->arg);
    ms_assert(self->mutexes == 0 && "a task ends with a mutex held");
    if (self->previous)
        self->previous->next = self->next;
    else
        s->first = self->next;
    if (self->next)
        self->next->previous = self->previous;
    else
        s->last = self->previous;
    s->alive--;
    s->ended = self;
    ms_sim_schedule(s, true);
    ms_assert(!"a finished task ran again");
}

/* Room for one more task, so that waking and waiting cannot fail. */
static bool make_room(struct ms_sim *s)
{
    if (s->alive < s->room)
        return true;
    size_t room = s->room ? s->room * 2 : 16;
    struct ms_fiber **runnable = realloc(s->runnable, room * sizeof *runnable);
    if (!runnable)
        return false;
    s->runnable = runnable;
    struct ms_timer *timers = realloc(s->timers, room * sizeof *timers);
    if (!timers)
        return false;
    s->timers = timers;
    s->room = room;
    return true;
}

int ms_sim_spawn(void (*fn)(void *arg), void *arg, struct ms_error *err)
{
    struct ms_sim *s = current_sim;
    struct ms_fiber *f = make_room(s) ? malloc(sizeof *f) : NULL;
    if (!f)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a task");
    *f = (struct ms_fiber){.fn = fn, .arg = arg, .timer = MS_NO_TIMER};
    int code = ms_stack_init(&f->stack, run_fiber, f, err);
    if (code) {
        free(f);
        return code;
    }
    f->id = s->next_id++;
    f->previous = s->last;
    if (s->last)
        s->last->next = f;
    else
        s->first = f;
    s->last = f;
    s->alive++;
    ms_sim_make_runnable(s, f);
    return 0;
}

/* ---- running ---- */

static void run_main(void *arg)
{
    struct ms_sim *s = arg;
    s->main_result = s->main_fn(s->main_arg);
}

static void describe(char *text, size_t size, const struct ms_fiber *f)
{
    if (f->wanted)
        snprintf(text, size, "task %u waits for a mutex that task %u holds", f->id,
                 f->wanted->owner->id);
    else
        snprintf(text, size, "task %u waits for a condition", f->id);
}

static int report_deadlock(const struct ms_sim *s, struct ms_error *err)
{
    char tasks[380] = "";
    size_t at = 0, shown = 0;
    for (const struct ms_fiber *f = s->first; f; f = f->next, shown++) {
        char one[80];
        describe(one, sizeof one, f);
        if (at + strlen(one) + 2 > sizeof tasks - 24) {
            snprintf(tasks + at, sizeof tasks - at, ", and %zu more", s->alive - shown);
            break;
        }
        at += (size_t)snprintf(tasks + at, sizeof tasks - at, "%s%s", at ? ", " : "", one);
    }
    return ms_error_set(err, MS_ERR_INTERNAL, "simulation of seed %llu: deadlock at %llu ns: %s",
                        (unsigned long long)s->options.seed, (unsigned long long)s->clock.now_ns,
                        tasks);
}

static int finish(const struct ms_sim *s, struct ms_sim_result *result, struct ms_error *err)
{
    if (result)
        *result = (struct ms_sim_result){s->steps, s->hash, s->clock.now_ns};
    if (s->broken == MS_ERR_INTERNAL)
        return report_deadlock(s, err);
    if (s->broken == MS_ERR_TIMEOUT)
        return ms_error_set(err, MS_ERR_TIMEOUT, "simulation of seed %llu: more than %llu steps",
                            (unsigned long long)s->options.seed,
                            (unsigned long long)s->options.max_steps);
    return s->main_result;
}

static void free_sim(struct ms_sim *s)
{
    free_ended(s);
    while (s->first) {
        struct ms_fiber *f = s->first;
        s->first = f->next;
        ms_stack_abandon(&f->stack);
        free(f);
    }
    ms_stack_fini(&s->own);
    free(s->runnable);
    free(s->timers);
    free(s);
}

int ms_sim_run(const struct ms_sim_options *options, int (*main_fn)(void *arg), void *arg,
               struct ms_sim_result *result, struct ms_error *err)
{
    ms_assert(!current_sim);
    struct ms_sim *s = malloc(sizeof *s);
    if (!s)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a simulation");
    *s = (struct ms_sim){
        .options = *options,
        .clock = {.kind = MS_CLOCK_SIMULATED,
                  .now_ns = options->start_ns,
                  .wall_offset_ns = options->start_wall_ns - (int64_t)options->start_ns},
        .hash = UINT64_C(0xcbf29ce484222325),
        .main_fn = main_fn,
        .main_arg = arg,
    };
    ms_random_seed(&s->random, options->seed);
    ms_stack_init_own(&s->own);
    current_sim = s;
    int code = ms_sim_spawn(run_main, s, err);
    if (!code) {
        s->current = draw(s);
        switch_to(s, &s->own, &s->current->stack, false);
        code = finish(s, result, err);
    }
    current_sim = NULL;
    free_sim(s);
    return code;
}
