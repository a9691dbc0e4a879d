/* The slots of "memory:" that give handles: writer, reader, lister, batch.
 *
 * A reader holds a reference to the value's bytes and never looks at the store again. A lister
 * fetches some entries at a time and goes on behind the last name, whatever happened meanwhile. */
#include "backends/memory/memory.h"

#include "backends/collect.h"
#include "backends/name.h"
#include "base/cleanup.h"
#include "base/text.h"

/* ---- writer ---- */

struct memory_writer {
    struct ms_writer base;
    struct ms_precondition pre;
    struct ms_collect bytes;
    struct ms_view name; /* behind the struct */
};

static int writer_append(struct ms_writer *w, struct ms_view bytes, struct ms_error *err)
{
    struct memory_writer *writer = (struct memory_writer *)w;
    struct ms_memory *m = ms_memory_of(w->backend);
    if (bytes.size > m->capacity_bytes - writer->bytes.size)
        return ms_error_set(err, MS_ERR_NO_SPACE, "%s: no space for %s", m->base.url,
                            MS_SHOW(writer->name));
    return ms_collect_add(&writer->bytes, bytes, err);
}

static void writer_abort(struct ms_writer *w)
{
    struct memory_writer *writer = (struct memory_writer *)w;
    ms_collect_fini(&writer->bytes);
    free(writer);
}

static int writer_commit(struct ms_writer *w, struct ms_tag *tag, struct ms_error *err)
{
    struct memory_writer *writer = (struct memory_writer *)w;
    struct ms_memory *m = ms_memory_of(w->backend);
    MS_AUTO_BUF struct ms_buf *value = ms_collect_take(&writer->bytes);
    int code = value ? ms_memory_put(m, writer->name, value, &writer->pre, tag, err)
                     : ms_memory_no_memory(m, writer->name, err);
    if (code == 0)
        ms_backend_count_moved(&m->base, 0, ms_buf_size(value));
    writer_abort(w);
    return code;
}

int ms_memory_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                    const struct ms_precondition *pre, struct ms_writer **out, struct ms_error *err)
{
    static const struct ms_writer_ops ops = {writer_append, writer_commit, writer_abort};
    (void)size_hint;
    struct memory_writer *writer = malloc(sizeof *writer + name.size);
    if (!writer)
        return ms_memory_no_memory(ms_memory_of(b), name, err);
    *writer = (struct memory_writer){.base = {.ops = &ops, .backend = b}, .pre = *pre};
    memcpy(writer + 1, name.data, name.size);
    writer->name = ms_view(writer + 1, name.size);
    *out = &writer->base;
    return 0;
}

/* ---- reader ---- */

struct memory_reader {
    struct ms_reader base;
    struct ms_buf *value;
};

static int reader_read(struct ms_reader *r, uint64_t offset, uint8_t *into, size_t size,
                       struct ms_error *err)
{
    (void)err;
    struct memory_reader *reader = (struct memory_reader *)r;
    memcpy(into, ms_buf_view(reader->value).data + offset, size);
    ms_backend_count_moved(r->backend, size, 0);
    return 0;
}

static void reader_close(struct ms_reader *r)
{
    struct memory_reader *reader = (struct memory_reader *)r;
    ms_buf_unref(reader->value);
    free(reader);
}

int ms_memory_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                   struct ms_error *err)
{
    static const struct ms_reader_ops ops = {.read = reader_read, .close = reader_close};
    MS_AUTO_FREE struct memory_reader *reader = malloc(sizeof *reader);
    if (!reader)
        return ms_memory_no_memory(ms_memory_of(b), name, err);
    *reader = (struct memory_reader){.base = {.ops = &ops, .backend = b}};
    int code = ms_memory_get(ms_memory_of(b), name, &reader->value, &reader->base.info, err);
    if (code == 0)
        *out = &MS_TAKE(reader)->base;
    return code;
}

/* ---- lister ---- */

#define FETCH_ENTRIES 64

struct fetched {
    size_t name_at, name_size;
    struct ms_info info;
};
struct memory_lister {
    struct ms_lister base;
    struct fetched entries[FETCH_ENTRIES];
    size_t count, at;
    bool names_only;
    struct ms_entry current;
    struct ms_collect names; /* of the entries; first comes the name to go on behind */
    size_t last_at, last_size;
    struct ms_view directory; /* behind the struct */
};

static int keep_entry_locked(struct memory_lister *l, const struct ms_memory_node *node,
                             struct ms_error *err)
{
    struct fetched *f = &l->entries[l->count];
    f->name_at = l->names.size;
    f->name_size = node->name_size;
    int code = ms_collect_add(&l->names, ms_memory_node_name(node), err);
    if (code)
        return code;
    f->info = (struct ms_info){.exists = true, .directory = !node->value};
    if (!l->names_only)
        ms_memory_info_locked(node, &f->info);
    l->count++;
    return 0;
}

/* Keeps the entries of a tree that come behind the last name, until there are enough. */
static int gather_locked(struct memory_lister *l, const struct ms_memory_node *node,
                         struct ms_error *err)
{
    int code = 0;
    while (node && code == 0 && l->count < FETCH_ENTRIES) {
        struct ms_view name = ms_memory_node_name(node);
        if (ms_compare(name, ms_view(l->names.bytes, l->last_size)) > 0) {
            code = gather_locked(l, node->left, err);
            if (code == 0 && l->count < FETCH_ENTRIES && !ms_name_hidden(name))
                code = keep_entry_locked(l, node, err);
        }
        node = node->right;
    }
    return code;
}

/* Entries behind the last name; none are left when count stays 0. */
static int fetch(struct memory_lister *l, struct ms_error *err)
{
    struct ms_memory_store *s = ms_memory_of(l->base.backend)->store;
    if (l->last_size)
        memmove(l->names.bytes, l->names.bytes + l->last_at, l->last_size);
    l->names.size = l->last_size;
    l->last_at = l->count = l->at = 0;
    MS_HOLD(&s->mutex);
    struct ms_memory_node **entries = ms_memory_directory_locked(s, l->directory);
    return entries ? gather_locked(l, *entries, err) : 0; /* NULL: removed meanwhile */
}

static int lister_next(struct ms_lister *base, const struct ms_entry **out, struct ms_error *err)
{
    struct memory_lister *l = (struct memory_lister *)base;
    if (l->at == l->count) {
        int code = fetch(l, err);
        if (code)
            return code;
    }
    if (l->at == l->count) {
        *out = NULL;
        return 0;
    }
    const struct fetched *f = &l->entries[l->at++];
    l->last_at = f->name_at;
    l->last_size = f->name_size;
    l->current.name = ms_view(l->names.bytes + f->name_at, f->name_size);
    l->current.info = f->info;
    *out = &l->current;
    return 0;
}

static void lister_close(struct ms_lister *base)
{
    struct memory_lister *l = (struct memory_lister *)base;
    ms_collect_fini(&l->names);
    free(l);
}

static int find_directory(struct ms_memory *m, struct ms_view name, struct ms_error *err)
{
    MS_HOLD(&m->store->mutex);
    if (ms_memory_directory_locked(m->store, name))
        return 0;
    return ms_memory_not_found(m, name, err);
}

int ms_memory_list(struct ms_backend *b, struct ms_view name, const struct ms_list_request *request,
                   struct ms_lister **out, struct ms_error *err)
{
    static const struct ms_lister_ops ops = {lister_next, lister_close};
    struct ms_memory *m = ms_memory_of(b);
    int code = find_directory(m, name, err);
    if (code)
        return code;
    MS_AUTO_FREE struct memory_lister *l = calloc(1, sizeof *l + name.size);
    if (!l)
        return ms_memory_no_memory(m, name, err);
    l->base = (struct ms_lister){.ops = &ops, .backend = b};
    l->names_only = request->names_only;
    if (name.size)
        memcpy(l + 1, name.data, name.size);
    l->directory = ms_view(l + 1, name.size);
    code = ms_collect_add(&l->names, request->start_after, err);
    if (code)
        return code;
    l->last_size = request->start_after.size;
    *out = &MS_TAKE(l)->base;
    return 0;
}

/* ---- batch ---- */

struct batched {
    struct batched *next;
    struct ms_buf *value;
    struct ms_precondition pre;
    size_t name_size;
    uint8_t name[];
};
struct memory_batch {
    struct ms_batch base;
    struct ms_mutex mutex;
    struct {
        struct batched *first, **last; /* in the order of the stores */
    } locked;
};

/* A precondition that fails already, so that the store that asked for it hears of it. */
static int judge_now(struct ms_memory *m, struct ms_view name, const struct ms_precondition *pre,
                     struct ms_error *err)
{
    MS_HOLD(&m->store->mutex);
    return ms_memory_judge_locked(m, name, ms_memory_lookup_locked(m->store, name), pre, err);
}

static int batch_store(struct ms_batch *b, struct ms_view name, struct ms_buf *value,
                       const struct ms_precondition *pre, struct ms_error *err)
{
    struct memory_batch *batch = (struct memory_batch *)b;
    struct ms_memory *m = ms_memory_of(b->backend);
    int code = judge_now(m, name, pre, err);
    if (code)
        return code;
    struct batched *one = malloc(sizeof *one + name.size);
    struct ms_buf *kept = one ? ms_buf_ref(value) : NULL;
    if (!kept) {
        free(one);
        return ms_memory_no_memory(m, name, err);
    }
    *one = (struct batched){.value = kept, .pre = *pre, .name_size = name.size};
    memcpy(one->name, name.data, name.size);
    MS_HOLD(&batch->mutex);
    *batch->locked.last = one;
    batch->locked.last = &one->next;
    return 0;
}

static void batch_abort(struct ms_batch *b)
{
    struct memory_batch *batch = (struct memory_batch *)b;
    for (struct batched *one = batch->locked.first; one;) {
        struct batched *next = one->next;
        ms_buf_unref(one->value);
        free(one);
        one = next;
    }
    ms_mutex_fini(&batch->mutex);
    free(batch);
}

/* All stores in one step; those whose precondition fails are left out, the first of them is told.
 */
static int batch_commit(struct ms_batch *b, struct ms_error *err)
{
    struct memory_batch *batch = (struct memory_batch *)b;
    struct ms_memory *m = ms_memory_of(b->backend);
    int first = 0;
    uint64_t bytes = 0;
    ms_mutex_lock(&m->store->mutex);
    for (struct batched *one = batch->locked.first; one; one = one->next) {
        struct ms_tag tag;
        uint64_t size = ms_buf_size(one->value);
        int code = ms_memory_put_locked(m, ms_view(one->name, one->name_size), one->value,
                                        &one->pre, &tag, first ? NULL : err);
        if (code == 0) {
            one->value = NULL;
            bytes += size;
        } else if (first == 0) {
            first = code;
        }
    }
    ms_mutex_unlock(&m->store->mutex);
    ms_backend_count_moved(&m->base, 0, bytes);
    batch_abort(b);
    return first;
}

int ms_memory_batch(struct ms_backend *b, struct ms_batch **out, struct ms_error *err)
{
    static const struct ms_batch_ops ops = {batch_store, batch_commit, batch_abort};
    struct memory_batch *batch = malloc(sizeof *batch);
    if (!batch)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a batch", b->url);
    *batch = (struct memory_batch){.base = {.ops = &ops, .backend = b}};
    ms_mutex_init(&batch->mutex);
    batch->locked.last = &batch->locked.first;
    *out = &batch->base;
    return 0;
}
