/* mstore/versions_errand.c - see mstore/versions_parts.h. */
#include "mstore/versions_parts.h"

#include "mstore/hedge.h"

#include <stdlib.h>

static void errand_free(void *arg)
{
    struct ms_errand *e = arg;
    for (unsigned i = 0; i < e->legs; i++) {
        free(e->leg[i].held);
        ms_buf_unref(e->leg[i].value);
    }
    ms_roster_unref(e->roster);
    free(e);
}

/* Copies the key behind the legs, since the operation's views end before a straggler may. */
static void own_key(struct ms_errand *e, const struct ms_site *site)
{
    uint8_t *text = (uint8_t *)&e->leg[e->legs];
    memcpy(text, site->space_path.data, site->space_path.size);
    memcpy(text + site->space_path.size, site->key.data, site->key.size);
    e->own = (struct ms_own_name){.kind = MS_OWN_OBJECT,
                                  .store = site->roster->layout->uuid,
                                  .space = ms_view(text, site->space_path.size),
                                  .key = ms_view(text + site->space_path.size, site->key.size),
                                  .level = site->level};
}

int ms_errand_new(const struct ms_versions *v, ms_fan_fn fn, struct ms_errand **out,
                  struct ms_fan **fan, struct ms_error *err)
{
    const struct ms_site *site = v->site;
    size_t text = site->space_path.size + site->key.size;
    struct ms_errand *e = calloc(1, sizeof *e + v->count * sizeof *e->leg + text);
    if (!e)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for calls on %u members", v->count);
    e->roster = ms_roster_ref(site->roster);
    e->legs = v->count;
    e->times = v->times;
    own_key(e, site);
    for (unsigned i = 0; i < v->count; i++) {
        e->leg[i].member = v->voter[i].member;
        e->leg[i].index = v->voter[i].index;
    }
    int code = ms_fan_new(v->count, fn, errand_free, e, fan, err);
    if (code)
        errand_free(e);
    else
        *out = e;
    return code;
}

int ms_errand_add(struct ms_errand_leg *leg, const struct ms_held *held, struct ms_error *err)
{
    return ms_held_add(&leg->held, &leg->count, &leg->room, held, err);
}

int ms_errand_name(const struct ms_errand *e, const struct ms_held *held, struct ms_name *out,
                   struct ms_error *err)
{
    struct ms_own_name own = e->own;
    own.id = held->version.id;
    own.size = held->version.size;
    own.mark = held->version.mark;
    own.k = held->version.k;
    own.m = held->version.m;
    own.index = held->index;
    return ms_own_format(&own, 0, out, err);
}

bool ms_errand_hedge(const struct ms_versions *v)
{
    struct ms_hedge *budget = v->site->roster->hedge;
    if (!budget || !ms_hedge_take(budget))
        return false;
    ms_site_count(v->site, MS_EVENT_HEDGE);
    return true;
}

void ms_errand_note(struct ms_versions *v, unsigned voter, const struct ms_fan *fan)
{
    struct ms_error *why = &v->voter[voter].why;
    if (ms_fan_code(fan, voter))
        *why = *ms_fan_error(fan, voter);
    else
        why->code = 0;
}
