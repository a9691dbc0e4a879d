/* tests/support/soft.c - see tests/support/soft.h. */
#include "tests/support/soft.h"

#include "base/cleanup.h"
#include "base/sim.h"
#include "base/text.h"
#include "mstore/immutable_parts.h"
#include "mstore/intent.h"
#include "mstore/tombs.h"
#include "mstore/upkeep.h"
#include "tests/support/check.h"

#include <stdio.h>

static const char key[] = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

struct ms_site soft_site(struct fleet *f, bool deleted)
{
    struct ms_site site = fleet_site(f, key);
    site.deleted = deleted;
    return site;
}

void soft_put(struct fleet *f, bool deleted)
{
    struct ms_error err = {0};
    struct ms_site site = soft_site(f, deleted);
    MS_AUTO_BUF struct ms_buf *value = ms_buf_copy(ms_str("hello"));
    check_ok(ms_immutable_store(&site, f->ids, value, NULL, &err), err);
}

int soft_load(struct fleet *f, bool deleted, struct ms_error *err)
{
    struct ms_site site = soft_site(f, deleted);
    MS_AUTO_BUF struct ms_buf *got = NULL;
    int code = ms_immutable_load(&site, 0, MS_SIZE_TO_END, &got, err);
    if (!code)
        assert_true(ms_equal(ms_buf_view(got), ms_str("hello")));
    return code;
}

void soft_check_there(struct fleet *f, bool live, bool deleted)
{
    struct ms_error err = {0};
    for (unsigned soft = 0; soft < 2; soft++) {
        struct ms_site site = soft_site(f, soft);
        struct ms_item_info info;
        bool wanted = soft ? deleted : live;
        check_code(soft_load(f, soft, &err), wanted ? 0 : MS_ERR_NOT_FOUND, err);
        check_ok(ms_immutable_info(&site, &info, &err), err);
        assert_true(info.exists == wanted);
        assert_true(!wanted || info.size_bytes == 5);
    }
}

int soft_delete(struct fleet *f, struct ms_error *err)
{
    struct ms_site site = soft_site(f, false);
    return ms_immutable_soft_delete(&site, f->ids, err);
}

int soft_undelete(struct fleet *f, struct ms_error *err)
{
    struct ms_site site = soft_site(f, false);
    return ms_immutable_undelete(&site, f->ids, err);
}

int soft_purge(struct fleet *f, bool deleted, struct ms_error *err)
{
    struct ms_site site = soft_site(f, deleted);
    return ms_immutable_delete(&site, f->ids, err);
}

const struct soft_policy soft_policies[SOFT_POLICIES] = {
    {3, "redundancy = copies 3\n"}, {3, "redundancy = copies 3\nverify = sha256\n"},
    {3, "redundancy = ec 2+1\n"},   {3, "redundancy = ec 2+1\nverify = sha256\n"},
    {6, "redundancy = ec 4+2\n"},   {6, "redundancy = ec 4+2\nverify = sha256\n"},
};

void soft_turn(void *ctx, struct ms_backend *storage, struct ms_view name)
{
    struct ms_error err = {0};
    char text[512];
    int *left = ctx;
    snprintf(text, sizeof text, "%.*s", (int)name.size, (const char *)name.data);
    char *mark = strstr(text, ".l.");
    if (!mark || (*left)-- <= 0) /* none: it is listed again under its new name */
        return;
    mark[1] = 's';
    check_ok(ms_backend_move(storage, name, ms_str(text), NULL, &err), err);
}

void soft_begin(struct fleet *f, uint64_t counter)
{
    struct ms_error err = {0};
    struct ms_intent intent;
    struct ms_site site = soft_site(f, false), soft = soft_site(f, true);
    struct ms_write_id id = {counter, 77};
    check_ok(ms_intent_init(&intent, MS_OWN_SOFT_DELETE, id, false, ms_str(""), &err), err);
    check_ok(ms_intent_put(&site, &intent, &err), err);
    check_ok(ms_immutable_revive(&soft, &err), err);
    check_ok(ms_tombs_put(&site, id, &err), err);
    check_ok(ms_sleep(f->clock, 1000000, &err), err); /* on all by now */
}

/* As a client leaves it that dies after `turned` renames. */
void soft_die_after(struct fleet *f, int turned)
{
    struct ms_site site = soft_site(f, false);
    soft_begin(f, 1);
    for (unsigned i = 0; i < f->count; i++)
        fleet_each(f, site.order.member[i], "val", soft_turn, &turned);
}
void soft_simulate(int (*fn)(void *arg), void *arg, uint64_t seed)
{
    struct ms_sim_options options = {.seed = seed};
    struct ms_error err = {0};
    check_ok(ms_sim_run(&options, fn, arg, NULL, &err), err);
}

void soft_heal(struct fleet *f)
{
    struct ms_upkeep_report *report = NULL;
    struct ms_error err = {0};
    check_ok(ms_upkeep_run(NULL, f->roster, MS_UPKEEP_HEAL, NULL, &report, &err), err);
    ms_upkeep_report_free(report);
}
