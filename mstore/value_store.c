/* mstore/value_store.c - a value in memory onto the members of a site: all frames made, then all
 * members called at once.
 *
 *     a call fails    its object goes to the next member in the order that nobody has asked yet
 *     enough          the rest gets as long as is normal, and is left behind
 *     late, and not   the objects of the late ones go to further members, too
 *     enough
 *
 * What is left behind goes on with references of its own. */
#include "mstore/value_store_parts.h"

#include "base/assert.h"
#include "base/text.h"
#include "mstore/tombs.h"

#include <stdatomic.h>

#include <stdlib.h>

struct put { /* shared with the calls */
    struct ms_value_home home;
    unsigned frame_count;
    struct ms_buf *frames[255];
    struct ms_buf *empty;              /* the mark at a witness */
    atomic_bool left;                  /* the caller has gone on */
    unsigned shard_of[MS_MEMBERS_MAX]; /* by place in the order, like the next */
    atomic_bool maybe[MS_MEMBERS_MAX]; /* its call has failed, but may still take effect */
};

static void put_free(void *shared)
{
    struct put *p = shared;
    for (unsigned i = 0; i < p->frame_count; i++)
        ms_buf_unref(p->frames[i]);
    ms_buf_unref(p->empty);
    ms_value_home_fini(&p->home);
    free(p);
}

/* Leg i: the i-th member of the order. */
static int put_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct put *p = shared;
    struct ms_name name;
    struct ms_member *m = NULL;
    unsigned shard = p->shard_of[leg];
    int code = ms_value_member(&p->home.site, p->home.site.order.member[leg], &m, err);
    if (!code)
        code = ms_value_name(&p->home.site, &p->home.shape, shard, &name, err);
    if (code)
        return code;
    struct ms_buf *bytes = shard == MS_VALUE_MARK ? p->empty : p->frames[shard];
    bool maybe = false;
    code = ms_member_put(m, ms_name_view(&name), bytes, &maybe, err);
    atomic_store(&p->maybe[leg], maybe);
    if (!code && atomic_load(&p->left) && p->home.shape.kind == MS_OWN_VALUE)
        ms_tombs_late(&p->home.site, m, ms_name_view(&name));
    return code;
}

static int put_new(const struct ms_site *site, const struct ms_value_shape *shape,
                   struct ms_buf *value, struct put **out, struct ms_error *err)
{
    struct put *p = calloc(1, sizeof *p);
    if (!p)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for storing a value");
    int code = ms_value_home_init(&p->home, site, shape, err);
    if (!code)
        code = ms_value_encode(&p->home.shape, MS_FRAME_BLOCK_DEFAULT, ms_buf_view(value),
                               p->frames, err);
    if (!code) {
        p->frame_count = ms_value_shards(shape);
        p->empty = ms_buf_new(0);
        if (!p->empty)
            code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for storing a value");
    }
    if (code) {
        put_free(p);
        return code;
    }
    *out = p;
    return 0;
}

static void start_leg(void *ctx, unsigned leg, unsigned shard)
{
    struct ms_value_acks *a = ctx;
    ((struct put *)a->shared)->shard_of[leg] = shard;
    ms_fan_start(a->fan, leg);
}

/* ---- what may still come ---- */

struct pending {
    struct ms_value_acks *acks;
    const struct put *put;
};

static unsigned list_pending(const struct pending *p, struct ms_value_place out[])
{
    const struct ms_value_acks *a = p->acks;
    unsigned count = 0;
    for (unsigned i = 0; i < a->site->order.data; i++)
        if (a->state[i] == MS_LEG_RUNNING ||
            (a->state[i] == MS_LEG_FAILED && atomic_load(&p->put->maybe[i])))
            out[count++] = (struct ms_value_place){.member = a->site->order.member[i],
                                                   .shard = (uint8_t)p->put->shard_of[i]};
    return count;
}

/* Takes back what has ended meanwhile. */
static bool nothing_pending(void *ctx)
{
    struct pending *p = ctx;
    struct ms_value_place places[MS_MEMBERS_MAX];
    unsigned leg;
    while (ms_fan_next(p->acks->fan, p->acks->clock, ms_clock_now(p->acks->clock), &leg))
        ms_value_acks_take(p->acks, leg);
    return list_pending(p, places) == 0;
}

/* A copy that comes after a deletion, when that has found nothing at the member, would bring the
 * value back: nobody may believe the member then. */
static int outlive_pending(struct ms_value_acks *a, const struct put *put, struct ms_error *err)
{
    struct pending p = {a, put};
    struct ms_value_place places[MS_MEMBERS_MAX];
    unsigned count = list_pending(&p, places);
    if (!count || a->shape->kind != MS_OWN_VALUE || !(ms_value_acks_enough(a) || a->rule->again))
        return 0;
    return ms_value_missed(a->site, a->shape, places, count, nothing_pending, &p, err);
}

int ms_value_store(const struct ms_site *site, const struct ms_value_shape *shape,
                   const struct ms_value_rule *rule, struct ms_buf *value,
                   struct ms_value_result *result, struct ms_error *err)
{
    struct put *p = NULL;
    struct ms_value_acks acks;
    ms_assert(shape->has_write_id);
    int code = put_new(site, shape, value, &p, err);
    if (code)
        return code;
    ms_value_acks_init(&acks, site, shape, rule);
    acks.start = start_leg;
    acks.shared = p;
    acks.bytes = p->frame_count ? ms_buf_size(p->frames[0]) : 0;
    code =
        ms_fan_new(site->order.data + site->order.witnesses, put_leg, put_free, p, &acks.fan, err);
    if (code) {
        put_free(p);
        return code;
    }
    ms_value_acks_start(&acks);
    ms_value_acks_wait(&acks);
    atomic_store(&p->left, true); /* not freed: the fan has not been released */
    code = outlive_pending(&acks, p, err);
    if (result)
        *result = (struct ms_value_result){.loose = code != 0};
    if (!code)
        code = ms_value_acks_end(&acks, result, err);
    ms_value_acks_fini(&acks);
    ms_fan_release(acks.fan);
    return code;
}
