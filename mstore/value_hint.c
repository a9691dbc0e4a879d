/* mstore/value_hint.c - notes, kept on members, of objects that other members lack: what heal looks
 * at first. Nothing depends on them: scrub finds the same without. */
#include "mstore/value_parts.h"

#include <stdlib.h>

#define KEEPERS 2

struct noting { /* shared with the calls */
    struct ms_value_home home;
    uint16_t keepers[KEEPERS];
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
                               .id = n->home.shape.id,
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

void ms_value_hint(const struct ms_site *site, const struct ms_value_shape *shape,
                   const struct ms_value_place missing[], size_t count, const uint16_t keepers[],
                   size_t keeper_count)
{
    struct noting *n = calloc(1, sizeof *n + count * sizeof *n->missing);
    struct ms_fan *fan = NULL;
    unsigned legs = keeper_count < KEEPERS ? (unsigned)keeper_count : KEEPERS;
    if (!n || ms_value_home_init(&n->home, site, shape, NULL)) {
        free(n);
        return;
    }
    memcpy(n->keepers, keepers, legs * sizeof *keepers);
    memcpy(n->missing, missing, count * sizeof *missing);
    n->count = count;
    if (ms_fan_new(legs, note_leg, noting_free, n, &fan, NULL)) {
        noting_free(n);
        return;
    }
    unsigned ended;
    uint64_t deadline = ms_clock_now(site->roster->clock) + MS_SECOND;
    for (unsigned i = 0; i < legs; i++)
        ms_fan_start(fan, i);
    while (ms_fan_next(fan, site->roster->clock, deadline, &ended))
        continue;
    ms_fan_release(fan);
}
