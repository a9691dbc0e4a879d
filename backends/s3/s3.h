/* backends/s3/s3.h - the S3 driver: what its files share.
 *
 *   url.c          the URL and its options      credentials.c  who we are
 *   quirks.c       what providers do otherwise  sign.c, xml.c  pure parts
 *   request.c      one signed request, retried  error.c        what an answer means
 *   object.c       values: info, load, store    copy.c         copy, move
 *   remove.c       deletes, one and many        page.c         one page of a listing
 *   circle.c       listings without an end
 *   multipart.c    the writer of large values   reader.c       the reader of large values
 *   list.c         one level, sorted            life.c         create, open, destroy, sweep
 *   probe.c        what an endpoint can do
 *
 * The name of a value is its key behind "PATH/". A directory is a common prefix; mkdir makes an
 * empty object "NAME/" as BorgStore does.
 */
#ifndef BACKENDS_S3_H
#define BACKENDS_S3_H

#include "backends/http/http.h"
#include "backends/retry.h"
#include "backends/s3/sign.h"
#include "base/sync.h"

#include <stdatomic.h>

#define MS_S3_KEY_MAX   1024 /* bytes of a key */
#define MS_S3_PART_MIN  (UINT64_C(5) << 20)
#define MS_S3_COPY_MAX  (UINT64_C(5) << 30) /* CopyObject's limit */
#define MS_S3_COPY_PART (UINT64_C(512) << 20)
#define MS_S3_PARTS_MAX 10000
#define MS_S3_LOAD_MAX  (UINT64_C(16) << 30) /* of a value that is loaded into memory */

enum ms_s3_answer { MS_S3_NO, MS_S3_YES, MS_S3_PROBE };

/* ---- quirks.c ---- */
struct ms_s3_quirks {
    const char *provider;        /* value of ?provider= */
    const char *host_suffix;     /* NULL: only by name */
    const char *region;          /* when nobody says one */
    unsigned parts_max;          /* of one value */
    enum ms_s3_answer if_absent; /* PUT with If-None-Match: * */
    bool virtual_host;           /* BUCKET.HOST/KEY, else HOST/BUCKET/KEY */
    unsigned delete_many;        /* most keys of one DeleteObjects, 0: has none */
    bool checksum;               /* takes x-amz-checksum-sha256 */
    bool complete_if_absent;     /* If-None-Match at the end of a multipart upload too */
    bool replaces;               /* a value is there all the time while it is replaced */
    bool delete_if_match;        /* DELETE with If-Match */
};
const struct ms_s3_quirks *ms_s3_quirks_at(size_t index); /* NULL behind the last */
/* The provider of that name, else the one whose suffix the host has, else "other". NULL: the name
 * is unknown. */
const struct ms_s3_quirks *ms_s3_quirks_find(const char *provider, const char *host);

/* ---- credentials.c ---- */
struct ms_s3_credentials {
    char *id, *secret, *token; /* token may be NULL */
    char *region, *endpoint;   /* what the environment or the profile says; may be NULL */
};
/* From the environment (profile NULL) or ~/.aws; AUTH with what to do when there are none. */
int ms_s3_credentials_find(const char *profile, struct ms_s3_credentials *out,
                           struct ms_error *err);
void ms_s3_credentials_fini(struct ms_s3_credentials *c);

/* ---- the handle ---- */
struct ms_s3 {
    struct ms_backend base;
    struct ms_http *http;
    char *scheme, *host; /* host with port, without the bucket */
    bool host_by_region; /* it is the provider's own for the region */
    char *bucket;
    char *prefix; /* "" or "PATH/" */
    char *id, *secret, *token;
    const struct ms_s3_quirks *quirks;
    bool virtual_host;
    enum ms_s3_answer if_absent; /* PROBE until it was opened */
    uint64_t part_bytes;
    uint64_t copy_max_bytes, copy_part_bytes; /* in one piece; else in such parts */
    uint64_t load_max_bytes;
    unsigned parallel;
    struct ms_retry_policy retry;
    atomic_bool no_delete_many; /* the server said so */
    struct ms_mutex mutex;
    char region[64];         /* under mutex: may be learned */
    struct ms_random random; /* under mutex */
};

static inline struct ms_s3 *ms_s3_self(struct ms_backend *b)
{
    return (struct ms_s3 *)b;
}

/* ---- url.c ---- */

/* Splits "[profile@|key:secret@][scheme://host[:port]]/bucket[/path]", whose login and path are
 * percent-encoded. Strings are malloc'ed, NULL when absent. No part of a login is in a message. */
struct ms_s3_place {
    char *profile, *id, *secret, *scheme, *host, *bucket, *path;
};
int ms_s3_place_parse(const char *text, struct ms_s3_place *out, struct ms_error *err);
void ms_s3_place_fini(struct ms_s3_place *p);

/* ---- request.c ---- */
struct ms_s3_call {
    enum ms_verb verb; /* whose retries it counts */
    const char *method;
    struct ms_view name; /* for messages, and the key behind the prefix … */
    const char *key;     /* … unless this is set ("" is the bucket) */
    struct ms_s3_pair query[8], headers[12];
    size_t query_count, header_count;
    struct ms_view body;
    bool has_body;
    uint64_t body_max_bytes, whole_max_bytes; /* as of an HTTP request */
    uint8_t *into;
    size_t into_size;
    bool late_error; /* a 200 may carry an error in its body */
    /* set by the call: */
    int status;        /* of the last answer, 0: none */
    bool maybe_before; /* an earlier attempt may have been carried out, its answer was lost */
};
void ms_s3_query_add(struct ms_s3_call *c, const char *name, const char *value);
void ms_s3_header_add(struct ms_s3_call *c, const char *name, const char *value);
/* Signed, sent, retried. 0 for a 2xx, whose answer is then to be freed. */
int ms_s3_do(struct ms_s3 *s, struct ms_s3_call *c, struct ms_http_answer *out,
             struct ms_error *err);
/* The same, the answer dropped. */
int ms_s3_do_quiet(struct ms_s3 *s, struct ms_s3_call *c, struct ms_error *err);
/* How many bytes from the start are whole characters of UTF-8. */
size_t ms_s3_utf8(struct ms_view text);
/* A token for x-amz-meta-mstore-id: 32 hex digits. */
void ms_s3_new_id(struct ms_s3 *s, char id[33]);

/* ---- error.c ---- */
struct ms_s3_fault {
    char code[64], region[64];
};
/* Text without blanks and oddities, when it fits; to is left alone otherwise. */
void ms_s3_plain(struct ms_view text, char *to, size_t room);
/* What an error of that name means; 0: unknown, *sentence is left alone. */
int ms_s3_code_of(const char *name, const char **sentence);
/* What an XML error says; empty when it is none. */
void ms_s3_fault_read(struct ms_view body, struct ms_s3_fault *out);
/* The code and sentence of an answer that is none of success. now: of the clock, in seconds. */
int ms_s3_fault_error(const struct ms_s3 *s, const struct ms_s3_call *c,
                      const struct ms_http_answer *answer, const struct ms_s3_fault *fault,
                      struct ms_error *err);
int64_t ms_s3_http_date(struct ms_view text); /* seconds since 1970; 0: none */

/* ---- object.c ---- */
int ms_s3_head(struct ms_s3 *s, struct ms_view name, struct ms_info *out, char id[33],
               struct ms_error *err); /* missing: exists = false; id: our token, "" if none */
/* Whether the answer to a GET with the header "range: RANGE" begins where it should. */
bool ms_s3_range_is_ours(const struct ms_http_answer *answer, const char *range);
void ms_s3_info_of(const struct ms_http_answer *answer, struct ms_info *out);
int ms_s3_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
               struct ms_error *err);
int ms_s3_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
               struct ms_buf **out, struct ms_info *info, struct ms_error *err);
int ms_s3_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err);
/* One PUT. */
int ms_s3_put(struct ms_s3 *s, struct ms_view name, struct ms_view value,
              const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err);

/* ---- remove.c ---- */
int ms_s3_remove(struct ms_backend *b, struct ms_view name, struct ms_error *err);
int ms_s3_remove_many(struct ms_backend *b, struct ms_deletion *const *items, size_t count,
                      struct ms_error *err);
struct ms_s3_doomed {
    struct ms_view key; /* whole */
    struct ms_error result;
};
/* Whether they are there is not asked. 0 when each was tried: it has a result. */
int ms_s3_delete_keys(struct ms_s3 *s, struct ms_s3_doomed *keys, size_t count,
                      struct ms_error *err);

/* ---- copy.c ---- */
int ms_s3_copy(struct ms_backend *b, struct ms_view from, struct ms_view to,
               const struct ms_precondition *pre, struct ms_error *err);
int ms_s3_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
               const struct ms_precondition *pre, struct ms_error *err);

/* ---- multipart.c ---- */
int ms_s3_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                const struct ms_precondition *pre, struct ms_writer **out, struct ms_error *err);
/* Of the part `index` (from 0) when parts begin with part_bytes; size_hint: 0: not known. */
uint64_t ms_s3_part_size(uint64_t part_bytes, size_t parts_max, uint64_t size_hint, size_t index);
struct ms_s3_upload { /* one multipart upload */
    char *id;
    char token[33];
    char **etags; /* of parts 1 … count */
    size_t count, room;
};
int ms_s3_upload_begin(struct ms_s3 *s, struct ms_view name, struct ms_s3_upload *u,
                       struct ms_error *err);
int ms_s3_upload_room(struct ms_s3_upload *u, size_t count, size_t parts_max, struct ms_error *err);
int ms_s3_upload_complete(struct ms_s3 *s, struct ms_view name, struct ms_s3_upload *u,
                          bool if_absent, struct ms_tag *tag, struct ms_error *err);
void ms_s3_upload_abort(struct ms_s3 *s, struct ms_view name, struct ms_s3_upload *u);
void ms_s3_upload_fini(struct ms_s3_upload *u);

/* ---- reader.c ---- */
int ms_s3_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
               struct ms_error *err);
/* Fills `into` from several ranges at once. */
int ms_s3_fetch(struct ms_s3 *s, struct ms_view name, const char *etag, uint64_t offset,
                uint8_t *into, size_t size, struct ms_error *err);

/* ---- circle.c ---- */
struct ms_s3_circle {
    uint8_t *mark;
    size_t size;
    uint64_t steps;
};
/* With what names each page, one after another. *again: it came before, and will for ever. */
int ms_s3_circle_step(struct ms_s3_circle *c, struct ms_view mark, bool *again,
                      struct ms_error *err);
void ms_s3_circle_fini(struct ms_s3_circle *c);
/* That `what` does. */
int ms_s3_circle_error(const struct ms_s3 *s, const char *what, struct ms_error *err);

/* ---- list.c ---- */
struct ms_s3_item {     /* of one page; both borrowed */
    struct ms_view key; /* whole */
    struct ms_info info;
};
struct ms_s3_page {
    char *token; /* of the next page; NULL: it was the last */
    struct ms_s3_item *items;
    size_t count, room;
    char *text; /* what the keys lie in */
    size_t text_size, text_room;
};
/* Objects and, with a delimiter, common prefixes, in the order of the storage. */
int ms_s3_page_get(struct ms_s3 *s, const char *prefix, bool delimiter, const char *start_after,
                   const char *token, unsigned limit, struct ms_s3_page *out, struct ms_error *err);
void ms_s3_page_fini(struct ms_s3_page *page);
int ms_s3_list(struct ms_backend *b, struct ms_view name, const struct ms_list_request *request,
               struct ms_lister **out, struct ms_error *err);

/* ---- life.c, probe.c ---- */
int ms_s3_create(struct ms_backend *b, struct ms_error *err);
int ms_s3_destroy(struct ms_backend *b, struct ms_error *err);
int ms_s3_open(struct ms_backend *b, struct ms_error *err);
int ms_s3_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err);
int ms_s3_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err);
int ms_s3_sweep(struct ms_backend *b, uint64_t age_ns, uint64_t *removed, struct ms_error *err);
/* Whether racing writers of one absent key are told apart. */
int ms_s3_probe_if_absent(struct ms_s3 *s, bool *works, struct ms_error *err);
/* Removes what probes that were killed have left; adds to *removed. */
int ms_s3_probe_sweep(struct ms_s3 *s, int64_t before_ns, uint64_t *removed, struct ms_error *err);

#endif
