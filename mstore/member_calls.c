/* mstore/member_calls.c - the calls on a member: begin, its storage, end. */
#include "mstore/member_parts.h"
#include "mstore/names.h"

/* Wraps a call on m->backend. measured: bytes it moved, for the health; volume: payload, for the
 * statistics. The sentence is needed here, for the health. */
#define CALL(m, err, verb, measured, volume, call_backend)                                         \
    ({                                                                                             \
        struct ms_error own_ = {0}, *why = (err) ? (err) : &own_;                                  \
        struct ms_member_call call_;                                                               \
        int code_ = ms_member_begin((m), (verb), &call_, why);                                     \
        if (!code_) {                                                                              \
            code_ = (call_backend);                                                                \
            code_ = ms_member_end(&call_, code_, (measured), (volume), why);                       \
        }                                                                                          \
        code_;                                                                                     \
    })
/* The same for a later step of a stream: the member is open. spent: of the stream. */
#define STEP(m, err, spent_, measured, volume, call_stream)                                        \
    ({                                                                                             \
        struct ms_error own_ = {0}, *why = (err) ? (err) : &own_;                                  \
        struct ms_member_call call_;                                                               \
        ms_member_step((m), MS_MEMBER_STEP, &call_);                                               \
        int code_ = (call_stream);                                                                 \
        code_ = ms_member_end(&call_, code_, (measured), 0, why);                                  \
        stream_step(&call_, (spent_), code_, (volume));                                            \
        code_;                                                                                     \
    })
#define UNMEASURED MS_HEALTH_UNMEASURED

static void stream_step(const struct ms_member_call *call, struct ms_member_spent *spent, int code,
                        uint64_t volume)
{
    if (!call->member->counts)
        return;
    uint64_t time = ms_entity_begin(call->member->clock) - call->begin;
    __atomic_fetch_add(&spent->time, time, __ATOMIC_RELAXED);
    if (code)
        __atomic_store_n(&spent->code, code, __ATOMIC_RELAXED);
    else
        __atomic_fetch_add(&spent->bytes, volume, __ATOMIC_RELAXED);
}

/* A stream is one call, as long as its steps took together. */
static void stream_end(struct ms_member *m, enum ms_verb verb, const struct ms_member_spent *spent)
{
    if (m->counts)
        ms_entity_count(m->counts, m->clock, verb, ms_entity_begin(m->clock) - spent->time,
                        spent->code, spent->bytes);
}

int ms_member_info(struct ms_member *m, struct ms_view name, struct ms_info *out,
                   struct ms_error *err)
{
    return CALL(m, err, MS_VERB_INFO, 0, 0, ms_backend_info(m->backend, name, out, why));
}

int ms_member_load(struct ms_member *m, struct ms_view name, int64_t offset, uint64_t size,
                   struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    struct ms_buf *loaded = NULL;
    int code =
        CALL(m, err, MS_VERB_LOAD, loaded ? ms_buf_size(loaded) : size, /* what it was to move */
             loaded ? ms_buf_size(loaded) : 0,
             ms_backend_load(m->backend, name, offset, size, &loaded, info, why));
    if (!code)
        *out = loaded;
    return code;
}

int ms_member_store(struct ms_member *m, struct ms_view name, struct ms_buf *value,
                    const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    return CALL(m, err, MS_VERB_STORE, UNMEASURED, ms_buf_size(value),
                ms_backend_store(m->backend, name, value, pre, tag, why));
}

bool ms_member_refused(int code)
{
    return code == MS_ERR_NO_SPACE || code == MS_ERR_QUOTA || code == MS_ERR_ACCESS ||
           code == MS_ERR_NAME || code == MS_ERR_TOO_LARGE || code == MS_ERR_UNSUPPORTED;
}

int ms_member_put(struct ms_member *m, struct ms_view name, struct ms_buf *value, bool *maybe,
                  struct ms_error *err)
{
    struct ms_error own = {0}, *why = err ? err : &own;
    struct ms_member_call call;
    *maybe = false;
    int code = ms_member_begin(m, MS_VERB_STORE, &call, why);
    if (code)
        return code; /* nothing was sent */
    code = ms_backend_store(m->backend, name, value, NULL, NULL, why);
    *maybe = code && !ms_member_refused(code);
    return ms_member_end(&call, code, UNMEASURED, ms_buf_size(value), why);
}

int ms_member_delete(struct ms_member *m, struct ms_view name, struct ms_error *err)
{
    return CALL(m, err, MS_VERB_DELETE, UNMEASURED, 0, ms_backend_delete(m->backend, name, why));
}

int ms_member_delete_many(struct ms_member *m, struct ms_deletion *items, size_t count,
                          struct ms_error *err)
{
    return CALL(m, err, MS_VERB_DELETE, UNMEASURED, 0,
                ms_backend_delete_many(m->backend, items, count, why));
}

int ms_member_mkdir(struct ms_member *m, struct ms_view name, struct ms_error *err)
{
    return CALL(m, err, MS_VERB_MKDIR, UNMEASURED, 0, ms_backend_mkdir(m->backend, name, why));
}

int ms_member_rmdir(struct ms_member *m, struct ms_view name, struct ms_error *err)
{
    return CALL(m, err, MS_VERB_RMDIR, UNMEASURED, 0, ms_backend_rmdir(m->backend, name, why));
}

int ms_member_move(struct ms_member *m, struct ms_view from, struct ms_view to,
                   const struct ms_precondition *pre, struct ms_error *err)
{
    return CALL(m, err, MS_VERB_MOVE, UNMEASURED, 0,
                ms_backend_move(m->backend, from, to, pre, why));
}

int ms_member_hash(struct ms_member *m, struct ms_view name, const char *algorithm, char *hex,
                   size_t hex_size, struct ms_error *err)
{
    return CALL(m, err, MS_VERB_HASH, UNMEASURED, 0,
                ms_backend_hash(m->backend, name, algorithm, hex, hex_size, why));
}

int ms_member_usage(struct ms_member *m, uint64_t *total_bytes, uint64_t *free_bytes,
                    struct ms_error *err)
{
    return CALL(m, err, MS_VERB_OTHER, UNMEASURED, 0,
                ms_backend_usage(m->backend, total_bytes, free_bytes, why));
}

int ms_member_sweep(struct ms_member *m, uint64_t age_ns, uint64_t *removed, struct ms_error *err)
{
    return CALL(m, err, MS_VERB_OTHER, UNMEASURED, 0,
                ms_backend_sweep(m->backend, age_ns, removed, why));
}

/* ---- listing ---- */

int ms_member_is_there(struct ms_member *m, struct ms_error *err)
{
    const struct ms_own_name own = {.kind = MS_OWN_MEMBER, .store = m->store};
    struct ms_name name;
    struct ms_info info = {0};
    int code = ms_own_format(&own, 0, &name, err);
    if (!code)
        code = ms_member_info(m, ms_name_view(&name), &info, err);
    if (!code && !info.exists)
        code = ms_error_set(err, MS_ERR_NO_STORE,
                            "member %s: %s has lost its mark: put its storage in place, or replace "
                            "the member",
                            ms_member_name(m), ms_member_url(m));
    return code;
}

int ms_member_list_open(struct ms_member *m, struct ms_view folder,
                        const struct ms_list_request *request, struct ms_member_lister *out,
                        struct ms_error *err)
{
    struct ms_lister *l = NULL;
    int code = CALL(m, err, MS_VERB_LIST, UNMEASURED, 0,
                    ms_backend_list(m->backend, folder, request, &l, why));
    if (code && code != MS_ERR_NOT_FOUND)
        return code;
    *out = (struct ms_member_lister){ms_member_ref(m), l};
    return 0;
}

int ms_member_list_next(struct ms_member_lister *l, const struct ms_entry **out,
                        struct ms_error *err)
{
    struct ms_error own = {0}, *why = err ? err : &own;
    struct ms_member_call call;
    *out = NULL;
    if (!l->lister)
        return 0;
    ms_member_step(l->member, MS_VERB_LIST, &call);
    int code = ms_lister_next(l->lister, out, why);
    return code ? ms_member_end(&call, code, UNMEASURED, 0, why) : 0; /* entries are no calls */
}

void ms_member_list_close(struct ms_member_lister *l)
{
    ms_lister_close(l->lister);
    ms_member_unref(l->member);
    *l = (struct ms_member_lister){0};
}

int ms_member_list(struct ms_member *m, struct ms_view folder,
                   const struct ms_list_request *request, ms_member_entry fn, void *ctx,
                   struct ms_error *err)
{
    struct ms_member_lister l;
    const struct ms_entry *entry = NULL;
    int code = ms_member_list_open(m, folder, request, &l, err);
    if (code)
        return code;
    do {
        code = ms_member_list_next(&l, &entry, err);
        if (!code && entry)
            code = fn(ctx, entry, err);
    } while (!code && entry);
    ms_member_list_close(&l);
    return code;
}

/* ---- streams ---- */

int ms_member_write(struct ms_member *m, struct ms_view name, uint64_t size_hint,
                    const struct ms_precondition *pre, struct ms_member_writer *out,
                    struct ms_error *err)
{
    struct ms_writer *w = NULL;
    int code = CALL(m, err, MS_MEMBER_OPENS(MS_VERB_STORE), UNMEASURED, 0,
                    ms_backend_write(m->backend, name, size_hint, pre, &w, why));
    if (!code)
        *out = (struct ms_member_writer){.member = ms_member_ref(m), .writer = w};
    return code;
}

int ms_member_append(struct ms_member_writer *w, struct ms_view bytes, struct ms_error *err)
{
    return STEP(w->member, err, &w->spent, UNMEASURED, bytes.size,
                ms_writer_append(w->writer, bytes, why));
}

int ms_member_commit(struct ms_member_writer *w, struct ms_tag *tag, struct ms_error *err)
{
    int code =
        STEP(w->member, err, &w->spent, UNMEASURED, 0, ms_writer_commit(w->writer, tag, why));
    stream_end(w->member, MS_VERB_STORE, &w->spent);
    ms_member_unref(w->member);
    *w = (struct ms_member_writer){0};
    return code;
}

void ms_member_abort(struct ms_member_writer *w)
{
    ms_writer_abort(w->writer);
    w->spent.code = w->spent.code ? w->spent.code : MS_ERR_CANCELLED;
    stream_end(w->member, MS_VERB_STORE, &w->spent);
    ms_member_unref(w->member);
    *w = (struct ms_member_writer){0};
}

int ms_member_read(struct ms_member *m, struct ms_view name, struct ms_member_reader *out,
                   struct ms_error *err)
{
    struct ms_reader *r = NULL;
    int code = CALL(m, err, MS_MEMBER_OPENS(MS_VERB_LOAD), 0, 0,
                    ms_backend_read(m->backend, name, &r, why));
    if (!code)
        *out = (struct ms_member_reader){.member = ms_member_ref(m), .reader = r};
    return code;
}

int ms_member_read_at(struct ms_member_reader *r, uint64_t offset, uint8_t *into, size_t size,
                      size_t *got, struct ms_error *err)
{
    *got = 0;
    return STEP(r->member, err, &r->spent, *got, *got,
                ms_reader_read(r->reader, offset, into, size, got, why));
}

void ms_member_read_close(struct ms_member_reader *r)
{
    ms_reader_close(r->reader);
    stream_end(r->member, MS_VERB_LOAD, &r->spent);
    ms_member_unref(r->member);
    *r = (struct ms_member_reader){0};
}
