/* mstore/defrag.c - a new value from parts of others, over the store's own verbs: members need not
 * have the parts in one place. */
#include "mstore/self.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/text.h"

#include <stdio.h>

struct defrag {
    struct ms_store *store;
    const char *ns;
    const struct ms_defrag_part *parts;
    size_t count;
    struct ms_hash *hash; /* one of these is NULL */
    struct ms_store_writer *writer;
};

static int name_of(const struct defrag *d, struct ms_view key, char *name, size_t size,
                   struct ms_error *err)
{
    int n = snprintf(name, size, "%s%s%.*s", d->ns, d->ns[0] ? "/" : "", (int)key.size,
                     (const char *)key.data);
    if (n < 0 || (size_t)n >= size)
        return ms_error_set(err, MS_ERR_NAME, "%s: the name is too long", MS_SHOW(key));
    return 0;
}

static int take_part(struct defrag *d, const struct ms_defrag_part *part, struct ms_error *err)
{
    char name[MS_NAME_MAX];
    MS_AUTO_BUF struct ms_buf *bytes = NULL;
    struct ms_item_ref item;
    int code = name_of(d, part->key, name, sizeof name, err);
    if (code)
        return code;
    item = (struct ms_item_ref){.key = ms_str(name)};
    code = ms_self_verbs.load(d->store, item, (int64_t)part->offset, part->size, &bytes, err);
    if (!code && ms_buf_size(bytes) < part->size)
        code = ms_error_set(err, MS_ERR_RANGE, "Read range error: %s has no %llu bytes at %llu",
                            name, (unsigned long long)part->size, (unsigned long long)part->offset);
    if (code)
        return code;
    return d->hash ? ms_hash_update(d->hash, ms_buf_view(bytes), err)
                   : ms_store_writer_append(d->writer, ms_buf_view(bytes), err);
}

static int take_parts(struct defrag *d, struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < d->count && !code; i++)
        code = take_part(d, &d->parts[i], err);
    return code;
}

static int name_by_hash(struct defrag *d, const char *algorithm, char *hex, size_t size,
                        struct ms_error *err)
{
    int code = ms_hash_new(algorithm, &d->hash, err);
    if (code)
        return code;
    code = take_parts(d, err);
    if (!code)
        code = ms_hash_hex(d->hash, hex, size, err);
    ms_hash_free(MS_TAKE(d->hash));
    return code;
}

static int write_target(struct defrag *d, struct ms_view target, struct ms_error *err)
{
    static const struct ms_precondition always = {.kind = MS_ALWAYS};
    char name[MS_NAME_MAX];
    struct ms_tag tag;
    int code = name_of(d, target, name, sizeof name, err);
    if (code)
        return code;
    struct ms_item_ref item = {.key = ms_str(name)};
    code = ms_self_verbs.write(d->store, item, 0, &always, &d->writer, err);
    if (code)
        return code;
    code = take_parts(d, err);
    if (!code)
        return ms_store_writer_commit(d->writer, &tag, err);
    ms_store_writer_abort(d->writer);
    return code;
}

int ms_self_defrag(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                   size_t count, struct ms_view target, const char *algorithm, char *key,
                   size_t key_size, struct ms_error *err)
{
    struct defrag d = {.store = s, .ns = ns, .parts = parts, .count = count};
    char hex[MS_HASH_HEX_MAX];
    int code = 0;
    if (target.size == 0) {
        code = name_by_hash(&d, algorithm, hex, sizeof hex, err);
        target = code ? target : ms_str(hex);
    }
    if (!code && target.size >= key_size)
        code = ms_error_set(err, MS_ERR_INVALID, "%zu bytes are too few for the target's key",
                            key_size);
    if (!code)
        code = write_target(&d, target, err);
    if (code)
        return code;
    memcpy(key, target.data, target.size);
    key[target.size] = 0;
    return 0;
}
