/* tests/support/s3_script.h - an S3 server that answers from a script, one answer to each request,
 * and a backend before it, on a clock on which waiting takes no time. For what a real server cannot
 * be made to do when wanted. */
#ifndef SUPPORT_S3_SCRIPT_H
#define SUPPORT_S3_SCRIPT_H

#include "support/check.h"

#include "backends/s3/s3.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CUT     NULL /* closes the connection instead of answering */
#define ANSWERS 16

struct server {
    int listener, port;
    pthread_t thread;
    const char *answers[ANSWERS]; /* of one request each, on a connection of its own */
    size_t count;
    char seen[ANSWERS][2048]; /* head of each request */
};

static inline void read_request(int fd, char *head, size_t size)
{
    size_t at = 0, length = 0;
    char *end = NULL;
    while (at + 1 < size && !end) {
        ssize_t n = read(fd, head + at, size - 1 - at);
        if (n <= 0)
            break;
        at += (size_t)n;
        head[at] = 0;
        end = strstr(head, "\r\n\r\n");
    }
    const char *said = strcasestr(head, "content-length:");
    length = said ? strtoul(said + 15, NULL, 10) : 0;
    size_t got = end ? at - (size_t)(end + 4 - head) : 0;
    char sink[4096];
    while (got < length) {
        ssize_t n = read(fd, sink, sizeof sink);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
}

static inline void *serve(void *arg)
{
    struct server *s = arg;
    for (size_t i = 0; i < s->count; i++) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            break;
        read_request(fd, s->seen[i], sizeof s->seen[i]);
        if (s->answers[i]) {
            size_t size = strlen(s->answers[i]), at = 0;
            while (at < size) {
                ssize_t n = send(fd, s->answers[i] + at, size - at, MSG_NOSIGNAL);
                if (n <= 0)
                    break;
                at += (size_t)n;
            }
        }
        shutdown(fd, SHUT_WR);
        char sink[256];
        while (read(fd, sink, sizeof sink) > 0) {
        }
        close(fd);
    }
    return NULL;
}

static inline void start(struct server *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(s->listener, 16), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&address, &size), 0);
    s->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

/* Every answer was asked for, none was missing. */
static inline void stop(struct server *s)
{
    pthread_join(s->thread, NULL);
    close(s->listener);
}

#define CLOSE "Connection: close\r\n"
#define XML(status, text)                                                                          \
    "HTTP/1.1 " status "\r\n" CLOSE "Content-Type: application/xml\r\n\r\n" text
#define FAULT(status, code) XML(status, "<Error><Code>" code "</Code></Error>")
#define EMPTY(status)       "HTTP/1.1 " status "\r\n" CLOSE "Content-Length: 0\r\n\r\n"
#define LISTED                                                                                     \
    XML("200 OK",                                                                                  \
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>p/</Key><Size>0</Size>"  \
        "</Contents></ListBucketResult>")

struct bed {
    struct server server;
    struct ms_clock *clock;
    struct ms_backend *b;
    struct ms_error err;
};

/* A backend, open, before a server that gives these answers then. */
static inline void begin(struct bed *t, size_t count, const char *const *answers)
{
    *t = (struct bed){.server = {.count = count + 1}};
    t->server.answers[0] = LISTED;
    for (size_t i = 0; i < count; i++)
        t->server.answers[i + 1] = answers[i];
    start(&t->server);
    char url[200];
    snprintf(url, sizeof url,
             "s3:ID:topsecret@http://127.0.0.1:%d/bucket/p?if_absent=yes&provider=aws&style=path",
             t->server.port);
    t->clock = ms_clock_virtual_new(0);
    struct ms_backend_env env = {.clock = t->clock, .seed = 1};
    assert_int_equal(ms_backend_make(url, &env, &t->b, &t->err), 0);
    assert_int_equal(ms_backend_open(t->b, &t->err), 0);
}
#define BEGIN(t, ...)                                                                              \
    begin(t, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *),                          \
          (const char *const[]){__VA_ARGS__})

static inline void end(struct bed *t)
{
    stop(&t->server);
    assert_null(strstr(t->err.text, "topsecret"));
    for (size_t i = 0; i < t->server.count; i++)
        assert_null(strstr(t->server.seen[i], "topsecret"));
    ms_backend_free(t->b);
    ms_clock_free(t->clock);
}

#define PAGE(more, text)                                                                           \
    XML("200 OK",                                                                                  \
        "<ListBucketResult><IsTruncated>" more "</IsTruncated>" text "</ListBucketResult>")
#define TOKEN "<NextContinuationToken>T</NextContinuationToken>"

static inline int list_all(struct bed *t, char *got, size_t size)
{
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    got[0] = 0;
    int code = ms_backend_list(t->b, ms_str(""), NULL, &l, &t->err);
    while (!code && (code = ms_lister_next(l, &e, &t->err)) == 0 && e) {
        size_t at = strlen(got);
        snprintf(got + at, size - at, "%.*s%s ", (int)e->name.size, (const char *)e->name.data,
                 e->info.directory ? "/" : "");
    }
    ms_lister_close(l);
    return code;
}

#endif
