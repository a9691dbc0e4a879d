/* rest_peer (--backend URL|FILE:PATH | --stores FOLDER) (--stdio | --port N) [--username U
 * --password P] [--quota BYTES]
 *           [--fault KIND[:COUNT][@PART]]… [--state FILE] [--log FILE] [--no-atime]
 *           [--body-max BYTES]                 of a request, 1 GiB unless told
 *
 * A server of BorgStore's REST protocol v1 for tests. On a port (0: any) it prints the port's
 * number and serves each connection in a thread; on standard input and output it serves one. */
#include "peers/rest_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX 65536u
#define BODY_MAX (1u << 30)
#define MAP_MIN  (16u << 20) /* a body from here on lies in a file */

struct settings settings = {.quota = -1, .port = -1, .body_max = BODY_MAX};

struct connection {
    int in, out;
    char bytes[HEAD_MAX];
    size_t size; /* read and not yet used */
};

/* ---- bytes ---- */

static bool write_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size) {
        ssize_t put = write(fd, at, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        at += put;
        size -= (size_t)put;
    }
    return true;
}

static bool more(struct connection *c)
{
    ssize_t got;
    do
        got = read(c->in, c->bytes + c->size, sizeof c->bytes - c->size);
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return false;
    c->size += (size_t)got;
    return true;
}

static void consume(struct connection *c, size_t size)
{
    memmove(c->bytes, c->bytes + size, c->size - size);
    c->size -= size;
}

/* ---- a request ---- */

char *request_header(const struct request *r, const char *name)
{
    size_t size = strlen(name);
    for (const char *line = r->head; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncasecmp(line, name, size) != 0 || line[size] != ':')
            continue;
        line += size + 1 + strspn(line + size + 1, " ");
        return strndup(line, strcspn(line, "\r\n"));
    }
    return NULL;
}

static void request_free(struct request *r)
{
    free(r->method);
    free(r->head);
    if (r->body_mapped)
        munmap(r->body, r->body_size);
    else
        free(r->body);
}

static bool make_body(struct request *r, size_t size)
{
    if (size < MAP_MIN) {
        r->body = malloc(size + 1);
        return r->body != NULL;
    }
    const char *folder = getenv("TMPDIR");
    int fd = open(folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    void *place = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
        place = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    r->body_mapped = place != MAP_FAILED;
    r->body = r->body_mapped ? place : NULL;
    r->body_size = size; /* for munmap, also when the body does not come whole */
    return r->body_mapped;
}

static bool take_body(struct connection *c, struct request *r)
{
    char *length = request_header(r, "content-length");
    unsigned long long size = length ? strtoull(length, NULL, 10) : 0;
    free(length);
    if (size > settings.body_max || !make_body(r, (size_t)size))
        return false;
    r->body_size = (size_t)size;
    for (size_t got = 0; got < size;) {
        if (c->size == 0 && !more(c))
            return false;
        size_t part = c->size < size - got ? c->size : (size_t)size - got;
        memcpy(r->body + got, c->bytes, part);
        consume(c, part);
        got += part;
    }
    return true;
}

/* METHOD SP target SP version CRLF headers CRLF; false: the end, or no request. */
static bool take_request(struct connection *c, struct request *r)
{
    const char *end;
    while (!(end = memmem(c->bytes, c->size, "\r\n\r\n", 4)))
        if (c->size == sizeof c->bytes || !more(c))
            return false;
    size_t size = (size_t)(end - c->bytes) + 4;
    char *line = strndup(c->bytes, size);
    consume(c, size);
    r->method = line;
    r->path = strchr(line, ' ');
    char *version = r->path ? strchr(r->path + 1, ' ') : NULL;
    char *rest = version ? strchr(version, '\n') : NULL;
    if (!rest || strncmp(version, " HTTP/1.1\r", 10) != 0)
        return false;
    *r->path++ = *version = 0;
    r->head = strdup(rest + 1);
    char *question = strchr(r->path, '?');
    r->query = question ? question + 1 : version;
    if (question)
        *question = 0;
    return take_body(c, r);
}

static bool authorized(const struct request *r)
{
    /* the tests' user and password: "user:pass" in base64, "us\xc3\xa9r:p:\xc3\xa4" too */
    if (!settings.user)
        return true;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char plain[256], wanted[400] = "Basic ", *to = wanted + 6;
    int size = snprintf(plain, sizeof plain, "%s:%s", settings.user, settings.password);
    for (int i = 0; i < size; i += 3) {
        unsigned left = (unsigned)(size - i), word = (unsigned)(unsigned char)plain[i] << 16;
        word |= left > 1 ? (unsigned)(unsigned char)plain[i + 1] << 8 : 0;
        word |= left > 2 ? (unsigned)(unsigned char)plain[i + 2] : 0;
        for (unsigned k = 0; k < 4; k++)
            *to++ = k > left ? '=' : digits[word >> (18 - 6 * k) & 63];
    }
    *to = 0;
    char *got = request_header(r, "authorization");
    bool good = got && strcmp(got, wanted) == 0;
    free(got);
    return good;
}

/* ---- an answer ---- */

static void plain_reply(struct reply *out, int status, const char *type, const char *text)
{
    out->status = status;
    out->type = type;
    snprintf(out->reason, sizeof out->reason, "%s", text);
    out->body = ms_buf_copy(ms_str(text));
}

static void answer(const struct request *r, struct reply *out)
{
    char *accept = request_header(r, "accept");
    if (!accept || strcmp(accept, "application/vnd.x.borgstore.rest.v1") != 0) {
        plain_reply(out, 406, "text/plain", "Not Acceptable: unsupported or missing Accept header");
    } else if (!authorized(r)) {
        plain_reply(out, 401, "text/plain", "Unauthorized");
        strcpy(out->headers, "WWW-Authenticate: Basic realm=\"BorgStore REST Server\"\r\n");
    } else {
        serve(r, out);
    }
    free(accept);
}

/* Sends the head and the body, or half of it all. */
static bool send_reply(struct connection *c, const struct request *r, const struct reply *reply,
                       enum fault_kind fault)
{
    char head[1024], length[64] = "";
    struct ms_view body = reply->body ? ms_buf_view(reply->body) : ms_view("", 0);
    unsigned long long announced = fault == FAULT_ENDLESS ? 1ULL << 60 : body.size;
    if (fault == FAULT_EXTRA && announced)
        announced--;
    if (!strstr(reply->headers, "Content-Length:"))
        snprintf(length, sizeof length, "Content-Length: %llu\r\n", announced);
    int size =
        snprintf(head, sizeof head,
                 "HTTP/1.1 %d %s\r\nServer: rest_peer\r\n%s%s%s"
                 "Cache-Control: no-store, no-cache, must-revalidate, max-age=0\r\n%s%s\r\n",
                 reply->status, reply->reason, reply->type ? "Content-Type: " : "",
                 reply->type ? reply->type : "", reply->type ? "\r\n" : "", reply->headers, length);
    if (strcmp(r->method, "HEAD") == 0)
        body.size = 0;
    if (fault == FAULT_CUT) {
        if (body.size)
            body.size /= 2;
        else
            size /= 2;
    }
    return write_all(c->out, head, (size_t)size) && write_all(c->out, body.data, body.size);
}

static void wait_for_the_end(struct connection *c)
{
    char byte;
    while (read(c->in, &byte, 1) > 0)
        ;
}

static void spoil(struct fault f, struct reply *out)
{
    if (f.kind == FAULT_HTML) {
        plain_reply(out, 200, "text/html; charset=utf-8", "<html>It works!</html>");
    } else if (f.kind == FAULT_PLAIN) {
        plain_reply(out, 200, "application/json", "{}");
    } else if (f.kind == FAULT_STATUS) {
        plain_reply(out, f.status, "text/plain", "as the test wants");
        if (f.status == 503)
            strcpy(out->headers, "Retry-After: 7\r\n");
    }
}

/* False: the connection is over. */
static bool answer_with(struct connection *c, const struct request *r, struct fault f)
{
    static const char garbage[] = "SSH-2.0-OpenSSH_9.2\r\n\x01\x02 no HTTP at all\r\n\r\n\r\n";
    struct reply reply = {0};
    bool alive = f.kind == FAULT_NONE;
    if (f.kind == FAULT_DROP)
        return false;
    if (f.kind == FAULT_STALL || f.kind == FAULT_GARBAGE) {
        if (f.kind == FAULT_GARBAGE)
            write_all(c->out, garbage, sizeof garbage - 1);
        wait_for_the_end(c);
        return false;
    }
    spoil(f, &reply);
    if (!reply.status)
        answer(r, &reply);
    else
        alive = true;
    if (f.kind != FAULT_LOST)
        alive = send_reply(c, r, &reply, f.kind) && alive;
    if (f.kind == FAULT_ENDLESS)
        wait_for_the_end(c);
    ms_buf_unref(reply.body);
    return alive;
}

static void write_log(const struct request *r)
{
    if (!settings.log)
        return;
    char line[HEAD_MAX], *range = request_header(r, "range");
    int size = snprintf(line, sizeof line, "%s %s%s%s%s%s\n", r->method, r->path,
                        *r->query ? "?" : "", r->query, range ? " " : "", range ? range : "");
    int fd = open(settings.log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
        write_all(fd, line, (size_t)size);
        close(fd);
    }
    free(range);
}

static void serve_connection(struct connection *c)
{
    for (bool alive = true; alive;) {
        struct request r = {0};
        alive = take_request(c, &r);
        if (alive) {
            write_log(&r);
            alive = answer_with(c, &r, fault_take(&r));
        }
        request_free(&r);
    }
}

/* ---- TCP ---- */

static void *serve_thread(void *arg)
{
    struct connection *c = arg;
    serve_connection(c);
    close(c->in);
    free(c);
    return NULL;
}

static int serve_port(void)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    own.sin_port = htons((uint16_t)settings.port);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, (struct sockaddr *)&own, size) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&own, &size) < 0) {
        perror("rest_peer");
        return 1;
    }
    printf("%d\n", ntohs(own.sin_port));
    fflush(stdout);
    for (;;) {
        pthread_t thread;
        int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        struct connection *c = got < 0 ? NULL : calloc(1, sizeof *c);
        if (!c)
            continue;
        setsockopt(got, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->in = c->out = got;
        if (pthread_create(&thread, NULL, serve_thread, c) == 0)
            pthread_detach(thread);
    }
}

/* ---- start ---- */

static void set_backend(const char *text)
{
    char folder[4096] = "";
    if (strncmp(text, "FILE:", 5) != 0) {
        snprintf(settings.backend, sizeof settings.backend, "%s", text);
        return;
    }
    text += 5;
    if (*text != '/' && !getcwd(folder, sizeof folder - 1))
        exit(1);
    char *to = settings.backend, *end = to + sizeof settings.backend - 32;
    to += sprintf(to, "file://");
    for (int part = 0; part < 2; part++) {
        for (const char *c = part ? text : folder; *c && to < end; c++)
            to += sprintf(to, strchr("%?#", *c) ? "%%%02x" : "%c", (unsigned char)*c);
        if (part == 0 && *folder)
            *to++ = '/';
    }
    strcpy(to, "?sync=none");
}

static bool take_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"backend", 1, NULL, 'b'},
        {"stdio", 0, NULL, 's'},
        {"port", 1, NULL, 'p'},
        {"username", 1, NULL, 'u'},
        {"password", 1, NULL, 'w'},
        {"quota", 1, NULL, 'q'},
        {"fault", 1, NULL, 'f'},
        {"state", 1, NULL, 't'},
        {"log", 1, NULL, 'l'},
        {"stores", 1, NULL, 'd'},
        {"no-atime", 0, NULL, 'a'},
        {"body-max", 1, NULL, 'm'},
        {0},
    };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'b')
            set_backend(optarg);
        else if (c == 's')
            settings.stdio = true;
        else if (c == 'p')
            settings.port = atoi(optarg);
        else if (c == 'u')
            settings.user = optarg;
        else if (c == 'w')
            settings.password = optarg;
        else if (c == 'q')
            settings.quota = atoll(optarg);
        else if (c == 't')
            settings.state = optarg;
        else if (c == 'm')
            settings.body_max = strtoull(optarg, NULL, 10);
        else if (c == 'a')
            settings.no_atime = true;
        else if (c == 'l')
            settings.log = optarg;
        else if (c == 'd')
            settings.stores = optarg;
        else if (c != 'f' || !fault_add(optarg))
            return false;
    }
    return (settings.backend[0] || settings.stores) && (settings.stdio || settings.port >= 0);
}

int main(int argc, char **argv)
{
    if (!take_options(argc, argv)) {
        fprintf(stderr, "rest_peer: bad arguments; see the head of rest_peer.c\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    struct ms_backend *kept = NULL; /* a store in memory lives while somebody has it */
    struct ms_error err = {0};
    if (!settings.stores && ms_backend_make(settings.backend, NULL, &kept, &err)) {
        fprintf(stderr, "rest_peer: %s\n", err.text);
        return 1;
    }
    if (!settings.stdio) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        return serve_port();
    }
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        return 1;
    c->in = 0;
    c->out = 1;
    serve_connection(c);
    free(c);
    ms_backend_free(kept);
    return 0;
}
