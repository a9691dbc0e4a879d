/* libssh: connecting, starting "sftp"; host.c verifies the host, login.c logs in. In the I/O thread
 * only.
 *
 * libssh is never let wait: it is called until it no longer says "again", and between the calls the
 * wait is ours, with a deadline and an eventfd that ends it. */
#include "backends/sftp/conn.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <libssh/libssh.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#define SECOND UINT64_C(1000000000)

int ms_sftp_wire_error(struct ms_sftp_wire *w, const char *what, struct ms_error *err)
{
    const char *why = w->session ? ssh_get_error(w->session) : "";
    return ms_error_set(err, MS_ERR_CONNECTION, "%s: %s%s%s", w->where, what, *why ? ": " : "",
                        MS_SHOW(ms_str(why)));
}

static int wait_for(struct ms_sftp_wire *w, int fd, short events, uint64_t deadline_ns,
                    struct ms_error *err)
{
    struct pollfd fds[] = {{w->wake, POLLIN, 0}, {fd, events, 0}};
    uint64_t now = ms_clock_now(ms_clock_real());
    uint64_t left_ms = deadline_ns > now ? (deadline_ns - now) / 1000000 + 1 : 0;
    int n = poll(fds, 2, left_ms > 3600000 ? 3600000 : (int)left_ms);
    if (n < 0 && errno != EINTR)
        return ms_error_errno(err, errno, "cannot wait for %s", w->where);
    if (n == 0)
        return ms_error_set(err, MS_ERR_TIMEOUT, "%s does not answer: nothing came for %u s",
                            w->where, w->options->timeout_s);
    if (n > 0 && fds[0].revents) {
        eventfd_t ignored;
        (void)eventfd_read(w->wake, &ignored);
        MS_HOLD(w->mutex);
        if (*w->stop)
            return ms_error_set(err, MS_ERR_CONNECTION, "the connection to %s was given up",
                                w->where);
    }
    return 0;
}

int ms_sftp_wire_wait(struct ms_sftp_wire *w, uint64_t deadline_ns, struct ms_error *err)
{
    int flags = ssh_get_poll_flags(w->session);
    return wait_for(w, ssh_get_fd(w->session),
                    (short)(POLLIN | (flags & SSH_WRITE_PENDING ? POLLOUT : 0)), deadline_ns, err);
}

uint64_t ms_sftp_wire_deadline(const struct ms_sftp_wire *w)
{
    return ms_clock_now(ms_clock_real()) + w->options->timeout_s * SECOND;
}

/* ---- settings ---- */

static bool cpu_has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_cpu_supports("aes");
#elif defined(__aarch64__)
    return getauxval(AT_HWCAP) & (1 << 3);
#else
    return false;
#endif
}

static int set(struct ms_sftp_wire *w, enum ssh_options_e option, const void *value,
               const char *what, struct ms_error *err)
{
    if (!value || ssh_options_set(w->session, option, value) == SSH_OK)
        return 0;
    return ms_error_set(err, MS_ERR_CONFIG, "libssh does not take the %s of %s: %s", what, w->where,
                        MS_SHOW(ms_str(ssh_get_error(w->session))));
}

/* What stands in the ssh configuration comes after the defaults and before the rest of the URL. */
static int read_config(struct ms_sftp_wire *w, struct ms_error *err)
{
    const char *file = w->options->ssh_config;
    if (file && strcmp(file, "none") == 0)
        return 0;
    if (file && access(file, R_OK) < 0)
        return ms_error_errno(err, errno, "cannot read the ssh configuration %s",
                              MS_SHOW(ms_str(file)));
    if (ssh_options_parse_config(w->session, file) < 0)
        return ms_error_set(err, MS_ERR_CONFIG, "the ssh configuration %s is not understood: %s",
                            file ? MS_SHOW(ms_str(file)) : "~/.ssh/config",
                            MS_SHOW(ms_str(ssh_get_error(w->session))));
    return 0;
}

static int configure(struct ms_sftp_wire *w, struct ms_error *err)
{
    static const char *const aes =
        "aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes256-ctr,"
        "chacha20-poly1305@openssh.com";
    const struct ms_sftp_options *o = w->options;
    const char *ciphers = cpu_has_aes() ? aes : NULL;
    bool no = false;
    int yes = 1, level = SSH_LOG_NOLOG;
    long timeout = (long)o->timeout_s;
    int code = set(w, SSH_OPTIONS_LOG_VERBOSITY, &level, "log level", err);
    if (!code)
        code = set(w, SSH_OPTIONS_PROCESS_CONFIG, &no, "configuration", err);
    if (!code)
        code = set(w, SSH_OPTIONS_HOST, o->host, "host", err);
    if (!code)
        code = set(w, SSH_OPTIONS_CIPHERS_C_S, ciphers, "ciphers", err);
    if (!code)
        code = set(w, SSH_OPTIONS_CIPHERS_S_C, ciphers, "ciphers", err);
    if (!code) /* libssh takes none from the configuration then, and knows it in "Match user" */
        code = set(w, SSH_OPTIONS_USER, o->user, "user", err);
    if (!code)
        code = read_config(w, err);
    if (!code && o->port > 0)
        code = set(w, SSH_OPTIONS_PORT, &o->port, "port", err);
    if (!code)
        code = set(w, SSH_OPTIONS_NODELAY, &yes, "TCP_NODELAY", err);
    if (!code)
        code = set(w, SSH_OPTIONS_TIMEOUT, &timeout, "time-out", err);
    if (!code && o->known_hosts) {
        code = set(w, SSH_OPTIONS_KNOWNHOSTS, o->known_hosts, "known_hosts", err);
        if (!code)
            code = set(w, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null", "known_hosts", err);
    }
    return code;
}

/* ---- the socket ---- */

static int connect_one(struct ms_sftp_wire *w, const struct addrinfo *a, int *out,
                       struct ms_error *err)
{
    MS_AUTO_CLOSE int fd =
        socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
    if (fd < 0)
        return ms_error_errno(err, errno, "cannot connect to %s", w->where);
    int failed = connect(fd, a->ai_addr, a->ai_addrlen) < 0 ? errno : 0;
    if (failed == EINPROGRESS) {
        uint64_t deadline = ms_sftp_wire_deadline(w);
        struct pollfd p = {fd, POLLOUT, 0};
        int code = 0;
        while (!code && poll(&p, 1, 0) <= 0)
            code = wait_for(w, fd, POLLOUT, deadline, err);
        if (code)
            return code;
        socklen_t size = sizeof failed;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) < 0)
            failed = errno;
    }
    if (failed) {
        char text[100];
        return ms_error_set(err, MS_ERR_CONNECTION, "cannot connect to %s: %s", w->where,
                            strerror_r(failed, text, sizeof text));
    }
    int yes = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* only speed */
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    *out = ms_take_fd(&fd);
    return 0;
}

static int connect_any(struct ms_sftp_wire *w, const char *host, unsigned port, int *fd,
                       struct ms_error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", port & 0xffff);
    int failed = getaddrinfo(host, service, &hints, &list);
    if (failed)
        return ms_error_set(err, MS_ERR_CONNECTION, "the host %s was not found: %s",
                            MS_SHOW(ms_str(host)), gai_strerror(failed));
    int code = 0;
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        code = connect_one(w, a, fd, err);
        if (code == 0)
            break;
    }
    freeaddrinfo(list);
    return code;
}

/* Through a proxy of the configuration libssh connects by itself. */
static bool proxied(ssh_session session)
{
    char *command = NULL;
    bool found = ssh_options_get(session, SSH_OPTIONS_PROXYCOMMAND, &command) == SSH_OK &&
                 command && *command;
    ssh_string_free_char(command);
    return found;
}

/* libssh puts the user's name into a shell command then. The host's letters were checked before. */
static int check_proxied(struct ms_sftp_wire *w, struct ms_error *err)
{
    for (const char *c = w->options->user ? w->options->user : ""; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@+", *c))
            return ms_error_set(err, MS_ERR_URL,
                                "the user name for %s holds letters that a ProxyCommand must not "
                                "get: A-Z a-z 0-9 . _ - @ + are allowed",
                                w->where);
    return 0;
}

static int connect_socket(struct ms_sftp_wire *w, struct ms_error *err)
{
    char *host = NULL;
    unsigned port = 22;
    if (ssh_options_get(w->session, SSH_OPTIONS_HOST, &host) != SSH_OK || !host)
        return ms_error_set(err, MS_ERR_CONFIG, "no host to connect to");
    (void)ssh_options_get_port(w->session, &port);
    snprintf(w->where, sizeof w->where, strchr(host, ':') ? "[%s]:%u" : "%s:%u",
             MS_SHOW(ms_str(host)), port);
    int code = 0, fd = -1;
    if (proxied(w->session)) {
        code = check_proxied(w, err);
    } else {
        code = connect_any(w, host, port, &fd, err);
        w->fd = fd;
        w->same = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
        if (!code && (w->same < 0 || ssh_options_set(w->session, SSH_OPTIONS_FD, &fd) != SSH_OK))
            code = ms_sftp_wire_error(w, "cannot take the socket", err);
    }
    ssh_string_free_char(host);
    return code;
}

/* Key exchange. A peer that sent something but no banner speaks something else. */
static int shake_hands(struct ms_sftp_wire *w, struct ms_error *err)
{
    uint64_t deadline = ms_sftp_wire_deadline(w);
    int rc;
    while ((rc = ssh_connect(w->session)) == SSH_AGAIN) {
        int code = ms_sftp_wire_wait(w, deadline, err);
        if (code)
            return code;
    }
    if (rc == SSH_OK)
        return 0;
    const char *banner = ssh_get_serverbanner(w->session), *why = ssh_get_error(w->session);
    bool ssh = banner && strncmp(banner, "SSH-", 4) == 0;
    bool broke = strstr(why, "reset by peer") != NULL; /* in the middle of the banner */
    if (!ssh && w->counter->in_bytes && !broke)
        return ms_error_set(err, MS_ERR_PROTOCOL, "%s does not speak SSH", w->where);
    if (ssh && strstr(why, "no match"))
        return ms_error_set(err, MS_ERR_PROTOCOL, "%s and we have no cipher or key in common: %s",
                            w->where, MS_SHOW(ms_str(why)));
    return ms_sftp_wire_error(w, "the connection failed", err);
}

/* ---- the channel ---- */

static int open_channel(struct ms_sftp_wire *w, struct ms_error *err)
{
    uint64_t deadline = ms_sftp_wire_deadline(w);
    int rc, code = 0;
    w->channel = ssh_channel_new(w->session);
    if (!w->channel)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a channel to %s", w->where);
    while (!code && (rc = ssh_channel_open_session(w->channel)) == SSH_AGAIN)
        code = ms_sftp_wire_wait(w, deadline, err);
    if (!code && rc != SSH_OK)
        return ms_sftp_wire_error(w, "no channel could be opened", err);
    while (!code && (rc = ssh_channel_request_sftp(w->channel)) == SSH_AGAIN)
        code = ms_sftp_wire_wait(w, deadline, err);
    if (!code && rc != SSH_OK)
        return ssh_is_connected(w->session)
                   ? ms_error_set(err, MS_ERR_PROTOCOL, "%s offers no SFTP to this login", w->where)
                   : ms_sftp_wire_error(w, "the connection broke", err);
    return code;
}

int ms_sftp_wire_open(struct ms_sftp_wire *w, struct ms_error *err)
{
    snprintf(w->where, sizeof w->where, "%s", MS_SHOW(ms_str(w->options->host)));
    w->fd = w->same = -1;
    w->session = ssh_new();
    if (!w->session)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a connection to %s", w->where);
    ssh_set_blocking(w->session, 0);
    ssh_set_counters(w->session, w->counter, NULL);
    int code = configure(w, err);
    if (!code)
        code = connect_socket(w, err);
    if (!code)
        code = shake_hands(w, err);
    if (!code)
        code = ms_sftp_wire_verify(w, err);
    if (!code)
        code = ms_sftp_wire_login(w, err);
    if (!code)
        code = open_channel(w, err);
    return code;
}

/* By statx, which thread sanitizers do not take for a use: the number may be somebody else's by
 * now, and looking at it is all that is done then. */
static bool same_socket(int a, int b)
{
    struct statx x, y;
    return statx(a, "", AT_EMPTY_PATH, STATX_INO, &x) == 0 &&
           statx(b, "", AT_EMPTY_PATH, STATX_INO, &y) == 0 && x.stx_ino == y.stx_ino &&
           x.stx_dev_major == y.stx_dev_major && x.stx_dev_minor == y.stx_dev_minor;
}

/* Whether libssh closes a socket that it was given depends on how far it came. The duplicate keeps
 * the socket alive, so that its number can be told from one that somebody else got meanwhile. */
static void close_socket(struct ms_sftp_wire *w)
{
    if (w->same >= 0) {
        (void)shutdown(w->same, SHUT_RDWR);
        if (same_socket(w->same, w->fd))
            close(w->fd);
        close(w->same);
    } else if (w->fd >= 0) {
        close(w->fd);
    }
    w->fd = w->same = -1;
}

void ms_sftp_wire_close(struct ms_sftp_wire *w)
{
    if (w->channel)
        ssh_channel_free(w->channel);
    w->channel = NULL;
    if (w->session) {
        ssh_disconnect(w->session);
        ssh_free(w->session);
    }
    w->session = NULL;
    close_socket(w);
}
