/* What a store of many members counts: calls, bytes and errors of its namespaces and members, and
 * what happened beside (mstore/stats.h), each exactly. */
#include "support/check.h"
#include "support/scratch.h"

#include <mstore/multi.h>
#include <mstore/stats.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define KEYS 20
#define SIZE 1000

static struct scratch scratch;
static const char *const folder = scratch.path;
static struct ms_error err;

static const char *const members[] = {"one", "two", "three"};

/* A configuration of that name over the same three storages; options[i] ends member i's URL. */
static const char *conf(const char *name, const char *const options[3])
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s.conf", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "[mstore]\nkey = %064d\n", 7);
    for (int i = 0; i < 3; i++)
        fprintf(f, "[member %s]\nurl = file://%s/%s?sync=none%s\n", members[i], folder, members[i],
                options ? options[i] : "");
    fputs("[namespace data]\nkind = immutable\nredundancy = all\n[namespace sums]\nkind = "
          "immutable\nredundancy = copies 3\n[namespace config]\nkind = mutable\nredundancy = "
          "all\n[namespace files]\nkind = plain\nredundancy = all\n",
          f);
    assert_int_equal(fchmod(fileno(f), 0600), 0);
    fclose(f);
    return path;
}

static struct ms_store *make(const char *path)
{
    struct ms_mstore_options o = MS_MSTORE_OPTIONS_INIT;
    struct ms_store *s = NULL;
    o.ignore_environment = true;
    o.seed = 7;
    o.state_folder = "";
    check_ok(ms_mstore_new(path, &o, &s, &err), err);
    return s;
}

static struct ms_store *open_with(const char *path)
{
    struct ms_store *s = make(path);
    check_ok(ms_store_open(s, &err), err);
    return s;
}

static const char *key(const char *space, int i)
{
    static char text[64];
    snprintf(text, sizeof text, "%s/%08d", space, i);
    return text;
}

static void put(struct ms_store *s, const char *name)
{
    static uint8_t bytes[SIZE];
    struct ms_buf *value = ms_buf_copy(ms_view(bytes, sizeof bytes));
    check_ok(ms_store_store(s, ms_str(name), value, NULL, NULL, &err), err);
    ms_buf_unref(value);
}

static void get(struct ms_store *s, const char *name)
{
    struct ms_buf *value = NULL;
    check_ok(ms_store_load(s, ms_str(name), NULL, &value, &err), err);
    assert_int_equal(ms_buf_size(value), SIZE);
    ms_buf_unref(value);
}

/* The figures of one entity; zeros: there is none. */
static struct ms_entity_stats *figures(const char *store, enum ms_stats_kind kind, const char *name)
{
    static struct ms_entity_stats found;
    struct ms_stats_snapshot *s = NULL;
    memset(&found, 0, sizeof found);
    check_ok(ms_stats_take(&s, &err), err);
    for (size_t i = 0; i < s->count; i++)
        if (s->entities[i].kind == kind && strcmp(s->entities[i].store, store) == 0 &&
            strcmp(s->entities[i].name, name) == 0)
            found = s->entities[i];
    ms_stats_free(s);
    return &found;
}

static uint64_t space_event(const char *store, const char *space, enum ms_event event)
{
    return figures(store, MS_STATS_NAMESPACE, space)->events[event];
}

static uint64_t member_loads(const char *store)
{
    uint64_t loads = 0;
    for (int i = 0; i < 3; i++)
        loads += figures(store, MS_STATS_MEMBER, members[i])->verbs[MS_VERB_LOAD].calls;
    return loads;
}

static void fill(void)
{
    struct ms_store *s = make(conf("maker", NULL));
    check_ok(ms_store_create(s, &err), err);
    check_ok(ms_store_open(s, &err), err);
    for (int i = 0; i < KEYS; i++) {
        put(s, key("data", i));
        put(s, key("config", i));
        put(s, key("files", i));
    }
    ms_store_free(s);
}

static int begin(void **state)
{
    (void)state;
    setenv("MSTORE_STATS_DIR", "", 1);
    assert_true(scratch_make(&scratch));
    fill();
    return 0;
}

static int end(void **state)
{
    (void)state;
    scratch_remove(&scratch);
    return 0;
}

/* ---- a dead member ---- */

static void one_of_three_dead(const char *space)
{
    const char *const dead[3] = {"", "&emulate.error=any:1:TIMEOUT", ""};
    char name[64];
    snprintf(name, sizeof name, "dead-%s", space);
    const char *path = conf(name, dead);
    struct ms_store *s = open_with(path);
    for (int i = 0; i < KEYS; i++)
        get(s, key(space, i));
    ms_store_free(s);

    struct ms_entity_stats *e = figures(path, MS_STATS_NAMESPACE, space);
    assert_int_equal(e->verbs[MS_VERB_LOAD].calls, KEYS);
    assert_int_equal(e->verbs[MS_VERB_LOAD].errors, 0);
    assert_int_equal(e->verbs[MS_VERB_LOAD].volume_bytes, KEYS * SIZE);
    assert_true(e->verbs[MS_VERB_LOAD].time_ns > 0 && e->verbs[MS_VERB_LOAD].max_ns > 0);
    assert_int_equal(e->events[MS_EVENT_DEGRADED], KEYS);
    assert_int_equal(e->events[MS_EVENT_BREAKER_OPENED], 0); /* that is the member's */
    e = figures(path, MS_STATS_MEMBER, "two");
    assert_int_equal(e->errors[-MS_ERR_TIMEOUT], 1); /* it costs one time-out */
    assert_int_equal(e->events[MS_EVENT_BREAKER_OPENED], 1);
    assert_int_equal(e->events[MS_EVENT_BREAKER_CLOSED], 0);
    for (int i = 0; i < 3; i += 2) {
        e = figures(path, MS_STATS_MEMBER, members[i]);
        assert_int_equal(e->events[MS_EVENT_BREAKER_OPENED], 0);
        assert_int_equal(e->errors[-MS_ERR_TIMEOUT], 0);
    }
}

static void dead_immutable(void **state)
{
    (void)state;
    one_of_three_dead("data");
}

static void dead_mutable(void **state)
{
    (void)state;
    one_of_three_dead("config");
}

static void dead_plain(void **state)
{
    (void)state;
    one_of_three_dead("files");
}

/* ---- everybody well ---- */

static void calls_and_bytes(void **state)
{
    (void)state;
    const char *path = conf("well", NULL);
    struct ms_store *s = open_with(path);
    struct ms_item_info info;
    uint64_t before = member_loads(path);
    for (int i = 0; i < KEYS; i++)
        get(s, key("data", i));
    uint64_t hedges = space_event(path, "data", MS_EVENT_HEDGE);
    assert_int_equal(member_loads(path) - before, KEYS + hedges); /* one call each */
    put(s, "sums/00001111");
    for (int i = 0; i < 3; i++) /* a frame is longer than what it holds */
        assert_true(figures(path, MS_STATS_MEMBER, members[i])->verbs[MS_VERB_STORE].volume_bytes >
                    SIZE);
    check_ok(ms_store_info(s, ms_str("sums/00001111"), false, &info, &err), err);
    check_ok(ms_store_delete(s, ms_str("sums/00001111"), false, &err), err);
    check_code(ms_store_delete(s, ms_str("sums/00001111"), false, &err), MS_ERR_NOT_FOUND, err);
    ms_store_free(s);

    struct ms_entity_stats *e = figures(path, MS_STATS_NAMESPACE, "sums");
    assert_int_equal(e->verbs[MS_VERB_STORE].calls, 1);
    assert_int_equal(e->verbs[MS_VERB_STORE].volume_bytes, SIZE);
    assert_int_equal(e->verbs[MS_VERB_INFO].calls, 1);
    assert_int_equal(e->verbs[MS_VERB_DELETE].calls, 2);
    assert_int_equal(e->verbs[MS_VERB_DELETE].errors, 1);
    assert_int_equal(e->errors[-MS_ERR_NOT_FOUND], 1);
    assert_int_equal(e->verbs[MS_VERB_LOAD].calls, 0);
    e = figures(path, MS_STATS_NAMESPACE, "data");
    assert_int_equal(e->events[MS_EVENT_DEGRADED], 0);
    assert_int_equal(e->events[MS_EVENT_REPAIR], 0);
}

static void streams_are_one_call(void **state)
{
    (void)state;
    static const char *const keys[] = {"data/stream00", "config/stream", "files/stream0"};
    static const char *const spaces[] = {"data", "config", "files"};
    const char *path = conf("streams", NULL);
    struct ms_store *s = open_with(path);
    for (int k = 0; k < 3; k++) {
        struct ms_store_writer *w = NULL;
        struct ms_store_reader *r = NULL;
        uint8_t bytes[300] = {0};
        size_t got = 0;
        check_ok(ms_store_write(s, ms_str(keys[k]), 0, NULL, &w, &err), err);
        for (int i = 0; i < 5; i++)
            check_ok(ms_store_writer_append(w, ms_view(bytes, sizeof bytes), &err), err);
        check_ok(ms_store_writer_commit(w, NULL, &err), err);
        check_ok(ms_store_write(s, ms_str(keys[k]), 0, NULL, &w, &err), err);
        ms_store_writer_abort(w);
        check_ok(ms_store_read(s, ms_str(keys[k]), false, &r, &err), err);
        for (unsigned i = 0; i < 4; i++)
            check_ok(ms_store_reader_read(r, 300 * i, bytes, 300, &got, &err), err);
        ms_store_reader_close(r);
        struct ms_entity_stats *e = figures(path, MS_STATS_NAMESPACE, spaces[k]);
        assert_int_equal(e->verbs[MS_VERB_STORE].calls, 2);
        assert_int_equal(e->verbs[MS_VERB_STORE].volume_bytes, 1500);
        assert_int_equal(e->errors[-MS_ERR_CANCELLED], 1); /* the one that was given up */
        assert_int_equal(e->verbs[MS_VERB_LOAD].calls, 1);
        assert_int_equal(e->verbs[MS_VERB_LOAD].volume_bytes, 1200);
    }
    ms_store_free(s);
}

/* ---- what happens beside ---- */

static void a_lost_copy_is_one_repair(void **state)
{
    (void)state;
    char command[300];
    const char *path = conf("repair", NULL);
    snprintf(command, sizeof command, "find %s/one/mstore-* -name '*00000003*' -delete", folder);
    assert_int_equal(system(command), 0);
    struct ms_store *s = open_with(path);
    /* whoever is asked first; the one without it is asked within some loads */
    for (int i = 0; i < 400 && !space_event(path, "data", MS_EVENT_REPAIR); i++)
        get(s, key("data", 3));
    ms_store_free(s); /* waits for repairs under way */
    assert_int_equal(space_event(path, "data", MS_EVENT_REPAIR), 1);
    assert_int_equal(space_event(path, "config", MS_EVENT_REPAIR), 0);
}

static void a_hung_member_is_hedged(void **state)
{
    (void)state;
    const char *const hangs[3] = {"&emulate.hang=load:12", "", ""};
    const char *path = conf("hang", hangs);
    struct ms_store *s = open_with(path);
    uint64_t before = member_loads(path);
    int loads = 0;
    while (loads < 2000 && space_event(path, "data", MS_EVENT_HEDGE) == 0)
        get(s, key("data", loads++ % KEYS));
    uint64_t hedges = space_event(path, "data", MS_EVENT_HEDGE);
    ms_store_free(s);
    assert_true(hedges >= 1);
    assert_int_equal(member_loads(path) - before, (uint64_t)loads + hedges);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dead_immutable),
        cmocka_unit_test(dead_mutable),
        cmocka_unit_test(dead_plain),
        cmocka_unit_test(calls_and_bytes),
        cmocka_unit_test(streams_are_one_call),
        cmocka_unit_test(a_lost_copy_is_one_repair),
        cmocka_unit_test(a_hung_member_is_hedged),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
