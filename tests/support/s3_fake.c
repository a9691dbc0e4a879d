/* An S3 server for tests: see s3_fake.h. HTTP, the way to each request's answer (s3_fake_objects.c
 * makes most of them), and the process. A thread for each connection, one mutex around all answers.
 */
#include "support/s3_fake_parts.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct s3_fake_state *s3_fake_shared;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned emptied; /* under mutex */

/* ---- what a request says ---- */

void s3_fake_decode(char *text)
{
    char *to = text;
    for (; *text; text++) {
        unsigned byte;
        if (*text == '%' && sscanf(text + 1, "%2x", &byte) == 1) {
            *to++ = (char)byte;
            text += 2;
        } else {
            *to++ = *text;
        }
    }
    *to = 0;
}

void s3_fake_encode(FILE *f, const char *text)
{
    for (; *text; text++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/", *text))
            fputc(*text, f);
        else
            fprintf(f, "%%%02X", (uint8_t)*text);
}

bool s3_fake_header(const struct s3_fake_request *r, const char *name, char *out, size_t size)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\r\n%s:", name);
    const char *at = strcasestr(r->head + strlen(r->head) + 1, wanted);
    out[0] = 0;
    if (!at)
        return false;
    at += strlen(wanted);
    at += strspn(at, " ");
    snprintf(out, size, "%.*s", (int)strcspn(at, "\r"), at);
    return true;
}

bool s3_fake_query(const struct s3_fake_request *r, const char *name, char *out, size_t size)
{
    size_t length = strlen(name);
    out[0] = 0;
    for (const char *at = r->query; at && *at; at = strchr(at, '&'), at = at ? at + 1 : NULL)
        if (strncmp(at, name, length) == 0 && strchr("=&", at[length])) {
            const char *value = at[length] == '=' ? at + length + 1 : "";
            snprintf(out, size, "%.*s", (int)strcspn(value, "&"), value);
            s3_fake_decode(out);
            return true;
        }
    return false;
}

/* ---- answers ---- */

static bool send_all(int fd, const char *bytes, size_t size)
{
    while (size) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

bool s3_fake_reply(struct s3_fake_request *r, int status, const char *body, size_t size)
{
    char head[1024];
    bool head_only = strcmp(r->method, "HEAD") == 0;
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nLast-Modified: Sun, 30 Aug 2015 "
                          "12:36:00 GMT\r\n%s\r\n",
                          status, size, r->extra);
    return send_all(r->fd, head, (size_t)length) && (head_only || send_all(r->fd, body, size));
}

bool s3_fake_loses_answer(void)
{
    bool lost = atomic_load(&s3_fake_shared->lose_answers) > 0;
    if (lost)
        atomic_fetch_sub(&s3_fake_shared->lose_answers, 1);
    return lost;
}

bool s3_fake_fault(struct s3_fake_request *r, int status, const char *code)
{
    char body[200];
    int size = snprintf(body, sizeof body, "<Error><Code>%s</Code></Error>", code);
    return s3_fake_reply(r, status, body, (size_t)size);
}

void s3_fake_add_header(struct s3_fake_request *r, const char *fmt, ...)
{
    size_t at = strlen(r->extra);
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->extra + at, sizeof r->extra - at, fmt, args);
    va_end(args);
}

bool s3_fake_reply_made(struct s3_fake_request *r)
{
    fclose(r->out);
    r->out = NULL;
    return s3_fake_reply(r, 200, r->text, r->text_size);
}

/* ---- requests ---- */

static bool answer_bucket(struct s3_fake_request *r)
{
    char none[8];
    if (s3_fake_query(r, "delete", none, sizeof none))
        return s3_fake_delete_many(r);
    return s3_fake_query(r, "uploads", none, sizeof none) ? s3_fake_list_uploads(r)
                                                          : s3_fake_list_objects(r);
}

static bool answer(struct s3_fake_request *r)
{
    char none[8];
    atomic_fetch_add(&s3_fake_shared->requests, 1);
    if (emptied != atomic_load(&s3_fake_shared->emptied)) {
        emptied = atomic_load(&s3_fake_shared->emptied);
        s3_fake_forget();
    }
    s3_fake_header(r, "host", s3_fake_shared->host, sizeof s3_fake_shared->host);
    s3_fake_header(r, "authorization", s3_fake_shared->authorization,
                   sizeof s3_fake_shared->authorization);
    if (!r->key[0])
        return answer_bucket(r);
    if (strcmp(r->method, "PUT") == 0)
        return s3_fake_query(r, "partNumber", none, sizeof none) ? s3_fake_put_part(r)
                                                                 : s3_fake_put_object(r);
    if (strcmp(r->method, "POST") == 0)
        return s3_fake_query(r, "uploads", none, sizeof none) ? s3_fake_begin_upload(r)
                                                              : s3_fake_complete_upload(r);
    if (strcmp(r->method, "DELETE") == 0)
        return s3_fake_delete_object(r);
    if (strcmp(r->method, "HEAD") == 0)
        atomic_fetch_add(&s3_fake_shared->heads, 1);
    return s3_fake_get_object(r);
}

/* The head is cut into its first line and, behind the NUL, the rest. */
static bool read_request(struct s3_fake_request *r)
{
    size_t at = 0;
    char *end = NULL, length[24];
    while (!end && at < sizeof r->head - 2) {
        ssize_t n = recv(r->fd, r->head + at, sizeof r->head - 2 - at, 0);
        if (n <= 0)
            return false;
        at += (size_t)n;
        r->head[at] = 0;
        end = strstr(r->head, "\r\n\r\n");
    }
    if (!end || sscanf(r->head, "%15s %2047s", r->method, r->path) != 2)
        return false;
    char *line = strstr(r->head, "\r\n");
    memmove(line + 1, line, at - (size_t)(line - r->head) + 1); /* the lines begin with CR LF */
    *line = 0;
    end += 5;
    at++;
    r->query = strchr(r->path, '?');
    if (r->query)
        *r->query++ = 0;
    s3_fake_decode(r->path);
    const char *slash = strchr(r->path + 1, '/');
    snprintf(r->key, sizeof r->key, "%s", slash ? slash + 1 : "");
    r->body_size =
        s3_fake_header(r, "content-length", length, sizeof length) ? strtoul(length, NULL, 10) : 0;
    r->body = calloc(1, r->body_size + 1);
    size_t got = at - (size_t)(end - r->head);
    memcpy(r->body, end, got < r->body_size ? got : r->body_size);
    while (got < r->body_size) {
        ssize_t n = recv(r->fd, r->body + got, r->body_size - got, 0);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg, yes = 1;
    bool good = true;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    while (good) {
        struct s3_fake_request *r = calloc(1, sizeof *r);
        r->fd = fd;
        good = read_request(r);
        if (good) {
            r->out = open_memstream(&r->text, &r->text_size);
            pthread_mutex_lock(&mutex);
            good = answer(r);
            pthread_mutex_unlock(&mutex);
            if (r->out)
                fclose(r->out);
            free(r->text);
        }
        free(r->body);
        free(r);
    }
    close(fd);
    return NULL;
}

/* ---- the process ---- */

static int listen_on(bool ipv6, int *port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *address = ipv6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
    socklen_t size = ipv6 ? sizeof v6 : sizeof v4;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, address, size) == 0 && listen(fd, 64) == 0 &&
        getsockname(fd, address, &size) == 0) {
        *port = ntohs(ipv6 ? v6.sin6_port : v4.sin_port);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static void run(int listener)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        pthread_t thread;
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0 && pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
    }
}

bool s3_fake_start(struct s3_fake *f, bool ipv6)
{
    int listener = listen_on(ipv6, &f->port);
    void *shared = mmap(NULL, sizeof *s3_fake_shared, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (listener < 0 || shared == MAP_FAILED)
        return false;
    f->state = s3_fake_shared = shared;
    f->pid = fork();
    if (f->pid == 0)
        run(listener);
    close(listener);
    return f->pid > 0;
}

void s3_fake_stop(struct s3_fake *f)
{
    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
    munmap(f->state, sizeof *f->state);
}

void s3_fake_reset(struct s3_fake *f)
{
    unsigned next = atomic_load(&f->state->emptied) + 1;
    memset(f->state, 0, sizeof *f->state);
    atomic_store(&f->state->emptied, next);
}
