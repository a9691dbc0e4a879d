/* Listening sockets: TCP, UNIX, handed over by systemd. */
#include "server/http_server.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_ACTIVATED 3

/* A thread may be about to take a connection: the descriptors stay as they are. A socket that was
 * handed over is not ours to shut. */
void http_listeners_stop(struct http_server *s)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        const struct http_listener *l = &s->listeners[i];
        epoll_ctl(s->epoll, EPOLL_CTL_DEL, l->fd, NULL);
        if (l->unlink)
            unlink(l->unlink);
        if (!l->lent)
            shutdown(l->fd, SHUT_RDWR);
    }
}

void http_listeners_close(struct http_server *s)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        struct http_listener *l = &s->listeners[i];
        free(l->unlink);
        free(l->address);
        close(l->fd);
    }
    s->listener_count = 0;
}

const char *http_server_address(const struct http_server *s, size_t index)
{
    return index < s->listener_count ? s->listeners[index].address : NULL;
}

static char *bound_address(int fd, bool *local)
{
    struct sockaddr_storage name = {0};
    socklen_t size = sizeof name;
    char host[64] = "", text[sizeof(struct sockaddr_un) + 16];
    if (getsockname(fd, (struct sockaddr *)&name, &size) != 0)
        return NULL;
    *local = name.ss_family == AF_UNIX;
    if (name.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)&name;
        snprintf(text, sizeof text, "unix:%.*s", (int)sizeof un->sun_path, un->sun_path);
    } else if (name.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&name;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(text, sizeof text, "%s:%d", host, ntohs(in->sin_port));
    } else {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&name;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(text, sizeof text, "[%s]:%d", host, ntohs(in6->sin6_port));
    }
    return strdup(text);
}

int http_server_listen_fd(struct http_server *s, int fd, struct http_tls *tls, struct ms_error *err)
{
    MS_AUTO_CLOSE int owned = fd;
    if (s->listener_count == HTTP_LISTENERS_MAX)
        return ms_error_set(err, MS_ERR_INVALID, "more than %d addresses to listen to",
                            HTTP_LISTENERS_MAX);
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return ms_error_errno(err, errno, "cannot listen on descriptor %d", fd);
    int listening = 0;
    socklen_t size = sizeof listening;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || !listening)
        return ms_error_set(err, MS_ERR_INVALID, "descriptor %d is not a listening socket", fd);
    struct http_listener *l = &s->listeners[s->listener_count];
    l->address = bound_address(fd, &l->local);
    if (!l->address)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an address");
    l->secure = tls && !l->local;
    if (l->secure && !s->tls)
        s->tls = http_tls_ref(tls);
    l->fd = ms_take_fd(&owned);
    s->listener_count++;
    return 0;
}

/* ---- UNIX ---- */

/* A socket that nobody listens to any more is in the way of its successor. */
static void remove_dead_socket(const struct sockaddr_un *name)
{
    struct stat st;
    if (lstat(name->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return;
    MS_AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)name, sizeof *name) != 0 &&
        errno == ECONNREFUSED)
        unlink(name->sun_path);
}

static int listen_unix(struct http_server *s, const char *path, struct ms_error *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (!*path || strlen(path) >= sizeof name.sun_path)
        return ms_error_set(err, MS_ERR_INVALID,
                            "unix:%s: the path of a socket has 1 to %zu characters", path,
                            sizeof name.sun_path - 1);
    strcpy(name.sun_path, path);
    remove_dead_socket(&name);
    MS_AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&name, sizeof name) != 0 ||
        listen(fd, SOMAXCONN) != 0)
        return ms_error_errno(err, errno, "cannot listen on unix:%s", path);
    int code = http_server_listen_fd(s, ms_take_fd(&fd), NULL, err);
    if (!code)
        s->listeners[s->listener_count - 1].unlink = strdup(path);
    return code;
}

/* ---- TCP ---- */

static int bind_one(const struct addrinfo *a)
{
    MS_AUTO_CLOSE int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int));
    if (bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0)
        return -1;
    return ms_take_fd(&fd);
}

/* "[HOST]:PORT" or "HOST:PORT" (an IPv6 address only in brackets) into two texts. */
static int split(const char *address, char host[256], char port[8], struct ms_error *err)
{
    const char *colon = strrchr(address, ':');
    size_t size = colon ? (size_t)(colon - address) : 0;
    bool brackets = size > 2 && address[0] == '[' && address[size - 1] == ']';
    uint64_t number;
    if (!colon || (!brackets && (size == 0 || memchr(address, ':', size))) || size >= 256 ||
        ms_parse_u64(colon + 1, "port", 65535, &number, NULL))
        return ms_error_set(err, MS_ERR_INVALID,
                            "cannot listen on \"%s\": an address is HOST:PORT, [IPV6]:PORT or "
                            "unix:PATH",
                            address);
    snprintf(host, 256, "%.*s", (int)(size - 2 * brackets), address + brackets);
    snprintf(port, 8, "%u", (unsigned)number);
    return 0;
}

int http_server_listen(struct http_server *s, const char *address, struct http_tls *tls,
                       struct ms_error *err)
{
    char host[256], port[8];
    if (strncmp(address, "unix:", 5) == 0)
        return listen_unix(s, address + 5, err);
    int code = split(address, host, port, err);
    if (code)
        return code;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    int failed = getaddrinfo(host, port, &hints, &found);
    if (failed)
        return ms_error_set(err, MS_ERR_INVALID, "cannot listen on %s: %s", address,
                            gai_strerror(failed));
    int fd = -1, reason = 0;
    for (const struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
        fd = bind_one(a);
        reason = fd < 0 ? errno : 0;
    }
    freeaddrinfo(found);
    if (fd < 0)
        return ms_error_errno(err, reason, "cannot listen on %s", address);
    return http_server_listen_fd(s, fd, tls, err);
}

/* ---- handed over ---- */

static uint64_t number_in_environment(const char *name)
{
    const char *text = getenv(name);
    uint64_t value = 0;
    return text && ms_parse_u64(text, name, UINT32_MAX, &value, NULL) == 0 ? value : 0;
}

int http_server_listen_activated(struct http_server *s, struct http_tls *tls, struct ms_error *err)
{
    uint64_t count = number_in_environment("LISTEN_FDS");
    if (number_in_environment("LISTEN_PID") != (uint64_t)getpid() || count == 0)
        return ms_error_set(err, MS_ERR_INVALID,
                            "no socket was handed over (LISTEN_FDS and LISTEN_PID of systemd)");
    unsetenv("LISTEN_FDS"); /* not for our children */
    unsetenv("LISTEN_PID");
    int code = 0;
    for (uint64_t i = 0; !code && i < count; i++) {
        code = http_server_listen_fd(s, FIRST_ACTIVATED + (int)i, tls, err);
        if (!code)
            s->listeners[s->listener_count - 1].lent = true;
    }
    return code;
}
