/* backends/http/http.h - an HTTP client for drivers: blocking requests from many threads, over a
 * pool of connections to one server that are kept alive. libcurl does HTTP/1.1, HTTP/2, TLS.
 *
 * No retries here: a request is sent once, and the caller knows what repeating it means. Redirects
 * are not followed. Nothing here ever puts a header or a URL's query into a message.
 */
#ifndef BACKENDS_HTTP_H
#define BACKENDS_HTTP_H

#include <mstore/backend.h>

struct ms_http;

struct ms_http_options {
    struct ms_backend *backend;  /* whose wire bytes are counted; may be NULL */
    const char *host;            /* for messages: "example.org:9000" */
    const char *ca_file;         /* PEM; NULL: the system's */
    bool no_verify;              /* TLS is not verified: only when the user says so */
    unsigned connect_timeout_s;  /* 0: 10 */
    unsigned stall_timeout_s;    /* a request so long too slow (pace.h) is ended; 0: 30 */
    const char *user, *password; /* Basic authentication; NULL: none */
    const char *resolve;         /* "HOST:PORT:ADDRESS" instead of DNS, NULL: none */
};

#define MS_HTTP_HEADERS_MAX 24

struct ms_http_request {
    const char *method;                       /* "GET" */
    const char *url;                          /* whole, percent-encoded */
    const char *headers[MS_HTTP_HEADERS_MAX]; /* "Name: value", ended by NULL */
    struct ms_view body;                      /* sent with a Content-Length when has_body */
    bool has_body;                            /* also an empty one */
    bool body_mapped;         /* from a file, page by page: what was sent is dropped from memory */
    uint64_t body_max_bytes;  /* of an answer; more is PROTOCOL. 0: 1 MiB */
    uint64_t whole_max_bytes; /* of a 200 with a Content-Length instead; 0: the same */
    uint8_t *into;            /* a 2xx answer's body goes here instead of into a buffer … */
    size_t into_size;         /* … of so many bytes; more is PROTOCOL */
    bool into_mapped; /* … which is a shared mapping of a file: what came may leave memory */
};

struct ms_http_answer {
    int status;
    struct ms_buf *body; /* NULL when empty or in `into` */
    size_t body_size;    /* of either */
    char *head;          /* status line and headers of the last answer; NUL-terminated */
    bool sent;           /* any byte of the request left: also set when the call failed */
};

int ms_http_new(const struct ms_http_options *options, struct ms_http **out, struct ms_error *err);
/* For a driver to say once that no_verify is set. */
void ms_http_warn_insecure(const char *host);
void ms_http_free(struct ms_http *http); /* nothing in flight */

/* 0 when an answer came, whatever its status; *out is then to be freed with ms_http_answer_fini.
 * CONNECTION, TIMEOUT, UNTRUSTED, PROTOCOL, CANCELLED: none came; only out->sent is set. */
int ms_http_do(struct ms_http *http, const struct ms_http_request *request,
               struct ms_http_answer *out, struct ms_error *err);
void ms_http_answer_fini(struct ms_http_answer *answer);
/* The value of a header (name without case) without blanks around it; size 0 when absent. */
struct ms_view ms_http_header(const struct ms_http_answer *answer, const char *name);
/* What Retry-After asks for, seconds form only, at most 120 s; 0: nothing. */
uint64_t ms_http_retry_after_ns(const struct ms_http_answer *answer);
/* 429, 500, 502, 503, 504. */
bool ms_http_status_transient(int status);

/* Appends text with everything but A-Z a-z 0-9 - . _ ~ percent-encoded ('/' too unless
 * keep_slash), NUL-terminated. Returns the length it would have, like snprintf. */
size_t ms_http_encode(char *to, size_t room, struct ms_view text, bool keep_slash);

#endif
