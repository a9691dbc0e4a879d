/* tests/unit/fake_store.h - a Store in memory that counts, fails on demand and lets others in.
 *
 * What a filter's test puts behind it: every call is counted by verb, may be made to fail before or
 * after its effect, and in a simulation takes its time before and after the effect.
 * The effect itself is atomic. Include it in one test program.
 */
#ifndef TESTS_UNIT_FAKE_STORE_H
#define TESTS_UNIT_FAKE_STORE_H

#include "store/keymap.h"
#include "store/store.h"

#include "base/cleanup.h"
#include "base/sim.h"
#include "base/sync.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

#define FAKE_ITEMS 64

struct fake_item {
    char key[64];
    bool deleted, internal;
    struct ms_buf *value; /* NULL: not there */
    int64_t atime_ns;
    unsigned version;
};
struct fake {
    struct ms_store store;
    struct ms_mutex mutex;
    struct fake_item items[FAKE_ITEMS];
    unsigned calls[MS_VERB_COUNT], creates, destroys, opens, closes;
    unsigned caps; /* MS_CAP_… */
    int fail_code; /* 0: no failures */
    int fail_verb; /* MS_VERB_COUNT: all */
    bool fail_after;
    int open_code;
    bool exists, is_open, freed;
    unsigned versions;
    struct ms_random random; /* of the time that calls take in a simulation */
};

static inline struct fake *fake_of(struct ms_store *s)
{
    return (struct fake *)s;
}

static inline struct fake_item *fake_find(struct fake *f, struct ms_item_ref item)
{
    for (size_t i = 0; i < FAKE_ITEMS; i++) {
        struct fake_item *it = &f->items[i];
        if (it->value && it->deleted == item.deleted && it->internal == item.internal &&
            ms_equal(ms_str(it->key), item.key))
            return it;
    }
    return NULL;
}

static inline int fake_fail(struct fake *f, int verb, bool after, struct ms_error *err)
{
    if (ms_sim_active()) { /* some calls are much slower than others, so that they overtake */
        uint64_t delay = 1ull << ms_random_below(&f->random, 12);
        (void)!ms_sleep(f->store.clock, delay, NULL);
    }
    MS_HOLD(&f->mutex);
    if (!after)
        f->calls[verb]++;
    if (!f->fail_code || f->fail_after != after ||
        (f->fail_verb != verb && f->fail_verb != MS_VERB_COUNT))
        return 0;
    return ms_error_set(err, f->fail_code, "the fake fails");
}

static inline int fake_not_found(struct ms_item_ref item, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NOT_FOUND, "%s is not there", MS_SHOW(item.key));
}

static inline int fake_create(struct ms_store *s, struct ms_error *err)
{
    struct fake *f = fake_of(s);
    f->creates++;
    if (f->exists)
        return ms_error_set(err, MS_ERR_STORE_EXISTS, "there is one");
    f->exists = true;
    return 0;
}

static inline int fake_destroy(struct ms_store *s, struct ms_error *err)
{
    struct fake *f = fake_of(s);
    f->destroys++;
    if (!f->exists)
        return ms_error_set(err, MS_ERR_NO_STORE, "there is none");
    f->exists = false;
    return 0;
}

static inline int fake_open(struct ms_store *s, struct ms_error *err)
{
    struct fake *f = fake_of(s);
    f->opens++;
    if (f->open_code)
        return ms_error_set(err, f->open_code, "the fake does not open");
    if (!f->exists)
        return ms_error_set(err, MS_ERR_NO_STORE, "there is none");
    f->is_open = true;
    return 0;
}

static inline int fake_close(struct ms_store *s, struct ms_error *err)
{
    (void)err;
    fake_of(s)->closes++;
    fake_of(s)->is_open = false;
    return 0;
}

static inline void fake_free(struct ms_store *s)
{
    fake_of(s)->freed = true;
}

static inline int fake_set_namespaces(struct ms_store *s, const struct ms_namespace *ns,
                                      size_t count, struct ms_error *err)
{
    (void)s, (void)ns, (void)count, (void)err;
    return 0;
}

/* The bytes of a value that load(offset, size) means. */
static inline struct ms_buf *fake_range(struct ms_buf *value, int64_t offset, uint64_t size)
{
    int64_t total = (int64_t)ms_buf_size(value);
    int64_t from = offset < 0 ? total + offset : offset;
    from = from < 0 ? 0 : from > total ? total : from;
    uint64_t rest = (uint64_t)(total - from);
    return ms_buf_copy(
        ms_view(ms_buf_view(value).data + from, (size_t)(size < rest ? size : rest)));
}

static inline int fake_load(struct ms_store *s, struct ms_item_ref item, int64_t offset,
                            uint64_t size, struct ms_buf **out, struct ms_error *err)
{
    struct fake *f = fake_of(s);
    struct ms_buf *found = NULL;
    int code = fake_fail(f, MS_VERB_LOAD, false, err);
    if (code)
        return code;
    {
        MS_HOLD(&f->mutex);
        struct fake_item *it = fake_find(f, item);
        if (it) {
            found = fake_range(it->value, offset, size);
            it->atime_ns = ms_clock_wall(s->clock);
        }
    }
    code = fake_fail(f, MS_VERB_LOAD, true, err);
    if (!code && !found)
        code = fake_not_found(item, err);
    if (code)
        ms_buf_unref(found);
    else
        *out = found;
    return code;
}

static inline int fake_info(struct ms_store *s, struct ms_item_ref item, struct ms_item_info *out,
                            struct ms_error *err)
{
    struct fake *f = fake_of(s);
    struct ms_item_info info = {0};
    int code = fake_fail(f, MS_VERB_INFO, false, err);
    if (code)
        return code;
    {
        MS_HOLD(&f->mutex);
        struct fake_item *it = fake_find(f, item);
        if (it) {
            info = (struct ms_item_info){
                .exists = true, .size_bytes = ms_buf_size(it->value), .atime_ns = it->atime_ns};
            snprintf(info.tag.text, sizeof(info.tag.text), "v%u", it->version);
        }
    }
    code = fake_fail(f, MS_VERB_INFO, true, err);
    if (!code)
        *out = info;
    return code;
}

static inline int fake_put_locked(struct fake *f, struct ms_item_ref item, struct ms_buf *copy,
                                  const struct ms_precondition *pre, struct ms_error *err)
{
    struct fake_item *it = fake_find(f, item);
    char tag[MS_TAG_SIZE] = "";
    if (it)
        snprintf(tag, sizeof(tag), "v%u", it->version);
    int code = 0;
    if (pre->kind == MS_IF_ABSENT && it)
        code = ms_error_set(err, MS_ERR_EXISTS, "%s is there", MS_SHOW(item.key));
    if (pre->kind == MS_IF_TAG && strcmp(tag, pre->tag.text) != 0)
        code = ms_error_set(err, MS_ERR_CONFLICT, "%s was changed", MS_SHOW(item.key));
    for (size_t i = 0; !it && i < FAKE_ITEMS; i++)
        if (!f->items[i].value)
            it = &f->items[i];
    if (code || !it || item.key.size >= sizeof(it->key)) {
        ms_buf_unref(copy);
        return code ? code : ms_error_set(err, MS_ERR_NO_SPACE, "the fake is full");
    }
    ms_buf_unref(it->value);
    *it = (struct fake_item){.deleted = item.deleted,
                             .internal = item.internal,
                             .value = copy,
                             .version = ++f->versions,
                             .atime_ns = ms_clock_wall(f->store.clock)};
    memcpy(it->key, item.key.data, item.key.size);
    return 0;
}

static inline int fake_put(struct fake *f, struct ms_item_ref item, struct ms_buf *copy,
                           const struct ms_precondition *pre, struct ms_error *err)
{
    MS_HOLD(&f->mutex);
    return fake_put_locked(f, item, copy, pre, err);
}

static inline int fake_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                             const struct ms_precondition *pre, struct ms_tag *tag,
                             struct ms_error *err)
{
    struct fake *f = fake_of(s);
    int code = fake_fail(f, MS_VERB_STORE, false, err);
    if (!code)
        code = fake_put(f, item, ms_buf_copy(ms_buf_view(value)), pre, err);
    *tag = (struct ms_tag){0};
    return code ? code : fake_fail(f, MS_VERB_STORE, true, err);
}

static inline int fake_delete(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    struct fake *f = fake_of(s);
    int code = fake_fail(f, MS_VERB_DELETE, false, err);
    if (code)
        return code;
    {
        MS_HOLD(&f->mutex);
        struct fake_item *it = fake_find(f, item);
        if (!it)
            code = fake_not_found(item, err);
        else
            ms_buf_unref(MS_TAKE(it->value));
    }
    return code ? code : fake_fail(f, MS_VERB_DELETE, true, err);
}

static inline int fake_move(struct ms_store *s, enum ms_move how, struct ms_view key,
                            struct ms_view new_key, bool deleted, const struct ms_precondition *pre,
                            struct ms_error *err)
{
    struct fake *f = fake_of(s);
    struct ms_item_ref from = {.key = key, .deleted = deleted || how == MS_MOVE_UNDELETE};
    struct ms_item_ref to = {.key = how == MS_MOVE_RENAME ? new_key : key, .deleted = deleted};
    if (how == MS_MOVE_SOFT_DELETE)
        to.deleted = true;
    int code = fake_fail(f, MS_VERB_MOVE, false, err);
    if (code)
        return code;
    {
        MS_HOLD(&f->mutex);
        struct fake_item *source = fake_find(f, from), *target = fake_find(f, to);
        const struct ms_precondition always = {0};
        if (!source)
            code = fake_not_found(from, err);
        else if (target && target != source && pre->kind == MS_IF_ABSENT)
            code = ms_error_set(err, MS_ERR_EXISTS, "the target is there");
        else if (target != source)
            code = fake_put_locked(f, to, MS_TAKE(source->value), &always, err);
    }
    return code ? code : fake_fail(f, MS_VERB_MOVE, true, err);
}

/* A value in the making, or read. */
struct fake_stream {
    union {
        struct ms_store_writer writer;
        struct ms_store_reader reader;
    };
    struct fake *fake;
    struct fake_item item;
    struct ms_precondition pre;
    struct ms_buf *value;
};

static inline int fake_append(struct ms_store_writer *w, struct ms_view bytes, struct ms_error *err)
{
    struct fake_stream *stream = (struct fake_stream *)w;
    struct ms_view old = ms_buf_view(stream->value);
    struct ms_buf *more = ms_buf_new(old.size + bytes.size);
    (void)err;
    memcpy(ms_buf_data(more), old.data, old.size);
    memcpy(ms_buf_data(more) + old.size, bytes.data, bytes.size);
    ms_buf_unref(stream->value);
    stream->value = more;
    return 0;
}

static inline int fake_commit(struct ms_store_writer *w, struct ms_tag *tag, struct ms_error *err)
{
    struct fake_stream *stream = (struct fake_stream *)w;
    struct fake *f = stream->fake;
    struct ms_item_ref item = {.key = ms_str(stream->item.key), .deleted = stream->item.deleted};
    int code = fake_fail(f, MS_VERB_STORE, false, err);
    *tag = (struct ms_tag){0};
    if (!code)
        code = fake_put(f, item, stream->value, &stream->pre, err);
    else
        ms_buf_unref(stream->value);
    if (!code)
        code = fake_fail(f, MS_VERB_STORE, true, err);
    free(stream);
    return code;
}

static inline void fake_abort(struct ms_store_writer *w)
{
    struct fake_stream *stream = (struct fake_stream *)w;
    ms_buf_unref(stream->value);
    free(stream);
}

static inline struct fake_stream *fake_stream_new(struct ms_store *s, struct ms_item_ref item)
{
    struct fake_stream *stream = calloc(1, sizeof(*stream));
    stream->fake = fake_of(s);
    stream->item.deleted = item.deleted;
    memcpy(stream->item.key, item.key.data, item.key.size);
    return stream;
}

static inline int fake_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                             const struct ms_precondition *pre, struct ms_store_writer **out,
                             struct ms_error *err)
{
    static const struct ms_store_writer_ops ops = {fake_append, fake_commit, fake_abort};
    (void)size_hint, (void)err;
    struct fake_stream *stream = fake_stream_new(s, item);
    stream->writer.ops = &ops;
    stream->pre = *pre;
    stream->value = ms_buf_new(0);
    *out = &stream->writer;
    return 0;
}

static inline int fake_read_at(struct ms_store_reader *r, uint64_t offset, uint8_t *into,
                               size_t size, size_t *got, struct ms_error *err)
{
    struct fake_stream *stream = (struct fake_stream *)r;
    struct fake *f = stream->fake;
    if (f->fail_code && f->fail_verb == MS_VERB_OTHER) /* reading from a reader */
        return ms_error_set(err, f->fail_code, "the fake fails");
    struct ms_buf *part = fake_range(stream->value, (int64_t)offset, size);
    *got = ms_buf_size(part);
    memcpy(into, ms_buf_view(part).data, *got);
    ms_buf_unref(part);
    return 0;
}

static inline void fake_close_reader(struct ms_store_reader *r)
{
    struct fake_stream *stream = (struct fake_stream *)r;
    ms_buf_unref(stream->value);
    free(stream);
}

static inline int fake_read(struct ms_store *s, struct ms_item_ref item,
                            struct ms_store_reader **out, struct ms_error *err)
{
    static const struct ms_store_reader_ops ops = {fake_read_at, fake_close_reader};
    struct ms_buf *value = NULL;
    int code = fake_load(s, item, 0, MS_SIZE_TO_END, &value, err);
    if (code)
        return code;
    struct fake_stream *stream = fake_stream_new(s, item);
    stream->reader.ops = &ops;
    stream->reader.info = (struct ms_item_info){.exists = true, .size_bytes = ms_buf_size(value)};
    stream->value = value;
    *out = &stream->reader;
    return 0;
}

struct fake_lister {
    struct ms_store_lister base;
    struct fake *fake;
    size_t at, prefix;
    char ns[64];
    struct ms_item item;
};

static inline int fake_next(struct ms_store_lister *base, const struct ms_item **out,
                            struct ms_error *err)
{
    struct fake_lister *l = (struct fake_lister *)base;
    (void)err;
    *out = NULL;
    while (l->at < FAKE_ITEMS && !*out) {
        struct fake_item *it = &l->fake->items[l->at++];
        if (!it->value || it->internal || strncmp(it->key, l->ns, l->prefix) != 0)
            continue;
        l->item = (struct ms_item){.key = ms_str(it->key + l->prefix),
                                   .deleted = it->deleted,
                                   .info = {.exists = true,
                                            .size_bytes = ms_buf_size(it->value),
                                            .atime_ns = it->atime_ns}};
        *out = &l->item;
    }
    return 0;
}

static inline void fake_close_lister(struct ms_store_lister *l)
{
    free(l);
}

/* Unsorted: the filters must not care. */
static inline int fake_list(struct ms_store *s, const char *ns,
                            const struct ms_list_options *options, struct ms_store_lister **out,
                            struct ms_error *err)
{
    static const struct ms_store_lister_ops ops = {fake_next, fake_close_lister};
    (void)options;
    int code = fake_fail(fake_of(s), MS_VERB_LIST, false, err);
    if (code)
        return code;
    struct fake_lister *l = calloc(1, sizeof(*l));
    l->base.ops = &ops;
    l->fake = fake_of(s);
    if (*ns)
        l->prefix = (size_t)snprintf(l->ns, sizeof(l->ns), "%s/", ns);
    *out = &l->base;
    return 0;
}

static inline int fake_defrag(struct ms_store *s, const char *ns,
                              const struct ms_defrag_part *parts, size_t count,
                              struct ms_view target, const char *algorithm, char *key,
                              size_t key_size, struct ms_error *err)
{
    struct fake *f = fake_of(s);
    uint8_t bytes[4096];
    size_t size = 0;
    char name[64];
    int code = fake_fail(f, MS_VERB_DEFRAG, false, err);
    (void)algorithm;
    for (size_t i = 0; i < count && !code; i++) {
        struct ms_buf *part = NULL;
        snprintf(name, sizeof(name), "%s/%.*s", ns, (int)parts[i].key.size, parts[i].key.data);
        struct ms_item_ref item = {.key = ms_str(name)};
        code = fake_load(s, item, (int64_t)parts[i].offset, parts[i].size, &part, err);
        if (!code && ms_buf_size(part) < parts[i].size)
            code = ms_error_set(err, MS_ERR_RANGE, "a part is short");
        if (!code) {
            memcpy(bytes + size, ms_buf_view(part).data, ms_buf_size(part));
            size += ms_buf_size(part);
        }
        ms_buf_unref(part);
    }
    if (code)
        return code;
    snprintf(name, sizeof(name), "%s/%.*s", ns, (int)target.size, target.data);
    snprintf(key, key_size, "%.*s", (int)target.size, target.data);
    const struct ms_precondition always = {0};
    struct ms_item_ref item = {.key = ms_str(name)};
    return fake_put(f, item, ms_buf_copy(ms_view(bytes, size)), &always, err);
}

static inline void fake_capabilities(struct ms_store *s, struct ms_capabilities *out)
{
    *out = (struct ms_capabilities){.flags = fake_of(s)->caps};
}

static const struct ms_store_ops fake_ops = {
    .create = fake_create,
    .destroy = fake_destroy,
    .open = fake_open,
    .close = fake_close,
    .free = fake_free,
    .set_namespaces = fake_set_namespaces,
    .load = fake_load,
    .store = fake_store,
    .info = fake_info,
    .remove = fake_delete,
    .move = fake_move,
    .defrag = fake_defrag,
    .write = fake_write,
    .read = fake_read,
    .list = fake_list,
    .capabilities = fake_capabilities,
};

static inline void fake_init(struct fake *f, const char *url, struct ms_clock *clock, uint64_t seed)
{
    *f = (struct fake){.store = {.ops = &fake_ops, .clock = clock, .jobs = 4},
                       .caps = MS_CAP_IF_TAG | MS_CAP_IF_ABSENT,
                       .fail_verb = MS_VERB_COUNT};
    snprintf(f->store.url, sizeof(f->store.url), "%s", url);
    ms_mutex_init(&f->mutex);
    ms_random_seed(&f->random, seed);
}

static inline void fake_fini(struct fake *f)
{
    for (size_t i = 0; i < FAKE_ITEMS; i++)
        ms_buf_unref(f->items[i].value);
    ms_mutex_fini(&f->mutex);
}

/* Straight to the storage, uncounted. */
static inline void fake_set(struct fake *f, struct ms_item_ref item, const char *text)
{
    const struct ms_precondition always = {0};
    (void)fake_put(f, item, ms_buf_copy(ms_str(text)), &always, NULL);
}
static inline bool fake_has(struct fake *f, struct ms_item_ref item, const char *text)
{
    struct fake_item *it = fake_find(f, item);
    return text ? it && ms_equal(ms_buf_view(it->value), ms_str(text)) : !it;
}
static inline uint64_t fake_total(struct fake *f)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < FAKE_ITEMS; i++)
        if (f->items[i].value && !f->items[i].internal)
            sum += ms_buf_size(f->items[i].value);
    return sum;
}

#endif
