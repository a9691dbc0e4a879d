/* mstore/change_settle.c - what is voted on is brought to the voters of a proposed layout: the
 * newest version of each mutable key, what was agreed on that follows it, and tombstones. See
 * mstore/change.h.
 *
 * Each key by itself, in the steps of a reader that finds it incomplete; so it may run beside
 * everything else, and beside itself. */
#include "mstore/change.h"
#include "mstore/follow.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"
#include "mstore/inventory.h"
#include "mstore/list.h"
#include "mstore/list_parts.h"
#include "mstore/tombs.h"
#include "mstore/versions.h"

#include <stdio.h>
#include <stdlib.h>

#define AT_ONCE 16

struct key {
    char text[MS_OWN_SPACE_MAX + 1 + MS_BYTES_KEY_MAX]; /* whole: "data/0123" */
    size_t size;
    struct ms_write_id tomb; /* of an immutable one: its newest tombstone */
    bool agreed;             /* there are blocks of agreements about it */
};
struct settling { /* keys that are dealt with at once */
    struct ms_roster *roster;
    enum ms_layout_kind kind;
    size_t count;
    struct key keys[AT_ONCE];
    struct ms_error why[AT_ONCE];
};

/* ---- one key ---- */

/* The voters are the same under both layouts. */
static bool same_voters(const struct ms_site *site)
{
    struct ms_versions *v = NULL;
    bool same = false;
    if (ms_versions_new(site, &v, NULL) == 0)
        same = v->quorums == 1;
    ms_versions_free(v);
    return same;
}

static int settle_mutable(const struct ms_site *site, bool agreed, struct ms_error *err)
{
    bool whole;
    int code = ms_mutable_heal(site, &whole, err);
    return code || !agreed ? code : ms_mutable_follow_up(site, err);
}

static int settle_key(void *arg, size_t i)
{
    struct settling *s = arg;
    struct key *key = &s->keys[i];
    struct ms_error *err = &s->why[i];
    struct ms_site site;
    int code = ms_site_of(s->roster, ms_view(key->text, key->size), false, &site, err);
    if (code || same_voters(&site))
        return code;
    if (s->kind == MS_KIND_MUTABLE)
        return settle_mutable(&site, key->agreed, err);
    struct ms_site next = ms_site_next(&site);
    return ms_tombs_put(&next, key->tomb, err);
}

static int settle_batch(struct settling *s, struct ms_error *err)
{
    memset(s->why, 0, sizeof s->why);
    int code = ms_parallel(s->count, AT_ONCE, settle_key, s, NULL);
    for (size_t i = 0; i < s->count && code; i++)
        if (s->why[i].code == code)
            return ms_error_set(err, code, "%s", s->why[i].text);
    s->count = 0;
    return code ? ms_error_set(err, code, "a key could not be moved to its new voters") : 0;
}

/* ---- a namespace ---- */

static void note_key(struct settling *s, struct ms_view path,
                     const struct ms_inventory_entry *entry)
{
    struct key *key = &s->keys[s->count++];
    int n = snprintf(key->text, sizeof key->text, "%.*s%s", (int)path.size, (const char *)path.data,
                     path.size ? "/" : "");
    key->size = n > 0 ? (size_t)n : 0;
    if (key->size + entry->key.size > sizeof key->text) { /* no key of ours is that long */
        s->count--;
        return;
    }
    memcpy(key->text + key->size, entry->key.data, entry->key.size);
    key->size += entry->key.size;
    key->tomb = (struct ms_write_id){0};
    key->agreed = false;
    for (size_t i = 0; i < entry->count; i++)
        key->agreed = key->agreed || entry->objects[i].name.kind == MS_OWN_BLOCK;
    for (size_t i = 0; i < entry->count; i++)
        if (ms_write_id_compare(&entry->objects[i].name.id, &key->tomb) > 0)
            key->tomb = entry->objects[i].name.id;
}

static int check_complete(const struct ms_roster *r, const struct ms_inventory *inv,
                          const struct ms_layout_space *space, struct ms_error *err)
{
    if (ms_inventory_missing(inv) <= ms_list_tolerates(r->layout, space))
        return 0;
    for (size_t i = 0; i < r->layout->member_count; i++) {
        const struct ms_error *why = ms_inventory_error(inv, i);
        if (why)
            return ms_error_set(err, why->code,
                                "too many members do not answer to change the layout now: %s",
                                why->text);
    }
    return ms_error_set(err, MS_ERR_CONFIG,
                        "too many members have no url here to change the layout from here");
}

static int settle_path(struct ms_roster *r, const struct ms_layout_space *space,
                       struct ms_view path, struct settling *s, struct ms_error *err)
{
    struct ms_inventory *inv = NULL;
    const struct ms_inventory_entry *entry = NULL;
    bool mutable = space->kind == MS_KIND_MUTABLE;
    struct ms_inventory_options o = {.space = path,
                                     .levels = space->levels,
                                     .level_count = space->level_count,
                                     .kinds = mutable ? MS_INVENTORY_KIND(MS_OWN_OBJECT) |
                                                            MS_INVENTORY_KIND(MS_OWN_BLOCK)
                                                      : MS_INVENTORY_KIND(MS_OWN_TOMBSTONE),
                                     .witnesses = true,
                                     .names_only = true};
    s->kind = space->kind;
    int code = ms_inventory_open(r, &o, &inv, err);
    if (code)
        return code;
    do {
        code = ms_inventory_next(inv, &entry, err);
        if (!code && entry)
            note_key(s, path, entry);
        if (!code && (s->count == AT_ONCE || (!entry && s->count)))
            code = settle_batch(s, err);
    } while (!code && entry);
    if (!code)
        code = check_complete(r, inv, space, err);
    ms_inventory_close(inv);
    return code;
}

static bool is_configured(const struct ms_layout *l, struct ms_view path)
{
    for (size_t i = 0; i < l->space_count; i++)
        if (ms_equal(ms_str(l->spaces[i].name), path))
            return true;
    return false;
}

int ms_change_settle(struct ms_roster *r, struct ms_error *err)
{
    struct ms_paths paths = {0};
    MS_AUTO_FREE struct settling *s = calloc(1, sizeof *s);
    if (!s)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for changing the layout");
    s->roster = r;
    int code = ms_list_paths(r, &paths, err);
    for (size_t i = 0; i < r->layout->space_count && !code; i++)
        if (r->layout->spaces[i].kind != MS_KIND_PLAIN)
            code = settle_path(r, &r->layout->spaces[i], ms_str(r->layout->spaces[i].name), s, err);
    for (size_t i = 0; i < paths.count && !code; i++) {
        struct ms_view path = ms_view(paths.path[i].bytes, paths.path[i].size);
        if (path.size && path.data[path.size - 1] == '/')
            path.size--;
        const struct ms_layout_space *space = ms_layout_space(r->layout, path);
        if (space && space->kind != MS_KIND_PLAIN && !is_configured(r->layout, path))
            code = settle_path(r, space, path, s, err);
    }
    ms_paths_fini(&paths);
    return code;
}
