/* tests/support/cluster.c - see tests/support/cluster.h. */
#include "tests/support/cluster.h"

#include "base/pool.h"
#include "mstore/names.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>

#define LATE_NS (UINT64_C(14) * 60 * 1000000000)

static const struct ms_seal_key key = {{1, 2, 3}};
static atomic_uint clusters; /* storages of one name are shared by the process */

/* ---- wires --------------------------------------------------------------------------------- */

struct wire {
    struct ms_backend base;
    struct ms_backend *inner;
    struct wires *all;
    unsigned member;
};

static struct ms_backend *inner_of(struct ms_backend *b)
{
    return ((struct wire *)b)->inner;
}

/* CANCELLED when the caller has gone. */
static int lag(struct wires *all, struct ms_error *err)
{
    if (!all->lag_ns)
        return 0;
    struct ms_random random;
    ms_random_seed(&random, atomic_fetch_add(&all->dice, 1));
    return ms_sleep(all->clock, ms_random_below(&random, all->lag_ns), err);
}

static int lost(struct wire *w, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_CONNECTION, "no answer from %u", w->member);
}

/* 0: go on; else the effect must not happen. *end: this call is the client's last. */
static int depart(struct wire *w, atomic_uint *counter, bool *end, struct ms_error *err)
{
    struct wires *all = w->all;
    unsigned number = atomic_fetch_add(&all->calls, 1) + 1;
    atomic_fetch_add(counter, 1);
    *end = number == all->cut_at;
    if (*end)
        atomic_store(&all->cut, true);
    else if (atomic_load(&all->cut))
        return lost(w, err);
    int code = lag(all, err);
    if (!code && atomic_load(&all->slow) >> w->member & 1)
        code = ms_sleep(all->clock, UINT64_C(60000000000), err);
    if (code)
        return code;
    return atomic_load(&all->down) >> w->member & 1 ? lost(w, err) : 0;
}

static int arrive(struct wire *w, int code, struct ms_error *err)
{
    int gone = lag(w->all, err);
    if (gone)
        return gone;
    return atomic_load(&w->all->cut) ? lost(w, err) : code;
}

/* The effect of a call, for WIRE_LATE: it owns what it needs. */
struct effect {
    struct ms_backend *inner; /* of the cluster: outlives the client */
    struct ms_clock *clock;
    char name[512];
    struct ms_buf *value; /* NULL: remove */
};

static int happen(void *arg)
{
    struct effect *e = arg;
    (void)!ms_sleep(e->clock, LATE_NS, NULL);
    if (e->value)
        (void)!ms_backend_store(e->inner, ms_str(e->name), e->value, NULL, NULL, NULL);
    else
        (void)!ms_backend_delete(e->inner, ms_str(e->name), NULL);
    return 0;
}

static void effect_free(void *arg)
{
    struct effect *e = arg;
    ms_buf_unref(e->value);
    free(e);
}

static void happen_later(struct wire *w, struct ms_view name, struct ms_buf *value)
{
    struct effect *e = calloc(1, sizeof *e);
    struct ms_group *g = NULL;
    assert_non_null(e);
    assert_true(name.size < sizeof e->name);
    memcpy(e->name, name.data, name.size);
    e->inner = w->inner;
    e->clock = w->all->clock;
    e->value = value ? ms_buf_copy(ms_buf_view(value)) : NULL;
    assert_int_equal(ms_group_new(&g, NULL), 0);
    assert_int_equal(ms_group_fork(g, happen, effect_free, e, NULL), 0);
    ms_group_release(g);
}

#define WIRE(b, counter, err, effect)                                                              \
    ({                                                                                             \
        struct wire *w_ = (struct wire *)(b);                                                      \
        bool end_;                                                                                 \
        int code_ = depart(w_, &w_->all->counter, &end_, (err));                                   \
        if (!code_ && end_ && w_->all->cut_how != WIRE_AFTER)                                      \
            code_ = lost(w_, (err));                                                               \
        else if (!code_)                                                                           \
            code_ = arrive(w_, (effect), (err));                                                   \
        code_;                                                                                     \
    })

static bool is_empty(struct ms_backend *b)
{
    struct wire *w = (struct wire *)b;
    return atomic_load(&w->all->empty) >> w->member & 1;
}

static int wire_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                     struct ms_error *err)
{
    if (is_empty(b)) {
        *out = (struct ms_info){0};
        return 0;
    }
    return WIRE(b, others, err, ms_backend_info(inner_of(b), name, out, err));
}

static int wire_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                     struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    struct wire *w = (struct wire *)b;
    struct ms_buf *loaded = NULL;
    atomic_fetch_or(&w->all->down, atomic_load(&w->all->leaves) & 1u << w->member);
    int code =
        WIRE(b, loads, err, ms_backend_load(inner_of(b), name, offset, size, &loaded, info, err));
    if (code)
        ms_buf_unref(loaded);
    else
        *out = loaded;
    return code;
}

static int wire_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                      const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct wire *w = (struct wire *)b;
    bool end;
    int code = depart(w, &w->all->stores, &end, err);
    if (code)
        return code;
    if (end && w->all->cut_how == WIRE_LATE)
        happen_later(w, name, value);
    if (end && w->all->cut_how != WIRE_AFTER)
        return lost(w, err);
    if (atomic_load(&w->all->full) >> w->member & 1)
        return ms_error_set(err, MS_ERR_NO_SPACE, "no space on %u", w->member);
    return arrive(w, ms_backend_store(w->inner, name, value, pre, tag, err), err);
}

static int wire_remove(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct wire *w = (struct wire *)b;
    bool end;
    int code = depart(w, &w->all->removes, &end, err);
    if (code)
        return code;
    if (end && w->all->cut_how == WIRE_LATE)
        happen_later(w, name, NULL);
    if (end && w->all->cut_how != WIRE_AFTER)
        return lost(w, err);
    return arrive(w, ms_backend_delete(w->inner, name, err), err);
}

static int wire_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                     const struct ms_precondition *pre, struct ms_error *err)
{
    return WIRE(b, others, err, ms_backend_move(inner_of(b), from, to, pre, err));
}

struct wire_lister {
    struct ms_lister base;
    struct ms_lister *inner;
};

static int wire_next(struct ms_lister *l, const struct ms_entry **out, struct ms_error *err)
{
    return ms_lister_next(((struct wire_lister *)l)->inner, out, err);
}

static void wire_close(struct ms_lister *l)
{
    ms_lister_close(((struct wire_lister *)l)->inner);
    free(l);
}

static const struct ms_lister_ops wire_lister_ops = {.next = wire_next, .close = wire_close};

static int wire_list(struct ms_backend *b, struct ms_view name,
                     const struct ms_list_request *request, struct ms_lister **out,
                     struct ms_error *err)
{
    struct ms_lister *inner = NULL;
    if (is_empty(b))
        return ms_error_set(err, MS_ERR_NOT_FOUND, "no such folder");
    int code = WIRE(b, lists, err, ms_backend_list(inner_of(b), name, request, &inner, err));
    if (code) {
        ms_lister_close(inner);
        return code;
    }
    struct wire_lister *l = calloc(1, sizeof *l);
    if (!l) {
        ms_lister_close(inner);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    }
    l->base = (struct ms_lister){.ops = &wire_lister_ops, .backend = b};
    l->inner = inner;
    *out = &l->base;
    return 0;
}

static int wire_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return WIRE(b, others, err, ms_backend_mkdir(inner_of(b), name, err));
}

static int wire_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return WIRE(b, others, err, ms_backend_rmdir(inner_of(b), name, err));
}

static int wire_life(struct ms_backend *b, struct ms_error *err)
{
    (void)b;
    (void)err;
    return 0; /* the storage is the cluster's, and open */
}

static void wire_free(struct ms_backend *b)
{
    free(b);
}

static void wire_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    ms_backend_capabilities(inner_of(b), out);
}

static const struct ms_backend_ops wire_ops = {
    .create = wire_life,
    .destroy = wire_life,
    .open = wire_life,
    .close = wire_life,
    .free = wire_free,
    .capabilities = wire_capabilities,
    .mkdir = wire_mkdir,
    .rmdir = wire_rmdir,
    .info = wire_info,
    .load = wire_load,
    .store = wire_store,
    .remove = wire_remove,
    .move = wire_move,
    .list = wire_list,
};

static struct ms_backend *wire_to(struct ms_backend *inner, struct wires *all, unsigned member)
{
    struct wire *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->base = (struct ms_backend){.ops = &wire_ops, .clock = all->clock};
    snprintf(w->base.url, sizeof w->base.url, "wire:%u", member);
    w->inner = inner;
    w->all = all;
    w->member = member;
    return &w->base;
}

/* ---- clusters ------------------------------------------------------------------------------ */

static struct ms_layout *layout_of(const struct cluster *c)
{
    struct ms_layout *l = NULL;
    struct ms_error err = {0};
    check_ok(ms_layout_parse(ms_str(c->layout), "layout", &l, &err), err);
    return l;
}

static struct ms_member *member_over(const struct ms_layout *l, unsigned i,
                                     struct ms_backend *storage, struct ms_clock *clock,
                                     uint64_t seed)
{
    struct ms_error err = {0};
    struct ms_member *m = NULL;
    struct ms_member_options options = {.name = l->members[i].name,
                                        .store = l->uuid,
                                        .uuid = l->members[i].uuid,
                                        .key = &key,
                                        .clock = clock,
                                        .seed = seed};
    check_ok(ms_member_new(&options, storage, &m, &err), err);
    return m;
}

void cluster_make(struct cluster *c, const char *layout, struct ms_clock *clock)
{
    *c = (struct cluster){.layout = layout, .clock = clock};
    struct ms_layout *l = layout_of(c);
    struct ms_backend_env env = {.clock = clock, .seed = 1};
    struct wires plain = {.clock = clock};
    unsigned number = atomic_fetch_add(&clusters, 1);
    struct ms_error err = {0};
    assert_true(l->member_count <= CLUSTER_MAX);
    c->members = (unsigned)l->member_count;
    for (unsigned i = 0; i < c->members; i++) {
        char url[64];
        snprintf(url, sizeof url, "memory:cluster-%u-%u", number, i);
        check_ok(ms_backend_make(url, &env, &c->storage[i], &err), err);
        check_ok(ms_backend_create(c->storage[i], &err), err);
        check_ok(ms_backend_open(c->storage[i], &err), err);
        struct ms_member *m = member_over(l, i, wire_to(c->storage[i], &plain, i), clock, 1);
        check_ok(ms_member_create(m, &err), err);
        ms_member_unref(m);
    }
    ms_layout_free(l);
}

void cluster_free(struct cluster *c)
{
    for (unsigned i = 0; i < c->members; i++)
        ms_backend_free(c->storage[i]);
}

#define OWN     "mstore-5d8e0102030445068708090a0b0c0d0e/"
#define OBJECTS OWN "obj"

static void damage(struct ms_backend *b, const char *name)
{
    struct ms_buf *old = NULL, *now;
    struct ms_error err = {0};
    check_ok(ms_backend_load(b, ms_str(name), 0, MS_SIZE_TO_END, &old, NULL, &err), err);
    now = ms_buf_new(ms_buf_size(old));
    assert_non_null(now);
    memset(ms_buf_data(now), 0x5a, ms_buf_size(now));
    check_ok(ms_backend_store(b, ms_str(name), now, NULL, NULL, &err), err);
    ms_buf_unref(now);
    ms_buf_unref(old);
}

static unsigned walk(struct ms_backend *b, const char *folder,
                     void (*visit)(struct ms_backend *, const char *))
{
    struct ms_lister *l = NULL;
    const struct ms_entry *entry = NULL;
    struct ms_error err = {0};
    unsigned count = 0;
    int code = ms_backend_list(b, ms_str(folder), NULL, &l, &err);
    if (code == MS_ERR_NOT_FOUND)
        return 0;
    check_ok(code, err);
    while (ms_lister_next(l, &entry, &err) == 0 && entry) {
        char below[MS_NAME_MAX + 1];
        snprintf(below, sizeof below, "%s/%.*s", folder, (int)entry->name.size,
                 (const char *)entry->name.data);
        count += entry->info.directory ? walk(b, below, visit) : 1;
        if (visit && !entry->info.directory)
            visit(b, below);
    }
    ms_lister_close(l);
    return count;
}

unsigned cluster_objects(const struct cluster *c, unsigned member)
{
    return walk(c->storage[member], OBJECTS, NULL);
}

unsigned cluster_notes(const struct cluster *c, unsigned member)
{
    return walk(c->storage[member], OWN "hint", NULL);
}

void cluster_damage(const struct cluster *c, unsigned member)
{
    assert_true(walk(c->storage[member], OBJECTS, damage) > 0);
}

/* ---- clients ------------------------------------------------------------------------------- */

void client_make(struct client *cl, const struct cluster *c, uint64_t seed)
{
    struct ms_layout *l = layout_of(c);
    struct ms_member *members[CLUSTER_MAX];
    struct ms_error err = {0};
    memset(cl, 0, sizeof *cl);
    cl->wires.clock = c->clock;
    atomic_init(&cl->wires.dice, seed << 20);
    for (unsigned i = 0; i < c->members; i++)
        members[i] = member_over(l, i, wire_to(c->storage[i], &cl->wires, i), c->clock, seed + i);
    check_ok(ms_roster_new(l, members, c->clock, &key, &cl->roster, &err), err);
    for (unsigned i = 0; i < c->members; i++) {
        check_ok(ms_member_open(members[i], &err), err);
        ms_member_unref(members[i]);
    }
    client_reset_counts(cl);
}

void client_free(struct client *cl)
{
    ms_roster_unref(cl->roster);
}

void client_reset_counts(struct client *cl)
{
    struct wires *w = &cl->wires;
    atomic_uint *all[] = {&w->calls, &w->lists, &w->loads, &w->stores, &w->removes, &w->others};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        atomic_store(all[i], 0);
}

struct ms_site client_site(struct client *cl, const char *name)
{
    struct ms_site site;
    struct ms_error err = {0};
    check_ok(ms_site_of(cl->roster, ms_str(name), false, &site, &err), err);
    return site;
}
