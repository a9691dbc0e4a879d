/* backends/sftp/conn.h - one connection to an SFTP server, and waiting for its answers.
 *
 * A connection is one libssh session with one channel ("sftp"), owned by one I/O thread, the only
 * one that ever enters libssh for it. Callers hand it finished packets (requests) from any thread;
 * the thread sends them in order, any number outstanding, and hands each answer to the gate that
 * the request came with. When the connection is lost, every request still without an answer ends
 * with the connection's error.
 *
 * A gate is where one operation waits for the answers to its requests, of one connection or
 * several. It may be closed while requests are outstanding (a cancelled call): their answers are
 * thrown away, and a handle among them is closed again.
 */
#ifndef BACKENDS_SFTP_CONN_H
#define BACKENDS_SFTP_CONN_H

#include <mstore/backend.h>

#include "backends/sftp/packet.h"
#include "base/sync.h"

struct ms_sftp_conn;
struct ms_sftp_gate;

/* What a connection is made with; strings are NULL when not given. */
struct ms_sftp_options {
    char *host, *user;
    int port;                    /* -1: not given */
    char *password, *passphrase; /* secrets: never in a message */
    char *identity, *known_hosts, *ssh_config;
    bool accept_new;    /* a host that is not known is added to known_hosts */
    bool no_extensions; /* of the server are used */
    unsigned timeout_s; /* to connect; and without an answer to anything */
};

struct ms_sftp_request {
    struct ms_sftp_request *next;
    struct ms_sftp_gate *gate; /* NULL: nobody wants the answer */
    uint8_t *packet;           /* to send; freed when sent */
    size_t size, written;
    uint32_t id;
    uint8_t *answer; /* without the length field */
    size_t answer_size;
    int code;        /* 0: there is an answer; else why there is none */
    bool sent;       /* any byte of it went out: what it asks for may have happened */
    bool opens;      /* a HANDLE that nobody takes is closed */
    bool slow;       /* may take long: sync, copy */
    uint64_t offset; /* the caller's; and the next */
    size_t wanted;
    unsigned lane;
};

/* ---- gate: one thread ---- */

struct ms_sftp_gate *ms_sftp_gate_new(void); /* NULL: no memory */
void ms_sftp_gate_close(struct ms_sftp_gate *g);
/* Takes no answer any more; shows `drop` those that had come. To be closed all the same. */
void ms_sftp_gate_empty(struct ms_sftp_gate *g,
                        void (*drop)(void *arg, const struct ms_sftp_request *r), void *arg);
size_t ms_sftp_gate_outstanding(const struct ms_sftp_gate *g);
/* The next request that ended, in the order of their ends; NULL: none is outstanding. The caller
 * frees it. CANCELLED when the current token fires before. */
int ms_sftp_gate_next(struct ms_sftp_gate *g, struct ms_sftp_request **out, struct ms_error *err);

/* ---- connection ---- */

/* Starts the thread, which connects. `b` is for messages and statistics. */
int ms_sftp_conn_new(const struct ms_sftp_options *options, struct ms_backend *b,
                     struct ms_sftp_conn **out, struct ms_error *err);
struct ms_sftp_conn *ms_sftp_conn_ref(struct ms_sftp_conn *c);
void ms_sftp_conn_unref(struct ms_sftp_conn *c);
/* Waits until it is connected; or the error why it is not. */
int ms_sftp_conn_ready(struct ms_sftp_conn *c, struct ms_error *err);
bool ms_sftp_conn_dead(struct ms_sftp_conn *c);
bool ms_sftp_conn_usable(struct ms_sftp_conn *c); /* ready, and not lost */
/* The same; *users: references beside the pool's. */
bool ms_sftp_conn_users(struct ms_sftp_conn *c, unsigned *users);
/* The error that ended it. */
int ms_sftp_conn_error(struct ms_sftp_conn *c, struct ms_error *err);
/* Sends what is queued, waits a moment for the answers, disconnects, ends the thread. Once. */
void ms_sftp_conn_stop(struct ms_sftp_conn *c);
/* Of a connection that is ready. */
const struct ms_sftp_features *ms_sftp_conn_features(const struct ms_sftp_conn *c);
/* Finishes the packet and sends it; the answer goes to g (NULL: to nobody). The packet is taken
 * over in any case. *extra (may be NULL) supplies offset, wanted, lane, opens, slow. */
int ms_sftp_send(struct ms_sftp_conn *c, struct ms_sftp_gate *g, struct ms_sftp_out *packet,
                 const struct ms_sftp_request *extra, struct ms_error *err);
void ms_sftp_request_free(struct ms_sftp_request *r);

/* ---- connect.c: in the I/O thread only ---- */

struct ssh_session_struct;
struct ssh_channel_struct;
struct ssh_counter_struct;
struct ms_sftp_wire {
    const struct ms_sftp_options *options;
    struct ssh_session_struct *session;
    struct ssh_channel_struct *channel;
    struct ssh_counter_struct *counter; /* of the socket's bytes */
    int fd, same;                       /* the socket and a duplicate; -1: none, or libssh's own */
    int wake;                           /* an eventfd that interrupts waiting */
    const bool *stop;                   /* read after it woke */
    struct ms_mutex *mutex;             /* that guards *stop */
    char where[200];                    /* "example.org:22", for messages */
};
/* Connects, verifies, authenticates and starts "sftp". What is made is freed by
 * ms_sftp_wire_close, also after a failure. */
int ms_sftp_wire_open(struct ms_sftp_wire *w, struct ms_error *err);
void ms_sftp_wire_close(struct ms_sftp_wire *w);
/* Waits for the socket or the eventfd until the deadline; 0, TIMEOUT, or CONNECTION when told to
 * stop. */
int ms_sftp_wire_wait(struct ms_sftp_wire *w, uint64_t deadline_ns, struct ms_error *err);
/* When a step that begins now has to be done. */
uint64_t ms_sftp_wire_deadline(const struct ms_sftp_wire *w);
/* host.c */
int ms_sftp_wire_verify(struct ms_sftp_wire *w, struct ms_error *err);
/* login.c */
int ms_sftp_wire_login(struct ms_sftp_wire *w, struct ms_error *err);
/* The error of a libssh call that failed. */
int ms_sftp_wire_error(struct ms_sftp_wire *w, const char *what, struct ms_error *err);

#endif
