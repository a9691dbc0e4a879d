/* cutproxy - a TCP proxy on the loopback interface that delays, slows, cuts and stalls.
 *
 *   cutproxy LISTEN_PORT TARGET_HOST:PORT [OPTION...]      (port 0: a free one)
 *
 * It prints "listening PORT", and then forwards each connection until it is told to end (or, with
 * --control -, until standard input ends). One thread, one poll loop.
 *
 * A delay is that of each byte, one way; setting up a connection is not delayed. Behind a cut stand
 * exactly so many bytes at the other side's kernel, then both sides get a reset. A byte that goes
 * one way does not count the other way. The control channel takes the lines of rule.h and answers
 * each with one line on standard output. */
#include "proxy/flow.h"
#include "proxy/rule.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 512
#define LINE_MAX_BYTES  256
#define MS              UINT64_C(1000000)

struct connection {
    struct flow flows[2];
    bool dying;               /* a cut: resets as soon as the bytes before it have arrived … */
    enum direction dying_way; /* … that went this way */
    short got[2];             /* what poll said of the client and of the server */
};

struct proxy {
    int listener, control;
    struct sockaddr_storage target;
    socklen_t target_size;
    uint64_t delay_ns, rate;
    struct rule rule;
    bool refuse, over;
    struct connection *connections[CONNECTIONS_MAX];
    size_t count;
    char line[LINE_MAX_BYTES];
    size_t line_size;
    bool line_too_long;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

/* ---- connections ---- */

/* Closes with a reset instead of an end. */
static void reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static void forget(struct proxy *p, size_t i, bool with_reset)
{
    struct connection *c = p->connections[i];
    int client = c->flows[UP].from, server = c->flows[UP].to;
    flow_clear(&c->flows[UP]);
    flow_clear(&c->flows[DOWN]);
    (with_reset ? (void)reset(client) : (void)close(client));
    (with_reset ? (void)reset(server) : (void)close(server));
    free(c);
    p->connections[i] = p->connections[--p->count];
}

static void no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* A slow line has no room for much at its beginning, either. */
static void take_little(int fd)
{
    int bytes = 16384;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

static void accept_one(struct proxy *p)
{
    int client = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0)
        return;
    struct connection *c = NULL;
    int server = -1;
    if (!p->refuse && p->count < CONNECTIONS_MAX)
        server = socket(p->target.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (server >= 0 && p->rate)
        take_little(server);
    if (server >= 0 && (connect(server, (struct sockaddr *)&p->target, p->target_size) == 0 ||
                        errno == EINPROGRESS))
        c = calloc(1, sizeof *c);
    if (!c) {
        reset(client);
        if (server >= 0)
            close(server);
        return;
    }
    no_delay(client);
    no_delay(server);
    c->flows[UP].from = c->flows[DOWN].to = client;
    c->flows[UP].to = c->flows[DOWN].from = server;
    c->flows[UP].rate = c->flows[DOWN].rate = p->rate;
    p->connections[p->count++] = c;
}

/* A byte more than allowed has come. */
static void act(struct proxy *p, struct connection *c, enum direction d)
{
    p->rule.acted = p->rule.once;
    p->refuse = p->refuse || p->rule.then_refuse;
    if (p->rule.kind == RULE_CUT) {
        c->dying = true;
        c->dying_way = d;
    } else {
        c->flows[d].stalled = true;
    }
}

/* False: the connection is broken. */
static bool read_flow(struct proxy *p, struct connection *c, enum direction d, uint64_t now)
{
    struct flow *f = &c->flows[d];
    const uint64_t passed[2] = {c->flows[UP].forwarded, c->flows[DOWN].forwarded};
    uint64_t allowed = rule_allowance(&p->rule, d, passed);
    size_t got = 0;
    if (allowed == 0) {
        uint8_t byte;
        if (recv(f->from, &byte, 1, MSG_PEEK) > 0) {
            act(p, c, d);
            return true;
        }
        allowed = 1; /* the end of the stream, or an error: no byte */
    }
    enum flow_result result = flow_read(f, allowed, now, p->delay_ns, &got);
    if (result == FLOW_NO_MEMORY)
        fputs("cutproxy: out of memory\n", stderr);
    if (got && p->rule.pieces[d] < RULE_TRACE_MAX)
        p->rule.begins[d][p->rule.pieces[d]++] = p->rule.seen[d];
    p->rule.seen[d] += got;
    return result == FLOW_OK;
}

/* Moves what can be moved. False: the connection is over; *with_reset says how. */
static bool serve(struct proxy *p, struct connection *c, bool *with_reset)
{
    uint64_t now = now_ns();
    *with_reset = true;
    for (int d = UP; d <= DOWN; d++) {
        struct flow *f = &c->flows[d];
        short got = c->got[d];
        if (f->stalled && (got & (POLLRDHUP | POLLERR | POLLHUP)))
            return false;
        if (!c->dying && (got & (POLLIN | POLLERR | POLLHUP)) && flow_wants_input(f) &&
            !read_flow(p, c, (enum direction)d, now))
            return false;
        if ((!c->dying || c->dying_way == (enum direction)d) && flow_write(f, now) != FLOW_OK)
            return false;
    }
    if (c->dying)
        return !flow_delivered(&c->flows[c->dying_way]);
    *with_reset = false;
    return !c->flows[UP].shut || !c->flows[DOWN].shut;
}

/* ---- control ---- */

static void drop_all(struct proxy *p)
{
    while (p->count)
        forget(p, 0, true);
}

static void tell_trace(const struct rule *r, enum direction d)
{
    fputs("trace", stdout);
    for (unsigned i = 0; i < r->pieces[d]; i++)
        printf(" %llu", (unsigned long long)r->begins[d][i]);
    putchar('\n');
}

static void obey(struct proxy *p, struct command *c)
{
    switch (c->kind) {
    case COMMAND_RULE:
        p->rule = c->rule;
        break;
    case COMMAND_CLEAR:
        p->rule = (struct rule){.kind = RULE_NONE};
        for (size_t i = 0; i < p->count; i++)
            p->connections[i]->flows[UP].stalled = p->connections[i]->flows[DOWN].stalled = false;
        break;
    case COMMAND_DELAY:
        p->delay_ns = c->delay_ms * MS;
        break;
    case COMMAND_DROP:
        drop_all(p);
        break;
    case COMMAND_REFUSE:
    case COMMAND_ACCEPT:
        p->refuse = c->kind == COMMAND_REFUSE;
        break;
    case COMMAND_TRACE:
        tell_trace(&p->rule, c->way);
        return;
    case COMMAND_STATE:
        printf("acted=%d up=%llu down=%llu connections=%zu\n", p->rule.acted,
               (unsigned long long)p->rule.seen[UP], (unsigned long long)p->rule.seen[DOWN],
               p->count);
        return;
    case COMMAND_BAD:
        puts("error: no such command");
        return;
    }
    puts("ok");
}

static void control_line(struct proxy *p)
{
    p->line[p->line_size] = '\0';
    struct command c = {.kind = COMMAND_BAD};
    if (!p->line_too_long)
        c = command_parse(p->line);
    p->line_size = 0;
    p->line_too_long = false;
    obey(p, &c);
    fflush(stdout);
}

static void read_control(struct proxy *p)
{
    char bytes[LINE_MAX_BYTES];
    ssize_t n = read(p->control, bytes, sizeof bytes);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        p->over = true; /* whoever started it is gone */
    for (ssize_t i = 0; i < n; i++) {
        if (bytes[i] == '\n')
            control_line(p);
        else if (p->line_size + 1 < sizeof p->line)
            p->line[p->line_size++] = bytes[i];
        else
            p->line_too_long = true;
    }
}

/* ---- the loop ---- */

static short wanted_events(const struct connection *c, enum direction reading, uint64_t now)
{
    const struct flow *in = &c->flows[reading], *out = &c->flows[!reading];
    short events = 0;
    if (in->stalled)
        events |= POLLRDHUP;
    else if (!c->dying && flow_wants_input(in))
        events |= POLLIN;
    if ((!c->dying || c->dying_way != reading) && flow_next_due(out) <= now)
        events |= POLLOUT;
    return events;
}

/* Fills the descriptors; returns when the next piece is due. */
static uint64_t prepare(const struct proxy *p, struct pollfd *fds)
{
    uint64_t now = now_ns(), next = UINT64_MAX;
    fds[0] = (struct pollfd){.fd = p->listener, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = p->control, .events = POLLIN};
    for (size_t i = 0; i < p->count; i++) {
        const struct connection *c = p->connections[i];
        for (int d = UP; d <= DOWN; d++) {
            const struct flow *f = &c->flows[d];
            short events = wanted_events(c, (enum direction)d, now);
            uint64_t due = flow_next_due(f);
            fds[2 + 2 * i + (size_t)d] =
                (struct pollfd){.fd = events ? f->from : -1, .events = events};
            if (due > now && due < next) /* what is due already waits for its reader */
                next = due;
        }
        if (c->dying && now + MS < next)
            next = now + MS; /* nothing tells when the last byte has arrived */
    }
    return next;
}

static void run(struct proxy *p)
{
    static struct pollfd fds[2 + 2 * CONNECTIONS_MAX];
    while (!p->over) {
        uint64_t next = prepare(p, fds), now = now_ns();
        uint64_t wait = next > now ? next - now : 0;
        struct timespec until = {.tv_sec = (time_t)(wait / (1000 * MS)),
                                 .tv_nsec = (long)(wait % (1000 * MS))};
        if (ppoll(fds, 2 + 2 * p->count, next == UINT64_MAX ? NULL : &until, NULL) < 0)
            continue;
        for (size_t i = 0; i < p->count; i++)
            for (int d = UP; d <= DOWN; d++)
                p->connections[i]->got[d] = fds[2 + 2 * i + (size_t)d].revents;
        for (size_t i = p->count; i-- > 0;) {
            bool with_reset;
            if (!serve(p, p->connections[i], &with_reset))
                forget(p, i, with_reset);
        }
        if (fds[1].revents)
            read_control(p);
        if (fds[0].revents)
            accept_one(p);
    }
    drop_all(p);
}

/* ---- start ---- */

static int usage(const char *what)
{
    if (what)
        fprintf(stderr, "cutproxy: %s\n", what);
    fputs(
        "usage: cutproxy LISTEN_PORT TARGET_HOST:PORT [--delay-ms N] [--rate BYTES]\n"
        "           [--cut-after-bytes N | --stall-after-bytes N] [--direction up|down|both]\n"
        "           [--control FIFO|-]\n"
        "The delay is one way, the rate that of each way, in bytes a second. The count is that of\n"
        "each connection; --direction says whose bytes count (default: both together).\n",
        stderr);
    return 2;
}

static bool find_target(struct proxy *p, char *text)
{
    char *colon = strrchr(text, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (!colon || colon == text)
        return false;
    *colon = '\0';
    if (getaddrinfo(text, colon + 1, &hints, &found))
        return false;
    memcpy(&p->target, found->ai_addr, found->ai_addrlen);
    p->target_size = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static bool listen_on(struct proxy *p, uint16_t port)
{
    struct sockaddr_in own = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    int on = 1;
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (p->listener >= 0 && p->rate)
        take_little(p->listener);
    if (p->listener < 0 || bind(p->listener, (struct sockaddr *)&own, size) ||
        listen(p->listener, 128) || getsockname(p->listener, (struct sockaddr *)&own, &size)) {
        perror("cutproxy: cannot listen");
        return false;
    }
    printf("listening %d\n", ntohs(own.sin_port));
    fflush(stdout);
    return true;
}

static bool open_control(struct proxy *p, const char *path)
{
    /* for writing too, so that it does not end with each writer */
    p->control = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDWR | O_CLOEXEC);
    int flags = p->control < 0 ? -1 : fcntl(p->control, F_GETFL);
    if (flags >= 0 && fcntl(p->control, F_SETFL, flags | O_NONBLOCK) == 0)
        return true;
    perror("cutproxy: cannot open the control channel");
    return false;
}

/* One option with its value. */
static bool option(struct proxy *p, const char *name, const char *value)
{
    uint64_t number;
    struct rule *r = &p->rule;
    if (strcmp(name, "--control") == 0)
        return open_control(p, value);
    if (strcmp(name, "--direction") == 0)
        return direction_parse(value, r);
    if (!number_parse(value, UINT64_MAX / 4, &number))
        return false;
    if (strcmp(name, "--delay-ms") == 0 && number <= 60000) {
        p->delay_ns = number * MS;
        return true;
    }
    if (strcmp(name, "--rate") == 0 && number <= UINT32_MAX) {
        p->rate = number;
        return true;
    }
    bool cut = strcmp(name, "--cut-after-bytes") == 0;
    if ((!cut && strcmp(name, "--stall-after-bytes") != 0) || r->kind != RULE_NONE)
        return false;
    r->kind = cut ? RULE_CUT : RULE_STALL;
    r->bytes = number;
    return true;
}

int main(int argc, char **argv)
{
    static struct proxy p = {.listener = -1, .control = -1, .rule = {.up = true, .down = true}};
    uint64_t port;
    signal(SIGPIPE, SIG_IGN);
    if (argc < 3)
        return usage(NULL);
    if (!number_parse(argv[1], 65535, &port))
        return usage("the first argument is the port to listen on, 0 for a free one");
    if (!find_target(&p, argv[2]))
        return usage("the second argument is HOST:PORT of the server, and the host must resolve");
    for (int i = 3; i < argc; i += 2)
        if (i + 1 == argc || !option(&p, argv[i], argv[i + 1])) {
            fprintf(stderr, "cutproxy: cannot use %s\n", argv[i]);
            return usage(NULL);
        }
    if (!listen_on(&p, (uint16_t)port))
        return 1;
    run(&p);
    return 0;
}
