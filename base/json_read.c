/* A JSON reader that is a machine of six states instead of a recursion: see json_read.h. One
 * thread a reader.
 *
 *   VALUE      a value must come              FIRST_VALUE  a value or ']'
 *   KEY        a key must come                FIRST_KEY    a key or '}'
 *   AFTER      ',' or the closing bracket     END          nothing but blanks
 */
#include "base/json_read.h"

#include "base/text.h"

#include <stdlib.h>

enum { VALUE, FIRST_VALUE, KEY, FIRST_KEY, AFTER, END };

void ms_json_read_init(struct ms_json_reader *r, struct ms_view text)
{
    const uint8_t *start = text.size ? text.data : (const uint8_t *)"";
    *r = (struct ms_json_reader){.start = start, .at = start, .end = start + text.size};
    r->wants = VALUE;
}

void ms_json_read_fini(struct ms_json_reader *r)
{
    free(r->scratch);
    r->scratch = NULL;
    r->room = 0;
}

static int bad(const struct ms_json_reader *r, const char *what, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_FORMAT, "no JSON at byte %zu: %s", (size_t)(r->at - r->start),
                        what);
}

static void skip_blanks(struct ms_json_reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

/* ---- strings ---- */

/* Bytes of the UTF-8 sequence at `at`, 0: it is none. */
static unsigned utf8_length(const uint8_t *at, const uint8_t *end)
{
    size_t left = (size_t)(end - at);
    unsigned length = at[0] < 0x80   ? 1
                      : at[0] < 0xc2 ? 0
                      : at[0] < 0xe0 ? 2
                      : at[0] < 0xf0 ? 3
                      : at[0] < 0xf5 ? 4
                                     : 0;
    if (length > left)
        return 0;
    for (unsigned i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return length;
}

static int hex4(struct ms_json_reader *r, uint32_t *out, struct ms_error *err)
{
    uint8_t bytes[2];
    if (r->end - r->at < 4 || ms_hex_decode(bytes, 2, (const char *)r->at))
        return bad(r, "four hex digits must follow \\u", err);
    r->at += 4;
    *out = (uint32_t)bytes[0] << 8 | bytes[1];
    return 0;
}

static size_t put_utf8(uint8_t *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (uint8_t)(0xc0 | c >> 6);
        to[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (uint8_t)(0xe0 | c >> 12);
        to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        to[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (uint8_t)(0xf0 | c >> 18);
    to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    to[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

/* Behind "\u". */
static int unicode(struct ms_json_reader *r, uint8_t *to, size_t *size, struct ms_error *err)
{
    uint32_t c = 0, low = 0;
    int code = hex4(r, &c, err);
    if (code)
        return code;
    if (c >= 0xdc80 && c <= 0xdcff) { /* a byte that is no UTF-8 */
        to[(*size)++] = (uint8_t)(c - 0xdc00);
        return 0;
    }
    if (c >= 0xd800 && c <= 0xdbff) {
        if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u')
            return bad(r, "half a surrogate pair", err);
        r->at += 2;
        code = hex4(r, &low, err);
        if (code)
            return code;
        if (low < 0xdc00 || low > 0xdfff)
            return bad(r, "half a surrogate pair", err);
        c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
    } else if (c >= 0xdc00 && c <= 0xdfff) {
        return bad(r, "half a surrogate pair", err);
    }
    *size += put_utf8(to + *size, c);
    return 0;
}

static int escape(struct ms_json_reader *r, uint8_t *to, size_t *size, struct ms_error *err)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    if (r->at >= r->end)
        return bad(r, "the string does not end", err);
    const char *which = *r->at ? strchr(from, *r->at) : NULL;
    if (which) {
        r->at++;
        to[(*size)++] = (uint8_t)into[which - from];
        return 0;
    }
    if (*r->at != 'u')
        return bad(r, "an escape that JSON has not", err);
    r->at++;
    return unicode(r, to, size, err);
}

/* From the opening quote to behind the closing one, decoded. What is decoded is never longer than
 * what it is decoded from. */
static int string(struct ms_json_reader *r, struct ms_view *out, struct ms_error *err)
{
    const uint8_t *begin = ++r->at, *close = begin;
    while (close < r->end && *close != '"')
        close += *close == '\\' ? 2 : 1;
    if (close >= r->end)
        return bad(r, "the string does not end", err);
    size_t wanted = (size_t)(close - begin) + 4;
    if (wanted > r->room) {
        uint8_t *scratch = realloc(r->scratch, wanted);
        if (!scratch)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a string of JSON");
        r->scratch = scratch;
        r->room = wanted;
    }
    size_t size = 0;
    while (r->at < close) {
        unsigned length = utf8_length(r->at, close);
        if (*r->at < 0x20 || length == 0)
            return bad(r, "a string with a control character or without UTF-8", err);
        if (*r->at == '\\') {
            r->at++;
            int code = escape(r, r->scratch, &size, err);
            if (code)
                return code;
            continue;
        }
        memcpy(r->scratch + size, r->at, length);
        size += length;
        r->at += length;
    }
    r->at = close + 1;
    *out = ms_view(r->scratch, size);
    return 0;
}

/* ---- numbers and words ---- */

static const uint8_t *digits(const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

static int number(struct ms_json_reader *r, struct ms_view *out, struct ms_error *err)
{
    const uint8_t *at = r->at, *next;
    at += *at == '-';
    next = digits(at, r->end);
    if (next == at || (*at == '0' && next - at > 1))
        return bad(r, "a number without digits or with a leading zero", err);
    at = next;
    if (at < r->end && *at == '.') {
        next = digits(at + 1, r->end);
        if (next == at + 1)
            return bad(r, "a number that ends with its point", err);
        at = next;
    }
    if (at < r->end && (*at | 0x20) == 'e') {
        at++;
        at += at < r->end && (*at == '+' || *at == '-');
        next = digits(at, r->end);
        if (next == at)
            return bad(r, "a number without its exponent", err);
        at = next;
    }
    *out = ms_view(r->at, (size_t)(at - r->at));
    r->at = at;
    return 0;
}

static int word(struct ms_json_reader *r, enum ms_json_kind *kind, struct ms_error *err)
{
    static const struct {
        const char *text;
        enum ms_json_kind kind;
    } words[] = {{"true", MS_JSON_TRUE}, {"false", MS_JSON_FALSE}, {"null", MS_JSON_NULL}};
    struct ms_view left = ms_view(r->at, (size_t)(r->end - r->at));
    for (size_t i = 0; i < 3; i++)
        if (ms_starts_with(left, ms_str(words[i].text))) {
            r->at += strlen(words[i].text);
            *kind = words[i].kind;
            return 0;
        }
    return bad(r, "no value begins so", err);
}

/* ---- the machine ---- */

static bool in_object(const struct ms_json_reader *r)
{
    return r->depth && (r->objects >> (r->depth - 1) & 1);
}

static int open_level(struct ms_json_reader *r, bool object, struct ms_error *err)
{
    if (r->depth == MS_JSON_DEPTH)
        return bad(r, "nested too deep", err);
    uint32_t bit = UINT32_C(1) << r->depth;
    r->objects = object ? r->objects | bit : r->objects & ~bit;
    r->depth++;
    r->at++;
    r->wants = object ? FIRST_KEY : FIRST_VALUE;
    return 0;
}

static int close_level(struct ms_json_reader *r, struct ms_json_token *out)
{
    r->at++;
    r->depth--;
    r->wants = r->depth ? AFTER : END;
    out->kind = MS_JSON_CLOSE;
    return 0;
}

static int value(struct ms_json_reader *r, struct ms_json_token *out, struct ms_error *err)
{
    uint8_t c = *r->at;
    if (c == '{' || c == '[') {
        out->kind = c == '{' ? MS_JSON_OBJECT : MS_JSON_ARRAY;
        return open_level(r, c == '{', err);
    }
    int code;
    if (c == '"') {
        out->kind = MS_JSON_STRING;
        code = string(r, &out->text, err);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        out->kind = MS_JSON_NUMBER;
        code = number(r, &out->text, err);
    } else {
        code = word(r, &out->kind, err);
    }
    r->wants = r->depth ? AFTER : END;
    return code;
}

static int key(struct ms_json_reader *r, struct ms_json_token *out, struct ms_error *err)
{
    if (*r->at != '"')
        return bad(r, "a key in quotes is missing", err);
    int code = string(r, &out->text, err);
    if (code)
        return code;
    skip_blanks(r);
    if (r->at == r->end || *r->at != ':')
        return bad(r, "a colon is missing behind a key", err);
    r->at++;
    out->kind = MS_JSON_KEY;
    r->wants = VALUE;
    return 0;
}

static int step(struct ms_json_reader *r, struct ms_json_token *out, struct ms_error *err)
{
    skip_blanks(r);
    if (r->at == r->end) {
        if (r->wants != END)
            return bad(r, "the text ends too early", err);
        out->kind = MS_JSON_DONE;
        return 0;
    }
    if (r->wants == END)
        return bad(r, "more follows its value", err);
    if (r->wants == AFTER) {
        if (*r->at == (in_object(r) ? '}' : ']'))
            return close_level(r, out);
        if (*r->at != ',')
            return bad(r, "a comma is missing", err);
        r->at++;
        skip_blanks(r);
        if (r->at == r->end)
            return bad(r, "the text ends too early", err);
        r->wants = in_object(r) ? KEY : VALUE;
    }
    if ((r->wants == FIRST_VALUE && *r->at == ']') || (r->wants == FIRST_KEY && *r->at == '}'))
        return close_level(r, out);
    if (r->wants == KEY || r->wants == FIRST_KEY)
        return key(r, out, err);
    return value(r, out, err);
}

int ms_json_next(struct ms_json_reader *r, struct ms_json_token *out, struct ms_error *err)
{
    struct ms_json_token token = {0};
    int code = step(r, &token, err);
    if (!code)
        *out = token;
    return code;
}

int ms_json_skip(struct ms_json_reader *r, const struct ms_json_token *first, struct ms_error *err)
{
    if (first->kind != MS_JSON_OBJECT && first->kind != MS_JSON_ARRAY)
        return 0;
    unsigned until = r->depth - 1;
    while (r->depth > until) {
        struct ms_json_token t;
        int code = ms_json_next(r, &t, err);
        if (code)
            return code;
    }
    return 0;
}

/* ---- whole numbers ---- */

int ms_json_token_u64(const struct ms_json_token *t, uint64_t *out, struct ms_error *err)
{
    uint64_t sum = 0;
    bool good = t->kind == MS_JSON_NUMBER && t->text.size > 0;
    for (size_t i = 0; good && i < t->text.size; i++) {
        unsigned digit = (unsigned)t->text.data[i] - '0';
        good = digit < 10 && !__builtin_mul_overflow(sum, UINT64_C(10), &sum) &&
               !__builtin_add_overflow(sum, (uint64_t)digit, &sum);
    }
    if (!good)
        return ms_error_set(err, MS_ERR_FORMAT, "\"%s\" is no whole number", MS_SHOW(t->text));
    *out = sum;
    return 0;
}

int ms_json_token_i64(const struct ms_json_token *t, int64_t *out, struct ms_error *err)
{
    bool minus = t->text.size && t->text.data[0] == '-';
    struct ms_json_token size = *t;
    if (minus)
        size.text = ms_view(t->text.data + 1, t->text.size - 1);
    uint64_t n = 0;
    int code = ms_json_token_u64(&size, &n, err);
    if (code)
        return code;
    if (n > (uint64_t)INT64_MAX)
        return ms_error_set(err, MS_ERR_FORMAT, "%s is too large a number", MS_SHOW(t->text));
    *out = minus ? -(int64_t)n : (int64_t)n;
    return 0;
}
