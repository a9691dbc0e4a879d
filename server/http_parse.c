/* Heads and chunks: see http_parse.h. */
#include "server/http_parse.h"

#include "base/text.h"

#include <strings.h>

static bool is_token(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

enum http_found http_head_find(const uint8_t *data, size_t size, size_t *scanned)
{
    for (size_t i = *scanned; i < size; i++) {
        uint8_t c = data[i];
        if (c >= ' ' && c != 0x7f)
            continue;
        if (c == '\t')
            continue;
        if (c == '\r') {
            if (i + 1 == size) { /* look at it again with what follows */
                *scanned = i;
                return HTTP_FOUND_NOT_YET;
            }
            if (data[i + 1] != '\n')
                return HTTP_FOUND_BAD;
            continue;
        }
        if (c != '\n' || i == 0 || data[i - 1] != '\r')
            return HTTP_FOUND_BAD;
        if (i == 1) /* begins with a blank line */
            return HTTP_FOUND_BAD;
        if (i >= 3 && data[i - 2] == '\n') {
            *scanned = i + 1;
            return HTTP_FOUND_END;
        }
    }
    *scanned = size;
    return HTTP_FOUND_NOT_YET;
}

/* The line at *text, ended with a NUL in place of its CR LF; moves behind it. */
static char *next_line(char **text)
{
    char *line = *text, *end = strstr(line, "\r\n");
    *end = '\0';
    *text = end + 2;
    return line;
}

static int refuse(const char **why, int status, const char *sentence)
{
    *why = sentence;
    return status;
}

static bool known_method(const char *method)
{
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(method, known[i]) == 0)
            return true;
    return false;
}

static int parse_target(char *target, struct http_head *head, const char **why)
{
    if (target[0] != '/')
        return refuse(why, 400, "the request's target has to begin with '/'");
    for (const char *p = target; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || *p == '#')
            return refuse(why, 400, "the request's target has characters that have to be encoded");
    char *question = strchr(target, '?');
    if (question)
        *question = '\0';
    head->path = target;
    head->query = question ? question + 1 : "";
    return 0;
}

static int parse_request_line(char *line, struct http_head *head, const char **why)
{
    char *first = strchr(line, ' ');
    char *second = first ? strchr(first + 1, ' ') : NULL;
    if (!second || first == line || second == first + 1)
        return refuse(why, 400, "the request line is not METHOD TARGET HTTP/1.1");
    *first = *second = '\0';
    for (const char *p = line; *p; p++)
        if (!is_token((unsigned char)*p))
            return refuse(why, 400, "the method has characters that no method has");
    const char *version = second + 1;
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0) {
        if (strncmp(version, "HTTP/", 5) == 0 && strlen(version) == 8 && !strchr(version, ' '))
            return refuse(why, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
        return refuse(why, 400, "the request line is not METHOD TARGET HTTP/1.1");
    }
    head->minor = version[7] - '0';
    if (!known_method(line))
        return refuse(why, 501, "no such method");
    head->method = line;
    return parse_target(first + 1, head, why);
}

static int parse_field(char *line, struct http_head *head, const char **why)
{
    if (head->field_count == HTTP_FIELDS_MAX)
        return refuse(why, 431, "too many headers");
    if (is_blank(line[0]))
        return refuse(why, 400, "a header goes on in a second line");
    char *colon = line;
    while (is_token((unsigned char)*colon))
        colon++;
    if (colon == line || *colon != ':')
        return refuse(why, 400, "a header is not NAME: VALUE");
    *colon = '\0';
    char *value = colon + 1, *end = value + strlen(value);
    while (is_blank(*value))
        value++;
    while (end > value && is_blank(end[-1]))
        *--end = '\0';
    head->fields[head->field_count++] = (struct http_field){line, value};
    return 0;
}

/* Whether a list of words separated by commas has this one. */
static bool has_word(const char *list, const char *word)
{
    size_t size = strlen(word);
    while (*list) {
        while (*list == ',' || is_blank(*list))
            list++;
        size_t length = strcspn(list, ", \t");
        if (length == size && strncasecmp(list, word, size) == 0)
            return true;
        list += length;
    }
    return false;
}

static int parse_length(const char *text, uint64_t *out)
{
    if (!*text)
        return 400;
    uint64_t value = 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > (INT64_MAX - 9) / 10)
            return 400;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *out = value;
    return 0;
}

/* What one header means for how the request is read. */
static int apply_field(struct http_head *head, const struct http_field *f, unsigned *hosts,
                       const char **why)
{
    if (strcasecmp(f->name, "Content-Length") == 0) {
        if (head->has_length)
            return refuse(why, 400, "there is more than one Content-Length");
        if (parse_length(f->value, &head->length))
            return refuse(why, 400, "Content-Length is not a number");
        head->has_length = true;
    } else if (strcasecmp(f->name, "Transfer-Encoding") == 0) {
        if (head->chunked)
            return refuse(why, 400, "there is more than one Transfer-Encoding");
        if (strcasecmp(f->value, "chunked") != 0)
            return refuse(why, 501, "only the transfer encoding chunked is known here");
        head->chunked = true;
    } else if (strcasecmp(f->name, "Host") == 0) {
        (*hosts)++;
    } else if (strcasecmp(f->name, "Connection") == 0) {
        head->close = head->close || has_word(f->value, "close");
        head->keep_alive = head->keep_alive || has_word(f->value, "keep-alive");
    } else if (strcasecmp(f->name, "Expect") == 0) {
        if (strcasecmp(f->value, "100-continue") != 0)
            return refuse(why, 417, "only Expect: 100-continue is known here");
        head->expects_continue = head->minor >= 1;
    }
    return 0;
}

static int apply_fields(struct http_head *head, bool need_host, const char **why)
{
    unsigned hosts = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        int status = apply_field(head, &head->fields[i], &hosts, why);
        if (status)
            return status;
    }
    if (head->chunked && head->has_length)
        return refuse(why, 400, "there are Content-Length and Transfer-Encoding");
    if (head->chunked && head->minor == 0)
        return refuse(why, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (hosts > 1)
        return refuse(why, 400, "there is more than one Host");
    if (hosts == 0 && need_host && head->minor == 1)
        return refuse(why, 400, "the header Host is missing");
    return 0;
}

int http_head_parse(char *text, size_t size, bool need_host, struct http_head *head,
                    const char **why)
{
    memset(head, 0, offsetof(struct http_head, fields));
    char *end = text + size - 2; /* of the blank line */
    *end = '\0';
    int status = parse_request_line(next_line(&text), head, why);
    while (!status && text < end)
        status = parse_field(next_line(&text), head, why);
    return status ? status : apply_fields(head, need_host, why);
}

/* ---- chunks ---- */

/* CR LF, of which the CR may have come before. False: something else. */
static bool take_crlf(struct http_chunks *c, uint8_t byte, bool *whole)
{
    *whole = c->cr && byte == '\n';
    if (!c->cr && byte != '\r')
        return false;
    if (c->cr && byte != '\n')
        return false;
    c->cr = !c->cr;
    return true;
}

static bool take_size(struct http_chunks *c, uint8_t byte)
{
    int digit = c->cr ? -1 : ms_hex_digit(byte);
    if (digit >= 0) {
        c->left = c->left << 4 | (unsigned)digit;
        return ++c->digits <= 15;
    }
    bool whole;
    if (c->digits == 0 || !take_crlf(c, byte, &whole))
        return false;
    if (whole) {
        c->state = c->left ? CHUNK_DATA : CHUNK_TRAILER;
        c->digits = 0;
    }
    return true;
}

static bool take_end(struct http_chunks *c, uint8_t byte)
{
    bool whole;
    if (!take_crlf(c, byte, &whole))
        return false;
    if (whole)
        c->state = c->state == CHUNK_TRAILER ? CHUNK_DONE : CHUNK_SIZE;
    return true;
}

bool http_chunks_next(struct http_chunks *c, const uint8_t *data, size_t size, size_t *used,
                      struct ms_view *out)
{
    *used = 0;
    *out = ms_view(data, 0);
    while (*used < size && c->state != CHUNK_DONE) {
        if (c->state == CHUNK_DATA) {
            size_t some = size - *used < c->left ? size - *used : (size_t)c->left;
            *out = ms_view(data + *used, some);
            *used += some;
            c->left -= some;
            if (c->left == 0)
                c->state = CHUNK_DATA_END;
            return true;
        }
        uint8_t byte = data[(*used)++];
        if (!(c->state == CHUNK_SIZE ? take_size(c, byte) : take_end(c, byte)))
            return false;
    }
    return true;
}
