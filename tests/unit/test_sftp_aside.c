/* Replacing on a server that does not rename over a file: what becomes of the old value when the
 * writer does not come to an end. */
#include "peers/sftp_rig.h"

#include "base/clock.h"
#include "base/text.h"

static struct rig rig;

static void up(void)
{
    static const struct sftp_setup draft = {.extensions = ""};
    rig_up(&rig, &draft);
    rig_open(&rig, "");
}

static void pass(uint64_t seconds)
{
    ms_clock_advance(rig.clock, ms_clock_now(rig.clock) + seconds * UINT64_C(1000000000));
}

static void sweep(uint64_t age_s, uint64_t wanted)
{
    uint64_t removed = 99;
    check_ok(ms_backend_sweep(rig.b, age_s * UINT64_C(1000000000), &removed, &rig.err), rig.err);
    assert_int_equal(removed, wanted);
}

static void an_aside_name_tells_whose_it_was(void **state)
{
    (void)state;
    static const char *const none[] = {
        "a~00000001abc.tmp",  "a~00000001abcd",     "~00000001abcd.tmp",  "a-00000001abcd.tmp",
        "a~0000000gabcd.tmp", "a~00000001abc1.tmp", "tmpabcdefgh.tmp",    ".tmp",
        "a~0000001Aabcd.tmp", "a~00000001abcD.tmp", "a~00000001abcd.TMP",
    };
    struct ms_view of;
    int64_t when_s;
    assert_true(ms_sftp_aside_parse(ms_str("d/a~b~0000001fab2d.tmp"), &of, &when_s));
    assert_true(ms_equal(of, ms_str("d/a~b")));
    assert_int_equal(when_s, 31);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (ms_sftp_aside_parse(ms_str(none[i]), &of, &when_s))
            fail_msg("%s is taken for one", none[i]);
}

/* From the third on renames fail: "a" is put aside, and never comes back by itself. */
static void break_off(const char *name)
{
    static const struct sftp_rule rule = {
        .type = MS_FXP_RENAME, .skip = 2, .act = SFTP_STATUS, .value = MS_FX_FAILURE};
    check_ok(rig_put(&rig, name, ms_str("first"), NULL), rig.err);
    pass(100000); /* the value is old */
    sftp_peer_rules(&rule, 1);
    assert_int_not_equal(rig_put(&rig, name, ms_str("second"), NULL), 0);
    sftp_peer_rules(NULL, 0);
}

static void a_sweep_gives_the_old_value_back(void **state)
{
    struct ms_info info;
    (void)state;
    up();
    break_off("a");
    check_ok(ms_backend_info(rig.b, ms_str("a"), &info, &rig.err), rig.err);
    assert_false(info.exists);
    assert_int_equal(rig_temporaries(&rig), 1);
    sweep(3600, 0); /* it may be under way */
    assert_int_equal(rig_temporaries(&rig), 1);
    pass(4000);
    sweep(3600, 0);
    rig_holds(&rig, "a", ms_str("first"));
    assert_int_equal(rig_temporaries(&rig), 0);
    rig_down(&rig);
}

static void a_sweep_takes_no_newer_value_away(void **state)
{
    (void)state;
    up();
    break_off("a");
    check_ok(rig_put(&rig, "a", ms_str("third"), NULL), rig.err);
    sweep(0, 1);
    rig_holds(&rig, "a", ms_str("third"));
    assert_int_equal(rig_temporaries(&rig), 0);
    rig_down(&rig);
}

/* Up to 238 bytes; longer ones are replaced as well. */
static void long_names_have_no_room(void **state)
{
    char name[256];
    (void)state;
    up();
    memset(name, 'n', sizeof name);
    name[238] = 0;
    break_off(name);
    sweep(0, 0);
    rig_holds(&rig, name, ms_str("first"));
    name[238] = 'n';
    for (int size = 239; size <= 255; size += 16) {
        name[size] = 0;
        check_ok(rig_put(&rig, name, ms_str("first"), NULL), rig.err);
        check_ok(rig_put(&rig, name, ms_str("second"), NULL), rig.err);
        rig_holds(&rig, name, ms_str("second"));
        name[size] = 'n';
    }
    assert_int_equal(rig_temporaries(&rig), 0);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_aside_name_tells_whose_it_was),
        cmocka_unit_test(a_sweep_gives_the_old_value_back),
        cmocka_unit_test(a_sweep_takes_no_newer_value_away),
        cmocka_unit_test(long_names_have_no_room),
    };
    return sftp_peer_program() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
