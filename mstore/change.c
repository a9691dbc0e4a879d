/* mstore/change.c - see mstore/change.h: the steps of a change, each of which may be done twice. */
#include "mstore/change.h"

#include "base/cleanup.h"
#include "mstore/inquiry.h"
#include "mstore/layout_copies.h"
#include "mstore/lease.h"
#include "mstore/paxos.h"

#include <stdio.h>
#include <stdlib.h>

#define TRIES 16 /* changes of others that came first */

/* ---- who is asked ---- */

struct electorate {
    struct ms_member **list; /* NULL among them: no URL here */
    unsigned count;
};

/* The members of the layout in force, without those that only the proposed one has. */
static void old_members(const struct ms_roster *r, struct electorate *e)
{
    e->count = 0;
    for (size_t i = 0; i < r->own_count; i++)
        if (r->layout->members[i].state != MS_GONE)
            e->list[e->count++] = r->members[i];
}

static void new_members(const struct ms_roster *r, struct electorate *e)
{
    e->count = 0;
    for (size_t i = 0; i < r->next->member_count; i++)
        if (r->next->members[i].state != MS_GONE)
            e->list[e->count++] = r->members[r->next_member[i]];
}

static int electorate_new(struct electorate *e, struct ms_error *err)
{
    *e = (struct electorate){.list = calloc(MS_MEMBERS_MAX, sizeof(struct ms_member *))};
    return e->list ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a store's members");
}

/* On a majority of the old members and, while there are some, of the new ones. */
static int publish(struct ms_self *self, const struct ms_roster *r, const struct ms_layout *layout,
                   struct ms_error *err)
{
    struct electorate e;
    int code = electorate_new(&e, err);
    if (code)
        return code;
    old_members(r, &e);
    code = ms_inquiry_publish(self, layout, e.list, e.count, "of the layout in force", err);
    if (!code && r->next) {
        new_members(r, &e);
        code = ms_inquiry_publish(self, layout, e.list, e.count, "of the new layout", err);
    }
    free(e.list);
    return code;
}

/* ---- a change under way ---- */

/* Storages of members that only the proposed layout has. */
static int make_storages(const struct ms_roster *r, struct ms_error *err)
{
    int code = 0;
    for (size_t i = r->own_count; i < r->layout->member_count && !code; i++) {
        if (!r->members[i])
            return ms_error_set(err, MS_ERR_CONFIG,
                                "layout %llu adds member %s, of which the file has no url: go on "
                                "where it was begun, or add a section [member %s]",
                                (unsigned long long)r->next->epoch, r->layout->members[i].name,
                                r->layout->members[i].name);
        code = ms_member_create(r->members[i], err);
    }
    return code;
}

/* Nobody is left who knows only what was before now. */
static int outlast(struct ms_self *self, const struct ms_layout *l, struct ms_error *err)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(self);
    char what[120];
    snprintf(what, sizeof what, "waiting until all clients have heard that layout %llu is %s",
             (unsigned long long)l->epoch, l->phase == MS_LAYOUT_FINAL ? "in force" : "proposed");
    return ms_lease_outlast(r, ms_lease_now(r), what, err);
}

static int adopt_final(struct ms_self *self, const struct ms_layout *final, struct ms_error *err)
{
    struct ms_layouts found = {.final = ms_layout_copy(final)};
    if (!found.final)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a layout");
    int code = ms_self_adopt(self, &found, err);
    ms_layouts_free(&found);
    return code;
}

/* From proposed, by whomever, to final. */
static int finish(struct ms_self *self, struct ms_roster *r, struct ms_error *err)
{
    struct ms_layout *final = ms_layout_copy(r->next);
    if (!final)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a layout");
    final->phase = MS_LAYOUT_FINAL;
    bool in_force = false;
    int code = make_storages(r, err);
    if (!code)
        code = publish(self, r, r->next, err);
    if (!code)
        code = outlast(self, r->next, err);
    if (!code)
        code = ms_lease_pass_on(r, err);
    if (!code)
        code = ms_change_settle(r, err);
    if (!code)
        code = publish(self, r, final, err);
    if (!code)
        code = adopt_final(self, final, err);
    in_force = !code;
    if (!code)
        code = outlast(self, final, err);
    ms_layout_free(final);
    return code
               ? ms_error_prefix(err, code, "layout %llu is %s", (unsigned long long)r->next->epoch,
                                 in_force ? "in force, though not all clients know it yet"
                                          : "proposed but not in force yet")
               : 0;
}

/* ---- deciding what comes next ---- */

static int vote(struct ms_self *self, const struct ms_roster *r, uint64_t epoch,
                struct ms_buf *mine, struct ms_buf **decided, struct ms_error *err)
{
    struct electorate e;
    const struct ms_layout_register reg = ms_layout_register_of(epoch);
    int code = electorate_new(&e, err);
    if (code)
        return code;
    old_members(r, &e);
    struct ms_paxos x = {.store = self->uuid,
                         .space = ms_str(MS_LAYOUT_REGISTER),
                         .key = ms_str(reg.key),
                         .seal = &self->conf->key,
                         .members = e.list,
                         .count = e.count,
                         .clock = self->base.clock,
                         .ids = self->ids,
                         .undecided = ms_layout_undecided};
    code = ms_paxos_decide(&x, mine, decided, err);
    free(e.list);
    return code;
}

/* What follows the layout in force: `mine`, or what another has proposed first. */
static int decide(struct ms_self *self, struct ms_roster *r, const struct ms_layout *mine,
                  struct ms_layout **out, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *text = NULL, *decided = NULL;
    struct ms_layout *l = NULL;
    int code = ms_layout_format(mine, &text, err);
    if (!code)
        code = vote(self, r, mine->epoch, text, &decided, err);
    if (!code)
        code = ms_layout_parse(ms_buf_view(decided), "the layout decided on", &l, err);
    if (!code)
        code = ms_layout_follows(r->layout, l, err);
    if (code)
        ms_layout_free(l);
    else
        *out = l;
    return code;
}

/* Takes over a layout that was decided on; it is on members only after `finish` has begun. */
static int adopt_proposed(struct ms_self *self, const struct ms_roster *r, struct ms_layout *next,
                          struct ms_error *err)
{
    struct ms_layouts found = {.final = ms_layout_copy(r->layout), .proposed = next};
    int code = found.final ? ms_self_adopt(self, &found, err)
                           : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a layout");
    ms_layouts_free(&found);
    return code;
}

/* Who has the mark on a storage that cannot be taken is known by name. */
static int explain(const struct ms_layout *l, struct ms_member *m, int code, struct ms_error *err)
{
    struct ms_uuid owner;
    if (code != MS_ERR_STORE_EXISTS || ms_member_owner(m, &owner, NULL))
        return code;
    const struct ms_layout_member *other = ms_layout_member_of(l, &owner);
    if (!other)
        return code;
    return ms_error_set(err, code,
                        other->state == MS_GONE
                            ? "the storage of member %s, %s, still has what member %s left there, "
                              "which is gone: empty it first"
                            : "the storage of member %s, %s, is that of member %s too, by its mark "
                              "there: give another, or empty it first if member %s is to be "
                              "replaced",
                        ms_member_name(m), ms_member_url(m), other->name, other->name);
}

/* The added member must be to be had before others are told of it. */
static int prepare(struct ms_self *self, const struct ms_change *c, const struct ms_layout *now,
                   struct ms_error *err)
{
    struct ms_member *m = NULL;
    if (!c->add)
        return 0;
    int code = ms_self_find_member(self, c->add->name, &m, err);
    if (code)
        return code;
    ms_member_identify(m, &self->uuid, &c->add->uuid);
    return explain(now, m, ms_member_create(m, err), err);
}

int ms_change_look(struct ms_self *self, const struct ms_change *c, const char *url,
                   struct ms_error *err)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(self);
    struct ms_member *m = NULL;
    struct ms_uuid uuid;
    int code = ms_self_member_uuid(self, c->add->name, &uuid, err);
    if (!code)
        code = ms_self_try_member(self, c->add->name, url, &m, err);
    if (code)
        return code;
    ms_member_identify(m, &self->uuid, &uuid);
    code = explain(r->layout, m, ms_member_look(m, err), err);
    ms_member_unref(m);
    return code;
}

/* The layout in force has the change already: by a run that may have been broken off before all
 * clients knew, or is waiting for that now. */
static int make_known(struct ms_self *self, const struct ms_roster *r, struct ms_error *err)
{
    int code = publish(self, r, r->layout, err);
    return code ? code : outlast(self, r->layout, err);
}

/* One step towards the change; *done: there is nothing left to be done. *known: the epoch of the
 * newest layout of which all clients have heard while this waited. */
static int step(struct ms_self *self, const struct ms_change *c, bool *done, uint64_t *known,
                struct ms_error *err)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(self);
    struct ms_layout *mine = NULL, *next = NULL;
    if (r->next && c && c->dry_run)
        return ms_error_set(err, MS_ERR_BUSY, "layout %llu is proposed already",
                            (unsigned long long)r->next->epoch);
    if (r->next) {
        int code = finish(self, r, err);
        *known = code ? *known : r->next->epoch;
        return code;
    }
    *done = true;
    if (!c)
        return 0;
    int code = ms_change_make(r->layout, c, &mine, done, err);
    if (!code && *done && !c->dry_run && *known != r->layout->epoch)
        code = make_known(self, r, err);
    if (code || *done)
        return code;
    *done = c->dry_run;
    if (!c->dry_run) {
        code = prepare(self, c, r->layout, err);
        if (!code)
            code = decide(self, r, mine, &next, err);
        if (!code)
            code = adopt_proposed(self, r, next, err);
    }
    ms_layout_free(mine);
    return code;
}

int ms_change_run(struct ms_self *self, const struct ms_change *change, struct ms_error *err)
{
    struct ms_layout_member added;
    struct ms_change own = change ? *change : (struct ms_change){0};
    bool done = false;
    uint64_t known = 0;
    int code = ms_self_renew(self, err);
    if (!code && own.add && ms_uuid_is_zero(&own.add->uuid)) {
        added = *own.add;
        own.add = &added;
        code = ms_self_member_uuid(self, added.name, &added.uuid, err);
    }
    for (unsigned try = 0; try < TRIES && !code && !done; try++) {
        code = step(self, change ? &own : NULL, &done, &known, err);
        if (code == MS_ERR_EXISTS) { /* others have come further, and tidied behind them */
            done = false;
            code = ms_self_renew(self, err);
        }
    }
    if (!code && !done)
        code = ms_error_set(err, MS_ERR_BUSY, "others are changing the layout: try again");
    return code;
}
