/* Nesting: see store/nesting.h. */
#include "store/nesting.h"

#include "base/assert.h"
#include "store/names.h"

static void put(struct ms_name *out, const void *bytes, size_t size)
{
    ms_assert(size <= sizeof out->text - out->size);
    memcpy(out->text + out->size, bytes, size);
    out->size += size;
}

/* The i-th pair of a key: two bytes, or fewer at its end. */
static struct ms_view chunk(struct ms_view key, unsigned i)
{
    size_t start = 2 * (size_t)i;
    if (start >= key.size)
        return ms_view(key.data, 0);
    return ms_view(key.data + start, key.size - start < 2 ? 1 : 2);
}

static void nest_borgstore(struct ms_view key, unsigned level, struct ms_name *out)
{
    for (unsigned i = 0; i < level; i++) {
        struct ms_view c = chunk(key, i);
        if (c.size == 0 || (c.size == 1 && c.data[0] == '.'))
            continue;
        put(out, c.data, c.size);
        put(out, "/", 1);
    }
    put(out, key.data, key.size);
}

static void nest_bytes(struct ms_view key, unsigned level, struct ms_name *out)
{
    char escaped[MS_ESCAPED_MAX];
    ms_assert(key.size <= MS_BYTES_KEY_MAX);
    struct ms_view rest = ms_view(escaped, ms_escape(key, escaped));
    for (unsigned i = 0; i < level; i++) {
        struct ms_view c = chunk(rest, i);
        put(out, "+", 1);
        if (c.size)
            put(out, c.data, c.size);
        put(out, "/", 1);
    }
    while (rest.size > MS_SEGMENT_MAX) {
        put(out, rest.data, MS_SEGMENT_MAX);
        put(out, "+/", 2);
        rest = ms_view(rest.data + MS_SEGMENT_MAX, rest.size - MS_SEGMENT_MAX);
    }
    put(out, rest.data, rest.size);
}

void ms_nest(const struct ms_key *k, unsigned level, bool deleted, struct ms_name *out)
{
    out->size = 0;
    if (k->space.size) {
        put(out, k->space.data, k->space.size);
        put(out, "/", 1);
    }
    if (k->ns->names == MS_NAMES_BYTES)
        nest_bytes(k->key, level, out);
    else
        nest_borgstore(k->key, level, out);
    if (deleted)
        put(out, MS_DEL_SUFFIX, MS_DEL_SIZE);
}

size_t ms_nested_size(const struct ms_key *k, unsigned level, bool deleted)
{
    size_t chunks = k->key.size < 2 * (size_t)level ? k->key.size : 2 * (size_t)level;
    return k->whole.size + chunks + level + (deleted ? MS_DEL_SIZE : 0);
}
