/* One direction of a connection: see flow.h. */
#include "proxy/flow.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define READ_BYTES   (256u << 10)
#define UNTAKEN_MAX  (4u << 20)   /* due, and the other side does not take it */
#define QUEUE_MAX    (512u << 20) /* in all: 20 ms at 25 GB/s */
#define SECOND       UINT64_C(1000000000)
#define SHRINK_BELOW (READ_BYTES / 2)

struct chunk {
    struct chunk *next;
    uint64_t due_ns;
    size_t size, sent; /* size 0: the end of the stream */
    uint8_t bytes[];
};

bool flow_wants_input(const struct flow *f)
{
    return !f->ended && !f->stalled && f->queued < (f->rate ? f->rate / 10 + 1 : QUEUE_MAX) &&
           !(f->blocked && f->queued >= UNTAKEN_MAX);
}

uint64_t flow_next_due(const struct flow *f)
{
    return f->first ? f->first->due_ns : UINT64_MAX;
}

static void enqueue(struct flow *f, struct chunk *c, uint64_t due_ns)
{
    c->next = NULL;
    c->sent = 0;
    c->due_ns = due_ns > f->last_due ? due_ns : f->last_due;
    f->last_due = c->due_ns;
    if (f->last)
        f->last->next = c;
    else
        f->first = c;
    f->last = c;
    f->queued += c->size;
    f->forwarded += c->size;
}

enum flow_result flow_read(struct flow *f, uint64_t most, uint64_t now_ns, uint64_t delay_ns,
                           size_t *got)
{
    uint64_t piece = f->rate && f->rate / 50 < READ_BYTES ? f->rate / 50 + 1 : READ_BYTES;
    size_t room = (size_t)(most < piece ? most : piece);
    struct chunk *c = malloc(sizeof *c + room);
    *got = 0;
    if (!c)
        return FLOW_NO_MEMORY;
    ssize_t n = recv(f->from, c->bytes, room, 0);
    if (n < 0) {
        free(c);
        return errno == EAGAIN || errno == EINTR ? FLOW_OK : FLOW_RESET;
    }
    c->size = *got = (size_t)n;
    if (c->size < SHRINK_BELOW) {
        struct chunk *smaller = realloc(c, sizeof *c + c->size);
        c = smaller ? smaller : c;
    }
    f->ended = n == 0;
    uint64_t due = now_ns + delay_ns;
    if (f->rate)
        due = (due > f->last_due ? due : f->last_due) + c->size * SECOND / f->rate;
    enqueue(f, c, due);
    return FLOW_OK;
}

static void drop_first(struct flow *f)
{
    struct chunk *c = f->first;
    f->first = c->next;
    if (!f->first)
        f->last = NULL;
    free(c);
}

enum flow_result flow_write(struct flow *f, uint64_t now_ns)
{
    f->blocked = false;
    while (f->first && f->first->due_ns <= now_ns) {
        struct chunk *c = f->first;
        if (c->size == 0) {
            f->shut = true;
            drop_first(f);
            /* the other side may be gone by now; then its own direction says so */
            shutdown(f->to, SHUT_WR);
            return FLOW_OK;
        }
        ssize_t n = send(f->to, c->bytes + c->sent, c->size - c->sent, MSG_NOSIGNAL);
        if (n < 0) {
            f->blocked = errno == EAGAIN;
            return errno == EAGAIN || errno == EINTR ? FLOW_OK : FLOW_RESET;
        }
        c->sent += (size_t)n;
        f->queued -= (size_t)n;
        if (c->sent == c->size)
            drop_first(f);
    }
    return FLOW_OK;
}

bool flow_delivered(const struct flow *f)
{
    int left = 0;
    if (f->first)
        return false;
    return ioctl(f->to, SIOCOUTQ, &left) < 0 || left == 0;
}

void flow_clear(struct flow *f)
{
    while (f->first)
        drop_first(f);
    f->queued = 0;
}
