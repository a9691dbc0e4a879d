/* server/rest_put.c - POST of a value. What fits into one piece is stored in one call; what is
 * longer streams into a writer as it comes. Nothing appears before all of it is there and its
 * digest, when one was sent, is right; a client that goes away leaves nothing (rest_done). */
#include "server/rest_parts.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

#define HASH_HEADER "X-Content-hash-sha256"
#define PIECE_MOST  (UINT64_C(64) << 10) /* what is longer comes in several */

static int begin_writer(struct rest_call *c, uint64_t size, struct ms_error *err)
{
    struct ms_precondition pre;
    int code = rest_only_new(c, c->name, MS_CAP_IF_ABSENT, &pre, err);
    if (!code)
        code = ms_backend_write(c->b, ms_str(c->name), size, &pre, &c->writer, err);
    return rest_only_new_result(c, c->name, code, err);
}

/* What would be refused in the end, by its name or by its length, is refused before it is sent. */
static int refuse_early(struct exchange *x, struct rest_call *c, struct ms_error *err)
{
    struct ms_precondition pre;
    uint64_t length = exchange_length(x);
    if (length != EXCHANGE_CHUNKED && length > PIECE_MOST)
        return begin_writer(c, length, err);
    return rest_only_new(c, c->name, MS_CAP_IF_ABSENT, &pre, err);
}

static void put_begin(struct exchange *x)
{
    struct rest_call *c = rest_call_of(x);
    struct ms_error err = {0};
    int code = rest_may_store(c, "storing", c->name, &c->only_new, &err);
    if (!code && !rest_enter(x))
        return;
    if (!code)
        code = refuse_early(x, c, &err);
    if (!code && exchange_header(x, HASH_HEADER))
        code = ms_hash_new("sha256", &c->hash, &err);
    if (code)
        rest_fail(x, &err);
}

static int take(struct exchange *x, struct rest_call *c, struct ms_view bytes, struct ms_error *err)
{
    uint64_t length = exchange_length(x);
    int code = c->hash ? ms_hash_update(c->hash, bytes, err) : 0;
    if (code)
        return code;
    if (!c->writer && !c->first && length == bytes.size) { /* all of it */
        c->first = ms_buf_copy(bytes);
        return c->first ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    }
    if (!c->writer)
        code = begin_writer(c, length == EXCHANGE_CHUNKED ? 0 : length, err);
    return code ? code : ms_writer_append(c->writer, bytes, err);
}

static void put_body(struct exchange *x, struct ms_view bytes)
{
    struct ms_error err = {0};
    if (take(x, rest_call_of(x), bytes, &err))
        rest_fail(x, &err);
}

/* False: it has been answered. */
static bool has_arrived_well(struct exchange *x, struct rest_call *c)
{
    struct ms_error err = {0};
    char hex[MS_HASH_HEX_MAX];
    if (!c->hash)
        return true;
    if (ms_hash_hex(c->hash, hex, sizeof hex, &err)) {
        rest_fail(x, &err);
        return false;
    }
    if (strcasecmp(hex, exchange_header(x, HASH_HEADER)) == 0)
        return true;
    exchange_set_reason(x, "Content hash verification failed, please retry");
    exchange_reply_text(x, 422, "Content hash verification failed, please retry");
    return false;
}

static int commit(struct rest_call *c, struct ms_error *err)
{
    struct ms_writer *w = c->writer;
    struct ms_precondition pre = {.kind = MS_ALWAYS};
    struct ms_tag tag;
    c->writer = NULL;
    if (w)
        return rest_only_new_result(c, c->name, ms_writer_commit(w, &tag, err), err);
    if (!c->first && !(c->first = ms_buf_new(0)))
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    int code = rest_only_new(c, c->name, MS_CAP_IF_ABSENT, &pre, err);
    if (!code)
        code = ms_backend_store(c->b, ms_str(c->name), c->first, &pre, &tag, err);
    return rest_only_new_result(c, c->name, code, err);
}

static void put_end(struct exchange *x)
{
    struct rest_call *c = rest_call_of(x);
    struct ms_error err = {0};
    if (!has_arrived_well(x, c))
        return;
    int code = commit(c, &err);
    rest_end(x, code, &err);
}

const struct exchange_route rest_route_store = {
    .begin = put_begin, .body = put_body, .end = put_end, .done = rest_done};
