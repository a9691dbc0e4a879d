/* Names, ranges, numbers and heads on the wire: see wire.h. */
#include "backends/rest/wire.h"

#include "base/text.h"

#include <stdio.h>

/* ---- names ---- */

static bool travels(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~!$&'()*+,;=:@/", c));
}

/* The '.' at `at` begins a suffix that hides its segment. */
static bool hides(struct ms_view name, size_t at)
{
    if (name.size - at < 4 || (name.size - at > 4 && name.data[at + 4] != '/'))
        return false;
    return memcmp(name.data + at, ".hid", 4) == 0 || memcmp(name.data + at, ".tmp", 4) == 0;
}

size_t ms_rest_wire_name(char *to, size_t room, struct ms_view name)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;
    char last = 0;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool plain = travels(c) && !(c == '.' && (last == '.' || hides(name, i)));
        char out[3] = {plain ? (char)c : '%', digits[c >> 4], digits[c & 15]};
        for (size_t k = 0; k < (plain ? 1u : 3u); k++, at++)
            if (at + 1 < room)
                to[at] = out[k];
        last = plain ? (char)c : 'x';
    }
    if (room)
        to[at < room ? at : room - 1] = 0;
    return at;
}

/* Its form on the wire is `wire`, found without memory. */
static bool is_form_of(struct ms_view wire, struct ms_view name)
{
    size_t at = 0;
    char last = 0;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool plain = travels(c) && !(c == '.' && (last == '.' || hides(name, i)));
        if (at >= wire.size || (wire.data[at] != '%') != plain)
            return false;
        at += plain ? 1 : 3;
        last = plain ? (char)c : 'x';
    }
    return at == wire.size;
}

bool ms_rest_plain_name(struct ms_view wire, uint8_t *to, size_t *size)
{
    size_t count = 0;
    for (size_t i = 0; i < wire.size; i++) {
        uint8_t c = wire.data[i];
        if (c == '%') {
            if (wire.size - i < 3 || ms_hex_decode(&c, 1, (const char *)wire.data + i + 1))
                return false;
            for (size_t k = i + 1; k < i + 3; k++)
                if (wire.data[k] >= 'A' && wire.data[k] <= 'F')
                    return false;
            i += 2;
        } else if (!travels(c)) {
            return false;
        }
        to[count++] = c;
    }
    if (!is_form_of(wire, ms_view(to, count)))
        return false;
    *size = count;
    return true;
}

/* ---- numbers ---- */

bool ms_rest_number(struct ms_view text, uint64_t *out)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(sum, UINT64_C(10), &sum) ||
            __builtin_add_overflow(sum, (uint64_t)digit, &sum))
            return false;
    }
    if (text.size == 0)
        return false;
    *out = sum;
    return true;
}

int64_t ms_rest_seconds(struct ms_view text)
{
    const uint8_t *point = text.size ? memchr(text.data, '.', text.size) : NULL;
    size_t whole = point ? (size_t)(point - text.data) : text.size;
    uint64_t seconds = 0, fraction = 0, unit = 1000000000;
    if (!ms_rest_number(ms_view(text.data, whole), &seconds) || seconds > 9000000000)
        return 0;
    for (size_t i = whole + 1; i < text.size; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9)
            return 0;
        unit /= 10;
        fraction += digit * unit;
    }
    return (int64_t)(seconds * 1000000000 + fraction);
}

/* ---- ranges ---- */

void ms_rest_range_format(char text[MS_REST_RANGE_SIZE], struct ms_rest_range range)
{
    unsigned long long from = (unsigned long long)range.offset, last;
    if (range.offset < 0)
        snprintf(text, MS_REST_RANGE_SIZE, "bytes=-%llu", -from);
    else if (range.size == MS_SIZE_TO_END && from == 0)
        text[0] = 0;
    else if (range.size == MS_SIZE_TO_END || __builtin_add_overflow(from, range.size - 1, &last) ||
             last > INT64_MAX)
        snprintf(text, MS_REST_RANGE_SIZE, "bytes=%llu-", from);
    else
        snprintf(text, MS_REST_RANGE_SIZE, "bytes=%llu-%llu", from, last);
}

static int no_range(struct ms_view text, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_FORMAT, "\"%s\" is no range of bytes", MS_SHOW(text));
}

int ms_rest_range_parse(struct ms_view text, struct ms_rest_range *out, struct ms_error *err)
{
    if (!ms_starts_with(text, ms_str("bytes=")))
        return no_range(text, err);
    struct ms_view range = ms_view(text.data + 6, text.size - 6);
    const uint8_t *dash = range.size ? memchr(range.data, '-', range.size) : NULL;
    if (!dash)
        return no_range(text, err);
    struct ms_view first = ms_view(range.data, (size_t)(dash - range.data));
    struct ms_view last = ms_view(dash + 1, range.size - first.size - 1);
    uint64_t from = 0, to = 0;
    if (first.size == 0) {
        if (!ms_rest_number(last, &to) || to > (uint64_t)INT64_MAX + 1)
            return no_range(text, err);
        /* the last no bytes: nothing, from the start */
        *out = to ? (struct ms_rest_range){(int64_t)-to, MS_SIZE_TO_END}
                  : (struct ms_rest_range){0, 0};
        return 0;
    }
    if (!ms_rest_number(first, &from) || from > INT64_MAX)
        return no_range(text, err);
    *out = (struct ms_rest_range){(int64_t)from, MS_SIZE_TO_END};
    if (last.size == 0)
        return 0;
    if (!ms_rest_number(last, &to) || to < from)
        return no_range(text, err);
    out->size = to - from == UINT64_MAX ? MS_SIZE_TO_END : to - from + 1;
    return 0;
}

/* ---- heads ---- */

size_t ms_rest_head_size(struct ms_view bytes)
{
    const uint8_t *end = bytes.size ? memmem(bytes.data, bytes.size, "\r\n\r\n", 4) : NULL;
    return end ? (size_t)(end - bytes.data) + 4 : 0;
}

static int no_head(const char *what, struct ms_view line, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_PROTOCOL, "%s: \"%s\"", what, MS_SHOW(line));
}

static bool is_header(struct ms_view line, const char *name, struct ms_view *value)
{
    size_t size = strlen(name);
    if (line.size <= size || line.data[size] != ':' ||
        strncasecmp((const char *)line.data, name, size) != 0)
        return false;
    const uint8_t *from = line.data + size + 1, *to = line.data + line.size;
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    *value = ms_view(from, (size_t)(to - from));
    return true;
}

static int status_line(struct ms_view line, int *status, struct ms_error *err)
{
    /* HTTP/1.1 200 OK */
    if (!ms_starts_with(line, ms_str("HTTP/1.")) || line.size < 12 || line.data[8] != ' ' ||
        (line.size > 12 && line.data[12] != ' '))
        return no_head("no status line of HTTP/1", line, err);
    uint64_t number;
    if (!ms_rest_number(ms_view(line.data + 9, 3), &number) || number < 100)
        return no_head("no status of HTTP", line, err);
    *status = (int)number;
    return 0;
}

static int header_line(struct ms_view line, struct ms_rest_head *head, bool *seen,
                       struct ms_error *err)
{
    struct ms_view value;
    uint64_t length;
    if (!memchr(line.data, ':', line.size) || line.data[0] == ':' || line.data[0] == ' ')
        return no_head("no header of HTTP", line, err);
    if (is_header(line, "transfer-encoding", &value))
        return no_head("an answer of unknown length", line, err);
    if (!is_header(line, "content-length", &value))
        return 0;
    if (!ms_rest_number(value, &length) || (*seen && length != head->length))
        return no_head("no length of an answer", line, err);
    *seen = true;
    head->length = length;
    return 0;
}

int ms_rest_head_parse(struct ms_view head, struct ms_rest_head *out, struct ms_error *err)
{
    struct ms_rest_head parsed = {0};
    bool first = true, seen = false;
    if (head.size && memchr(head.data, 0, head.size))
        return no_head("a NUL byte in an answer's head", head, err);
    while (head.size) {
        const uint8_t *end = memmem(head.data, head.size, "\r\n", 2);
        if (!end)
            return no_head("an answer's head does not end", head, err);
        struct ms_view line = ms_view(head.data, (size_t)(end - head.data));
        head = ms_view(end + 2, head.size - line.size - 2);
        if (line.size == 0)
            break;
        int code =
            first ? status_line(line, &parsed.status, err) : header_line(line, &parsed, &seen, err);
        if (code)
            return code;
        first = false;
    }
    if (first || head.size)
        return ms_error_set(err, MS_ERR_PROTOCOL, "an answer without a head");
    *out = parsed;
    return 0;
}
