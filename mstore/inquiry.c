/* mstore/inquiry.c - see mstore/inquiry.h. */
#include "mstore/inquiry.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "mstore/names.h"

#include <stdlib.h>

#define SECOND      UINT64_C(1000000000)
#define LAYOUT_MAX  (1u << 20) /* bytes: 512 members and 256 namespaces have less */
#define OTHERS_WAIT (1 * SECOND)

/* ---- layouts on one member ---- */

void ms_layouts_free(struct ms_layouts *l)
{
    ms_layout_free(l->final);
    ms_layout_free(l->proposed);
    ms_layout_free(l->left);
    *l = (struct ms_layouts){0};
}

static void take_newer(struct ms_layout **mine, struct ms_layout **other)
{
    if (!*other || (*mine && (*mine)->epoch >= (*other)->epoch))
        return;
    ms_layout_free(*mine);
    *mine = MS_TAKE(*other);
}

void ms_layouts_merge(struct ms_layouts *l, struct ms_layouts *other)
{
    take_newer(&l->final, &other->final);
    take_newer(&l->proposed, &other->proposed);
    if (l->proposed && l->final && l->proposed->epoch <= l->final->epoch) {
        ms_layout_free(l->proposed);
        l->proposed = NULL;
    }
}

static int layout_name(const struct ms_uuid *store, uint64_t epoch, bool final, struct ms_name *out,
                       struct ms_error *err)
{
    struct ms_own_name own = {
        .kind = MS_OWN_LAYOUT, .store = *store, .epoch = epoch, .final = final};
    return ms_own_format(&own, 0, out, err);
}

struct latest {
    struct ms_name folder;
    uint64_t final, proposed; /* epochs; 0: none */
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
    if (!ms_own_parse(ms_name_view(&name), &parsed) || parsed.name.kind != MS_OWN_LAYOUT)
        return 0;
    uint64_t *epoch = parsed.name.final ? &latest->final : &latest->proposed;
    *epoch = parsed.name.epoch > *epoch ? parsed.name.epoch : *epoch;
    return 0;
}

int ms_inquiry_load(struct ms_member *m, const struct ms_uuid *store, const struct ms_seal_key *key,
                    uint64_t epoch, bool final, struct ms_layout **out, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *sealed = NULL;
    struct ms_layout *l = NULL;
    struct ms_name name;
    int code = layout_name(store, epoch, final, &name, err);
    if (!code)
        code = ms_member_load(m, ms_name_view(&name), 0, LAYOUT_MAX, &sealed, NULL, err);
    if (!code)
        code = ms_layout_open(ms_buf_view(sealed), ms_member_name(m), key, store, 0, &l, err);
    if (!code && (l->epoch != epoch || (l->phase == MS_LAYOUT_FINAL) != final)) {
        ms_layout_free(l);
        code = ms_error_set(err, MS_ERR_UNTRUSTED,
                            "member %s: the layout under the name of layout %llu is another one",
                            ms_member_name(m), (unsigned long long)epoch);
    }
    if (!code)
        *out = l;
    return code;
}

int ms_inquiry_latest(struct ms_member *m, const struct ms_uuid *store, uint64_t *final,
                      uint64_t *proposed, struct ms_error *err)
{
    struct latest latest = {.final = 0};
    int code = layout_name(store, 1, true, &latest.folder, err);
    if (code)
        return code;
    while (latest.folder.text[--latest.folder.size] != '/')
        ;
    code = ms_member_list(m, ms_name_view(&latest.folder), NULL, note_latest, &latest, err);
    *final = latest.final;
    *proposed = latest.proposed;
    return code;
}

/* The newest layouts that the member has. NOT_FOUND: none. */
static int find_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_inquiry *q = shared;
    struct ms_member *m = q->members[leg];
    struct ms_layouts *out = &q->found[leg];
    uint64_t final = 0, proposed = 0;
    int code = ms_inquiry_latest(m, &q->store, &final, &proposed, err);
    if (!code && !final && !proposed)
        return ms_error_set(err, MS_ERR_NOT_FOUND, "member %s has no layout of this store",
                            ms_member_name(m));
    if (!code && final)
        code = ms_inquiry_load(m, &q->store, &q->key, final, true, &out->final, err);
    if (!code && proposed > final)
        code = ms_inquiry_load(m, &q->store, &q->key, proposed, false, &out->proposed, err);
    return code;
}

int ms_inquiry_leg_store(void *shared, unsigned leg, struct ms_error *err)
{
    struct ms_inquiry *q = shared;
    struct ms_name name;
    int code = layout_name(&q->store, q->epoch, q->final, &name, err);
    return code ? code
                : ms_member_store(q->members[leg], ms_name_view(&name), q->sealed, NULL, NULL, err);
}

/* ---- asking all at once ---- */

static void inquiry_free(void *shared)
{
    struct ms_inquiry *q = shared;
    for (size_t i = 0; i < q->count; i++) {
        ms_member_unref(q->members[i]);
        ms_layouts_free(&q->found[i]);
    }
    ms_buf_unref(q->sealed);
    explicit_bzero(&q->key, sizeof q->key);
    free(q->members);
    free(q->found);
    free(q);
}

int ms_inquiry_new(const struct ms_self *self, struct ms_member *const members[], size_t count,
                   struct ms_inquiry **out, struct ms_error *err)
{
    struct ms_inquiry *q = calloc(1, sizeof *q);
    if (!q)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a store's members");
    q->store = self->uuid;
    q->key = self->conf->key;
    q->members = calloc(count + 1, sizeof(struct ms_member *));
    q->found = calloc(count + 1, sizeof *q->found);
    if (!q->members || !q->found) {
        inquiry_free(q);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a store's members");
    }
    for (size_t i = 0; i < count; i++)
        if (members[i])
            q->members[q->count++] = ms_member_ref(members[i]);
    *out = q;
    return 0;
}

int ms_inquiry_start(struct ms_inquiry *q, ms_fan_fn fn, struct ms_fan **out, struct ms_error *err)
{
    struct ms_fan *fan = NULL;
    int code = ms_fan_new((unsigned)q->count, fn, inquiry_free, q, &fan, err);
    if (code) {
        inquiry_free(q);
        return code;
    }
    for (unsigned i = 0; i < q->count; i++)
        ms_fan_start(fan, i);
    *out = fan;
    return 0;
}

static int give_layout(struct ms_inquiry *q, const struct ms_layout *layout, struct ms_error *err)
{
    q->layout = layout;
    q->epoch = layout->epoch;
    q->final = layout->phase == MS_LAYOUT_FINAL;
    return ms_layout_seal(layout, &q->key, &q->sealed, err);
}

/* An inquiry under way, with a layout to be stored (NULL: none). */
static int begin(struct ms_self *self, struct ms_member *const members[], size_t count,
                 const struct ms_layout *layout, ms_fan_fn fn, struct ms_inquiry **q,
                 struct ms_fan **fan, struct ms_error *err)
{
    int code = ms_inquiry_new(self, members, count, q, err);
    if (code)
        return code;
    code = layout ? give_layout(*q, layout, err) : 0;
    if (code) {
        inquiry_free(*q);
        return code;
    }
    return ms_inquiry_start(*q, fn, fan, err);
}

int ms_inquiry_all(struct ms_self *self, struct ms_member *const members[], size_t count,
                   ms_fan_fn fn, const struct ms_layout *layout, struct ms_error *err)
{
    struct ms_inquiry *q = NULL;
    struct ms_fan *fan = NULL;
    unsigned worst = UINT32_MAX, leg;
    int code = begin(self, members, count, layout, fn, &q, &fan, err);
    if (code)
        return code;
    while (ms_fan_next(fan, self->base.clock, UINT64_MAX, &leg))
        if (ms_fan_code(fan, leg) && leg < worst)
            worst = leg;
    if (worst != UINT32_MAX)
        code = ms_error_set(err, ms_fan_code(fan, worst), "%s", ms_fan_error(fan, worst)->text);
    ms_fan_release(fan);
    return code;
}

static bool was_asked(const struct ms_self *self, const char *name)
{
    for (size_t i = 0; i < self->member_count; i++)
        if (strcmp(ms_member_name(self->members[i]), name) == 0)
            return true;
    return false;
}

/* Whether somebody has it who is not gone by it, or may have it who is not known here. */
static bool is_alive(const struct ms_self *self, const struct ms_layouts *l)
{
    for (size_t i = 0; l->final && i < l->heard_count; i++) {
        const struct ms_layout_member *m = ms_layout_member(l->final, ms_member_name(l->heard[i]));
        if (!m || m->state != MS_GONE)
            return true;
    }
    for (size_t i = 0; l->final && i < l->final->member_count; i++)
        if (l->final->members[i].state != MS_GONE && !was_asked(self, l->final->members[i].name))
            return true;
    return false;
}

/* Those who are gone keep theirs when the store ends. */
static void set_aside(const struct ms_self *self, struct ms_layouts *l)
{
    if (!l->final || is_alive(self, l))
        return;
    ms_layout_free(l->proposed);
    l->proposed = NULL;
    l->left = MS_TAKE(l->final);
}

/* How many answers settle which layout is in force: for opening. A change puts it on a majority of
 * the members of the one before, so that half of them know of it. */
enum settled { OPEN, BY_HALF, BY_MOST };

static enum settled settled_by(const struct ms_self *self, const struct ms_layouts *found)
{
    const struct ms_layout *l = found->final;
    size_t members = 0, heard = 0;
    if (!l || found->proposed || l->epoch < ms_state_epoch(self->state))
        return OPEN;
    for (size_t i = 0; i < l->member_count; i++) {
        members += l->members[i].state != MS_GONE;
        for (size_t k = 0; k < found->heard_count && l->members[i].state != MS_GONE; k++)
            heard += strcmp(ms_member_name(found->heard[k]), l->members[i].name) == 0;
    }
    return 2 * heard > members ? BY_MOST : 2 * heard == members ? BY_HALF : OPEN;
}

int ms_inquiry_layouts(struct ms_self *self, struct ms_layouts *out, struct ms_fan **rest,
                       struct ms_error *err)
{
    struct ms_inquiry *q = NULL;
    struct ms_fan *fan = NULL;
    struct ms_error trouble = {0};
    struct ms_layouts newest = {0};
    uint64_t deadline = UINT64_MAX;
    int code = begin(self, self->members, self->member_count, NULL, find_leg, &q, &fan, err);
    if (code)
        return code;
    size_t count = q->count, answered = 0;
    newest.asked_ns = ms_clock_boot(self->base.clock);
    enum settled settled = OPEN;
    for (unsigned leg; settled != BY_MOST && ms_fan_next(fan, self->base.clock, deadline, &leg);) {
        code = ms_fan_code(fan, leg);
        if (code && code != MS_ERR_NOT_FOUND && code != MS_ERR_NO_STORE && !trouble.code)
            trouble = *ms_fan_error(fan, leg);
        if (code)
            continue;
        ms_layouts_merge(&newest, &q->found[leg]);
        newest.heard[newest.heard_count++] = q->members[leg];
        settled = rest ? settled_by(self, &newest) : OPEN;
        if ((++answered * 2 > count || settled) && deadline == UINT64_MAX &&
            is_alive(self, &newest))
            deadline = ms_clock_now(self->base.clock) + OTHERS_WAIT;
    }
    if (rest)
        *rest = fan;
    else
        ms_fan_release(fan);
    set_aside(self, &newest);
    *out = newest;
    return newest.final || !trouble.code ? 0 : ms_error_set(err, trouble.code, "%s", trouble.text);
}

int ms_inquiry_publish(struct ms_self *self, const struct ms_layout *layout,
                       struct ms_member *const members[], size_t count, const char *what,
                       struct ms_error *err)
{
    struct ms_inquiry *q = NULL;
    struct ms_fan *fan = NULL;
    struct ms_error why = {0};
    unsigned leg;
    size_t stored = 0, need = count / 2 + 1;
    uint64_t deadline = UINT64_MAX;
    int code = begin(self, members, count, layout, ms_inquiry_leg_store, &q, &fan, err);
    if (code)
        return code;
    while (ms_fan_next(fan, self->base.clock, deadline, &leg)) {
        if (ms_fan_code(fan, leg))
            why = *ms_fan_error(fan, leg);
        else if (++stored == need)
            deadline = ms_clock_now(self->base.clock) + OTHERS_WAIT;
    }
    ms_fan_release(fan);
    if (stored >= need)
        return 0;
    return ms_error_set(err, why.code ? why.code : MS_ERR_CONFIG,
                        "%zu of %zu members %s have layout %llu and %zu are needed: %s", stored,
                        count, what, (unsigned long long)layout->epoch, need,
                        why.code ? why.text : "the file has no url of the others");
}
