/* server/rest_verbs.c - the requests that are neither GET nor a value coming in. */
#include "server/rest_parts.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "store/nesting.h"
#include "store/quota_backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the store as a whole ---- */

static void create_end(struct exchange *x)
{
    struct rest_call *c = rest_call_of(x);
    struct ms_error err = {0};
    int code = rest_may(c, "creating", "", MS_MAY_CREATE | MS_MAY_OVERWRITE, &err);
    if (!code)
        code = rest_store_create(c->served, &err);
    rest_end(x, code, &err);
}

static void destroy_end(struct exchange *x)
{
    struct rest_call *c = rest_call_of(x);
    struct ms_error err = {0};
    int code = rest_may(c, "destroying", "", MS_MAY_DELETE, &err);
    if (!code)
        code = rest_store_destroy(c->served, &err);
    rest_end(x, code, &err);
}

static void quota_end(struct exchange *x)
{
    struct rest_call *c = rest_call_of(x);
    struct ms_quota quota = {-1, -1};
    struct ms_error err = {0};
    char text[80];
    if (!rest_enter(x))
        return;
    if (c->store->has_quota && ms_quota_backend_get(c->b, &quota, &err)) {
        rest_fail(x, &err);
        return;
    }
    int size = snprintf(text, sizeof text, "{\"limit\": %lld, \"usage\": %lld}",
                        (long long)quota.limit_bytes, (long long)quota.usage_bytes);
    rest_no_cache(x);
    exchange_reply(x, 200, "application/json", text, (size_t)size);
}

/* ---- one name ---- */

static void mkdir_end(struct exchange *x)
{
    struct rest_call *c = rest_call_of(x);
    struct ms_error err = {0};
    int code = rest_may(c, "making the directory", c->name, MS_MAY_CREATE, &err);
    if (!code && !rest_enter(x))
        return;
    if (!code)
        code = ms_backend_mkdir(c->b, ms_str(c->name), &err);
    rest_end(x, code, &err);
}

static void rmdir_end(struct exchange *x)
{
    struct rest_call *c = rest_call_of(x);
    struct ms_error err = {0};
    int code = rest_may(c, "removing the directory", c->name, MS_MAY_CREATE | MS_MAY_DELETE, &err);
    if (!code && !rest_enter(x))
        return;
    if (!code)
        code = ms_backend_rmdir(c->b, ms_str(c->name), &err);
    rest_end(x, code, &err);
}

static void delete_end(struct exchange *x)
{
    struct rest_call *c = rest_call_of(x);
    struct ms_error err = {0};
    int code = rest_may(c, "deleting", c->name, MS_MAY_DELETE, &err);
    if (!code && !rest_enter(x))
        return;
    if (!code)
        code = ms_backend_delete(c->b, ms_str(c->name), &err);
    rest_end(x, code, &err);
}

static void hash_end(struct exchange *x)
{
    struct rest_call *c = rest_call_of(x);
    struct ms_error err = {0};
    char hex[MS_HASH_HEX_MAX];
    const char *algorithm = exchange_query(x, "algorithm");
    int code = rest_may(c, "hashing", c->name, MS_MAY_READ, &err);
    if (!code && !rest_enter(x))
        return;
    if (!code)
        code = ms_backend_hash(c->b, ms_str(c->name), algorithm ? algorithm : "sha256", hex,
                               sizeof hex, &err);
    if (code)
        rest_fail(x, &err);
    else
        rest_reply_text(x, hex);
}

/* ---- move ---- */

static int check_move(struct rest_call *c, const char *from, const char *to, struct ms_error *err)
{
    if (!from || !to)
        return ms_error_set(err, MS_ERR_INVALID, "a move needs current= and new=");
    int code = rest_check_name(from, err);
    if (!code)
        code = rest_check_name(to, err);
    if (!code)
        code = rest_may(c, "moving", from, MS_MAY_DELETE, err);
    return code ? code : rest_may_store(c, "moving to", to, &c->only_new, err);
}

static void move_end(struct exchange *x)
{
    struct rest_call *c = rest_call_of(x);
    const char *from = exchange_query(x, "current"), *to = exchange_query(x, "new");
    struct ms_precondition pre;
    struct ms_error err = {0};
    int code = check_move(c, from, to, &err);
    if (!code && !rest_enter(x))
        return;
    if (!code)
        code = rest_only_new(c, to, MS_CAP_MOVE_IF_ABSENT, &pre, &err);
    if (!code) {
        code = ms_backend_move(c->b, ms_str(from), ms_str(to), &pre, &err);
        code = rest_only_new_result(c, to, code, &err);
    }
    rest_end(x, code, &err);
}

/* ---- defrag ---- */

static void defrag_begin(struct exchange *x)
{
    uint64_t length = exchange_length(x);
    struct ms_error err = {0};
    if (length == EXCHANGE_CHUNKED || length <= REST_PARTS_TEXT)
        return;
    (void)ms_error_set(&err, MS_ERR_TOO_LARGE, "the list of parts is too long");
    rest_fail(x, &err);
}

static int keep_body(struct rest_call *c, struct ms_view bytes, struct ms_error *err)
{
    size_t size = c->body_size + bytes.size;
    if (size > REST_PARTS_TEXT)
        return ms_error_set(err, MS_ERR_TOO_LARGE, "the list of parts is too long");
    if (size > c->body_room) {
        size_t room = 2 * size;
        uint8_t *more = realloc(c->body, room);
        if (!more)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a list of parts");
        c->body = more;
        c->body_room = room;
    }
    memcpy(c->body + c->body_size, bytes.data, bytes.size);
    c->body_size = size;
    return 0;
}

static void defrag_body(struct exchange *x, struct ms_view bytes)
{
    struct ms_error err = {0};
    if (keep_body(rest_call_of(x), bytes, &err))
        rest_fail(x, &err);
}

#define BLOCK (1u << 20)

static int hash_part(struct rest_call *c, const struct ms_part *p, struct ms_hash *hash,
                     struct ms_error *err)
{
    for (uint64_t done = 0; done < p->size;) {
        MS_AUTO_BUF struct ms_buf *bytes = NULL;
        uint64_t left = p->size - done, block = left < BLOCK ? left : BLOCK;
        if (done > (uint64_t)INT64_MAX - p->offset)
            break; /* there is no such value */
        int code =
            ms_backend_load(c->b, p->name, (int64_t)(p->offset + done), block, &bytes, NULL, err);
        if (!code)
            code = ms_hash_update(hash, ms_buf_view(bytes), err);
        if (code)
            return code;
        if (ms_buf_size(bytes) < block)
            return ms_error_set(err, MS_ERR_RANGE,
                                "Read range error from %s (requested %llu bytes at offset %llu, "
                                "got %llu)",
                                MS_SHOW(p->name), (unsigned long long)p->size,
                                (unsigned long long)p->offset,
                                (unsigned long long)done + ms_buf_size(bytes));
        done += block;
    }
    return 0;
}

static int hash_parts(struct rest_call *c, const struct rest_parts *parts, const char *algorithm,
                      char hex[MS_HASH_HEX_MAX], struct ms_error *err)
{
    struct ms_hash *hash;
    int code = ms_hash_new(algorithm, &hash, err);
    if (code)
        return code;
    for (size_t i = 0; i < parts->count && !code; i++)
        code = hash_part(c, &parts->parts[i], hash, err);
    if (!code)
        code = ms_hash_hex(hash, hex, MS_HASH_HEX_MAX, err);
    ms_hash_free(hash);
    return code;
}

/* "namespace/01/23/0123…", as a client would nest it. */
static int name_by_digest(struct exchange *x, const char *hex, struct ms_name *out,
                          struct ms_error *err)
{
    static const struct ms_ns ns = {.names = MS_NAMES_BORGSTORE};
    const char *space = exchange_query(x, "namespace"), *text = exchange_query(x, "levels");
    struct ms_key key = {.ns = &ns, .space = ms_str(space ? space : ""), .key = ms_str(hex)};
    uint64_t levels = 0;
    while (key.space.size && key.space.data[key.space.size - 1] == '/')
        key.space.size--;
    int code = text ? ms_parse_u64(text, "levels", MS_LEVELS_MAX, &levels, err) : 0;
    if (!code && key.space.size > MS_NAME_MAX / 2)
        code = ms_error_set(err, MS_ERR_NAME, "the namespace is too long");
    if (code)
        return code;
    ms_nest(&key, (unsigned)levels, false, out);
    return 0;
}

static int find_target(struct exchange *x, const struct rest_parts *parts, char *target,
                       size_t room, struct ms_error *err)
{
    struct rest_call *c = rest_call_of(x);
    const char *given = exchange_query(x, "target"), *algorithm = exchange_query(x, "algorithm");
    char hex[MS_HASH_HEX_MAX];
    struct ms_name name = {0};
    int code = 0;
    if (!given && !algorithm)
        return ms_error_set(err, MS_ERR_INVALID, "a defrag needs target= or algorithm=");
    if (!given)
        code = hash_parts(c, parts, algorithm, hex, err);
    if (!code && !given)
        code = name_by_digest(x, hex, &name, err);
    if (code)
        return code;
    int size = given ? snprintf(target, room, "%s", given)
                     : snprintf(target, room, "%.*s", (int)name.size, name.text);
    if (size < 0 || (size_t)size >= room)
        return ms_error_set(err, MS_ERR_NAME, "the target's name is too long");
    code = rest_check_name(target, err);
    return code ? code : rest_may(c, "defrag to", target, MS_MAY_OVERWRITE, err);
}

static int defrag(struct exchange *x, char *target, size_t room, struct ms_error *err)
{
    struct rest_call *c = rest_call_of(x);
    struct rest_parts parts = {0};
    int code = rest_parts_parse(ms_view(c->body, c->body_size), &parts, err);
    if (code)
        return code;
    for (size_t i = 0; i < parts.count && !code; i++)
        code = rest_may(c, "defrag of", (const char *)parts.parts[i].name.data, MS_MAY_READ, err);
    if (!code)
        code = find_target(x, &parts, target, room, err);
    if (!code)
        code = ms_backend_compose(c->b, parts.parts, parts.count, ms_str(target), NULL, err);
    rest_parts_fini(&parts);
    return code;
}

static void defrag_end(struct exchange *x)
{
    char target[MS_NAME_MAX + 1];
    struct ms_error err = {0};
    if (!rest_enter(x))
        return;
    if (defrag(x, target, sizeof target, &err))
        rest_fail(x, &err);
    else
        rest_reply_text(x, target);
}

#define SIMPLE(verb)                                                                               \
    const struct exchange_route rest_route_##verb = {.end = verb##_end, .done = rest_done}
SIMPLE(create);
SIMPLE(destroy);
SIMPLE(quota);
SIMPLE(mkdir);
SIMPLE(rmdir);
SIMPLE(delete);
SIMPLE(hash);
SIMPLE(move);
const struct exchange_route rest_route_defrag = {
    .begin = defrag_begin, .body = defrag_body, .end = defrag_end, .done = rest_done};
