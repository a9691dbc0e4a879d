/* base/fiber.h - stacks that take turns on one thread: the simulation's tasks.
 *
 * A fiber is a stack and a saved stack pointer. ms_stack_switch leaves one and enters another; the
 * sanitizers are told. Stacks are mapped with a guard page below and reused from a free list of the
 * thread, which is unmapped when the thread ends.
 */
#ifndef BASE_FIBER_H
#define BASE_FIBER_H

#include <mstore/base.h>

struct ms_stack {
    void *context; /* while not running: the stack pointer, or a ucontext_t */
    bool portable; /* context is a ucontext_t */
    void *memory;  /* guard page, then stack; NULL: the thread's own stack */
    void *fake;    /* AddressSanitizer's */
    void *tsan;    /* ThreadSanitizer's */
    const void *bottom;
    size_t size; /* of the usable part; of a thread's own stack: learned at the first switch */
};

/* A fiber that will run entry(arg), which must never return. */
int ms_stack_init(struct ms_stack *s, void (*entry)(void *arg), void *arg,
                  struct ms_error *err) MS_MUST_CHECK;
/* The calling thread's own stack. */
void ms_stack_init_own(struct ms_stack *s);
void ms_stack_fini(struct ms_stack *s);
/* As fini, for a fiber that stopped in the middle: a leak checker still finds what it held. */
void ms_stack_abandon(struct ms_stack *s);
/* `leaving`: from never runs again. */
void ms_stack_switch(struct ms_stack *from, struct ms_stack *to, bool leaving);
/* First thing in entry: completes the switch that began it. */
void ms_stack_entered(struct ms_stack *self, struct ms_stack *from);

/* For tests: stacks that this thread makes from now on switch by ucontext on every machine. */
void ms_stack_force_portable(bool portable);

#endif
