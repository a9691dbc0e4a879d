/* See changing.h. */
#include "support/changing.h"

#include "base/pool.h"
#include "base/sim.h"
#include "mstore/change.h"
#include "support/check.h"

#include <mstore/emulator.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)

static atomic_uint worlds; /* storages of one name are shared by the process */

static void url_of(const struct changing *w, unsigned member, char url[64])
{
    snprintf(url, 64, "memory:change-%u-%u", w->number, member);
}

static int make_storage(struct changing_client *c, unsigned member, struct ms_backend **out,
                        struct ms_error *err)
{
    char url[64];
    struct ms_backend_env env = {.clock = ms_sim_clock(), .seed = member + 1};
    struct ms_backend *inner = NULL;
    struct ms_emulation emulation;
    ms_emulation_init(&emulation);
    emulation.latency_ns = 10 * MS;
    emulation.jitter_ns = 9 * MS;
    if (c->world->latency_ns[member])
        emulation.latency_ns = c->world->latency_ns[member];
    emulation.seed = c->world->seed * 10 + member + 1;
    url_of(c->world, member, url);
    int code = ms_backend_make(url, &env, &inner, err);
    if (!code)
        code = ms_emulator_new(inner, &emulation, &c->emulator[member], err);
    if (!code)
        *out = c->emulator[member];
    return code;
}

static int find_member(void *ctx, const char *name, const char *url, struct ms_backend **out,
                       struct ms_error *err)
{
    (void)url;
    struct changing_client *c = ctx;
    unsigned member = (unsigned)(name[1] - '0');
    return member < CHANGING_MEMBERS ? make_storage(c, member, out, err)
                                     : ms_error_set(err, MS_ERR_NOT_FOUND, "unknown");
}

static void tell_wait(void *ctx, const struct ms_mstore_wait *wait)
{
    struct waits *w = ctx;
    w->told++;
    w->grew |= w->left_ns && wait->left_ns > w->left_ns;
    w->left_ns = wait->left_ns;
    if (wait->waited_ns > w->longest_ns)
        w->longest_ns = wait->waited_ns;
    if (!wait->left_ns && w->ended++ < 2)
        snprintf(w->what[w->ended - 1], sizeof w->what[0], "%s", wait->what);
}

static struct ms_mconf *conf_of(const struct changing *w)
{
    char text[4096], url[64];
    struct ms_mconf *conf = NULL;
    struct ms_error err = {0};
    int used = snprintf(text, sizeof text, "[mstore]\nkey = %064d\n", 4711);
    for (unsigned i = 0; i < w->founders; i++) {
        url_of(w, i, url);
        used +=
            snprintf(text + used, sizeof text - (size_t)used, "[member m%u]\nurl = %s\n", i, url);
    }
    snprintf(text + used, sizeof text - (size_t)used, "%s", w->policy);
    check_ok(ms_mconf_parse(ms_str(text), "conf", &conf, &err), err);
    return conf;
}

void changing_client(struct changing *w, unsigned number)
{
    struct changing_client *c = &w->client[number];
    struct ms_backend *backends[CHANGING_MEMBERS];
    struct ms_error err = {0};
    *c = (struct changing_client){.world = w, .number = number};
    for (unsigned i = 0; i < w->founders; i++)
        check_ok(make_storage(c, i, &backends[i], &err), err);
    struct ms_self_options o = {.clock = ms_sim_clock(),
                                .seed = w->seed * 7 + number,
                                .deterministic = true,
                                .name = "conf",
                                .state_folder = w->state_folder ? w->state_folder : "",
                                .boot = w->boot,
                                .waiting = tell_wait,
                                .waiting_ctx = &c->waits,
                                .find_member = find_member,
                                .find_ctx = c};
    check_ok(ms_self_new(conf_of(w), backends, &o, &c->store, &err), err);
    if (number == 0)
        check_ok(ms_store_create(c->store, &err), err);
    check_ok(ms_store_open(c->store, &err), err);
}

void changing_end(struct changing_client *c)
{
    struct ms_error err = {0};
    check_ok(ms_store_close(c->store, &err), err);
    ms_store_free(c->store);
    c->store = NULL;
}

int changing_end_all(struct changing *w, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        changing_end(&w->client[i]);
    return 0;
}

void changing_begin(struct changing *w, unsigned founders, const char *policy)
{
    w->number = atomic_fetch_add(&worlds, 1);
    w->founders = founders;
    w->policy = policy;
    changing_client(w, 0);
}

/* ---- what is asked and said ---- */

void changing_gone(struct changing_client *c, unsigned member, bool is)
{
    struct ms_error err = {0};
    check_ok(ms_emulator_set_gone(c->emulator[member], is, &err), err);
}

struct ms_backend *changing_storage(const struct changing *w, unsigned member)
{
    char url[64];
    struct ms_backend_env env = {.clock = ms_sim_clock(), .seed = 1};
    struct ms_backend *storage = NULL;
    struct ms_error err = {0};
    url_of(w, member, url);
    check_ok(ms_backend_make(url, &env, &storage, &err), err);
    check_ok(ms_backend_open(storage, &err), err);
    return storage;
}

void changing_put(struct changing_client *c, const char *key, unsigned generation)
{
    struct ms_error err = {0};
    char text[64];
    struct ms_buf_borrowed b;
    snprintf(text, sizeof text, "%s %u", key, generation);
    check_ok(
        ms_store_store(c->store, ms_str(key), ms_buf_borrow(&b, ms_str(text)), NULL, NULL, &err),
        err);
}

void changing_expect(struct changing_client *c, const char *key, unsigned generation)
{
    struct ms_error err = {0};
    char text[64];
    struct ms_buf *got = NULL;
    snprintf(text, sizeof text, "%s %u", key, generation);
    check_ok(ms_store_load(c->store, ms_str(key), NULL, &got, &err), err);
    assert_int_equal(ms_buf_size(got), strlen(text));
    assert_memory_equal(ms_buf_view(got).data, text, strlen(text));
    ms_buf_unref(got);
}

void changing_expect_none(struct changing_client *c, const char *key)
{
    struct ms_error err = {0};
    struct ms_buf *got = NULL;
    check_code(ms_store_load(c->store, ms_str(key), NULL, &got, &err), MS_ERR_NOT_FOUND, err);
}

void changing_name_key(char key[32], unsigned i)
{
    snprintf(key, 32, "config/key%u", i);
}

void changing_put_all(struct changing_client *c, unsigned generation)
{
    char key[32];
    for (unsigned i = 0; i < CHANGING_KEYS; i++) {
        changing_name_key(key, i);
        changing_put(c, key, generation);
    }
}

void changing_expect_all(struct changing_client *c, unsigned generation)
{
    char key[32];
    for (unsigned i = 0; i < CHANGING_KEYS; i++) {
        changing_name_key(key, i);
        changing_expect(c, key, generation);
    }
}

void changing_in_force(struct changing_client *c, uint64_t epoch, bool proposed)
{
    struct ms_roster *r = ms_self_roster(ms_self_of(c->store));
    assert_int_equal(r->layout->epoch, epoch);
    assert_int_equal(r->next != NULL, proposed);
    ms_roster_unref(r);
}

static struct ms_layout_member member_named(const char *name)
{
    struct ms_layout_member m = {.weight = 1, .state = MS_ACTIVE};
    snprintf(m.name, sizeof m.name, "%s", name);
    snprintf(m.zone, sizeof m.zone, "%s", name);
    return m;
}

int changing_add(struct changing_client *c, const char *name, struct ms_error *err)
{
    struct ms_layout_member m = member_named(name);
    return ms_change_run(ms_self_of(c->store), &(struct ms_change){.add = &m}, err);
}

int changing_set_state(struct changing_client *c, const char *name, enum ms_member_state state,
                       struct ms_error *err)
{
    return ms_change_run(ms_self_of(c->store), &(struct ms_change){.member = name, .state = state},
                         err);
}

void changing_run(int (*fn)(void *world), uint64_t seed)
{
    struct changing *w = calloc(1, sizeof *w);
    struct ms_sim_options options = {.seed = seed};
    struct ms_error err = {0};
    assert_non_null(w);
    w->seed = seed;
    if (ms_sim_run(&options, fn, w, NULL, &err))
        fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
    free(w);
}

void changing_run_seeds(int (*fn)(void *world), uint64_t seeds)
{
    for (uint64_t seed = 1; seed <= seeds; seed++)
        changing_run(fn, seed);
}
