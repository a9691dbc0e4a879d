/* backends/sftp/state.h - the inside of a connection: conn.c is the callers' side, io.c the
 * thread's.
 *
 * `mutex` guards the queue, the state and the error. What is marked "thread" belongs to the I/O
 * thread alone; `features` are written by it before the state becomes READY and never after. */
#ifndef BACKENDS_SFTP_STATE_H
#define BACKENDS_SFTP_STATE_H

#include "backends/pace.h"
#include "backends/sftp/conn.h"
#include "backends/sftp/gate.h"

#include <libssh/libssh.h>

#include <pthread.h>

#define SECOND UINT64_C(1000000000)
/* Reading with room for so much makes libssh open its receive window as wide (0.10; otherwise it is
 * 1.28 MB, which over a long line is too little). */
#define SCRATCH_BYTES ((size_t)8 << 20)
/* Small packets are sent together: an SSH packet carries at most 32 KiB. */
#define TOGETHER_BYTES ((size_t)32 << 10)
#define SLOTS          4096u /* requests outstanding, a power of two */

enum state { CONNECTING, READY, DEAD };

struct ms_sftp_conn {
    struct ms_sftp_wire wire; /* thread */
    struct ssh_counter_struct counter;
    const struct ms_sftp_options *options;
    struct ms_backend *backend;
    struct ms_sftp_features features;
    pthread_t thread;
    struct ms_mutex mutex;
    struct ms_cond changed; /* the state */
    enum state state;
    bool stop;
    unsigned refs;
    struct ms_error err;
    struct ms_sftp_request *first, *last; /* not yet sent */

    /* thread */
    uint8_t *scratch;
    size_t unwidened;
    uint8_t together[TOGETHER_BYTES]; /* small packets on their way out */
    size_t together_size, together_sent;
    struct ms_sftp_request *sending; /* a large one, partly sent */
    struct ms_sftp_request *sent[SLOTS];
    size_t outstanding;
    uint32_t next_id, oldest_id; /* the oldest: no older one is outstanding */
    uint8_t head[9];             /* of the packet that comes in: length, type, id */
    size_t head_size;
    uint8_t *body;
    size_t body_size, body_got;
    uint8_t *greeting; /* the answer while connecting */
    size_t greeting_size;
    uint64_t heard_ns;   /* last answer, or when something became outstanding */
    struct ms_pace pace; /* of the bytes since */
};

void *ms_sftp_conn_run(void *conn);

#endif
