/* server/rest_store.c and server/rest_may.c over storages of other kinds: an MStore, one that is
 * not there yet, and one that cannot store only what is absent, so that the server must see to it.
 */
#include "support/check.h"
#include "support/files.h"
#include "support/rest_rig.h"
#include "support/scratch.h"

#include "base/pool.h"

#include <mstore/backend.h>

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define NONE ""

static struct scratch scratch;
static struct ms_error err;

static int setup(void **state)
{
    (void)state;
    return scratch_make(&scratch) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    ms_pool_shutdown();
    scratch_remove(&scratch);
    return 0;
}

static int ask(const struct rest_rig *r, const char *what, const char *body)
{
    return rest_ask(r, what, NONE, body).status;
}

static void answers(const struct rest_rig *r, const char *what, const char *wanted)
{
    struct rest_answer a = rest_ask(r, what, NONE, NULL);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, wanted);
}

/* ---- an MStore ---- */

/* Three members in folders; no state of clients. */
static const char *mstore_conf(void)
{
    static char path[128], text[1024];
    snprintf(path, sizeof path, "%s/home.conf", scratch.path);
    snprintf(text, sizeof text,
             "[mstore]\nkey = %064d\n[member a]\nurl = file://%s/a?sync=none\n[member b]\nurl = "
             "file://%s/b?sync=none\n[member c]\nurl = file://%s/c?sync=none\n"
             "[namespace]\nkind = mutable\nredundancy = all\n",
             7, scratch.path, scratch.path, scratch.path);
    write_file(path, text, 0600);
    setenv("XDG_CACHE_HOME", scratch.path, 1);
    setenv("XDG_STATE_HOME", scratch.path, 1);
    return path;
}

static void an_mstore_is_made_used_and_destroyed(void **state)
{
    struct rest_rig r;
    (void)state;
    rest_rig_start(&r, mstore_conf(), NULL, "20");
    assert_int_equal(ask(&r, "GET /x", NULL), 410);
    assert_int_equal(ask(&r, "POST /?cmd=create", NULL), 200);
    assert_int_equal(ask(&r, "POST /?cmd=create", NULL), 200); /* nothing is in it */
    assert_int_equal(ask(&r, "POST /d/x", "0123456789"), 200);
    assert_int_equal(ask(&r, "POST /?cmd=create", NULL), 409);
    assert_int_equal(ask(&r, "POST /d/y", "0123456789!"), 507);
    answers(&r, "GET /d/x", "0123456789");
    answers(&r, "POST /?cmd=quota", "{\"limit\": 20, \"usage\": 10}");
    assert_int_equal(ask(&r, "DELETE /d/x", NULL), 200);
    assert_int_equal(ask(&r, "DELETE /?cmd=destroy", NULL), 200);
    assert_int_equal(ask(&r, "GET /d/x", NULL), 410);
    assert_int_equal(ask(&r, "DELETE /?cmd=destroy", NULL), 410);
    rest_rig_stop(&r);
}

/* ---- one that comes and goes ---- */

static void one_that_was_not_there_is_opened_later(void **state)
{
    struct rest_rig r;
    struct ms_backend *b;
    char url[128];
    (void)state;
    snprintf(url, sizeof url, "file://%s/later?sync=none", scratch.path);
    rest_rig_start(&r, url, NULL, NULL);
    assert_int_equal(ask(&r, "GET /x", NULL), 410);
    check_ok(ms_backend_make(url, NULL, &b, &err), err);
    check_ok(ms_backend_create(b, &err), err);
    assert_int_equal(ask(&r, "GET /x", NULL), 404);
    assert_int_equal(ask(&r, "POST /x", "v"), 200);
    assert_int_equal(ask(&r, "DELETE /?cmd=destroy", NULL), 200);
    assert_int_equal(ask(&r, "GET /x", NULL), 410);
    check_ok(ms_backend_create(b, &err), err); /* by somebody else */
    assert_int_equal(ask(&r, "POST /x", "w"), 200);
    answers(&r, "GET /x", "w");
    rest_rig_stop(&r);
    ms_backend_free(b);
}

static void what_cannot_be_made_says_so(void **state)
{
    struct rest_rig r;
    char path[128], url[160];
    (void)state;
    snprintf(path, sizeof path, "%s/file", scratch.path);
    write_file(path, "no folder", 0600);
    snprintf(url, sizeof url, "file://%s/below?sync=none", path);
    rest_rig_start(&r, url, NULL, NULL);
    struct rest_answer a = rest_ask(&r, "POST /?cmd=create", NONE, NULL);
    assert_true(a.status >= 400);
    assert_null(strstr(a.body, scratch.path)); /* where it lies is nobody's business */
    rest_rig_stop(&r);
}

/* What was counted is not true any more once a session has no quota. */
static void the_count_goes_with_the_quota(void **state)
{
    struct rest_rig r;
    char url[128], count[128];
    (void)state;
    snprintf(url, sizeof url, "file://%s/counted?sync=none", scratch.path);
    snprintf(count, sizeof count, "%s/counted/quota.hid", scratch.path);
    rest_rig_start(&r, url, NULL, "20");
    assert_int_equal(ask(&r, "POST /?cmd=create", NULL), 200);
    assert_int_equal(ask(&r, "POST /x", "0123456789"), 200);
    rest_rig_stop(&r);
    assert_int_equal(access(count, F_OK), 0);
    rest_rig_start(&r, url, NULL, NULL);
    assert_int_equal(ask(&r, "POST /y", "0123456789012345678901234567890"), 200);
    assert_int_equal(access(count, F_OK), -1);
    rest_rig_stop(&r);
    rest_rig_start(&r, url, NULL, "100");
    answers(&r, "POST /?cmd=quota", "{\"limit\": 100, \"usage\": 41}");
    rest_rig_stop(&r);
}

/* ---- a storage that cannot store only what is absent ---- */

struct pair {
    struct rest_rig front, back; /* the front's storage is the back, over HTTP */
    atomic_uint won, refused;
};

static void pair_start(struct pair *p, const char *permissions)
{
    static unsigned number;
    char url[64];
    snprintf(url, sizeof url, "memory:back-%u", ++number);
    rest_rig_start(&p->back, url, NULL, NULL);
    rest_rig_url(&p->back, url, sizeof url);
    assert_int_equal(ask(&p->back, "POST /?cmd=create", NULL), 200);
    rest_rig_start(&p->front, url, permissions, NULL);
}

static void pair_stop(struct pair *p)
{
    rest_rig_stop(&p->front);
    rest_rig_stop(&p->back);
}

static void only_what_is_new_by_the_server_itself(void **state)
{
    struct pair p = {0};
    (void)state;
    pair_start(&p, "{\"\": \"lr\", \"data\": \"lrwD\", \"free\": \"lrwWD\"}");
    assert_int_equal(ask(&p.front, "POST /data/a", "one"), 200);
    struct rest_answer again = rest_ask(&p.front, "POST /data/a", NONE, "two");
    assert_int_equal(again.status, 403);
    assert_non_null(strstr(again.body, "overwriting data/a needs W"));
    answers(&p.front, "GET /data/a", "one");
    assert_int_equal(ask(&p.front, "POST /data/dir?cmd=mkdir", NULL), 200);
    int onto_directory = ask(&p.front, "POST /data/dir", "v");
    assert_true(onto_directory >= 400 && onto_directory != 403); /* no question of rights */
    assert_int_equal(ask(&p.front, "POST /free/a", "one"), 200);
    assert_int_equal(ask(&p.front, "POST /free/a", "two"), 200);
    assert_int_equal(ask(&p.front, "POST /?cmd=move&current=free/a&new=data/a", NULL), 403);
    assert_int_equal(ask(&p.front, "POST /?cmd=move&current=free/a&new=data/b", NULL), 200);
    answers(&p.front, "GET /data/b", "two");
    assert_int_equal(ask(&p.front, "DELETE /data/a", NULL), 200);
    assert_int_equal(ask(&p.front, "POST /data/a", "new"), 200); /* nobody claims it any more */
    pair_stop(&p);
}

static int run_racer(void *arg, size_t i)
{
    struct pair *p = arg;
    char body[20];
    snprintf(body, sizeof body, "%zu", i);
    int status = ask(&p->front, "POST /data/raced", body);
    atomic_fetch_add(status == 200 ? &p->won : &p->refused, 1);
    return status == 200 || status == 403 || status == 409 ? 0 : MS_ERR_INTERNAL;
}

static void only_one_makes_it_all_the_same(void **state)
{
    struct pair p = {0};
    (void)state;
    pair_start(&p, "{\"data\": \"w\"}");
    check_ok(ms_parallel(8, 8, run_racer, &p, &err), err);
    assert_int_equal(p.won, 1);
    assert_int_equal(p.refused, 7);
    pair_stop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_mstore_is_made_used_and_destroyed),
        cmocka_unit_test(one_that_was_not_there_is_opened_later),
        cmocka_unit_test(what_cannot_be_made_says_so),
        cmocka_unit_test(the_count_goes_with_the_quota),
        cmocka_unit_test(only_what_is_new_by_the_server_itself),
        cmocka_unit_test(only_one_makes_it_all_the_same),
    };
    return cmocka_run_group_tests_name("storages behind REST", tests, setup, teardown);
}
