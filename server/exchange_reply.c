/* The answer: see exchange.h. The first one counts; what comes later is freed. */
#include "server/exchange_core.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void free_body(struct exchange_body *body)
{
    if (body->free)
        body->free(body->ctx);
    if (body->fd >= 0)
        close(body->fd);
    ms_buf_unref(body->buf);
    *body = (struct exchange_body){.fd = -1};
}

void exchange_drop_body(struct exchange *x)
{
    free_body(&x->body);
}

static const char *copy_text(struct exchange *x, const char *text)
{
    size_t size = strlen(text) + 1;
    struct exchange_kept *kept = malloc(sizeof *kept + size);
    if (!kept) {
        x->no_memory = true;
        return NULL;
    }
    kept->next = x->kept;
    x->kept = kept;
    return memcpy(kept->text, text, size);
}

static void answer(struct exchange *x, int status, const char *type, struct exchange_body body)
{
    if (x->status) {
        free_body(&body);
        return;
    }
    x->status = status;
    x->body = body;
    if (type)
        x->type = copy_text(x, type);
}

static bool plain_text(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

void exchange_header_add(struct exchange *x, const char *name, const char *value)
{
    if (!plain_text(name) || !plain_text(value)) {
        x->no_memory = true;
        return;
    }
    size_t size = strlen(name) + strlen(value) + 4;
    char *fields = realloc(x->fields, x->fields_size + size + 1);
    if (!fields) {
        x->no_memory = true;
        return;
    }
    x->fields = fields;
    snprintf(fields + x->fields_size, size + 1, "%s: %s\r\n", name, value);
    x->fields_size += size;
}

void exchange_set_reason(struct exchange *x, const char *reason)
{
    size_t n = 0;
    for (; reason[n] && n < sizeof x->reason - 1; n++)
        x->reason[n] = (char)(reason[n] >= ' ' && reason[n] < 0x7f ? reason[n] : '?');
    x->reason[n] = '\0';
}

void exchange_reply(struct exchange *x, int status, const char *type, const void *bytes,
                    size_t size)
{
    struct ms_buf *buf = NULL;
    if (size) {
        buf = ms_buf_copy(ms_view(bytes, size));
        x->no_memory = x->no_memory || !buf;
    }
    answer(x, status, type,
           (struct exchange_body){.source = EXCHANGE_BYTES, .length = size, .buf = buf, .fd = -1});
}

void exchange_reply_text(struct exchange *x, int status, const char *text)
{
    exchange_reply(x, status, "text/plain; charset=utf-8", text, strlen(text));
}

void exchange_reply_buf(struct exchange *x, int status, const char *type, struct ms_buf *bytes)
{
    answer(x, status, type,
           (struct exchange_body){.source = EXCHANGE_BYTES,
                                  .length = bytes ? ms_buf_size(bytes) : 0,
                                  .buf = bytes,
                                  .fd = -1});
}

void exchange_reply_file(struct exchange *x, int status, const char *type, int fd, uint64_t offset,
                         uint64_t size)
{
    answer(x, status, type,
           (struct exchange_body){
               .source = EXCHANGE_FILE, .length = size, .fd = fd, .offset = offset});
}

void exchange_reply_stream(struct exchange *x, int status, const char *type, uint64_t length,
                           exchange_read *read, void *ctx, void (*free)(void *ctx))
{
    answer(x, status, type,
           (struct exchange_body){.source = EXCHANGE_STREAM,
                                  .length = length,
                                  .fd = -1,
                                  .read = read,
                                  .ctx = ctx,
                                  .free = free});
}

void exchange_reply_head(struct exchange *x, int status, const char *type, uint64_t length)
{
    answer(x, status, type,
           (struct exchange_body){.source = EXCHANGE_NOTHING, .length = length, .fd = -1});
}

int exchange_status_of(int code)
{
    switch ((enum ms_code)code) {
    case MS_OK:
        return 200;
    case MS_ERR_INVALID:
    case MS_ERR_NAME:
    case MS_ERR_URL:
    case MS_ERR_FORMAT:
        return 400;
    case MS_ERR_PERMISSION:
        return 403;
    case MS_ERR_NOT_FOUND:
        return 404;
    case MS_ERR_EXISTS:
    case MS_ERR_CONFLICT:
    case MS_ERR_STORE_EXISTS:
        return 409;
    case MS_ERR_NO_STORE:
        return 410;
    case MS_ERR_MUST_BE_OPEN:
    case MS_ERR_MUST_NOT_BE_OPEN:
        return 412;
    case MS_ERR_TOO_LARGE:
        return 413;
    case MS_ERR_RANGE:
        return 416;
    case MS_ERR_QUOTA:
    case MS_ERR_NO_SPACE:
        return 507;
    case MS_ERR_UNSUPPORTED:
        return 501;
    case MS_ERR_BUSY:
    case MS_ERR_CANCELLED:
        return 503;
    case MS_ERR_CONFIG:
    case MS_ERR_NO_MEMORY:
    case MS_ERR_IO:
    case MS_ERR_ACCESS:
    case MS_ERR_CONNECTION:
    case MS_ERR_TIMEOUT:
    case MS_ERR_AUTH:
    case MS_ERR_UNTRUSTED:
    case MS_ERR_PROTOCOL:
    case MS_ERR_CORRUPT:
    case MS_ERR_INTERNAL:
        return 500;
    }
    return 500;
}

void exchange_fail(struct exchange *x, const struct ms_error *err)
{
    if (x->status)
        return;
    const char *text = err->text[0] ? err->text : ms_code_text(err->code);
    int status = err->code ? exchange_status_of(err->code) : 500;
    if (status == 503)
        exchange_header_add(x, "Retry-After", "1");
    exchange_set_reason(x, text);
    exchange_reply_text(x, status, text);
}

void exchange_close_after(struct exchange *x)
{
    x->close_after = true;
}

/* ---- as text ---- */

static const char *standard_reason(int status)
{
    static const struct {
        int status;
        const char *words;
    } table[] = {{200, "OK"},
                 {201, "Created"},
                 {204, "No Content"},
                 {206, "Partial Content"},
                 {301, "Moved Permanently"},
                 {302, "Found"},
                 {303, "See Other"},
                 {304, "Not Modified"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {406, "Not Acceptable"},
                 {408, "Request Timeout"},
                 {409, "Conflict"},
                 {410, "Gone"},
                 {412, "Precondition Failed"},
                 {413, "Content Too Large"},
                 {414, "URI Too Long"},
                 {415, "Unsupported Media Type"},
                 {416, "Range Not Satisfiable"},
                 {417, "Expectation Failed"},
                 {421, "Misdirected Request"},
                 {422, "Unprocessable Content"},
                 {429, "Too Many Requests"},
                 {431, "Request Header Fields Too Large"},
                 {500, "Internal Server Error"},
                 {501, "Not Implemented"},
                 {502, "Bad Gateway"},
                 {503, "Service Unavailable"},
                 {504, "Gateway Timeout"},
                 {505, "HTTP Version Not Supported"},
                 {507, "Insufficient Storage"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].status == status)
            return table[i].words;
    return "Unknown";
}

/* Days since 1970 to the format of RFC 9110, whatever the locale. */
static void format_date(int64_t wall_ns, char out[32])
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm)) {
        out[0] = '\0';
        return;
    }
    snprintf(out, 32, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
             months[tm.tm_mon], (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void replace_by_500(struct exchange *x)
{
    exchange_drop_body(x);
    free(x->fields);
    x->fields = NULL;
    x->fields_size = 0;
    x->type = NULL;
    x->reason[0] = '\0';
    x->no_memory = false;
    x->status = 500;
}

/* How the end of the body is told: its length, chunks, or (HTTP/1.0) the end of the connection. */
static void framing_text(struct exchange *x, bool *close, bool *chunked, char *out, size_t size)
{
    *chunked = false;
    out[0] = '\0';
    if (x->status == 204 || x->status == 304)
        return;
    if (x->body.length != EXCHANGE_CHUNKED) {
        snprintf(out, size, "Content-Length: %llu\r\n", (unsigned long long)x->body.length);
    } else if (x->head.minor >= 1) {
        *chunked = true;
        snprintf(out, size, "Transfer-Encoding: chunked\r\n");
    } else {
        *close = true;
    }
}

char *exchange_head_text(struct exchange *x, bool close, size_t *size, bool *chunked)
{
    char framing[64], date[32];
    if (x->no_memory)
        replace_by_500(x);
    framing_text(x, &close, chunked, framing, sizeof framing);
    x->close_after = x->close_after || close;
    format_date(ms_clock_wall(x->clock), date);
    const char *connection = close                ? "Connection: close\r\n"
                             : x->head.minor == 0 ? "Connection: keep-alive\r\n"
                                                  : "";
    char *text = NULL;
    int n = asprintf(&text, "HTTP/1.1 %d %s\r\nDate: %s\r\n%s%s%s%s%s%s\r\n", x->status,
                     x->reason[0] ? x->reason : standard_reason(x->status), date,
                     x->type ? "Content-Type: " : "", x->type ? x->type : "", x->type ? "\r\n" : "",
                     framing, connection, x->fields ? x->fields : "");
    if (n < 0)
        return NULL;
    *size = (size_t)n;
    return text;
}
