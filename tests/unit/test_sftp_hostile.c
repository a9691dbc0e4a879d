/* The SFTP driver against a server that means harm: listings without an end, names that are none,
 * more than was asked for, links shown as folders. */
#include "peers/sftp_rig.h"

#include "base/text.h"

static struct rig rig;

static void up(void)
{
    static const struct sftp_setup anybody = {.login = SFTP_ANYBODY};
    rig_up(&rig, &anybody);
    rig_open(&rig, "");
}

static void err_from_now_on(int type, enum sftp_act act, uint32_t value, unsigned times)
{
    struct sftp_rule rule = {.type = type, .times = times, .act = act, .value = value};
    sftp_peer_rules(&rule, 1);
}

static size_t rows_of(const char *name)
{
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    size_t rows = 0;
    check_ok(ms_backend_list(rig.b, ms_str(name), NULL, &l, &rig.err), rig.err);
    for (;; rows++) {
        check_ok(ms_lister_next(l, &e, &rig.err), rig.err);
        if (!e)
            break;
    }
    ms_lister_close(l);
    return rows;
}

static void expect_bound(int code)
{
    check_code(code, MS_ERR_PROTOCOL, rig.err);
    assert_non_null(strstr(rig.err.text, "does not end the listing of its root"));
    assert_non_null(strstr(rig.err.text, "more than 2 MiB of names"));
    assert_in_range(sftp_peer_hits(), 8, 200); /* it was left at the bound, and not asked again */
}

/* ---- listings ---- */

static void a_listing_without_an_end_is_left(void **state)
{
    struct ms_lister *l = NULL;
    (void)state;
    up();
    assert_int_equal(ms_sftp_self(rig.b)->listing_max_bytes, (size_t)1 << 30);
    ms_sftp_self(rig.b)->listing_max_bytes = (size_t)2 << 20;
    err_from_now_on(MS_FXP_READDIR, SFTP_NAMES, 20, 0);
    expect_bound(ms_backend_list(rig.b, ms_str(""), NULL, &l, &rig.err));
    assert_null(l);
    err_from_now_on(MS_FXP_READDIR, SFTP_NAMES, 200, 0); /* names count, not their number alone */
    expect_bound(ms_backend_list(rig.b, ms_str(""), NULL, &l, &rig.err));
    err_from_now_on(MS_FXP_READDIR, SFTP_DOTS, 2000, 0);
    expect_bound(ms_backend_list(rig.b, ms_str(""), NULL, &l, &rig.err));
    err_from_now_on(MS_FXP_READDIR, SFTP_NAMES, 20, 0);
    check_ok(ms_backend_close(rig.b, &rig.err), rig.err);
    expect_bound(ms_backend_destroy(rig.b, &rig.err));
    sftp_peer_rules(NULL, 0); /* from here on as if nothing had been */
    check_ok(ms_backend_open(rig.b, &rig.err), rig.err);
    check_ok(rig_put(&rig, "a", ms_str("first"), NULL), rig.err);
    assert_int_equal(rows_of(""), 1);
    rig_down(&rig);
}

/* The bound is on what is held at once: that of the folders above counts. */
static void folders_within_folders_share_the_bound(void **state)
{
    uint64_t removed = 0;
    char name[300];
    (void)state;
    up();
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "store/%0200d", i);
        rig_file(&rig, name, "", 0);
    }
    check_ok(ms_backend_mkdir(rig.b, ms_str("d"), &rig.err), rig.err);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "store/d/%0200d", i);
        rig_file(&rig, name, "", 0);
    }
    ms_sftp_self(rig.b)->listing_max_bytes = 16000;
    assert_int_equal(rows_of(""), 41);
    assert_int_equal(rows_of("d"), 40);
    check_code(ms_backend_sweep(rig.b, 0, &removed, &rig.err), MS_ERR_PROTOCOL, rig.err);
    assert_non_null(strstr(rig.err.text, "the listing of d:"));
    ms_sftp_self(rig.b)->listing_max_bytes = 32000;
    check_ok(ms_backend_sweep(rig.b, 0, &removed, &rig.err), rig.err);
    rig_down(&rig);
}

static void names_that_are_none(void **state)
{
    struct ms_lister *l = NULL;
    (void)state;
    up();
    err_from_now_on(MS_FXP_READDIR, SFTP_NAMES, 255, 1);
    assert_int_equal(rows_of(""), 60000 / (12 + 255));
    err_from_now_on(MS_FXP_READDIR, SFTP_NAMES, 256, 1); /* longer than a name here: left out */
    assert_int_equal(rows_of(""), 0);
    err_from_now_on(MS_FXP_READDIR, SFTP_NAMES, MS_NAME_MAX + 1, 1); /* than any file's */
    check_code(ms_backend_list(rig.b, ms_str(""), NULL, &l, &rig.err), MS_ERR_PROTOCOL, rig.err);
    rig_down(&rig);
}

/* ---- data ---- */

/* No more is taken in, let alone held, than was asked for. */
static void an_answer_longer_than_asked_is_refused(void **state)
{
    struct ms_buf *got = NULL;
    char bytes[1000];
    (void)state;
    up();
    memset(bytes, 'x', sizeof bytes);
    check_ok(rig_put(&rig, "a", ms_view(bytes, sizeof bytes), NULL), rig.err);
    err_from_now_on(MS_FXP_READ, SFTP_LONG, 100, 0);
    check_ok(ms_backend_load(rig.b, ms_str("a"), 0, 100, &got, NULL, &rig.err), rig.err);
    assert_int_equal(ms_buf_size(got), 100);
    ms_buf_unref(got);
    got = NULL;
    err_from_now_on(MS_FXP_READ, SFTP_LONG, 101, 0);
    check_code(ms_backend_load(rig.b, ms_str("a"), 0, 100, &got, NULL, &rig.err), MS_ERR_PROTOCOL,
               rig.err);
    check_text(rig.err, "sends more than it was asked for: an answer of 110 bytes");
    assert_null(got);
    sftp_peer_rules(NULL, 0);
    rig_holds(&rig, "a", ms_view(bytes, sizeof bytes));
    rig_down(&rig);
}

/* ---- links ---- */

static void make_outside(void)
{
    assert_int_equal(mkdir(rig_path(&rig, "outside"), 0755), 0);
    rig_file(&rig, "outside/precious", "mine", 4);
    rig_file(&rig, "outside/tmpabcdefgh.tmp", "mine", 4);
    assert_int_equal(symlink(rig_path(&rig, "outside"), rig_path(&rig, "store/link")), 0);
}

static void destroy_stays_within_the_store(void **state)
{
    uint64_t removed = 7;
    (void)state;
    up();
    make_outside();
    check_ok(rig_put(&rig, "d/a", ms_str("first"), NULL), rig.err);
    rig_file(&rig, "store/d/tmpabcdefgh.tmp", "", 0);
    err_from_now_on(MS_FXP_READDIR, SFTP_FOLLOW, 0, 0);
    check_ok(ms_backend_sweep(rig.b, 0, &removed, &rig.err), rig.err);
    assert_int_equal(removed, 1);
    assert_true(rig_has(&rig, "store/link"));
    assert_true(rig_has(&rig, "outside/tmpabcdefgh.tmp"));
    check_ok(ms_backend_close(rig.b, &rig.err), rig.err);
    check_ok(ms_backend_destroy(rig.b, &rig.err), rig.err);
    assert_false(rig_has(&rig, "store"));
    assert_true(rig_has(&rig, "outside/precious"));
    assert_true(rig_has(&rig, "outside/tmpabcdefgh.tmp"));
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listing_without_an_end_is_left),
        cmocka_unit_test(folders_within_folders_share_the_bound),
        cmocka_unit_test(names_that_are_none),
        cmocka_unit_test(an_answer_longer_than_asked_is_refused),
        cmocka_unit_test(destroy_stays_within_the_store),
    };
    return sftp_peer_program() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
