/* mstore/membership.c - add, drain, replace of include/mstore/multi.h: the client's file, changes
 * of the layout (mstore/change.h), and the moving of data between them (mstore/upkeep.h). */
#include "mstore/change.h"
#include "mstore/conf_edit.h"
#include "mstore/roster.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "store/options.h"

#include <mstore/multi.h>
#include <stdio.h>
#include <stdlib.h>

void ms_membership_fini(struct ms_membership *m)
{
    ms_upkeep_report_free(m->report);
    m->report = NULL;
}

static int check_store(struct ms_store *s, struct ms_error *err)
{
    return ms_store_is_mstore(s)
               ? 0
               : ms_error_set(err, MS_ERR_INVALID, "%s is not a store of many members",
                              ms_store_url(s));
}

static bool is_listed(struct ms_self *self, const char *name)
{
    struct ms_mconf *conf = NULL;
    if (ms_mconf_load(self->base.url, &conf, NULL))
        return false;
    bool listed = ms_mconf_url(conf, name) != NULL;
    ms_mconf_free(conf);
    return listed;
}

/* name: who was to change. */
static void note_state(struct ms_self *self, const char *name, struct ms_membership *result)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(self);
    result->listed = is_listed(self, name);
    result->epoch = r->layout->epoch;
    result->proposed = r->next ? r->next->epoch : 0;
}

/* `state`: of that member, as a dry run imagines it. */
static int note_bare(struct ms_self *self, const char *name, const enum ms_member_state *state,
                     struct ms_membership *result, struct ms_error *err)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(self);
    struct ms_layout *l = ms_layout_copy(r->layout);
    if (!l)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a layout");
    for (size_t i = 0; i < l->member_count && state; i++)
        if (strcmp(l->members[i].name, name) == 0)
            l->members[i].state = *state;
    for (size_t i = 0; i < l->space_count; i++)
        result->bare += l->spaces[i].redundancy != MS_REDUNDANCY_NONE &&
                        ms_layout_tolerates(l, &l->spaces[i]) == 0;
    ms_layout_free(l);
    return 0;
}

/* ---- the new member ---- */

static int describe(struct ms_layout_member *m, const char *name,
                    const struct ms_membership_options *o, struct ms_error *err)
{
    const char *zone = o->zone ? o->zone : name;
    if (!o->url)
        return ms_error_set(err, MS_ERR_INVALID, "the new member %s needs a url", name);
    if (strlen(name) > MS_LAYOUT_NAME_MAX || strlen(zone) > MS_LAYOUT_NAME_MAX)
        return ms_error_set(err, MS_ERR_CONFIG, "names of members and zones have at most %d bytes",
                            MS_LAYOUT_NAME_MAX);
    *m = (struct ms_layout_member){.weight = o->weight ? o->weight : 1,
                                   .has_weight = true,
                                   .state = o->witness ? MS_WITNESS : MS_ACTIVE};
    snprintf(m->name, sizeof m->name, "%s", name);
    snprintf(m->zone, sizeof m->zone, "%s", zone);
    return 0;
}

/* Whether the layout, in force or proposed, has the member. */
static bool is_known(struct ms_self *self, const char *name)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(self);
    return ms_layout_member(r->layout, name) || (r->next && ms_layout_member(r->next, name));
}

/* Who has that url in the file, and leaves its place: it is replaced, or gone. "": nobody. */
static void find_giving_way(struct ms_self *self, const char *replaced, const char *url,
                            char out[MS_LAYOUT_NAME_MAX + 1])
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(self);
    struct ms_mconf *conf = NULL;
    out[0] = 0;
    if (ms_mconf_load(self->base.url, &conf, NULL)) /* who changes it is told why */
        return;
    for (size_t i = 0; i < conf->shared->member_count; i++) {
        const char *name = conf->shared->members[i].name;
        const struct ms_layout_member *m = ms_layout_member(r->layout, name);
        bool leaves = (replaced && strcmp(name, replaced) == 0) || (m && m->state == MS_GONE);
        if (leaves && strcmp(conf->urls[i], url) == 0)
            snprintf(out, MS_LAYOUT_NAME_MAX + 1, "%s", name);
    }
    ms_mconf_free(conf);
}

/* What can be said before anything is changed: whether the layout may follow, and the member be
 * there. */
static int look_ahead(struct ms_self *self, const struct ms_change *c, const char *url,
                      struct ms_error *err)
{
    struct ms_change look = *c;
    look.dry_run = true;
    int code = ms_self_renew(self, err);
    if (code || is_known(self, c->add->name))
        return code;
    code = ms_mconf_check_apart(self->conf, c->add->name, url, err);
    if (!code)
        code = ms_change_run(self, &look, err);
    return code == MS_ERR_BUSY ? 0 : code; /* one is proposed: it is finished first */
}

/* The change, with its new member in the file; which is put back when nothing came of it. */
static int run_change(struct ms_self *self, const struct ms_change *c, const char *url,
                      struct ms_error *err)
{
    struct ms_mconf_edit edit = {0};
    struct ms_error why = {0};
    char way[MS_LAYOUT_NAME_MAX + 1] = "";
    int code = look_ahead(self, c, url, err);
    if (!code) {
        find_giving_way(self, c->member, url, way);
        const struct ms_mconf_member m = {.as = c->add, .url = url, .gives_way = way};
        code = ms_mconf_add_member(self->base.url, &m, &edit, err);
    }
    if (!code)
        code = ms_change_run(self, c, err);
    if (code && !is_known(self, c->add->name) && ms_mconf_undo(self->base.url, &edit, &why))
        ms_log(MS_LOG_WARN, "%s", why.text);
    ms_mconf_edit_fini(&edit);
    return code;
}

/* Whether run_change would begin. */
static int check_change(struct ms_self *self, const struct ms_change *c, const char *url,
                        struct ms_error *err)
{
    char way[MS_LAYOUT_NAME_MAX + 1] = "";
    int code = look_ahead(self, c, url, err);
    if (code)
        return code;
    find_giving_way(self, c->member, url, way);
    const struct ms_mconf_member m = {.as = c->add, .url = url, .gives_way = way};
    code = ms_mconf_try_member(self->base.url, &m, err);
    return code || is_known(self, c->add->name) ? code : ms_change_look(self, c, url, err);
}

/* url: of the member that is added, if one is. */
static int plan(struct ms_self *self, const struct ms_change *c, const char *url,
                struct ms_membership *result, struct ms_error *err)
{
    struct ms_change_plan p;
    int code = c->add ? check_change(self, c, url, err) : 0;
    if (!code)
        code = ms_change_plan(self, c, &p, err);
    if (code)
        return code;
    result->keys = p.keys;
    result->moving = p.moving;
    result->objects = p.objects;
    result->bytes = p.bytes;
    return 0;
}

int ms_mstore_add(struct ms_store *s, const char *name, const struct ms_membership_options *options,
                  struct ms_membership *result, struct ms_error *err)
{
    struct ms_membership_options o =
        MS_COMPLETE(ms_membership_options, MS_MEMBERSHIP_OPTIONS_INIT, options);
    struct ms_layout_member m;
    int code = check_store(s, err);
    if (!code)
        code = describe(&m, name, &o, err);
    if (code)
        return code;
    struct ms_self *self = ms_self_of(s);
    struct ms_change change = {.add = &m};
    code = ms_self_check_made(self, NULL, err);
    if (code)
        return code;
    code =
        o.dry_run ? plan(self, &change, o.url, result, err) : run_change(self, &change, o.url, err);
    if (!code)
        snprintf(result->added, sizeof result->added, "%s", name);
    note_state(self, name, result);
    return code;
}

/* ---- the member that goes ---- */

/* Nothing of it is needed any more: all keys are where they should be, and all others have said
 * so. */
static bool is_done(const struct ms_upkeep_report *r, const char *name)
{
    bool done = r->failed == 0;
    for (size_t i = 0; i < r->member_count; i++)
        done = done && (!r->members[i].code || strcmp(r->members[i].name, name) == 0);
    return done;
}

static bool was_silent(const struct ms_upkeep_report *r, const char *name)
{
    bool silent = false;
    for (size_t i = 0; i < r->member_count; i++)
        silent |= r->members[i].code && strcmp(r->members[i].name, name) == 0;
    return silent;
}

/* What an earlier look at the keys has done: the later one alone says what is left. */
static void add_up(struct ms_upkeep_report *all, const struct ms_upkeep_report *earlier)
{
    all->wanting += earlier->repaired + earlier->moved;
    all->repaired += earlier->repaired;
    all->moved += earlier->moved;
    all->bytes_read += earlier->bytes_read;
    all->bytes_written += earlier->bytes_written;
    for (int find = 0; find < MS_FINDS; find++)
        all->found[find] += earlier->found[find];
    for (size_t i = 0; i < earlier->member_count && i < all->member_count; i++) {
        struct ms_upkeep_member *m = &all->members[i];
        for (int find = 0; find < MS_FINDS; find++)
            m->found[find] += earlier->members[i].found[find];
        m->written += earlier->members[i].written;
        m->removed += earlier->members[i].removed;
    }
}

/* *whole: it has looked at all keys. */
static int look(struct ms_self *self, const struct ms_upkeep_options *o, bool *whole,
                struct ms_membership *result, struct ms_error *err)
{
    struct ms_upkeep_report *earlier = result->report;
    result->report = NULL;
    int code = ms_mstore_rebalance(&self->base, o, &result->report, err);
    *whole = !code && !result->report->resumed;
    if (result->report && earlier)
        add_up(result->report, earlier);
    else if (earlier)
        result->report = MS_TAKE(earlier);
    ms_upkeep_report_free(earlier);
    return code;
}

/* Every key to where it belongs. One that goes on where another was broken off says nothing of the
 * keys before that, which may have failed then: all are looked at once more. */
static int move_all(struct ms_self *self, const struct ms_membership_options *o,
                    struct ms_membership *result, struct ms_error *err)
{
    struct ms_upkeep_options upkeep = MS_UPKEEP_OPTIONS_INIT;
    if (o->upkeep)
        upkeep = MS_COMPLETE(ms_upkeep_options, MS_UPKEEP_OPTIONS_INIT, o->upkeep);
    upkeep.space = NULL; /* all of it */
    upkeep.dry_run = false;
    upkeep.sample_ppm = 0;
    bool whole = false;
    int code = look(self, &upkeep, &whole, result, err);
    upkeep.from_start = true;
    return !code && !whole ? look(self, &upkeep, &whole, result, err) : code;
}

/* It is draining: what it has moves to others, then it is gone. As long as a dead one could have
 * had the better copy nobody else's was taken away. */
static int empty(struct ms_self *self, const char *name, const struct ms_membership_options *o,
                 struct ms_membership *result, struct ms_error *err)
{
    int code = move_all(self, o, result, err);
    if (code || !is_done(result->report, name))
        return code;
    code = ms_change_run(self, &(struct ms_change){.member = name, .state = MS_GONE}, err);
    result->gone = code == 0;
    if (!code && was_silent(result->report, name))
        code = move_all(self, o, result, err);
    return code;
}

static enum ms_member_state state_of(struct ms_self *self, const char *name)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(self);
    const struct ms_layout_member *m = ms_layout_member(r->layout, name);
    return m ? m->state : MS_ACTIVE;
}

/* A witness has nothing that moves, and stops being one at once. What was superfluous once a member
 * was gone may still be there, when the run that let it go was broken off. */
static int retire(struct ms_self *self, const char *name, const struct ms_membership_options *o,
                  struct ms_membership *result, struct ms_error *err)
{
    enum ms_member_state state = state_of(self, name);
    if (state == MS_GONE) {
        result->gone = true;
        return move_all(self, o, result, err);
    }
    if (state != MS_WITNESS)
        return empty(self, name, o, result, err);
    int code = ms_change_run(self, &(struct ms_change){.member = name, .state = MS_GONE}, err);
    result->gone = code == 0;
    return code;
}

int ms_mstore_drain(struct ms_store *s, const char *name,
                    const struct ms_membership_options *options, struct ms_membership *result,
                    struct ms_error *err)
{
    struct ms_membership_options o =
        MS_COMPLETE(ms_membership_options, MS_MEMBERSHIP_OPTIONS_INIT, options);
    int code = check_store(s, err);
    if (code)
        return code;
    struct ms_self *self = ms_self_of(s);
    bool witness = state_of(self, name) == MS_WITNESS;
    struct ms_change change = {.member = name, .state = witness ? MS_GONE : MS_DRAINING};
    code = o.dry_run ? plan(self, &change, NULL, result, err) : ms_change_run(self, &change, err);
    if (!code && !o.dry_run)
        code = retire(self, name, &o, result, err);
    if (!code)
        code = note_bare(self, name, o.dry_run ? &change.state : NULL, result, err);
    note_state(self, name, result);
    return code;
}

/* ---- one for another ---- */

/* The name of who takes its place: "nas" becomes "nas-2", that "nas-3"; or who has taken it
 * already, when the file says so. False: it is too long. */
static bool successor(struct ms_self *self, const char *name, const char *url, char out[65])
{
    struct ms_mconf *conf = NULL;
    const char *dash = strrchr(name, '-');
    size_t stem = strlen(name);
    unsigned long number = 1;
    if (dash && dash[1] >= '1' && dash[1] <= '9' && strspn(dash + 1, "0123456789") <= 4 &&
        dash[1 + strspn(dash + 1, "0123456789")] == 0) {
        stem = (size_t)(dash - name);
        number = strtoul(dash + 1, NULL, 10);
    }
    if (ms_mconf_load(self->base.url, &conf, NULL))
        conf = NULL;
    bool fits = true, taken = true;
    while (fits && taken) {
        int n = snprintf(out, 65, "%.*s-%lu", (int)stem, name, ++number);
        fits = n > 0 && n <= MS_LAYOUT_NAME_MAX;
        const char *has = conf ? ms_mconf_url(conf, out) : NULL;
        taken = (is_known(self, out) || has) && !(has && strcmp(has, url) == 0);
    }
    if (conf)
        ms_mconf_free(conf);
    return fits;
}

static int name_new(struct ms_self *self, const char *name, const struct ms_membership_options *o,
                    char out[65], struct ms_error *err)
{
    if (o->name && strlen(o->name) > MS_LAYOUT_NAME_MAX)
        return ms_error_set(err, MS_ERR_CONFIG, "names of members have at most %d bytes",
                            MS_LAYOUT_NAME_MAX);
    if (o->name)
        snprintf(out, 65, "%s", o->name);
    else if (o->url && !successor(self, name, o->url, out))
        return ms_error_set(err, MS_ERR_CONFIG, "the name %s is too long for another number", name);
    return 0;
}

/* What the new one has from the old one, unless it is said otherwise. */
static int inherit(struct ms_self *self, const char *name, struct ms_membership_options *o,
                   struct ms_layout_member *old, struct ms_error *err)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(self);
    const struct ms_layout_member *m = ms_layout_member(r->layout, name);
    if (!m)
        return ms_error_set(err, MS_ERR_INVALID, "the store has no member %s", name);
    *old = *m;
    o->weight = o->weight ? o->weight : m->weight;
    if (!o->zone && strcmp(m->zone, m->name) != 0)
        o->zone = old->zone;
    o->witness = m->state == MS_WITNESS;
    return 0;
}

int ms_mstore_replace(struct ms_store *s, const char *name,
                      const struct ms_membership_options *options, struct ms_membership *result,
                      struct ms_error *err)
{
    struct ms_membership_options o =
        MS_COMPLETE(ms_membership_options, MS_MEMBERSHIP_OPTIONS_INIT, options);
    struct ms_layout_member m, old;
    int code = check_store(s, err);
    if (code)
        return code;
    struct ms_self *self = ms_self_of(s);
    code = inherit(self, name, &o, &old, err);
    if (!code)
        code = ms_self_check_made(self, name, err);
    if (!code)
        code = name_new(self, name, &o, result->added, err);
    if (!code)
        code = describe(&m, result->added, &o, err);
    if (!code && old.state == MS_GONE && !is_known(self, m.name))
        code = ms_error_set(err, MS_ERR_CONFIG,
                            "member %s is gone already: run mstore add for a further one, or "
                            "replace one of those that are there",
                            name);
    if (code)
        return code;
    struct ms_change change = {
        .add = &m, .member = name, .state = o.witness ? MS_GONE : MS_DRAINING};
    code =
        o.dry_run ? plan(self, &change, o.url, result, err) : run_change(self, &change, o.url, err);
    if (!code && !o.dry_run)
        code = retire(self, name, &o, result, err);
    note_state(self, name, result);
    return code;
}
