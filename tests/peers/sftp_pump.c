/* Passing packets on, and what the rules make of them: see sftp_peer.h. One thread a connection;
 * the rules are shared. */
#include "peers/sftp_pump.h"
#include "peers/sftp_peer.h"

#include "backends/sftp/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM    ((size_t)1 << 20)
#define PENDING 8192u

#define NAMES_BYTES 60000u

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards: */
static struct sftp_rule rules[SFTP_RULES];
static unsigned seen[SFTP_RULES], hits;

struct buffer {
    uint8_t bytes[ROOM];
    size_t fill;
};

struct pump {
    ssh_channel channel;
    int to, from;
    const char *extensions;
    bool over;
    struct sftp_rule pending[PENDING]; /* by the request's id; type 0: none */
    struct buffer requests, answers;
    uint8_t names[13 + NAMES_BYTES];
};

void sftp_peer_rules(const struct sftp_rule *from, unsigned count)
{
    pthread_mutex_lock(&mutex);
    memset(rules, 0, sizeof rules);
    memset(seen, 0, sizeof seen);
    hits = 0;
    for (unsigned i = 0; i < count && i < SFTP_RULES; i++)
        rules[i] = from[i];
    pthread_mutex_unlock(&mutex);
}

unsigned sftp_peer_hits(void)
{
    pthread_mutex_lock(&mutex);
    unsigned count = hits;
    pthread_mutex_unlock(&mutex);
    return count;
}

static uint32_t get(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* The rule for a request, type 0 when there is none. */
static struct sftp_rule rule_for(const uint8_t *packet, size_t size)
{
    struct sftp_rule found = {0};
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < SFTP_RULES && !found.type; i++) {
        const struct sftp_rule *r = &rules[i];
        if (r->type != packet[4])
            continue;
        size_t n = r->extension ? strlen(r->extension) : 0;
        if (n && (size < 13 + n || get(packet + 9) != n || memcmp(packet + 13, r->extension, n)))
            continue;
        unsigned at = seen[i]++;
        if (at >= r->skip && (r->times == 0 || at < r->skip + r->times))
            found = *r;
    }
    hits += found.type != 0;
    pthread_mutex_unlock(&mutex);
    return found;
}

/* ---- to the client ---- */

static void say(struct pump *p, const uint8_t *bytes, size_t size)
{
    if (ssh_channel_write(p->channel, bytes, (uint32_t)size) != (int)size)
        p->over = true;
}

static void say_status(struct pump *p, uint32_t id, uint32_t status)
{
    uint8_t packet[64];
    static const char message[] = "as told";
    size_t n = sizeof message - 1, size = 9 + 4 + 4 + n + 4;
    put(packet, (uint32_t)size - 4);
    packet[4] = MS_FXP_STATUS;
    put(packet + 5, id);
    put(packet + 9, status);
    put(packet + 13, (uint32_t)n);
    memcpy(packet + 17, message, n);
    put(packet + 17 + n, 0);
    say(p, packet, size);
}

static void say_limits(struct pump *p, uint32_t id, uint32_t value)
{
    uint8_t packet[9 + 32] = {0};
    put(packet, sizeof packet - 4);
    packet[4] = MS_FXP_EXTENDED_REPLY;
    put(packet + 5, id);
    for (int i = 0; i < 4; i++)
        put(packet + 9 + 8 * i + 4, value);
    say(p, packet, sizeof packet);
}

/* NAME: `count` names of `size` bytes without attributes, numbered on, or all "." for size 1. */
static void say_names(struct pump *p, uint32_t id, uint32_t count, uint32_t size)
{
    static atomic_uint number;
    uint8_t *packet = p->names, *to = packet + 13;
    packet[4] = MS_FXP_NAME;
    put(packet + 5, id);
    put(packet + 9, count);
    for (uint32_t i = 0; i < count; i++) {
        put(to, size);
        memset(to + 4, size == 1 ? '.' : 'n', size);
        for (unsigned n = size == 1 ? 0 : ++number, at = size; n && at; n /= 10)
            to[4 + --at] = (uint8_t)('0' + n % 10);
        put(to + 4 + size, 0);     /* the long name */
        put(to + 4 + size + 4, 0); /* no attributes */
        to += 12 + size;
    }
    put(packet, (uint32_t)(to - packet) - 4);
    say(p, packet, (size_t)(to - packet));
}

/* Of a NAME answer. */
static void show_links_as_folders(uint8_t *packet, size_t size)
{
    uint8_t *at = packet + 13, *end = packet + size;
    for (uint32_t n = packet[4] == MS_FXP_NAME ? get(packet + 9) : 0; n && at < end; n--) {
        at += 4 + get(at);
        at += 4 + get(at);
        uint32_t flags = get(at);
        uint8_t *mode = at + 4 + (flags & 1 ? 8 : 0) + (flags & 2 ? 8 : 0);
        if (flags & 4 && S_ISLNK(get(mode)))
            put(mode, S_IFDIR | 0755);
        at = mode + (flags & 4 ? 4 : 0) + (flags & 8 ? 8 : 0);
    }
}

/* VERSION with the extensions that are offered alone. */
static void say_version(struct pump *p, const uint8_t *packet, size_t size)
{
    uint8_t out[2048];
    size_t at = 9, to = 9;
    memcpy(out, packet, 9);
    while (at + 4 <= size) {
        size_t name = get(packet + at), value = get(packet + at + 4 + name);
        size_t all = 8 + name + value;
        char wanted[80];
        snprintf(wanted, sizeof wanted, "%.*s ", (int)name, (const char *)packet + at + 4);
        if (strstr(p->extensions, wanted) && to + all < sizeof out) {
            memcpy(out + to, packet + at, all);
            to += all;
        }
        at += all;
    }
    put(out, (uint32_t)to - 4);
    say(p, out, to);
}

static void answer(struct pump *p, uint8_t *packet, size_t size)
{
    uint32_t id = get(packet + 5);
    struct sftp_rule *r = &p->pending[id % PENDING], rule = *r;
    if (packet[4] == MS_FXP_VERSION && p->extensions) {
        say_version(p, packet, size);
        return;
    }
    r->type = 0;
    switch ((int)(rule.type ? rule.act : SFTP_SHORT)) {
    case SFTP_REPLACE:
        say_status(p, id, rule.value);
        return;
    case SFTP_CUT_IN:
        say(p, packet, size / 2);
        p->over = true;
        return;
    case SFTP_CUT_AFTER:
        p->over = true;
        return;
    case SFTP_SWALLOW:
        return;
    case SFTP_OTHER_ID:
        put(packet + 5, id + 77);
        break;
    case SFTP_HUGE:
        put(packet, 0x7fffffff);
        break;
    case SFTP_TINY:
        put(packet, 3);
        break;
    case SFTP_TYPE:
        packet[4] = (uint8_t)rule.value;
        break;
    case SFTP_CUT_BODY:
        size = size > 9 + rule.value ? size - rule.value : 9;
        put(packet, (uint32_t)size - 4);
        break;
    case SFTP_FOLLOW:
        show_links_as_folders(packet, size);
        break;
    default:
        break;
    }
    say(p, packet, size);
}

/* Gives each whole packet of the buffer to `take`. */
static void take_packets(struct pump *p, struct buffer *b,
                         void (*take)(struct pump *p, uint8_t *packet, size_t size))
{
    size_t at = 0;
    while (!p->over && b->fill - at >= 4 && b->fill - at >= 4 + (size_t)get(b->bytes + at)) {
        size_t size = 4 + (size_t)get(b->bytes + at);
        take(p, b->bytes + at, size);
        at += size;
    }
    memmove(b->bytes, b->bytes + at, b->fill - at);
    b->fill -= at;
}

static void hear_server(struct pump *p)
{
    struct buffer *b = &p->answers;
    ssize_t n = read(p->from, b->bytes + b->fill, ROOM - b->fill);
    if (n <= 0) {
        p->over = true;
        return;
    }
    b->fill += (size_t)n;
    take_packets(p, b, answer);
}

/* ---- to the server ---- */

/* It may want to be heard before it takes more. */
static void pass_on(struct pump *p, const uint8_t *bytes, size_t size)
{
    while (size && !p->over) {
        struct pollfd fds[] = {{p->to, POLLOUT, 0}, {p->from, POLLIN, 0}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            p->over = true;
        if (fds[1].revents)
            hear_server(p);
        ssize_t n = fds[0].revents ? write(p->to, bytes, size) : 0;
        if (n < 0 && errno != EAGAIN)
            p->over = true;
        bytes += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
}

/* Reads nothing, until the window is full and nothing more comes; what follows the packet is of its
 * size, and the last of it not whole. */
static void answer_early(struct pump *p, const uint8_t *packet, size_t size)
{
    size_t behind = p->requests.fill - (size_t)(packet + size - p->requests.bytes), all = 0;
    for (int still = 0; still < 25; still++) {
        (void)ssh_channel_poll(p->channel, 1); /* takes in what has come */
        int n = ssh_channel_poll(p->channel, 0);
        if (n > 0 && behind + (size_t)n != all) {
            all = behind + (size_t)n;
            still = 0;
        }
        (void)poll(NULL, 0, 10);
    }
    say_status(p, get(packet + 5) + 1 + (uint32_t)(all / size), MS_FX_OK);
    p->over = true;
}

static void request(struct pump *p, uint8_t *packet, size_t size)
{
    uint32_t id = get(packet + 5);
    struct sftp_rule rule = rule_for(packet, size);
    if (rule.type && rule.act == SFTP_CUT) {
        p->over = true;
        return;
    }
    if (rule.type && rule.act == SFTP_STATUS) {
        say_status(p, id, rule.value);
        return;
    }
    if (rule.type && rule.act == SFTP_EARLY) {
        answer_early(p, packet, size);
        return;
    }
    if (rule.type && rule.act == SFTP_LIMITS) {
        say_limits(p, id, rule.value);
        return;
    }
    if (rule.type && rule.act == SFTP_NAMES) {
        say_names(p, id, NAMES_BYTES / (12 + rule.value), rule.value);
        return;
    }
    if (rule.type && rule.act == SFTP_DOTS) {
        say_names(p, id, rule.value, 1);
        return;
    }
    if (rule.type && rule.act == SFTP_SHORT && get(packet + size - 4) > rule.value)
        put(packet + size - 4, rule.value);
    if (rule.type && rule.act == SFTP_LONG)
        put(packet + size - 4, rule.value);
    p->pending[id % PENDING] = rule;
    pass_on(p, packet, size);
}

static void hear_client(struct pump *p)
{
    struct buffer *b = &p->requests;
    int n;
    do {
        n = ssh_channel_read_nonblocking(p->channel, b->bytes + b->fill, (uint32_t)(ROOM - b->fill),
                                         0);
        if (n == SSH_ERROR || n == SSH_EOF || ssh_channel_is_eof(p->channel) ||
            !ssh_is_connected(ssh_channel_get_session(p->channel)))
            p->over = true;
        if (n > 0) {
            b->fill += (size_t)n;
            take_packets(p, b, request);
        }
    } while (n > 0 && !p->over);
}

void sftp_pump(ssh_channel channel, int to, int from, const char *extensions)
{
    struct pump *p =
        mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return;
    p->channel = channel;
    p->to = to;
    p->from = from;
    p->extensions = extensions;
    (void)fcntl(to, F_SETFL, O_NONBLOCK);
    while (!p->over) {
        struct pollfd fds[] = {{ssh_get_fd(ssh_channel_get_session(channel)), POLLIN, 0},
                               {from, POLLIN, 0}};
        hear_client(p);
        if (p->over)
            break;
        if (poll(fds, 2, 1000) < 0 && errno != EINTR)
            break;
        if (fds[1].revents)
            hear_server(p);
    }
    munmap(p, sizeof *p);
}
