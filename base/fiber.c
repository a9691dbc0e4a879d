/* Fibers: see fiber.h. x86-64 switches by hand (callee-saved registers and the stack pointer,
 * System V ABI); other machines use ucontext, which costs two system calls a switch. Per thread; no
 * locks. */
#include "base/fiber.h"

#include "base/assert.h"

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
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(TSAN)
#include <sanitizer/tsan_interface.h>
#endif

#if defined(ASAN) || defined(TSAN)
#define STACK_BYTES (1024 * 1024)
#else
#define STACK_BYTES (256 * 1024)
#endif

struct free_stack {
    struct free_stack *next;
};
static __thread struct free_stack *free_stacks;

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void *stack_memory(void)
{
    if (free_stacks) {
        void *memory = (char *)free_stacks - page_size();
        free_stacks = free_stacks->next;
        return memory;
    }
    size_t guard = page_size();
    char *memory = mmap(NULL, guard + STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    if (mprotect(memory, guard, PROT_NONE) < 0) {
        munmap(memory, guard + STACK_BYTES);
        return NULL;
    }
    return memory;
}

void ms_stack_drop_free(void)
{
    while (free_stacks) {
        void *memory = (char *)free_stacks - page_size();
        free_stacks = free_stacks->next;
        munmap(memory, page_size() + STACK_BYTES);
    }
}

#if defined(__x86_64__)

/* void switch_stacks(void **save, void *load) */
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
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size ms_switch_stacks,.-ms_switch_stacks\n"
        ".p2align 4\n"
        ".type ms_stack_start,@function\n"
        "ms_stack_start:\n"
        "    endbr64\n"
        "    movq %r12, %rdi\n" /* arg */
        "    call *%r13\n"      /* entry */
        "    ud2\n"
        ".size ms_stack_start,.-ms_stack_start\n");
extern void switch_stacks(void **save, void *load) __asm__("ms_switch_stacks")
    __attribute__((visibility("hidden")));
extern void stack_start(void) __asm__("ms_stack_start") __attribute__((visibility("hidden")));

static bool prepare(struct ms_stack *s, void (*entry)(void *), void *arg)
{
    void **top = (void **)((char *)s->memory + page_size() + s->size);
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
    return true;
}

static void enter(struct ms_stack *from, struct ms_stack *to)
{
    switch_stacks(&from->context, to->context);
}

static void drop_context(struct ms_stack *s)
{
    s->context = NULL;
}

#else

static void start(unsigned e1, unsigned e2, unsigned a1, unsigned a2)
{
    void (*entry)(void *) = (void (*)(void *))((uintptr_t)e1 << 16 << 16 | e2);
    entry((void *)((uintptr_t)a1 << 16 << 16 | a2));
}

static bool prepare(struct ms_stack *s, void (*entry)(void *), void *arg)
{
    ucontext_t *context = malloc(sizeof *context);
    if (!context)
        return false;
    getcontext(context);
    context->uc_stack.ss_sp = (char *)s->memory + page_size();
    context->uc_stack.ss_size = s->size;
    context->uc_link = NULL;
    uintptr_t e = (uintptr_t)entry, a = (uintptr_t)arg;
    makecontext(context, (void (*)(void))start, 4, (unsigned)(e >> 16 >> 16), (unsigned)e,
                (unsigned)(a >> 16 >> 16), (unsigned)a);
    s->context = context;
    return true;
}

static void enter(struct ms_stack *from, struct ms_stack *to)
{
    if (!from->context) {
        from->context = malloc(sizeof(ucontext_t));
        ms_assert(from->context);
    }
    swapcontext(from->context, to->context);
}

static void drop_context(struct ms_stack *s)
{
    free(s->context);
    s->context = NULL;
}

#endif

int ms_stack_init(struct ms_stack *s, void (*entry)(void *), void *arg, struct ms_error *err)
{
    *s = (struct ms_stack){.memory = stack_memory(), .size = STACK_BYTES};
    if (!s->memory)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a task's stack");
    if (!prepare(s, entry, arg)) {
        ms_stack_fini(s);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a task's context");
    }
    s->bottom = (char *)s->memory + page_size();
    s->bottom_size = s->size;
#if defined(TSAN)
    s->tsan = __tsan_create_fiber(0);
#endif
    return 0;
}

void ms_stack_init_own(struct ms_stack *s)
{
    *s = (struct ms_stack){0};
#if defined(TSAN)
    s->tsan = __tsan_get_current_fiber();
#endif
}

void ms_stack_fini(struct ms_stack *s)
{
    drop_context(s);
    if (!s->memory)
        return;
#if defined(TSAN)
    if (s->tsan)
        __tsan_destroy_fiber(s->tsan);
#endif
    struct free_stack *stack = (struct free_stack *)((char *)s->memory + page_size());
#if defined(ASAN)
    /* what the last owner poisoned must not haunt the next one */
    extern void __asan_unpoison_memory_region(void const volatile *addr, size_t size);
    __asan_unpoison_memory_region(stack, s->size);
#endif
    stack->next = free_stacks;
    free_stacks = stack;
    s->memory = NULL;
}

void ms_stack_switch(struct ms_stack *from, struct ms_stack *to, bool leaving)
{
#if defined(ASAN)
    __sanitizer_start_switch_fiber(leaving ? NULL : &from->fake, to->bottom, to->bottom_size);
#else
    (void)leaving;
#endif
#if defined(TSAN)
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
    enter(from, to);
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
    if (from && !from->memory) {
        from->bottom = bottom;
        from->bottom_size = size;
    }
#else
    (void)self;
    (void)from;
#endif
}
