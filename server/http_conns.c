/* The connections there are: how many in all and from one address, and who is too slow. */
#include "server/http_server.h"

#include "server/counts.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* The address a connection counts by: IPv4 as mapped, IPv6 without its lower half, which one client
 * has all of. */
static void set_peer(struct http_conn *c, const struct sockaddr_storage *from)
{
    struct exchange_peer *p = &c->peer;
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        inet_ntop(AF_INET, &in->sin_addr, p->text, sizeof p->text);
        p->loopback = ntohl(in->sin_addr.s_addr) >> 24 == 127;
        c->address.s6_addr[10] = c->address.s6_addr[11] = 0xff;
        memcpy(&c->address.s6_addr[12], &in->sin_addr, 4);
        return;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
    c->address = in6->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], p->text, sizeof p->text);
        p->loopback = in6->sin6_addr.s6_addr[12] == 127;
        return;
    }
    inet_ntop(AF_INET6, &in6->sin6_addr, p->text, sizeof p->text);
    p->loopback = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    if (!p->loopback)
        memset(&c->address.s6_addr[8], 0, 8);
}

static struct http_conn **bucket_of(struct http_server *s, const struct http_conn *c)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < sizeof c->address; i++)
        hash = (hash ^ c->address.s6_addr[i]) * 1099511628211u;
    return &s->by_peer[(hash >> 32) % HTTP_PEER_BUCKETS];
}

static unsigned from_same_address(struct http_server *s, const struct http_conn *c)
{
    unsigned count = 0;
    for (const struct http_conn *o = *bucket_of(s, c); o; o = o->next_same)
        count += memcmp(&o->address, &c->address, sizeof c->address) == 0;
    return count;
}

static bool add(struct http_server *s, struct http_conn *c)
{
    const struct http_limits *l = http_server_limits(s);
    MS_HOLD(&s->mutex);
    if (s->connections >= l->connections) {
        server_count_refused(SERVER_REFUSED_CONNECTIONS);
        return false;
    }
    if (!c->peer.local && from_same_address(s, c) >= l->connections_per_address) {
        server_count_refused(SERVER_REFUSED_ADDRESS);
        return false;
    }
    struct http_conn **bucket = bucket_of(s, c);
    c->next_same = *bucket;
    *bucket = c;
    c->next = s->first;
    if (c->next)
        c->next->previous = c;
    s->first = c;
    s->connections++;
    c->registered = true;
    return true;
}

static void forget(struct http_server *s, struct http_conn *c)
{
    MS_HOLD(&s->mutex);
    struct http_conn **at = bucket_of(s, c);
    while (*at != c)
        at = &(*at)->next_same;
    *at = c->next_same;
    if (c->next)
        c->next->previous = c->previous;
    if (c->previous)
        c->previous->next = c->next;
    else
        s->first = c->next;
    s->connections--;
    c->registered = false;
}

/* The fd stays open until it is in no list any more: nobody ends a stranger by its number. */
void http_conns_remove(struct http_server *s, struct http_conn *c)
{
    if (c->registered) {
        forget(s, c);
        server_count_connection(-1);
    }
    http_conn_fini(c);
    free(c);
}

/* As well as it goes at once; with TLS there is nothing to say it in. */
static void say_no(const struct http_conn *c)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n"
                               "Content-Length: 21\r\nConnection: close\r\n\r\n"
                               "too many connections\n";
    char unread[4096];
    if (c->peer.secure)
        return;
    /* what has come and was not read would take the answer with it */
    while (recv(c->io.in, unread, sizeof unread, MSG_DONTWAIT) > 0)
        ;
    if (send(c->io.out, text, sizeof text - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        shutdown(c->io.out, SHUT_WR);
}

static struct http_tls *current_tls(struct http_server *s)
{
    MS_HOLD(&s->mutex);
    return http_tls_ref(s->tls);
}

static bool begin_tls(struct http_server *s, struct http_conn *c)
{
    struct http_tls *tls = current_tls(s);
    int code = http_io_start_tls(&c->io, tls, NULL);
    http_tls_unref(tls); /* each connection holds the context by itself */
    return code == 0;
}

static struct http_conn *refuse(struct http_server *s, struct http_conn *c)
{
    say_no(c);
    http_conns_remove(s, c);
    return NULL;
}

struct http_conn *http_conns_accept(struct http_server *s, const struct http_listener *l, int fd)
{
    struct sockaddr_storage from = {0};
    socklen_t size = sizeof from;
    struct http_conn *c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return NULL;
    }
    c->server = s;
    c->io = (struct http_io){.in = fd, .out = fd, .socket = true};
    c->peer.secure = l->secure;
    c->peer.local = l->local;
    if (l->local)
        snprintf(c->peer.text, sizeof c->peer.text, "unix");
    else if (getpeername(fd, (struct sockaddr *)&from, &size) == 0)
        set_peer(c, &from);
    else
        return refuse(s, c);
    if (!l->local)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    http_conn_enter(c, l->secure ? HTTP_HANDSHAKE : HTTP_HEAD);
    if (!add(s, c))
        return refuse(s, c);
    server_count_connection(1);
    if (l->secure && !begin_tls(s, c)) {
        http_conns_remove(s, c);
        return NULL;
    }
    return c;
}

/* What it does then, reading nothing more or failing to write, is its own affair. */
static void end(struct http_conn *c)
{
    bool again = atomic_exchange_explicit(&c->waits.expired, true, memory_order_acq_rel);
    bool idle = atomic_load_explicit(&c->waits.idle, memory_order_relaxed);
    bool to_write = atomic_load_explicit(&c->waits.to_write, memory_order_relaxed);
    shutdown(c->io.in, again || to_write || idle ? SHUT_RDWR : SHUT_RD);
}

void http_conns_expire(struct http_server *s, bool idle, bool all)
{
    MS_HOLD(&s->mutex);
    uint64_t now = ms_clock_now(s->options.clock);
    for (struct http_conn *c = s->first; c; c = c->next) {
        uint64_t deadline = atomic_load_explicit(&c->waits.deadline_ns, memory_order_acquire);
        bool idles = atomic_load_explicit(&c->waits.idle, memory_order_relaxed);
        bool late = deadline && deadline <= now;
        if (all) {
            shutdown(c->io.in, SHUT_RDWR);
        } else if ((late || (deadline && idle && idles)) &&
                   atomic_compare_exchange_strong(&c->waits.deadline_ns, &deadline, UINT64_MAX)) {
            if (late)
                server_count_refused(idles ? SERVER_REFUSED_IDLE : SERVER_REFUSED_SLOW);
            end(c);
        }
    }
}

unsigned http_conns_count(struct http_server *s)
{
    MS_HOLD(&s->mutex);
    return s->connections;
}
