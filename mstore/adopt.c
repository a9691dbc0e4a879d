/* mstore/adopt.c - taking over a layout: who its members are, and the roster made of it. One caller
 * at a time does it, the others wait; calls under way keep the roster they began with. */
#include "mstore/inquiry.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "mstore/lease.h"
#include "mstore/notice.h"

#include <stdlib.h>

#define ROUNDS 8 /* layouts after each other */

/* ---- one at a time ---- */

static void begin_renewing(struct ms_self *self)
{
    MS_HOLD(&self->mutex);
    while (self->renewing)
        ms_cond_wait(&self->renewed, &self->mutex);
    self->renewing = true;
}

static void end_renewing(struct ms_self *self)
{
    MS_HOLD(&self->mutex);
    self->renewing = false;
    ms_cond_broadcast(&self->renewed);
}

/* ---- members ---- */

static struct ms_member *known_member(const struct ms_self *self, const char *name, size_t *index)
{
    for (*index = 0; *index < self->member_count; ++*index)
        if (strcmp(ms_member_name(self->members[*index]), name) == 0)
            return self->members[*index];
    return NULL;
}

static int no_url(const struct ms_self *self, const char *name, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_CONFIG,
                        "%s has no url of member %s: add a section [member %s] with it",
                        self->base.url, name, name);
}

int ms_self_try_member(struct ms_self *self, const char *name, const char *url,
                       struct ms_member **out, struct ms_error *err)
{
    struct ms_backend *backend = NULL;
    if (!self->find_member || self->member_count == MS_MEMBERS_MAX)
        return no_url(self, name, err);
    int code = self->find_member(self->find_ctx, name, url, &backend, err);
    if (code)
        return code == MS_ERR_NOT_FOUND ? no_url(self, name, err) : code;
    const struct ms_member_options options = {.name = name,
                                              .key = &self->conf->key,
                                              .clock = self->base.clock,
                                              .seed = self->seed + 1000 + self->member_count};
    code = ms_member_new(&options, backend, out, err);
    if (code)
        ms_backend_free(backend);
    return code;
}

static int make_member(struct ms_self *self, const char *name, struct ms_error *err)
{
    int code = ms_self_try_member(self, name, NULL, &self->members[self->member_count], err);
    if (!code)
        self->member_count++;
    return code;
}

int ms_self_find_member(struct ms_self *self, const char *name, struct ms_member **out,
                        struct ms_error *err)
{
    size_t index;
    begin_renewing(self);
    struct ms_member *m = known_member(self, name, &index);
    int code = m ? 0 : make_member(self, name, err);
    if (!code)
        *out = self->members[index];
    end_renewing(self);
    return code;
}

int ms_self_check_made(const struct ms_self *self, const char *name, struct ms_error *err)
{
    for (size_t i = 0; i < self->member_count; i++) {
        const struct ms_member *m = self->members[i];
        const struct ms_error *why = ms_member_unmade(m);
        if (why && (!name || strcmp(ms_member_name(m), name) == 0))
            return ms_error_set(err, why->code, "member %s: %s", ms_member_name(m), why->text);
    }
    return 0;
}

/* A member of the layout, told who it is. */
static struct ms_member *identify(struct ms_self *self, const struct ms_layout_member *m)
{
    struct ms_error why = {0};
    size_t index;
    struct ms_member *one = known_member(self, m->name, &index);
    if (!one && make_member(self, m->name, &why)) {
        ms_log(MS_LOG_WARN, "the store works without member %s: %s", m->name, why.text);
        return NULL;
    }
    one = self->members[index];
    if (!ms_uuid_equal(ms_member_uuid(one), &m->uuid)) {
        ms_member_identify(one, &self->uuid, &m->uuid);
        ms_self_restore(self, index, &m->uuid);
    }
    return one;
}

int ms_self_match(struct ms_self *self, const struct ms_layout *l, struct ms_member **list,
                  struct ms_error *err)
{
    const struct ms_layout *mine = self->conf->shared;
    (void)err;
    for (size_t i = 0; i < mine->member_count; i++)
        if (!ms_layout_member(l, mine->members[i].name) && !self->roster)
            ms_log(MS_LOG_WARN, "%s: [member %s] is not in the store's layout: it is not used",
                   self->base.url, mine->members[i].name);
    for (size_t i = 0; i < l->member_count; i++) {
        struct ms_member *m =
            l->members[i].state == MS_GONE ? NULL : identify(self, &l->members[i]);
        if (list)
            list[i] = m;
    }
    return 0;
}

/* ---- rosters ---- */

static int make_roster(struct ms_self *self, struct ms_layouts *found, struct ms_roster **out,
                       struct ms_error *err)
{
    struct ms_layout *l = found->final, *next = found->proposed;
    struct ms_layout *joined = next ? ms_layout_join(l, next) : NULL;
    if (next && !joined)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a layout");
    const struct ms_layout *all = next ? joined : l;
    MS_AUTO_FREE struct ms_member **list =
        calloc(all->member_count + 1, sizeof(struct ms_member *));
    int code = list ? ms_self_match(self, all, list, err)
                    : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a store's members");
    if (!code && next)
        code = ms_roster_new_joint(joined, l->member_count, next, list, self->base.clock,
                                   &self->conf->key, out, err);
    else if (!code)
        code = ms_roster_new(l, list, self->base.clock, &self->conf->key, out, err);
    if (code)
        ms_layout_free(joined);
    else if (next)
        found->proposed = NULL;
    else
        found->final = NULL;
    return code;
}

/* A proposed layout without the one before it: members that nobody here knows yet have that. */
static bool has_gap(const struct ms_layouts *found)
{
    return found->final && found->proposed && found->proposed->epoch > found->final->epoch + 1;
}

/* Whether there is something newer than the roster has. */
static bool is_newer(const struct ms_roster *r, const struct ms_layouts *found)
{
    return !r || found->final->epoch > r->layout->epoch ||
           (found->final->epoch == r->layout->epoch && found->proposed && !r->next);
}

/* What was heard spares the first operation asking, when it came from so many members that nobody
 * can have told a majority something else. */
static void tell_lease(struct ms_roster *r, const struct ms_layouts *found)
{
    size_t members = 0, heard = 0;
    for (size_t i = 0; i < r->own_count; i++) {
        members += r->layout->members[i].state != MS_GONE;
        for (size_t k = 0; k < found->heard_count && r->members[i]; k++)
            heard += found->heard[k] == r->members[i];
    }
    if (!r->next && 2 * heard >= members && heard)
        ms_lease_heard(r, found->asked_ns, r->layout->epoch, true);
}

static int adopt(struct ms_self *self, struct ms_layouts *found, struct ms_error *err)
{
    struct ms_roster *roster = NULL;
    bool gap = has_gap(found);
    if (gap) { /* by the next step, as one who has been away; the members of that know more */
        ms_layout_free(found->proposed);
        found->proposed = NULL;
    }
    if (!found->final || !is_newer(self->roster, found)) /* changed by us alone meanwhile */
        return 0;
    int code = found->proposed ? ms_layout_follows(found->final, found->proposed, err) : 0;
    if (!code)
        code = make_roster(self, found, &roster, err);
    if (code)
        return code;
    ms_roster_count_as(roster, self->base.url);
    ms_lease_configure(roster->lease, ms_ids_draw(self->ids), self->lease_ns);
    ms_self_recall_marks(self, roster);
    roster->notice = ms_notice_ref(self->notice);
    if (!gap)
        tell_lease(roster, found);
    ms_mutex_lock(&self->mutex);
    struct ms_roster *before = self->roster;
    self->roster = roster;
    ms_mutex_unlock(&self->mutex);
    ms_roster_unref(before);
    return 0;
}

/* Asks again as long as there are layouts that lead to members not asked yet. */
static int renew(struct ms_self *self, struct ms_error *err)
{
    bool gap = true;
    int code = 0;
    for (unsigned round = 0; round < ROUNDS && gap && !code; round++) {
        struct ms_layouts found = {0};
        code = ms_inquiry_layouts(self, &found, NULL, err);
        gap = has_gap(&found);
        if (!code)
            code = adopt(self, &found, err);
        ms_layouts_free(&found);
    }
    return code || !gap ? code
                        : ms_error_set(err, MS_ERR_BUSY,
                                       "%s: too few members answer to say which layout is in "
                                       "force; try again",
                                       self->base.url);
}

int ms_self_adopt(struct ms_self *self, struct ms_layouts *found, struct ms_error *err)
{
    begin_renewing(self);
    bool gap = has_gap(found);
    int code = adopt(self, found, err);
    if (!code && gap)
        (void)!renew(self, NULL); /* in vain: each operation asks again */
    end_renewing(self);
    return code;
}

int ms_self_renew(struct ms_self *self, struct ms_error *err)
{
    begin_renewing(self);
    int code = renew(self, err);
    end_renewing(self);
    return code;
}

/* ---- for each operation ---- */

int ms_self_current(struct ms_self *self, struct ms_roster **out, struct ms_error *err)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct ms_roster *r = ms_self_roster(self);
        int code = ms_lease_trust(r, MS_NEWS_LAYOUT, err);
        bool outdated = !code && ms_lease_outdated(r);
        if (!outdated) {
            *out = r;
            return code;
        }
        ms_roster_unref(r);
        code = ms_self_renew(self, err);
        if (code) {
            *out = ms_self_roster(self);
            return code;
        }
    }
    *out = ms_self_roster(self);
    return ms_error_set(err, MS_ERR_BUSY, "%s: its layout changes faster than it can be read",
                        self->base.url);
}

int ms_self_still(struct ms_self *self, struct ms_roster *r, struct ms_error *err)
{
    int code = ms_lease_still(r, err);
    return code == MS_ERR_BUSY ? ms_error_prefix(err, code, "%s", self->base.url) : code;
}
