/* tests/proxy/flow.h - one direction of a connection: bytes read here are written there, later.
 *
 * What is read waits in a queue, each piece until its own time has come: the delay does not limit
 * the throughput. A rate does: the queue holds a tenth of a second then. The end of the stream
 * waits in the queue like a piece. One thread. */
#ifndef PROXY_FLOW_H
#define PROXY_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chunk; /* a piece that waits */

struct flow {
    int from, to;
    struct chunk *first, *last;
    size_t queued;      /* bytes that wait, due or not */
    uint64_t last_due;  /* of the last piece: order is kept when the delay changes */
    uint64_t rate;      /* bytes a second that the line takes; 0: any */
    uint64_t forwarded; /* bytes read since the connection began */
    bool ended;         /* the end of the stream was read … */
    bool shut;          /* … and passed on */
    bool blocked;       /* the other side did not take what is due */
    bool stalled;       /* nothing is read any more */
};

enum flow_result {
    FLOW_OK,
    FLOW_RESET,    /* one of the two sides is gone */
    FLOW_NO_MEMORY /* the program's own trouble */
};

/* Whether more may be read: the queue is bounded by what one side sends while the other does not
 * take it. */
bool flow_wants_input(const struct flow *f);
/* When the first piece is due, UINT64_MAX: nothing waits. */
uint64_t flow_next_due(const struct flow *f);
/* Reads up to `most` bytes (> 0) that are due at now_ns + delay_ns; sets *got. */
enum flow_result flow_read(struct flow *f, uint64_t most, uint64_t now_ns, uint64_t delay_ns,
                           size_t *got);
/* Writes what is due. */
enum flow_result flow_write(struct flow *f, uint64_t now_ns);
/* Whether everything read has reached the other side's kernel. */
bool flow_delivered(const struct flow *f);
void flow_clear(struct flow *f); /* frees what waits */

#endif
