/* server/http_io.h - bytes in and out of a connection: a socket, TLS over one, or two descriptors
 * (stdin and stdout). Nothing here waits, except writing to two descriptors.
 */
#ifndef SERVER_HTTP_IO_H
#define SERVER_HTTP_IO_H

#include <mstore/base.h>

#include <sys/types.h>
#include <sys/uio.h>

struct http_tls;
struct ssl_st;

struct http_io {
    int in, out;        /* the same for a socket */
    bool socket;        /* non-blocking; otherwise two descriptors */
    struct ssl_st *ssl; /* NULL: plain */
};

/* Beside numbers of bytes, 0 being the end of input. */
enum { HTTP_IO_FAILED = -1, HTTP_IO_WANTS_READ = -2, HTTP_IO_WANTS_WRITE = -3 };

/* Takes the descriptor only on success. */
int http_io_start_tls(struct http_io *io, struct http_tls *tls, struct ms_error *err) MS_MUST_CHECK;
ssize_t http_io_handshake(struct http_io *io); /* 1: done */
ssize_t http_io_read(struct http_io *io, void *into, size_t size);
/* At least one byte of at most two pieces. more: the next bytes follow at once. */
ssize_t http_io_write(struct http_io *io, const struct iovec *pieces, int count, bool more);
/* Plain sockets only. */
ssize_t http_io_sendfile(struct http_io *io, int fd, uint64_t offset, uint64_t size);
bool http_io_can_sendfile(const struct http_io *io);
/* No more will be written; what the other side still sends can be read. */
void http_io_finish(struct http_io *io);
void http_io_close(struct http_io *io);

/* A certificate (with its chain) and its key, PEM; TLS 1.2 and later. */
int http_tls_new(const char *cert, const char *key, struct http_tls **out,
                 struct ms_error *err) MS_MUST_CHECK;
struct http_tls *http_tls_ref(struct http_tls *tls);
void http_tls_unref(struct http_tls *tls);

#endif
