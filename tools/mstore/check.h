/* check.h - what works on a storage, tried out on values of our own: the steps of `mstore check`.
 *
 * Everything lies below one directory with a random name, beside whatever the storage holds. Each
 * step stands on earlier ones; when one of those failed it is skipped. One thread; a step may use
 * the pool. */
#ifndef TOOLS_MSTORE_CHECK_H
#define TOOLS_MSTORE_CHECK_H

#include <mstore/backend.h>

enum ms_check_verdict {
    MS_CHECK_SKIPPED, /* makes no sense, because an earlier step failed */
    MS_CHECK_OK,
    MS_CHECK_UNSUPPORTED,
    MS_CHECK_FAILED,
};

#define MS_CHECK_STEPS 19

struct ms_check_result {
    const char *what;
    enum ms_check_verdict verdict;
    int code; /* 0 when it is ok */
    uint64_t time_ns;
    char note[600];
};

/* What programs want as numbers; 0: not measured. */
struct ms_check_numbers {
    uint64_t round_trip_ns, up_bytes_per_s, down_bytes_per_s;
    int64_t clock_ahead_ns; /* the storage's clock against ours */
    bool has_clock;
};

/* The values that are tried, each at a name of its own below the directory. */
enum { MS_CHECK_VALUE, MS_CHECK_RENAMED, MS_CHECK_RACED, MS_CHECK_LARGE, MS_CHECK_NAMES };

struct ms_check {
    struct ms_backend *backend;
    struct ms_clock *clock;
    const char *create_hint; /* what stands behind "mstore create" */
    char folder[40], names[MS_CHECK_NAMES][64];
    struct ms_buf *noise; /* values are slices of it */
    struct ms_capabilities capabilities;
    struct ms_info info; /* of the value, once it is written */
    int64_t wrote_from_ns, wrote_until_ns;
    uint64_t large_bytes; /* what lies at MS_CHECK_LARGE */
    struct ms_check_numbers numbers;
    struct ms_check_result results[MS_CHECK_STEPS];
    size_t count;
    bool open;
};

/* The backend is closed and stays the caller's; `random` are the letters of the directory. */
int ms_check_init(struct ms_check *c, struct ms_backend *backend, const char *random,
                  struct ms_error *err) MS_MUST_CHECK;
/* Runs all steps, cleans up also when it was cancelled, closes the backend. `report` is told each
 * result at once; NULL: nobody. Returns 0, whatever failed, or MS_ERR_CANCELLED. */
int ms_check_run(struct ms_check *c, void (*report)(const struct ms_check_result *r),
                 struct ms_error *err) MS_MUST_CHECK;
void ms_check_fini(struct ms_check *c);
/* "ok", "not supported", "FAILED", "skipped". */
const char *ms_check_verdict_text(enum ms_check_verdict verdict);

#endif
