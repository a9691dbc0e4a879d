/* tests/support/upkept.c - see tests/support/upkept.h. */
#include "tests/support/upkept.h"

#include "base/pool.h"
#include "tests/support/check.h"

struct ms_upkeep_report *upkept_run(struct fleet *f, enum ms_upkeep_task task, bool deep, bool dry)
{
    struct ms_upkeep_options o = MS_UPKEEP_OPTIONS_INIT;
    struct ms_upkeep_report *report = NULL;
    struct ms_error err = {0};
    o.deep = deep;
    o.dry_run = dry;
    ms_pool_shutdown(); /* late copies and repairs have ended */
    check_ok(ms_upkeep_run(NULL, f->roster, task, &o, &report, &err), err);
    return report;
}

struct ms_upkeep_report *upkept_scrub(struct fleet *f, bool deep)
{
    return upkept_run(f, MS_UPKEEP_SCRUB, deep, false);
}

void upkept_assert_clean(struct fleet *f, bool deep)
{
    struct ms_upkeep_report *r = upkept_scrub(f, deep);
    assert_true(ms_upkeep_report_clean(r));
    assert_int_equal(r->keys, UPKEPT_KEYS);
    assert_int_equal(r->wanting, 0);
    for (int i = 0; i < MS_FINDS; i++)
        assert_int_equal(r->found[i], 0);
    ms_upkeep_report_free(r);
}

void upkept_put(struct fleet *f)
{
    for (unsigned i = 0; i < UPKEPT_KEYS; i++) {
        char key[65];
        struct ms_buf *value = fleet_value(i * 4001, i + 1);
        fleet_put(f, fleet_digest(value, key), value);
        ms_buf_unref(value);
    }
}

void upkept_fill(struct fleet *f, const char *policy, unsigned members)
{
    fleet_make(f, &(struct fleet_options){.members = members, .policy = policy, .seed = 5});
    upkept_put(f);
    ms_pool_shutdown();
}
