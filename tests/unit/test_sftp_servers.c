/* The SFTP driver against servers of all kinds: without extensions, with absurd limits, that give
 * less than asked, that speak another version, that lie, that lose their open files; large values
 * over several connections. */
#include "peers/sftp_rig.h"

#include "base/text.h"

static const struct ms_precondition if_absent = {.kind = MS_IF_ABSENT};
static struct rig rig;

static void up(const char *extensions, const char *banner, const char *options)
{
    struct sftp_setup setup = {.extensions = extensions, .banner = banner};
    rig_up(&rig, &setup);
    rig_open(&rig, options);
}

static void err_once(int type, const char *extension, enum sftp_act act, uint32_t value,
                     unsigned skip, unsigned times)
{
    struct sftp_rule rule = {type, extension, skip, times, act, value};
    sftp_peer_rules(&rule, 1);
}

static uint8_t *bytes_of(size_t size)
{
    uint8_t *bytes = malloc(size);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    return bytes;
}

static unsigned caps(void)
{
    struct ms_capabilities can;
    ms_backend_capabilities(rig.b, &can);
    return can.flags;
}

/* ---- without extensions ---- */

static void nothing_but_the_draft(void **state)
{
    (void)state;
    up("", NULL, "");
    assert_false(caps() & (MS_CAP_ATOMIC_REPLACE | MS_CAP_COPY));
    assert_true(caps() & MS_CAP_IF_ABSENT); /* OpenSSH's plain rename keeps what is there */
    check_ok(rig_put(&rig, "v", ms_str("one"), &if_absent), rig.err);
    check_code(rig_put(&rig, "v", ms_str("two"), &if_absent), MS_ERR_EXISTS, rig.err);
    rig_holds(&rig, "v", ms_str("one"));
    check_ok(rig_put(&rig, "v", ms_str("three"), NULL), rig.err);
    rig_holds(&rig, "v", ms_str("three"));
    check_ok(rig_put(&rig, "w", ms_str("four"), NULL), rig.err);
    check_ok(ms_backend_move(rig.b, ms_str("w"), ms_str("v"), NULL, &rig.err), rig.err);
    rig_holds(&rig, "v", ms_str("four"));
    check_ok(ms_backend_copy(rig.b, ms_str("v"), ms_str("w"), NULL, &rig.err), rig.err);
    rig_holds(&rig, "w", ms_str("four"));
    check_ok(ms_backend_mkdir(rig.b, ms_str("d"), &rig.err), rig.err);
    check_code(rig_put(&rig, "d", ms_str("x"), NULL), MS_ERR_EXISTS, rig.err);
    check_code(ms_backend_rmdir(rig.b, ms_str("v"), &rig.err), MS_ERR_NOT_FOUND, rig.err);
    check_code(ms_backend_delete(rig.b, ms_str("d"), &rig.err), MS_ERR_NOT_FOUND, rig.err);
    uint64_t total, left;
    check_ok(ms_backend_usage(rig.b, &total, &left, &rig.err), rig.err);
    assert_true(total == UINT64_MAX && left == UINT64_MAX);
    assert_int_equal(rig_temporaries(&rig), 0);
    rig_down(&rig);
}

/* Replacing in steps: the new name is refused, the old one is put aside, then it is ours. A line
 * that breaks at any of them leaves the old value or the new one. */
static void replacing_in_steps_survives_a_loss(void **state)
{
    (void)state;
    static const enum sftp_act acts[] = {SFTP_CUT, SFTP_CUT_AFTER};
    up("", NULL, "");
    for (unsigned i = 0; i < 2; i++)
        for (unsigned step = 0; step < 3; step++) {
            sftp_peer_rules(NULL, 0);
            check_ok(rig_put(&rig, "v", ms_str("old"), NULL), rig.err);
            err_once(MS_FXP_RENAME, NULL, acts[i], 0, step, 1);
            check_ok(rig_put(&rig, "v", ms_str("new"), NULL), rig.err);
            assert_int_equal(sftp_peer_hits(), 1);
            rig_holds(&rig, "v", ms_str("new"));
        }
    rig_down(&rig);
}

static void replacing_in_steps_survives_refusals(void **state)
{
    (void)state;
    up("", NULL, "");
    check_ok(rig_put(&rig, "v", ms_str("old"), NULL), rig.err);
    for (unsigned step = 1; step < 3; step++) { /* others were faster */
        err_once(MS_FXP_RENAME, NULL, SFTP_STATUS, MS_FX_FAILURE, step, 1);
        check_ok(rig_put(&rig, "v", ms_str("new"), NULL), rig.err);
        rig_holds(&rig, "v", ms_str("new"));
    }
    err_once(MS_FXP_RENAME, NULL, SFTP_STATUS, MS_FX_PERMISSION_DENIED, 0, 0);
    check_code(rig_put(&rig, "w", ms_str("x"), NULL), MS_ERR_ACCESS, rig.err);
    err_once(MS_FXP_RENAME, NULL, SFTP_STATUS, MS_FX_FAILURE, 0, 0);
    check_code(rig_put(&rig, "w", ms_str("x"), NULL), MS_ERR_IO, rig.err);
    assert_false(rig_has(&rig, "store/w"));
    rig_down(&rig);
}

static void links_that_are_for_show_are_not_used(void **state)
{
    (void)state;
    struct sftp_setup setup = {.login = SFTP_ANYBODY};
    rig_up(&rig, &setup);
    rig.b = rig_make(&rig, "");
    check_ok(ms_backend_create(rig.b, &rig.err), rig.err);
    const struct sftp_rule lies[] = {
        {.type = MS_FXP_EXTENDED, .extension = "hardlink@openssh.com", .value = MS_FX_OK},
        {.type = MS_FXP_RENAME, .value = MS_FX_OK}}; /* all of the rivals win */
    sftp_peer_rules(lies, 2);
    check_ok(ms_backend_open(rig.b, &rig.err), rig.err);
    assert_int_equal(sftp_peer_hits(), 5);
    assert_false(caps() & (MS_CAP_IF_ABSENT | MS_CAP_MOVE_IF_ABSENT));
    assert_true(caps() & MS_CAP_ATOMIC_REPLACE);
    check_code(rig_put(&rig, "v", ms_str("x"), &if_absent), MS_ERR_UNSUPPORTED, rig.err);
    rig_down(&rig);
}

static void a_lost_probe_is_repeated(void **state)
{
    (void)state;
    static const struct {
        int type;
        const char *extension;
        unsigned skip;
    } probes[] = {{MS_FXP_EXTENDED, "hardlink@openssh.com", 0},
                  {MS_FXP_RENAME, NULL, 2},
                  {MS_FXP_OPEN, NULL, 1},
                  {MS_FXP_STAT, NULL, 0}};
    for (size_t i = 0; i < 4; i++) {
        struct sftp_setup setup = {.extensions = i == 0 ? NULL : ""};
        rig_up(&rig, &setup);
        rig.b = rig_make(&rig, "");
        check_ok(ms_backend_create(rig.b, &rig.err), rig.err);
        err_once(probes[i].type, probes[i].extension, SFTP_CUT, 0, probes[i].skip, 1);
        check_ok(ms_backend_open(rig.b, &rig.err), rig.err);
        assert_int_equal(sftp_peer_hits(), 1);
        assert_true(caps() & MS_CAP_IF_ABSENT);
        rig_down(&rig);
    }
}

/* ---- sizes ---- */

static void absurd_limits_are_lived_with(void **state)
{
    (void)state;
    static const uint32_t limits[] = {0, 1, 1000, 65536, UINT32_MAX};
    uint8_t *bytes = bytes_of(200000);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct sftp_setup setup = {.login = SFTP_ANYBODY};
        rig_up(&rig, &setup);
        err_once(MS_FXP_EXTENDED, "limits@openssh.com", SFTP_LIMITS, limits[i], 0, 0);
        rig_open(&rig, "");
        check_ok(rig_put(&rig, "v", ms_view(bytes, 200000), NULL), rig.err);
        rig_holds(&rig, "v", ms_view(bytes, 200000));
        assert_true(sftp_peer_hits() >= 2);
        rig_down(&rig);
    }
    free(bytes);
}

static void limits_that_are_damaged_or_refused(void **state)
{
    (void)state;
    struct sftp_setup setup = {.login = SFTP_ANYBODY};
    rig_up(&rig, &setup);
    rig.b = rig_make(&rig, "");
    err_once(MS_FXP_EXTENDED, "limits@openssh.com", SFTP_CUT_BODY, 9, 0, 0);
    check_code(ms_backend_create(rig.b, &rig.err), MS_ERR_PROTOCOL, rig.err);
    check_text(rig.err, "damaged answer");
    err_once(MS_FXP_EXTENDED, "limits@openssh.com", SFTP_STATUS, MS_FX_OP_UNSUPPORTED, 0, 0);
    check_ok(ms_backend_create(rig.b, &rig.err), rig.err);
    rig_down(&rig);
}

static void short_reads_are_completed(void **state)
{
    (void)state;
    uint8_t *bytes = bytes_of(100000), *back = malloc(100000);
    struct ms_reader *r = NULL;
    size_t got = 0;
    assert_non_null(back);
    up(NULL, NULL, "");
    check_ok(rig_put(&rig, "v", ms_view(bytes, 100000), NULL), rig.err);
    err_once(MS_FXP_READ, NULL, SFTP_SHORT, 700, 0, 0);
    rig_holds(&rig, "v", ms_view(bytes, 100000));
    check_ok(ms_backend_read(rig.b, ms_str("v"), &r, &rig.err), rig.err);
    for (size_t at = 0; at < 100000; at += got) { /* in order */
        check_ok(ms_reader_read(r, at, back + at, 9999, &got, &rig.err), rig.err);
        assert_true(got > 0);
    }
    assert_memory_equal(back, bytes, 100000);
    for (unsigned i = 0; i < 30; i++) { /* here and there, then on from there */
        size_t at = (i * 7919 * 13) % 95000;
        check_ok(ms_reader_read(r, at, back, 5000, &got, &rig.err), rig.err);
        assert_int_equal(got, 5000);
        assert_memory_equal(back, bytes + at, 5000);
    }
    ms_reader_close(r);
    free(back);
    free(bytes);
    rig_down(&rig);
}

/* ---- beginnings ---- */

static void greetings_that_are_none(void **state)
{
    (void)state;
    static const struct {
        enum sftp_act act;
        uint32_t value;
        int code;
        const char *says;
    } cases[] = {
        {SFTP_TYPE, MS_FXP_STATUS, MS_ERR_PROTOCOL, "does not speak SFTP"},
        {SFTP_CUT_BODY, 1, MS_ERR_PROTOCOL, "does not speak SFTP"},
        {SFTP_HUGE, 0, MS_ERR_PROTOCOL, "does not speak SFTP"},
        {SFTP_CUT, 0, MS_ERR_CONNECTION, "127.0.0.1:"},
        {SFTP_CUT_IN, 0, MS_ERR_CONNECTION, "127.0.0.1:"},
        {SFTP_SWALLOW, 0, MS_ERR_TIMEOUT, "nothing came for 1 s"},
    };
    struct sftp_setup setup = {.login = SFTP_ANYBODY};
    rig_up(&rig, &setup);
    rig.b = rig_make(&rig, "timeout=1");
    ms_sftp_self(rig.b)->policy.attempts = 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        err_once(MS_FXP_INIT, NULL, cases[i].act, cases[i].value, 0, 0);
        check_code(ms_backend_open(rig.b, &rig.err), cases[i].code, rig.err);
        check_text(rig.err, cases[i].says);
    }
    rig_down(&rig);
}

static void a_login_without_sftp(void **state)
{
    (void)state;
    struct sftp_setup setup = {.no_subsystem = true};
    rig_up(&rig, &setup);
    rig.b = rig_make(&rig, "");
    check_code(ms_backend_open(rig.b, &rig.err), MS_ERR_PROTOCOL, rig.err);
    check_text(rig.err, "offers no SFTP to this login");
    rig_down(&rig);
}

static void places_that_are_no_store(void **state)
{
    (void)state;
    struct sftp_setup setup = {.login = SFTP_ANYBODY};
    rig_up(&rig, &setup);
    rig.b = rig_make(&rig, "");
    check_code(ms_backend_open(rig.b, &rig.err), MS_ERR_NO_STORE, rig.err);
    check_code(ms_backend_destroy(rig.b, &rig.err), MS_ERR_NO_STORE, rig.err);
    rig_file(&rig, "store", "x", 1);
    check_code(ms_backend_create(rig.b, &rig.err), MS_ERR_STORE_EXISTS, rig.err);
    check_text(rig.err, "is no folder");
    assert_int_equal(unlink(rig_path(&rig, "store")), 0);
    check_ok(ms_backend_create(rig.b, &rig.err), rig.err);
    rig_file(&rig, "store/x", "x", 1);
    check_code(ms_backend_create(rig.b, &rig.err), MS_ERR_STORE_EXISTS, rig.err);
    check_text(rig.err, "is not empty");
    err_once(MS_FXP_RMDIR, NULL, SFTP_CUT_AFTER, 0, 0, 1);
    check_ok(ms_backend_destroy(rig.b, &rig.err), rig.err); /* the lost request did it */
    assert_false(rig_has(&rig, "store"));
    err_once(MS_FXP_MKDIR, NULL, SFTP_STATUS, MS_FX_PERMISSION_DENIED, 0, 0);
    check_code(ms_backend_create(rig.b, &rig.err), MS_ERR_ACCESS, rig.err);
    rig_down(&rig);
}

static void the_login_folder_is_not_destroyed(void **state)
{
    (void)state;
    char url[512];
    struct sftp_setup setup = {.login = SFTP_ANYBODY};
    rig_up(&rig, &setup);
    static const char *const roots[] = {"", "//"};
    for (size_t i = 0; i < 2; i++) {
        struct ms_backend *b = NULL;
        snprintf(url, sizeof url, "sftp://t@127.0.0.1:%d%s?ssh_config=none&known_hosts=%s",
                 sftp_peer_port(), roots[i], rig_path(&rig, "known_hosts"));
        check_ok(ms_backend_make(url, NULL, &b, &rig.err), rig.err);
        check_code(ms_backend_destroy(b, &rig.err), MS_ERR_INVALID, rig.err);
        check_text(rig.err, "is not destroyed");
        err_once(MS_FXP_REALPATH, NULL, SFTP_STATUS, MS_FX_PERMISSION_DENIED, 0, 1);
        check_code(ms_backend_destroy(b, &rig.err), MS_ERR_ACCESS, rig.err);
        err_once(MS_FXP_REALPATH, NULL, SFTP_CUT_BODY, 6, 0, 1);
        check_code(ms_backend_destroy(b, &rig.err), MS_ERR_PROTOCOL, rig.err);
        sftp_peer_rules(NULL, 0);
        ms_backend_free(b);
    }
    assert_true(rig_has(&rig, "known_hosts"));
    rig_down(&rig);
}

/* ---- servers that lose their open files ---- */

#define RCLONE "rclone/v1.60.1"

static void a_value_replaced_meanwhile_is_loaded_anew(void **state)
{
    (void)state;
    up(NULL, RCLONE, "");
    assert_false(caps() & MS_CAP_ATOMIC_REPLACE);
    check_ok(rig_put(&rig, "v", ms_str("value"), NULL), rig.err);
    static const uint32_t statuses[] = {MS_FX_FAILURE, MS_FX_NO_SUCH_FILE, MS_FX_EOF};
    for (size_t i = 0; i < 3; i++) {
        err_once(MS_FXP_READ, NULL, SFTP_STATUS, statuses[i], 0, 2);
        rig_holds(&rig, "v", ms_str("value"));
        assert_int_equal(sftp_peer_hits(), 2);
    }
    struct ms_buf *value = NULL;
    err_once(MS_FXP_READ, NULL, SFTP_STATUS, MS_FX_FAILURE, 0, 0); /* the disk is broken */
    check_code(ms_backend_load(rig.b, ms_str("v"), 0, MS_SIZE_TO_END, &value, NULL, &rig.err),
               MS_ERR_IO, rig.err);
    assert_in_range(sftp_peer_hits(), 2, 50);
    rig_down(&rig);
}

static void a_reader_says_that_its_value_was_replaced(void **state)
{
    (void)state;
    struct ms_reader *r = NULL;
    uint8_t bytes[8];
    size_t got;
    up(NULL, RCLONE, "");
    for (unsigned round = 0; round < 4; round++) {
        sftp_peer_rules(NULL, 0);
        check_ok(rig_put(&rig, "v", ms_str("value"), NULL), rig.err);
        check_ok(ms_backend_read(rig.b, ms_str("v"), &r, &rig.err), rig.err);
        int wanted = round == 3 ? MS_ERR_IO : MS_ERR_CONFLICT;
        if (round == 0) /* the file behind the handle is longer now */
            rig_file(&rig, "store/v", "value and more", 14);
        if (round == 1)
            assert_int_equal(truncate(rig_path(&rig, "store/v"), 2), 0);
        if (round >= 2)
            err_once(MS_FXP_READ, NULL, SFTP_STATUS, MS_FX_FAILURE, 0, round == 2 ? 1 : 0);
        check_code(ms_reader_read(r, 0, bytes, 8, &got, &rig.err), wanted, rig.err);
        ms_reader_close(r);
    }
    rig_down(&rig);
}

static void its_names_come_back_as_they_went(void **state)
{
    (void)state;
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    up(NULL, RCLONE, "");
    check_ok(rig_put(&rig, "\x01 \xe2\x90\x81", ms_str("x"), NULL), rig.err);
    assert_true(rig_has(&rig, "store/\xe2\x90\x81 \xe2\x80\x9b\xe2\x90\x81"));
    check_ok(ms_backend_list(rig.b, ms_str(""), NULL, &l, &rig.err), rig.err);
    check_ok(ms_lister_next(l, &e, &rig.err), rig.err);
    assert_true(ms_equal(e->name, ms_str("\x01 \xe2\x90\x81")));
    ms_lister_close(l);
    rig_down(&rig);
}

/* ---- several connections ---- */

#define LARGE ((size_t)14 << 20)

/* How often a rule held. */
static unsigned write_large(int wanted)
{
    struct ms_writer *w = NULL;
    uint8_t *bytes = bytes_of(LARGE);
    check_ok(ms_backend_write(rig.b, ms_str("v"), 0, NULL, &w, &rig.err), rig.err);
    int code = 0;
    for (size_t at = 0; at < LARGE && !code; at += 1 << 20)
        code = ms_writer_append(w, ms_view(bytes + at, 1 << 20), &rig.err);
    if (!code)
        code = ms_writer_commit(w, NULL, &rig.err);
    else
        ms_writer_abort(w);
    check_code(code, wanted, rig.err);
    unsigned hits = sftp_peer_hits();
    sftp_peer_rules(NULL, 0);
    if (!wanted)
        rig_holds(&rig, "v", ms_view(bytes, LARGE));
    free(bytes);
    return hits;
}

/* Until each of three opens the temporary: the last is refused, and so it shows. */
static void make_three(void)
{
    struct ms_writer *w = NULL;
    check_ok(ms_backend_write(rig.b, ms_str("v"), 1 << 30, NULL, &w, &rig.err), rig.err);
    ms_writer_abort(w);
    for (unsigned tries = 0; tries < 200; tries++) {
        err_once(MS_FXP_OPEN, NULL, SFTP_STATUS, MS_FX_PERMISSION_DENIED, 2, 1);
        if (write_large(0))
            return;
    }
    fail_msg("three connections never became ready");
}

static void a_large_value_goes_over_all_connections(void **state)
{
    (void)state;
    up(NULL, NULL, "connections=3");
    make_three();
    write_large(0);
    assert_int_equal(sftp_peer_connections(), 4);
    err_once(MS_FXP_OPEN, NULL, SFTP_STATUS, MS_FX_PERMISSION_DENIED, 1, 1);
    write_large(0); /* over two of them */
    err_once(MS_FXP_OPEN, NULL, SFTP_CUT, 0, 1, 1);
    write_large(MS_ERR_CONNECTION);
    write_large(0);
    err_once(MS_FXP_WRITE, NULL, SFTP_STATUS, 14, 30, 0);
    write_large(MS_ERR_NO_SPACE);
    rig_down(&rig);
}

static void connections_are_made_when_wanted(void **state)
{
    struct ms_info info;
    struct ms_writer *w = NULL;
    (void)state;
    up(NULL, NULL, "connections=2");
    unsigned before = sftp_peer_connections();
    for (unsigned i = 0; i < 3; i++) /* one after the other: one is enough */
        check_ok(ms_backend_info(rig.b, ms_str("v"), &info, &rig.err), rig.err);
    assert_int_equal(sftp_peer_connections(), before);
    check_ok(ms_backend_write(rig.b, ms_str("v"), 0, NULL, &w, &rig.err), rig.err);
    check_ok(ms_backend_info(rig.b, ms_str("v"), &info, &rig.err), rig.err); /* another meanwhile */
    ms_writer_abort(w);
    for (unsigned i = 0; i < 1000 && sftp_peer_connections() == before; i++)
        usleep(10000);
    assert_int_equal(sftp_peer_connections(), before + 1);
    write_large(0);
    assert_true(sftp_peer_connections() >= 2);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_but_the_draft),
        cmocka_unit_test(replacing_in_steps_survives_a_loss),
        cmocka_unit_test(replacing_in_steps_survives_refusals),
        cmocka_unit_test(links_that_are_for_show_are_not_used),
        cmocka_unit_test(a_lost_probe_is_repeated),
        cmocka_unit_test(absurd_limits_are_lived_with),
        cmocka_unit_test(limits_that_are_damaged_or_refused),
        cmocka_unit_test(short_reads_are_completed),
        cmocka_unit_test(greetings_that_are_none),
        cmocka_unit_test(a_login_without_sftp),
        cmocka_unit_test(places_that_are_no_store),
        cmocka_unit_test(the_login_folder_is_not_destroyed),
        cmocka_unit_test(a_value_replaced_meanwhile_is_loaded_anew),
        cmocka_unit_test(a_reader_says_that_its_value_was_replaced),
        cmocka_unit_test(its_names_come_back_as_they_went),
        cmocka_unit_test(a_large_value_goes_over_all_connections),
        cmocka_unit_test(connections_are_made_when_wanted),
    };
    return sftp_peer_program() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
