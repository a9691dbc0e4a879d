/* mstore/upkeep_keys.c - the keys of a framed namespace, one batch after the other: what lies under
 * each is copied out of the inventory, then the batch is looked after in parallel while the members
 * are read ahead. Memory is bounded by a batch and by the inventory's pages. */
#include "mstore/upkeep_parts.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"
#include "mstore/siphash.h"

#include <stdlib.h>

#define BATCH_KEYS    256
#define BATCH_OBJECTS 8192
#define SLICE         4 /* keys for each job between two looks at cursor and layout */

/* The batch's bytes and objects lie one behind the other; items point to them by place, since both
 * move as they grow, and by address once the batch is whole. */
struct place {
    size_t key, key_size, object, objects;
};
struct batch {
    struct ms_upkeep *u;
    const struct ms_layout_space *space;
    struct ms_view path;
    ms_upkeep_fn fn;
    void *ctx;
    bool notes; /* of the notes about a member: all of them, and no cursor is kept */
    struct place places[BATCH_KEYS];
    size_t count, done;
    struct ms_object *objects;
    size_t object_count, object_room;
    uint8_t *keys;
    size_t key_bytes, key_room;
    bool *silent;
    enum ms_upkeep_end *end;
};

static void batch_free(struct batch *b)
{
    free(b->objects);
    free(b->keys);
    free(b->silent);
    free(b);
}

static int batch_new(struct ms_upkeep *u, const struct ms_layout_space *space, struct ms_view path,
                     ms_upkeep_fn fn, struct batch **out, struct ms_error *err)
{
    struct batch *b = calloc(1, sizeof *b);
    if (b)
        b->silent = calloc(u->roster->layout->member_count + 1, sizeof *b->silent);
    if (!b || !b->silent) {
        free(b);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a batch of keys");
    }
    b->u = u;
    b->space = space;
    b->path = path;
    b->fn = fn;
    *out = b;
    return 0;
}

static bool grow(void **array, size_t *room, size_t needed, size_t element)
{
    size_t more = *room ? *room : 64;
    while (more < needed)
        more *= 2;
    void *bigger = *room >= needed ? *array : reallocarray(*array, more, element);
    if (!bigger)
        return false;
    *room = *room >= needed ? *room : more;
    *array = bigger;
    return true;
}

static int add(struct batch *b, const struct ms_inventory_entry *e, struct ms_error *err)
{
    void *objects = b->objects, *keys = b->keys;
    bool room = grow(&objects, &b->object_room, b->object_count + e->count, sizeof *b->objects);
    b->objects = objects;
    room = room && grow(&keys, &b->key_room, b->key_bytes + e->key.size, 1);
    b->keys = keys;
    if (!room)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a batch of keys");
    b->places[b->count++] = (struct place){b->key_bytes, e->key.size, b->object_count, e->count};
    memcpy(b->keys + b->key_bytes, e->key.data, e->key.size);
    memcpy(b->objects + b->object_count, e->objects, e->count * sizeof *e->objects);
    b->key_bytes += e->key.size;
    b->object_count += e->count;
    return 0;
}

static int look_after(void *arg, size_t i)
{
    struct batch *b = arg;
    const struct place *p = &b->places[b->done + i];
    struct ms_upkeep_item item = {.space = b->space,
                                  .path = b->path,
                                  .key = ms_view(b->keys + p->key, p->key_size),
                                  .objects = b->objects + p->object,
                                  .count = p->objects,
                                  .silent = b->silent,
                                  .end = b->end,
                                  .ctx = b->ctx};
    for (size_t o = 0; o < item.count; o++) {
        item.objects[o].name.key = item.key;
        item.objects[o].name.space = item.path;
    }
    return b->fn(b->u, &item, NULL);
}

/* What the inventory did without, as it is known by now. */
static void note_silent(struct batch *b, const struct ms_inventory *inv)
{
    for (size_t i = 0; i < b->u->roster->layout->member_count; i++) {
        const struct ms_error *why = ms_inventory_error(inv, i);
        b->silent[i] = why != NULL;
        if (why)
            ms_upkeep_missed(b->u, i, why);
    }
}

static int run_batch(struct batch *b, const struct ms_inventory *inv, struct ms_error *err)
{
    int code = 0;
    note_silent(b, inv);
    while (b->done < b->count && !code) {
        size_t left = b->count - b->done, most = SLICE * (size_t)b->u->options.jobs;
        size_t size = left < most ? left : most;
        code = ms_parallel(size, b->u->options.jobs, look_after, b, err);
        b->done += size;
        const struct place *last = &b->places[b->done - 1];
        if (!code && b->notes)
            code = ms_check_cancelled(err);
        else if (!code)
            code = ms_upkeep_tick(b->u, b->path, ms_view(b->keys + last->key, last->key_size), err);
        else if (err && !err->code)
            ms_error_set(err, code, "%s", ms_code_text(code));
    }
    b->done = 0;
    b->count = b->object_count = b->key_bytes = 0;
    return code;
}

bool ms_upkeep_in_sample(const struct ms_upkeep *u, struct ms_view key)
{
    uint8_t draw[16] = {0};
    if (!u->options.sample_ppm)
        return true;
    memcpy(draw, &u->sample_key, sizeof u->sample_key);
    return ms_siphash(draw, key) % 1000000 < u->options.sample_ppm;
}

static int run_batches(struct batch *b, struct ms_inventory *inv, struct ms_error *err)
{
    const struct ms_inventory_entry *entry = NULL;
    int code = 0;
    do {
        code = ms_inventory_next(inv, &entry, err);
        if (!code && entry && (b->notes || ms_upkeep_in_sample(b->u, entry->key)))
            code = add(b, entry, err);
        if (!code && (!entry || b->count == BATCH_KEYS || b->object_count >= BATCH_OBJECTS))
            code = run_batch(b, inv, err);
    } while (!code && entry);
    return code;
}

static void count_strangers(struct ms_upkeep *u, const struct ms_inventory *inv,
                            struct ms_view path)
{
    for (size_t i = 0; i < u->roster->layout->member_count; i++) {
        const char *example = "";
        uint64_t count = ms_inventory_strangers(inv, i, &example);
        if (!count)
            continue;
        ms_upkeep_found(u, MS_FIND_STRANGER, i, path, ms_view(NULL, 0), false,
                        "%llu names that are none of ours, like %s", (unsigned long long)count,
                        example);
        ms_upkeep_found_many(u, MS_FIND_STRANGER, i, count - 1);
    }
}

int ms_upkeep_keys(struct ms_upkeep *u, const struct ms_layout_space *space, struct ms_view path,
                   struct ms_view after, unsigned kinds, ms_upkeep_fn fn, struct ms_error *err)
{
    struct ms_inventory_options o = {.space = path,
                                     .levels = space->levels,
                                     .level_count = space->level_count,
                                     .kinds = kinds,
                                     .witnesses = true,
                                     .start_after = after};
    struct ms_inventory *inv = NULL;
    struct batch *b = NULL;
    int code = batch_new(u, space, path, fn, &b, err);
    if (code)
        return code;
    code = ms_inventory_open(u->roster, &o, &inv, err);
    if (!code)
        code = run_batches(b, inv, err);
    if (!code)
        count_strangers(u, inv, path);
    ms_inventory_close(inv);
    batch_free(b);
    return code;
}

int ms_upkeep_noted(struct ms_upkeep *u, const struct ms_layout_space *space, struct ms_view path,
                    const struct ms_uuid *about, ms_upkeep_fn fn, void *ctx, size_t *missing,
                    struct ms_error *err)
{
    struct ms_inventory_options o = {.space = path,
                                     .levels = space->levels,
                                     .level_count = space->level_count,
                                     .kinds = MS_INVENTORY_KIND(MS_OWN_HINT),
                                     .hints_about = *about,
                                     .witnesses = true,
                                     .names_only = space->kind == MS_KIND_MUTABLE};
    struct ms_inventory *inv = NULL;
    struct batch *b = NULL;
    int code = batch_new(u, space, path, fn, &b, err);
    if (code)
        return code;
    b->notes = true;
    b->ctx = ctx;
    code = ms_inventory_open(u->roster, &o, &inv, err);
    if (!code)
        code = run_batches(b, inv, err);
    *missing = inv ? ms_inventory_missing(inv) : 0;
    ms_inventory_close(inv);
    batch_free(b);
    return code;
}

int ms_upkeep_one_key(struct ms_upkeep *u, const struct ms_layout_space *space, struct ms_view path,
                      struct ms_view key, unsigned kinds, ms_upkeep_fn fn, enum ms_upkeep_end *end,
                      struct ms_error *err)
{
    struct ms_inventory_options o = {.space = path,
                                     .levels = space->levels,
                                     .level_count = space->level_count,
                                     .kinds = kinds,
                                     .witnesses = true,
                                     .prefix = key,
                                     .whole_key = true};
    const struct ms_inventory_entry *entry = NULL;
    struct ms_inventory *inv = NULL;
    struct batch *b = NULL;
    int code = batch_new(u, space, path, fn, &b, err);
    if (code)
        return code;
    code = ms_inventory_open(u->roster, &o, &inv, err);
    if (!code)
        code = ms_inventory_next(inv, &entry, err);
    if (!code && entry && ms_equal(entry->key, key))
        code = add(b, entry, err);
    b->end = end;
    if (!code && b->count) {
        note_silent(b, inv);
        code = look_after(b, 0);
    }
    ms_inventory_close(inv);
    batch_free(b);
    return code;
}

bool ms_upkeep_any_silent(const struct ms_upkeep *u, const bool silent[])
{
    bool any = false;
    for (size_t i = 0; i < u->roster->layout->member_count; i++)
        any |= silent[i];
    return any;
}

void ms_upkeep_key_done(struct ms_upkeep *u, const struct ms_upkeep_item *item,
                        enum ms_upkeep_end end)
{
    if (item->end)
        *item->end = end;
    ms_upkeep_key_ended(u, end);
}

int ms_upkeep_stranger(struct ms_upkeep *u, const struct ms_upkeep_item *item,
                       const struct ms_error *why)
{
    ms_upkeep_found(u, MS_FIND_STRANGER, item->objects[0].member, item->path, item->key, false,
                    "%s", why->text);
    return 0;
}

unsigned ms_upkeep_kinds(enum ms_layout_kind kind)
{
    return kind == MS_KIND_MUTABLE
               ? MS_INVENTORY_KIND(MS_OWN_OBJECT)
               : MS_INVENTORY_KIND(MS_OWN_VALUE) | MS_INVENTORY_KIND(MS_OWN_TOMBSTONE) |
                     MS_INVENTORY_KIND(MS_OWN_INTENT);
}

ms_upkeep_fn ms_upkeep_fn_of(enum ms_layout_kind kind)
{
    return kind == MS_KIND_MUTABLE     ? ms_upkeep_mutable_key
           : kind == MS_KIND_IMMUTABLE ? ms_upkeep_immutable_key
                                       : NULL;
}

int ms_upkeep_site_of(struct ms_upkeep *u, struct ms_view path, struct ms_view key,
                      struct ms_upkeep_site *out, struct ms_error *err)
{
    size_t lead = path.size ? path.size + 1 : 0;
    if (lead + key.size > sizeof out->whole)
        return ms_error_set(err, MS_ERR_NAME, "the key %s is too long", MS_SHOW(key));
    if (lead) {
        memcpy(out->whole, path.data, path.size);
        out->whole[path.size] = '/';
    }
    memcpy(out->whole + lead, key.data, key.size);
    return ms_site_of(u->roster, ms_view(out->whole, lead + key.size), false, &out->site, err);
}
