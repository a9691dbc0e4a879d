/* Plain and encrypted bytes: see http_io.h. */
#include "server/http_io.h"

#include "server/http_tls.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

int http_io_start_tls(struct http_io *io, struct http_tls *tls, struct ms_error *err)
{
    SSL *ssl = SSL_new(tls->context);
    if (!ssl || SSL_set_fd(ssl, io->in) != 1) {
        SSL_free(ssl);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a TLS connection");
    }
    SSL_set_accept_state(ssl);
    io->ssl = ssl;
    return 0;
}

static ssize_t plain_result(ssize_t n, int wants)
{
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? wants : HTTP_IO_FAILED;
}

static ssize_t tls_result(struct http_io *io, int n)
{
    switch (SSL_get_error(io->ssl, n)) {
    case SSL_ERROR_WANT_READ:
        return HTTP_IO_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return HTTP_IO_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        ERR_clear_error();
        return HTTP_IO_FAILED;
    }
}

ssize_t http_io_handshake(struct http_io *io)
{
    ERR_clear_error();
    int n = SSL_do_handshake(io->ssl);
    if (n == 1)
        return 1;
    ssize_t result = tls_result(io, n);
    return result == 0 ? HTTP_IO_FAILED : result;
}

/* Two descriptors may be anybody's: they are not made non-blocking. */
static bool has_input(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) != 0;
}

ssize_t http_io_read(struct http_io *io, void *into, size_t size)
{
    if (io->ssl) {
        ERR_clear_error();
        int n = SSL_read(io->ssl, into, size > INT_MAX ? INT_MAX : (int)size);
        return n > 0 ? n : tls_result(io, n);
    }
    if (io->socket)
        return plain_result(recv(io->in, into, size, 0), HTTP_IO_WANTS_READ);
    if (!has_input(io->in))
        return HTTP_IO_WANTS_READ;
    return plain_result(read(io->in, into, size), HTTP_IO_WANTS_READ);
}

ssize_t http_io_write(struct http_io *io, const struct iovec *pieces, int count, bool more)
{
    if (io->ssl) {
        const struct iovec *piece = count > 1 && pieces[0].iov_len == 0 ? pieces + 1 : pieces;
        size_t size = piece->iov_len > INT_MAX ? INT_MAX : piece->iov_len;
        ERR_clear_error();
        int n = SSL_write(io->ssl, piece->iov_base, (int)size);
        ssize_t result = n > 0 ? n : tls_result(io, n);
        return result == 0 ? HTTP_IO_FAILED : result;
    }
    if (!io->socket)
        return plain_result(writev(io->out, pieces, count), HTTP_IO_WANTS_WRITE);
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)pieces,
                             .msg_iovlen = (size_t)count};
    int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    return plain_result(sendmsg(io->out, &message, flags), HTTP_IO_WANTS_WRITE);
}

bool http_io_can_sendfile(const struct http_io *io)
{
    return io->socket && !io->ssl;
}

ssize_t http_io_sendfile(struct http_io *io, int fd, uint64_t offset, uint64_t size)
{
    off_t at = (off_t)offset;
    size_t most = size < (UINT64_C(1) << 20) ? (size_t)size : (size_t)1 << 20;
    ssize_t n = plain_result(sendfile(io->out, fd, &at, most), HTTP_IO_WANTS_WRITE);
    return n == 0 ? HTTP_IO_FAILED : n; /* the file has become shorter */
}

void http_io_finish(struct http_io *io)
{
    if (io->ssl) {
        ERR_clear_error();
        if (SSL_shutdown(io->ssl) < 0)
            ERR_clear_error();
    }
    if (io->socket)
        shutdown(io->out, SHUT_WR);
}

void http_io_close(struct http_io *io)
{
    SSL_free(io->ssl);
    io->ssl = NULL;
    if (io->socket && io->in >= 0)
        close(io->in);
    io->in = io->out = -1;
}
