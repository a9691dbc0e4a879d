/* An SSH server that errs: the SSH side, logins and life; see sftp_peer.h. sftp_pump.c passes the
 * packets. */
#include "peers/sftp_peer.h"
#include "peers/sftp_pump.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* messages: less code than callbacks   \
                                                            */
#include <libssh/server.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINKS 64 /* connections in the life of one peer */

extern char **environ;

struct link { /* one connection */
    pthread_t thread;
    ssh_session session;
    int fd; /* a duplicate: libssh closes its own when it likes, and the number may return */
    bool over;
};

static struct {
    struct sftp_setup setup;
    char folder[256], host_key[512];
    ssh_bind bind;
    int listener, port;
    pthread_t acceptor;
    pthread_mutex_t mutex; /* guards: */
    struct link links[LINKS];
    unsigned count;
    bool stopping;
} peer = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "sftp_peer: cannot %s\n", what);
    abort();
}

const char *sftp_peer_program(void)
{
    static const char *const places[] = {"/usr/lib/openssh/sftp-server",
                                         "/usr/libexec/openssh/sftp-server",
                                         "/usr/lib/ssh/sftp-server"};
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

/* ---- logins ---- */

static bool key_matches(ssh_key key)
{
    ssh_key wanted = NULL;
    bool same = ssh_pki_import_pubkey_file(peer.setup.secret, &wanted) == SSH_OK &&
                ssh_key_cmp(key, wanted, SSH_KEY_CMP_PUBLIC) == 0;
    ssh_key_free(wanted);
    return same;
}

/* Answers one question of a login; true: let in. */
static bool judge(ssh_session session, ssh_message m)
{
    static const char *prompts[] = {"Who: ", "Password: "};
    static char echo[] = {1, 0};
    int method = ssh_message_subtype(m);
    const struct sftp_setup *s = &peer.setup;
    bool in = s->login == SFTP_ANYBODY;
    if (method == SSH_AUTH_METHOD_PASSWORD && s->login == SFTP_PASSWORD)
        in = strcmp(ssh_message_auth_password(m), s->secret) == 0;
    if (method == SSH_AUTH_METHOD_INTERACTIVE && s->login == SFTP_KEYBOARD) {
        if (!ssh_message_auth_kbdint_is_response(m)) {
            ssh_message_auth_interactive_request(m, "peer", "", 2, prompts, echo);
            return false;
        }
        const char *first = ssh_userauth_kbdint_getanswer(session, 0);
        const char *second = ssh_userauth_kbdint_getanswer(session, 1);
        in = first && !*first && second && strcmp(second, s->secret) == 0;
    }
    if (method == SSH_AUTH_METHOD_PUBLICKEY && s->login == SFTP_KEY &&
        key_matches(ssh_message_auth_pubkey(m))) {
        if (ssh_message_auth_publickey_state(m) == SSH_PUBLICKEY_STATE_NONE) {
            ssh_message_auth_reply_pk_ok_simple(m);
            return false;
        }
        in = ssh_message_auth_publickey_state(m) == SSH_PUBLICKEY_STATE_VALID;
    }
    if (in) {
        ssh_message_auth_reply_success(m, 0);
        return true;
    }
    ssh_message_auth_set_methods(m, s->login == SFTP_PASSWORD   ? SSH_AUTH_METHOD_PASSWORD
                                    : s->login == SFTP_KEYBOARD ? SSH_AUTH_METHOD_INTERACTIVE
                                                                : SSH_AUTH_METHOD_PUBLICKEY);
    ssh_message_reply_default(m);
    return false;
}

/* libssh is not let wait: once its socket is shut down it may do so for ever. False: the end. */
static bool wait_for_more(ssh_session session)
{
    struct pollfd p = {ssh_get_fd(session), POLLIN, 0};
    (void)poll(&p, 1, 50);
    pthread_mutex_lock(&peer.mutex);
    bool stopping = peer.stopping;
    pthread_mutex_unlock(&peer.mutex);
    return !stopping && ssh_is_connected(session);
}

static bool exchange_keys(ssh_session session)
{
    int rc;
    ssh_set_blocking(session, 0);
    while ((rc = ssh_handle_key_exchange(session)) == SSH_AGAIN)
        if (!wait_for_more(session))
            return false;
    return rc == SSH_OK;
}

/* Until the channel's subsystem is asked for; NULL: it came otherwise. */
static ssh_channel admit(ssh_session session)
{
    ssh_channel channel = NULL;
    bool in = false, done = false;
    while (!done) {
        ssh_message m = ssh_message_get(session);
        if (!m && !wait_for_more(session))
            return NULL;
        if (!m)
            continue;
        int type = ssh_message_type(m), sub = ssh_message_subtype(m);
        if (type == SSH_REQUEST_AUTH) {
            in |= judge(session, m);
        } else if (in && type == SSH_REQUEST_CHANNEL_OPEN) {
            channel = ssh_message_channel_request_open_reply_accept(m);
        } else if (in && type == SSH_REQUEST_CHANNEL && sub == SSH_CHANNEL_REQUEST_SUBSYSTEM &&
                   !peer.setup.no_subsystem) {
            ssh_message_channel_request_reply_success(m);
            done = true;
        } else {
            ssh_message_reply_default(m);
        }
        ssh_message_free(m);
    }
    return done ? channel : NULL;
}

/* ---- sftp-server ---- */

static pid_t start_server(int *to, int *from)
{
    int in[2], out[2];
    pid_t pid = -1;
    posix_spawn_file_actions_t actions;
    char *argv[] = {(char[]){"sftp-server"}, (char[]){"-d"}, peer.folder, NULL};
    must(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0, "make a pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    must(posix_spawn(&pid, sftp_peer_program(), &actions, NULL, argv, environ) == 0,
         "start sftp-server");
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    *to = in[1];
    *from = out[0];
    return pid;
}

static void *serve(void *arg)
{
    struct link *l = arg;
    ssh_channel channel = NULL;
    if (exchange_keys(l->session))
        channel = admit(l->session);
    if (channel) {
        ssh_set_blocking(l->session, 1);
        int to, from;
        pid_t pid = start_server(&to, &from);
        sftp_pump(channel, to, from, peer.setup.extensions);
        close(to);
        close(from);
        waitpid(pid, NULL, 0);
    }
    pthread_mutex_lock(&peer.mutex);
    shutdown(l->fd, SHUT_RDWR);
    close(l->fd);
    l->over = true;
    pthread_mutex_unlock(&peer.mutex);
    ssh_disconnect(l->session);
    ssh_free(l->session); /* closes the socket */
    return NULL;
}

static void *accept_all(void *arg)
{
    (void)arg;
    int fd;
    while ((fd = accept4(peer.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        ssh_session session = ssh_new();
        int yes = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        pthread_mutex_lock(&peer.mutex);
        must(peer.count < LINKS, "take so many connections");
        struct link *l = &peer.links[peer.count];
        if (peer.stopping || ssh_bind_accept_fd(peer.bind, session, fd) != SSH_OK) {
            ssh_free(session);
            close(fd);
        } else {
            *l = (struct link){.session = session, .fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)};
            must(pthread_create(&l->thread, NULL, serve, l) == 0, "start a thread");
            peer.count++;
        }
        pthread_mutex_unlock(&peer.mutex);
    }
    return NULL;
}

/* ---- life ---- */

static void make_bind(void)
{
    bool no = false;
    ssh_key key = NULL;
    char *text = NULL;
    peer.bind = ssh_bind_new();
    must(peer.bind && ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) == SSH_OK, "make a key");
    must(ssh_pki_export_pubkey_base64(key, &text) == SSH_OK, "write a key");
    snprintf(peer.host_key, sizeof peer.host_key, "[127.0.0.1]:%d ssh-ed25519 %s\n", peer.port,
             text);
    ssh_string_free_char(text);
    ssh_bind_options_set(peer.bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &no);
    if (peer.setup.banner)
        ssh_bind_options_set(peer.bind, SSH_BIND_OPTIONS_BANNER, peer.setup.banner);
    must(ssh_bind_options_set(peer.bind, SSH_BIND_OPTIONS_IMPORT_KEY, key) == SSH_OK, "use a key");
}

void sftp_peer_start(const struct sftp_setup *setup, const char *folder)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    peer.setup = *setup;
    peer.count = 0;
    peer.stopping = false;
    snprintf(peer.folder, sizeof peer.folder, "%s", folder);
    sftp_peer_rules(NULL, 0);
    peer.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(peer.listener >= 0 && bind(peer.listener, (struct sockaddr *)&a, size) == 0 &&
             listen(peer.listener, 16) == 0 &&
             getsockname(peer.listener, (struct sockaddr *)&a, &size) == 0,
         "listen");
    peer.port = ntohs(a.sin_port);
    make_bind();
    must(pthread_create(&peer.acceptor, NULL, accept_all, NULL) == 0, "start a thread");
}

void sftp_peer_stop(void)
{
    pthread_mutex_lock(&peer.mutex);
    peer.stopping = true;
    for (unsigned i = 0; i < peer.count; i++)
        if (!peer.links[i].over)
            shutdown(peer.links[i].fd, SHUT_RDWR);
    pthread_mutex_unlock(&peer.mutex);
    shutdown(peer.listener, SHUT_RDWR);
    pthread_join(peer.acceptor, NULL);
    for (unsigned i = 0; i < peer.count; i++)
        pthread_join(peer.links[i].thread, NULL);
    close(peer.listener);
    ssh_bind_free(peer.bind);
}

int sftp_peer_port(void)
{
    return peer.port;
}

const char *sftp_peer_host_key(void)
{
    return peer.host_key;
}

unsigned sftp_peer_connections(void)
{
    pthread_mutex_lock(&peer.mutex);
    unsigned count = peer.count;
    pthread_mutex_unlock(&peer.mutex);
    return count;
}
