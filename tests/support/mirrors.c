/* tests/support/mirrors.c - see tests/support/mirrors.h. */
#include "tests/support/mirrors.h"

#include "base/cleanup.h"
#include "base/sim.h"
#include "base/text.h"
#include "mstore/plain.h"
#include "mstore/upkeep.h"
#include "tests/support/check.h"

#include <stdio.h>

#define SECOND UINT64_C(1000000000)

void mirrors_simulated(int (*fn)(void *arg))
{
    struct ms_sim_options o = {.seed = 1, .start_wall_ns = 1800000000 * (int64_t)SECOND};
    struct ms_error err = {0};
    check_ok(ms_sim_run(&o, fn, NULL, NULL, &err), err);
}

int mirrors_put(struct fleet *f, const char *key, const char *value, struct ms_error *err)
{
    static const struct ms_precondition always = {.kind = MS_ALWAYS};
    struct ms_site site = fleet_site(f, key);
    char whole[64];
    snprintf(whole, sizeof whole, "data/%s", key);
    MS_AUTO_BUF struct ms_buf *bytes = ms_buf_copy(ms_str(value));
    return ms_plain_store(&site, (struct ms_item_ref){.key = ms_str(whole)}, bytes, &always, err);
}

int mirrors_move(struct fleet *f, const char *key, enum ms_move how, struct ms_error *err)
{
    struct ms_site site = fleet_site(f, key);
    char whole[64];
    snprintf(whole, sizeof whole, "data/%s", key);
    return ms_plain_move(&site, how, (struct ms_item_ref){.key = ms_str(whole)}, NULL, ms_str(""),
                         err);
}

void mirrors_assert(struct fleet *f, const char *key, bool deleted, const char *value)
{
    struct ms_site site = fleet_site(f, key);
    struct ms_error err = {0};
    MS_AUTO_BUF struct ms_buf *bytes = NULL;
    char whole[64];
    snprintf(whole, sizeof whole, "data/%s", key);
    site.deleted = deleted;
    int code = ms_plain_load(&site, (struct ms_item_ref){.key = ms_str(whole), .deleted = deleted},
                             0, MS_SIZE_TO_END, &bytes, &err);
    if (code != (value[0] ? 0 : MS_ERR_NOT_FOUND))
        fail_msg("%s: %s %s", key, ms_code_name(code), err.text);
    if (!code)
        assert_true(ms_equal(ms_buf_view(bytes), ms_str(value)));
}

void mirrors_assert_at(struct fleet *f, unsigned member, const char *name, const char *value)
{
    struct ms_error err = {0};
    MS_AUTO_BUF struct ms_buf *bytes = NULL;
    int code =
        ms_backend_load(f->storage[member], ms_str(name), 0, MS_SIZE_TO_END, &bytes, NULL, &err);
    if (code != (value ? 0 : MS_ERR_NOT_FOUND))
        fail_msg("member %u, %s: %s", member, name, ms_code_name(code));
    if (!code)
        assert_true(ms_equal(ms_buf_view(bytes), ms_str(value)));
}

void mirrors_note(struct fleet *f, const char *key, const struct mirrors_noted *note)
{
    struct ms_site site = fleet_site(f, key);
    struct ms_own_name own = {.kind = MS_OWN_HINT,
                              .store = f->roster->layout->uuid,
                              .space = site.space_path,
                              .key = site.key,
                              .level = site.level,
                              .member = f->roster->layout->members[note->about].uuid,
                              .id = {.counter = note->counter}};
    struct ms_error err = {0};
    struct ms_name name;
    own.id.writer = note->counter << 8 | ms_plain_note_byte(note->op, false, note->late);
    check_ok(ms_own_format(&own, 0, &name, &err), err);
    MS_AUTO_BUF struct ms_buf *empty = ms_buf_new(0);
    struct ms_backend *keeper = f->storage[note->keeper];
    check_ok(ms_backend_store(keeper, ms_name_view(&name), empty, NULL, NULL, &err), err);
}

bool mirrors_try_heal(struct fleet *f)
{
    struct ms_upkeep_report *report = NULL;
    struct ms_error err = {0};
    check_ok(ms_upkeep_run(NULL, f->roster, MS_UPKEEP_HEAL, NULL, &report, &err), err);
    bool clean = ms_upkeep_report_clean(report);
    ms_upkeep_report_free(report);
    return clean;
}

void mirrors_heal(struct fleet *f)
{
    assert_true(mirrors_try_heal(f));
}

void mirrors_pause(uint64_t seconds)
{
    assert_int_equal(ms_sleep(ms_sim_clock(), seconds * SECOND, NULL), 0);
}
