/* mstore/base.h - what every layer speaks: errors, bytes, clocks, chance, cancellation, log.
 *
 * Conventions of all headers:
 *  - functions that can fail return int: 0 or a negative enum ms_code; their last parameter is a
 *    nullable `struct ms_error *err` that receives the code and one readable sentence;
 *  - parameters come in the order self, inputs, outputs, err;
 *  - `T **out` is owned by the caller on success and untouched on failure; a returned pointer is
 *    borrowed;
 *  - *_free(NULL) and *_unref(NULL) are safe;
 *  - units are in the names: _ns nanoseconds, _bytes, _bps bits per second.
 */
#ifndef MSTORE_BASE_H
#define MSTORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MS_API                __attribute__((visibility("default")))
#define MS_MUST_CHECK         __attribute__((warn_unused_result))
#define MS_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* ---- errors -------------------------------------------------------------------------------
 *
 * Each code has one class:
 *   PERMANENT  repeating the call changes nothing;
 *   TRANSIENT  the same call on the same storage may succeed a moment later;
 *   ELSEWHERE  another copy of the data may succeed.
 * Numbers are part of the ABI: append, never renumber. */
#define MS_ERRORS(X)                                                                               \
    X(INVALID, 1, PERMANENT, "invalid argument")                                                   \
    X(NAME, 2, PERMANENT, "invalid name")                                                          \
    X(URL, 3, PERMANENT, "invalid URL")                                                            \
    X(CONFIG, 4, PERMANENT, "invalid configuration")                                               \
    X(NOT_FOUND, 5, ELSEWHERE, "not found")                                                        \
    X(EXISTS, 6, PERMANENT, "already exists")                                                      \
    X(CONFLICT, 7, PERMANENT, "changed by somebody else")                                          \
    X(NO_STORE, 8, ELSEWHERE, "store does not exist")                                              \
    X(STORE_EXISTS, 9, PERMANENT, "store already exists or is not empty")                          \
    X(MUST_BE_OPEN, 10, PERMANENT, "store must be open")                                           \
    X(MUST_NOT_BE_OPEN, 11, PERMANENT, "store must not be open")                                   \
    X(PERMISSION, 12, PERMANENT, "permission denied")                                              \
    X(QUOTA, 13, PERMANENT, "quota exceeded")                                                      \
    X(RANGE, 14, ELSEWHERE, "read range error")                                                    \
    X(UNSUPPORTED, 15, PERMANENT, "not supported by this storage")                                 \
    X(NO_MEMORY, 16, PERMANENT, "out of memory")                                                   \
    X(IO, 17, ELSEWHERE, "input/output error")                                                     \
    X(NO_SPACE, 18, ELSEWHERE, "no space left on storage")                                         \
    X(ACCESS, 19, ELSEWHERE, "storage denies access")                                              \
    X(CONNECTION, 20, TRANSIENT, "connection failed")                                              \
    X(TIMEOUT, 21, TRANSIENT, "timed out")                                                         \
    X(BUSY, 22, TRANSIENT, "storage is busy")                                                      \
    X(AUTH, 23, ELSEWHERE, "authentication failed")                                                \
    X(UNTRUSTED, 24, ELSEWHERE, "the other side's identity is not trusted")                        \
    X(PROTOCOL, 25, ELSEWHERE, "the other side speaks something else")                             \
    X(CORRUPT, 26, ELSEWHERE, "damaged data")                                                      \
    X(CANCELLED, 27, PERMANENT, "cancelled")                                                       \
    X(FORMAT, 28, PERMANENT, "malformed data")                                                     \
    X(TOO_LARGE, 29, PERMANENT, "too large")                                                       \
    X(INTERNAL, 30, PERMANENT, "internal error")

enum ms_code {
    MS_OK = 0,
#define MS_X(name, number, class_, text) MS_ERR_##name = -(number),
    MS_ERRORS(MS_X)
#undef MS_X
};

enum ms_error_class { MS_CLASS_PERMANENT, MS_CLASS_TRANSIENT, MS_CLASS_ELSEWHERE };

/* Value type, kept by the caller; `struct ms_error err = {0};` is empty. */
struct ms_error {
    int code;
    char text[508]; /* one sentence, never a secret; cut when longer */
};

MS_API const char *ms_code_name(int code); /* "NOT_FOUND"; "OK" for 0 */
MS_API const char *ms_code_text(int code); /* "not found" */
MS_API enum ms_error_class ms_code_class(int code);
/* Sets code and sentence (err may be NULL). Returns code, so that `return ms_error_set(...)` works.
 */
MS_API int ms_error_set(struct ms_error *err, int code, const char *fmt, ...) MS_PRINTF(3, 4);
/* Puts "PREFIX: " before the sentence; keeps the code. Returns the code. */
MS_API int ms_error_prefix(struct ms_error *err, int code, const char *fmt, ...) MS_PRINTF(3, 4);
/* From an errno value: the code that fits, and "SENTENCE: strerror". Returns the code. */
MS_API int ms_error_errno(struct ms_error *err, int errnum, const char *fmt, ...) MS_PRINTF(3, 4);

/* ---- bytes -------------------------------------------------------------------------------- */

/* Borrowed bytes, by value. */
struct ms_view {
    const uint8_t *data;
    size_t size;
};

static inline struct ms_view ms_view(const void *data, size_t size)
{
    return (struct ms_view){(const uint8_t *)data, size};
}

/* View of a NUL-terminated string, without the NUL. */
static inline struct ms_view ms_str(const char *text)
{
    return ms_view(text, strlen(text));
}

/* A reference-counted buffer, immutable once shared. Any thread may ref and unref. */
struct ms_buf;

MS_API struct ms_buf *ms_buf_new(size_t size); /* uninitialised bytes; NULL: out of memory */
MS_API struct ms_buf *ms_buf_copy(struct ms_view bytes);
/* Takes over memory; `release(ctx, data)` runs when the last reference goes. On NULL the caller
 * still owns it. */
MS_API struct ms_buf *ms_buf_wrap(void *data, size_t size, void (*release)(void *ctx, void *data),
                                  void *ctx);
/* Bytes [offset, offset+size) of buf without a copy; holds a reference to buf. NULL: no memory.
 * The range must lie inside buf. */
MS_API struct ms_buf *ms_buf_slice(struct ms_buf *buf, size_t offset, size_t size);
/* A reference that may be kept beyond the call. For a buffer over borrowed memory (see
 * ms_buf_borrow) that is a copy, and may be NULL: out of memory. */
MS_API struct ms_buf *ms_buf_ref(struct ms_buf *buf) MS_MUST_CHECK;
MS_API void ms_buf_unref(struct ms_buf *buf);
MS_API struct ms_view ms_buf_view(const struct ms_buf *buf);
MS_API size_t ms_buf_size(const struct ms_buf *buf);
/* For filling a buffer that nobody else has yet. */
MS_API uint8_t *ms_buf_data(struct ms_buf *buf);
/* Cuts the size of a buffer that nobody else has yet. */
MS_API void ms_buf_truncate(struct ms_buf *buf, size_t size);

/* A buffer on the caller's stack over the caller's bytes, valid until the call it is given to
 * returns: `struct ms_buf_borrowed b; ms_store_store(s, key, ms_buf_borrow(&b, view), ...)`. */
struct ms_buf_borrowed {
    void *opaque[8];
};
MS_API struct ms_buf *ms_buf_borrow(struct ms_buf_borrowed *place, struct ms_view bytes);

/* ---- clocks and chance -------------------------------------------------------------------- */

/* Time is handed in: nothing in the library calls the system clock or sleeps on its own. */
struct ms_clock;
MS_API struct ms_clock *ms_clock_real(void); /* lives for ever */
/* A clock that stands still except when something sleeps on it, which takes no time at all. */
MS_API struct ms_clock *ms_clock_virtual_new(uint64_t start_ns);
MS_API void ms_clock_free(struct ms_clock *clock);    /* virtual ones only */
MS_API uint64_t ms_clock_now(struct ms_clock *clock); /* monotonic, ns */
MS_API int64_t ms_clock_wall(struct ms_clock *clock); /* ns since 1970-01-01 UTC */

/* xoshiro256** 1.0 by Blackman and Vigna (https://prng.di.unimi.it/), seeded by splitmix64. Not
 * for secrets. One thread at a time. */
struct ms_random {
    uint64_t state[4];
};
MS_API void ms_random_seed(struct ms_random *random, uint64_t seed);
MS_API uint64_t ms_random_u64(struct ms_random *random);
MS_API uint64_t ms_random_below(struct ms_random *random,
                                uint64_t bound);        /* 0 <= r < bound, unbiased */
MS_API double ms_random_unit(struct ms_random *random); /* 0 <= r < 1 */

/* ---- cancellation --------------------------------------------------------------------------
 *
 * A token that long work looks at. The library's calls use the calling thread's current token;
 * tasks they fork inherit it. A cancelled call returns MS_ERR_CANCELLED soon, with nothing
 * half-visible. */
struct ms_cancel;
MS_API int ms_cancel_new(struct ms_cancel **out, struct ms_error *err) MS_MUST_CHECK;
MS_API void ms_cancel_free(struct ms_cancel *cancel);
MS_API void ms_cancel_fire(struct ms_cancel *cancel); /* any thread; not from a signal handler */
MS_API bool ms_cancel_fired(const struct ms_cancel *cancel);
/* Makes it the calling thread's token (NULL: none) and returns the one before. */
MS_API struct ms_cancel *ms_cancel_swap(struct ms_cancel *cancel);
/* Fires the token at SIGINT or SIGTERM from a thread of its own; a second signal ends the process.
 * Call it first thing in main, before any other thread exists. */
MS_API int ms_cancel_on_signals(struct ms_cancel *cancel, struct ms_error *err) MS_MUST_CHECK;

/* ---- log ---------------------------------------------------------------------------------- */

enum ms_log_level { MS_LOG_ERROR, MS_LOG_WARN, MS_LOG_INFO, MS_LOG_DEBUG };
/* Replaces the sink (NULL: standard error) and the level (default WARN). The sink must not call
 * the library. */
MS_API void ms_log_to(void (*sink)(void *ctx, enum ms_log_level level, const char *line), void *ctx,
                      enum ms_log_level level);

MS_API const char *ms_version(void); /* "0.1.0" */

#ifdef __cplusplus
}
#endif
#endif
