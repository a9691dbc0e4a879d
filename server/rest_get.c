/* server/rest_get.c - HEAD and GET: infos, values and parts of them, directories.
 *
 * A part is what `Range: bytes=a-b`, `a-` or `-n` says, cut to what there is: beyond the end it is
 * empty, and more from the end than there is, all. A Range that is none of these is as if it were
 * not there (RFC 9110). No Content-Range is sent: the protocol has none.
 */
#include "server/rest_parts.h"

#include "backends/range.h"
#include "backends/rest/wire.h"
#include "base/json.h"
#include "base/scratch_file.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TYPE      "application/octet-stream"
#define AT_ONCE   (1u << 20)   /* a part up to this size is loaded in one call */
#define IN_MEMORY (256u << 10) /* of a listing; what is longer goes to a temporary file */

static int not_there(const char *name, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NOT_FOUND, "%s not found", MS_SHOW(ms_str(name)));
}

/* ---- HEAD ---- */

static void reply_info(struct exchange *x, const struct ms_info *info)
{
    char atime[40];
    snprintf(atime, sizeof atime, "%lld.%06d", (long long)(info->atime_ns / 1000000000),
             (int)(info->atime_ns % 1000000000 / 1000));
    exchange_header_add(x, "X-BorgStore-Is-Directory", info->directory ? "true" : "false");
    exchange_header_add(x, "X-BorgStore-Atime", info->atime_ns > 0 ? atime : "0.0");
    rest_no_cache(x);
    exchange_reply_head(x, 200, TYPE, info->directory ? 0 : info->size_bytes);
}

static void head_end(struct exchange *x)
{
    struct rest_call *c = rest_call_of(x);
    struct ms_info info = {.exists = true, .directory = true};
    struct ms_error err = {0};
    int code = rest_may(c, "info of", c->name, MS_MAY_LIST | MS_MAY_READ, &err);
    if (!code && !rest_enter(x))
        return;
    if (!code)
        code = ms_backend_info(c->b, ms_str(c->name), &info, &err);
    if (!code && !info.exists)
        code = not_there(c->name, &err);
    if (code)
        rest_fail(x, &err);
    else
        reply_info(x, &info);
}

const struct exchange_route rest_route_head = {.end = head_end, .done = rest_done};

/* ---- GET of a value ---- */

struct part { /* of a value, on its way out */
    struct ms_reader *reader;
    uint64_t at, end;
};

static int part_read(void *ctx, uint8_t *into, size_t size, size_t *got, struct ms_error *err)
{
    struct part *p = ctx;
    *got = 0;
    if (size > p->end - p->at)
        size = (size_t)(p->end - p->at);
    if (!size)
        return 0;
    int code = ms_reader_read(p->reader, p->at, into, size, got, err);
    if (!code)
        p->at += *got;
    return code;
}

static void part_free(void *ctx)
{
    struct part *p = ctx;
    ms_reader_close(p->reader);
    free(p);
}

static int reply_reader(struct exchange *x, int status, struct ms_rest_range range,
                        struct ms_error *err)
{
    struct rest_call *c = rest_call_of(x);
    struct part *p = calloc(1, sizeof *p);
    uint64_t count;
    if (!p)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    int code = ms_backend_read(c->b, ms_str(c->name), &p->reader, err);
    if (code) {
        free(p);
        return code;
    }
    ms_range_clip(ms_reader_info(p->reader)->size_bytes, range.offset, range.size, &p->at, &count);
    p->end = p->at + count;
    rest_no_cache(x);
    exchange_reply_stream(x, status, TYPE, count, part_read, p, part_free);
    return 0;
}

/* UNSUPPORTED: the values are no files. */
static int reply_file(struct exchange *x, int status, struct ms_rest_range range,
                      struct ms_error *err)
{
    struct rest_call *c = rest_call_of(x);
    struct ms_info info;
    uint64_t at, count;
    int fd;
    int code = ms_backend_open_file(c->b, ms_str(c->name), &fd, &info, err);
    if (code)
        return code;
    ms_range_clip(info.size_bytes, range.offset, range.size, &at, &count);
    rest_no_cache(x);
    exchange_reply_file(x, status, TYPE, fd, at, count);
    return 0;
}

static int reply_buf(struct exchange *x, int status, struct ms_rest_range range,
                     struct ms_error *err)
{
    struct rest_call *c = rest_call_of(x);
    struct ms_buf *value;
    int code = ms_backend_load(c->b, ms_str(c->name), range.offset, range.size, &value, NULL, err);
    if (code)
        return code;
    rest_no_cache(x);
    exchange_reply_buf(x, status, TYPE, value);
    return 0;
}

static int reply_value(struct exchange *x, int status, struct ms_rest_range range,
                       struct ms_error *err)
{
    if (range.size <= AT_ONCE)
        return reply_buf(x, status, range, err);
    int code = reply_file(x, status, range, err);
    return code == MS_ERR_UNSUPPORTED ? reply_reader(x, status, range, err) : code;
}

static void get_end(struct exchange *x)
{
    struct rest_call *c = rest_call_of(x);
    struct ms_rest_range range = {0, MS_SIZE_TO_END};
    struct ms_error err = {0};
    const char *header = exchange_header(x, "Range");
    bool is_part = header && ms_rest_range_parse(ms_str(header), &range, NULL) == 0;
    if (!is_part)
        range = (struct ms_rest_range){0, MS_SIZE_TO_END};
    int code = rest_may(c, "loading", c->name, MS_MAY_READ, &err);
    if (!code && !rest_enter(x))
        return;
    if (!code)
        code = reply_value(x, is_part ? 206 : 200, range, &err);
    if (code)
        rest_fail(x, &err);
}

const struct exchange_route rest_route_get = {.end = get_end, .done = rest_done};

/* ---- GET of a directory ---- */

struct text { /* JSON in the making */
    FILE *file;
    char *bytes;
    size_t size;
    int scratch; /* -1: all is in memory */
    uint64_t written;
};

/* Moves what there is to the temporary file. */
static int spill(struct text *t, struct ms_error *err)
{
    if (fflush(t->file))
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    int code = t->scratch < 0 ? ms_scratch_file_open(&t->scratch, err) : 0;
    if (!code)
        code = ms_scratch_file_write(t->scratch, t->written, ms_view(t->bytes, t->size), err);
    if (code)
        return code;
    t->written += t->size;
    return fseeko(t->file, 0, SEEK_SET) ? ms_error_set(err, MS_ERR_IO, "a listing is lost") : 0;
}

static void write_entry(struct ms_json *json, const struct ms_entry *e)
{
    ms_json_object(json);
    ms_json_key(json, "name");
    ms_json_string(json, e->name);
    ms_json_key(json, "size");
    ms_json_u64(json, e->info.directory ? 0 : e->info.size_bytes);
    ms_json_key(json, "directory");
    ms_json_bool(json, e->info.directory);
    ms_json_key(json, "atime");
    ms_json_double(json, (double)e->info.atime_ns / 1e9);
    ms_json_end(json, '}');
}

static int write_listing(struct rest_call *c, struct text *t, struct ms_error *err)
{
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    struct ms_json json;
    ms_json_init(&json, t->file);
    int code = ms_backend_list(c->b, ms_str(c->name), NULL, &l, err);
    if (code)
        return code;
    ms_json_array(&json);
    while (!code && !(code = ms_lister_next(l, &e, err)) && e) {
        write_entry(&json, e);
        if (ftello(t->file) > (off_t)IN_MEMORY)
            code = spill(t, err);
    }
    ms_lister_close(l);
    ms_json_end(&json, ']');
    if (!code && (fflush(t->file) || ferror(t->file)))
        code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    return code;
}

static int reply_listing(struct exchange *x, struct text *t, struct ms_error *err)
{
    int code = write_listing(rest_call_of(x), t, err);
    if (!code && t->scratch >= 0)
        code = spill(t, err);
    if (code)
        return code;
    rest_no_cache(x);
    if (t->scratch < 0)
        exchange_reply(x, 200, "application/json", t->bytes, t->size);
    else
        exchange_reply_file(x, 200, "application/json", t->scratch, 0, t->written);
    t->scratch = -1;
    return 0;
}

static void list_end(struct exchange *x)
{
    struct rest_call *c = rest_call_of(x);
    struct ms_error err = {0};
    struct text t = {.scratch = -1};
    int code = rest_may(c, "listing", c->name, MS_MAY_LIST, &err);
    if (!code && !rest_enter(x))
        return;
    t.file = open_memstream(&t.bytes, &t.size);
    if (!code && !t.file)
        code = ms_error_set(&err, MS_ERR_NO_MEMORY, "no memory for a listing");
    if (!code)
        code = reply_listing(x, &t, &err);
    if (code)
        rest_fail(x, &err);
    if (t.file)
        fclose(t.file);
    free(t.bytes);
    if (t.scratch >= 0)
        close(t.scratch);
}

const struct exchange_route rest_route_list = {.end = list_end, .done = rest_done};
