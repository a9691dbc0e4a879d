/* Single values: info, load, store, delete, move, and what the server does by itself.
 *
 * Any thread; no state. */
#include "backends/rest/rest.h"

#include "backends/range.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/json_read.h"
#include "base/text.h"

#include <stdio.h>

#define SUFFIX_WASTE_BYTES 1024  /* an unwanted tail that is cheaper than a round trip */
#define SETTLED_PARTS      16    /* looked at when a composition failed */
#define WORDS_BYTES        65536 /* an error's text may be longer than the value */
#define UNSURE_BYTES       (UINT64_C(64) << 20) /* ask for the size before wanting more at once */

int ms_rest_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                 struct ms_error *err)
{
    struct ms_rest *r = ms_rest_of(b);
    struct ms_rest_call call = {.verb = MS_VERB_INFO, .status = 500};
    struct ms_error local = {0};
    int code = ms_rest_head(r, name, MS_VERB_INFO, out, &local);
    if (code == MS_ERR_IO) /* perhaps below a value */
        code = ms_rest_settle(r, code, &call, name, MS_REST_LISTS, &local);
    if (code == MS_ERR_NOT_FOUND) {
        *out = (struct ms_info){.exists = false};
        return 0;
    }
    return code ? ms_error_set(err, code, "%s", local.text) : 0;
}

/* ---- load ---- */

/* A server that knows no ranges sends all of it. */
static int cut(struct ms_view name, struct ms_rest_range range, struct ms_buf **body, size_t *size,
               struct ms_error *err)
{
    uint64_t start, count;
    ms_range_clip(*size, range.offset, range.size, &start, &count);
    struct ms_buf *part = *body ? ms_buf_slice(*body, (size_t)start, (size_t)count) : ms_buf_new(0);
    if (!part)
        return ms_rest_no_memory(name, err);
    ms_buf_unref(*body);
    *body = part;
    *size = (size_t)count;
    return 0;
}

int ms_rest_get(struct ms_rest *r, struct ms_view name, struct ms_rest_range range, uint8_t *into,
                struct ms_buf **out, size_t *got, struct ms_error *err)
{
    char text[MS_REST_RANGE_SIZE], header[MS_REST_RANGE_SIZE + 8];
    ms_rest_range_format(text, range);
    snprintf(header, sizeof header, "Range: %s", text);
    uint64_t most = range.offset < 0 ? -(uint64_t)range.offset : range.size;
    struct ms_rest_call call = {
        .verb = MS_VERB_LOAD,
        .method = "GET",
        .name = name,
        .header = text[0] ? header : NULL,
        .answer_max = most < WORDS_BYTES ? WORDS_BYTES : most,
        .into = into,
        .into_size = into ? (size_t)range.size : 0,
    };
    struct ms_http_answer answer = {0};
    int code = ms_rest_do(r, &call, &answer, err);
    if (code)
        return ms_rest_settle(r, code, &call, name, MS_REST_READS, err);
    size_t size = answer.body_size;
    struct ms_buf *body = MS_TAKE(answer.body);
    ms_http_answer_fini(&answer);
    if (text[0] && call.status == 200 && into && range.offset)
        code = ms_error_set(err, MS_ERR_PROTOCOL, "%s: %s sends no parts of values", MS_SHOW(name),
                            r->peer);
    else if (text[0] && call.status == 200 && !into)
        code = cut(name, range, &body, &size, err);
    else if (size > most)
        code = ms_error_set(err, MS_ERR_PROTOCOL, "%s: %s sent more bytes than were wanted",
                            MS_SHOW(name), r->peer);
    if (!code && !into && !body && !(body = ms_buf_new(0)))
        code = ms_rest_no_memory(name, err);
    if (code) {
        ms_buf_unref(body);
        return code;
    }
    if (out)
        *out = body;
    *got = size;
    return 0;
}

int ms_rest_get_whole(struct ms_rest *r, struct ms_view name, uint8_t *into, size_t size,
                      size_t *got, struct ms_error *err)
{
    struct ms_rest_call call = {
        .verb = MS_VERB_LOAD,
        .method = "GET",
        .name = name,
        .answer_max = WORDS_BYTES,
        .into = into,
        .into_size = size,
        .into_mapped = true,
        .patient = true, /* BorgStore's server reads all of it before it answers */
    };
    struct ms_http_answer answer = {0};
    int code = ms_rest_do(r, &call, &answer, err);
    if (code)
        return ms_rest_settle(r, code, &call, name, MS_REST_READS, err);
    *got = answer.body_size;
    ms_http_answer_fini(&answer);
    return 0;
}

/* With the value's size known first. */
static int load_known(struct ms_rest *r, struct ms_view name, int64_t offset, uint64_t size,
                      struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    struct ms_info now = {0};
    struct ms_buf *value = NULL;
    uint64_t start, count;
    size_t got = 0;
    int code = ms_rest_find(r, name, MS_VERB_LOAD, &now, err);
    if (code)
        return code;
    ms_range_clip(now.size_bytes, offset, size, &start, &count);
    if (count == 0)
        code = (value = ms_buf_new(0)) ? 0 : ms_rest_no_memory(name, err);
    else
        code = ms_rest_get(r, name, (struct ms_rest_range){(int64_t)start, count}, NULL, &value,
                           &got, err);
    if (!code && got != count)
        code =
            ms_error_set(err, MS_ERR_RANGE,
                         "Read range error from %s (requested %llu bytes at offset %llu, got %zu)",
                         MS_SHOW(name), (unsigned long long)count, (unsigned long long)start, got);
    if (code) {
        ms_buf_unref(value);
        return code;
    }
    *out = value;
    if (info)
        *info = now;
    return 0;
}

/* The last n bytes, and of them the first `size`. */
static int load_suffix(struct ms_rest *r, struct ms_view name, int64_t offset, uint64_t size,
                       struct ms_buf **out, struct ms_error *err)
{
    struct ms_buf *tail = NULL;
    size_t got = 0;
    struct ms_error local = {0};
    struct ms_rest_range range = {offset, MS_SIZE_TO_END};
    int code = ms_rest_get(r, name, range, NULL, &tail, &got, &local);
    /* longer than the value: not every server clips it */
    if (code == MS_ERR_IO || code == MS_ERR_RANGE)
        return load_known(r, name, offset, size, out, NULL, err);
    if (code)
        return ms_error_set(err, code, "%s", local.text);
    if (size < got) {
        struct ms_buf *first = ms_buf_slice(tail, 0, (size_t)size);
        ms_buf_unref(tail);
        if (!first)
            return ms_rest_no_memory(name, err);
        tail = first;
    }
    *out = tail;
    return 0;
}

static int load_whole(struct ms_rest *r, struct ms_view name, struct ms_buf **out,
                      struct ms_info *info, struct ms_error *err)
{
    size_t got = 0;
    struct ms_rest_range all = {0, MS_SIZE_TO_END};
    int code = ms_rest_get(r, name, all, NULL, out, &got, err);
    if (!code && info)
        *info = (struct ms_info){.exists = true, .size_bytes = got};
    return code;
}

int ms_rest_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                 struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    struct ms_rest *r = ms_rest_of(b);
    size_t got = 0;
    if (offset == 0 && size == MS_SIZE_TO_END)
        return load_whole(r, name, out, info, err);
    uint64_t back = offset < 0 ? -(uint64_t)offset : 0;
    bool large = (size > UNSURE_BYTES && size != MS_SIZE_TO_END) || back > UNSURE_BYTES;
    bool wasteful = back && size < back && back - size > SUFFIX_WASTE_BYTES;
    if (info || size == 0 || large || wasteful)
        return load_known(r, name, offset, size, out, info, err);
    if (back)
        return load_suffix(r, name, offset, size, out, err);
    struct ms_error local = {0};
    struct ms_rest_range range = {offset, size};
    int code = ms_rest_get(r, name, range, NULL, out, &got, &local);
    /* behind the end: a server may refuse what is clipped here, or fail at it */
    if (code == MS_ERR_RANGE || code == MS_ERR_IO)
        return load_known(r, name, offset, size, out, NULL, err);
    return code ? ms_error_set(err, code, "%s", local.text) : 0;
}

/* ---- store ---- */

int ms_rest_put(struct ms_rest *r, struct ms_view name, struct ms_view bytes, const char *sha256,
                bool mapped, struct ms_error *err)
{
    char header[128];
    snprintf(header, sizeof header, "X-Content-hash-sha256: %s", sha256);
    struct ms_rest_call call = {
        .verb = MS_VERB_STORE,
        .method = "POST",
        .name = name,
        .header = header,
        .body = bytes,
        .body_mapped = mapped,
    };
    int code = ms_rest_tell(r, &call, err);
    return ms_rest_settle(r, code, &call, name, MS_REST_WRITES, err);
}

int ms_rest_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                  const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    (void)pre; /* the wrapper lets none pass: see the capabilities */
    char hex[MS_SHA256_HEX];
    int code = ms_sha256_hex(ms_buf_view(value), hex, err);
    if (!code)
        code = ms_rest_put(ms_rest_of(b), name, ms_buf_view(value), hex, false, err);
    if (!code)
        tag->text[0] = 0;
    return code;
}

/* ---- delete and move ---- */

int ms_rest_remove(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_rest *r = ms_rest_of(b);
    struct ms_rest_call call = {.verb = MS_VERB_DELETE, .method = "DELETE", .name = name};
    struct ms_error local = {0};
    int code = ms_rest_tell(r, &call, &local);
    if (code == MS_ERR_NOT_FOUND && call.repeated)
        return 0; /* an attempt whose answer was lost did it */
    code = ms_rest_settle(r, code, &call, name, MS_REST_READS, &local);
    return code ? ms_error_set(err, code, "%s", local.text) : 0;
}

/* "key=value" with the value's form on the wire percent-encoded once more, as the server decodes
 * what stands in a query. */
static size_t add_parameter(char *to, size_t room, const char *key, struct ms_view name)
{
    char wire[MS_NAME_MAX * 3 + 1];
    size_t size = ms_rest_wire_name(wire, sizeof wire, name);
    size_t at = (size_t)snprintf(to, room, "%s", key);
    return at + ms_http_encode(to + at, room - at, ms_view(wire, size), true);
}

static char *query_of(const char *command, const char *first_key, struct ms_view first,
                      const char *second_key, struct ms_view second)
{
    size_t room = 64 + (first.size + second.size) * 9;
    char *query = malloc(room);
    if (!query)
        return NULL;
    size_t at = (size_t)snprintf(query, room, "%s", command);
    at += add_parameter(query + at, room - at, first_key, first);
    if (second_key)
        add_parameter(query + at, room - at, second_key, second);
    return query;
}

/* Not found at a second attempt: either the first one moved it, or it never was there. */
static int resolve_move(struct ms_rest *r, struct ms_view from, struct ms_view to,
                        struct ms_error *err)
{
    struct ms_info there = {0};
    int code = ms_rest_head(r, to, MS_VERB_MOVE, &there, err);
    if (code == MS_ERR_NOT_FOUND || (!code && there.directory))
        return ms_rest_not_found(from, err);
    return code;
}

/* BorgStore's server moves directories as it moves values, so that is looked at first. */
int ms_rest_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                 const struct ms_precondition *pre, struct ms_error *err)
{
    (void)pre;
    struct ms_rest *r = ms_rest_of(b);
    MS_AUTO_FREE char *query = query_of("cmd=move", "&current=", from, "&new=", to);
    if (!query)
        return ms_rest_no_memory(from, err);
    struct ms_rest_call call = {.verb = MS_VERB_MOVE, .method = "POST", .query = query};
    struct ms_error local = {0};
    struct ms_info info = {0};
    int code = ms_rest_find(r, from, MS_VERB_MOVE, &info, &local);
    if (!code)
        code = ms_rest_tell(r, &call, &local);
    if (code == MS_ERR_NOT_FOUND && call.repeated)
        code = resolve_move(r, from, to, &local);
    else if (code == MS_ERR_NOT_FOUND)
        code = ms_rest_not_found(from, &local);
    code = ms_rest_settle(r, code, &call, from, MS_REST_READS, &local);
    code = ms_rest_settle(r, code, &call, to, MS_REST_WRITES, &local);
    return code ? ms_error_set(err, code, "%s to %s: %s", MS_SHOW(from), MS_SHOW(to), local.text)
                : 0;
}

/* ---- what the server does by itself ---- */

static bool is_hex(struct ms_view text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!text.data[i] || !strchr("0123456789abcdef", text.data[i]))
            return false;
    return text.size > 0 && text.size % 2 == 0;
}

int ms_rest_hash(struct ms_backend *b, struct ms_view name, const char *algorithm, char *hex,
                 size_t hex_size, struct ms_error *err)
{
    struct ms_rest *r = ms_rest_of(b);
    char query[256] = "cmd=hash&algorithm=";
    size_t at = strlen(query);
    if (ms_http_encode(query + at, sizeof query - at, ms_str(algorithm), false) >=
        sizeof query - at)
        return ms_error_set(err, MS_ERR_INVALID, "the hash algorithm \"%s\" is unknown",
                            MS_SHOW(ms_str(algorithm)));
    struct ms_rest_call call = {
        .verb = MS_VERB_HASH, .method = "POST", .name = name, .query = query, .patient = true};
    struct ms_http_answer answer = {0};
    struct ms_error local = {0};
    int code = ms_rest_do(r, &call, &answer, &local);
    code = ms_rest_settle(r, code, &call, name, MS_REST_READS, &local);
    if (code)
        return ms_error_set(err, code, "%s%s%s", code == MS_ERR_INVALID ? algorithm : "",
                            code == MS_ERR_INVALID ? ": " : "", local.text);
    struct ms_view text = answer.body ? ms_buf_view(answer.body) : ms_view("", 0);
    if (!is_hex(text) || text.size >= hex_size) {
        code = ms_error_set(err, MS_ERR_PROTOCOL, "%s: %s sent no digest: \"%s\"", MS_SHOW(name),
                            r->peer, MS_SHOW(text));
    } else {
        memcpy(hex, text.data, text.size);
        hex[text.size] = 0;
    }
    ms_http_answer_fini(&answer);
    return code;
}

/* The size of a part that goes to the end. */
static int resolve_part(struct ms_rest *r, const struct ms_part *part, uint64_t *size,
                        struct ms_error *err)
{
    struct ms_info info = {0};
    *size = part->size;
    if (part->size != MS_SIZE_TO_END)
        return 0;
    int code = ms_rest_find(r, part->name, MS_VERB_DEFRAG, &info, err);
    if (!code)
        *size = part->offset < info.size_bytes ? info.size_bytes - part->offset : 0;
    return code;
}

/* [["data/x", 0, 10], …]. A name on the wire holds nothing that JSON would escape. */
static int parts_as_json(struct ms_rest *r, const struct ms_part *parts, size_t count, FILE *file,
                         struct ms_error *err)
{
    char wire[MS_NAME_MAX * 3 + 1];
    fputc('[', file);
    for (size_t i = 0; i < count; i++) {
        uint64_t size = 0;
        int code = resolve_part(r, &parts[i], &size, err);
        if (code)
            return code;
        ms_rest_wire_name(wire, sizeof wire, parts[i].name);
        fprintf(file, "%s[\"%s\", %llu, %llu]", i ? ", " : "", wire,
                (unsigned long long)parts[i].offset, (unsigned long long)size);
    }
    fputc(']', file);
    return 0;
}

static int send_compose(struct ms_rest *r, const struct ms_part *parts, size_t count,
                        struct ms_view to, struct ms_view json, struct ms_error *err)
{
    MS_AUTO_FREE char *query = query_of("cmd=defrag", "&target=", to, NULL, ms_view("", 0));
    if (!query)
        return ms_rest_no_memory(to, err);
    struct ms_rest_call call = {
        .verb = MS_VERB_DEFRAG, .method = "POST", .query = query, .body = json, .patient = true};
    for (size_t i = 0; i < count; i++)
        call.once = call.once || ms_equal(parts[i].name, to); /* twice is not the same as once */
    struct ms_error local = {0};
    int code = ms_rest_tell(r, &call, &local);
    for (size_t i = 0; i < count && i < SETTLED_PARTS; i++)
        code = ms_rest_settle(r, code, &call, parts[i].name, MS_REST_READS, &local);
    code = ms_rest_settle(r, code, &call, to, MS_REST_WRITES, &local);
    return code ? ms_error_set(err, code, "%s: %s", MS_SHOW(to), local.text) : 0;
}

int ms_rest_compose(struct ms_backend *b, const struct ms_part *parts, size_t count,
                    struct ms_view to, const struct ms_precondition *pre, struct ms_error *err)
{
    (void)pre;
    struct ms_rest *r = ms_rest_of(b);
    MS_AUTO_FREE char *json = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&json, &size);
    if (!file)
        return ms_rest_no_memory(to, err);
    int code = parts_as_json(r, parts, count, file, err);
    bool failed = ferror(file) != 0;
    if ((fclose(file) != 0 || failed) && !code)
        code = ms_rest_no_memory(to, err);
    return code ? code : send_compose(r, parts, count, to, ms_view(json, size), err);
}

/* {"limit": -1, "usage": 4711} */
static int parse_quota(struct ms_view text, int64_t *limit, int64_t *usage, struct ms_error *err)
{
    struct ms_json_reader json;
    struct ms_json_token t, value;
    ms_json_read_init(&json, text);
    int code = ms_json_next(&json, &t, err);
    if (!code && t.kind != MS_JSON_OBJECT)
        code = ms_error_set(err, MS_ERR_FORMAT, "no object");
    while (!code && !(code = ms_json_next(&json, &t, err)) && t.kind == MS_JSON_KEY) {
        bool is_limit = ms_equal(t.text, ms_str("limit"));
        bool is_usage = ms_equal(t.text, ms_str("usage"));
        code = ms_json_next(&json, &value, err);
        if (!code && (is_limit || is_usage) && value.kind != MS_JSON_NULL)
            code = ms_json_token_i64(&value, is_limit ? limit : usage, err);
        else if (!code)
            code = ms_json_skip(&json, &value, err);
    }
    if (!code)
        code = ms_json_next(&json, &t, err); /* nothing may follow */
    ms_json_read_fini(&json);
    return code;
}

int ms_rest_usage(struct ms_backend *b, uint64_t *total_bytes, uint64_t *free_bytes,
                  struct ms_error *err)
{
    struct ms_rest *r = ms_rest_of(b);
    struct ms_rest_call call = {.verb = MS_VERB_OTHER, .method = "POST", .query = "cmd=quota"};
    struct ms_http_answer answer = {0};
    struct ms_error local = {0};
    int64_t limit = -1, usage = -1;
    int code = ms_rest_do(r, &call, &answer, err);
    if (code)
        return code;
    code = parse_quota(answer.body ? ms_buf_view(answer.body) : ms_view("", 0), &limit, &usage,
                       &local);
    ms_http_answer_fini(&answer);
    if (code)
        return ms_error_set(err, code == MS_ERR_FORMAT ? MS_ERR_PROTOCOL : code,
                            "%s: a quota that is none: %s", r->peer, local.text);
    if (limit < 0)
        return 0; /* unknown, as set by the caller */
    *total_bytes = (uint64_t)limit;
    if (usage >= 0)
        *free_bytes = usage < limit ? (uint64_t)(limit - usage) : 0;
    return 0;
}
