/* Text from anywhere, made harmless for terminals, logs and pages. */
#include "base/put_text.h"

/* Length of the well-formed UTF-8 sequence of more than one byte at p, else 0 (RFC 3629). The text
 * ends in NUL, which is no continuation. */
static size_t utf8_length(const unsigned char *p)
{
    size_t length = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if (length && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
                   (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)))
        return 0;
    if (length == 2 && p[0] == 0xc2 && p[1] < 0xa0)
        return 0; /* C1 control characters: terminals obey them */
    return length;
}

static const char *html_entity(unsigned char c)
{
    return c == '&'    ? "&amp;"
           : c == '<'  ? "&lt;"
           : c == '>'  ? "&gt;"
           : c == '"'  ? "&quot;"
           : c == '\'' ? "&#39;"
                       : NULL;
}

void ms_put_text(FILE *file, const char *text, bool html)
{
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        size_t length = utf8_length(p);
        const char *entity = html ? html_entity(*p) : NULL;
        if (length)
            fwrite(p, 1, length, file);
        else if (entity)
            fputs(entity, file);
        else if (*p >= 0x20 && *p < 0x7f)
            fputc(*p, file);
        else
            fprintf(file, "\\x%02x", *p);
        p += length ? length : 1;
    }
}
