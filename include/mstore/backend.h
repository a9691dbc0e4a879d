/* mstore/backend.h - a thin driver for one storage: what callers use and what a driver fills in.
 *
 * A backend keeps values under names ("data/01/23/0123…": segments joined by '/'), knows
 * directories, and knows nothing of namespaces, nesting or redundancy. All calls block and may come
 * from many threads at once on one handle; create, destroy, open, close and free come from one
 * thread while nothing else uses the handle.
 *
 * Promise: a value is visible whole or not at all; after a store returned success it is as durable
 * as the capability `durability` says.
 *
 * Callers use the ms_backend_* functions, never ops->: they check state, names and ranges and the
 * driver's results once for all, and count statistics.
 */
#ifndef MSTORE_BACKEND_H
#define MSTORE_BACKEND_H

#include <mstore/base.h>
#include <mstore/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ms_backend;
struct ms_url;

/* ---- shapes ------------------------------------------------------------------------------- */

#define MS_SIZE_TO_END UINT64_MAX /* "all there is" as a size */
#define MS_TAG_SIZE    72         /* with the NUL */
#define MS_NAME_MAX    4096       /* of a whole backend name, bytes */

/* Changes whenever the value does. Compare for equality only. "" : the storage gives none. */
struct ms_tag {
    char text[MS_TAG_SIZE];
};

struct ms_info {
    bool exists; /* a missing item is no error */
    bool directory;
    uint64_t size_bytes; /* 0 for a directory */
    int64_t mtime_ns;    /* storage's clock, since 1970; 0 unknown */
    int64_t atime_ns;    /* last read; 0 unknown */
    struct ms_tag tag;
};

enum ms_precondition_kind {
    MS_ALWAYS,
    MS_IF_ABSENT, /* else MS_ERR_EXISTS; exact among racing writers */
    MS_IF_TAG,    /* the value there now has this tag, else MS_ERR_CONFLICT (absent: too) */
};

struct ms_precondition {
    enum ms_precondition_kind kind;
    struct ms_tag tag;
};

/* What a storage can do. */
enum ms_capability {
    MS_CAP_ATOMIC_REPLACE = 1 << 0,
    MS_CAP_IF_ABSENT = 1 << 1,
    MS_CAP_IF_TAG = 1 << 2,
    MS_CAP_HASH = 1 << 3,    /* hashes where the data is */
    MS_CAP_COPY = 1 << 4,    /* copies where the data is */
    MS_CAP_COMPOSE = 1 << 5, /* composes where the data is */
    MS_CAP_LIST_AFTER_WRITE = 1 << 6,
    MS_CAP_BATCH = 1 << 7, /* a batch is cheaper than its stores one by one */
    MS_CAP_MOVE_IF_ABSENT = 1 << 8,
    MS_CAP_DIRECTORIES = 1 << 9,  /* has real directories, removed when told */
    MS_CAP_DELETE_MANY = 1 << 10, /* many deletes at once are cheaper than one by one */
};

enum ms_durability {
    MS_DURABLE_NONE, /* whenever the storage pleases */
    MS_DURABLE_DATA, /* the bytes are safe, the name may be lost */
    MS_DURABLE_FULL, /* bytes and name survive a power cut */
};

struct ms_capabilities {
    unsigned flags; /* enum ms_capability, or-ed */
    enum ms_durability durability;
    unsigned name_max_bytes;   /* of one segment */
    unsigned best_parallelism; /* calls in flight that still speed things up */
    uint64_t best_block_bytes; /* of streamed reads and writes */
};

/* One entry of a directory. `name` (one segment) is borrowed until the next call. */
struct ms_entry {
    struct ms_view name;
    struct ms_info info; /* only `directory` is set when the listing asked for names alone */
};

struct ms_list_request {
    struct ms_view start_after; /* entries > this, bytewise; empty: from the start */
    uint64_t limit;             /* a hint: the caller stops after so many; 0: none */
    bool names_only;            /* sizes and times are not wanted */
};

struct ms_deletion { /* one of many */
    struct ms_view name;
    struct ms_error result; /* out; its code is 0 when the value was there and is gone */
};

struct ms_part {
    struct ms_view name;
    uint64_t offset, size;
};

/* ---- handles that live shorter than a backend ----------------------------------------------
 *
 * A driver embeds these first in its own struct. One thread at a time, except batch stores. */

struct ms_writer { /* a value in the making; invisible before commit */
    const struct ms_writer_ops *ops;
    struct ms_backend *backend;
    uint64_t written_bytes, spent; /* the wrapper's; a driver leaves them 0 */
    int failed;                    /* likewise: an append that failed */
};
struct ms_writer_ops {
    int (*append)(struct ms_writer *w, struct ms_view bytes, struct ms_error *err);
    /* Both free the writer, also on failure. Nothing is visible after a failed commit unless the
     * failure is a lost answer. tag may not be NULL. */
    int (*commit)(struct ms_writer *w, struct ms_tag *tag, struct ms_error *err);
    void (*abort)(struct ms_writer *w);
};

struct ms_reader { /* one version of one value, pinned: a replacement meanwhile is never mixed in */
    const struct ms_reader_ops *ops;
    struct ms_backend *backend;
    struct ms_info info;        /* of the pinned version */
    uint64_t read_bytes, spent; /* the wrapper's; a driver leaves them 0 */
    int failed;                 /* likewise: the last error of a read */
};
struct ms_reader_ops {
    /* 0 <= offset <= info.size, size clipped to the end by the wrapper; fills all of `into`.
     * Safe from many threads. MS_ERR_CONFLICT: the version is gone. */
    int (*read)(struct ms_reader *r, uint64_t offset, uint8_t *into, size_t size,
                struct ms_error *err);
    void (*close)(struct ms_reader *r);
};

struct ms_lister { /* entries of one directory, sorted bytewise by name, streaming */
    const struct ms_lister_ops *ops;
    struct ms_backend *backend;
    uint64_t spent; /* the wrapper's; a driver leaves them 0 */
    bool begun;     /* likewise */
    int failed;     /* likewise */
};
struct ms_lister_ops {
    /* Sets *out to the next entry, to NULL at the end. */
    int (*next)(struct ms_lister *l, const struct ms_entry **out, struct ms_error *err);
    void (*close)(struct ms_lister *l);
};

struct ms_batch { /* stores acknowledged together: nothing counts before the commit */
    const struct ms_batch_ops *ops;
    struct ms_backend *backend;
};
struct ms_batch_ops {
    /* Many threads at once. Temporaries are durable before any becomes visible. A precondition is
     * judged at commit at the latest. */
    int (*store)(struct ms_batch *b, struct ms_view name, struct ms_buf *value,
                 const struct ms_precondition *pre, struct ms_error *err);
    /* Both free the batch. After a failed commit each value is visible whole or not at all. */
    int (*commit)(struct ms_batch *b, struct ms_error *err);
    void (*abort)(struct ms_batch *b);
};

/* ---- the driver's table ------------------------------------------------------------------- */

struct ms_backend {
    const struct ms_backend_ops *ops;
    struct ms_clock *clock;
    struct ms_entity *stats; /* opaque; NULL: not counted */
    char url[128];           /* for messages: no secrets */
    int state;               /* the wrapper's, and the next two */
    unsigned flags;          /* of the capabilities, learned when it was opened */
    unsigned name_max_bytes; /* likewise */
    bool inner;    /* something stands in front and counts the calls (bytes moved are still
                      counted here) */
    bool no_place; /* the last open said NO_STORE, and create cannot help: what a store lies in (a
                      bucket) is missing too, which no driver makes */
};

/* What a driver is made from. */
struct ms_backend_env {
    struct ms_clock *clock; /* never NULL */
    uint64_t seed;          /* for its generators */
    unsigned flags;         /* 0 */
};

/* Every slot may be called from many threads at once, blocks, and returns 0 or a negative code with
 * err set (err may be NULL). Names are valid, relative, without empty, "." or ".." segments.
 *
 * A directory is no value and a value no directory: reading, deleting or moving the one as the
 * other is NOT_FOUND (info below a value: exists = false), writing one over the other is EXISTS. */
struct ms_backend_ops {
    /* Both act on a closed backend. create: STORE_EXISTS when there is anything inside (an empty
     * one is taken as it is), leaves nothing inside. destroy: removes all; NO_STORE when there is
     * none. */
    int (*create)(struct ms_backend *b, struct ms_error *err);
    int (*destroy)(struct ms_backend *b, struct ms_error *err);
    int (*open)(struct ms_backend *b, struct ms_error *err);  /* NO_STORE when there is none */
    int (*close)(struct ms_backend *b, struct ms_error *err); /* closed even when it fails */
    void (*free)(struct ms_backend *b);                       /* closed before */
    void (*capabilities)(struct ms_backend *b, struct ms_capabilities *out);

    /* Parents are made on demand; an existing directory is success. */
    int (*mkdir)(struct ms_backend *b, struct ms_view name, struct ms_error *err);
    /* Only an empty one. NOT_FOUND; EXISTS when not empty. */
    int (*rmdir)(struct ms_backend *b, struct ms_view name, struct ms_error *err);
    /* Missing: success with exists = false. */
    int (*info)(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                struct ms_error *err);
    /* offset < 0 counts from the end; beyond either end is clipped; size may be MS_SIZE_TO_END.
     * Returns the bytes there are, at most size. NOT_FOUND. `info` may be NULL. */
    int (*load)(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                struct ms_buf **out, struct ms_info *info, struct ms_error *err);
    /* pre and tag are never NULL. Directories are made on demand. */
    int (*store)(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                 const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err);
    int (*remove)(struct ms_backend *b, struct ms_view name, struct ms_error *err); /* NOT_FOUND */
    /* Replaces `to` unless pre says otherwise (ALWAYS or IF_ABSENT only). NOT_FOUND. */
    int (*move)(struct ms_backend *b, struct ms_view from, struct ms_view to,
                const struct ms_precondition *pre, struct ms_error *err);
    /* One level below name ("" is the root). NOT_FOUND when the directory is missing. Temporaries
     * and internal names (".tmp", ".hid") never appear. */
    int (*list)(struct ms_backend *b, struct ms_view name, const struct ms_list_request *request,
                struct ms_lister **out, struct ms_error *err);

    /* NULL: a generic fallback serves. */
    int (*write)(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                 const struct ms_precondition *pre, struct ms_writer **out, struct ms_error *err);
    int (*read)(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                struct ms_error *err);
    int (*batch)(struct ms_backend *b, struct ms_batch **out, struct ms_error *err);
    int (*hash)(struct ms_backend *b, struct ms_view name, const char *algorithm, char *hex,
                size_t hex_size, struct ms_error *err);
    /* A new value at `to` from parts of others, in order. RANGE when a part is short. */
    int (*compose)(struct ms_backend *b, const struct ms_part *parts, size_t count,
                   struct ms_view to, const struct ms_precondition *pre, struct ms_error *err);
    int (*copy)(struct ms_backend *b, struct ms_view from, struct ms_view to,
                const struct ms_precondition *pre, struct ms_error *err);
    /* Total and free bytes of the storage; UINT64_MAX where unknown. NULL: unknown. */
    int (*usage)(struct ms_backend *b, uint64_t *total_bytes, uint64_t *free_bytes,
                 struct ms_error *err);
    /* Removes temporaries older than age_ns by the storage's clock. NULL: there are none. */
    int (*sweep)(struct ms_backend *b, uint64_t age_ns, uint64_t *removed, struct ms_error *err);
    /* As many removes, in fewer round trips (MS_CAP_DELETE_MANY). Sets each result, and returns 0
     * then; otherwise the results not yet set (MS_ERR_CANCELLED without a text, as they came)
     * become what it returns. Of a name that is there twice one result may be NOT_FOUND. */
    int (*remove_many)(struct ms_backend *b, struct ms_deletion *const *items, size_t count,
                       struct ms_error *err);
    /* A descriptor of a regular file on this machine whose bytes are this version of the value and
     * stay so: for sendfile. NULL: values are not such files. */
    int (*open_file)(struct ms_backend *b, struct ms_view name, int *fd, struct ms_info *info,
                     struct ms_error *err);
};

struct ms_backend_type {
    const char *scheme; /* "file" */
    const char *usage;  /* one line for --help: "file:///ABSOLUTE/PATH[?sync=full|data|none]" */
    /* Takes the options it knows out of url; the caller refuses what is left. Touches no storage.
     */
    int (*make)(struct ms_url *url, const struct ms_backend_env *env, struct ms_backend **out,
                struct ms_error *err);
};

/* ---- URLs ---------------------------------------------------------------------------------
 *
 * SCHEME:REST with options behind '?': "file:///srv/store?sync=none&emulate.latency=50ms". Parts
 * are percent-decoded; a decoded NUL is refused. */
struct ms_url_option {
    char *key, *value;
    bool taken;
};
struct ms_url {
    char *scheme;                 /* lower case */
    bool authority;               /* "//" was there */
    char *user, *password, *host; /* NULL when absent; an IPv6 host without brackets */
    int port;                     /* -1: absent */
    char *path;                   /* "" when absent; starts with '/' behind an authority */
    char *raw_path;               /* the same, not decoded: for drivers that divide it further */
    struct ms_url_option *options;
    size_t option_count;
    char safe[128]; /* the URL for messages: no password, no option values that
                       could be secret; cut when longer */
};
MS_API int ms_url_parse(const char *text, struct ms_url **out, struct ms_error *err) MS_MUST_CHECK;
MS_API void ms_url_free(struct ms_url *url);
/* The value of an option, which is then taken; NULL: not there (or taken before). */
MS_API const char *ms_url_take(struct ms_url *url, const char *key);
/* MS_ERR_URL that names the first option nobody took. */
MS_API int ms_url_check_taken(const struct ms_url *url, struct ms_error *err) MS_MUST_CHECK;

/* ---- registry ----------------------------------------------------------------------------- */

/* Adds a driver; asserts the mandatory slots of what it makes. Before other threads start. */
MS_API int ms_backend_register(const struct ms_backend_type *type, struct ms_error *err);
MS_API const struct ms_backend_type *ms_backend_type_at(size_t index); /* NULL after the last */
/* Makes a closed backend from a URL. Emulator options are not looked at here: see
 * mstore/emulator.h. env may be NULL: real clock. */
MS_API int ms_backend_make(const char *url, const struct ms_backend_env *env,
                           struct ms_backend **out, struct ms_error *err) MS_MUST_CHECK;
/* The same from a parsed URL, some of whose options may have been taken before. */
MS_API int ms_backend_make_url(struct ms_url *url, const struct ms_backend_env *env,
                               struct ms_backend **out, struct ms_error *err) MS_MUST_CHECK;

/* ---- calls: as the slots above, checked and counted ---------------------------------------- */

MS_API int ms_backend_create(struct ms_backend *b, struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_backend_destroy(struct ms_backend *b, struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_backend_open(struct ms_backend *b, struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_backend_close(struct ms_backend *b, struct ms_error *err) MS_MUST_CHECK;
MS_API void ms_backend_free(struct ms_backend *b); /* closes it when open */
MS_API void ms_backend_capabilities(struct ms_backend *b, struct ms_capabilities *out);
MS_API int ms_backend_mkdir(struct ms_backend *b, struct ms_view name,
                            struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_backend_rmdir(struct ms_backend *b, struct ms_view name,
                            struct ms_error *err) MS_MUST_CHECK;
/* name "": the root, a directory that exists. */
MS_API int ms_backend_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                           struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_backend_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                           struct ms_buf **out, struct ms_info *info,
                           struct ms_error *err) MS_MUST_CHECK;
/* pre NULL: always; tag may be NULL. */
MS_API int ms_backend_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                            const struct ms_precondition *pre, struct ms_tag *tag,
                            struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_backend_delete(struct ms_backend *b, struct ms_view name,
                             struct ms_error *err) MS_MUST_CHECK;
/* Each gets its own result, as ms_backend_delete would give it. 0 when each was tried, whatever
 * came of it; otherwise what kept it from that, which is the result of those not tried. */
MS_API int ms_backend_delete_many(struct ms_backend *b, struct ms_deletion *items, size_t count,
                                  struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_backend_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                           const struct ms_precondition *pre, struct ms_error *err) MS_MUST_CHECK;
/* request NULL: all of it. */
MS_API int ms_backend_list(struct ms_backend *b, struct ms_view name,
                           const struct ms_list_request *request, struct ms_lister **out,
                           struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_lister_next(struct ms_lister *l, const struct ms_entry **out,
                          struct ms_error *err) MS_MUST_CHECK;
MS_API void ms_lister_close(struct ms_lister *l);
/* size_hint 0: unknown; else MS_ERR_NO_SPACE may come at once where so many bytes have no room.
 * Fewer or more bytes are no error. */
MS_API int ms_backend_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                            const struct ms_precondition *pre, struct ms_writer **out,
                            struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_writer_append(struct ms_writer *w, struct ms_view bytes,
                            struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_writer_commit(struct ms_writer *w, struct ms_tag *tag,
                            struct ms_error *err) MS_MUST_CHECK;
MS_API void ms_writer_abort(struct ms_writer *w);
MS_API int ms_backend_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                           struct ms_error *err) MS_MUST_CHECK;
MS_API const struct ms_info *ms_reader_info(const struct ms_reader *r);
/* Reads up to size bytes; *got is less only at the end of the value. */
MS_API int ms_reader_read(struct ms_reader *r, uint64_t offset, uint8_t *into, size_t size,
                          size_t *got, struct ms_error *err) MS_MUST_CHECK;
MS_API void ms_reader_close(struct ms_reader *r);
/* The descriptor is the caller's. UNSUPPORTED where values are no local files: read it otherwise.
 * Counts as a load of all of it. A file that has become shorter is for the caller to notice. */
MS_API int ms_backend_open_file(struct ms_backend *b, struct ms_view name, int *fd,
                                struct ms_info *info, struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_backend_batch(struct ms_backend *b, struct ms_batch **out,
                            struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_batch_store(struct ms_batch *batch, struct ms_view name, struct ms_buf *value,
                          const struct ms_precondition *pre, struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_batch_commit(struct ms_batch *batch, struct ms_error *err) MS_MUST_CHECK;
MS_API void ms_batch_abort(struct ms_batch *batch);
/* algorithm: a name that OpenSSL knows ("sha256"); hex gets 2 × digest size + 1 bytes. */
MS_API int ms_backend_hash(struct ms_backend *b, struct ms_view name, const char *algorithm,
                           char *hex, size_t hex_size, struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_backend_compose(struct ms_backend *b, const struct ms_part *parts, size_t count,
                              struct ms_view to, const struct ms_precondition *pre,
                              struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_backend_copy(struct ms_backend *b, struct ms_view from, struct ms_view to,
                           const struct ms_precondition *pre, struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_backend_usage(struct ms_backend *b, uint64_t *total_bytes, uint64_t *free_bytes,
                            struct ms_error *err) MS_MUST_CHECK;
MS_API int ms_backend_sweep(struct ms_backend *b, uint64_t age_ns, uint64_t *removed,
                            struct ms_error *err) MS_MUST_CHECK;

/* For drivers: bytes that really went over the wire or to the disk, and a repeated attempt. */
MS_API void ms_backend_count_moved(struct ms_backend *b, uint64_t in_bytes, uint64_t out_bytes);
MS_API void ms_backend_count_retry(struct ms_backend *b, enum ms_verb verb);
MS_API void ms_backend_count_emulated(struct ms_backend *b, enum ms_verb verb, uint64_t delay_ns);

#ifdef __cplusplus
}
#endif
#endif
