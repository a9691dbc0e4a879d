/* mstore/list_paths.c - which namespaces have objects: the folders "n.NAMESPACE!" of all members,
 * listed at once. */
#include "mstore/list_parts.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"
#include "mstore/missing.h"

#include <stdlib.h>

#define PATHS_MOST 65536

struct found { /* on one member */
    struct ms_roster *roster;
    size_t member;
    enum ms_layout_kind kind; /* of the namespaces in the folder at hand */
    bool any;                 /* those of all kinds are wanted there, and those without items */
    struct ms_paths paths;
    struct ms_error error;
};

void ms_paths_fini(struct ms_paths *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->path[i].bytes);
    free(p->path);
    *p = (struct ms_paths){0};
}

static int add_path(struct ms_paths *p, struct ms_view path, struct ms_error *err)
{
    if (p->count == p->room) {
        size_t room = p->room ? 2 * p->room : 8;
        struct ms_text *more = realloc(p->path, room * sizeof *more);
        if (!more)
            return ms_source_no_memory(err);
        p->path = more;
        p->room = room;
    }
    if (p->count == PATHS_MOST)
        return ms_error_set(err, MS_ERR_TOO_LARGE, "more than %d namespaces; list them one by one",
                            PATHS_MOST);
    p->path[p->count] = (struct ms_text){0};
    if (!ms_text_set(&p->path[p->count], path, ms_view(NULL, 0)))
        return ms_source_no_memory(err);
    p->count++;
    return 0;
}

/* "n.ESCAPED!"; what is something else, or not of the layout, is passed over. */
static int take_folder(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct found *f = ctx;
    struct ms_view name = entry->name;
    uint8_t path[3 * MS_OWN_SPACE_MAX];
    size_t size;
    if (!entry->info.directory || name.size < 3 || name.size > sizeof path ||
        memcmp(name.data, "n.", 2) != 0 || name.data[name.size - 1] != '!' ||
        !ms_unescape(ms_view(name.data + 2, name.size - 3), path, &size))
        return 0;
    const struct ms_layout_space *space = ms_layout_space(f->roster->layout, ms_view(path, size));
    return space && (f->any || space->kind == f->kind)
               ? add_path(&f->paths, ms_view(path, size), err)
               : 0;
}

static int list_kind(struct found *f, enum ms_own_kind kind, enum ms_layout_kind of,
                     struct ms_error *err)
{
    const struct ms_own_name any = {.kind = kind,
                                    .store = f->roster->layout->uuid,
                                    .key = ms_str("a"),
                                    .k = kind == MS_OWN_VALUE};
    const struct ms_list_request request = {.names_only = true};
    struct ms_name folder;
    f->kind = of;
    int code = ms_own_folder(&any, MS_OWN_OF_KIND, 0, &folder, err);
    return code ? code
                : ms_member_list(f->roster->members[f->member], ms_name_view(&folder), &request,
                                 take_folder, f, err);
}

/* Those of plain namespaces in which somebody has noted something: elsewhere there is nothing of
 * MStore's own. */
static int list_hints(struct found *f, struct ms_error *err)
{
    const struct ms_layout *layout = f->roster->layout;
    struct ms_own_name any = {.kind = MS_OWN_HINT, .store = layout->uuid, .key = ms_str("a")};
    const struct ms_list_request request = {.names_only = true};
    bool plain = false;
    int code = 0;
    for (size_t i = 0; i < layout->space_count; i++)
        plain |= layout->spaces[i].kind == MS_KIND_PLAIN;
    for (size_t i = 0; i < layout->member_count && plain && !code; i++) {
        struct ms_name folder;
        any.member = layout->members[i].uuid;
        code = ms_own_folder(&any, MS_OWN_OF_KIND, 0, &folder, err);
        if (!code)
            code = ms_member_list(f->roster->members[f->member], ms_name_view(&folder), &request,
                                  take_folder, f, err);
    }
    return code;
}

/* What fails is kept: it is the caller's to judge, unless it is no member's fault. */
static int list_member(void *arg, size_t i)
{
    struct found *f = (struct found *)arg + i;
    const struct ms_layout_member *m = &f->roster->layout->members[i];
    static const enum ms_own_kind rests[] = {MS_OWN_TOMBSTONE, MS_OWN_INTENT, MS_OWN_TRASH};
    struct ms_error why = {0};
    int code = 0;
    if (m->state == MS_GONE)
        return 0;
    if (!f->roster->members[i])
        code = ms_error_set(&why, MS_ERR_CONFIG, "member %s: no URL is configured for it", m->name);
    if (!code)
        code = list_kind(f, MS_OWN_OBJECT, MS_KIND_MUTABLE, &why);
    if (!code)
        code = list_kind(f, MS_OWN_VALUE, MS_KIND_IMMUTABLE, &why);
    for (unsigned k = 0; k < 3 && !code && f->any; k++)
        code = list_kind(f, rests[k], MS_KIND_IMMUTABLE, &why);
    if (!code && f->any)
        code = list_hints(f, &why);
    if (code)
        f->error = why;
    return ms_missing_none(code) ? code : 0;
}

/* Of all framed namespaces the fewest; UINT32_MAX: there are none. */
static unsigned tolerated(const struct ms_layout *layout)
{
    unsigned least = UINT32_MAX;
    for (size_t i = 0; i < layout->space_count; i++) {
        unsigned may = ms_list_tolerates(layout, &layout->spaces[i]);
        if (layout->spaces[i].kind != MS_KIND_PLAIN && may < least)
            least = may;
    }
    return least;
}

static int compare_paths(const void *a, const void *b)
{
    const struct ms_text *x = a, *y = b;
    size_t least = x->size < y->size ? x->size : y->size;
    int order = memcmp(x->bytes, y->bytes, least);
    if (order || x->size == y->size)
        return order;
    /* as if each had '/' behind, but the root's namespace, which has nothing */
    if (!least)
        return x->size ? 1 : -1;
    return x->size < y->size ? ('/' <= (uint8_t)y->bytes[least] ? -1 : 1)
                             : ((uint8_t)x->bytes[least] < '/' ? -1 : 1);
}

static void sort_once(struct ms_paths *p)
{
    size_t kept = 0;
    if (p->count)
        qsort(p->path, p->count, sizeof *p->path, compare_paths);
    for (size_t i = 0; i < p->count; i++) {
        if (kept && ms_equal(ms_text_view(p->path[kept - 1]), ms_text_view(p->path[i])))
            free(p->path[i].bytes);
        else
            p->path[kept++] = p->path[i];
    }
    p->count = kept;
}

static int gather(const struct ms_roster *r, struct found *found, struct ms_paths *out,
                  struct ms_error *err)
{
    struct ms_missing missing = {0};
    int code = 0;
    for (size_t i = 0; i < r->layout->member_count && !code; i++) {
        if (found[i].error.code)
            ms_missing_add(&missing, r->layout->members[i].name, &found[i].error);
        for (size_t k = 0; k < found[i].paths.count && !code; k++)
            code = add_path(out, ms_text_view(found[i].paths.path[k]), err);
    }
    if (!code && missing.count > tolerated(r->layout))
        code = ms_missing_error(&missing, "", r->layout->member_count, tolerated(r->layout), err);
    sort_once(out);
    return code;
}

static int list_paths(struct ms_roster *roster, bool any, struct ms_paths *out,
                      struct ms_error *err)
{
    size_t members = roster->layout->member_count;
    struct found *found = calloc(members + 1, sizeof *found);
    if (!found)
        return ms_source_no_memory(err);
    for (size_t i = 0; i < members; i++)
        found[i] = (struct found){.roster = roster, .member = i, .any = any};
    int code = ms_parallel(members, (unsigned)members, list_member, found, err);
    for (size_t i = 0; i < members && code; i++)
        if (found[i].error.code == code && err)
            *err = found[i].error;
    if (!code)
        code = gather(roster, found, out, err);
    for (size_t i = 0; i < members; i++)
        ms_paths_fini(&found[i].paths);
    free(found);
    if (code)
        ms_paths_fini(out);
    return code;
}

int ms_list_paths(struct ms_roster *roster, struct ms_paths *out, struct ms_error *err)
{
    if (tolerated(roster->layout) == UINT32_MAX)
        return 0;
    return list_paths(roster, false, out, err);
}

int ms_list_all_paths(struct ms_roster *roster, struct ms_paths *out, struct ms_error *err)
{
    return list_paths(roster, true, out, err);
}
