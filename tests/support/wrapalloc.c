/* Failing allocations: see wrapalloc.h. */
#include "support/wrapalloc.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);
int __wrap_asprintf(char **out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int __wrap___asprintf_chk(char **out, int flag, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static atomic_long countdown = -1; /* negative: not armed, or failed already */
static atomic_bool failed;

void wrapalloc_arm(long k)
{
    atomic_store(&failed, false);
    atomic_store(&countdown, k);
}

bool wrapalloc_disarm(void)
{
    atomic_store(&countdown, -1);
    return atomic_load(&failed);
}

static bool fails(void)
{
    if (atomic_load_explicit(&countdown, memory_order_relaxed) < 0)
        return false;
    if (atomic_fetch_sub(&countdown, 1) != 0)
        return false;
    atomic_store(&failed, true);
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t count, size_t size)
{
    return fails() ? NULL : __real_reallocarray(p, count, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
    return fails() ? NULL : __real_strndup(text, size);
}

int __wrap_asprintf(char **out, const char *fmt, ...)
{
    if (fails())
        return -1;
    va_list args;
    va_start(args, fmt);
    int size = vasprintf(out, fmt, args);
    va_end(args);
    return size;
}

int __wrap___asprintf_chk(char **out, int flag, const char *fmt, ...)
{
    (void)flag;
    if (fails())
        return -1;
    va_list args;
    va_start(args, fmt);
    int size = vasprintf(out, fmt, args);
    va_end(args);
    return size;
}
