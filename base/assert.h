/* base/assert.h - a programmer's mistake ends the process, in release builds too. */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

__attribute__((noreturn, cold)) void ms_assert_failed(const char *what, const char *file, int line);
#define ms_assert(condition)                                                                       \
    ((condition) ? (void)0 : ms_assert_failed(#condition, __FILE__, __LINE__))

#endif
