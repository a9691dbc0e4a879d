/* An MStore with namespaces of each kind: see mixed.h. */
#include "tests/sim/mixed.h"
#include "tests/sim/whole.h"

static const char conf_text[] =
    "[mstore]\nkey = 0000000000000000000000000000000000000000000000000000000000004715\n"
    "[member m0]\nurl = memory:sim0\nweight = 3\nzone = home\n"
    "[member m1]\nurl = memory:sim1\nzone = home\n"
    "[member m2]\nurl = memory:sim2\nweight = 2\n"
    "[member m3]\nurl = memory:sim3\n"
    "[member m4]\nurl = memory:sim4\nstate = witness\n"
    "[namespace coded]\nkind = immutable\nredundancy = ec 2+1\n"
    "[namespace config]\nkind = mutable\nredundancy = copies 3\n"
    "[namespace data]\nkind = immutable\nredundancy = copies 2\n"
    "[namespace files]\nkind = plain\nredundancy = copies 3\n";

int sim_mixed_create(struct sim_world *w, unsigned client, struct ms_error *err)
{
    return sim_whole_create(w, client, conf_text, err);
}

int sim_mixed_open(struct sim_world *w, unsigned client, struct ms_store **out,
                   struct ms_error *err)
{
    return sim_whole_open(w, client, conf_text, NULL, out, err);
}

/* ---- healing beside clients ---- */

static int heal_once(struct sim_world *w, struct ms_store *s)
{
    int code = 0;
    w->healing++;
    while (w->writing && !code)
        code = ms_sleep(w->clock, SIM_MS, NULL);
    if (!code)
        (void)!sim_whole_heal_once(w, s, false, NULL);
    w->healing--;
    return code ? code : ms_sleep(w->clock, sim_below(w, w->faults.until_ns / 6), NULL);
}

/* Heals until it dies, or the faults stop. */
static int one_healer(struct sim_world *w, struct ms_error *err)
{
    struct ms_store *s = NULL;
    unsigned client = 0;
    int code = sim_client_new(w, sim_below(w, 2), &client, err);
    if (code)
        return code;
    struct ms_cancel *before = ms_cancel_swap(w->clients[client].token);
    code = sim_mixed_open(w, client, &s, NULL);
    while (!code && !sim_client_dead(w, client) && ms_clock_now(w->clock) < w->faults.until_ns)
        code = heal_once(w, s);
    ms_cancel_swap(before);
    ms_store_free(s);
    return ms_sleep(w->clock, sim_below(w, w->faults.until_ns / 12), err);
}

int sim_mixed_meanwhile(struct sim_world *w, struct ms_error *err)
{
    int code = 0;
    while (!code && ms_clock_now(w->clock) < w->faults.until_ns)
        code = one_healer(w, err);
    return code;
}
