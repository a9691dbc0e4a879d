/* mstore/member.c - the life of a member: who it is, opening it, and the frame around each call.
 *
 * Opening is done by the first call that needs it, the others wait for it and share its failure. No
 * lock is held meanwhile: the stage says who is at it. */
#include "mstore/member_parts.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/mark.h"
#include "mstore/names.h"
#include "mstore/no_backend.h"

#include <stdlib.h>

int ms_member_new(const struct ms_member_options *o, struct ms_backend *backend,
                  struct ms_member **out, struct ms_error *err)
{
    struct ms_member *m = calloc(1, sizeof *m);
    char *name = strdup(o->name);
    if (!m || !name) {
        free(m);
        free(name);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for member %s", o->name);
    }
    int code = ms_health_new(o->seed, &m->health, err);
    if (code) {
        free(m);
        free(name);
        return code;
    }
    m->name = name;
    m->store = o->store;
    m->uuid = o->uuid;
    m->key = *o->key;
    m->clock = o->clock;
    m->keeps_values = o->keeps_values;
    m->counts = o->counted_as ? ms_entity_get(MS_STATS_MEMBER, o->counted_as, name) : NULL;
    m->backend = backend;
    atomic_init(&m->refs, 1);
    ms_mutex_init(&m->mutex);
    ms_cond_init(&m->changed);
    *out = m;
    return 0;
}

struct ms_member *ms_member_ref(struct ms_member *m)
{
    atomic_fetch_add(&m->refs, 1);
    return m;
}

void ms_member_unref(struct ms_member *m)
{
    if (!m || atomic_fetch_sub(&m->refs, 1) != 1)
        return;
    ms_backend_free(m->backend);
    ms_health_free(m->health);
    ms_entity_put(m->counts);
    ms_cond_fini(&m->changed);
    ms_mutex_fini(&m->mutex);
    explicit_bzero(&m->key, sizeof m->key);
    free(m->name);
    free(m);
}

const char *ms_member_name(const struct ms_member *m)
{
    return m->name;
}

const struct ms_uuid *ms_member_uuid(const struct ms_member *m)
{
    return &m->uuid;
}

const struct ms_error *ms_member_unmade(const struct ms_member *m)
{
    return ms_no_backend_why(m->backend);
}

struct ms_health *ms_member_health(struct ms_member *m)
{
    return m->health;
}

uint64_t ms_member_absences(const struct ms_member *m)
{
    struct ms_health_view view;
    ms_health_view(m->health, ms_clock_now(m->clock), 0, &view);
    return view.opened;
}

bool ms_member_returning(const struct ms_member *m)
{
    return atomic_load(&m->away) || atomic_load(&m->marked) ||
           ms_member_absences(m) > atomic_load(&m->settled);
}

void ms_member_set_returning(struct ms_member *m)
{
    atomic_store(&m->away, true);
}

void ms_member_settle(struct ms_member *m)
{
    atomic_store(&m->settled, ms_member_absences(m));
    atomic_store(&m->away, false);
}

void ms_member_set_marked(struct ms_member *m, bool marked, uint64_t absences)
{
    atomic_store(&m->marked, marked);
    if (!marked)
        atomic_store(&m->settled, absences);
}

const char *ms_member_url(const struct ms_member *m)
{
    return m->backend->url;
}

struct ms_clock *ms_member_clock(const struct ms_member *m)
{
    return m->clock;
}

void ms_member_capabilities(struct ms_member *m, struct ms_capabilities *out)
{
    ms_backend_capabilities(m->backend, out);
}

/* ---- the mark ---- */

int ms_member_mark_name(const struct ms_member *m, struct ms_name *out, struct ms_error *err)
{
    struct ms_own_name own = {.kind = MS_OWN_MEMBER, .store = m->as.store};
    return ms_own_format(&own, 0, out, err);
}

int ms_member_check_mark(struct ms_member *m, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *found = NULL;
    struct ms_name name;
    int code = ms_member_mark_name(m, &name, err);
    if (!code)
        code = ms_backend_load(m->backend, ms_name_view(&name), 0, 4096, &found, NULL, err);
    if (code == MS_ERR_NOT_FOUND)
        return ms_error_set(err, MS_ERR_NO_STORE,
                            "%s is empty or holds something else (the mark of this member is not "
                            "there): put its storage in place, or replace the member",
                            m->backend->url);
    if (!code)
        code = ms_mark_check(ms_buf_view(found), &m->as.store, &m->as.uuid, &m->key, err);
    return code == MS_ERR_UNTRUSTED ? ms_error_prefix(err, code, "%s", m->backend->url) : code;
}

/* ---- opening ---- */

int ms_member_open_backend(struct ms_member *m, struct ms_error *err)
{
    int code = m->backend_open ? 0 : ms_backend_open(m->backend, err);
    if (!code)
        m->backend_open = true;
    return code;
}

bool ms_member_take_opening(struct ms_member *m, bool again, int *code, struct ms_error *err)
{
    MS_HOLD(&m->mutex);
    uint64_t seen = m->openings;
    bool waited = false;
    for (; m->stage == MS_MEMBER_OPENING; waited = true)
        ms_cond_wait(&m->changed, &m->mutex);
    *code = 0;
    if (m->stage == MS_MEMBER_READY && (!again || waited))
        return false;
    if (waited && m->openings != seen && m->why.code && m->why.code != MS_ERR_CANCELLED) {
        *code = ms_error_set(err, m->why.code, "%s", m->why.text);
        return false;
    }
    m->stage = MS_MEMBER_OPENING;
    m->as = (struct ms_member_identity){m->store, m->uuid};
    return true;
}

void ms_member_end_opening(struct ms_member *m, int code, const struct ms_error *why)
{
    MS_HOLD(&m->mutex);
    bool same = ms_uuid_equal(&m->as.store, &m->store) && ms_uuid_equal(&m->as.uuid, &m->uuid);
    m->stage = code || !same ? MS_MEMBER_CLOSED : MS_MEMBER_READY;
    m->openings++;
    m->why = *why;
    ms_cond_broadcast(&m->changed);
}

/* again: look at the mark even if it was right before. */
static int make_ready(struct ms_member *m, bool again, struct ms_error *err)
{
    int code;
    if (!ms_member_take_opening(m, again, &code, err))
        return code;
    struct ms_error why = {0};
    code = ms_member_open_backend(m, &why);
    if (!code && !ms_uuid_is_zero(&m->as.uuid))
        code = ms_member_check_mark(m, &why);
    ms_member_end_opening(m, code, &why);
    return code ? ms_error_set(err, code, "%s", why.text) : 0;
}

void ms_member_identify(struct ms_member *m, const struct ms_uuid *store,
                        const struct ms_uuid *uuid)
{
    MS_HOLD(&m->mutex);
    m->store = *store;
    m->uuid = *uuid;
    if (m->stage == MS_MEMBER_READY) /* an opening under way notices at its end */
        m->stage = MS_MEMBER_CLOSED;
}

/* ---- the frame around a call ---- */

void ms_member_step(struct ms_member *m, int verb, struct ms_member_call *call)
{
    *call = (struct ms_member_call){.member = m,
                                    .begin_ns = ms_clock_now(m->clock),
                                    .begin = m->counts ? ms_entity_begin(m->clock) : 0,
                                    .verb = verb};
}

int ms_member_begin(struct ms_member *m, int verb, struct ms_member_call *call,
                    struct ms_error *err)
{
    ms_member_step(m, verb, call);
    int code = ms_health_admit(m->health, m->name, call->begin_ns, &call->probe, err);
    if (code) {
        ms_entity_count_event(m->counts, MS_EVENT_REFUSED);
        return code;
    }
    code = make_ready(m, call->probe, err);
    return code ? ms_member_end(call, code, MS_HEALTH_UNMEASURED, 0, err) : 0;
}

/* Says something about the key, not about the member. */
static bool about_the_key(int code)
{
    switch (code) {
    case 0:
    case MS_ERR_NOT_FOUND:
    case MS_ERR_EXISTS:
    case MS_ERR_CONFLICT:
    case MS_ERR_CANCELLED:
        return true;
    default:
        return false;
    }
}

static void count(const struct ms_member_call *call, int code, uint64_t volume,
                  enum ms_health_change change)
{
    struct ms_entity *counts = call->member->counts;
    int verb = call->verb;
    if (verb < 0 && verb != MS_MEMBER_STEP && code)
        verb = ~verb; /* that stream does not come to be */
    if (counts && verb >= 0)
        ms_entity_count(counts, call->member->clock, (enum ms_verb)verb, call->begin, code,
                        code ? 0 : volume);
    if (change != MS_HEALTH_SAME)
        ms_entity_count_event(counts, change == MS_HEALTH_OPENED ? MS_EVENT_BREAKER_OPENED
                                                                 : MS_EVENT_BREAKER_CLOSED);
}

int ms_member_end(struct ms_member_call *call, int code, uint64_t measured, uint64_t volume,
                  struct ms_error *err)
{
    struct ms_member *m = call->member;
    uint64_t now = ms_clock_now(m->clock);
    count(call, code, volume,
          ms_health_note(m->health, call->probe, code, code && err ? err->text : NULL, now,
                         now - call->begin_ns, measured));
    return about_the_key(code) ? code : ms_error_prefix(err, code, "member %s", m->name);
}

int ms_member_open(struct ms_member *m, struct ms_error *err)
{
    struct ms_member_call call;
    struct ms_error why = {0};
    int code = ms_member_begin(m, MS_VERB_OTHER, &call, &why);
    if (code)
        return ms_error_set(err, code, "%s", why.text);
    return ms_member_end(&call, 0, MS_HEALTH_UNMEASURED, 0, NULL);
}

#define LOOK_AGAIN UINT64_C(1000000) /* at first; then twice as late, and so on */
#define LOOK_LIMIT (50 * LOOK_AGAIN)

/* Until it is known whether somebody else's look has found it alive. */
static int demand(struct ms_member *m, struct ms_member_call *call, struct ms_error *err)
{
    for (uint64_t pause = LOOK_AGAIN;; pause = pause < LOOK_LIMIT ? 2 * pause : LOOK_LIMIT) {
        ms_member_step(m, MS_VERB_OTHER, call);
        int code = ms_health_demand(m->health, m->name, call->begin_ns, &call->probe, err);
        if (code != MS_ERR_BUSY)
            return code;
        code = ms_sleep(m->clock, pause, err);
        if (code)
            return code;
    }
}

int ms_member_insist(struct ms_member *m, struct ms_error *err)
{
    struct ms_member_call call;
    struct ms_error why = {0};
    int code = demand(m, &call, &why);
    if (!code && call.probe) {
        code = make_ready(m, true, &why);
        code = ms_member_end(&call, code, MS_HEALTH_UNMEASURED, 0, &why);
    }
    return code ? ms_error_set(err, code, "%s", why.text) : 0;
}
