/* tests/support/fleet.c - see tests/support/fleet.h. */
#include "tests/support/fleet.h"

#include "base/hash.h"
#include "mstore/immutable.h"
#include "mstore/lease.h"
#include "tests/support/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define HEX                                                                                        \
    "5d8e01020304450687"                                                                           \
    "08090a0b0c0d0e"

static const struct ms_seal_key key = {{1, 2, 3}};
static atomic_uint fleets; /* storages of one name are shared by the process */

static struct ms_layout *layout_of(const struct fleet_options *o)
{
    char text[8192];
    struct ms_layout *layout = NULL;
    struct ms_error err = {0};
    int used = snprintf(text, sizeof text,
                        "[mstore]\nformat = 1\nuuid = 5d8e0102-0304-4506-8708-090a0b0c0d0e\n"
                        "epoch = 1\nphase = final\n");
    for (unsigned i = 0; i < o->members; i++)
        used += snprintf(text + used, sizeof text - (size_t)used,
                         "[member m%u]\nuuid = %08x-1111-4111-8111-111111111111\n", i, i + 1);
    snprintf(text + used, sizeof text - (size_t)used, "[namespace data]\nkind = %s\nlevels = 1\n%s",
             o->kind ? o->kind : "immutable", o->policy);
    check_ok(ms_layout_parse(ms_str(text), "layout", &layout, &err), err);
    return layout;
}

/* Takes over f->storage[i], or makes it. */
static struct ms_member *member_of(struct fleet *f, const struct ms_layout *l, unsigned i,
                                   const char *url, const struct fleet_options *o)
{
    struct ms_backend_env env = {.clock = f->clock, .seed = o->seed + i};
    struct ms_backend *inner = NULL;
    struct ms_error err = {0};
    struct ms_emulation emulation;
    ms_emulation_init(&emulation);
    emulation.latency_ns = o->last_ns && i + 1 == o->members ? o->last_ns : o->latency_ns;
    emulation.jitter_ns = o->jitter_ns;
    emulation.seed = o->seed + i;
    check_ok(ms_backend_make(url, &env, &inner, &err), err);
    check_ok(ms_emulator_new(inner, &emulation, &f->emulator[i], &err), err);
    struct ms_member_options options = {.name = l->members[i].name,
                                        .store = l->uuid,
                                        .uuid = l->members[i].uuid,
                                        .key = &key,
                                        .clock = f->clock,
                                        .seed = o->seed + i};
    struct ms_member *m = NULL;
    check_ok(ms_member_new(&options, f->emulator[i], &m, &err), err);
    return m;
}

static void make_roster(struct fleet *f, struct ms_layout *layout, struct ms_member *members[],
                        const struct fleet_options *o)
{
    struct ms_error err = {0};
    check_ok(ms_roster_new(layout, members, f->clock, &key, &f->roster, &err), err);
    check_ok(ms_ids_new_seeded(o->seed + 77, &f->ids, &err), err);
    ms_lease_configure(f->roster->lease, o->seed + f->count, o->lease_ns);
    (void)!ms_lease_poll(f->roster, MS_NEWS_AWAY, &err); /* as who opens a store does */
    for (unsigned i = 0; i < f->count; i++)
        ms_member_unref(members[i]);
}

void fleet_make(struct fleet *f, const struct fleet_options *o)
{
    struct ms_member *members[FLEET_MAX];
    struct ms_error err = {0};
    *f = (struct fleet){.count = o->members, .clock = o->clock ? o->clock : ms_clock_real()};
    struct ms_layout *layout = layout_of(o);
    struct ms_backend_env env = {.clock = f->clock, .seed = 1};
    unsigned number = atomic_fetch_add(&fleets, 1);
    for (unsigned i = 0; i < o->members; i++) {
        char url[128];
        snprintf(url, sizeof url, "memory:fleet-%u-%u%s%s", number, i,
                 o->capacity ? "?capacity=" : "", o->capacity ? o->capacity : "");
        check_ok(ms_backend_make(url, &env, &f->storage[i], &err), err);
        members[i] = member_of(f, layout, i, url, o);
        check_ok(ms_member_create(members[i], &err), err);
        check_ok(ms_member_open(members[i], &err), err);
        check_ok(ms_backend_open(f->storage[i], &err), err);
    }
    make_roster(f, layout, members, o);
}

void fleet_join(struct fleet *f, const struct fleet *other, const struct fleet_options *o)
{
    struct ms_member *members[FLEET_MAX];
    struct ms_error err = {0};
    *f = (struct fleet){.count = other->count, .clock = other->clock};
    struct ms_layout *layout = layout_of(o);
    for (unsigned i = 0; i < o->members; i++) {
        members[i] = member_of(f, layout, i, other->storage[i]->url, o);
        check_ok(ms_member_open(members[i], &err), err);
    }
    make_roster(f, layout, members, o);
}

void fleet_free(struct fleet *f)
{
    ms_roster_unref(f->roster);
    ms_ids_free(f->ids);
    for (unsigned i = 0; i < f->count; i++)
        ms_backend_free(f->storage[i]);
}

struct ms_site fleet_site(struct fleet *f, const char *name)
{
    struct ms_site site;
    struct ms_error err = {0};
    char whole[256]; /* the site has views of it: it lies in the caller's key then */
    snprintf(whole, sizeof whole, "data/%s", name);
    check_ok(ms_site_of(f->roster, ms_str(whole), false, &site, &err), err);
    site.space_path = ms_str("data");
    site.key = ms_str(name);
    return site;
}

void fleet_gone(struct fleet *f, unsigned member, bool gone)
{
    struct ms_error err = {0};
    check_ok(ms_emulator_set_gone(f->emulator[member], gone, &err), err);
}

void fleet_hang(struct fleet *f, unsigned member, unsigned count)
{
    struct ms_fault faults[16] = {0};
    struct ms_error err = {0};
    assert_true(count <= 16);
    for (unsigned i = 0; i < count; i++)
        faults[i] = (struct ms_fault){.verb = MS_VERB_COUNT, .kind = MS_FAULT_HANG, .nth = i + 1};
    check_ok(ms_emulator_set_faults(f->emulator[member], faults, count, &err), err);
}

uint64_t fleet_calls(struct fleet *f, int verb)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < f->count; i++)
        sum += ms_emulator_calls(f->emulator[i], verb);
    return sum;
}

/* ---- values --------------------------------------------------------------------------------- */

struct ms_buf *fleet_value(size_t size, uint64_t seed)
{
    struct ms_buf *buf = ms_buf_new(size);
    struct ms_random random;
    assert_non_null(buf);
    ms_random_seed(&random, seed);
    for (size_t i = 0; i < size; i++)
        ms_buf_data(buf)[i] = (uint8_t)(i % 7 ? ms_random_u64(&random) : i >> 3);
    return buf;
}

const char *fleet_digest(struct ms_buf *value, char hex[65])
{
    struct ms_error err = {0};
    check_ok(ms_sha256_hex(ms_buf_view(value), hex, &err), err);
    return hex;
}

void fleet_put(struct fleet *f, const char *key_text, struct ms_buf *value)
{
    struct ms_error err = {0};
    struct ms_site site = fleet_site(f, key_text);
    check_ok(ms_immutable_store(&site, f->ids, value, NULL, &err), err);
}

void fleet_assert_loads(struct fleet *f, const char *key_text, struct ms_buf *value)
{
    struct ms_error err = {0};
    struct ms_buf *got = NULL;
    struct ms_site site = fleet_site(f, key_text);
    check_ok(ms_immutable_load(&site, 0, MS_SIZE_TO_END, &got, &err), err);
    assert_int_equal(ms_buf_size(got), ms_buf_size(value));
    assert_memory_equal(ms_buf_view(got).data, ms_buf_view(value).data, ms_buf_size(value));
    ms_buf_unref(got);
}

/* ---- behind the curtain -------------------------------------------------------------------- */

static void each_below(struct ms_backend *b, const char *folder, fleet_visit fn, void *ctx)
{
    struct ms_lister *l = NULL;
    const struct ms_entry *entry = NULL;
    struct ms_error err = {0};
    int code = ms_backend_list(b, ms_str(folder), NULL, &l, &err);
    if (code == MS_ERR_NOT_FOUND)
        return;
    check_ok(code, err);
    while (ms_lister_next(l, &entry, &err) == 0 && entry) {
        char below[MS_NAME_MAX + 1];
        snprintf(below, sizeof below, "%s/%.*s", folder, (int)entry->name.size,
                 (const char *)entry->name.data);
        if (entry->info.directory)
            each_below(b, below, fn, ctx);
        else
            fn(ctx, b, ms_str(below));
    }
    ms_lister_close(l);
}

void fleet_each(struct fleet *f, unsigned member, const char *folder, fleet_visit fn, void *ctx)
{
    char whole[256];
    snprintf(whole, sizeof whole, "mstore-" HEX "/%s", folder);
    each_below(f->storage[member], whole, fn, ctx);
}

static void count_one(void *ctx, struct ms_backend *storage, struct ms_view name)
{
    (void)storage;
    (void)name;
    ++*(unsigned *)ctx;
}

unsigned fleet_objects(struct fleet *f, unsigned member, const char *folder)
{
    unsigned count = 0;
    fleet_each(f, member, folder, count_one, &count);
    return count;
}

static void wipe_one(void *ctx, struct ms_backend *storage, struct ms_view name)
{
    (void)ctx;
    struct ms_error err = {0};
    check_ok(ms_backend_delete(storage, name, &err), err);
}

unsigned fleet_all(struct fleet *f, const char *folder)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < f->count; i++)
        sum += fleet_objects(f, i, folder);
    return sum;
}

void fleet_wipe(struct fleet *f, unsigned member, const char *folder)
{
    fleet_each(f, member, folder, wipe_one, NULL);
}

static void flip_one(void *ctx, struct ms_backend *storage, struct ms_view name)
{
    uint64_t where = *(const uint64_t *)ctx;
    struct ms_error err = {0};
    struct ms_buf *bytes = NULL;
    check_ok(ms_backend_load(storage, name, 0, MS_SIZE_TO_END, &bytes, NULL, &err), err);
    struct ms_buf *bad = ms_buf_copy(ms_buf_view(bytes));
    assert_non_null(bad);
    ms_buf_data(bad)[where % ms_buf_size(bad)] ^= (uint8_t)(1u << where % 8);
    check_ok(ms_backend_store(storage, name, bad, NULL, NULL, &err), err);
    ms_buf_unref(bytes);
    ms_buf_unref(bad);
}

void fleet_flip(struct fleet *f, unsigned member, const char *folder, uint64_t where)
{
    fleet_each(f, member, folder, flip_one, &where);
}
