/* mstore/value_find.c - which objects of a flat key are where: the part of the chunk's folder in
 * which the key's names are, listed at several members at once, and put together by write. */
#include "mstore/value_parts.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdlib.h>

#define OBJECTS_MAX 4096 /* of one key on one member: more are somebody's mischief */

struct object {
    struct ms_own_name name; /* its views are not used */
    int64_t mtime_ns;
};
struct listing { /* of one member */
    struct object *objects;
    size_t count, room;
};
struct search { /* shared with the calls */
    struct ms_value_home home;
    struct ms_name folder;
    char begin[MS_OWN_BEGIN_MAX];
    size_t begin_size;
    bool names_only;
    struct listing at[]; /* by place in the order */
};

static void search_free(void *shared)
{
    struct search *s = shared;
    for (unsigned i = 0; i < s->home.site.order.data; i++)
        free(s->at[i].objects);
    ms_value_home_fini(&s->home);
    free(s);
}

struct reading {
    struct search *search;
    struct listing *into;
    struct ms_own_parsed parsed;
    struct ms_name whole;
};

static int add_object(struct listing *l, const struct ms_own_name *name, int64_t mtime_ns,
                      struct ms_error *err)
{
    if (l->count == OBJECTS_MAX)
        return ms_error_set(err, MS_ERR_FORMAT, "there are more than %d objects of one key",
                            OBJECTS_MAX);
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 4;
        struct object *more = reallocarray(l->objects, room, sizeof *more);
        if (!more)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for listing a key's objects");
        l->objects = more;
        l->room = room;
    }
    l->objects[l->count++] = (struct object){*name, mtime_ns};
    return 0;
}

/* 1: behind the last of the key's. */
static int read_entry(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct reading *r = ctx;
    struct search *s = r->search;
    if (!ms_starts_with(entry->name, ms_view(s->begin, s->begin_size)))
        return ms_compare(entry->name, ms_view(s->begin, s->begin_size)) > 0;
    if (entry->info.directory || s->folder.size + 1 + entry->name.size > sizeof r->whole.text)
        return 0;
    memcpy(r->whole.text + s->folder.size + 1, entry->name.data, entry->name.size);
    r->whole.size = s->folder.size + 1 + entry->name.size;
    if (!ms_own_parse(ms_name_view(&r->whole), &r->parsed))
        return 0; /* not ours: scrub reports it */
    return add_object(r->into, &r->parsed.name, entry->info.mtime_ns, err);
}

static int list_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct search *s = shared;
    struct ms_member *m = NULL;
    int code = ms_value_member(&s->home.site, s->home.site.order.member[leg], &m, err);
    if (code)
        return code;
    MS_AUTO_FREE struct reading *r = calloc(1, sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for listing a key's objects");
    r->search = s;
    r->into = &s->at[leg];
    memcpy(r->whole.text, s->folder.text, s->folder.size);
    r->whole.text[s->folder.size] = '/';
    struct ms_list_request request = {
        .start_after = ms_view(s->begin, s->begin_size), .limit = 8, .names_only = s->names_only};
    code = ms_member_list(m, ms_name_view(&s->folder), &request, read_entry, r, err);
    return code == 1 ? 0 : code;
}

static int search_new(const struct ms_site *site, struct search **out, struct ms_error *err)
{
    struct search *s = calloc(1, sizeof *s + (site->order.data + 1) * sizeof *s->at);
    struct ms_value_shape flat = {.kind = MS_OWN_VALUE};
    if (!s)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for listing a key's objects");
    struct ms_own_name name = {.kind = MS_OWN_VALUE,
                               .store = site->roster->layout->uuid,
                               .space = site->space_path,
                               .key = site->key,
                               .level = site->level,
                               .k = 1};
    int code = ms_own_folder(&name, MS_OWN_OF_KEY, 0, &s->folder, err);
    if (!code)
        code = ms_own_begin(&name, s->begin, &s->begin_size, err);
    if (!code)
        code = ms_value_home_init(&s->home, site, &flat, err);
    if (code) {
        free(s);
        return code;
    }
    *out = s;
    return 0;
}

/* ---- putting together --------------------------------------------------------------------- */

static bool same_write(const struct ms_value_shape *a, const struct ms_own_name *b)
{
    return ms_write_id_compare(&a->id, &b->id) == 0 && a->named_size == b->size && a->k == b->k &&
           a->m == b->m && a->mark == b->mark;
}

static struct ms_value_write *write_of(struct ms_value_finding *f, const struct ms_own_name *name)
{
    for (size_t i = 0; i < f->count; i++)
        if (same_write(&f->writes[i].shape, name))
            return &f->writes[i];
    struct ms_value_write *more = reallocarray(f->writes, f->count + 1, sizeof *more);
    if (!more)
        return NULL;
    f->writes = more;
    struct ms_value_write *w = &more[f->count++];
    *w = (struct ms_value_write){.shape = {.kind = MS_OWN_VALUE,
                                           .id = name->id,
                                           .named_size = name->size,
                                           .mark = name->mark,
                                           .k = name->k,
                                           .m = name->m}};
    if (name->id.counter || name->id.writer)
        ms_value_id_of_name(&w->shape);
    return w;
}

static bool is_new(const struct ms_value_write *w, unsigned shard)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->places[i].shard == shard)
            return false;
    return true;
}

static int add_staged(struct ms_value_finding *f, const struct ms_own_name *name, unsigned member,
                      struct ms_error *err)
{
    struct ms_value_staged *more = reallocarray(f->staged, f->staged_count + 1, sizeof *more);
    if (!more)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for listing a key's objects");
    f->staged = more;
    more[f->staged_count++] = (struct ms_value_staged){
        .shape = {.kind = MS_OWN_STAGED,
                  .id = name->id,
                  .named_size = name->size,
                  .mark = name->mark,
                  .k = name->k,
                  .m = name->m},
        .place = {.member = (uint16_t)member, .shard = (uint8_t)name->index}};
    return 0;
}

static int add_place(struct ms_value_finding *f, enum ms_own_mark mark, const struct object *o,
                     unsigned member, struct ms_error *err)
{
    const struct ms_own_name *name = &o->name;
    struct ms_value_write *w = write_of(f, name);
    struct ms_value_place *more = w ? reallocarray(w->places, w->count + 1, sizeof *more) : NULL;
    if (!more)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for listing a key's objects");
    w->places = more;
    w->distinct += is_new(w, name->index);
    f->complete += name->mark == mark && w->distinct == w->shape.k && is_new(w, name->index);
    more[w->count++] =
        (struct ms_value_place){.member = (uint16_t)member, .shard = (uint8_t)name->index};
    if (o->mtime_ns > w->mtime_ns)
        w->mtime_ns = o->mtime_ns;
    return 0;
}

static int add_places(struct ms_value_finding *f, enum ms_own_mark mark, const struct listing *l,
                      unsigned member, struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < l->count && !code; i++) {
        const struct object *o = &l->objects[i];
        code = o->name.kind == MS_OWN_STAGED ? add_staged(f, &o->name, member, err)
                                             : add_place(f, mark, o, member, err);
    }
    return code;
}

/* ---- live and soft-deleted ---------------------------------------------------------------- */

/* Adds what the other item has of the same write. */
static int share_write(struct ms_value_write *w, const struct ms_value_write *other,
                       struct ms_error *err)
{
    struct ms_value_place *more = reallocarray(w->places, w->count + other->count, sizeof *more);
    if (!more)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for listing a key's objects");
    w->places = more;
    for (size_t i = 0; i < other->count; i++) {
        w->distinct += is_new(w, other->places[i].shard);
        more[w->count] = other->places[i];
        more[w->count++].other = true;
    }
    return 0;
}

static bool same_value(const struct ms_value_shape *a, const struct ms_value_shape *b)
{
    return ms_write_id_compare(&a->id, &b->id) == 0 && a->named_size == b->named_size &&
           a->k == b->k && a->m == b->m;
}

/* All that is there of the item may be on its way from or to the other one. Else another value was
 * stored since, whole or not to be seen whole now, and what a member has kept of the one before is
 * not to be made whole by the other item, which that is. */
static bool all_may_turn(const struct ms_value_finding *f, enum ms_own_mark mark)
{
    bool may = f->complete == 0;
    for (size_t i = 0; i < f->count && may; i++) {
        bool both = f->writes[i].shape.mark != mark;
        for (size_t j = 0; j < f->count && !both; j++)
            both = f->writes[j].shape.mark != mark &&
                   same_value(&f->writes[i].shape, &f->writes[j].shape);
        may = both;
    }
    return may;
}

/* Of one item only: of the other's objects remain those of writes that are on the way from one to
 * the other, of which neither has enough. */
static int share_writes(struct ms_value_finding *f, enum ms_own_mark mark, struct ms_error *err)
{
    size_t kept = 0;
    bool shared = all_may_turn(f, mark);
    for (size_t i = 0; i < f->count; i++) {
        struct ms_value_write *w = &f->writes[i];
        for (size_t j = 0; j < f->count && w->shape.mark == mark && shared; j++) {
            const struct ms_value_write *other = &f->writes[j];
            if (other->shape.mark == mark || !same_value(&w->shape, &other->shape) ||
                w->distinct >= w->shape.k || other->distinct >= w->shape.k)
                continue;
            int code = share_write(w, other, err);
            if (code)
                return code;
            f->complete += w->distinct >= w->shape.k;
        }
    }
    for (size_t i = 0; i < f->count; i++) {
        if (f->writes[i].shape.mark == mark)
            f->writes[kept++] = f->writes[i];
        else
            free(f->writes[i].places);
    }
    f->count = kept;
    return 0;
}

static int by_worth(const void *x, const void *y)
{
    const struct ms_value_write *a = x, *b = y;
    bool whole_a = a->distinct >= a->shape.k, whole_b = b->distinct >= b->shape.k;
    if (whole_a != whole_b)
        return whole_a ? -1 : 1;
    return ms_write_id_compare(&b->shape.id, &a->shape.id);
}

void ms_value_finding_fini(struct ms_value_finding *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->writes[i].places);
    free(f->writes);
    free(f->staged);
    *f = (struct ms_value_finding){0};
}

/* ---- asking ------------------------------------------------------------------------------- */

enum until { A_WHOLE_ONE, ANYTHING, EVERYBODY }; /* whom a search asks: until there is … */

struct asking {
    struct search *search;
    struct ms_fan *fan;
    enum until until;
    unsigned least;
    bool started[MS_MEMBERS_MAX];
    struct ms_value_finding *into;
};

static void ask(struct asking *a, unsigned leg)
{
    a->started[leg] = true;
    a->into->asked++;
    ms_fan_start(a->fan, leg);
}

/* The fastest among the targets, or among all. */
static bool ask_best(struct asking *a, unsigned end)
{
    const struct ms_site *site = &a->search->home.site;
    unsigned best = end;
    uint64_t best_ns = 0;
    for (unsigned i = 0; i < end; i++) {
        struct ms_member *m = ms_site_member(site, i);
        uint64_t ns = m ? ms_health_expected_ns(ms_member_health(m), 0) : UINT64_MAX;
        if (a->started[i] || (best < end && ns >= best_ns))
            continue;
        best = i;
        best_ns = ns;
    }
    if (best < end)
        ask(a, best);
    return best < end;
}

static void ask_all(struct asking *a)
{
    for (unsigned i = 0; i < a->search->home.site.order.data; i++)
        if (!a->started[i])
            ask(a, i);
}

static uint64_t late_at(const struct asking *a)
{
    const struct ms_site *site = &a->search->home.site;
    uint64_t longest = 0;
    for (unsigned i = 0; i < site->order.data; i++) {
        struct ms_member *m = a->started[i] ? ms_site_member(site, i) : NULL;
        uint64_t late = m ? ms_health_late_ns(ms_member_health(m), 0) : 0;
        longest = late > longest ? late : longest;
    }
    return ms_clock_now(site->roster->clock) + longest;
}

static bool has_any(const struct asking *a)
{
    enum ms_own_mark mark = ms_value_mark(&a->search->home.site);
    for (size_t i = 0; i < a->into->count; i++)
        if (a->into->writes[i].shape.mark == mark)
            return true;
    return false;
}

static bool has_enough(const struct asking *a)
{
    const struct ms_value_finding *f = a->into;
    switch (a->until) {
    case A_WHOLE_ONE:
        return f->complete > 0;
    case ANYTHING:
        return f->answered >= a->least || has_any(a);
    case EVERYBODY:
        break;
    }
    return false;
}

/* Everybody is asked when what is wanted has not come from those asked first, or not in time. */
static int ask_until_found(struct asking *a, struct ms_error *err)
{
    const struct ms_site *site = &a->search->home.site;
    struct ms_value_finding *f = a->into;
    uint64_t due = late_at(a);
    unsigned leg;
    while (!has_enough(a)) {
        if (!ms_fan_running(a->fan)) {
            unsigned before = f->asked;
            ask_all(a);
            if (f->asked == before)
                break;
        }
        if (!ms_fan_next(a->fan, site->roster->clock, due, &leg)) {
            ask_all(a);
            due = UINT64_MAX;
            continue;
        }
        if (ms_fan_code(a->fan, leg)) {
            if (!f->why.code)
                f->why = *ms_fan_error(a->fan, leg);
            ask_best(a, site->order.targets);
            continue;
        }
        f->answered++;
        f->has_answered[leg] = true;
        int code =
            add_places(f, ms_value_mark(site), &a->search->at[leg], site->order.member[leg], err);
        if (code)
            return code;
    }
    return 0;
}

static int find(const struct ms_site *site, unsigned least, enum until until,
                struct ms_value_finding *out, struct ms_error *err)
{
    struct ms_value_finding found = {0};
    struct asking a = {.into = &found, .until = until, .least = least};
    int code = search_new(site, &a.search, err);
    if (code)
        return code;
    a.search->names_only = until != EVERYBODY;
    code = ms_fan_new(site->order.data, list_leg, search_free, a.search, &a.fan, err);
    if (code) {
        search_free(a.search);
        return code;
    }
    if (until == EVERYBODY)
        ask_all(&a);
    for (unsigned i = 0; i < least && until != EVERYBODY; i++)
        if (!ask_best(&a, site->order.targets))
            break;
    code = ask_until_found(&a, err);
    ms_fan_cancel(a.fan);
    ms_fan_release(a.fan);
    if (!code && ms_check_cancelled(NULL))
        code = ms_error_set(err, MS_ERR_CANCELLED, "cancelled");
    if (code) {
        ms_value_finding_fini(&found);
        return code;
    }
    code = share_writes(&found, ms_value_mark(site), err);
    if (code) {
        ms_value_finding_fini(&found);
        return code;
    }
    if (found.count)
        qsort(found.writes, found.count, sizeof *found.writes, by_worth);
    *out = found;
    return 0;
}

int ms_value_find(const struct ms_site *site, unsigned least, bool everywhere,
                  struct ms_value_finding *out, struct ms_error *err)
{
    return find(site, least, everywhere ? EVERYBODY : A_WHOLE_ONE, out, err);
}

int ms_value_glance(const struct ms_site *site, unsigned least, bool *any, struct ms_error *err)
{
    struct ms_value_finding f = {0};
    int code = find(site, least, ANYTHING, &f, err);
    *any = !code && f.count > 0;
    ms_value_finding_fini(&f);
    return code;
}
