/* A whole MStore: see whole.h. */
#include "tests/sim/whole.h"

#include "mstore/self.h"
#include "mstore/upkeep.h"

#include "base/sim.h"

#include <mstore/multi.h>

#define LEASE      (200 * SIM_MS) /* so short that there are many of them while there are faults */
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
                                .lease_ns = LEASE};
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

static void found(void *ctx, const struct ms_upkeep_finding *f)
{
    uint64_t *left = ctx;
    *left += !f->fixed;
    ms_sim_note("heal: %s %s on %s: %s%s", ms_upkeep_find_name(f->find), f->key, f->member,
                f->sentence, f->fixed ? "" : " (left)");
}

int sim_whole_heal_once(struct ms_store *s, uint64_t *left, struct ms_error *err)
{
    struct ms_upkeep_options options = MS_UPKEEP_OPTIONS_INIT;
    struct ms_upkeep_report *report = NULL;
    const struct ms_store_ops *ops = s->ops;
    *left = 0;
    options.found = found;
    options.ctx = left;
    s->ops = &ms_self_ops; /* of a flawed one too: who heals has no flaw */
    int code = ms_mstore_heal(s, &options, &report, err);
    s->ops = ops;
    if (report) {
        ms_sim_note("healed: %s, %llu repaired, %llu failed", ms_code_name(code),
                    (unsigned long long)report->repaired, (unsigned long long)report->failed);
        *left += report->failed;
    }
    ms_upkeep_report_free(report);
    return code;
}

int sim_whole_heal(struct sim_world *w, unsigned client, struct ms_store *s, struct ms_error *err)
{
    uint64_t left = 0;
    (void)client;
    int code = sim_whole_heal_once(s, &left, err);
    for (unsigned round = 1; round < HEALS && w->calm && !code; round++) {
        code = ms_sleep(w->clock, HEAL_PAUSE, err);
        if (!code)
            code = sim_whole_heal_once(s, &left, err);
    }
    return code;
}
