/* One child process: started without a shell, listened to on its standard error, ended and reaped.
 *
 *   we   in ──socket──▶ 0   child      A socket, not a pipe: writing to a child that has gone must
 *       out ◀──pipe──── 1              not raise SIGPIPE in the program that uses the library.
 *       log ◀──pipe──── 2
 *
 * Belongs to one thread at a time. */
#include "backends/rest/stdio.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* ---- start ---- */

/* 0, 1 and 2 are what the descriptors become in the child: none may be in another's way. */
static int above_standard(int *fd)
{
    if (*fd > 2)
        return 0;
    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
    if (moved < 0)
        return -1;
    close(*fd);
    *fd = moved;
    return 0;
}

struct ends {
    int own[3], theirs[3];
};

static void close_ends(struct ends *e)
{
    for (int i = 0; i < 3; i++) {
        ms_close_cleanup(&e->own[i]);
        ms_close_cleanup(&e->theirs[i]);
    }
}

static int open_ends(struct ends *e)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    e->own[0] = pair[0];
    e->theirs[0] = pair[1];
    for (int i = 1; i < 3; i++) {
        if (pipe2(pair, O_CLOEXEC) < 0)
            return -1;
        e->own[i] = pair[0];
        e->theirs[i] = pair[1];
    }
    for (int i = 0; i < 3; i++)
        if (above_standard(&e->own[i]) < 0 || above_standard(&e->theirs[i]) < 0 ||
            fcntl(e->own[i], F_SETFL, O_NONBLOCK) < 0)
            return -1;
    return 0;
}

/* Ctrl-C goes to all of the foreground: the child gets its end from us, after the work is done. */
static int set_signals(posix_spawnattr_t *attributes)
{
    sigset_t blocked, defaults;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGTERM);
    sigaddset(&defaults, SIGCHLD);
    sigaddset(&defaults, SIGHUP);
    int failed = posix_spawnattr_setsigmask(attributes, &blocked);
    if (!failed)
        failed = posix_spawnattr_setsigdefault(attributes, &defaults);
    if (!failed)
        failed =
            posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return failed;
}

static int spawn(char *const *command, const struct ends *e, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed)
        return failed;
    failed = posix_spawnattr_init(&attributes);
    if (failed) {
        posix_spawn_file_actions_destroy(&actions);
        return failed;
    }
    for (int i = 0; !failed && i < 3; i++)
        failed = posix_spawn_file_actions_adddup2(&actions, e->theirs[i], i);
    if (!failed)
        failed = set_signals(&attributes);
    if (!failed)
        failed = posix_spawnp(pid, command[0], &actions, &attributes, command, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

int ms_rest_child_start(char *const *command, const char *variable, const char *peer,
                        struct ms_rest_child *out, struct ms_error *err)
{
    struct ends e = {{-1, -1, -1}, {-1, -1, -1}};
    pid_t pid = -1;
    if (open_ends(&e) < 0) {
        int failed = errno;
        close_ends(&e);
        return ms_error_errno(err, failed, "%s: no pipes for a child process", peer);
    }
    int failed = spawn(command, &e, &pid);
    if (failed) {
        close_ends(&e);
        if (failed == ENOENT || failed == EACCES)
            return ms_error_set(err, MS_ERR_CONFIG,
                                "cannot start %s (%s): install it, or name another program in %s",
                                MS_SHOW(ms_str(command[0])), strerror(failed), variable);
        return ms_error_errno(err, failed, "cannot start %s", MS_SHOW(ms_str(command[0])));
    }
    *out = (struct ms_rest_child){.pid = pid,
                                  .in = ms_take_fd(&e.own[0]),
                                  .out = ms_take_fd(&e.own[1]),
                                  .log = ms_take_fd(&e.own[2])};
    close_ends(&e);
    return 0;
}

/* ---- what it says ---- */

/* Keeps the last of it. */
static void keep(struct ms_rest_child *c, const char *bytes, size_t size)
{
    size_t room = sizeof c->said;
    if (size > room) {
        bytes += size - room;
        size = room;
    }
    if (c->said_size + size > room) {
        size_t drop = c->said_size + size - room;
        memmove(c->said, c->said + drop, c->said_size - drop);
        c->said_size -= drop;
    }
    memcpy(c->said + c->said_size, bytes, size);
    c->said_size += size;
}

void ms_rest_child_listen(struct ms_rest_child *c)
{
    char bytes[4096];
    while (c->log >= 0) {
        ssize_t got = read(c->log, bytes, sizeof bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            close(ms_take_fd(&c->log));
            return;
        }
        keep(c, bytes, (size_t)got);
    }
}

/* The last line that is not empty. */
static struct ms_view last_line(const struct ms_rest_child *c)
{
    size_t end = c->said_size;
    while (end && strchr("\r\n \t", c->said[end - 1]))
        end--;
    size_t begin = end;
    while (begin && c->said[begin - 1] != '\n')
        begin--;
    return ms_view(c->said + begin, end - begin);
}

static bool says(const struct ms_rest_child *c, const char *what)
{
    return memmem(c->said, c->said_size, what, strlen(what)) != NULL;
}

/* ---- end ---- */

/* True: it has ended (or somebody else reaped it). */
static bool reap(struct ms_rest_child *c, int *status, bool wait)
{
    pid_t got;
    do
        got = waitpid(c->pid, status, wait ? 0 : WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        *status = 0;
    return got != 0;
}

/* Waits for its end while its output goes nowhere. */
static bool ends_within(struct ms_rest_child *c, int *status, unsigned patience_ms)
{
    static const int slice_ms = 10;
    for (unsigned waited = 0;; waited += (unsigned)slice_ms) {
        char bytes[4096];
        while (c->out >= 0 && read(c->out, bytes, sizeof bytes) > 0)
            ;
        ms_rest_child_listen(c);
        if (reap(c, status, false))
            return true;
        if (waited >= patience_ms)
            return false;
        (void)poll(NULL, 0, slice_ms);
    }
}

static int explain(const struct ms_rest_child *c, const char *peer, int status,
                   struct ms_error *err)
{
    struct ms_view line = last_line(c);
    const char *said = MS_SHOW(line), *mark = line.size ? ": " : "";
    int exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (says(c, "Host key verification failed") ||
        says(c, "REMOTE HOST IDENTIFICATION HAS CHANGED"))
        return ms_error_set(err, MS_ERR_UNTRUSTED,
                            "ssh does not trust the host key of %s%s%s; connect once with ssh to "
                            "see why",
                            peer, mark, said);
    if (exit_code == 255 && says(c, "Permission denied"))
        return ms_error_set(err, MS_ERR_AUTH, "ssh is not let in at %s%s%s", peer, mark, said);
    if (!c->answered && exit_code == 255 && says(c, "invalid format")) /* ssh, of a greeting */
        return ms_error_set(err, MS_ERR_PROTOCOL, "%s does not speak SSH%s%s", peer, mark, said);
    if (!c->answered && (exit_code == 127 || exit_code == 126))
        return ms_error_set(err, MS_ERR_PROTOCOL,
                            "there is no borgstore-server-rest to be started at %s%s%s", peer, mark,
                            said);
    if (exit_code == 255 && line.size) /* ssh's own end */
        return ms_error_set(err, MS_ERR_CONNECTION, "%s %s: %s",
                            c->answered ? "the connection broke to" : "no connection to", peer,
                            said);
    if (WIFSIGNALED(status))
        return ms_error_set(err, MS_ERR_CONNECTION, "the server %s was ended by signal %d%s%s",
                            peer, WTERMSIG(status), mark, said);
    return ms_error_set(err, MS_ERR_CONNECTION, "the server %s ended with exit code %d%s%s", peer,
                        exit_code, mark, said);
}

int ms_rest_child_end(struct ms_rest_child *c, const char *peer, unsigned patience_ms,
                      struct ms_error *err)
{
    int status = 0;
    if (c->in >= 0)
        close(ms_take_fd(&c->in));
    if (!ends_within(c, &status, patience_ms)) {
        kill(c->pid, SIGTERM);
        if (!ends_within(c, &status, 500)) {
            kill(c->pid, SIGKILL);
            reap(c, &status, true);
        }
    }
    ms_rest_child_listen(c);
    ms_close_cleanup(&c->out);
    ms_close_cleanup(&c->log);
    return explain(c, peer, status, err);
}
