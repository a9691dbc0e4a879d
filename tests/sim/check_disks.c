/* The disks of an MStore at rest: see check_disks.h. All objects of all members are gathered, in
 * the order of the items that they belong to; then each item is judged by what the layout says. */
#include "tests/sim/check_disks.h"

#include "tests/sim/clients.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/layout_copies.h"
#include "mstore/names.h"
#include "mstore/voters.h"

#include <stdio.h>
#include <stdlib.h>

#define DEL ".del"

struct object {
    char item[SIM_KEY_SIZE + 24]; /* with its namespace */
    char write[160];              /* equal for all objects of one write */
    struct ms_write_id id;        /* of a version, or of what a block is about */
    unsigned member, k, index;    /* k 0: a name without data, or the value itself */
    bool deleted;                 /* of the soft-deleted item, where that is one of its own */
    enum ms_own_kind kind;        /* MS_OWN_MEMBER: none of MStore's own: a value in a mirror */
};

struct gathering {
    struct sim_world *w;
    const struct ms_layout *layout;
    unsigned member;
    struct object *objects;
    size_t count;
    char held[320]; /* a note or mark that stays as long as mirrors differ; "": there is none */
    bool split;     /* they do */
};

/* ---- gathering ---- */

static int keep(struct gathering *g, const struct object *o, struct ms_error *err)
{
    struct object *more = reallocarray(g->objects, g->count + 1, sizeof *more);
    if (!more)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for what is on the disks");
    g->objects = more;
    more[g->count++] = *o;
    return 0;
}

/* NAMESPACE/…nesting…/KEY, where every mirror must have the same bytes. */
static int take_mirrored(struct gathering *g, struct ms_view name, struct ms_error *err)
{
    struct object o = {.member = g->member, .deleted = ms_ends_with(name, ms_str(DEL))};
    size_t size = name.size - (o.deleted ? strlen(DEL) : 0);
    const uint8_t *slash = memchr(name.data, '/', size), *last = memrchr(name.data, '/', size);
    MS_AUTO_BUF struct ms_buf *value = NULL;
    if (!slash)
        return ms_error_set(err, MS_ERR_CONFLICT, "member %u has a stranger: %.*s", g->member,
                            (int)name.size, (const char *)name.data);
    snprintf(o.item, sizeof o.item, "%.*s%.*s", (int)(slash - name.data), (const char *)name.data,
             (int)(name.data + size - last), (const char *)last);
    int code =
        ms_backend_load(g->w->members[g->member].disk, name, 0, MS_SIZE_TO_END, &value, NULL, err);
    struct ms_view bytes = code ? ms_view(NULL, 0) : ms_buf_view(value);
    uint64_t sum = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < bytes.size; i++)
        sum = (sum ^ bytes.data[i]) * 1099511628211u;
    snprintf(o.write, sizeof o.write, "%zu bytes, %016llx", bytes.size, (unsigned long long)sum);
    return code ? code : keep(g, &o, err);
}

static int take_framed(struct gathering *g, const struct ms_own_name *own, struct ms_error *err)
{
    struct object o = {.member = g->member,
                       .k = own->k,
                       .index = own->m ? own->index : 0,
                       .deleted = own->kind == MS_OWN_VALUE && own->mark == MS_OWN_SOFT_DELETED,
                       .kind = own->kind,
                       .id = own->id};
    snprintf(o.item, sizeof o.item, "%.*s/%.*s", (int)own->space.size,
             (const char *)own->space.data, (int)own->key.size, (const char *)own->key.data);
    snprintf(o.write, sizeof o.write, "%llx-%llx_%llx of %llx bytes, %d, level %u, %u+%u",
             (unsigned long long)own->id.counter, (unsigned long long)own->id.writer,
             (unsigned long long)own->id.next, (unsigned long long)own->size, (int)own->mark,
             own->level, own->k ? own->k : 1, own->m);
    return keep(g, &o, err);
}

/* The layout in force, what decided on it, and what was begun about the next: docs/mstore.md,
 * Changing the layout, "What is left". */
static bool is_of_layout(const struct gathering *g, const struct ms_own_name *own)
{
    uint64_t epoch = g->layout->epoch;
    return own->kind == MS_OWN_LAYOUT
               ? own->epoch == epoch
               : own->kind == MS_OWN_BLOCK && ms_equal(own->space, ms_str(MS_LAYOUT_REGISTER)) &&
                     (ms_equal(own->key, ms_str(ms_layout_register_of(epoch).key)) ||
                      ms_equal(own->key, ms_str(ms_layout_register_of(epoch + 1).key)));
}

/* A note or a mark, which must have gone unless mirrors differ (Plain namespaces, Limits, "Copies
 * that differ"; Leases, "Which keys speak against it"): that is seen once all is gathered. */
static bool is_held(struct gathering *g, struct ms_view name)
{
    bool held =
        memmem(name.data, name.size, "/hint/", 6) || memmem(name.data, name.size, "/away/", 6);
    if (held)
        snprintf(g->held, sizeof g->held, "member %u has kept %.*s", g->member, (int)name.size,
                 (const char *)name.data);
    return held;
}

static int take_own(struct gathering *g, const struct ms_own_name *own, struct ms_view name,
                    struct ms_error *err)
{
    bool stays = own->kind == MS_OWN_MEMBER || own->kind == MS_OWN_VALUE ||
                 (own->kind == MS_OWN_OBJECT && own->mark != MS_OWN_DELETED) ||
                 (own->kind == MS_OWN_BLOCK && own->of_version) || is_of_layout(g, own);
    if (!stays)
        return ms_error_set(err, MS_ERR_CONFLICT, "member %u has kept %.*s", g->member,
                            (int)name.size, (const char *)name.data);
    bool of_key = own->kind == MS_OWN_VALUE || own->kind == MS_OWN_OBJECT ||
                  (own->kind == MS_OWN_BLOCK && own->of_version);
    return of_key ? take_framed(g, own, err) : 0;
}

static int take(void *ctx, struct ms_view name, struct ms_error *err)
{
    struct gathering *g = ctx;
    if (!ms_starts_with(name, ms_str("mstore-")))
        return take_mirrored(g, name, err);
    if (is_held(g, name))
        return 0;
    struct ms_own_parsed *parsed = malloc(sizeof *parsed);
    if (!parsed)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a name");
    int code = ms_own_parse(name, parsed)
                   ? take_own(g, &parsed->name, name, err)
                   : ms_error_set(err, MS_ERR_CONFLICT, "member %u has kept %.*s", g->member,
                                  (int)name.size, (const char *)name.data);
    free(parsed);
    return code;
}

static int by_item(const void *a, const void *b)
{
    const struct object *one = a, *two = b;
    int order = strcmp(one->item, two->item);
    return order ? order : (int)one->deleted - (int)two->deleted;
}

/* ---- judging ---- */

static unsigned wanted_at(const struct ms_site *site, unsigned i)
{
    return site->space->kind == MS_KIND_MUTABLE ? ms_voters_member(site, i) : site->order.member[i];
}

/* A name without data is enough for a witness alone. */
static const struct object *held_by(const struct object *objects, size_t count, unsigned member,
                                    bool voter_only)
{
    for (size_t i = 0; i < count; i++)
        if (objects[i].member == member &&
            (objects[i].kind == MS_OWN_MEMBER || (objects[i].k == 0) == voter_only))
            return &objects[i];
    return NULL;
}

/* Blocks about the newest version ("no version" is one, too) alone may be there: docs/mstore.md,
 * Conditional stores, "What is left". Moves them behind the others, whose number it returns. */
static int part_blocks(struct object *objects, size_t *count, struct ms_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (objects[i].kind != MS_OWN_BLOCK) {
            struct object o = objects[i];
            objects[i] = objects[kept];
            objects[kept++] = o;
        }
    const struct ms_write_id newest = kept ? objects[0].id : (struct ms_write_id){0};
    for (size_t i = kept; i < *count; i++)
        if (ms_write_id_compare(&objects[i].id, &newest) != 0)
            return ms_error_set(
                err, MS_ERR_CONFLICT,
                "member %u has kept blocks about another version of %s than is there",
                objects[i].member, objects[i].item);
    *count = kept;
    return 0;
}

static int judge_each(const struct object *objects, size_t count, struct ms_error *err)
{
    for (size_t i = 1; i < count; i++)
        if (strcmp(objects[i].write, objects[0].write) != 0)
            return ms_error_set(err, MS_ERR_CONFLICT,
                                "of %s there are two writes: %s on member %u, %s on member %u",
                                objects[0].item, objects[0].write, objects[0].member,
                                objects[i].write, objects[i].member);
    return 0;
}

/* Mirrors that differ, no value on most of them: docs/mstore.md, Plain namespaces, Limits, "Copies
 * that differ". */
static bool is_conflict(const struct object *objects, size_t count)
{
    size_t most = 0;
    for (size_t i = 0; i < count; i++) {
        size_t same = 0;
        for (size_t j = 0; j < count; j++)
            same += strcmp(objects[i].write, objects[j].write) == 0;
        most = same > most ? same : most;
    }
    return objects->kind == MS_OWN_MEMBER && 2 * most <= count;
}

/* The objects of one item. *split: mirrors differ. */
static int judge(struct ms_roster *roster, struct object *objects, size_t count, bool *split,
                 struct ms_error *err)
{
    struct ms_site site;
    int code = ms_site_of(roster, ms_str(objects->item), objects->deleted, &site, err);
    if (!code)
        code = part_blocks(objects, &count, err);
    bool conflict = !code && count && is_conflict(objects, count);
    *split |= conflict;
    if (code || count == 0 || conflict)
        return code;
    code = judge_each(objects, count, err);
    if (code)
        return code;
    bool votes = site.space->kind == MS_KIND_MUTABLE;
    unsigned wanted = votes ? ms_voters_count(&site) : site.order.targets, shards = 0, data = 0;
    for (unsigned i = 0; i < wanted; i++) {
        const struct object *o =
            held_by(objects, count, wanted_at(&site, i), i >= site.order.targets);
        if (!o)
            return ms_error_set(err, MS_ERR_CONFLICT, "%s%s (%s) is not on member %u",
                                objects->item, objects->deleted ? DEL : "", objects->write,
                                wanted_at(&site, i));
        data += i < site.order.targets;
        shards |= 1u << o->index;
    }
    if (count != wanted)
        return ms_error_set(err, MS_ERR_CONFLICT, "%s%s (%s) has %zu objects instead of %u",
                            objects->item, objects->deleted ? DEL : "", objects->write, count,
                            wanted);
    if (site.space->redundancy == MS_REDUNDANCY_EC && shards != (1u << data) - 1)
        return ms_error_set(err, MS_ERR_CONFLICT, "%s%s (%s) has a shard twice", objects->item,
                            objects->deleted ? DEL : "", objects->write);
    return 0;
}

int sim_check_disks(struct sim_world *w, struct ms_roster *roster, struct ms_error *err)
{
    struct gathering g = {.w = w, .layout = roster->layout};
    int code = 0;
    for (size_t i = 0; i < roster->layout->member_count && !code; i++) {
        g.member = (unsigned)i;
        if (roster->layout->members[i].state != MS_GONE)
            code = sim_disk_walk(w->members[i].disk, take, &g, err);
    }
    if (!code && g.count)
        qsort(g.objects, g.count, sizeof *g.objects, by_item);
    for (size_t i = 0, next; i < g.count && !code; i = next) {
        for (next = i + 1; next < g.count && by_item(&g.objects[i], &g.objects[next]) == 0;)
            next++;
        code = judge(roster, &g.objects[i], next - i, &g.split, err);
    }
    if (!code && g.held[0] && !g.split)
        code = ms_error_set(err, MS_ERR_CONFLICT, "%s", g.held);
    free(g.objects);
    return code;
}
