/* A store in a bucket: create, open, destroy; directories; uploads that nobody finished.
 *
 * A store is there when its marker "PATH/" or anything behind it is. The bucket itself is never
 * made nor removed. */
#include "backends/s3/s3.h"

#include "backends/s3/xml.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <stdio.h>

static int no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a list of keys");
}

static int put_marker(struct ms_s3 *s, const char *key, struct ms_error *err)
{
    struct ms_s3_call c = {.verb = MS_VERB_MKDIR, .method = "PUT", .key = key, .has_body = true};
    return ms_s3_do_quiet(s, &c, err);
}

/* Up to two keys below a prefix: is there a marker, is there anything else? */
static int look(struct ms_s3 *s, const char *prefix, bool *marker, bool *more, struct ms_error *err)
{
    struct ms_s3_page page = {0};
    int code = ms_s3_page_get(s, prefix, false, NULL, NULL, 2, &page, err);
    *marker = *more = false;
    for (size_t i = 0; i < page.count; i++)
        *(ms_equal(page.items[i].key, ms_str(prefix)) ? marker : more) = true;
    ms_s3_page_fini(&page);
    return code;
}

/* The bucket is not there, and no create of ours makes one. */
static int no_bucket(struct ms_s3 *s, struct ms_error *err)
{
    bool aws = strcmp(s->quirks->provider, "aws") == 0;
    s->base.no_place = true;
    return ms_error_set(
        err, MS_ERR_NO_STORE,
        "%s: the bucket does not exist; make it in the provider's console, or with: "
        "aws s3 mb s3://%s%s%s%s%s",
        s->base.url, s->bucket, aws ? "" : " --endpoint-url ", aws ? "" : s->scheme,
        aws ? "" : "://", aws ? "" : s->host);
}

int ms_s3_create(struct ms_backend *b, struct ms_error *err)
{
    struct ms_s3 *s = ms_s3_self(b);
    bool marker, more;
    int code = look(s, s->prefix, &marker, &more, err);
    if (code == MS_ERR_NO_STORE)
        return no_bucket(s, err);
    if (!code && more)
        return ms_error_set(err, MS_ERR_STORE_EXISTS, "%s is not empty", b->url);
    if (code || marker || !s->prefix[0])
        return code;
    return put_marker(s, s->prefix, err);
}

int ms_s3_open(struct ms_backend *b, struct ms_error *err)
{
    struct ms_s3 *s = ms_s3_self(b);
    bool marker, more;
    b->no_place = false;
    int code = look(s, s->prefix, &marker, &more, err);
    if (code == MS_ERR_NO_STORE)
        return no_bucket(s, err);
    if (code)
        return code;
    if (!marker && !more && s->prefix[0])
        return ms_error_set(err, MS_ERR_NO_STORE, "there is no store at %s", b->url);
    if (s->if_absent == MS_S3_PROBE) {
        bool works = false;
        if (ms_s3_probe_if_absent(s, &works, err) == MS_ERR_CANCELLED)
            return MS_ERR_CANCELLED;
        s->if_absent = works ? MS_S3_YES : MS_S3_NO;
    }
    return 0;
}

/* ---- destroying ---- */

static int abort_uploads(struct ms_s3 *s, int64_t before_ns, uint64_t *removed,
                         struct ms_error *err);

/* A first key that comes again was not deleted, whatever was said. */
static int check_gone(struct ms_s3 *s, const struct ms_s3_page *page, struct ms_s3_circle *circle,
                      struct ms_error *err)
{
    bool again;
    int code = ms_s3_circle_step(circle, page->items[0].key, &again, err);
    if (!again)
        return code;
    return ms_error_set(err, MS_ERR_ACCESS,
                        "%s: values come again that the server says it deleted: it keeps them, or "
                        "somebody writes there meanwhile",
                        s->base.url);
}

static int delete_page(struct ms_s3 *s, const struct ms_s3_page *page, struct ms_error *err)
{
    MS_AUTO_FREE struct ms_s3_doomed *keys = calloc(page->count, sizeof(*keys));
    if (!keys)
        return no_memory(err);
    for (size_t i = 0; i < page->count; i++)
        keys[i].key = page->items[i].key;
    int code = ms_s3_delete_keys(s, keys, page->count, err);
    for (size_t i = 0; i < page->count && !code; i++)
        if (keys[i].result.code)
            code = ms_error_set(err, keys[i].result.code, "%s", keys[i].result.text);
    return code;
}

/* Page after page from the beginning, until there is none. *any: there was one. */
static int delete_all(struct ms_s3 *s, bool *any, struct ms_error *err)
{
    struct ms_s3_circle circle = {0};
    int code = 0;
    *any = false;
    for (bool more = true; more && !code;) {
        struct ms_s3_page page = {0};
        code = ms_s3_page_get(s, s->prefix, false, NULL, NULL, 1000, &page, err);
        more = page.count > 0;
        *any = *any || more;
        if (!code && more)
            code = check_gone(s, &page, &circle, err);
        if (!code && more)
            code = delete_page(s, &page, err);
        ms_s3_page_fini(&page);
    }
    ms_s3_circle_fini(&circle);
    return code;
}

int ms_s3_destroy(struct ms_backend *b, struct ms_error *err)
{
    struct ms_s3 *s = ms_s3_self(b);
    uint64_t aborted = 0;
    bool any;
    int code = delete_all(s, &any, err);
    if (code)
        return code;
    (void)abort_uploads(s, INT64_MAX, &aborted, NULL);
    return any || !s->prefix[0]
               ? 0
               : ms_error_set(err, MS_ERR_NO_STORE, "there is no store at %s", b->url);
}

/* ---- directories ---- */

static char *directory_key(const struct ms_s3 *s, struct ms_view name)
{
    char *key = NULL;
    return asprintf(&key, "%s%.*s/", s->prefix, (int)name.size, (const char *)name.data) < 0 ? NULL
                                                                                             : key;
}

int ms_s3_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_s3 *s = ms_s3_self(b);
    MS_AUTO_FREE char *key = directory_key(s, name);
    return key ? put_marker(s, key, err) : no_memory(err);
}

int ms_s3_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_s3 *s = ms_s3_self(b);
    MS_AUTO_FREE char *key = directory_key(s, name);
    bool marker, more;
    int code = key ? look(s, key, &marker, &more, err) : no_memory(err);
    if (!code && more)
        return ms_error_set(err, MS_ERR_EXISTS, "%s is not empty", MS_SHOW(name));
    if (!code && !marker)
        return ms_error_set(err, MS_ERR_NOT_FOUND, "%s not found", MS_SHOW(name));
    if (code)
        return code;
    struct ms_s3_call c = {.verb = MS_VERB_RMDIR, .method = "DELETE", .key = key};
    code = ms_s3_do_quiet(s, &c, err);
    return code == MS_ERR_NOT_FOUND ? 0 : code;
}

/* ---- uploads that nobody finished ---- */

struct uploads {
    struct ms_s3 *s;
    int64_t before_ns;
    char *key, *id, *next_key, *next_id; /* of the one being read; of the next page */
    int64_t begun_ns;
    bool truncated;
    uint64_t removed;
    struct ms_s3_circle circle; /* of next_key and next_id */
    int code;
};

static int replace(char **to, struct ms_view text, struct ms_error *err)
{
    free(*to);
    *to = strndup((const char *)text.data, text.size);
    return *to ? 0 : no_memory(err);
}

static void abort_one(struct uploads *u)
{
    bool old = u->before_ns == INT64_MAX || (u->begun_ns && u->begun_ns <= u->before_ns);
    if (!u->key || !u->id || !old || strncmp(u->key, u->s->prefix, strlen(u->s->prefix)) != 0)
        return;
    struct ms_s3_call c = {.verb = MS_VERB_OTHER, .method = "DELETE", .key = u->key};
    ms_s3_query_add(&c, "uploadId", u->id);
    int code = ms_s3_do_quiet(u->s, &c, NULL);
    if (code == 0)
        u->removed++;
    else if (code != MS_ERR_NOT_FOUND && !u->code)
        u->code = code;
}

/* Nothing of one is taken for the next one's. */
static void end_upload(struct uploads *u)
{
    abort_one(u);
    free(u->key);
    free(u->id);
    u->key = u->id = NULL;
    u->begun_ns = 0;
}

static int take_upload(void *ctx, const char *path, struct ms_view text, struct ms_error *err)
{
    struct uploads *u = ctx;
    if (strncmp(path, "ListMultipartUploadsResult", 26) != 0)
        return 0;
    path += 26;
    if (strcmp(path, "/Upload/Key") == 0)
        return replace(&u->key, text, err);
    if (strcmp(path, "/Upload/UploadId") == 0)
        return replace(&u->id, text, err);
    if (strcmp(path, "/NextKeyMarker") == 0)
        return replace(&u->next_key, text, err);
    if (strcmp(path, "/NextUploadIdMarker") == 0)
        return replace(&u->next_id, text, err);
    if (strcmp(path, "/Upload/Initiated") == 0)
        u->begun_ns = ms_s3_http_date(text) * INT64_C(1000000000);
    else if (strcmp(path, "/Upload") == 0)
        end_upload(u);
    else if (strcmp(path, "/IsTruncated") == 0)
        u->truncated = ms_equal(text, ms_str("true"));
    return 0;
}

/* Of the next page. */
static int check_markers(struct uploads *u, struct ms_error *err)
{
    MS_AUTO_FREE char *both = NULL;
    bool again = false;
    if (!u->next_key || !u->next_key[0])
        return ms_error_set(err, MS_ERR_PROTOCOL,
                            "%s: a list of uploads says it goes on, but not where", u->s->base.url);
    int size = asprintf(&both, "%s%c%s", u->next_key, 0, u->next_id ? u->next_id : "");
    if (size < 0) {
        both = NULL;
        return no_memory(err);
    }
    int code = ms_s3_circle_step(&u->circle, ms_view(both, (size_t)size), &again, err);
    return again ? ms_s3_circle_error(u->s, "a list of uploads", err) : code;
}

static int upload_page(struct ms_s3 *s, struct uploads *u, struct ms_error *err)
{
    struct ms_s3_call c = {
        .verb = MS_VERB_OTHER, .method = "GET", .key = "", .body_max_bytes = 16u << 20};
    MS_AUTO_FREE char *key = MS_TAKE(u->next_key);
    MS_AUTO_FREE char *id = MS_TAKE(u->next_id);
    ms_s3_query_add(&c, "uploads", "");
    ms_s3_query_add(&c, "prefix", s->prefix);
    if (key)
        ms_s3_query_add(&c, "key-marker", key);
    if (key && id)
        ms_s3_query_add(&c, "upload-id-marker", id);
    struct ms_http_answer answer;
    int code = ms_s3_do(s, &c, &answer, err);
    if (code)
        return code;
    u->truncated = false;
    if (answer.body)
        code = ms_xml_walk(ms_buf_view(answer.body), take_upload, u, err);
    ms_http_answer_fini(&answer);
    if (!code && u->truncated)
        code = check_markers(u, err);
    return code ? code : u->code;
}

static int abort_uploads(struct ms_s3 *s, int64_t before_ns, uint64_t *removed,
                         struct ms_error *err)
{
    struct uploads u = {.s = s, .before_ns = before_ns};
    int code;
    do
        code = upload_page(s, &u, err);
    while (!code && u.truncated);
    if (u.code && code == u.code)
        ms_error_set(err, code, "%s: a stale upload could not be removed: %s", s->base.url,
                     ms_code_text(code));
    *removed = u.removed;
    free(u.key);
    free(u.id);
    free(u.next_key);
    free(u.next_id);
    ms_s3_circle_fini(&u.circle);
    return code;
}

/* By the storage's clock: the marker of time is the Date of an answer, near enough the wall clock
 * of a machine whose requests the server accepts at all. */
int ms_s3_sweep(struct ms_backend *b, uint64_t age_ns, uint64_t *removed, struct ms_error *err)
{
    int64_t now = ms_clock_wall(b->clock);
    int64_t before = age_ns > (uint64_t)now ? 0 : now - (int64_t)age_ns;
    int code = abort_uploads(ms_s3_self(b), before, removed, err);
    return code ? code : ms_s3_probe_sweep(ms_s3_self(b), before, removed, err);
}
