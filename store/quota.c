/* store/quota.c - a filter that keeps a Store below a number of bytes.
 *
 * Live and deleted items count, each with its size. The numbers are in store/quota_book.h, the
 * stored count in store/quota_count.h; here every verb is: begin on its item, learn the size that
 * is there, reserve what it will grow by, do it, end. No lock is held across I/O. Any thread.
 */
#include "store/filter.h"
#include "store/quota_book.h"
#include "store/quota_count.h"
#include "store/untracked.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/text.h"

#include <stdlib.h>

#define HASH_BLOCK (1u << 20)

struct quota {
    struct ms_filter filter;
    struct ms_quota_book book;
};

static struct quota *self(struct ms_store *s)
{
    return (struct quota *)s;
}

/* ---- the steps of a verb ---- */

/* Whether a failed call may have had its effect all the same. */
static enum ms_quota_outcome outcome_of(int code)
{
    if (code == 0)
        return MS_QUOTA_DONE;
    bool clear = ms_code_class(code) == MS_CLASS_PERMANENT || code == MS_ERR_NOT_FOUND ||
                 code == MS_ERR_NO_STORE || code == MS_ERR_NO_SPACE || code == MS_ERR_ACCESS ||
                 code == MS_ERR_RANGE;
    if (code == MS_ERR_CANCELLED || code == MS_ERR_INTERNAL)
        clear = false;
    return clear ? MS_QUOTA_NOTHING : MS_QUOTA_UNCLEAR;
}

/* The size that the items of an operation have together now. */
static bool ask_sizes(struct quota *q, const struct ms_quota_op *op, uint64_t *size)
{
    struct ms_store *inner = q->filter.inner;
    struct ms_item_ref ref = {0};
    *size = 0;
    for (struct ms_quota_item *i = ms_quota_next(&q->book, op, NULL, &ref.key, &ref.deleted); i;
         i = ms_quota_next(&q->book, op, i, &ref.key, &ref.deleted)) {
        struct ms_item_info info;
        if (inner->ops->info(inner, ref, &info, NULL))
            return false;
        if (info.exists && !ms_add_size(*size, info.size_bytes, size))
            return false;
    }
    return true;
}

static void end(struct quota *q, struct ms_quota_op *op, int code, int64_t change)
{
    bool ask = ms_quota_end(&q->book, op, outcome_of(code), change);
    while (ask) {
        uint64_t size;
        bool known = ask_sizes(q, op, &size);
        ask = ms_quota_settle(&q->book, op, known, size);
    }
}

static void save(struct quota *q, bool now_or_never, int *code, struct ms_error *err)
{
    struct ms_store *s = &q->filter.store;
    int64_t change;
    uint64_t stored = 0;
    struct ms_error own = {0};
    if (!ms_quota_save_due(&q->book, ms_clock_now(s->clock), now_or_never, &change))
        return;
    int failed = ms_quota_count_add(q->filter.inner, change, &stored, &own);
    ms_quota_saved(&q->book, ms_clock_now(s->clock), failed == 0, change, stored);
    if (failed && code)
        *code = ms_error_set(err, failed, "%s", own.text);
    else if (failed)
        ms_log(MS_LOG_WARN, "%s: %s", s->url, own.text);
}

static int ask_base(struct quota *q, struct ms_quota_op *op, int which, struct ms_item_ref item,
                    struct ms_error *err)
{
    struct ms_store *inner = q->filter.inner;
    struct ms_item_info info;
    if (!op->ask[which])
        return 0;
    int code = inner->ops->info(inner, item, &info, err);
    if (!code)
        ms_quota_base(&q->book, op, which, info.exists ? info.size_bytes : 0);
    return code;
}

/* begin, and the size that is there when this operation is one to ask. */
static int begin(struct quota *q, struct ms_item_ref item, bool absent, struct ms_quota_op *op,
                 struct ms_error *err)
{
    int code = ms_quota_begin(&q->book, item.key, item.deleted, absent, op, err);
    if (code)
        return code;
    code = ask_base(q, op, 0, item, err);
    if (!code)
        ms_quota_touch(&q->book, op);
    else
        end(q, op, MS_ERR_INVALID, 0); /* nothing was done */
    return code;
}

static int reserve_size(struct quota *q, struct ms_quota_op *op, uint64_t size,
                        struct ms_error *err)
{
    return ms_quota_reserve(&q->book, op, size > op->base[0] ? size - op->base[0] : 0, err);
}

/* ---- life ---- */

static int quota_open(struct ms_store *s, struct ms_error *err)
{
    struct quota *q = self(s);
    uint64_t used = 0;
    int code = ms_filter_open(s, err);
    if (code)
        return code;
    code = ms_quota_count_open(q->filter.inner, &used, err);
    if (code) {
        (void)ms_filter_close(s, NULL); /* the first failure is the one to tell */
        return code;
    }
    MS_HOLD(&q->book.mutex);
    q->book.locked.committed = used;
    q->book.locked.reserved = 0;
    q->book.locked.unsaved = 0;
    q->book.locked.doubt = false;
    q->book.locked.saved_ns = ms_clock_now(s->clock);
    return 0;
}

static bool in_doubt(struct quota *q)
{
    MS_HOLD(&q->book.mutex);
    return q->book.locked.doubt;
}

static int quota_close(struct ms_store *s, struct ms_error *err)
{
    struct quota *q = self(s);
    int code = 0;
    if (in_doubt(q)) /* the next open counts */
        code = ms_quota_count_remove(q->filter.inner, err);
    else
        save(q, true, &code, err);
    if (code && ms_quota_count_remove(q->filter.inner, NULL)) /* old: better none */
        ms_log(MS_LOG_WARN, "%s: the count of its quota is out of date", s->url);
    int closed = ms_filter_close(s, code ? NULL : err);
    return code ? code : closed;
}

static void quota_free(struct ms_store *s)
{
    ms_quota_book_fini(&self(s)->book);
    ms_filter_free(s);
}

static int quota_quota(struct ms_store *s, struct ms_quota *out, struct ms_error *err)
{
    (void)err;
    struct quota *q = self(s);
    MS_HOLD(&q->book.mutex);
    uint64_t used = q->book.locked.committed;
    *out = (struct ms_quota){(int64_t)q->book.limit, used > INT64_MAX ? INT64_MAX : (int64_t)used};
    return 0;
}

/* ---- one value ---- */

static int quota_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                       const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct quota *q = self(s);
    if (item.internal)
        return ms_filter_store(s, item, value, pre, tag, err);
    struct ms_quota_op op;
    uint64_t size = ms_buf_size(value);
    int code = begin(q, item, pre->kind == MS_IF_ABSENT, &op, err);
    if (code)
        return code;
    code = reserve_size(q, &op, size, err);
    if (!code)
        code = ms_filter_store(s, item, value, pre, tag, err);
    end(q, &op, code, (int64_t)(size - op.base[0]));
    save(q, false, NULL, NULL);
    return code;
}

static int quota_delete(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    struct quota *q = self(s);
    if (item.internal)
        return ms_filter_delete(s, item, err);
    struct ms_quota_op op;
    int code = begin(q, item, false, &op, err);
    if (code)
        return code;
    code = ms_filter_delete(s, item, err);
    end(q, &op, code, -(int64_t)op.base[0]);
    save(q, false, NULL, NULL);
    return code;
}

/* From one item onto another: the target's old value goes. */
static int move_between(struct quota *q, enum ms_move how, struct ms_item_ref from,
                        struct ms_item_ref to, const struct ms_precondition *pre,
                        struct ms_error *err)
{
    struct ms_quota_op op;
    int code = ms_quota_begin(&q->book, from.key, from.deleted, false, &op, err);
    if (code)
        return code;
    code = ms_quota_also(&q->book, to.key, to.deleted, &op, err);
    if (!code)
        code = ask_base(q, &op, 0, from, err);
    if (!code)
        code = ask_base(q, &op, 1, to, err);
    if (!code)
        code = ms_quota_reserve(&q->book, &op, ms_quota_shared_base(&q->book, &op), err);
    if (code) {
        end(q, &op, MS_ERR_INVALID, 0); /* nothing was done */
        return code;
    }
    ms_quota_touch(&q->book, &op);
    code = ms_filter_move(&q->filter.store, how, from.key, to.key,
                          how == MS_MOVE_RENAME && from.deleted, pre, err);
    end(q, &op, code, -(int64_t)op.base[1]);
    save(q, false, NULL, NULL);
    return code;
}

static int quota_move(struct ms_store *s, enum ms_move how, struct ms_view key,
                      struct ms_view new_key, bool deleted, const struct ms_precondition *pre,
                      struct ms_error *err)
{
    struct ms_item_ref from = {.key = key, .deleted = deleted}, to = from;
    switch (how) {
    case MS_MOVE_SOFT_DELETE:
        from.deleted = false;
        to.deleted = true;
        break;
    case MS_MOVE_UNDELETE:
        from.deleted = true;
        to.deleted = false;
        break;
    case MS_MOVE_RENAME:
        to.key = new_key;
        break;
    case MS_MOVE_CHANGE_LEVEL:
        break;
    }
    if (from.deleted == to.deleted && ms_equal(from.key, to.key)) /* no size changes */
        return ms_filter_move(s, how, key, new_key, deleted, pre, err);
    return move_between(self(s), how, from, to, pre, err);
}

/* ---- defrag ---- */

/* The name that the content will get: known beforehand, so that what it replaces is, too. */
static int content_name(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                        size_t count, struct ms_hash *hash, struct ms_error *err)
{
    for (size_t i = 0; i < count; i++) {
        struct ms_item_ref item = {0};
        MS_AUTO_FREE char *name = ms_filter_join(ns, parts[i].key, &item.key.size);
        if (!name)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a name");
        item.key.data = (const uint8_t *)name;
        for (uint64_t done = 0; done < parts[i].size;) {
            uint64_t at, left = parts[i].size - done;
            uint64_t block = left < HASH_BLOCK ? left : HASH_BLOCK;
            MS_AUTO_BUF struct ms_buf *bytes = NULL;
            if (!ms_add_size(parts[i].offset, done, &at) || at > INT64_MAX)
                return MS_ERR_RANGE;
            int code = ms_filter_load(s, item, (int64_t)at, block, &bytes, err);
            if (!code && ms_buf_size(bytes) < block)
                code = MS_ERR_RANGE;
            if (!code)
                code = ms_hash_update(hash, ms_buf_view(bytes), err);
            if (code)
                return code;
            done += block;
        }
    }
    return 0;
}

static int defrag_into(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                       size_t count, struct ms_view target, const char *algorithm, char *key,
                       size_t key_size, struct ms_error *err)
{
    struct quota *q = self(s);
    struct ms_item_ref item = {0};
    struct ms_quota_op op;
    uint64_t size = 0;
    for (size_t i = 0; i < count; i++)
        if (!ms_add_size(size, parts[i].size, &size))
            return ms_error_set(err, MS_ERR_TOO_LARGE, "the parts are too large together");
    MS_AUTO_FREE char *name = ms_filter_join(ns, target, &item.key.size);
    if (!name)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a name");
    item.key.data = (const uint8_t *)name;
    int code = begin(q, item, false, &op, err);
    if (code)
        return code;
    code = reserve_size(q, &op, size, err);
    if (!code)
        code = ms_filter_defrag(s, ns, parts, count, target, algorithm, key, key_size, err);
    end(q, &op, code, (int64_t)(size - op.base[0]));
    save(q, false, NULL, NULL);
    return code;
}

static int quota_defrag(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                        size_t count, struct ms_view target, const char *algorithm, char *key,
                        size_t key_size, struct ms_error *err)
{
    if (target.size)
        return defrag_into(s, ns, parts, count, target, algorithm, key, key_size, err);
    struct ms_hash *hash;
    char hex[MS_HASH_HEX_MAX];
    int code = ms_hash_new(algorithm, &hash, err);
    if (code)
        return code;
    code = content_name(s, ns, parts, count, hash, err);
    if (!code)
        code = ms_hash_hex(hash, hex, sizeof(hex), err);
    ms_hash_free(hash);
    if (code == MS_ERR_RANGE) /* the Store below says so with its own sentence; it stores nothing */
        return ms_filter_defrag(s, ns, parts, count, target, algorithm, key, key_size, err);
    if (code)
        return code;
    return defrag_into(s, ns, parts, count, ms_str(hex), algorithm, key, key_size, err);
}

/* ---- streaming ---- */

struct quota_writer {
    struct ms_store_writer base;
    struct ms_store_writer *inner;
    struct quota *quota;
    struct ms_quota_op op;
    uint64_t written, covered; /* covered: bytes that base and reservation have room for */
    struct ms_item_ref item;
    uint8_t key[];
};

static int cover(struct quota_writer *w, uint64_t size, struct ms_error *err)
{
    if (size <= w->covered)
        return 0;
    int code = ms_quota_reserve(&w->quota->book, &w->op, size - w->covered, err);
    if (!code)
        w->covered = size;
    return code;
}

static int writer_append(struct ms_store_writer *base, struct ms_view bytes, struct ms_error *err)
{
    struct quota_writer *w = (struct quota_writer *)base;
    uint64_t size;
    if (!ms_add_size(w->written, bytes.size, &size))
        return ms_error_set(err, MS_ERR_TOO_LARGE, "%s is too large", MS_SHOW(w->item.key));
    int code = cover(w, size, err);
    if (!code)
        code = w->inner->ops->append(w->inner, bytes, err);
    if (!code)
        w->written = size;
    return code;
}

static int writer_commit(struct ms_store_writer *base, struct ms_tag *tag, struct ms_error *err)
{
    MS_AUTO_FREE struct quota_writer *w = (struct quota_writer *)base;
    int code = w->inner->ops->commit(w->inner, tag, err);
    end(w->quota, &w->op, code, (int64_t)(w->written - w->op.base[0]));
    save(w->quota, false, NULL, NULL);
    return code;
}

static void writer_abort(struct ms_store_writer *base)
{
    MS_AUTO_FREE struct quota_writer *w = (struct quota_writer *)base;
    w->inner->ops->abort(w->inner);
    end(w->quota, &w->op, MS_ERR_INVALID, 0);
}

static const struct ms_store_writer_ops writer_ops = {writer_append, writer_commit, writer_abort};

static int quota_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                       const struct ms_precondition *pre, struct ms_store_writer **out,
                       struct ms_error *err)
{
    if (item.internal)
        return ms_filter_write(s, item, size_hint, pre, out, err);
    struct quota_writer *w = malloc(sizeof(*w) + item.key.size);
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for writing %s", MS_SHOW(item.key));
    *w = (struct quota_writer){.base.ops = &writer_ops, .quota = self(s), .item = item};
    memcpy(w->key, item.key.data, item.key.size);
    w->item.key = ms_view(w->key, item.key.size);
    int code = begin(w->quota, w->item, pre->kind == MS_IF_ABSENT, &w->op, err);
    if (code) {
        free(w);
        return code;
    }
    w->covered = w->op.base[0];
    code = cover(w, size_hint, err);
    if (!code)
        code = ms_filter_write(s, item, size_hint, pre, &w->inner, err);
    if (code) {
        end(w->quota, &w->op, MS_ERR_INVALID, 0);
        free(w);
        return code;
    }
    *out = &w->base;
    return 0;
}

/* ---- many ---- */

struct many {
    struct quota *quota;
    struct ms_many *items;
    struct ms_quota_op *ops;
};

static struct ms_item_ref item_of(const struct ms_many *m)
{
    return (struct ms_item_ref){.key = m->key, .deleted = m->deleted};
}

static int begin_one(void *arg, size_t i)
{
    struct many *all = arg;
    struct ms_many *m = &all->items[i];
    struct ms_error err = {0};
    int code =
        begin(all->quota, item_of(m), m->precondition.kind == MS_IF_ABSENT, &all->ops[i], &err);
    if (!code) {
        code = reserve_size(all->quota, &all->ops[i], ms_buf_size(m->value), &err);
        if (code)
            end(all->quota, &all->ops[i], code, 0);
    }
    if (code)
        all->ops[i].items[0] = NULL;
    m->code = 0;
    ms_many_result(m, code, &err);
    return 0;
}

static int quota_store_many(struct ms_store *s, struct ms_many *items, size_t count, unsigned jobs,
                            struct ms_error *err)
{
    struct quota *q = self(s);
    MS_AUTO_FREE struct ms_quota_op *ops = calloc(count ? count : 1, sizeof(*ops));
    if (!ops)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for storing %zu items", count);
    for (size_t i = 0; i < count; i++) {
        items[i].code = MS_ERR_CANCELLED; /* of those that are not reached */
        items[i].error = NULL;
    }
    struct many all = {q, items, ops};
    int code = ms_parallel(count, jobs ? jobs : 1, begin_one, &all, err);
    int stored = ms_filter_store_rest(s, items, count, jobs, code ? NULL : err);
    for (size_t i = 0; i < count; i++)
        if (ops[i].items[0])
            end(q, &ops[i], items[i].code, (int64_t)(ms_buf_size(items[i].value) - ops[i].base[0]));
    save(q, false, NULL, NULL);
    return code ? code : stored;
}

/* ---- making one ---- */

static const struct ms_store_ops quota_ops = {
    .create = ms_filter_create,
    .destroy = ms_filter_destroy,
    .open = quota_open,
    .close = quota_close,
    .free = quota_free,
    .set_namespaces = ms_filter_set_namespaces,
    .load = ms_filter_load,
    .store = quota_store,
    .info = ms_filter_info,
    .remove = quota_delete,
    .move = quota_move,
    .hash = ms_filter_hash,
    .defrag = quota_defrag,
    .write = quota_write,
    .read = ms_filter_read,
    .list = ms_filter_list,
    .store_many = quota_store_many,
    .quota = quota_quota,
    .usage = ms_filter_usage,
    .capabilities = ms_filter_capabilities,
    .sweep = ms_filter_sweep,
    .cache_invalidate = ms_filter_cache_invalidate,
};

int ms_quota_wrap(struct ms_store *inner, uint64_t quota_bytes, struct ms_store **out,
                  struct ms_error *err)
{
    if (quota_bytes > INT64_MAX)
        return ms_error_set(err, MS_ERR_CONFIG, "a quota of %llu bytes is too large",
                            (unsigned long long)quota_bytes);
    if (quota_bytes == 0)
        return ms_untracked_wrap(inner, out, err);
    struct quota *q = calloc(1, sizeof(*q));
    if (!q)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the quota");
    ms_filter_init(&q->filter, &quota_ops, inner);
    ms_quota_book_init(&q->book, quota_bytes);
    *out = &q->filter.store;
    return 0;
}
