/* mstore/inventory.c - see mstore/inventory.h. A walk is one tree and its pages: one for each
 * member, kind and level. */
#include "mstore/inventory.h"

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/missing.h"
#include "mstore/pages.h"
#include "mstore/tree.h"
#include "store/listing.h"

#include <stdlib.h>

#define OBJECTS_MOST 16384 /* under one key on one member */

struct walk {
    unsigned member;
    struct ms_tree *tree;
    struct ms_pages *pages;  /* NULL: the member has failed */
    struct ms_object object; /* of the record being made */
};

struct asked { /* one member of the layout */
    bool wanted;
    struct ms_error error;
    uint64_t strangers; /* when it failed */
    char stranger[MS_SHOW_SIZE];
    size_t objects; /* under the key at hand */
};

struct ms_inventory {
    struct ms_roster *roster;
    struct ms_text space;
    struct ms_text key; /* of the entry given last */
    struct ms_object *objects;
    size_t room;
    struct ms_inventory_entry entry;
    struct asked *asked; /* by the layout's index */
    size_t missing, members;
    struct ms_error failed; /* no member's fault; code 0: not */
    struct walk *walks;
    size_t count;
};

/* ---- a walk as records ---- */

static int next_object(void *ctx, struct ms_record *out, struct ms_error *err)
{
    struct walk *w = ctx;
    const struct ms_tree_item *item = NULL;
    int code = ms_tree_next(w->tree, &item, err);
    if (code || !item)
        return code;
    w->object = (struct ms_object){.member = w->member,
                                   .name = item->name,
                                   .stored_bytes = item->stored_bytes,
                                   .mtime_ns = item->mtime_ns};
    *out = (struct ms_record){.key = item->key, .body = &w->object};
    return 0;
}

/* Of objects of one key the tree keeps the order itself. */
static int compare_objects(const struct ms_record *a, const struct ms_record *b)
{
    int order = ms_compare(a->key, b->key);
    return order ? order : -1;
}

static uint64_t strangers_of(void *ctx)
{
    const struct walk *w = ctx;
    return ms_tree_strangers(w->tree);
}

static int start_walk(struct ms_inventory *inv, struct walk *w, unsigned member,
                      const struct ms_tree_options *options, struct ms_error *err)
{
    const struct ms_pages_source source = {.next = next_object,
                                           .compare = compare_objects,
                                           .skipped = strangers_of,
                                           .ctx = w,
                                           .body_size = sizeof w->object};
    w->member = member;
    int code = ms_tree_new(inv->roster->members[member], options, &w->tree, err);
    if (!code)
        code = ms_pages_new(&source, inv->roster->clock, &w->pages, err);
    return code;
}

static void end_walk(struct walk *w)
{
    ms_pages_free(MS_TAKE(w->pages));
    ms_tree_free(MS_TAKE(w->tree));
}

/* ---- members that fail ---- */

/* What the member's walks have passed over, added up. */
static uint64_t add_strangers(const struct ms_inventory *inv, size_t member, const char **example)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < inv->count; i++) {
        const struct walk *w = &inv->walks[i];
        uint64_t here = w->pages && w->member == member ? ms_pages_skipped(w->pages) : 0;
        if (here && !sum) /* then it was written before the page was full, and stays */
            *example = ms_tree_stranger(w->tree);
        sum += here;
    }
    return sum;
}

static void lose(struct ms_inventory *inv, size_t member, const struct ms_error *why)
{
    struct asked *a = &inv->asked[member];
    const char *example = "", *name = inv->roster->layout->members[member].name;
    a->error = *why;
    if (!ms_missing_names(why->text, name))
        ms_error_prefix(&a->error, why->code, "member %s", name);
    a->strangers = add_strangers(inv, member, &example);
    memcpy(a->stranger, example, strlen(example) + 1);
    inv->missing++;
    for (size_t i = 0; i < inv->count; i++)
        if (inv->walks[i].member == member)
            end_walk(&inv->walks[i]);
}

/* The first record of a walk; body NULL: it has none, or its member has failed now. */
static int first_of(struct ms_inventory *inv, struct walk *w, struct ms_record *out)
{
    struct ms_error why = {0};
    *out = (struct ms_record){0};
    if (!w->pages || !ms_pages_first(w->pages, out, &why))
        return 0;
    if (ms_missing_none(why.code))
        inv->failed = why;
    else
        lose(inv, w->member, &why);
    return inv->failed.code;
}

/* ---- the next key ---- */

/* The smallest key into inv->key; *any: there is one. */
static int find_key(struct ms_inventory *inv, bool *any)
{
    struct ms_record smallest = {0};
    for (size_t i = 0; i < inv->count; i++) {
        struct ms_record r;
        int code = first_of(inv, &inv->walks[i], &r);
        if (code)
            return code;
        if (r.body && (!smallest.body || ms_compare(r.key, smallest.key) < 0)) {
            if (!ms_text_set(&inv->key, r.key, ms_view(NULL, 0)))
                return ms_source_no_memory(&inv->failed);
            smallest = (struct ms_record){ms_text_view(inv->key), inv};
        }
    }
    *any = smallest.body;
    return 0;
}

static bool make_room(struct ms_inventory *inv)
{
    size_t room = inv->room ? 2 * inv->room : 16;
    struct ms_object *objects = realloc(inv->objects, room * sizeof *objects);
    if (objects) {
        inv->objects = objects;
        inv->room = room;
    }
    return objects != NULL;
}

static int take_object(struct ms_inventory *inv, struct walk *w, const struct ms_record *r)
{
    struct asked *a = &inv->asked[w->member];
    struct ms_error why = {0};
    if (++a->objects > OBJECTS_MOST) {
        ms_error_set(&why, MS_ERR_TOO_LARGE,
                     "member %s: more than %d objects under the key \"%s\"; remove old ones",
                     inv->roster->layout->members[w->member].name, OBJECTS_MOST, MS_SHOW(r->key));
        lose(inv, w->member, &why);
        return 0;
    }
    if (inv->entry.count == inv->room && !make_room(inv))
        return ms_source_no_memory(&inv->failed);
    memcpy(&inv->objects[inv->entry.count++], r->body, sizeof *inv->objects);
    ms_pages_pop(w->pages);
    return 0;
}

/* All that the walk has under the key. */
static int collect(struct ms_inventory *inv, struct walk *w)
{
    for (;;) {
        struct ms_record r;
        int code = first_of(inv, w, &r);
        if (code || !r.body || !ms_equal(r.key, ms_text_view(inv->key)))
            return code;
        code = take_object(inv, w, &r);
        if (code)
            return code;
    }
}

static void finish_entry(struct ms_inventory *inv)
{
    inv->entry.key = ms_text_view(inv->key);
    inv->entry.objects = inv->objects;
    for (size_t i = 0; i < inv->entry.count; i++) {
        inv->objects[i].name.key = inv->entry.key;
        inv->objects[i].name.space = ms_text_view(inv->space);
    }
    for (size_t i = 0; i < inv->roster->layout->member_count; i++)
        inv->asked[i].objects = 0;
}

int ms_inventory_next(struct ms_inventory *inv, const struct ms_inventory_entry **out,
                      struct ms_error *err)
{
    bool any = false;
    int code = inv->failed.code;
    *out = NULL;
    inv->entry.count = 0;
    do { /* again when whoever had the key failed before it was taken */
        code = code ? code : find_key(inv, &any);
        for (size_t i = 0; i < inv->count && !code && any; i++)
            code = collect(inv, &inv->walks[i]);
    } while (!code && any && !inv->entry.count);
    if (code && err)
        *err = inv->failed;
    if (code || !any)
        return code;
    finish_entry(inv);
    *out = &inv->entry;
    return 0;
}

/* ---- life ---- */

static bool is_asked(const struct ms_inventory_options *o, enum ms_member_state state)
{
    return state != MS_GONE && (o->witnesses || state != MS_WITNESS);
}

/* Witnesses hold no values. */
static bool may_hold(enum ms_member_state state, unsigned kind)
{
    return state != MS_WITNESS || kind != MS_OWN_VALUE;
}

/* The walks of one member. */
static int start_member(struct ms_inventory *inv, const struct ms_inventory_options *o,
                        const bool *levels, unsigned member, struct ms_error *err)
{
    struct ms_tree_options tree = {
        .where = {.store = inv->roster->layout->uuid, .space = o->space, .member = o->hints_about},
        .start_after = o->start_after,
        .prefix = o->prefix,
        .whole_key = o->whole_key,
        .names_only = o->names_only,
        .levels = levels};
    enum ms_member_state state = inv->roster->layout->members[member].state;
    int code = 0;
    for (unsigned kind = MS_OWN_OBJECT; kind <= MS_OWN_VALUE && !code; kind++)
        for (unsigned level = 0; level <= MS_OWN_LEVELS_MAX && !code; level++)
            if (o->kinds & MS_INVENTORY_KIND(kind) && levels[level] && may_hold(state, kind)) {
                tree.where.kind = (enum ms_own_kind)kind;
                tree.where.level = level;
                code = start_walk(inv, &inv->walks[inv->count++], member, &tree, err);
            }
    return code;
}

static int start_all(struct ms_inventory *inv, const struct ms_inventory_options *o,
                     struct ms_error *err)
{
    const struct ms_layout *layout = inv->roster->layout;
    bool levels[MS_OWN_LEVELS_MAX + 1] = {false};
    int code = 0;
    for (size_t i = 0; i < o->level_count; i++) {
        ms_assert(o->levels[i] <= MS_OWN_LEVELS_MAX);
        levels[o->levels[i]] = true;
    }
    for (unsigned i = 0; i < layout->member_count && !code; i++) {
        struct ms_error why = {0};
        inv->asked[i].wanted = is_asked(o, layout->members[i].state);
        inv->members += inv->asked[i].wanted;
        if (inv->asked[i].wanted && !inv->roster->members[i]) {
            ms_error_set(&why, MS_ERR_CONFIG, "member %s: no URL is configured for it",
                         layout->members[i].name);
            lose(inv, i, &why);
        } else if (inv->asked[i].wanted) {
            code = start_member(inv, o, levels, i, err);
        }
    }
    for (size_t i = 0; i < inv->count && !code; i++)
        ms_pages_start(inv->walks[i].pages);
    return code;
}

int ms_inventory_open(struct ms_roster *roster, const struct ms_inventory_options *options,
                      struct ms_inventory **out, struct ms_error *err)
{
    size_t members = roster->layout->member_count;
    size_t walks = members * (MS_OWN_LEVELS_MAX + 1) * (size_t)__builtin_popcount(options->kinds);
    struct ms_inventory *inv = calloc(1, sizeof *inv);
    if (!inv)
        return ms_source_no_memory(err);
    inv->roster = ms_roster_ref(roster);
    inv->asked = calloc(members + 1, sizeof *inv->asked);
    inv->walks = calloc(walks + 1, sizeof *inv->walks);
    int code = 0;
    if (!inv->asked || !inv->walks || !ms_text_set(&inv->space, options->space, ms_view(NULL, 0)))
        code = ms_source_no_memory(err);
    if (!code)
        code = start_all(inv, options, err);
    if (code)
        ms_inventory_close(inv);
    else
        *out = inv;
    return code;
}

void ms_inventory_close(struct ms_inventory *inv)
{
    if (!inv)
        return;
    for (size_t i = 0; i < inv->count; i++)
        end_walk(&inv->walks[i]);
    free(inv->walks);
    free(inv->asked);
    free(inv->objects);
    free(inv->key.bytes);
    free(inv->space.bytes);
    ms_roster_unref(inv->roster);
    free(inv);
}

/* ---- what a caller may ask ---- */

size_t ms_inventory_members(const struct ms_inventory *inv)
{
    return inv->members;
}

size_t ms_inventory_missing(const struct ms_inventory *inv)
{
    return inv->missing;
}

const struct ms_error *ms_inventory_error(const struct ms_inventory *inv, size_t member)
{
    return inv->asked[member].error.code ? &inv->asked[member].error : NULL;
}

uint64_t ms_inventory_strangers(const struct ms_inventory *inv, size_t member, const char **example)
{
    const struct asked *a = &inv->asked[member];
    const char *shown = "";
    uint64_t sum = a->error.code ? a->strangers : add_strangers(inv, member, &shown);
    if (example)
        *example = a->error.code ? a->stranger : shown;
    return sum;
}

uint64_t ms_inventory_all_strangers(const struct ms_inventory *inv)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < inv->roster->layout->member_count; i++)
        sum += inv->asked[i].strangers;
    for (size_t i = 0; i < inv->count; i++)
        sum += inv->walks[i].pages ? ms_pages_skipped(inv->walks[i].pages) : 0;
    return sum;
}
