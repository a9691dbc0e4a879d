/* tests/peers/rest_rig.h - a REST server with faults and a backend that speaks to it, over TCP or
 * over the pipes of a child, on a clock on which waiting takes no time. */
#ifndef PEERS_REST_RIG_H
#define PEERS_REST_RIG_H

#include "support/check.h"
#include "support/scratch.h"

#include <mstore/mstore.h>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

struct rig {
    struct scratch folder;
    bool stdio;
    pid_t peer; /* of TCP */
    int port;
    unsigned descriptors; /* before */
    struct ms_clock *clock;
    struct ms_backend *b;
    struct ms_error err;
};

static inline const char *rig_path(const struct rig *rig, const char *name)
{
    static __thread char ring[4][256];
    static __thread unsigned at;
    char *text = ring[at++ % 4];
    snprintf(text, sizeof ring[0], "%s/%s", rig->folder.path, name);
    return text;
}

/* Starts the peer on a port and reads that from it. */
static inline void rig_start_peer(struct rig *rig, const char *arguments)
{
    extern char **environ;
    char command[2048], line[32] = "";
    int out[2];
    posix_spawn_file_actions_t actions;
    snprintf(command, sizeof command,
             "exec '%s' --port 0 --backend 'FILE:%s/store' --log '%s/log' %s", REST_PEER,
             rig->folder.path, rig->folder.path, arguments);
    char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, command, NULL};
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    assert_int_equal(posix_spawnp(&rig->peer, "sh", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    for (size_t at = 0; at < sizeof line - 1 && !strchr(line, '\n'); at++)
        assert_int_equal(read(out[0], line + at, 1), 1);
    close(out[0]);
    rig->port = atoi(line);
}

/* "" and options of the URL behind '?'; login: "user:pass@" or "". */
static inline int rig_make(struct rig *rig, const char *login, const char *options)
{
    char url[512];
    struct ms_backend_env env = {.clock = rig->clock, .seed = 1};
    if (rig->stdio)
        snprintf(url, sizeof url, "rest:///%s/store?%s", rig->folder.path, options);
    else
        snprintf(url, sizeof url, "http://%s127.0.0.1:%d/?%s", login, rig->port, options);
    ms_backend_free(rig->b);
    rig->b = NULL;
    return ms_backend_make(url, &env, &rig->b, &rig->err);
}

/* A peer with arguments ("--fault …"), and a closed backend. */
static inline void rig_start(struct rig *rig, bool stdio, const char *arguments,
                             const char *options)
{
    char server[2048];
    *rig = (struct rig){.stdio = stdio, .descriptors = scratch_descriptors()};
    assert_true(scratch_make(&rig->folder));
    rig->clock = ms_clock_virtual_new(0);
    unsetenv("BORGSTORE_RSH");
    if (stdio) {
        snprintf(server, sizeof server, "'%s' --state '%s/state' --log '%s/log' %s", REST_PEER,
                 rig->folder.path, rig->folder.path, arguments);
        setenv("MSTORE_REST_SERVER", server, 1);
    } else {
        rig_start_peer(rig, arguments);
    }
    check_ok(rig_make(rig, "", options), rig->err);
}

/* The same, created and open. The faults must spare that. */
static inline void rig_open(struct rig *rig, bool stdio, const char *arguments, const char *options)
{
    rig_start(rig, stdio, arguments, options);
    check_ok(ms_backend_create(rig->b, &rig->err), rig->err);
    check_ok(ms_backend_open(rig->b, &rig->err), rig->err);
}

static inline void rig_stop(struct rig *rig)
{
    ms_backend_free(rig->b);
    ms_clock_free(rig->clock);
    if (rig->peer > 0) {
        kill(rig->peer, SIGTERM);
        waitpid(rig->peer, NULL, 0);
    }
    scratch_remove(&rig->folder);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, not even a dead one */
    assert_int_equal(scratch_descriptors(), rig->descriptors);
}

/* All requests so far, a line each; free it. */
static inline char *rig_log(const struct rig *rig)
{
    FILE *file = fopen(rig_path(rig, "log"), "r");
    char *text = calloc(1, 65536);
    assert_non_null(text);
    if (file) {
        size_t got = fread(text, 1, 65535, file);
        text[got] = 0;
        fclose(file);
    }
    return text;
}

/* How many requests began so. */
static inline unsigned rig_count(const struct rig *rig, const char *begin)
{
    unsigned count = 0;
    char *log = rig_log(rig);
    for (const char *line = log; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        count += strncmp(line, begin, strlen(begin)) == 0 && *line;
    }
    free(log);
    return count;
}

static inline int rig_put(struct rig *rig, const char *name, const char *value)
{
    struct ms_buf_borrowed place;
    return ms_backend_store(rig->b, ms_str(name), ms_buf_borrow(&place, ms_str(value)), NULL, NULL,
                            &rig->err);
}

static inline void rig_holds(struct rig *rig, const char *name, const char *value)
{
    struct ms_buf *got = NULL;
    check_ok(ms_backend_load(rig->b, ms_str(name), 0, MS_SIZE_TO_END, &got, NULL, &rig->err),
             rig->err);
    assert_int_equal(ms_buf_size(got), strlen(value));
    assert_memory_equal(ms_buf_view(got).data, value, strlen(value));
    ms_buf_unref(got);
}

static inline bool rig_exists(struct rig *rig, const char *name)
{
    struct ms_info info = {0};
    check_ok(ms_backend_info(rig->b, ms_str(name), &info, &rig->err), rig->err);
    return info.exists;
}

#endif
