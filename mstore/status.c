/* mstore/status.c - what is known of an MStore: its members, asked at once, and its policies. */
#include "mstore/inquiry.h"
#include "mstore/self.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"
#include "mstore/layout_parts.h"

#include <mstore/multi.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>

/* The public struct, and all that it points to. */
struct status {
    struct ms_mstore_status base;
    struct ms_roster *roster;
    struct ms_mstore_member *members;
    struct ms_mstore_space *spaces;
    struct ms_error *troubles; /* by member, like the next */
    atomic_bool *behind;
    char (*redundancy)[MS_REDUNDANCY_TEXT]; /* by space */
};

void ms_mstore_status_free(struct ms_mstore_status *base)
{
    struct status *s = (struct status *)base;
    if (!s)
        return;
    ms_roster_unref(s->roster);
    free(s->members);
    free(s->spaces);
    free(s->troubles);
    free(s->behind);
    free(s->redundancy);
    free(s);
}

static const char *const breakers[] = {
    [MS_HEALTH_CLOSED] = "closed", [MS_HEALTH_OPEN] = "open", [MS_HEALTH_HALF_OPEN] = "half open"};

struct notes { /* on one member */
    struct status *s;
    struct ms_name folder;
};

/* A folder for each member that something is noted about. */
static int take_noted(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct notes *n = ctx;
    const struct ms_layout *l = n->s->roster->layout;
    (void)err;
    for (size_t i = 0; i < l->member_count; i++) {
        char hex[MS_UUID_HEX];
        ms_hex_encode(hex, l->members[i].uuid.bytes, sizeof l->members[i].uuid.bytes);
        if (ms_equal(entry->name, ms_str(hex)))
            atomic_store(&n->s->behind[i], true);
    }
    return 0;
}

/* What a member has noted about others: one call. A failure only means that less is known. */
static void ask_notes(struct status *s, struct ms_member *m)
{
    static const struct ms_list_request request = {.names_only = true};
    struct notes n = {.s = s};
    const struct ms_own_name any = {
        .kind = MS_OWN_HINT, .store = s->roster->layout->uuid, .key = ms_str("a")};
    int code = ms_own_folder(&any, MS_OWN_OF_KIND, 0, &n.folder, NULL);
    struct ms_view folder = ms_name_view(&n.folder);
    while (folder.size && folder.data[folder.size - 1] != '/') /* of all members, not of one */
        folder.size--;
    folder.size -= folder.size > 0;
    if (!code)
        (void)!ms_member_list(m, folder, &request, take_noted, &n, NULL);
}

static int ask_one(void *arg, size_t i)
{
    struct status *s = arg;
    struct ms_member *m = s->roster->members[i];
    struct ms_mstore_member *out = &s->members[i];
    struct ms_health_view health;
    uint64_t proposed;
    if (!m)
        return 0;
    out->code = ms_member_open(m, &s->troubles[i]);
    if (!out->code)
        out->code = ms_member_usage(m, &out->total_bytes, &out->free_bytes, &s->troubles[i]);
    if (!out->code)
        out->code = ms_inquiry_latest(m, &s->roster->layout->uuid, &out->layout, &proposed,
                                      &s->troubles[i]);
    if (!out->code)
        ask_notes(s, m);
    ms_health_view(ms_member_health(m), ms_clock_now(s->roster->clock),
                   ms_clock_wall(s->roster->clock), &health);
    out->latency_ns = health.expected_ns;
    out->calls = health.calls;
    out->errors = health.errors;
    out->refused = health.refused;
    out->opened = health.opened;
    out->breaker = breakers[health.state];
    return 0;
}

static void describe_member(struct status *s, size_t i)
{
    const struct ms_layout_member *m = &s->roster->layout->members[i];
    struct ms_mstore_member *out = &s->members[i];
    out->name = m->name;
    out->zone = m->zone;
    out->state = ms_layout_states[m->state];
    out->weight = m->weight;
    out->total_bytes = out->free_bytes = UINT64_MAX;
    out->breaker = breakers[MS_HEALTH_CLOSED];
    out->trouble = s->troubles[i].text;
    if (s->roster->members[i]) {
        out->url = ms_member_url(s->roster->members[i]);
    } else if (m->state != MS_GONE) {
        out->code = ms_error_set(&s->troubles[i], MS_ERR_CONFIG,
                                 "the configuration has no url of member %s", m->name);
    }
}

static void describe_space(struct status *s, size_t i)
{
    const struct ms_layout *l = s->roster->layout;
    const struct ms_layout_space *space = &l->spaces[i];
    s->spaces[i] = (struct ms_mstore_space){
        .name = space->name,
        .kind = ms_layout_kinds[space->kind],
        .redundancy = ms_redundancy_format(space, s->redundancy[i]),
        .targets = ms_layout_targets(l, space),
        .tolerates = ms_layout_tolerates(l, space),
    };
}

static int allocate(struct status *s, struct ms_error *err)
{
    const struct ms_layout *l = s->roster->layout;
    s->members = calloc(l->member_count + 1, sizeof *s->members);
    s->troubles = calloc(l->member_count + 1, sizeof *s->troubles);
    s->behind = calloc(l->member_count + 1, sizeof *s->behind);
    s->spaces = calloc(l->space_count + 1, sizeof *s->spaces);
    s->redundancy = calloc(l->space_count + 1, sizeof *s->redundancy);
    return s->members && s->troubles && s->behind && s->spaces && s->redundancy
               ? 0
               : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the state of a store");
}

int ms_mstore_status(struct ms_store *store, struct ms_mstore_status **out, struct ms_error *err)
{
    struct ms_self *self = ms_self_of(store);
    if (!ms_store_is_mstore(store))
        return ms_error_set(err, MS_ERR_INVALID, "%s is not a store of many members",
                            ms_store_url(store));
    struct status *s = calloc(1, sizeof *s);
    if (!s)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the state of a store");
    s->roster = ms_self_roster(self);
    const struct ms_layout *l = s->roster->layout;
    int code = allocate(s, err);
    for (size_t i = 0; i < l->member_count && !code; i++)
        describe_member(s, i);
    for (size_t i = 0; i < l->space_count && !code; i++)
        describe_space(s, i);
    if (!code)
        code = ms_parallel(l->member_count, (unsigned)l->member_count, ask_one, s, err);
    if (code) {
        ms_mstore_status_free(&s->base);
        return code;
    }
    for (size_t i = 0; i < l->member_count; i++)
        s->members[i].behind = atomic_load(&s->behind[i]);
    s->base.epoch = l->epoch;
    s->base.proposed = s->roster->next ? s->roster->next->epoch : 0;
    s->base.placement = ms_layout_placements[l->placement];
    s->base.members = s->members;
    s->base.member_count = l->member_count;
    s->base.spaces = s->spaces;
    s->base.space_count = l->space_count;
    ms_uuid_format(&l->uuid, s->base.uuid);
    *out = &s->base;
    return 0;
}
