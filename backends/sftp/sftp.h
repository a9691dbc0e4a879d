/* backends/sftp/sftp.h - what the files of the SFTP driver share.
 *
 * An operation borrows one connection of the pool and waits at a gate of its own. When the
 * connection is lost it is tried again on a new one (ms_sftp_retrying); what may have happened
 * before the loss is looked at, not guessed: each attempt is told whether an earlier one left that
 * open. */
#ifndef BACKENDS_SFTP_SFTP_H
#define BACKENDS_SFTP_SFTP_H

#include "backends/retry.h"
#include "backends/sftp/conn.h"

#include <stdatomic.h>
#include <stdlib.h>

#define MS_SFTP_CONNECTIONS_MAX 16
#define MS_SFTP_SEGMENT_MAX     255 /* bytes of one part of a name */
/* How often a folder is made again that somebody removes before a value is in it. */
#define MS_SFTP_TRIES 1000
/* Bytes of values on the way, of all operations together and of one. */
#define MS_SFTP_IN_FLIGHT ((size_t)24 << 20)
#define MS_SFTP_WINDOW    ((size_t)8 << 20)
/* Of the names of one folder, in memory; a server that never ends its answer is left then. */
#define MS_SFTP_LISTING_MAX ((size_t)1 << 30)

struct ms_sftp {
    struct ms_backend base;
    struct ms_sftp_options options;
    char *root;   /* as the server is told: ".", "rel", "/", "/abs" */
    char *prefix; /* before names: "", "rel/", "/", "/abs/" */
    bool sync;
    unsigned connections;
    size_t listing_max_bytes;
    struct ms_retry_policy policy;
    atomic_uint turn;
    atomic_size_t in_flight;
    /* learned when it was opened */
    struct ms_sftp_features features;
    bool links, rename_keeps; /* hard links work; a plain rename never replaces */
    struct ms_mutex mutex;    /* guards: */
    struct ms_sftp_conn *slots[MS_SFTP_CONNECTIONS_MAX];
    uint64_t again_ns; /* when a lost one may be made anew beside others */
};

static inline struct ms_sftp *ms_sftp_self(struct ms_backend *b)
{
    return (struct ms_sftp *)b;
}

/* ---- url.c ---- */
int ms_sftp_make(struct ms_url *url, const struct ms_backend_env *env, struct ms_backend **out,
                 struct ms_error *err);
void ms_sftp_free(struct ms_backend *b);

/* ---- pool.c ---- */
/* The connection with the fewest users of those that are ready; when all have some, a further one
 * is made meanwhile. It waits only when none is ready. To be given back with unref. */
int ms_sftp_pool_get(struct ms_sftp *s, struct ms_sftp_conn **out, struct ms_error *err);
/* The same without waiting: NULL when it is not ready yet (it is being made then). */
struct ms_sftp_conn *ms_sftp_pool_peek(struct ms_sftp *s, unsigned slot);
/* Has all connections made, without waiting: a large value will want them. */
void ms_sftp_pool_warm(struct ms_sftp *s);
void ms_sftp_pool_close(struct ms_sftp *s);

/* ---- op.c ---- */
struct ms_sftp_op {
    struct ms_sftp *s;
    struct ms_sftp_conn *conn;
    struct ms_sftp_gate *gate;
    bool unsure;   /* a change was asked for and the answer was lost */
    size_t listed; /* bytes of the listings that are held meanwhile: of the folders above */
    char said[80]; /* with the last status */
};
int ms_sftp_begin(struct ms_sftp_op *op, struct ms_sftp *s, struct ms_error *err);
void ms_sftp_end(struct ms_sftp_op *op);
/* Sends one request and waits for its answer; nothing else of the operation is outstanding. The
 * caller frees *out, which *answer borrows from. */
int ms_sftp_ask(struct ms_sftp_op *op, struct ms_sftp_out *packet,
                const struct ms_sftp_request *extra, struct ms_sftp_request **out,
                struct ms_sftp_answer *answer, struct ms_error *err);
/* Takes the next ended request of the gate apart. *out NULL: none outstanding. */
int ms_sftp_take(struct ms_sftp_op *op, struct ms_sftp_request **out, struct ms_sftp_answer *answer,
                 struct ms_error *err);
/* The same for a request that changes something and is answered by a status. */
int ms_sftp_change(struct ms_sftp_op *op, struct ms_sftp_out *packet, uint32_t *status,
                   struct ms_error *err);
/* Asks and forgets. */
void ms_sftp_forget(struct ms_sftp_conn *c, struct ms_sftp_out *packet);
void ms_sftp_forget_handle(struct ms_sftp_conn *c, struct ms_view handle);
/* The error of a refused request. */
int ms_sftp_refused(struct ms_sftp_op *op, uint32_t status, const char *verb, struct ms_view name,
                    struct ms_error *err);
int ms_sftp_damaged(struct ms_sftp_op *op, struct ms_error *err);
/* LSTAT (or STAT) of a name, "" is the root. exists = false: missing. */
struct ms_sftp_found {
    bool exists, directory, regular;
    struct ms_sftp_attrs attrs;
};
int ms_sftp_look(struct ms_sftp_op *op, enum ms_sftp_type how, struct ms_view name,
                 struct ms_sftp_found *out, struct ms_error *err);
void ms_sftp_judge_attrs(const struct ms_sftp_attrs *attrs, struct ms_sftp_found *out);
void ms_sftp_fill_info(const struct ms_sftp_found *found, struct ms_info *out);
/* A packet with one path. */
void ms_sftp_out_path(struct ms_sftp_out *o, const struct ms_sftp *s, enum ms_sftp_type type,
                      struct ms_view name, size_t room);
void ms_sftp_put_path(struct ms_sftp_out *o, const struct ms_sftp *s, struct ms_view name);
/* Makes the folder and those above it. NOT_FOUND: somebody removed one meanwhile. */
int ms_sftp_make_dirs(struct ms_sftp_op *op, struct ms_view name, struct ms_error *err);
/* Runs attempt() until it succeeds or fails for good. `unsure`: an earlier attempt may have done
 * it. */
int ms_sftp_retrying(struct ms_backend *b, enum ms_verb verb,
                     int (*attempt)(struct ms_sftp_op *op, bool unsure, void *arg,
                                    struct ms_error *err),
                     void *arg, struct ms_error *err);

/* ---- publish.c ---- */
struct ms_sftp_temp {
    char text[MS_NAME_MAX + 24];
};
void ms_sftp_temp_name(struct ms_sftp_temp *t, struct ms_view beside);
/* A request with two paths: an extension's, or NULL, RENAME. */
int ms_sftp_two_paths(struct ms_sftp_op *op, const char *extension, struct ms_view from,
                      struct ms_view to, uint32_t *status, struct ms_error *err);
/* Gives `from` the name `to`. */
struct ms_sftp_publish {
    struct ms_view from, to;
    bool if_absent;
    bool temporary;                    /* `from` is one: nobody else knows it */
    const struct ms_sftp_attrs *attrs; /* of `from`; NULL: not known */
};
int ms_sftp_publish(struct ms_sftp_op *op, bool unsure, const struct ms_sftp_publish *p,
                    struct ms_error *err);
int ms_sftp_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                 const struct ms_precondition *pre, struct ms_error *err);

/* ---- aside.c ---- */
/* A name for the old value of `of` while it is replaced. */
void ms_sftp_aside_name(const struct ms_sftp *s, struct ms_sftp_temp *t, struct ms_view of);
/* Whether the name is one; the value's name, and when it was put aside. */
bool ms_sftp_aside_parse(struct ms_view name, struct ms_view *of, int64_t *when_s);
/* Gives it back to its name, or removes it when there is a value again. Nothing is outstanding. */
int ms_sftp_aside_settle(struct ms_sftp_op *op, struct ms_view aside, uint64_t *removed,
                         struct ms_error *err);

/* ---- write.c ---- */
int ms_sftp_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                  const struct ms_precondition *pre, struct ms_writer **out, struct ms_error *err);
int ms_sftp_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                  const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err);
int ms_sftp_compose(struct ms_backend *b, const struct ms_part *parts, size_t count,
                    struct ms_view to, const struct ms_precondition *pre, struct ms_error *err);

/* ---- read.c ---- */
struct ms_sftp_handle {
    uint8_t bytes[MS_HANDLE_MAX];
    size_t size;
};
static inline struct ms_view ms_sftp_handle_view(const struct ms_sftp_handle *h)
{
    return ms_view(h->bytes, h->size);
}
/* One of the connections that a large value goes over. */
struct ms_sftp_lane {
    struct ms_sftp_conn *conn; /* lane 0: borrowed from the operation */
    struct ms_sftp_handle handle;
    size_t outstanding; /* bytes */
    bool asked;
};
/* Closes what a lane has opened without anybody having taken the handle: for ms_sftp_gate_empty
 * with the lanes as its argument. */
void ms_sftp_lane_drop(void *lanes, const struct ms_sftp_request *r);
/* Opens a regular file to read and looks at it. */
int ms_sftp_open_value(struct ms_sftp_op *op, struct ms_view name, struct ms_sftp_handle *handle,
                       struct ms_sftp_found *found, struct ms_error *err);
int ms_sftp_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                 struct ms_buf **out, struct ms_info *info, struct ms_error *err);
int ms_sftp_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                 struct ms_error *err);

/* ---- tree.c ---- */
int ms_sftp_create(struct ms_backend *b, struct ms_error *err);
int ms_sftp_destroy(struct ms_backend *b, struct ms_error *err);
int ms_sftp_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err);
int ms_sftp_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err);
int ms_sftp_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                 struct ms_error *err);
int ms_sftp_remove(struct ms_backend *b, struct ms_view name, struct ms_error *err);
int ms_sftp_usage(struct ms_backend *b, uint64_t *total_bytes, uint64_t *free_bytes,
                  struct ms_error *err);
int ms_sftp_sweep(struct ms_backend *b, uint64_t age_ns, uint64_t *removed, struct ms_error *err);
/* ---- list.c ---- */
struct ms_sftp_entry {
    struct ms_view name; /* NUL-terminated behind */
    struct ms_sftp_found found;
};
struct ms_sftp_listing {
    struct ms_sftp_entry *entries;
    size_t count, room;
    size_t bytes; /* taken in, with the names that are not kept */
};
/* All that lies in a folder but "." and "..", in no order. NOT_FOUND. */
int ms_sftp_read_dir(struct ms_sftp_op *op, struct ms_view name, struct ms_sftp_listing *out,
                     struct ms_error *err);
void ms_sftp_listing_fini(struct ms_sftp_listing *l);
int ms_sftp_list(struct ms_backend *b, struct ms_view name, const struct ms_list_request *request,
                 struct ms_lister **out, struct ms_error *err);

#endif
