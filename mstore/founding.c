/* mstore/founding.c - create, open and destroy: which layout is in force, and who the members are.
 *
 * Unless the file pins them, the UUIDs of a store and of its members follow from the key (and
 * the member's name): HMAC-SHA256 under a purpose of its own, 16 bytes of it, marked as version 8
 * (RFC 9562). So a create that was broken off can be run again, and a client finds its store on
 * members without having been told. */
#include "mstore/self.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "mstore/inquiry.h"
#include "mstore/lease.h"

/* ---- UUIDs ---- */

static int derive(const struct ms_seal_key *key, const char *purpose, struct ms_view what,
                  struct ms_uuid *out, struct ms_error *err)
{
    uint8_t made[MS_SEAL_SIZE];
    int code = ms_seal_make(key, purpose, what, made, err);
    if (code)
        return code;
    memcpy(out->bytes, made, sizeof out->bytes);
    out->bytes[6] = (uint8_t)((out->bytes[6] & 0x0f) | 0x80);
    out->bytes[8] = (uint8_t)((out->bytes[8] & 0x3f) | 0x80);
    return 0;
}

static int need_key(struct ms_self *self, struct ms_error *err)
{
    if (!self->conf->has_key)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "%s has no key: put \"key = \" and the output of \"openssl rand -hex "
                            "32\" into [mstore]",
                            self->base.url);
    return 0;
}

static int find_uuid(struct ms_self *self, struct ms_error *err)
{
    int code = need_key(self, err);
    self->uuid = self->conf->shared->uuid;
    if (!code && ms_uuid_is_zero(&self->uuid))
        code = derive(&self->conf->key, "mstore store", ms_str(""), &self->uuid, err);
    return code;
}

int ms_self_member_uuid(const struct ms_self *self, const char *name, struct ms_uuid *out,
                        struct ms_error *err)
{
    return derive(&self->conf->key, "mstore member uuid", ms_str(name), out, err);
}

/* Of the file's member, when the store was made: later ones have others. */
static int first_uuid(const struct ms_self *self, size_t i, struct ms_uuid *out,
                      struct ms_error *err)
{
    const struct ms_layout_member *m = &self->conf->shared->members[i];
    *out = m->uuid;
    return ms_uuid_is_zero(out) ? ms_self_member_uuid(self, m->name, out, err) : 0;
}

/* ---- create ---- */

static int name_members(struct ms_self *self, struct ms_error *err)
{
    struct ms_layout *l = self->conf->shared;
    int code = 0;
    for (size_t i = 0; i < l->member_count && !code; i++) {
        code = first_uuid(self, i, &l->members[i].uuid, err);
        if (!code)
            ms_member_identify(self->members[i], &self->uuid, &l->members[i].uuid);
    }
    return code;
}

static void warn(void *ctx, const char *sentence)
{
    ms_log(MS_LOG_WARN, "%s: %s", (const char *)ctx, sentence);
}

/* The store was seen here, or its destruction has begun. */
static int known_here(struct ms_self *self, struct ms_error *err)
{
    uint64_t seen = ms_state_epoch(self->state);
    const char *path = ms_state_path(self->state);
    if (seen == MS_STATE_ENDED)
        return ms_error_set(err, MS_ERR_NO_STORE,
                            "the store of %s is being destroyed: run mstore destroy %s --yes again",
                            self->base.url, self->base.url);
    if (!seen)
        return 0;
    return ms_error_set(err, MS_ERR_CONNECTION,
                        "no member of %s has the store, layout %llu of which was seen here "
                        "before: put their storage in place (if it is gone for good and is to be "
                        "created anew, remove %s first)",
                        self->base.url, (unsigned long long)seen,
                        path ? path : "what is known of it");
}

/* A member that was gone when the store ended has what was left there. */
static int refuse_left(struct ms_self *self, const struct ms_layout *left, struct ms_error *err)
{
    for (size_t i = 0; i < self->member_count; i++) {
        const char *name = ms_member_name(self->members[i]);
        const struct ms_layout_member *m = ms_layout_member(left, name);
        if (m && m->state == MS_GONE)
            return ms_error_set(err, MS_ERR_STORE_EXISTS,
                                "member %s was gone in a store of %s that is there no more: run "
                                "mstore destroy %s --yes, empty %s, or take [member %s] out",
                                name, self->base.url, self->base.url,
                                ms_member_url(self->members[i]), name);
    }
    return 0;
}

static int check_new(struct ms_self *self, struct ms_error *err)
{
    struct ms_layouts found = {0};
    if (!self->conf->shared->space_count)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "%s has no [namespace NAME] section: say what is kept how, as in "
                            "[namespace] kind = immutable, redundancy = copies 2",
                            self->base.url);
    int code = ms_mconf_check_new(self->conf, self->base.url, err);
    if (!code)
        code = ms_self_recall(self, err);
    if (!code && ms_state_epoch(self->state) == MS_STATE_ENDED)
        return known_here(self, err);
    if (!code)
        code = ms_inquiry_layouts(self, &found, NULL, err);
    if (!code && found.final)
        code =
            ms_error_set(err, MS_ERR_STORE_EXISTS, "the store of %s exists already (layout %llu)",
                         self->base.url, (unsigned long long)found.final->epoch);
    else if (!code)
        code = known_here(self, err);
    if (!code && found.left)
        code = refuse_left(self, found.left, err);
    ms_layouts_free(&found);
    return code;
}

/* Who has the mark on a member's storage is known by name. */
static int explain(const struct ms_inquiry *q, struct ms_member *m, int code, struct ms_error *err)
{
    struct ms_uuid owner;
    if (code != MS_ERR_STORE_EXISTS || ms_member_owner(m, &owner, NULL))
        return code;
    for (size_t i = 0; i < q->count; i++)
        if (q->members[i] != m && ms_uuid_equal(ms_member_uuid(q->members[i]), &owner))
            return ms_error_set(err, code,
                                "the storage of member %s, %s, is that of member %s too: give each "
                                "member one of its own",
                                ms_member_name(m), ms_member_url(m), ms_member_name(q->members[i]));
    return code;
}

static int leg_look(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_inquiry *q = shared;
    return explain(q, q->members[leg], ms_member_look(q->members[leg], err), err);
}

static int leg_create(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_inquiry *q = shared;
    return explain(q, q->members[leg], ms_member_create(q->members[leg], err), err);
}

static int leg_prove(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_inquiry *q = shared;
    return explain(q, q->members[leg], ms_member_prove(q->members[leg], err), err);
}

static int leg_withdraw(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_inquiry *q = shared;
    (void)err;
    ms_member_withdraw(q->members[leg]);
    return 0;
}

static int leg_unmake(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_inquiry *q = shared;
    (void)err;
    ms_member_unmake(q->members[leg]);
    return 0;
}

static int all(struct ms_self *self, ms_fan_fn fn, const struct ms_layout *layout,
               struct ms_error *err)
{
    return ms_inquiry_all(self, self->members, self->member_count, fn, layout, err);
}

/* All are looked at before the first is touched; and again afterwards, since two of them may be the
 * same storage under two names. */
static int make_members(struct ms_self *self, struct ms_error *err)
{
    int code = all(self, leg_look, NULL, err);
    if (code)
        return code;
    code = all(self, leg_create, NULL, err);
    if (!code)
        code = all(self, leg_prove, NULL, err);
    if (code == MS_ERR_STORE_EXISTS) {
        (void)!all(self, leg_withdraw, NULL, NULL);
        (void)!all(self, leg_unmake, NULL, NULL);
    }
    return code;
}

/* What the file says, as the first layout. */
static int first_layout(struct ms_self *self, struct ms_error *err)
{
    struct ms_layout *l = self->conf->shared;
    l->uuid = self->uuid;
    l->epoch = 1;
    l->phase = MS_LAYOUT_FINAL;
    return name_members(self, err);
}

static void forgive_all(struct ms_self *self)
{
    for (size_t i = 0; i < self->member_count; i++)
        ms_member_forgive(self->members[i]);
}

int ms_self_create(struct ms_store *s, struct ms_error *err)
{
    struct ms_self *self = ms_self_of(s);
    int code = ms_self_check_made(self, NULL, err);
    if (!code)
        code = find_uuid(self, err);
    forgive_all(self);
    if (!code)
        code = check_new(self, err);
    if (!code)
        code = first_layout(self, err);
    if (code)
        return code;
    ms_layout_notes(self->conf->shared, warn, self->base.url);
    code = make_members(self, err);
    return code ? code : all(self, ms_inquiry_leg_store, self->conf->shared, err);
}

/* ---- open ---- */

/* That nothing is there is no sickness: a create may follow at once. */
static int no_store(struct ms_self *self, struct ms_error *err)
{
    forgive_all(self);
    int code = known_here(self, err);
    if (code)
        return code;
    return ms_error_set(err, MS_ERR_NO_STORE,
                        "the store of %s does not exist: run mstore create %s", self->base.url,
                        self->base.url);
}

/* Their breakers, before the layout says who they are: whoever was dead a moment ago is not waited
 * for again. */
static int recall_members(struct ms_self *self, struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < self->conf->shared->member_count && !code; i++) {
        struct ms_uuid uuid;
        code = first_uuid(self, i, &uuid, err);
        if (!code)
            ms_self_restore(self, i, &uuid);
    }
    return code;
}

/* The layout of a store that exists. */
static int find_store(struct ms_self *self, struct ms_layouts *out, struct ms_error *err)
{
    int code = find_uuid(self, err);
    if (!code)
        code = ms_self_recall(self, err);
    if (!code)
        code = recall_members(self, err);
    if (!code)
        code = ms_inquiry_layouts(self, out, &self->asking, err);
    return code || out->final ? code : no_store(self, err);
}

static int check_epoch(struct ms_self *self, const struct ms_layout *l, struct ms_error *err)
{
    uint64_t seen = ms_state_epoch(self->state);
    if (l->epoch >= seen)
        return 0;
    if (seen == MS_STATE_ENDED)
        return known_here(self, err);
    return ms_error_set(err, MS_ERR_UNTRUSTED,
                        "the newest layout that members of %s show is %llu, older than %llu, which "
                        "was seen here before: too few members answer, or they were set back",
                        self->base.url, (unsigned long long)l->epoch, (unsigned long long)seen);
}

/* Policies are the store's; a file that says something else is not followed, and not silently. */
static void compare_policies(struct ms_self *self)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(self);
    ms_layout_differences(self->conf->shared, r->layout, warn, self->base.url);
}

/* A store that works without them must not do so in silence. */
static void tell_unmade(const struct ms_self *self)
{
    for (size_t i = 0; i < self->member_count; i++) {
        const struct ms_error *why = ms_member_unmade(self->members[i]);
        if (why)
            ms_log(MS_LOG_WARN, "the store works without member %s: %s",
                   ms_member_name(self->members[i]), why->text);
    }
}

/* Whose copies are not to be believed without asking others. */
static void learn_absences(struct ms_self *self)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(self);
    bool any = false;
    for (size_t i = 0; i < r->layout->space_count; i++)
        any = any || r->layout->spaces[i].kind != MS_KIND_MUTABLE;
    if (any)
        (void)!ms_lease_poll(r, MS_NEWS_AWAY, NULL); /* in vain: the first operation asks again */
}

void ms_self_stop_asking(struct ms_self *self)
{
    struct ms_fan *fan = MS_TAKE(self->asking);
    if (fan)
        ms_fan_cancel(fan);
    ms_fan_release(fan);
}

int ms_self_open(struct ms_store *s, struct ms_error *err)
{
    struct ms_self *self = ms_self_of(s);
    struct ms_layouts found = {0};
    int code = find_store(self, &found, err);
    if (!code)
        code = check_epoch(self, found.final, err);
    if (!code)
        code = ms_self_adopt(self, &found, err);
    ms_layouts_free(&found);
    if (!code) {
        tell_unmade(self);
        compare_policies(self);
        learn_absences(self);
    } else if (self->roster)
        (void)!ms_self_ops.close(s, NULL);
    else
        ms_self_stop_asking(self);
    return code;
}

/* ---- destroy ---- */

static int leg_may_end(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_inquiry *q = shared;
    return ms_member_may_end(q->members[leg], q->layout, err);
}

static int leg_end(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_inquiry *q = shared;
    return ms_member_destroy(q->members[leg], q->layout, false, err);
}

static int leg_end_again(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_inquiry *q = shared;
    return ms_member_destroy(q->members[leg], q->layout, true, err);
}

/* All but those that are gone, which may be switched off. */
static int list_members(struct ms_self *self, const struct ms_layout *l, struct ms_member **list,
                        struct ms_error *err)
{
    int code = ms_self_match(self, l, list, err);
    for (size_t i = 0; i < l->member_count && !code; i++)
        if (!list[i] && l->members[i].state != MS_GONE)
            code = ms_error_set(err, MS_ERR_CONFIG,
                                "%s has no url of member %s: add a section [member %s] with it",
                                self->base.url, l->members[i].name, l->members[i].name);
    return code;
}

/* What is left with members that are gone, of those that are there: others may be switched off, or
 * have become somebody else's. */
static void end_left(struct ms_self *self, const struct ms_layout *l)
{
    for (size_t i = 0; i < self->member_count; i++) {
        struct ms_error why = {0};
        const struct ms_layout_member *m = ms_layout_member(l, ms_member_name(self->members[i]));
        if (!m || m->state != MS_GONE)
            continue;
        ms_member_identify(self->members[i], &self->uuid, &m->uuid);
        int code = ms_member_destroy_left(self->members[i], &why);
        if (code && code != MS_ERR_NO_STORE && code != MS_ERR_UNTRUSTED)
            ms_log(MS_LOG_WARN, "%s: what is left with a member that is gone stays: %s",
                   self->base.url, why.text);
    }
}

/* Nothing is erased before all members have shown that they are there, so that none comes back with
 * what was destroyed. The local state keeps that they have, for a run that is broken off: after it
 * a member without a storage is one that has ended. */
static int end_members(struct ms_self *self, const struct ms_layout *l, bool again,
                       struct ms_error *err)
{
    MS_AUTO_FREE struct ms_member **list = calloc(l->member_count + 1, sizeof(struct ms_member *));
    int code = list ? list_members(self, l, list, err)
                    : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a store's members");
    if (!code && !again) {
        code = ms_inquiry_all(self, list, l->member_count, leg_may_end, l, err);
        if (code)
            return code;
        ms_state_raise_epoch(self->state, MS_STATE_ENDED);
        code = ms_state_save(self->state, ms_clock_wall(self->base.clock), err);
    }
    if (!code)
        code = ms_inquiry_all(self, list, l->member_count, again ? leg_end_again : leg_end, l, err);
    if (!code)
        end_left(self, l);
    return code ? code : ms_state_forget(self->state, err);
}

/* *again: its destruction was begun before. Its layout may be gone then: *out is empty, or has what
 * is left with members that are gone. */
static int find_ending(struct ms_self *self, struct ms_layouts *out, bool *again,
                       struct ms_error *err)
{
    int code = find_uuid(self, err);
    forgive_all(self);
    if (!code)
        code = ms_self_recall(self, err);
    *again = !code && ms_state_epoch(self->state) == MS_STATE_ENDED;
    if (!code)
        code = ms_inquiry_layouts(self, out, NULL, err);
    if (code || out->final)
        return code;
    if (*again)
        return out->left ? 0 : first_layout(self, err);
    return out->left ? known_here(self, err) : no_store(self, err);
}

int ms_self_destroy(struct ms_store *s, struct ms_error *err)
{
    struct ms_self *self = ms_self_of(s);
    struct ms_layouts found = {0};
    bool again = false;
    int code = ms_self_check_made(self, NULL, err);
    if (!code)
        code = find_ending(self, &found, &again, err);
    const struct ms_layout *l = found.final  ? found.final
                                : found.left ? found.left
                                             : self->conf->shared;
    if (!code && found.left && !again)
        end_left(self, l);
    else if (!code)
        code = end_members(self, l, again, err);
    ms_layouts_free(&found);
    return code;
}
