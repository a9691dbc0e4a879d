/* A whole MStore: see whole.h. */
#include "tests/sim/whole.h"
#include "tests/sim/settle.h"

#include "mstore/self.h"
#include "mstore/upkeep.h"

#include "base/cleanup.h"
#include "base/sim.h"
#include "base/text.h"

#include <mstore/multi.h>

#define HEALS      4
#define HEAL_PAUSE (21 * SIM_MINUTE)

/* A closed one. */
static int make(struct sim_world *w, unsigned client, const char *conf_text, struct ms_store **out,
                struct ms_error *err)
{
    struct ms_backend *backends[SIM_MEMBERS_MAX] = {NULL};
    struct ms_mconf *conf = NULL;
    int code = ms_mconf_parse(ms_str(conf_text), "conf", &conf, err);
    for (unsigned i = 0; i < w->member_count && !code; i++)
        code = sim_member_handle(w, client, i, &backends[i], err);
    if (code) /* without memory alone */
        return code;
    struct ms_self_options o = {.clock = &w->clients[client].clock,
                                .seed = 1 + sim_below(w, UINT64_MAX - 1),
                                .deterministic = true,
                                .name = "sim:whole",
                                .state_folder = "",
                                .lease_ns = w->lease_ns};
    return ms_self_new(conf, backends, &o, out, err);
}

int sim_whole_create(struct sim_world *w, unsigned client, const char *conf, struct ms_error *err)
{
    struct ms_store *s = NULL;
    int code = make(w, client, conf, &s, err);
    return sim_store_create(s, code, err);
}

int sim_whole_open(struct sim_world *w, unsigned client, const char *conf,
                   const struct ms_store_ops *ops, struct ms_store **out, struct ms_error *err)
{
    struct ms_store *s = NULL;
    int code = make(w, client, conf, &s, err);
    if (!code && ops)
        s->ops = ops;
    return sim_store_open(s, code, out, err);
}

/* ---- healing ---- */

struct healing {
    const struct ms_layout *layout;
    bool split;
};

static void found(void *ctx, const struct ms_upkeep_finding *f)
{
    struct healing *h = ctx;
    h->split |= sim_is_split(h->layout, f);
    ms_sim_note("heal: %s %s on %s: %s%s", ms_upkeep_find_name(f->find), f->key, f->member,
                f->sentence, f->fixed ? "" : " (left)");
}

int sim_whole_heal_once(struct sim_world *w, struct ms_store *s, bool deep, struct ms_error *err)
{
    MS_AUTO_ROSTER struct ms_roster *roster = ms_self_roster(ms_self_of(s));
    struct ms_upkeep_options options = MS_UPKEEP_OPTIONS_INIT;
    struct ms_upkeep_report *report = NULL;
    const struct ms_store_ops *ops = s->ops;
    struct healing h = {.layout = roster->layout};
    options.found = found;
    options.ctx = &h;
    options.deep = deep;
    s->ops = &ms_self_ops; /* of a flawed one too: who heals has no flaw */
    int code = ms_mstore_heal(s, &options, &report, err);
    s->ops = ops;
    w->split = h.split;
    if (report)
        ms_sim_note("healed: %s, %llu repaired, %llu failed", ms_code_name(code),
                    (unsigned long long)report->repaired, (unsigned long long)report->failed);
    ms_upkeep_report_free(report);
    return code;
}

int sim_whole_heal(struct sim_world *w, unsigned client, struct ms_store *s, struct ms_error *err)
{
    (void)client;
    int code = sim_whole_heal_once(w, s, false, err);
    for (unsigned round = 1; round < HEALS && w->calm && !code; round++) {
        code = ms_sleep(w->clock, HEAL_PAUSE, err);
        if (!code)
            code = sim_whole_heal_once(w, s, round + 1 == HEALS, err);
    }
    return code;
}

int sim_whole_heal_rightly(struct sim_world *w, unsigned client, struct ms_store *s,
                           struct ms_error *err)
{
    ms_clock_init_wrong(&w->clients[client].clock, w->clock, 0);
    return sim_whole_heal(w, client, s, err);
}

int sim_whole_settle(struct sim_world *w, struct ms_store *s, struct ms_error *err)
{
    MS_AUTO_ROSTER struct ms_roster *roster = ms_self_roster(ms_self_of(s));
    s->ops = &ms_self_ops;
    return sim_settle(w, ms_self_of(s), roster, err);
}

/* ---- the disks ---- */

struct comparing {
    struct ms_backend *one, *two;
    unsigned first, second;
    struct sim_world *w;
    bool intents; /* may be left: to a client whose clock is behind they look young */
};

static bool has_part(struct ms_view name, const char *part)
{
    return memmem(name.data, name.size, part, strlen(part)) != NULL;
}

/* Notes, marks, intents, copies on their way: all must have come to an end. */
static bool is_debris(const struct comparing *c, struct ms_view name)
{
    return ms_starts_with(name, ms_str("mstore-")) &&
           (((has_part(name, "/hint/") || has_part(name, "/away/")) && !c->w->split) ||
            (has_part(name, "/intent/") && !c->intents) || has_part(name, "!+"));
}

static bool same(struct ms_backend *one, struct ms_backend *two, struct ms_view name)
{
    MS_AUTO_BUF struct ms_buf *a = NULL, *b = NULL;
    return !ms_backend_load(one, name, 0, MS_SIZE_TO_END, &a, NULL, NULL) &&
           !ms_backend_load(two, name, 0, MS_SIZE_TO_END, &b, NULL, NULL) &&
           ms_equal(ms_buf_view(a), ms_buf_view(b));
}

/* No value is on most of the mirrors that have the item. */
static bool is_split(const struct sim_world *w, struct ms_view name)
{
    unsigned have = 0, most = 0;
    for (unsigned i = 0; i < w->member_count; i++) {
        unsigned equal = 0;
        for (unsigned j = 0; j < w->member_count; j++)
            equal += same(w->members[i].disk, w->members[j].disk, name);
        have += equal > 0;
        most = equal > most ? equal : most;
    }
    return w->split && 2 * most <= have;
}

static int compare_value(void *ctx, struct ms_view name, struct ms_error *err)
{
    const struct comparing *c = ctx;
    MS_AUTO_BUF struct ms_buf *one = NULL, *two = NULL;
    if (is_debris(c, name))
        return ms_error_set(err, MS_ERR_CONFLICT, "member %u has kept %.*s", c->first,
                            (int)name.size, (const char *)name.data);
    bool own = ms_starts_with(name, ms_str("mstore-")); /* frames have the IDs of their writes */
    if (own && !has_part(name, "/val/"))
        return 0;
    int code = ms_backend_load(c->one, name, 0, MS_SIZE_TO_END, &one, NULL, err);
    if (!code)
        code = ms_backend_load(c->two, name, 0, MS_SIZE_TO_END, &two, NULL, NULL);
    bool differ = code || (!own && !ms_equal(ms_buf_view(one), ms_buf_view(two)));
    if (differ && (own || !is_split(c->w, name)))
        return ms_error_set(err, MS_ERR_CONFLICT, "members %u and %u differ: %.*s", c->first,
                            c->second, (int)name.size, (const char *)name.data);
    return 0;
}

int sim_whole_check(struct sim_world *w, struct ms_error *err)
{
    int code = 0;
    for (unsigned i = 0; i < w->member_count && !code; i++) {
        unsigned other = (i + 1) % w->member_count;
        struct comparing c = {w->members[i].disk,    w->members[other].disk, i, other, w,
                              w->faults.wrong_clocks};
        code = sim_disk_walk(c.one, compare_value, &c, err);
    }
    return code;
}
