/* mstore/mutable.c, versions*.c: clients at once, clients that die, members that come and go. What
 * they saw must be possible with one register, one operation at a time. */
#include "mstore/mutable.h"
#include "base/pool.h"
#include "base/sim.h"
#include "mstore/versions.h"
#include "tests/support/check.h"
#include "tests/support/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#define MS     UINT64_C(1000000)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define ALL    "[namespace config]\nkind = mutable\nredundancy = all\n"

#define CODED "[namespace config]\nkind = mutable\nredundancy = ec 2+2\n"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SEEDS 40 /* fibers are slow under these, and one thread runs them all */
#define AWAY  2
#else
#define SEEDS 500
#define AWAY  4
#endif

static const char *const layouts[] = {
    CLUSTER_HEAD CLUSTER_A CLUSTER_B CLUSTER_C ALL,
    CLUSTER_HEAD CLUSTER_A CLUSTER_B CLUSTER_W ALL,
    CLUSTER_HEAD CLUSTER_A CLUSTER_B CLUSTER_C CLUSTER_D CLUSTER_E ALL,
    CLUSTER_HEAD CLUSTER_A CLUSTER_B CLUSTER_C CLUSTER_D CLUSTER_W ALL,
    CLUSTER_HEAD CLUSTER_A CLUSTER_B CLUSTER_C CLUSTER_D CODED,
    CLUSTER_HEAD CLUSTER_A CLUSTER_B CLUSTER_C CLUSTER_D CLUSTER_W CODED,
};
#define LAYOUTS (sizeof layouts / sizeof *layouts)

/* ---- histories ------------------------------------------------------------------------------ */

#define OPS 16

struct op {
    bool write;
    unsigned value; /* 0: absent */
    unsigned invoked,
        returned; /* in the order of events; UINT_MAX: nobody knows when, or whether */
};
struct history {
    struct op ops[OPS];
    unsigned count, events;
};

static struct op *begin(struct history *h, bool write, unsigned value)
{
    assert_true(h->count < OPS);
    struct op *op = &h->ops[h->count++];
    *op = (struct op){write, value, h->events++, UINT32_MAX};
    return op;
}

static void end(struct history *h, struct op *op)
{
    op->returned = h->events++;
}

/* Whether what is not in `done` can follow a state where the register has `value`. */
static bool possible(const struct history *h, unsigned done, unsigned value)
{
    unsigned first_return = UINT32_MAX;
    bool over = true;
    for (unsigned i = 0; i < h->count; i++)
        if (!(done >> i & 1) && h->ops[i].returned != UINT32_MAX) {
            over = false;
            if (h->ops[i].returned < first_return)
                first_return = h->ops[i].returned;
        }
    if (over)
        return true;
    for (unsigned i = 0; i < h->count; i++) {
        const struct op *op = &h->ops[i];
        if (done >> i & 1 || op->invoked > first_return || (!op->write && op->value != value))
            continue;
        if (possible(h, done | 1u << i, op->write ? op->value : value))
            return true;
    }
    return false;
}

static void tell(const struct history *h, const char *what, uint64_t seed)
{
    fprintf(stderr, "%s %llu:\n", what, (unsigned long long)seed);
    for (unsigned i = 0; i < h->count; i++)
        fprintf(stderr, "  %s %u  [%u, %d]\n", h->ops[i].write ? "write" : "read ", h->ops[i].value,
                h->ops[i].invoked, (int)h->ops[i].returned);
}

static void the_check_tells_good_from_bad(void **state)
{
    struct history good = {
        .count = 4, .ops = {{true, 1, 0, 1}, {true, 2, 2, 7}, {false, 1, 3, 4}, {false, 2, 5, 6}}};
    struct history inverted = good;
    (void)state;
    assert_true(possible(&good, 0, 0));
    inverted.ops[2].value = 2;
    inverted.ops[3].value = 1;
    assert_false(possible(&inverted, 0, 0)); /* new, then old */
    good.ops[1].returned = UINT32_MAX;
    assert_true(possible(&good, 0, 0)); /* it may have happened */
    good.ops[3].value = 0;
    assert_false(possible(&good, 0, 0)); /* the acknowledged one was lost */
}

/* ---- a client that does things --------------------------------------------------------------- */

struct actor {
    struct client client;
    struct ms_mutable *keys;
};

static void actor_make(struct actor *a, const struct cluster *c, uint64_t seed)
{
    struct ms_error err = {0};
    client_make(&a->client, c, seed);
    check_ok(ms_mutable_new(seed, &a->keys, &err), err);
}

static void actor_free(struct actor *a)
{
    ms_mutable_free(a->keys);
    client_free(&a->client);
}

static int act_write(struct actor *a, unsigned value)
{
    struct ms_site site = client_site(&a->client, "config/x");
    if (value == 0)
        return ms_mutable_delete(a->keys, &site, false, NULL);
    struct ms_buf *buf = ms_buf_copy(ms_view(&value, sizeof value));
    assert_non_null(buf);
    int code = ms_mutable_store(a->keys, &site, buf, NULL, NULL, NULL);
    ms_buf_unref(buf);
    return code;
}

/* An error, or the value. */
static int act_read(struct actor *a, unsigned *value)
{
    struct ms_site site = client_site(&a->client, "config/x");
    struct ms_buf *buf = NULL;
    int code = ms_mutable_load(a->keys, &site, NULL, &buf, NULL);
    if (code) {
        *value = 0;
        return code == MS_ERR_NOT_FOUND ? 0 : code;
    }
    assert_int_equal(ms_buf_size(buf), sizeof *value);
    memcpy(value, ms_buf_view(buf).data, sizeof *value);
    ms_buf_unref(buf);
    return 0;
}

static void note_write(struct history *h, struct actor *a, unsigned value)
{
    struct op *op = begin(h, true, value);
    int code = act_write(a, value);
    if (code == MS_ERR_NOT_FOUND)
        op->write = false; /* a deletion of nothing has read */
    if (!code || code == MS_ERR_NOT_FOUND)
        end(h, op);
}

static bool note_read(struct history *h, struct actor *a)
{
    struct op *op = begin(h, false, 0);
    int code = act_read(a, &op->value);
    if (!code)
        end(h, op);
    return !code;
}

static void wait_ns(uint64_t ns)
{
    assert_int_equal(ms_sleep(ms_sim_clock(), ns, NULL), 0);
}

/* ---- at random ------------------------------------------------------------------------------- */

#define WRITERS 2
#define READERS 2
#define ACTORS  (WRITERS + READERS)

struct world {
    uint64_t seed;
    struct ms_random random;
    struct cluster cluster;
    struct actor actors[ACTORS];
    struct history history;
    unsigned started, values, reads, objects;
    bool healed; /* in the end every voter has `objects`, and no debris */
};

static uint64_t dice(struct world *w, uint64_t below)
{
    return ms_random_below(&w->random, below);
}

static int run_actor(void *arg)
{
    struct world *w = arg;
    unsigned me = w->started++;
    struct actor *a = &w->actors[me];
    for (unsigned i = 0; i < 2; i++) {
        wait_ns(dice(w, 300 * MS));
        if (me < WRITERS)
            note_write(&w->history, a, dice(w, 4) ? ++w->values : 0);
        else
            w->reads += note_read(&w->history, a);
    }
    return 0;
}

/* Takes one member away from one client, or from all. */
static int run_trouble(void *arg)
{
    struct world *w = arg;
    for (unsigned i = 0; i < 3; i++) {
        unsigned member = 1u << dice(w, w->cluster.members), whom = (unsigned)dice(w, ACTORS + 1);
        wait_ns(dice(w, 200 * MS));
        for (unsigned k = 0; k < ACTORS; k++)
            if (whom == ACTORS || whom == k)
                atomic_store(&w->actors[k].client.wires.down, dice(w, 2) ? member : 0);
    }
    return 0;
}

static bool heal(struct actor *a)
{
    struct ms_site site = client_site(&a->client, "config/x");
    bool whole = false;
    return ms_mutable_heal(&site, &whole, NULL) == 0 && whole;
}

static int run_healer(void *arg)
{
    struct world *w = arg;
    for (unsigned i = 0; i < 2; i++) {
        wait_ns(dice(w, 500 * MS));
        (void)heal(&w->actors[dice(w, ACTORS)]);
    }
    return 0;
}

static void start(struct ms_group *g, int (*fn)(void *), struct world *w)
{
    assert_int_equal(ms_group_fork(g, fn, NULL, w, NULL), 0);
}

static void at_peace(struct world *w)
{
    for (unsigned i = 0; i < ACTORS; i++) {
        atomic_store(&w->actors[i].client.wires.down, 0);
        atomic_store(&w->actors[i].client.wires.cut, false);
        w->actors[i].client.wires.cut_at = 0;
    }
}

static void look_for_debris(struct world *w)
{
    w->healed = heal(&w->actors[dice(w, ACTORS)]);
    if (w->cluster.members % 2 == 0 || strstr(w->cluster.layout, "witness"))
        return; /* what died below K shards, or with a witness alone, must stay above the newest */
    w->objects = cluster_objects(&w->cluster, 0);
    for (unsigned i = 0; i < w->cluster.members; i++)
        w->healed = w->healed && cluster_objects(&w->cluster, i) == w->objects;
}

static int run_world(void *arg)
{
    struct world *w = arg;
    struct ms_group *g = NULL;
    struct ms_join join;
    ms_random_seed(&w->random, w->seed);
    cluster_make(&w->cluster, layouts[w->seed % LAYOUTS], ms_sim_clock());
    for (unsigned i = 0; i < ACTORS; i++) {
        struct wires *wires = &w->actors[i].client.wires;
        actor_make(&w->actors[i], &w->cluster, w->seed * ACTORS + i + 1);
        wires->lag_ns = 100 * MS;
        wires->cut_at = dice(w, 3) ? 0 : 1 + (unsigned)dice(w, 12);
        wires->cut_how = (enum wire_end)dice(w, 3);
    }
    assert_int_equal(ms_group_new(&g, NULL), 0);
    for (unsigned i = 0; i < ACTORS; i++)
        start(g, run_actor, w);
    if (dice(w, 2))
        start(g, run_trouble, w);
    if (dice(w, 2))
        start(g, run_healer, w);
    ms_group_join_all(g, &join);
    ms_group_release(g);
    at_peace(w);
    for (unsigned i = 0; i < 2; i++) {
        wait_ns(5 * MINUTE + dice(w, 20 * MINUTE));
        w->reads += note_read(&w->history, &w->actors[dice(w, ACTORS)]);
    }
    wait_ns(60 * MINUTE);
    look_for_debris(w);
    for (unsigned i = 0; i < ACTORS; i++)
        actor_free(&w->actors[i]);
    cluster_free(&w->cluster);
    return 0;
}

static void two_writers_and_two_readers_see_one_register(void **state)
{
    unsigned reads = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w = {.seed = seed};
        struct ms_sim_options options = {.seed = seed, .start_ns = SECOND};
        struct ms_error err = {0};
        check_ok(ms_sim_run(&options, run_world, &w, NULL, &err), err);
        reads += w.reads;
        if (possible(&w.history, 0, 0) && w.healed && w.objects <= 1)
            continue;
        tell(&w.history, w.healed && w.objects <= 1 ? "impossible with seed" : "debris after seed",
             seed);
        fail();
    }
    assert_true(reads > SEEDS * 3); /* of 6: most of them must have seen something */
}

/* ---- a writer dies at every call ------------------------------------------------------------- */

struct crash {
    const char *layout;
    unsigned cut_at, away[2]; /* who is away for the first and for the second reader */
    enum wire_end how;
    bool erase;     /* it deletes */
    bool cut_short; /* out: the writer did die */
};

/* Reads with a member away; a reader that finds too few waits for it. */
static unsigned read_without(struct actor *a, unsigned away)
{
    unsigned value;
    atomic_store(&a->client.wires.down, away);
    int code = act_read(a, &value);
    atomic_store(&a->client.wires.down, 0);
    if (code) {
        wait_ns(10 * MINUTE);
        assert_int_equal(act_read(a, &value), 0);
    }
    return value;
}

static int run_crash(void *arg)
{
    struct crash *crash = arg;
    struct cluster c;
    struct actor actors[4];
    unsigned newest = crash->erase ? 0 : 2, seen = 1;
    cluster_make(&c, crash->layout, ms_sim_clock());
    for (unsigned i = 0; i < 4; i++)
        actor_make(&actors[i], &c, i + 1);
    assert_int_equal(act_write(&actors[0], 1), 0);
    wait_ns(SECOND);
    actors[1].client.wires.cut_at = crash->cut_at;
    actors[1].client.wires.cut_how = crash->how;
    int code = act_write(&actors[1], newest);
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 2; i++) {
            unsigned value = read_without(&actors[2 + i], crash->away[(i + round) % 2]);
            assert_true(value == 1 || value == newest);
            if ((seen == newest || !code) && value != newest)
                fail_msg("cut at call %u (%d): reader %u of round %u saw the old value after the "
                         "new one",
                         crash->cut_at, (int)crash->how, i, round);
            seen = value;
            wait_ns(round == 0 ? MS : 8 * MINUTE);
        }
    crash->cut_short = atomic_load(&actors[1].client.wires.cut);
    wait_ns(60 * MINUTE);
    for (unsigned i = 0; i < 4; i++)
        actor_free(&actors[i]);
    cluster_free(&c);
    return 0;
}

static bool crash_at(struct crash crash)
{
    for (unsigned i = 0; i < AWAY; i++)
        for (unsigned k = 0; k < AWAY; k++) {
            struct ms_sim_options options = {.seed = 100 * i + k, .start_ns = SECOND};
            struct ms_error err = {0};
            crash.away[0] = i ? 1u << (i - 1) : 0;
            crash.away[1] = k ? 1u << (k - 1) : 0;
            check_ok(ms_sim_run(&options, run_crash, &crash, NULL, &err), err);
        }
    return crash.cut_short;
}

static void a_writer_that_dies_at_any_call_leaves_one_truth(void **state)
{
    (void)state;
    for (unsigned layout = 0; layout < 2; layout++)
        for (unsigned how = 0; how < 3; how++)
            for (unsigned erase = 0; erase < 2; erase++) {
                unsigned k = 1;
                while (crash_at((struct crash){.layout = layouts[layout],
                                               .cut_at = k,
                                               .how = (enum wire_end)how,
                                               .erase = erase}))
                    k++;
                assert_int_equal(k - 1, 3 + 3 + 3); /* each list, put and delete was the last */
            }
}

/* ---- threads --------------------------------------------------------------------------------- */

#define THREADS 4

static struct actor shared[2]; /* two clients, two threads each */

static int run_thread(void *arg, size_t index)
{
    struct actor *a = &shared[index % 2];
    (void)arg;
    for (unsigned i = 0; i < 25; i++) {
        unsigned value = 0;
        int code = act_write(a, 1 + (unsigned)index * 100 + i);
        if (!code)
            code = act_read(a, &value);
        if (code || value == 0)
            return code ? code : MS_ERR_INTERNAL;
    }
    return 0;
}

static void threads_may_share_a_handle(void **state)
{
    struct cluster c;
    struct ms_error err = {0};
    unsigned first, second;
    (void)state;
    cluster_make(&c, layouts[0], ms_clock_real());
    for (unsigned i = 0; i < 2; i++)
        actor_make(&shared[i], &c, i + 1);
    check_ok(ms_parallel(THREADS, THREADS, run_thread, NULL, &err), err);
    check_ok(act_read(&shared[0], &first), err);
    check_ok(act_read(&shared[1], &second), err);
    assert_int_equal(first, second);
    assert_true(first > 0);
    ms_pool_shutdown(); /* stragglers have ended */
    for (unsigned i = 0; i < 2; i++)
        actor_free(&shared[i]);
    cluster_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_check_tells_good_from_bad),
        cmocka_unit_test(two_writers_and_two_readers_see_one_register),
        cmocka_unit_test(threads_may_share_a_handle),
        cmocka_unit_test(a_writer_that_dies_at_any_call_leaves_one_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
