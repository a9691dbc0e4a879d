/* mstore/founding.c - create and open: which layout is in force, and who the members are.
 *
 * Unless the file pins them, the UUIDs of a store and of its first members follow from the key (and
 * the member's name): HMAC-SHA256 under a purpose of its own, 16 bytes of it, marked as version 8
 * (RFC 9562). So a create that was broken off can be run again, and a client finds its store on
 * members without having been told. */
#include "mstore/self.h"

#include "base/cleanup.h"
#include "base/fan.h"
#include "base/log.h"
#include "base/text.h"
#include "mstore/names.h"
#include "mstore/returning.h"

#include <stdio.h>
#include <stdlib.h>

#define SECOND      UINT64_C(1000000000)
#define LAYOUT_MAX  (1u << 20) /* bytes: 512 members and 256 namespaces have less */
#define OTHERS_WAIT (1 * SECOND)

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

/* Of the file's member, when the store was made: later ones have others. */
static int first_uuid(const struct ms_self *self, size_t i, struct ms_uuid *out,
                      struct ms_error *err)
{
    const struct ms_layout_member *m = &self->conf->shared->members[i];
    *out = m->uuid;
    return ms_uuid_is_zero(out)
               ? derive(&self->conf->key, "mstore member uuid", ms_str(m->name), out, err)
               : 0;
}

/* ---- layouts on members ---- */

struct who { /* copies, for tasks that may outlive the store's handle */
    struct ms_uuid uuid;
    struct ms_seal_key key;
};

static int layout_name(const struct who *who, uint64_t epoch, struct ms_name *out,
                       struct ms_error *err)
{
    struct ms_own_name own = {
        .kind = MS_OWN_LAYOUT, .store = who->uuid, .epoch = epoch, .final = true};
    return ms_own_format(&own, 0, out, err);
}

struct latest {
    struct ms_name folder;
    uint64_t epoch; /* 0: none */
};

static int note_latest(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct latest *latest = ctx;
    struct ms_own_parsed parsed;
    struct ms_name name = latest->folder;
    (void)err;
    if (name.size + 1 + entry->name.size > sizeof name.text)
        return 0;
    name.text[name.size++] = '/';
    memcpy(name.text + name.size, entry->name.data, entry->name.size);
    name.size += entry->name.size;
    if (ms_own_parse(ms_name_view(&name), &parsed) && parsed.name.kind == MS_OWN_LAYOUT &&
        parsed.name.final && parsed.name.epoch > latest->epoch)
        latest->epoch = parsed.name.epoch;
    return 0;
}

/* The newest final layout that the member has. NOT_FOUND: none. */
static int load_layout(const struct who *who, struct ms_member *m, struct ms_layout **out,
                       struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *sealed = NULL;
    struct latest latest = {.epoch = 0};
    struct ms_name name;
    int code = layout_name(who, 1, &name, err);
    if (code)
        return code;
    latest.folder = name;
    while (latest.folder.text[--latest.folder.size] != '/')
        ;
    code = ms_member_list(m, ms_name_view(&latest.folder), NULL, note_latest, &latest, err);
    if (!code && !latest.epoch)
        return ms_error_set(err, MS_ERR_NOT_FOUND, "member %s has no layout of this store",
                            ms_member_name(m));
    if (!code)
        code = layout_name(who, latest.epoch, &name, err);
    if (!code)
        code = ms_member_load(m, ms_name_view(&name), 0, LAYOUT_MAX, &sealed, NULL, err);
    if (code)
        return code;
    return ms_layout_open(ms_buf_view(sealed), ms_member_name(m), &who->key, &who->uuid, 0, out,
                          err);
}

/* ---- asking all members at once ---- */

struct inquiry { /* shared by the legs; the fan's release frees it */
    struct who who;
    size_t count;
    struct ms_member **members; /* references */
    struct ms_layout **layouts; /* what was found */
    struct ms_buf *sealed;      /* what is to be stored */
};

static void inquiry_free(void *shared)
{
    struct inquiry *q = shared;
    for (size_t i = 0; i < q->count && q->layouts && q->members; i++) {
        ms_member_unref(q->members[i]);
        ms_layout_free(q->layouts[i]);
    }
    ms_buf_unref(q->sealed);
    explicit_bzero(&q->who, sizeof q->who);
    free(q->members);
    free(q->layouts);
    free(q);
}

static int inquiry_new(const struct ms_self *self, struct inquiry **out, struct ms_error *err)
{
    struct inquiry *q = calloc(1, sizeof *q);
    if (!q)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a store's members");
    q->who = (struct who){self->uuid, self->conf->key};
    q->members = calloc(self->conf->shared->member_count + 1, sizeof(struct ms_member *));
    q->layouts = calloc(self->conf->shared->member_count + 1, sizeof(struct ms_layout *));
    if (!q->members || !q->layouts) {
        inquiry_free(q);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a store's members");
    }
    for (; q->count < self->conf->shared->member_count; q->count++)
        q->members[q->count] = ms_member_ref(self->members[q->count]);
    *out = q;
    return 0;
}

static int leg_find(void *shared, unsigned leg, struct ms_error *err)
{
    struct inquiry *q = shared;
    return load_layout(&q->who, q->members[leg], &q->layouts[leg], err);
}

static int leg_create(void *shared, unsigned leg, struct ms_error *err)
{
    struct inquiry *q = shared;
    return ms_member_create(q->members[leg], err);
}

static int leg_publish(void *shared, unsigned leg, struct ms_error *err)
{
    struct inquiry *q = shared;
    struct ms_name name;
    int code = layout_name(&q->who, 1, &name, err);
    return code ? code
                : ms_member_store(q->members[leg], ms_name_view(&name), q->sealed, NULL, NULL, err);
}

/* Every member must succeed; else the first failure of the first member in the file. */
static int all_members(struct ms_self *self, ms_fan_fn fn, struct ms_buf *sealed,
                       struct ms_error *err)
{
    struct inquiry *q;
    struct ms_fan *fan;
    int code = inquiry_new(self, &q, err);
    if (code)
        return code;
    q->sealed = sealed ? ms_buf_ref(sealed) : NULL;
    unsigned count = (unsigned)q->count, worst = count, leg;
    code = ms_fan_new(count, fn, inquiry_free, q, &fan, err);
    if (code) {
        inquiry_free(q);
        return code;
    }
    for (unsigned i = 0; i < count; i++)
        ms_fan_start(fan, i);
    while (ms_fan_next(fan, self->base.clock, UINT64_MAX, &leg))
        if (ms_fan_code(fan, leg) && leg < worst)
            worst = leg;
    if (worst < count)
        code = ms_error_set(err, ms_fan_code(fan, worst), "%s", ms_fan_error(fan, worst)->text);
    ms_fan_release(fan);
    return code;
}

/* ---- which layout is in force ---- */

/* True: take no more answers, or not beyond *deadline. */
static void enough(struct ms_self *self, unsigned answered, size_t count, uint64_t *deadline)
{
    if (answered * 2 > count && *deadline == UINT64_MAX)
        *deadline = ms_clock_now(self->base.clock) + OTHERS_WAIT;
}

/* Asks all members, waits for most of them and for the others a little. *out: the newest layout
 * found; NULL: there is none. An error when nobody has one and somebody could not say. */
static int find_layout(struct ms_self *self, struct ms_layout **out, struct ms_error *err)
{
    struct inquiry *q;
    struct ms_fan *fan;
    struct ms_error trouble = {0};
    int code = inquiry_new(self, &q, err);
    if (code)
        return code;
    size_t count = q->count;
    code = ms_fan_new((unsigned)count, leg_find, inquiry_free, q, &fan, err);
    if (code) {
        inquiry_free(q);
        return code;
    }
    for (unsigned i = 0; i < count; i++)
        ms_fan_start(fan, i);
    struct ms_layout *newest = NULL;
    uint64_t deadline = UINT64_MAX;
    for (unsigned leg, answered = 0; ms_fan_next(fan, self->base.clock, deadline, &leg);) {
        code = ms_fan_code(fan, leg);
        if (code && code != MS_ERR_NOT_FOUND && code != MS_ERR_NO_STORE && !trouble.code)
            trouble = *ms_fan_error(fan, leg);
        if (code)
            continue;
        if (!newest || q->layouts[leg]->epoch > newest->epoch) {
            ms_layout_free(newest);
            newest = MS_TAKE(q->layouts[leg]);
        }
        enough(self, ++answered, count, &deadline);
    }
    ms_fan_release(fan);
    *out = newest;
    return newest || !trouble.code ? 0 : ms_error_set(err, trouble.code, "%s", trouble.text);
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

static int check_new(struct ms_self *self, struct ms_error *err)
{
    struct ms_layout *found = NULL;
    if (!self->conf->shared->space_count)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "%s has no [namespace NAME] section: say what is kept how, as in "
                            "[namespace] kind = immutable, redundancy = copies 2",
                            self->base.url);
    int code = find_layout(self, &found, err);
    if (!code && found)
        code =
            ms_error_set(err, MS_ERR_STORE_EXISTS, "the store of %s exists already (layout %llu)",
                         self->base.url, (unsigned long long)found->epoch);
    ms_layout_free(found);
    return code;
}

int ms_self_create(struct ms_store *s, struct ms_error *err)
{
    struct ms_self *self = ms_self_of(s);
    struct ms_layout *l = self->conf->shared;
    MS_AUTO_BUF struct ms_buf *sealed = NULL;
    int code = find_uuid(self, err);
    for (size_t i = 0; i < l->member_count; i++)
        ms_member_forgive(self->members[i]);
    if (!code)
        code = check_new(self, err);
    if (!code)
        code = name_members(self, err);
    if (code)
        return code;
    ms_layout_notes(l, warn, self->base.url);
    l->uuid = self->uuid;
    l->epoch = 1;
    l->phase = MS_LAYOUT_FINAL;
    code = all_members(self, leg_create, NULL, err);
    if (!code)
        code = ms_layout_seal(l, &self->conf->key, &sealed, err);
    return code ? code : all_members(self, leg_publish, sealed, err);
}

/* ---- open ---- */

/* Tells the file's members who they are. list: those of the layout, by its index; those without a
 * URL here are missing. */
static int match_members(struct ms_self *self, const struct ms_layout *l, struct ms_member **list)
{
    const struct ms_layout *mine = self->conf->shared;
    for (size_t i = 0; i < mine->member_count; i++) {
        const struct ms_layout_member *m = ms_layout_member(l, mine->members[i].name);
        if (!m || m->state == MS_GONE) {
            ms_log(MS_LOG_WARN, "%s: [member %s] is not in the store's layout: it is not used",
                   self->base.url, mine->members[i].name);
            continue;
        }
        ms_member_identify(self->members[i], &self->uuid, &m->uuid);
        ms_self_restore(self, i, &m->uuid);
        if (list)
            list[m - l->members] = self->members[i];
    }
    for (size_t i = 0; i < l->member_count; i++)
        if (list && !list[i] && l->members[i].state != MS_GONE)
            ms_log(MS_LOG_WARN, "%s: the store has a member %s, of which the file has no url",
                   self->base.url, l->members[i].name);
    return 0;
}

static int use_layout(struct ms_self *self, struct ms_layout *l, struct ms_error *err)
{
    MS_AUTO_FREE struct ms_member **list = calloc(l->member_count + 1, sizeof(struct ms_member *));
    struct ms_roster *roster = NULL;
    int code = list ? match_members(self, l, list)
                    : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a store's members");
    if (!code)
        code = ms_roster_new(l, list, self->base.clock, &self->conf->key, &roster, err);
    if (code) {
        ms_layout_free(l);
        return code;
    }
    ms_roster_count_as(roster, self->base.url);
    MS_HOLD(&self->mutex);
    self->roster = roster;
    return 0;
}

static int no_store(struct ms_self *self, struct ms_error *err)
{
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
static int find_store(struct ms_self *self, struct ms_layout **out, struct ms_error *err)
{
    int code = find_uuid(self, err);
    if (!code)
        code = ms_self_recall(self, err);
    if (!code)
        code = recall_members(self, err);
    if (!code)
        code = find_layout(self, out, err);
    return code || *out ? code : no_store(self, err);
}

static int check_epoch(struct ms_self *self, const struct ms_layout *l, struct ms_error *err)
{
    uint64_t seen = ms_state_epoch(self->state);
    if (l->epoch >= seen)
        return 0;
    return ms_error_set(err, MS_ERR_UNTRUSTED,
                        "the newest layout that members of %s show is %llu, older than %llu, which "
                        "was seen here before: too few members answer, or they were set back",
                        self->base.url, (unsigned long long)l->epoch, (unsigned long long)seen);
}

/* Whose copies of immutable keys are not to be believed without asking others. */
static int learn_absences(struct ms_self *self, struct ms_error *err)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(self);
    bool any = false;
    for (size_t i = 0; i < r->layout->space_count; i++)
        any = any || r->layout->spaces[i].kind == MS_KIND_IMMUTABLE;
    int code = any ? ms_returning_learn(r, NULL, err) : 0;
    if (code)
        ms_self_ops.close(&self->base, NULL);
    return code;
}

int ms_self_open(struct ms_store *s, struct ms_error *err)
{
    struct ms_self *self = ms_self_of(s);
    struct ms_layout *l = NULL;
    int code = find_store(self, &l, err);
    if (!code)
        code = check_epoch(self, l, err);
    if (code) {
        ms_layout_free(l);
        return code;
    }
    code = use_layout(self, l, err);
    return code ? code : learn_absences(self, err);
}

/* ---- destroy ---- */

static int leg_destroy(void *shared, unsigned leg, struct ms_error *err)
{
    struct inquiry *q = shared;
    return ms_member_destroy(q->members[leg], err);
}

/* All members must be there, so that none comes back with what was destroyed. */
int ms_self_destroy(struct ms_store *s, struct ms_error *err)
{
    struct ms_self *self = ms_self_of(s);
    struct ms_layout *l = NULL;
    int code = find_store(self, &l, err);
    if (!code)
        code = match_members(self, l, NULL);
    ms_layout_free(l);
    return code ? code : all_members(self, leg_destroy, NULL, err);
}
