/* backends/rest/stdio.h - HTTP/1.1 over the standard input and output of a child: ssh, or a server
 * started here.
 *
 * A pool of children, made on demand, each of which serves one request at a time. A child that
 * breaks off, stalls, or whose request is cancelled is ended and reaped; the next request gets a
 * new one. No repetition here. Any thread.
 */
#ifndef BACKENDS_REST_STDIO_H
#define BACKENDS_REST_STDIO_H

#include "backends/http/http.h"

struct ms_rest_pool;

struct ms_rest_pool_options {
    struct ms_backend *backend; /* whose wire bytes are counted */
    char **command;             /* NULL-terminated; the pool owns it, also on failure */
    const char *variable;       /* for messages: what could name another command; static */
    const char *peer;           /* for messages: "user@host", "borgstore-server-rest" */
    unsigned children;          /* at most */
    unsigned stall_timeout_s;   /* a request so long too slow (pace.h) is ended */
};

int ms_rest_pool_new(const struct ms_rest_pool_options *options, struct ms_rest_pool **out,
                     struct ms_error *err);
void ms_rest_pool_free(struct ms_rest_pool *pool);
/* Ends and reaps the children; nothing is in flight. */
void ms_rest_pool_close(struct ms_rest_pool *pool);
/* As ms_http_do; request->url is the target, "/name?query". patience: times the time-out. */
int ms_rest_pool_do(struct ms_rest_pool *pool, const struct ms_http_request *request,
                    unsigned patience, struct ms_http_answer *out, struct ms_error *err);

/* ---- command.c: what is started ---- */

/* The command of a "rest:" URL: a list of words ended by NULL. */
int ms_rest_command(const struct ms_url *url, char ***out, struct ms_error *err);
void ms_rest_command_free(char **command);

/* ---- child.c: one of them ---- */

struct ms_rest_child {
    int pid;
    int in, out, log; /* its standard input (a socket), output and error */
    char said[1024];  /* the last of what it said on its standard error */
    size_t said_size;
    bool answered; /* it has answered at least once */
};

/* variable: of the environment, which could name another program. */
int ms_rest_child_start(char *const *command, const char *variable, const char *peer,
                        struct ms_rest_child *out, struct ms_error *err);
/* What is there on its standard error. */
void ms_rest_child_listen(struct ms_rest_child *c);
/* Ends it: politely for up to patience_ms, then not. Sets *err to what its end means; returns the
 * code of that. */
int ms_rest_child_end(struct ms_rest_child *c, const char *peer, unsigned patience_ms,
                      struct ms_error *err);

#endif
