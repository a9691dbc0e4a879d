/* Names as rclone's servers write them: a control character is shown as its symbol (U+2401 for
 * 0x01), and a symbol that is meant as itself, like the mark, stands behind the mark U+201B. Listed
 * names are taken back to what they are, names that are sent are written the same way, so that
 * every name of ours comes back as it went. Bytes that are no UTF-8 pass as they are. Pure; any
 * thread. */
#include "backends/sftp/packet.h"

static const uint8_t mark[3] = {0xe2, 0x80, 0x9b}; /* U+201B */

/* The control character whose symbol begins the text; 0: none does. That of NUL and all that is no
 * character of ours stays what it is. */
static uint8_t symbol_at(struct ms_view text)
{
    if (text.size < 3 || text.data[0] != 0xe2 || text.data[1] != 0x90)
        return 0;
    if (text.data[2] == 0xa1)
        return 0x7f;
    return text.data[2] > 0x80 && text.data[2] < 0xa0 ? text.data[2] - 0x80 : 0;
}

static bool mark_at(struct ms_view text)
{
    return text.size >= 3 && memcmp(text.data, mark, 3) == 0;
}

static struct ms_view behind(struct ms_view text, size_t n)
{
    return ms_view(text.data + n, text.size - n);
}

size_t ms_sftp_encode_name(struct ms_view name, uint8_t *to)
{
    uint8_t *start = to;
    while (name.size) {
        uint8_t c = *name.data;
        size_t n = 1;
        if (mark_at(name) || symbol_at(name)) {
            memcpy(to, mark, 3);
            memcpy(to + 3, name.data, 3);
            to += 6;
            n = 3;
        } else if ((c > 0 && c < 0x20) || c == 0x7f) {
            to[0] = 0xe2;
            to[1] = 0x90;
            to[2] = c == 0x7f ? 0xa1 : 0x80 + c;
            to += 3;
        } else {
            *to++ = c;
        }
        name = behind(name, n);
    }
    return (size_t)(to - start);
}

size_t ms_sftp_decode_name(struct ms_view name, uint8_t *to)
{
    uint8_t *start = to;
    while (name.size) {
        bool quoted = mark_at(name) && (mark_at(behind(name, 3)) || symbol_at(behind(name, 3)));
        uint8_t c = symbol_at(name);
        size_t n = 1;
        if (quoted) {
            memcpy(to, name.data + 3, 3);
            to += 3;
            n = 6;
        } else if (c) {
            *to++ = c;
            n = 3;
        } else {
            *to++ = *name.data;
        }
        name = behind(name, n);
    }
    return (size_t)(to - start);
}
