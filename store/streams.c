/* Writers, readers and defrag of the Store over one backend. One thread a writer; readers from any.
 */
#include "store/single.h"

#include "base/cleanup.h"
#include "base/entity.h"
#include "base/hash.h"
#include "base/text.h"

#include <stdio.h>

#define BLOCK_BYTES (1u << 20)

/* ---- writers ---- */

struct writer {
    struct ms_store_writer base;
    struct ms_single *store;
    struct ms_writer *inner;
    struct ms_place
        place; /* its configuration is held until the end; its key's views are not used */
    uint64_t spent, written;
};

static int writer_append(struct ms_store_writer *base, struct ms_view bytes, struct ms_error *err)
{
    struct writer *w = (struct writer *)base;
    uint64_t begin = ms_entity_begin(w->store->base.clock);
    int code = ms_writer_append(w->inner, bytes, err);
    w->spent += ms_entity_begin(w->store->base.clock) - begin;
    if (!code)
        w->written += bytes.size;
    return code;
}

static int writer_commit(struct ms_store_writer *base, struct ms_tag *tag, struct ms_error *err)
{
    struct writer *w = (struct writer *)base;
    w->place.begin = ms_entity_begin(w->store->base.clock) - w->spent;
    int code = ms_writer_commit(w->inner, tag, err);
    ms_place_fini(w->store, &w->place, MS_VERB_STORE, code, code ? 0 : w->written);
    free(w);
    return code;
}

static void writer_abort(struct ms_store_writer *base)
{
    struct writer *w = (struct writer *)base;
    ms_writer_abort(w->inner);
    ms_namespaces_unref(w->place.namespaces);
    free(w);
}

int ms_single_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                    const struct ms_precondition *pre, struct ms_store_writer **out,
                    struct ms_error *err)
{
    static const struct ms_store_writer_ops ops = {writer_append, writer_commit, writer_abort};
    struct writer *w = calloc(1, sizeof *w);
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to write %s", MS_SHOW(item.key));
    w->base.ops = &ops;
    w->store = ms_single_self(s);
    int code = ms_place_init(w->store, item, &w->place, err);
    if (code) {
        free(w);
        return code;
    }
    size_t index;
    bool exists;
    code = ms_place_find(w->store, &w->place, false, &index, &exists, err);
    if (!code && exists && pre->kind == MS_IF_ABSENT)
        code = ms_error_set(err, MS_ERR_EXISTS, "%s exists already", MS_SHOW(item.key));
    if (!code) {
        struct ms_name name;
        ms_place_name(&w->place, index, &name);
        code = ms_backend_write(w->store->backend, ms_name_view(&name), size_hint, pre, &w->inner,
                                err);
    }
    if (code) {
        ms_place_fini(w->store, &w->place, MS_VERB_STORE, code, 0);
        free(w);
        return code;
    }
    w->spent = ms_entity_begin(s->clock) - w->place.begin;
    *out = &w->base;
    return 0;
}

/* ---- readers ---- */

struct reader {
    struct ms_store_reader base;
    struct ms_single *store;
    struct ms_reader *inner;
    struct ms_place place;
    uint64_t spent, read; /* atomic: several threads may read */
    int failed;
};

static int reader_read(struct ms_store_reader *base, uint64_t offset, uint8_t *into, size_t size,
                       size_t *got, struct ms_error *err)
{
    struct reader *r = (struct reader *)base;
    uint64_t begin = ms_entity_begin(r->store->base.clock);
    int code = ms_reader_read(r->inner, offset, into, size, got, err);
    __atomic_fetch_add(&r->spent, ms_entity_begin(r->store->base.clock) - begin, __ATOMIC_RELAXED);
    if (code)
        __atomic_store_n(&r->failed, code, __ATOMIC_RELAXED);
    else
        __atomic_fetch_add(&r->read, *got, __ATOMIC_RELAXED);
    return code;
}

static void reader_close(struct ms_store_reader *base)
{
    struct reader *r = (struct reader *)base;
    ms_reader_close(r->inner);
    r->place.begin = ms_entity_begin(r->store->base.clock) - r->spent;
    ms_place_fini(r->store, &r->place, MS_VERB_LOAD, r->failed, r->read);
    free(r);
}

static int open_levels(struct reader *r, struct ms_error *err)
{
    size_t levels = ms_place_levels(&r->place);
    for (int round = 0; round < (levels > 1 ? 2 : 1); round++)
        for (size_t i = 0; i < levels; i++) {
            struct ms_name name;
            ms_place_name(&r->place, i, &name);
            int code = ms_backend_read(r->store->backend, ms_name_view(&name), &r->inner, err);
            if (code != MS_ERR_NOT_FOUND)
                return code;
        }
    return ms_not_found(&r->place, err);
}

int ms_single_read(struct ms_store *s, struct ms_item_ref item, struct ms_store_reader **out,
                   struct ms_error *err)
{
    static const struct ms_store_reader_ops ops = {reader_read, reader_close};
    struct reader *r = calloc(1, sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to read %s", MS_SHOW(item.key));
    r->base.ops = &ops;
    r->store = ms_single_self(s);
    int code = ms_place_init(r->store, item, &r->place, err);
    if (code) {
        free(r);
        return code;
    }
    code = open_levels(r, err);
    if (code) {
        ms_place_fini(r->store, &r->place, MS_VERB_LOAD, code, 0);
        free(r);
        return code;
    }
    r->base.info = ms_item_info_of(ms_reader_info(r->inner));
    r->spent = ms_entity_begin(s->clock) - r->place.begin;
    *out = &r->base;
    return 0;
}

/* ---- defrag ---- */

struct defrag {
    struct ms_single *store;
    const char *ns;
    struct ms_part *parts;
    struct ms_name *names; /* what the parts' views lie in */
    size_t count;
};

/* "ns/key" */
static int join(const char *ns, struct ms_view key, char *out, size_t size, struct ms_error *err)
{
    int n = snprintf(out, size, "%s%s", ns, *ns ? "/" : "");
    if (n < 0 || (size_t)n + key.size >= size)
        return ms_error_set(err, MS_ERR_NAME, "the name \"%s\" is too long", MS_SHOW(key));
    memcpy(out + n, key.data, key.size);
    return n + (int)key.size;
}

static int find_part(struct defrag *d, size_t i, const struct ms_defrag_part *part,
                     struct ms_error *err)
{
    char whole[MS_NAME_MAX];
    int size = join(d->ns, part->key, whole, sizeof whole, err);
    if (size < 0)
        return size;
    struct ms_place place;
    struct ms_item_ref item = {.key = ms_view(whole, (size_t)size)};
    int code = ms_place_init(d->store, item, &place, err);
    if (code)
        return code;
    size_t index;
    bool exists;
    code = ms_place_find(d->store, &place, false, &index, &exists, err);
    if (!code) {
        ms_place_name(&place, index, &d->names[i]);
        d->parts[i] = (struct ms_part){ms_name_view(&d->names[i]), part->offset, part->size};
    }
    ms_namespaces_unref(place.namespaces);
    return code;
}

/* The digest of the parts one after the other. */
static int hash_part(struct defrag *d, const struct ms_part *part, struct ms_hash *hash,
                     struct ms_error *err)
{
    uint64_t at = part->offset, left = part->size;
    while (left) {
        size_t size = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
        MS_AUTO_BUF struct ms_buf *block = NULL;
        int code =
            ms_backend_load(d->store->backend, part->name, (int64_t)at, size, &block, NULL, err);
        if (code)
            return code;
        unsigned long long got = part->size - left + ms_buf_size(block);
        if (ms_buf_size(block) < size && part->size != MS_SIZE_TO_END)
            return ms_error_set(
                err, MS_ERR_RANGE,
                "Read range error from %s (requested %llu bytes at offset %llu, got %llu)",
                MS_SHOW(part->name), (unsigned long long)part->size,
                (unsigned long long)part->offset, got);
        code = ms_hash_update(hash, ms_buf_view(block), err);
        if (code || ms_buf_size(block) < size)
            return code;
        at += size;
        left -= size;
    }
    return 0;
}

static int name_by_hash(struct defrag *d, const char *algorithm, char *hex, size_t hex_size,
                        struct ms_error *err)
{
    struct ms_hash *hash;
    int code = ms_hash_new(algorithm, &hash, err);
    if (code)
        return code;
    for (size_t i = 0; !code && i < d->count; i++)
        code = hash_part(d, &d->parts[i], hash, err);
    if (!code)
        code = ms_hash_hex(hash, hex, hex_size, err);
    ms_hash_free(hash);
    return code;
}

static int compose(struct defrag *d, struct ms_view target, struct ms_error *err)
{
    char whole[MS_NAME_MAX];
    int size = join(d->ns, target, whole, sizeof whole, err);
    if (size < 0)
        return size;
    struct ms_place place;
    struct ms_item_ref item = {.key = ms_view(whole, (size_t)size)};
    int code = ms_place_init(d->store, item, &place, err);
    if (code)
        return code;
    size_t index;
    bool exists;
    code = ms_place_find(d->store, &place, false, &index, &exists, err);
    if (!code) {
        struct ms_name name;
        ms_place_name(&place, index, &name);
        code = ms_backend_compose(d->store->backend, d->parts, d->count, ms_name_view(&name), NULL,
                                  err);
    }
    return ms_place_fini(d->store, &place, MS_VERB_DEFRAG, code, 0);
}

int ms_single_defrag(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                     size_t count, struct ms_view target, const char *algorithm, char *key,
                     size_t key_size, struct ms_error *err)
{
    char hex[MS_HASH_HEX_MAX];
    struct defrag d = {.store = ms_single_self(s), .ns = ns, .count = count};
    MS_AUTO_FREE struct ms_part *inner = calloc(count + 1, sizeof *inner);
    MS_AUTO_FREE struct ms_name *names = calloc(count + 1, sizeof *names);
    if (!inner || !names)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to defrag %zu parts", count);
    d.parts = inner;
    d.names = names;
    int code = 0;
    for (size_t i = 0; !code && i < count; i++)
        code = find_part(&d, i, &parts[i], err);
    if (!code && target.size == 0) {
        code = name_by_hash(&d, algorithm, hex, sizeof hex, err);
        target = code ? target : ms_str(hex);
    }
    if (!code && target.size >= key_size)
        code = ms_error_set(err, MS_ERR_INVALID, "%zu bytes are too few for the target's key",
                            key_size);
    if (!code)
        code = compose(&d, target, err);
    if (code)
        return code;
    memcpy(key, target.data, target.size);
    key[target.size] = 0;
    return 0;
}
