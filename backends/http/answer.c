/* What an HTTP answer says, and percent-encoding. No state. */
#include "backends/http/http.h"

#include "base/cleanup.h"
#include "base/text.h"

void ms_http_answer_fini(struct ms_http_answer *answer)
{
    ms_buf_unref(answer->body);
    free(answer->head);
    answer->body = NULL;
    answer->head = NULL;
}

static struct ms_view trim(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && strchr(" \t\r", to[-1]))
        to--;
    return ms_view(from, (size_t)(to - from));
}

struct ms_view ms_http_header(const struct ms_http_answer *answer, const char *name)
{
    size_t size = strlen(name);
    for (const char *line = answer->head; line && *line;) {
        const char *end = strchr(line, '\n');
        if (!end)
            end = line + strlen(line);
        if ((size_t)(end - line) > size && line[size] == ':' && strncasecmp(line, name, size) == 0)
            return trim(line + size + 1, end);
        line = *end ? end + 1 : NULL;
    }
    return ms_view("", 0);
}

uint64_t ms_http_retry_after_ns(const struct ms_http_answer *answer)
{
    struct ms_view text = ms_http_header(answer, "retry-after");
    uint64_t seconds = 0;
    if (text.size == 0 || text.size > 9)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0; /* a date */
        seconds = seconds * 10 + (uint64_t)(text.data[i] - '0');
    }
    return (seconds < 120 ? seconds : 120) * UINT64_C(1000000000);
}

bool ms_http_status_transient(int status)
{
    return status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

static bool unreserved(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

size_t ms_http_encode(char *to, size_t room, struct ms_view text, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t at = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool plain = unreserved(c) || (keep_slash && c == '/');
        char out[3] = {plain ? (char)c : '%', digits[c >> 4], digits[c & 15]};
        for (size_t k = 0; k < (plain ? 1u : 3u); k++, at++)
            if (at + 1 < room)
                to[at] = out[k];
    }
    if (room)
        to[at < room ? at : room - 1] = 0;
    return at;
}
