/* Why a server refused, in its words: see wire.h. HTTP/1.1 has them in the status line, HTTP/2 has
 * no such line; there they are in the body, which BorgStore's server sends as a page of HTML:
 *
 *     <p>Error code: 404</p>
 *     <p>Message: archives/x.</p>                  with &amp; &lt; &gt; for & < >
 */
#include "backends/rest/wire.h"

#include "base/text.h"

static struct ms_view until(struct ms_view text, const char *end)
{
    const uint8_t *at = memmem(text.data, text.size, end, strlen(end));
    return at ? ms_view(text.data, (size_t)(at - text.data)) : ms_view("", 0);
}

/* "HTTP/1.1 404 archives/x": what stands behind the second blank. */
static struct ms_view of_status_line(struct ms_view head)
{
    struct ms_view line = until(head, "\r\n");
    for (int blank = 0; blank < 2; blank++) {
        const uint8_t *at = line.size ? memchr(line.data, ' ', line.size) : NULL;
        if (!at)
            return ms_view("", 0);
        line = ms_view(at + 1, line.size - (size_t)(at + 1 - line.data));
    }
    return line;
}

static struct ms_view of_page(struct ms_view page)
{
    static const char mark[] = "<p>Message: ";
    const uint8_t *at = memmem(page.data, page.size, mark, sizeof mark - 1);
    if (!at)
        return ms_view("", 0);
    at += sizeof mark - 1;
    return until(ms_view(at, page.size - (size_t)(at - page.data)), ".</p>");
}

/* Copies as much as fits, with what HTML escapes in its own form. */
static struct ms_view unescape(struct ms_view text, char *to, size_t room)
{
    static const char *const marks[] = {"&amp;", "&lt;", "&gt;"};
    static const char meant[] = "&<>";
    size_t size = 0;
    for (size_t i = 0; i < text.size && size < room; i++) {
        to[size] = (char)text.data[i];
        struct ms_view rest = ms_view(text.data + i, text.size - i);
        for (size_t m = 0; m < sizeof marks / sizeof *marks; m++)
            if (ms_starts_with(rest, ms_str(marks[m]))) {
                to[size] = meant[m];
                i += strlen(marks[m]) - 1;
                break;
            }
        size++;
    }
    return ms_view(to, size);
}

struct ms_view ms_rest_said(struct ms_view head, struct ms_view type, struct ms_view body, char *to,
                            size_t room)
{
    struct ms_view line = of_status_line(head);
    if (line.size || !body.size)
        return line;
    if (ms_starts_with(type, ms_str("text/html")))
        return unescape(of_page(body), to, room);
    if (!ms_starts_with(type, ms_str("text/plain")))
        return line;
    const uint8_t *end = memchr(body.data, '\n', body.size);
    return ms_view(body.data, end ? (size_t)(end - body.data) : body.size);
}
