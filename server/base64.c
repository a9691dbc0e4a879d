/* server/base64.c - see server/base64.h. */
#include "server/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

static char letter_of(enum server_base64 kind, unsigned value)
{
    if (value < 62)
        return letters[value];
    if (kind == SERVER_BASE64_URL)
        return value == 62 ? '-' : '_';
    return value == 62 ? '+' : '/';
}

static int value_of(enum server_base64 kind, uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (uint8_t)letter_of(kind, 62))
        return 62;
    return c == (uint8_t)letter_of(kind, 63) ? 63 : -1;
}

void server_base64_encode(enum server_base64 kind, struct ms_view bytes, char *text)
{
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t three = (uint32_t)bytes.data[i] << 16;
        three |= left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        three |= left > 2 ? bytes.data[i + 2] : 0;
        size_t meant = left > 2 ? 4 : left + 1;
        for (size_t k = 0; k < 4; k++) {
            if (k < meant)
                *text++ = letter_of(kind, three >> (18 - 6 * k) & 63);
            else if (kind == SERVER_BASE64_PLAIN)
                *text++ = '=';
        }
    }
    *text = '\0';
}

static bool without_padding(enum server_base64 kind, struct ms_view *text)
{
    size_t padding = 0;
    while (kind == SERVER_BASE64_PLAIN && padding < 2 && text->size &&
           text->data[text->size - 1] == '=') {
        text->size--;
        padding++;
    }
    return !padding || (text->size + padding) % 4 == 0;
}

bool server_base64_decode(enum server_base64 kind, struct ms_view text, uint8_t *bytes, size_t room,
                          size_t *size)
{
    if (!without_padding(kind, &text) || text.size % 4 == 1 ||
        text.size / 4 * 3 + (text.size % 4 ? text.size % 4 - 1 : 0) > room)
        return false;
    uint32_t bits = 0;
    unsigned have = 0;
    *size = 0;
    for (size_t i = 0; i < text.size; i++) {
        int value = value_of(kind, text.data[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[(*size)++] = (uint8_t)(bits >> have);
        }
    }
    return (bits & ((1u << have) - 1)) == 0; /* what is left over must be zero */
}
