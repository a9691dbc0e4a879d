/* The public calls on one value and on the Store as a whole: state, arguments and defaults are
 * checked here once, for every kind of Store; then the kind's slot is called. No lock; any thread.
 */
#include "store/store.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/sync.h"
#include "store/options.h"

enum { CLOSED = 0, OPEN = 1 };

static int enter(const struct ms_store *s, struct ms_error *err)
{
    if (s->state != OPEN)
        return ms_error_set(err, MS_ERR_MUST_BE_OPEN, "the store %s is not open", s->url);
    return ms_check_cancelled(err);
}

/* ---- life ---- */

static int enter_closed(const struct ms_store *s, struct ms_error *err)
{
    if (s->state != CLOSED)
        return ms_error_set(err, MS_ERR_MUST_NOT_BE_OPEN, "the store %s is open; close it first",
                            s->url);
    return ms_check_cancelled(err);
}

int ms_store_create(struct ms_store *s, struct ms_error *err)
{
    int code = enter_closed(s, err);
    return code ? code : s->ops->create(s, err);
}

int ms_store_destroy(struct ms_store *s, struct ms_error *err)
{
    int code = enter_closed(s, err);
    return code ? code : s->ops->destroy(s, err);
}

int ms_store_open(struct ms_store *s, struct ms_error *err)
{
    int code = enter_closed(s, err);
    if (!code)
        code = s->ops->open(s, err);
    if (!code)
        s->state = OPEN;
    return code;
}

int ms_store_close(struct ms_store *s, struct ms_error *err)
{
    if (s->state != OPEN)
        return ms_error_set(err, MS_ERR_MUST_BE_OPEN, "the store %s is not open", s->url);
    s->state = CLOSED;
    return s->ops->close(s, err);
}

void ms_store_free(struct ms_store *s)
{
    if (!s)
        return;
    struct ms_error err = {0};
    if (s->state == OPEN && ms_store_close(s, &err))
        ms_log(MS_LOG_WARN, "closing the store %s: %s", s->url, err.text);
    s->ops->free(s);
}

const char *ms_store_url(const struct ms_store *s)
{
    return s->url;
}

int ms_store_set_namespaces(struct ms_store *s, const struct ms_namespace *namespaces, size_t count,
                            struct ms_error *err)
{
    return s->ops->set_namespaces(s, namespaces, count, err);
}

/* ---- one value ---- */

int ms_store_load(struct ms_store *s, struct ms_view key, const struct ms_load_options *options,
                  struct ms_buf **out, struct ms_error *err)
{
    struct ms_load_options o = ms_load_options(options);
    int code = enter(s, err);
    struct ms_item_ref item = {.key = key, .deleted = o.deleted};
    return code ? code : s->ops->load(s, item, o.offset, o.size, out, err);
}

int ms_store_store(struct ms_store *s, struct ms_view key, struct ms_buf *value,
                   const struct ms_store_value_options *options, struct ms_tag *tag,
                   struct ms_error *err)
{
    struct ms_store_value_options o = ms_store_value_options(options);
    int code = enter(s, err);
    struct ms_item_ref item = {.key = key, .deleted = o.deleted};
    struct ms_tag ignored;
    return code ? code : s->ops->store(s, item, value, &o.precondition, tag ? tag : &ignored, err);
}

int ms_store_info(struct ms_store *s, struct ms_view key, bool deleted, struct ms_item_info *out,
                  struct ms_error *err)
{
    int code = enter(s, err);
    struct ms_item_ref item = {.key = key, .deleted = deleted};
    return code ? code : s->ops->info(s, item, out, err);
}

int ms_store_delete(struct ms_store *s, struct ms_view key, bool deleted, struct ms_error *err)
{
    int code = enter(s, err);
    struct ms_item_ref item = {.key = key, .deleted = deleted};
    return code ? code : s->ops->remove(s, item, err);
}

int ms_store_move(struct ms_store *s, enum ms_move how, struct ms_view key, struct ms_view new_key,
                  bool deleted, struct ms_error *err)
{
    static const struct ms_precondition always = {.kind = MS_ALWAYS};
    int code = enter(s, err);
    if (code)
        return code;
    if (how == MS_MOVE_RENAME && new_key.size == 0)
        return ms_error_set(err, MS_ERR_INVALID, "a rename needs a new key");
    if (how == MS_MOVE_SOFT_DELETE || how == MS_MOVE_UNDELETE)
        deleted = how == MS_MOVE_UNDELETE;
    return s->ops->move(s, how, key, new_key, deleted, &always, err);
}

int ms_store_hash(struct ms_store *s, struct ms_view key, const char *algorithm, bool deleted,
                  char *hex, size_t hex_size, struct ms_error *err)
{
    int code = enter(s, err);
    struct ms_item_ref item = {.key = key, .deleted = deleted};
    return code ? code : s->ops->hash(s, item, algorithm, hex, hex_size, err);
}

int ms_store_defrag(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                    size_t count, struct ms_view target, const char *algorithm, char *key,
                    size_t key_size, struct ms_error *err)
{
    int code = enter(s, err);
    if (code)
        return code;
    if (target.size == 0 && !algorithm)
        return ms_error_set(err, MS_ERR_INVALID, "defrag needs a target or a hash algorithm");
    return s->ops->defrag(s, ns, parts, count, target, algorithm, key, key_size, err);
}

/* ---- large values ---- */

int ms_store_write(struct ms_store *s, struct ms_view key, uint64_t size_hint,
                   const struct ms_store_value_options *options, struct ms_store_writer **out,
                   struct ms_error *err)
{
    struct ms_store_value_options o = ms_store_value_options(options);
    int code = enter(s, err);
    struct ms_item_ref item = {.key = key, .deleted = o.deleted};
    return code ? code : s->ops->write(s, item, size_hint, &o.precondition, out, err);
}

int ms_store_writer_append(struct ms_store_writer *w, struct ms_view bytes, struct ms_error *err)
{
    return w->ops->append(w, bytes, err);
}

int ms_store_writer_commit(struct ms_store_writer *w, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_tag ignored;
    return w->ops->commit(w, tag ? tag : &ignored, err);
}

void ms_store_writer_abort(struct ms_store_writer *w)
{
    if (w)
        w->ops->abort(w);
}

int ms_store_read(struct ms_store *s, struct ms_view key, bool deleted,
                  struct ms_store_reader **out, struct ms_error *err)
{
    int code = enter(s, err);
    struct ms_item_ref item = {.key = key, .deleted = deleted};
    return code ? code : s->ops->read(s, item, out, err);
}

const struct ms_item_info *ms_store_reader_info(const struct ms_store_reader *r)
{
    return &r->info;
}

int ms_store_reader_read(struct ms_store_reader *r, uint64_t offset, uint8_t *into, size_t size,
                         size_t *got, struct ms_error *err)
{
    return r->ops->read(r, offset, into, size, got, err);
}

void ms_store_reader_close(struct ms_store_reader *r)
{
    if (r)
        r->ops->close(r);
}

/* ---- listing ---- */

int ms_store_list(struct ms_store *s, const char *ns, const struct ms_list_options *options,
                  struct ms_store_lister **out, struct ms_error *err)
{
    struct ms_list_options o = ms_list_options(options);
    int code = enter(s, err);
    return code ? code : s->ops->list(s, ns ? ns : "", &o, out, err);
}

int ms_store_lister_next(struct ms_store_lister *l, const struct ms_item **out,
                         struct ms_error *err)
{
    return l->ops->next(l, out, err);
}

uint64_t ms_store_lister_skipped(const struct ms_store_lister *l)
{
    return l->skipped;
}

void ms_store_lister_close(struct ms_store_lister *l)
{
    if (l)
        l->ops->close(l);
}

/* ---- the store as a whole ---- */

int ms_store_quota(struct ms_store *s, struct ms_quota *out, struct ms_error *err)
{
    int code = enter(s, err);
    return code ? code : s->ops->quota(s, out, err);
}

int ms_store_usage(struct ms_store *s, uint64_t *total_bytes, uint64_t *free_bytes,
                   struct ms_error *err)
{
    int code = enter(s, err);
    return code ? code : s->ops->usage(s, total_bytes, free_bytes, err);
}

void ms_store_capabilities(struct ms_store *s, struct ms_capabilities *out)
{
    s->ops->capabilities(s, out);
}

int ms_store_sweep(struct ms_store *s, uint64_t age_ns, uint64_t *removed, struct ms_error *err)
{
    int code = enter(s, err);
    return code ? code : s->ops->sweep(s, age_ns, removed, err);
}

int ms_store_cache_invalidate(struct ms_store *s, enum ms_invalidate what, struct ms_view name,
                              struct ms_error *err)
{
    int code = enter(s, err);
    return code ? code : s->ops->cache_invalidate(s, what, name, err);
}
