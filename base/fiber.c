/* Fibers: see fiber.h. x86-64 switches by hand (callee-saved registers and the stack pointer,
 * System V ABI); other machines, and x86-64 with a hardware shadow stack, use ucontext, which costs
 * two system calls a switch. Per thread; no locks. */
#include "base/fiber.h"

#include "base/assert.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif

#if defined(ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if defined(TSAN)
#include <sanitizer/tsan_interface.h>
#endif

#if defined(ASAN) || defined(TSAN)
#define STACK_BYTES (1024 * 1024)
#else
#define STACK_BYTES (256 * 1024)
#endif

/* ---- memory ----
 *
 *   memory          bottom                                   bottom + STACK_BYTES
 *   | guard page    | … grows down                     free_stack, while unused |
 *
 * The link of an unused stack lies at its top: that page has been touched anyway. */
struct free_stack {
    struct free_stack *next;
    void *memory;
};
static __thread struct free_stack *free_stacks;
static __thread bool will_drop; /* the thread's end has been asked to unmap them */
static __thread bool force_portable;
static pthread_key_t end_of_thread;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static size_t page_size(void)
{
    static __thread size_t size;
    if (!size)
        size = (size_t)sysconf(_SC_PAGESIZE);
    return size;
}

static void drop_free_stacks(void *unused)
{
    (void)unused;
    while (free_stacks) {
        void *memory = free_stacks->memory;
        free_stacks = free_stacks->next;
        munmap(memory, page_size() + STACK_BYTES);
    }
    will_drop = false;
}

static void make_key(void)
{
    ms_assert(pthread_key_create(&end_of_thread, drop_free_stacks) == 0);
}

static void *take_memory(void)
{
    if (free_stacks) {
        void *memory = free_stacks->memory;
        free_stacks = free_stacks->next;
        return memory;
    }
    size_t guard = page_size();
    char *memory = mmap(NULL, guard + STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (mprotect(memory, guard, PROT_NONE) < 0) {
        munmap(memory, guard + STACK_BYTES);
        return NULL;
    }
    return memory;
}

static void give_memory(void *memory)
{
    if (!will_drop) {
        pthread_once(&once, make_key);
        will_drop = pthread_setspecific(end_of_thread, &once) == 0;
    }
    char *top = (char *)memory + page_size() + STACK_BYTES;
#if defined(ASAN)
    /* what the last owner poisoned must not haunt the next one */
    __asan_unpoison_memory_region((char *)memory + page_size(), STACK_BYTES);
#endif
    struct free_stack *unused = (struct free_stack *)top - 1;
    *unused = (struct free_stack){free_stacks, memory};
    free_stacks = unused;
}

/* ---- the switch by hand ---- */

#if defined(__x86_64__)

/* void switch_stacks(void **save, void *load): everything else is the caller's to save. SSE and x87
 * control words are left alone: nothing here changes them. */
__asm__(".text\n"
        ".p2align 4\n"
        ".type ms_switch_stacks,@function\n"
        "ms_switch_stacks:\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    .cfi_adjust_cfa_offset 48\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    .cfi_adjust_cfa_offset -48\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size ms_switch_stacks,.-ms_switch_stacks\n"
        ".p2align 4\n"
        ".type ms_stack_start,@function\n"
        "ms_stack_start:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined rip\n" /* backtraces end here */
        "    endbr64\n"
        "    movq %r12, %rdi\n" /* arg */
        "    call *%r13\n"      /* entry */
        "    ud2\n"
        "    .cfi_endproc\n"
        ".size ms_stack_start,.-ms_stack_start\n");
extern void switch_stacks(void **save, void *load) __asm__("ms_switch_stacks")
    __attribute__((visibility("hidden")));
extern void stack_start(void) __asm__("ms_stack_start") __attribute__((visibility("hidden")));

/* A shadow stack (CET) checks every `ret`; only the C library knows how to make a second one.
 * Without it, or on older machines, the instruction does nothing. */
static bool needs_portable(void)
{
    uint64_t shadow = 0;
    __asm__ volatile("rdsspq %0" : "+r"(shadow));
    return shadow != 0;
}

static void prepare_by_hand(struct ms_stack *s, void (*entry)(void *), void *arg)
{
    void **top = (void **)((char *)s->memory + page_size() + STACK_BYTES);
    *--top = NULL;
    *--top = NULL; /* two: the ABI wants 16 bytes where stack_start calls */
    *--top = (void *)stack_start;
    *--top = NULL;          /* rbp */
    *--top = NULL;          /* rbx */
    *--top = arg;           /* r12 */
    *--top = (void *)entry; /* r13 */
    *--top = NULL;          /* r14 */
    *--top = NULL;          /* r15 */
    s->context = top;
}

#else

static bool needs_portable(void)
{
    return true;
}

static void prepare_by_hand(struct ms_stack *s, void (*entry)(void *), void *arg)
{
    (void)s, (void)entry, (void)arg;
}

static void switch_stacks(void **save, void *load)
{
    (void)save, (void)load;
}

#endif

/* ---- the portable switch: makecontext takes ints only, so pointers go in halves ---- */

static void start(unsigned e1, unsigned e2, unsigned a1, unsigned a2)
{
    void (*entry)(void *) = (void (*)(void *))((uintptr_t)e1 << 16 << 16 | e2);
    entry((void *)((uintptr_t)a1 << 16 << 16 | a2));
}

static bool prepare_portable(struct ms_stack *s, void (*entry)(void *), void *arg)
{
    ucontext_t *context = malloc(sizeof *context);
    if (!context)
        return false;
    getcontext(context);
    context->uc_stack.ss_sp = (char *)s->memory + page_size();
    context->uc_stack.ss_size = STACK_BYTES;
    context->uc_link = NULL;
    uintptr_t e = (uintptr_t)entry, a = (uintptr_t)arg;
    makecontext(context, (void (*)(void))start, 4, (unsigned)(e >> 16 >> 16), (unsigned)e,
                (unsigned)(a >> 16 >> 16), (unsigned)a);
    s->context = context;
    return true;
}

static void switch_portable(struct ms_stack *from, struct ms_stack *to)
{
    if (!from->context) { /* a thread's own stack leaves for the first time */
        from->context = malloc(sizeof(ucontext_t));
        ms_assert(from->context);
    }
    swapcontext(from->context, to->context);
}

/* ---- */

int ms_stack_init(struct ms_stack *s, void (*entry)(void *arg), void *arg, struct ms_error *err)
{
    *s = (struct ms_stack){.memory = take_memory(),
                           .size = STACK_BYTES,
                           .portable = force_portable || needs_portable()};
    if (!s->memory)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a task's stack");
    if (!s->portable) {
        prepare_by_hand(s, entry, arg);
    } else if (!prepare_portable(s, entry, arg)) {
        give_memory(s->memory);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a task's context");
    }
    s->bottom = (char *)s->memory + page_size();
#if defined(TSAN)
    s->tsan = __tsan_create_fiber(0);
#endif
    return 0;
}

void ms_stack_init_own(struct ms_stack *s)
{
    *s = (struct ms_stack){.portable = force_portable || needs_portable()};
#if defined(TSAN)
    s->tsan = __tsan_get_current_fiber();
#endif
}

static void fini_all_but_memory(struct ms_stack *s)
{
    if (s->portable)
        free(s->context);
    s->context = NULL;
#if defined(TSAN)
    if (s->memory)
        __tsan_destroy_fiber(s->tsan);
#endif
}

void ms_stack_fini(struct ms_stack *s)
{
    fini_all_but_memory(s);
    if (s->memory)
        give_memory(s->memory);
    s->memory = NULL;
}

void ms_stack_abandon(struct ms_stack *s)
{
#if defined(ASAN)
    /* its registers lie on the stack too, or in the ucontext_t */
    __lsan_register_root_region(s->bottom, s->size);
    if (s->portable)
        __lsan_ignore_object(s->context);
    *s = (struct ms_stack){0};
#else
    ms_stack_fini(s);
#endif
}

void ms_stack_switch(struct ms_stack *from, struct ms_stack *to, bool leaving)
{
#if defined(ASAN)
    __sanitizer_start_switch_fiber(leaving ? NULL : &from->fake, to->bottom, to->size);
#else
    (void)leaving;
#endif
#if defined(TSAN)
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
    if (to->portable)
        switch_portable(from, to);
    else
        switch_stacks(&from->context, to->context);
#if defined(ASAN)
    __sanitizer_finish_switch_fiber(from->fake, NULL, NULL);
#endif
}

void ms_stack_entered(struct ms_stack *self, struct ms_stack *from)
{
#if defined(ASAN)
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(self->fake, &bottom, &size);
    if (!from->memory) {
        from->bottom = bottom;
        from->size = size;
    }
#else
    (void)self;
    (void)from;
#endif
}

void ms_stack_force_portable(bool portable)
{
    force_portable = portable;
}
