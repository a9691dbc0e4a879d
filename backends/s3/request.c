/* One S3 request: its address, its signature, and trying again. */
#include "backends/s3/s3.h"

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/text.h"

#include <openssl/rand.h>
#include <stdio.h>

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

void ms_s3_query_add(struct ms_s3_call *c, const char *name, const char *value)
{
    c->query[c->query_count++] = (struct ms_s3_pair){name, value};
}

void ms_s3_header_add(struct ms_s3_call *c, const char *name, const char *value)
{
    c->headers[c->header_count++] = (struct ms_s3_pair){name, value};
}

void ms_s3_new_id(struct ms_s3 *s, char id[33])
{
    uint8_t bytes[16];
    if (RAND_bytes(bytes, sizeof bytes) != 1) {
        MS_HOLD(&s->mutex);
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)ms_random_u64(&s->random);
    }
    ms_hex_encode(id, bytes, sizeof bytes);
}

/* What stays the same over the attempts, and what each makes anew. */
struct attempt {
    char *host, *path, *url; /* path is not encoded */
    char hash[MS_SHA256_HEX], date[MS_S3_DATE_SIZE], region[64];
    struct ms_s3_pair headers[20];
    size_t header_count;
    struct ms_s3_signature signature;
    char *lines[20];
};

static void attempt_fini(struct attempt *a)
{
    free(a->host);
    free(a->path);
    free(a->url);
    ms_s3_signature_fini(&a->signature);
    for (size_t i = 0; i < 20; i++)
        free(a->lines[i]);
}

static int no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a request");
}

/* RFC 3629. The bytes of the character that begins here; 0: it is none. */
static size_t character(struct ms_view text)
{
    uint8_t c = text.data[0];
    size_t more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || more >= text.size)
        return 0;
    for (size_t k = 1; k <= more; k++)
        if ((text.data[k] & 0xc0) != 0x80)
            return 0;
    uint8_t next = more ? text.data[1] : 0;
    bool good = !(c == 0xe0 && next < 0xa0) && !(c == 0xed && next > 0x9f) &&
                !(c == 0xf0 && next < 0x90) && !(c == 0xf4 && next > 0x8f);
    return good ? more + 1 : 0;
}

size_t ms_s3_utf8(struct ms_view text)
{
    size_t at = 0;
    while (at < text.size) {
        size_t size = character(ms_view(text.data + at, text.size - at));
        if (!size)
            break;
        at += size;
    }
    return at;
}

/* A region that was learned has another host at AWS. */
static void host_now(struct ms_s3 *s, char *host, size_t size)
{
    MS_HOLD(&s->mutex);
    if (s->host_by_region)
        snprintf(host, size, "s3.%s.amazonaws.com", s->region);
    else
        snprintf(host, size, "%s", s->host);
}

/* Of what the call names; the bucket stands in the host or in the path. */
static int make_path(struct ms_s3 *s, const struct ms_s3_call *c, struct attempt *a,
                     struct ms_error *err)
{
    size_t prefix = c->key ? 0 : strlen(s->prefix);
    if (prefix + c->name.size > MS_S3_KEY_MAX)
        return ms_error_set(err, MS_ERR_NAME, "%s: S3 takes at most %d bytes of path and name",
                            MS_SHOW(c->name), MS_S3_KEY_MAX);
    if (ms_s3_utf8(c->name) < c->name.size)
        return ms_error_set(err, MS_ERR_NAME, "%s: S3 takes names in UTF-8 only", MS_SHOW(c->name));
    char host[300];
    host_now(s, host, sizeof host);
    int size = c->key ? (int)strlen(c->key) : (int)c->name.size;
    const char *key = c->key ? c->key : (const char *)c->name.data;
    if (s->virtual_host) {
        if (asprintf(&a->host, "%s.%s", s->bucket, host) < 0)
            a->host = NULL;
        if (asprintf(&a->path, "/%s%.*s", c->key ? "" : s->prefix, size, key) < 0)
            a->path = NULL;
    } else {
        bool bucket_itself = c->key && !c->key[0];
        a->host = strdup(host);
        if (asprintf(&a->path, "/%s%s%s%.*s", s->bucket, bucket_itself ? "" : "/",
                     c->key ? "" : s->prefix, size, key) < 0)
            a->path = NULL;
    }
    return a->host && a->path ? 0 : no_memory(err);
}

static int make_url(const struct ms_s3 *s, const struct ms_s3_call *c, struct attempt *a,
                    struct ms_error *err)
{
    ms_assert(a->path);
    MS_AUTO_FREE char *query = ms_s3_query(c->query, c->query_count);
    size_t size = ms_http_encode(NULL, 0, ms_str(a->path), true);
    MS_AUTO_FREE char *path = malloc(size + 1);
    if (!query || !path)
        return no_memory(err);
    ms_http_encode(path, size + 1, ms_str(a->path), true);
    if (asprintf(&a->url, "%s://%s%s%s%s", s->scheme, a->host, path, *query ? "?" : "", query) < 0)
        a->url = NULL;
    return a->url ? 0 : no_memory(err);
}

static int prepare(struct ms_s3 *s, const struct ms_s3_call *c, struct attempt *a,
                   struct ms_error *err)
{
    int code = make_path(s, c, a, err);
    if (!code)
        code = make_url(s, c, a, err);
    if (!code && c->body.size)
        return ms_sha256_hex(c->body, a->hash, err);
    memcpy(a->hash, EMPTY_HASH, sizeof a->hash);
    return code;
}

/* The headers that are signed, then the lines that are sent. */
static int sign(struct ms_s3 *s, const struct ms_s3_call *c, struct attempt *a,
                struct ms_error *err)
{
    {
        MS_HOLD(&s->mutex);
        memcpy(a->region, s->region, sizeof a->region);
    }
    ms_s3_date(ms_clock_wall(s->base.clock) / 1000000000, a->date);
    a->header_count = 0;
    a->headers[a->header_count++] = (struct ms_s3_pair){"host", a->host};
    a->headers[a->header_count++] = (struct ms_s3_pair){"x-amz-content-sha256", a->hash};
    a->headers[a->header_count++] = (struct ms_s3_pair){"x-amz-date", a->date};
    if (s->token)
        a->headers[a->header_count++] = (struct ms_s3_pair){"x-amz-security-token", s->token};
    for (size_t i = 0; i < c->header_count; i++)
        a->headers[a->header_count++] = c->headers[i];
    struct ms_s3_signing in = {.method = c->method,
                               .path = a->path,
                               .query = c->query,
                               .query_count = c->query_count,
                               .headers = a->headers,
                               .header_count = a->header_count,
                               .payload_hash = a->hash,
                               .date = a->date,
                               .region = a->region,
                               .service = "s3",
                               .id = s->id,
                               .secret = s->secret};
    ms_s3_signature_fini(&a->signature);
    return ms_s3_sign(&in, &a->signature, err);
}

static int make_lines(struct attempt *a, struct ms_http_request *r, struct ms_error *err)
{
    size_t count = 0;
    for (size_t i = 1; i < a->header_count; i++, count++) { /* the host is curl's */
        free(a->lines[count]);
        if (asprintf(&a->lines[count], "%s: %s", a->headers[i].name, a->headers[i].value) < 0)
            a->lines[count] = NULL;
        r->headers[count] = a->lines[count];
        if (!a->lines[count])
            return no_memory(err);
    }
    free(a->lines[count]);
    if (asprintf(&a->lines[count], "Authorization: %s", a->signature.authorization) < 0)
        a->lines[count] = NULL;
    r->headers[count] = a->lines[count];
    r->headers[count + 1] = NULL;
    return a->lines[count] ? 0 : no_memory(err);
}

/* Another region than we thought: taken over, and true. */
static bool learn_region(struct ms_s3 *s, const struct attempt *a,
                         const struct ms_http_answer *answer, const struct ms_s3_fault *fault)
{
    if (answer->status != 301 && answer->status != 307 && answer->status != 400 &&
        answer->status != 403)
        return false;
    struct ms_view said = ms_http_header(answer, "x-amz-bucket-region");
    if (said.size == 0)
        said = ms_str(fault->region);
    if (said.size == 0 || said.size >= sizeof s->region || ms_equal(said, ms_str(a->region)))
        return false;
    for (size_t i = 0; i < said.size; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", said.data[i]))
            return false;
    MS_HOLD(&s->mutex);
    memcpy(s->region, said.data, said.size);
    s->region[said.size] = 0;
    return true;
}

static bool is_success(const struct ms_s3_call *c, const struct ms_http_answer *answer,
                       struct ms_s3_fault *fault)
{
    bool good = answer->status >= 200 && answer->status < 300;
    *fault = (struct ms_s3_fault){0};
    if (good && !c->late_error)
        return true;
    if (answer->body)
        ms_s3_fault_read(ms_buf_view(answer->body), fault);
    return good && !fault->code[0];
}

/* One attempt. Sets *wanted_ns to what the server asks to wait, *again when a region was learned.
 */
static int once(struct ms_s3 *s, struct ms_s3_call *c, struct attempt *a,
                struct ms_http_answer *out, uint64_t *wanted_ns, bool *again, struct ms_error *err)
{
    struct ms_http_request r = {.method = c->method,
                                .url = a->url,
                                .body = c->body,
                                .has_body = c->has_body,
                                .body_max_bytes = c->body_max_bytes,
                                .whole_max_bytes = c->whole_max_bytes,
                                .into = c->into,
                                .into_size = c->into_size};
    struct ms_http_answer answer = {0};
    struct ms_s3_fault fault;
    int code = sign(s, c, a, err);
    if (!code)
        code = make_lines(a, &r, err);
    if (code)
        return code;
    code = ms_http_do(s->http, &r, &answer, err);
    c->status = answer.status;
    if (code) {
        c->maybe_before = c->maybe_before || answer.sent;
        return code;
    }
    if (is_success(c, &answer, &fault)) {
        *out = answer;
        return 0;
    }
    *wanted_ns = ms_http_retry_after_ns(&answer);
    *again = learn_region(s, a, &answer, &fault);
    code = ms_s3_fault_error(s, c, &answer, &fault, err);
    if (answer.status >= 200 && answer.status < 300 && ms_code_class(code) == MS_CLASS_PERMANENT &&
        code != MS_ERR_CONFLICT)
        code = ms_error_set(err, MS_ERR_BUSY, "%s: %s: the server broke off (%s)", s->base.url,
                            MS_SHOW(c->name), fault.code);
    /* a failure inside a 200 is one in the middle of the work */
    c->maybe_before =
        c->maybe_before || answer.status >= 500 || (answer.status >= 200 && answer.status < 300);
    ms_http_answer_fini(&answer);
    return code;
}

int ms_s3_do(struct ms_s3 *s, struct ms_s3_call *c, struct ms_http_answer *out,
             struct ms_error *err)
{
    struct attempt a = {0};
    struct ms_retry retry = {0};
    int code = prepare(s, c, &a, err);
    for (bool moved = false; !code;) {
        uint64_t wanted_ns = 0;
        bool again = false;
        code = once(s, c, &a, out, &wanted_ns, &again, err);
        if (!code) {
            ms_retry_succeeded(&s->retry);
            break;
        }
        if (again && !moved) {
            moved = true;
            attempt_fini(&a);
            a = (struct attempt){0};
            code = prepare(s, c, &a, err);
        } else if (ms_retry_again(&retry, &s->retry, &s->base, c->verb, wanted_ns, &code, err)) {
            code = 0;
        }
    }
    attempt_fini(&a);
    return code;
}

int ms_s3_do_quiet(struct ms_s3 *s, struct ms_s3_call *c, struct ms_error *err)
{
    struct ms_http_answer answer;
    int code = ms_s3_do(s, c, &answer, err);
    if (!code)
        ms_http_answer_fini(&answer);
    return code;
}
