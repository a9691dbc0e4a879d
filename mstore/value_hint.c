/* mstore/value_hint.c - notes, kept on members, of objects that other members lack: what heal looks
 * at first. Nothing depends on them: scrub finds the same without. */
#include "base/assert.h"
#include "mstore/away.h"
#include "mstore/lease.h"
#include "mstore/notes.h"
#include "mstore/value_parts.h"

#include <stdlib.h>

#define KEEPERS 2

struct noting { /* shared with the calls */
    struct ms_value_home home;
    uint16_t keepers[MS_MEMBERS_MAX];
    bool pending; /* what is missing may still come */
    size_t count;
    struct ms_value_place missing[];
};

static void noting_free(void *shared)
{
    struct noting *n = shared;
    ms_value_home_fini(&n->home);
    free(n);
}

static int note_one(const struct noting *n, struct ms_member *keeper,
                    const struct ms_value_place *lack, struct ms_error *err)
{
    const struct ms_site *site = &n->home.site;
    struct ms_own_name hint = {.kind = MS_OWN_HINT,
                               .store = site->roster->layout->uuid,
                               .space = site->space_path,
                               .key = site->key,
                               .level = site->level,
                               .id = n->pending ? MS_NOTE_PENDING : n->home.shape.id,
                               .member = site->roster->layout->members[lack->member].uuid};
    struct ms_name name, object;
    int code = ms_own_format(&hint, 0, &name, err);
    if (!code)
        code = ms_value_name(site, &n->home.shape, lack->shard, &object, err);
    if (code)
        return code;
    struct ms_buf *body = ms_buf_copy(ms_name_view(&object));
    if (!body)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a note");
    code = ms_member_store(keeper, ms_name_view(&name), body, NULL, NULL, err);
    ms_buf_unref(body);
    return code;
}

static int note_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct noting *n = shared;
    struct ms_member *keeper = NULL;
    int code = ms_value_member(&n->home.site, n->keepers[leg], &keeper, err);
    for (size_t i = 0; i < n->count && !code; i++)
        code = note_one(n, keeper, &n->missing[i], err);
    return code;
}

/* Begins to write the notes, one leg for each keeper. */
static int note_begin(const struct ms_site *site, const struct ms_value_shape *shape,
                      const struct ms_value_place missing[], size_t count, bool pending,
                      const uint16_t keepers[], size_t keeper_count, struct ms_fan **out,
                      struct ms_error *err)
{
    struct noting *n = calloc(1, sizeof *n + count * sizeof *n->missing);
    unsigned legs = (unsigned)keeper_count;
    int code = n ? ms_value_home_init(&n->home, site, shape, err)
                 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a note");
    if (code) {
        free(n);
        return code;
    }
    ms_assert(n);
    memcpy(n->keepers, keepers, legs * sizeof *keepers);
    memcpy(n->missing, missing, count * sizeof *missing);
    n->count = count;
    n->pending = pending;
    code = ms_fan_new(legs, note_leg, noting_free, n, out, err);
    if (code) {
        noting_free(n);
        return code;
    }
    for (unsigned i = 0; i < legs; i++)
        ms_fan_start(*out, i);
    return 0;
}

/* `need`: so many must have them; 0: some, soon. */
static int note_end(const struct ms_site *site, struct ms_fan *fan, unsigned need,
                    struct ms_error *err)
{
    struct ms_error blame = {.code = MS_ERR_CONNECTION};
    unsigned good = 0, ended;
    int code = 0;
    uint64_t deadline = need ? UINT64_MAX : ms_clock_now(site->roster->clock) + MS_SECOND;
    while ((!need || good < need) && ms_fan_next(fan, site->roster->clock, deadline, &ended)) {
        good += ms_fan_code(fan, ended) == 0;
        if (ms_fan_code(fan, ended))
            blame = *ms_fan_error(fan, ended);
    }
    if (good < need)
        code = ms_error_set(err, blame.code,
                            "what members have missed is noted on %u others only, %u are needed "
                            "(%s)",
                            good, need, blame.text);
    ms_fan_release(fan);
    return code;
}

struct ms_fan *ms_value_hint_begin(const struct ms_site *site, const struct ms_value_shape *shape,
                                   const struct ms_value_place missing[], size_t count,
                                   const uint16_t keepers[], size_t keeper_count)
{
    struct ms_fan *fan = NULL;
    size_t few = keeper_count < KEEPERS ? keeper_count : KEEPERS;
    return note_begin(site, shape, missing, count, false, keepers, few, &fan, NULL) ? NULL : fan;
}

void ms_value_hint_end(const struct ms_site *site, struct ms_fan *fan)
{
    if (fan)
        (void)!note_end(site, fan, 0, NULL);
}

void ms_value_hint(const struct ms_site *site, const struct ms_value_shape *shape,
                   const struct ms_value_place missing[], size_t count, const uint16_t keepers[],
                   size_t keeper_count)
{
    ms_value_hint_end(site,
                      ms_value_hint_begin(site, shape, missing, count, keepers, keeper_count));
}

int ms_value_missed(const struct ms_site *site, const struct ms_value_shape *shape,
                    const struct ms_value_place missing[], size_t count, bool (*done)(void *ctx),
                    void *ctx, struct ms_error *err)
{
    struct ms_roster *r = site->roster;
    uint16_t keepers[MS_MEMBERS_MAX];
    bool missed[MS_MEMBERS_MAX] = {0};
    size_t keeping = 0;
    for (size_t i = 0; i < count; i++)
        missed[missing[i].member] = true;
    for (size_t i = 0; i < r->layout->member_count; i++)
        if (r->layout->members[i].state != MS_GONE && !missed[i])
            keepers[keeping++] = (uint16_t)i;
    struct ms_fan *fan = NULL;
    int code = note_begin(site, shape, missing, count, shape->kind == MS_OWN_VALUE, keepers,
                          keeping, &fan, err);
    if (!code)
        code = note_end(site, fan, ms_away_majority(r->layout), err);
    return code ? code : ms_lease_disbelieve(r, missed, done, ctx, err);
}
