/* mstore/self_new.c - the making of an MStore from its configuration and the members' storages. */
#include "mstore/self.h"

#include <stdio.h>
#include <stdlib.h>

#define JOBS_DEFAULT 16

/* Takes the backends, also on failure. */
static int make_members(struct ms_self *self, struct ms_backend *backends[],
                        const struct ms_self_options *o, struct ms_error *err)
{
    const struct ms_layout *l = self->conf->shared;
    int code = 0;
    size_t i = 0;
    for (; i < l->member_count && !code; i++) {
        const struct ms_member_options options = {.name = l->members[i].name,
                                                  .key = &self->conf->key,
                                                  .clock = o->clock,
                                                  .seed = o->seed + 1000 + i,
                                                  .counted_as = o->name,
                                                  .keeps_values = l->placement == MS_PLACE_BUCKETS};
        code = ms_member_new(&options, backends[i], &self->members[i], err);
        if (code)
            ms_backend_free(backends[i]);
        else
            self->member_count++;
    }
    for (; i < l->member_count; i++)
        ms_backend_free(backends[i]);
    return code;
}

int ms_self_new(struct ms_mconf *conf, struct ms_backend *backends[],
                const struct ms_self_options *o, struct ms_store **out, struct ms_error *err)
{
    struct ms_self *self = calloc(1, sizeof *self);
    struct ms_member **members = calloc(MS_MEMBERS_MAX, sizeof(struct ms_member *));
    if (!self || !members) {
        for (size_t i = 0; i < conf->shared->member_count; i++)
            ms_backend_free(backends[i]);
        free(self);
        free(members);
        ms_mconf_free(conf);
        if (o->find_free)
            o->find_free(o->find_ctx);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a store of many members");
    }
    self->base.ops = &ms_self_ops;
    snprintf(self->base.url, sizeof self->base.url, "%s", o->name);
    self->base.clock = o->clock;
    self->base.jobs = o->jobs ? o->jobs : JOBS_DEFAULT;
    self->conf = conf;
    self->members = members;
    self->state_folder = o->state_folder ? strdup(o->state_folder) : NULL;
    self->find_member = o->find_member;
    self->find_ctx = o->find_ctx;
    self->find_free = o->find_free;
    self->seed = o->seed;
    self->lease_ns = o->lease_ns;
    self->boot = o->boot;
    ms_mutex_init(&self->mutex);
    ms_cond_init(&self->renewed);
    int code = make_members(self, backends, o, err);
    if (!code && o->waiting)
        code = ms_notice_new(o->waiting, o->waiting_ctx, &self->notice, err);
    if (!code)
        code = o->deterministic ? ms_ids_new_seeded(o->seed, &self->ids, err)
                                : ms_ids_new(&self->ids, err);
    if (!code)
        code = ms_mutable_new(ms_ids_draw(self->ids), &self->mutable, err);
    if (code) {
        ms_self_ops.free(&self->base);
        return code;
    }
    *out = &self->base;
    return 0;
}
