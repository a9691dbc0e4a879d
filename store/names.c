/* The rules for names and the escape of the bytes profile: see store/names.h. */
#include "store/names.h"

#include "base/text.h"

static const char *byte_fault(uint8_t c)
{
    if (c >= 0x80)
        return "it is not plain ASCII";
    if (c < 0x20 || c == 0x7f)
        return "it contains a control character";
    if (c == ' ' || c == '\\')
        return "it contains a blank or a backslash";
    if (c >= 'A' && c <= 'Z')
        return "it is not lower case";
    return NULL;
}

/* Bytes that need no second look: every load passes here, a table is the quickest. */
#define FINE8(c)                                                                                   \
    [(c)] = 1, [(c) + 1] = 1, [(c) + 2] = 1, [(c) + 3] = 1, [(c) + 4] = 1, [(c) + 5] = 1,          \
    [(c) + 6] = 1, [(c) + 7] = 1
static const uint8_t fine[256] = {FINE8('0'), ['8'] = 1, ['9'] = 1, FINE8('a'), FINE8('i'),
                                  FINE8('q'), ['y'] = 1, ['z'] = 1, ['-'] = 1,  ['_'] = 1};

static const char *bytes_fault(struct ms_view segment)
{
    const uint8_t *d = segment.data;
    size_t i = 0;
    while (i + 8 <= segment.size &&
           (fine[d[i]] & fine[d[i + 1]] & fine[d[i + 2]] & fine[d[i + 3]] & fine[d[i + 4]] &
            fine[d[i + 5]] & fine[d[i + 6]] & fine[d[i + 7]]))
        i += 8;
    for (; i < segment.size; i++) {
        if (fine[segment.data[i]])
            continue;
        const char *fault = byte_fault(segment.data[i]);
        if (fault)
            return fault;
        if (i > 0 && segment.data[i] == '.' && segment.data[i - 1] == '.')
            return "it contains \"..\"";
    }
    return NULL;
}

static const char *segment_fault(struct ms_view segment)
{
    if (segment.size == 0)
        return "it starts or ends with '/' or has an empty part between two";
    if (segment.size == 1 && segment.data[0] == '.')
        return "a part of it is \".\"";
    if (ms_ends_with(segment, ms_str(".tmp")) || ms_ends_with(segment, ms_str(".hid")))
        return "it ends in .tmp or .hid, which are names for internal use";
    return bytes_fault(segment);
}

const char *ms_namespace_fault(struct ms_view name)
{
    for (;;) {
        const uint8_t *slash = name.size ? memchr(name.data, '/', name.size) : NULL;
        size_t size = slash ? (size_t)(slash - name.data) : name.size;
        const char *fault = segment_fault(ms_view(name.data, size));
        if (fault || !slash)
            return fault;
        name = ms_view(slash + 1, name.size - size - 1);
    }
}

const char *ms_borgstore_fault(struct ms_view name)
{
    if (name.size == 0)
        return "it is empty";
    const char *fault = ms_namespace_fault(name);
    if (!fault && ms_ends_with(name, ms_str(MS_DEL_SUFFIX)))
        fault = "it ends in .del, which marks deleted items";
    return fault;
}

/* The character that introduces the escape of c; 0: c stands for itself. */
static char introducer(uint8_t c)
{
    if (c < '0')
        return '-';
    if (c <= '9')
        return 0;
    if (c < 'a')
        return '_';
    return c <= 'z' ? 0 : '~';
}

size_t ms_escape(struct ms_view key, char *out)
{
    static const char hex[] = "0123456789abcdef";
    char *o = out;
    for (size_t i = 0; i < key.size; i++) {
        uint8_t c = key.data[i];
        char first = introducer(c);
        if (first) {
            *o++ = first;
            *o++ = hex[c >> 4];
            *o++ = hex[c & 15];
        } else {
            *o++ = (char)c;
        }
    }
    return (size_t)(o - out);
}

bool ms_unescape(struct ms_view text, uint8_t *out, size_t *size)
{
    size_t n = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (introducer(c)) {
            if (text.size - i < 3)
                return false;
            int high = ms_hex_digit_lower(text.data[i + 1]),
                low = ms_hex_digit_lower(text.data[i + 2]);
            if (high < 0 || low < 0 || introducer((uint8_t)(high << 4 | low)) != (char)c)
                return false;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        out[n++] = c;
    }
    *size = n;
    return true;
}
