/* Writing JSON: commas, escapes and nesting kept right. One thread. Errors stay in the FILE. */
#include "base/json.h"

#include "base/assert.h"

#include <inttypes.h>
#include <math.h>

void ms_json_init(struct ms_json *j, FILE *file)
{
    *j = (struct ms_json){.file = file};
}

static void before_value(struct ms_json *j)
{
    if (j->after_key) {
        j->after_key = false;
        return;
    }
    uint64_t bit = UINT64_C(1) << j->depth;
    if (j->depth > 0 && (j->has_items & bit))
        fputc(',', j->file);
    j->has_items |= bit;
}

static void after_value(struct ms_json *j)
{
    if (j->depth == 0 && j->lines)
        fputc('\n', j->file);
}

static void open_level(struct ms_json *j, char bracket)
{
    before_value(j);
    ms_assert(j->depth < 63);
    fputc(bracket, j->file);
    j->depth++;
    j->has_items &= ~(UINT64_C(1) << j->depth);
}

void ms_json_object(struct ms_json *j)
{
    open_level(j, '{');
}

void ms_json_array(struct ms_json *j)
{
    open_level(j, '[');
}

void ms_json_end(struct ms_json *j, char closing)
{
    ms_assert(j->depth > 0 && !j->after_key);
    j->depth--;
    fputc(closing, j->file);
    after_value(j);
}

void ms_json_key(struct ms_json *j, const char *key)
{
    ms_json_string(j, ms_str(key));
    fputc(':', j->file);
    j->after_key = true;
}

/* Length of the well-formed UTF-8 sequence at p, 0 when there is none (RFC 3629). */
static size_t utf8_length(const uint8_t *p, size_t left)
{
    size_t length = p[0] >= 0xc2 && p[0] < 0xe0   ? 2
                    : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
                    : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                                  : 0;
    if (length == 0 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return length;
}

void ms_json_string(struct ms_json *j, struct ms_view bytes)
{
    before_value(j);
    fputc('"', j->file);
    for (size_t i = 0; i < bytes.size;) {
        uint8_t c = bytes.data[i];
        size_t length = 1;
        if (c == '"' || c == '\\')
            fprintf(j->file, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            fprintf(j->file, "\\u%04x", c);
        else if (c < 0x80)
            fputc(c, j->file);
        else if ((length = utf8_length(bytes.data + i, bytes.size - i)) > 0)
            fwrite(bytes.data + i, 1, length, j->file);
        else {
            fprintf(j->file, "\\udc%02x", c);
            length = 1;
        }
        i += length;
    }
    fputc('"', j->file);
    after_value(j);
}

void ms_json_text(struct ms_json *j, const char *text)
{
    ms_json_string(j, ms_str(text));
}

void ms_json_u64(struct ms_json *j, uint64_t value)
{
    before_value(j);
    fprintf(j->file, "%" PRIu64, value);
    after_value(j);
}

void ms_json_i64(struct ms_json *j, int64_t value)
{
    before_value(j);
    fprintf(j->file, "%" PRId64, value);
    after_value(j);
}

void ms_json_double(struct ms_json *j, double value)
{
    if (!isfinite(value)) {
        ms_json_null(j);
        return;
    }
    before_value(j);
    fprintf(j->file, "%.9g", value);
    after_value(j);
}

void ms_json_bool(struct ms_json *j, bool value)
{
    before_value(j);
    fputs(value ? "true" : "false", j->file);
    after_value(j);
}

void ms_json_null(struct ms_json *j)
{
    before_value(j);
    fputs("null", j->file);
    after_value(j);
}

void ms_json_put_text(struct ms_json *j, const char *key, const char *text)
{
    ms_json_key(j, key);
    if (text)
        ms_json_text(j, text);
    else
        ms_json_null(j);
}

void ms_json_put_u64(struct ms_json *j, const char *key, uint64_t value)
{
    ms_json_key(j, key);
    ms_json_u64(j, value);
}

void ms_json_put_size(struct ms_json *j, const char *key, uint64_t size)
{
    ms_json_key(j, key);
    if (size == UINT64_MAX)
        ms_json_null(j);
    else
        ms_json_u64(j, size);
}

void ms_json_put_bool(struct ms_json *j, const char *key, bool value)
{
    ms_json_key(j, key);
    ms_json_bool(j, value);
}
