/* base/cleanup.h - scope-bound ownership: `ms_auto(ms_buf_unref, struct ms_buf) b = NULL`-style
 * helpers. */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <mstore/base.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline void ms_free_cleanup(void *p)
{
    free(*(void **)p);
}
/* Frees a text that may hold a secret; its bytes are gone. */
static inline void ms_wipe_free(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}
static inline void ms_close_cleanup(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
static inline void ms_buf_cleanup(struct ms_buf **b)
{
    ms_buf_unref(*b);
}
#define MS_AUTO_FREE  __attribute__((cleanup(ms_free_cleanup)))
#define MS_AUTO_CLOSE __attribute__((cleanup(ms_close_cleanup)))
#define MS_AUTO_BUF   __attribute__((cleanup(ms_buf_cleanup)))

/* Takes a value out of a variable that would clean it up. */
#define MS_TAKE(p)                                                                                 \
    ({                                                                                             \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })
static inline int ms_take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

#endif
