/* backends/rest/rest.h - a client of BorgStore's REST protocol v1: what the driver's files share.
 *
 * Below the slots stands ms_rest_do: one request, repeated where that is safe, over HTTP (libcurl)
 * or over the pipes of a child. */
#ifndef BACKENDS_REST_REST_H
#define BACKENDS_REST_REST_H

#include "backends/http/http.h"
#include "backends/rest/stdio.h"
#include "backends/rest/wire.h"
#include "backends/retry.h"

#include <stdatomic.h>

#define MS_REST_BLOCK_BYTES   ((size_t)8 << 20)  /* of a streamed read */
#define MS_REST_COLLECT_BYTES ((size_t)16 << 20) /* of a streamed write; more goes to a file */

struct ms_rest {
    struct ms_backend base;
    struct ms_retry_policy retry;
    struct ms_http *http, *patient_http; /* or */
    struct ms_rest_pool *pool;
    char *root;           /* what stands before "/name": "http://host:port/path", or "" */
    char peer[160];       /* for messages */
    unsigned parallelism; /* calls in flight that still speed things up */
    /* Set when the server got into its own way (412): from then on one request at a time. */
    atomic_bool alone;
    struct ms_mutex mutex;
    struct ms_cond turn;
    bool busy; /* guarded by mutex: one of those that go alone is under way */
};

static inline struct ms_rest *ms_rest_of(struct ms_backend *b)
{
    return (struct ms_rest *)b;
}

/* One request, and what became of it. */
struct ms_rest_call {
    enum ms_verb verb;
    const char *method;
    struct ms_view name; /* as the caller knows it; "" the root */
    bool listing;        /* the target ends in '/' */
    const char *query;   /* "cmd=mkdir", percent-encoded, or NULL */
    const char *header;  /* one more, or NULL */
    struct ms_view body; /* of every POST */
    uint64_t answer_max; /* bytes of the answer's body; 0: 1 MiB */
    uint8_t *into;       /* where it goes, NULL: a buffer */
    size_t into_size;
    bool into_mapped; /* … which is a shared mapping of a file: see ms_http_request */
    bool patient;     /* the server may work long before it answers */
    bool body_mapped; /* the body is a mapped file: what was sent may be dropped from memory */
    bool once;        /* not to be repeated when it may have happened already */
    int status;       /* out: of the last answer, 0: none */
    bool repeated;    /* out: an attempt before the last one may have happened */
};
/* 0: an answer of 2xx, to be freed with ms_http_answer_fini. Else the code its status means, with
 * the server's words in err, and nothing to free. */
int ms_rest_do(struct ms_rest *r, struct ms_rest_call *call, struct ms_http_answer *out,
               struct ms_error *err);
/* The same where nothing but success is wanted. */
int ms_rest_tell(struct ms_rest *r, struct ms_rest_call *call, struct ms_error *err);

/* HEAD. A missing item is NOT_FOUND. */
int ms_rest_head(struct ms_rest *r, struct ms_view name, enum ms_verb verb, struct ms_info *out,
                 struct ms_error *err);
/* The same of a value: NOT_FOUND also for a directory and for what would stand below a value. */
int ms_rest_find(struct ms_rest *r, struct ms_view name, enum ms_verb verb, struct ms_info *out,
                 struct ms_error *err);
int ms_rest_not_found(struct ms_view name, struct ms_error *err);
int ms_rest_no_memory(struct ms_view name, struct ms_error *err);

/* What an answer of 500 (or another vague one) to a call means where directories stand in the way:
 * BorgStore's own server says no more. Returns code, or NOT_FOUND or EXISTS with err set. */
enum ms_rest_intent { MS_REST_READS, MS_REST_WRITES, MS_REST_LISTS, MS_REST_MKDIR, MS_REST_RMDIR };
int ms_rest_settle(struct ms_rest *r, int code, const struct ms_rest_call *call,
                   struct ms_view name, enum ms_rest_intent intent, struct ms_error *err);

/* GET of [offset, offset+size): fewer bytes at the value's end. Into `into`, or a buffer. */
int ms_rest_get(struct ms_rest *r, struct ms_view name, struct ms_rest_range range, uint8_t *into,
                struct ms_buf **out, size_t *got, struct ms_error *err);
/* GET of all of it in one request, into a mapping of a file that is shared: what has come need not
 * stay in memory. PROTOCOL: more than `size` bytes. */
int ms_rest_get_whole(struct ms_rest *r, struct ms_view name, uint8_t *into, size_t size,
                      size_t *got, struct ms_error *err);
/* A file without a name in TMPDIR. */
int ms_rest_temporary(int *out, struct ms_error *err);
/* POST of a whole value with its SHA-256. */
int ms_rest_put(struct ms_rest *r, struct ms_view name, struct ms_view bytes, const char *sha256,
                bool mapped, struct ms_error *err);

/* ---- slots in other files ---- */

int ms_rest_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                 struct ms_error *err);
int ms_rest_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                 struct ms_buf **out, struct ms_info *info, struct ms_error *err);
int ms_rest_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                  const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err);
int ms_rest_remove(struct ms_backend *b, struct ms_view name, struct ms_error *err);
int ms_rest_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                 const struct ms_precondition *pre, struct ms_error *err);
int ms_rest_hash(struct ms_backend *b, struct ms_view name, const char *algorithm, char *hex,
                 size_t hex_size, struct ms_error *err);
int ms_rest_compose(struct ms_backend *b, const struct ms_part *parts, size_t count,
                    struct ms_view to, const struct ms_precondition *pre, struct ms_error *err);
int ms_rest_usage(struct ms_backend *b, uint64_t *total_bytes, uint64_t *free_bytes,
                  struct ms_error *err);
int ms_rest_list(struct ms_backend *b, struct ms_view name, const struct ms_list_request *request,
                 struct ms_lister **out, struct ms_error *err);
int ms_rest_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                 struct ms_error *err);
int ms_rest_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                  const struct ms_precondition *pre, struct ms_writer **out, struct ms_error *err);

#endif
