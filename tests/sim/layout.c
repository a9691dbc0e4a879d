/* The MStore whose layout changes: see layout.h. */
#include "tests/sim/layout.h"

#include "mstore/change.h"
#include "mstore/inquiry.h"
#include "mstore/layout_copies.h"
#include "mstore/self.h"

#include "tests/sim/clients.h"

#include <stdio.h>
#include <stdlib.h>

#define NO_LEASE 1
#define FOUNDERS 3

static const char conf_text[] =
    "[mstore]\nkey = 0000000000000000000000000000000000000000000000000000000000004711\n"
    "[member m0]\nurl = memory:sim0\n[member m1]\nurl = memory:sim1\n"
    "[member m2]\nurl = memory:sim2\n"
    "[namespace config]\nkind = mutable\nredundancy = copies 3\n";

struct place { /* of a client, for members that come later */
    struct sim_world *w;
    unsigned client;
};

static int find_member(void *ctx, const char *name, const char *url, struct ms_backend **out,
                       struct ms_error *err)
{
    (void)url;
    const struct place *p = ctx;
    unsigned member = (unsigned)(name[1] - '0');
    return member < p->w->member_count
               ? sim_member_handle(p->w, p->client, member, out, err)
               : ms_error_set(err, MS_ERR_NOT_FOUND, "there is no such member");
}

/* A closed one. lease_ns: how long it takes others to know less than it does. */
static int make(struct sim_world *w, unsigned client, uint64_t lease_ns, struct ms_store **out,
                struct ms_error *err)
{
    struct ms_backend *backends[FOUNDERS] = {NULL};
    struct ms_mconf *conf = NULL;
    struct place *p = malloc(sizeof *p);
    if (!p)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a Store");
    *p = (struct place){w, client};
    int code = ms_mconf_parse(ms_str(conf_text), "conf", &conf, err);
    for (unsigned i = 0; i < FOUNDERS && !code; i++)
        code = sim_member_handle(w, client, i, &backends[i], err);
    if (code) { /* without memory alone */
        free(p);
        return code;
    }
    struct ms_self_options o = {.clock = &w->clients[client].clock,
                                .seed = 1 + sim_below(w, UINT64_MAX - 1),
                                .deterministic = true,
                                .name = "sim:layout",
                                .state_folder = "",
                                .lease_ns = lease_ns,
                                .find_member = find_member,
                                .find_ctx = p,
                                .find_free = free};
    return ms_self_new(conf, backends, &o, out, err);
}

int sim_layout_create(struct sim_world *w, unsigned client, struct ms_error *err)
{
    struct ms_store *s = NULL;
    int code = make(w, client, w->lease_ns, &s, err);
    return sim_store_create(s, code, err);
}

/* ---- flawed clients ---- */

static struct ms_store_ops flawed_ops;

/* Before each operation: what is proposed is taken for final. */
static void take_for_final(struct ms_store *s)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(ms_self_of(s));
    struct ms_layouts found = {.final = r->next ? ms_layout_copy(r->next) : NULL};
    if (!found.final)
        return;
    found.final->phase = MS_LAYOUT_FINAL;
    if (ms_self_adopt(ms_self_of(s), &found, NULL))
        ms_layouts_free(&found);
    ms_layouts_free(&found);
}

static int hasty_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                      struct ms_buf **out, struct ms_error *err)
{
    take_for_final(s);
    return ms_self_ops.load(s, item, offset, size, out, err);
}

static int hasty_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                       const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    take_for_final(s);
    return ms_self_ops.store(s, item, value, pre, tag, err);
}

/* Who believes for long what it knew asks nobody for news; and is harmed by who does not wait. */
static uint64_t lease_of(const struct sim_world *w, unsigned flaws)
{
    return flaws & SIM_FLAW_NO_NEWS   ? SIM_MINUTE
           : flaws & SIM_FLAW_NO_WAIT ? 2 * SIM_SECOND
                                      : w->lease_ns;
}

int sim_layout_open(struct sim_world *w, unsigned client, unsigned flaws, struct ms_store **out,
                    struct ms_error *err)
{
    struct ms_store *s = NULL;
    int code = make(w, client, lease_of(w, flaws), &s, err);
    if (!code && flaws & SIM_FLAW_NEW_ALONE) {
        flawed_ops = ms_self_ops;
        flawed_ops.load = hasty_load;
        flawed_ops.store = hasty_store;
        s->ops = &flawed_ops;
    }
    return sim_store_open(s, code, out, err);
}

/* ---- healing ---- */

/* As a heal does beside the clients, but at once: what decided on older layouts goes as soon as the
 * member has a newer one. What cannot be done is left. */
static void spread(struct sim_world *w, unsigned client, struct ms_store *s)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(ms_self_of(s));
    for (size_t i = 0; i < r->layout->member_count && !sim_client_dead(w, client); i++) {
        bool lacked;
        unsigned removed;
        if (r->members[i] && r->layout->members[i].state != MS_GONE &&
            !ms_layout_bring(r, (unsigned)i, true, &lacked, NULL))
            (void)!ms_layout_tidy(r, (unsigned)i, NULL, 0, &removed, NULL);
    }
}

static int heal_key(struct ms_roster *r, unsigned key, struct ms_error *err)
{
    char name[SIM_KEY_SIZE], whole[SIM_KEY_SIZE + 8];
    struct ms_site site;
    bool done = false;
    sim_key_name(key, name);
    snprintf(whole, sizeof whole, "config/%s", name);
    int code = ms_site_of(r, ms_str(whole), false, &site, err);
    if (!code)
        code = ms_mutable_heal(&site, &done, err);
    return code || done ? code
                        : ms_error_set(err, MS_ERR_CONNECTION,
                                       "%s could not be healed at all voters", whole);
}

int sim_layout_heal(struct sim_world *w, unsigned client, struct ms_store *s, struct ms_error *err)
{
    struct ms_self *self = ms_self_of(s);
    int code = ms_change_run(self, NULL, err);
    if (code)
        return code;
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(self);
    if (r->next)
        return ms_error_set(err, MS_ERR_INTERNAL, "layout %llu is still only proposed",
                            (unsigned long long)r->next->epoch);
    spread(w, client, s);
    for (unsigned key = 0; key < w->key_count && !code; key++)
        code = heal_key(r, key, err);
    return code;
}

/* ---- changing ---- */

static unsigned active_members(const struct ms_layout *l, unsigned draw,
                               const struct ms_layout_member **drawn)
{
    unsigned active = 0;
    for (size_t i = 0; i < l->member_count; i++)
        if (l->members[i].state == MS_ACTIVE && active++ <= draw)
            *drawn = &l->members[i];
    return active;
}

static const struct ms_layout_member *draining_member(const struct ms_layout *l)
{
    for (size_t i = 0; i < l->member_count; i++)
        if (l->members[i].state == MS_DRAINING)
            return &l->members[i];
    return NULL;
}

/* Something that may follow; false: nothing does. */
static bool draw_change(struct sim_world *w, const struct ms_layout *l, struct ms_change *c,
                        struct ms_layout_member *added)
{
    const struct ms_layout_member *drawn = NULL, *draining = draining_member(l);
    unsigned active = active_members(l, (unsigned)sim_below(w, 8), &drawn);
    bool room = l->member_count < SIM_LAYOUT_MEMBERS;
    *c = (struct ms_change){.state = MS_DRAINING};
    if (draining && (sim_below(w, 2) || !room)) {
        c->member = draining->name;
        c->state = MS_GONE;
        return true;
    }
    if (room && (active == FOUNDERS || sim_below(w, 2))) {
        *added = (struct ms_layout_member){.weight = 1, .state = MS_ACTIVE};
        snprintf(added->name, sizeof added->name, "m%zu", l->member_count);
        memcpy(added->zone, added->name, sizeof added->zone);
        c->add = added;
    }
    if (!draining && active + (c->add != NULL) > FOUNDERS && sim_below(w, 2))
        c->member = drawn->name;
    return c->add || c->member;
}

/* Changes until the client dies, or the faults stop. */
static void change_on(struct sim_world *w, unsigned client, uint64_t pause_ns, struct ms_store *s)
{
    while (!sim_client_dead(w, client) && ms_clock_now(w->clock) < w->faults.until_ns) {
        MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(ms_self_of(s));
        struct ms_layout_member added;
        struct ms_change c;
        struct ms_error err = {0};
        if (draw_change(w, r->next ? r->next : r->layout, &c, &added))
            (void)!ms_change_run(ms_self_of(s), &c, &err);
        if (sim_below(w, 2))
            spread(w, client, s);
        if (ms_sleep(w->clock, sim_below(w, pause_ns), NULL))
            return;
    }
}

static int one_changer(struct sim_world *w, unsigned flaws, struct ms_error *err)
{
    struct ms_store *s = NULL;
    unsigned client = 0;
    int code = sim_client_new(w, true, &client, err);
    if (code)
        return code;
    struct ms_cancel *before = ms_cancel_swap(w->clients[client].token);
    code = make(w, client, flaws & SIM_FLAW_NO_WAIT ? NO_LEASE : w->lease_ns, &s, err);
    if (!code && ms_store_open(s, err) == 0) {
        change_on(w, client, (flaws & SIM_FLAW_NO_WAIT ? 20 : 400) * SIM_MS, s);
        code = ms_store_close(s, NULL);
    } else if (!code) {
        code = ms_sleep(w->clock, 300 * SIM_MS, NULL);
    }
    ms_store_free(s);
    ms_cancel_swap(before);
    return 0;
}

int sim_layout_change(struct sim_world *w, unsigned flaws, struct ms_error *err)
{
    int code = 0;
    while (!code && ms_clock_now(w->clock) < w->faults.until_ns)
        code = one_changer(w, flaws, err);
    return code;
}
