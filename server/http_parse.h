/* server/http_parse.h - HTTP/1.x as bytes: the head of a request, the framing of its body.
 *
 * Strict, because a proxy in front may read an odd request otherwise than we do: lines end with
 * CR LF alone, one Content-Length of digits or one "Transfer-Encoding: chunked" and never both, no
 * folded lines, no blank before a colon, no control characters, no chunk extensions or trailers.
 * Pure functions.
 */
#ifndef SERVER_HTTP_PARSE_H
#define SERVER_HTTP_PARSE_H

#include <mstore/base.h>

#define HTTP_FIELDS_MAX 100

struct http_field {
    const char *name, *value; /* within the head's text */
};

struct http_head {
    const char *method, *path, *query; /* query "": none */
    int minor;                         /* HTTP/1.0 or HTTP/1.1 */
    bool chunked, has_length, close, keep_alive, expects_continue;
    uint64_t length; /* 0 without Content-Length */
    size_t field_count;
    struct http_field fields[HTTP_FIELDS_MAX];
};

enum http_found { HTTP_FOUND_NOT_YET, HTTP_FOUND_END, HTTP_FOUND_BAD };

/* Looks for the blank line. *scanned says how far earlier calls have looked (0 at first); at
 * FOUND_END it is the head's size with that line. BAD: a line ends otherwise, or there is a
 * control character. */
enum http_found http_head_find(const uint8_t *data, size_t size, size_t *scanned);
/* Takes a whole head apart, in place: text has `size` bytes. Returns 0, or the status to answer
 * with and close; *why is one sentence. need_host: HTTP/1.1 has to name one. */
int http_head_parse(char *text, size_t size, bool need_host, struct http_head *head,
                    const char **why);

/* A chunked body. */
struct http_chunks {
    enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, CHUNK_DONE } state;
    uint64_t left;   /* of this chunk */
    unsigned digits; /* of the size so far */
    bool cr;         /* a CR has come, its LF not yet */
};

/* Takes bytes from the start of [data, data+size): *used of them are done with, of which *payload
 * (in `out`, within data) are the body's; call again with what is left. Returns false when it is no
 * chunked body. Nothing is used when size is 0 or the body is over (CHUNK_DONE). */
bool http_chunks_next(struct http_chunks *c, const uint8_t *data, size_t size, size_t *used,
                      struct ms_view *out);

#endif
