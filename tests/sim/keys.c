/* The keys of an MStore behind the face of a Store: see keys.h. Slots that clients of the
 * simulation do not use are left out. */
#include "tests/sim/keys.h"

#include "mstore/follow.h"
#include "mstore/immutable.h"
#include "mstore/lease.h"
#include "mstore/mutable_parts.h"
#include "mstore/upkeep.h"
#include "store/store.h"

#include "tests/sim/clients.h"
#include "tests/sim/lies.h"
#include "tests/sim/settle.h"

#include <stdlib.h>

static const char layout_text[] =
    "[mstore]\nformat = 1\nuuid = 5d8e0102-0304-4506-8708-090a0b0c0d0e\nepoch = 1\n"
    "phase = final\n"
    "[member a]\nuuid = 11111111-1111-4111-8111-111111111111\n"
    "[member b]\nuuid = 22222222-2222-4222-8222-222222222222\n"
    "[member c]\nuuid = 33333333-3333-4333-8333-333333333333\n"
    "[namespace config]\nkind = mutable\nredundancy = all\n"
    "[namespace data]\nkind = immutable\nredundancy = copies 3\n";
static const struct ms_seal_key seal_key = {{1, 2, 3}};

/* Ways to get leases wrong, and conditions. */
enum flaw { NO_FLAW, NO_WAIT, NOT_CHECKED, ONE_MARK, ASSUMED_AGE, LOOK_FIRST, LEFT_WINNER };

struct keys_store {
    struct ms_store base;
    struct sim_world *world;
    enum flaw flaw;
    struct ms_roster *roster;
    struct ms_mutable *verbs; /* of mutable keys; NULL: they are immutable */
    struct ms_ids *ids;       /* of immutable ones */
};

static struct keys_store *self_of(struct ms_store *s)
{
    return (struct keys_store *)s;
}

/* ---- members ---- */

static int make_member(struct sim_world *w, unsigned client, const struct ms_layout *layout,
                       unsigned i, struct ms_member **out, struct ms_error *err)
{
    struct ms_backend *backend = NULL;
    int code = sim_member_handle(w, client, i, &backend, err);
    if (code)
        return code;
    struct ms_member_options options = {.name = layout->members[i].name,
                                        .store = layout->uuid,
                                        .uuid = layout->members[i].uuid,
                                        .key = &seal_key,
                                        .clock = &w->clients[client].clock,
                                        .seed = sim_below(w, UINT64_MAX)};
    code = ms_member_new(&options, backend, out, err);
    if (code)
        ms_backend_free(backend);
    return code;
}

static void unref_members(struct ms_member *members[SIM_MEMBERS_MAX])
{
    for (unsigned i = 0; i < SIM_MEMBERS_MAX; i++)
        ms_member_unref(members[i]);
}

static int make_roster(struct sim_world *w, unsigned client, struct ms_roster **out,
                       struct ms_error *err)
{
    struct ms_member *members[SIM_MEMBERS_MAX] = {0};
    struct ms_layout *layout = NULL;
    int code = ms_layout_parse(ms_str(layout_text), "layout", &layout, err);
    for (unsigned i = 0; !code && i < w->member_count; i++)
        code = make_member(w, client, layout, i, &members[i], err);
    if (!code)
        code = ms_roster_new(layout, members, &w->clients[client].clock, &seal_key, out, err);
    if (code)
        ms_layout_free(layout);
    unref_members(members);
    return code;
}

/* ---- verbs of mutable keys ---- */

static int slot_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                     struct ms_buf **out, struct ms_error *err)
{
    struct ms_site site;
    struct ms_load_options options = MS_LOAD_OPTIONS_INIT;
    options.offset = offset;
    options.size = size;
    options.deleted = item.deleted;
    int code = ms_site_of(self_of(s)->roster, item.key, item.deleted, &site, err);
    return code ? code : ms_mutable_load(self_of(s)->verbs, &site, &options, out, err);
}

/* Looks, then stores without a condition. */
static int look_and_store(struct ms_mutable *verbs, const struct ms_site *site,
                          struct ms_buf *value, struct ms_store_value_options *o,
                          struct ms_tag *tag, struct ms_error *err)
{
    struct ms_item_info info = {0};
    int code = ms_mutable_info(verbs, site, false, &info, err);
    bool tagged = o->precondition.kind == MS_IF_TAG;
    if (!code && tagged ? strcmp(info.tag.text, o->precondition.tag.text) != 0 : info.exists)
        code = ms_error_set(err, MS_ERR_CONFLICT, "something else is there");
    o->precondition.kind = MS_ALWAYS;
    return code ? code : ms_mutable_store(verbs, site, value, o, tag, err);
}

/* Only if nothing is there: decided, but who loses puts nothing. */
static int store_or_leave(struct ms_mutable *verbs, const struct ms_site *site,
                          struct ms_buf *value, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_newest n = {0};
    struct ms_follower mine = {.value = value}, follower = {0};
    bool passed;
    int code = ms_newest_of(site, &(struct ms_want){0}, &n, err);
    if (!code && n.found && n.version.mark == MS_OWN_LIVE)
        code = ms_error_set(err, MS_ERR_EXISTS, "it is there");
    if (!code)
        code = ms_mutable_next(verbs, n.seen, ms_buf_size(value), MS_OWN_LIVE, false, &mine.version,
                               err);
    mine.writer = mine.version.id.writer;
    if (!code)
        code = ms_follow_decide(n.seen, &n.version.id, &mine, &follower, &passed, err);
    if (!code && follower.writer != mine.writer)
        code = ms_error_set(err, MS_ERR_EXISTS, "another was first");
    if (!code)
        code = ms_follow_put(n.seen, &follower, err);
    if (!code)
        ms_version_tag(&follower.version, tag);
    ms_follower_end(&follower);
    ms_newest_end(&n);
    return code;
}

static int slot_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                      const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_site site;
    struct ms_store_value_options options = MS_STORE_VALUE_OPTIONS_INIT;
    options.precondition = *pre;
    int code = ms_site_of(self_of(s)->roster, item.key, item.deleted, &site, err);
    if (code)
        return code;
    if (pre->kind != MS_ALWAYS && self_of(s)->flaw == LOOK_FIRST)
        return look_and_store(self_of(s)->verbs, &site, value, &options, tag, err);
    if (pre->kind == MS_IF_ABSENT && self_of(s)->flaw == LEFT_WINNER)
        return store_or_leave(self_of(s)->verbs, &site, value, tag, err);
    return ms_mutable_store(self_of(s)->verbs, &site, value, &options, tag, err);
}

static int slot_info(struct ms_store *s, struct ms_item_ref item, struct ms_item_info *out,
                     struct ms_error *err)
{
    struct ms_site site;
    int code = ms_site_of(self_of(s)->roster, item.key, item.deleted, &site, err);
    return code ? code : ms_mutable_info(self_of(s)->verbs, &site, item.deleted, out, err);
}

static int slot_remove(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    struct ms_site site;
    int code = ms_site_of(self_of(s)->roster, item.key, item.deleted, &site, err);
    return code ? code : ms_mutable_delete(self_of(s)->verbs, &site, item.deleted, err);
}

/* ---- verbs of immutable keys ---- */

static int fixed_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                      struct ms_buf **out, struct ms_error *err)
{
    struct ms_site site;
    int code = ms_site_of(self_of(s)->roster, item.key, item.deleted, &site, err);
    return code ? code : ms_immutable_load(&site, offset, size, out, err);
}

static int fixed_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                       const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct ms_site site;
    *tag = (struct ms_tag){0};
    int code = ms_site_of(self_of(s)->roster, item.key, item.deleted, &site, err);
    return code ? code : ms_immutable_store(&site, self_of(s)->ids, value, pre, err);
}

static int fixed_info(struct ms_store *s, struct ms_item_ref item, struct ms_item_info *out,
                      struct ms_error *err)
{
    struct ms_site site;
    int code = ms_site_of(self_of(s)->roster, item.key, item.deleted, &site, err);
    return code ? code : ms_immutable_info(&site, out, err);
}

/* All marks of absence but those on the first member. */
static int drop_mark(void *ctx, struct ms_view name, struct ms_error *err)
{
    (void)err;
    if (memmem(name.data, name.size, "/away/", 6))
        (void)!ms_backend_delete(ctx, name, NULL);
    return 0;
}

static void drop_marks(struct sim_world *w)
{
    for (unsigned i = 1; i < w->member_count; i++) {
        MS_HOLD(&w->members[i].mutex);
        (void)!sim_disk_walk(w->members[i].disk, drop_mark, w->members[i].disk, NULL);
    }
}

static int fixed_remove(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    struct ms_site site;
    int code = ms_site_of(self_of(s)->roster, item.key, item.deleted, &site, err);
    if (!code)
        code = ms_immutable_delete(&site, self_of(s)->ids, err);
    if (self_of(s)->flaw == ONE_MARK)
        drop_marks(self_of(s)->world);
    return code;
}

static int fixed_move(struct ms_store *s, enum ms_move how, struct ms_view key,
                      struct ms_view new_key, bool deleted, const struct ms_precondition *pre,
                      struct ms_error *err)
{
    struct ms_site site;
    (void)new_key, (void)pre;
    int code = ms_site_of(self_of(s)->roster, key, deleted, &site, err);
    if (code)
        return code;
    return how == MS_MOVE_UNDELETE ? ms_immutable_undelete(&site, self_of(s)->ids, err)
                                   : ms_immutable_soft_delete(&site, self_of(s)->ids, err);
}

/* ---- life ---- */

static int slot_nothing(struct ms_store *s, struct ms_error *err)
{
    (void)s, (void)err;
    return 0; /* members open themselves when they are needed */
}

static void slot_free(struct ms_store *s)
{
    ms_mutable_free(self_of(s)->verbs);
    ms_ids_free(self_of(s)->ids);
    ms_roster_unref(self_of(s)->roster);
    free(s);
}

static const struct ms_store_ops mutable_ops = {
    .open = slot_nothing,
    .close = slot_nothing,
    .free = slot_free,
    .load = slot_load,
    .store = slot_store,
    .info = slot_info,
    .remove = slot_remove,
};

static const struct ms_store_ops immutable_ops = {
    .open = slot_nothing,
    .close = slot_nothing,
    .free = slot_free,
    .load = fixed_load,
    .store = fixed_store,
    .info = fixed_info,
    .remove = fixed_remove,
    .move = fixed_move,
};

int sim_keys_create(struct sim_world *w, unsigned client, struct ms_error *err)
{
    struct ms_roster *roster = NULL;
    int code = make_roster(w, client, &roster, err);
    for (unsigned i = 0; !code && i < w->member_count; i++)
        code = ms_member_create(roster->members[i], err);
    ms_roster_unref(roster);
    return code;
}

/* Who does not wait takes the terms of others, long ones, for short; who does not check takes his
 * own for long. */
static uint64_t term_of(const struct sim_world *w, enum flaw flaw, unsigned client)
{
    bool odd = client % 2;
    switch (flaw) {
    case NO_WAIT:
        return odd ? 40 * SIM_MS : 5 * SIM_SECOND;
    case NOT_CHECKED:
        return odd ? 60 * SIM_MINUTE : w->lease_ns;
    case NO_FLAW:
    case ONE_MARK:
    case ASSUMED_AGE:
    case LOOK_FIRST:
    case LEFT_WINNER:
    default:
        return w->lease_ns;
    }
}

/* Recalls the marks that it is going to put, as if each had been there from the beginning on: ids
 * are drawn from the lease's seed, two numbers for each. */
static void assume_ages(struct ms_roster *roster, uint64_t seed)
{
    struct ms_away_known known[MS_AWAY_KEPT];
    const struct ms_layout *layout = roster->layout;
    struct ms_random random;
    size_t count = 0;
    ms_random_seed(&random, seed);
    while (count + layout->member_count <= MS_AWAY_KEPT) {
        struct ms_write_id id = {.counter = ms_random_u64(&random)};
        id.writer = ms_random_u64(&random);
        for (size_t i = 0; i < layout->member_count; i++)
            known[count++] = (struct ms_away_known){.mark = {layout->members[i].uuid, id, false},
                                                    .since_ns = 1,
                                                    .seen_ns = 1 + ms_lease_now(roster)};
    }
    ms_lease_recall(roster, known, count);
}

static int open_keys(struct sim_world *w, unsigned client, const struct ms_store_ops *ops,
                     enum flaw flaw, struct ms_store **out, struct ms_error *err)
{
    struct keys_store *self = calloc(1, sizeof *self);
    if (!self)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a Store");
    self->base =
        (struct ms_store){.ops = ops, .url = "sim:keys", .clock = &w->clients[client].clock};
    self->world = w;
    self->flaw = flaw;
    int code = make_roster(w, client, &self->roster, err);
    uint64_t seed = code ? 0 : 1 + sim_below(w, UINT64_MAX);
    if (!code)
        ms_lease_configure(self->roster->lease, seed, term_of(w, flaw, client));
    if (!code && flaw == ASSUMED_AGE)
        assume_ages(self->roster, seed);
    if (!code && ops == &mutable_ops)
        code = ms_mutable_new(1000 + client, &self->verbs, err);
    if (!code && ops == &immutable_ops)
        code = ms_ids_new_seeded(1000 + client, &self->ids, err);
    if (!code)
        code = ms_store_open(&self->base, err);
    if (code)
        slot_free(&self->base);
    else
        *out = &self->base;
    return code;
}

int sim_mutable_open(struct sim_world *w, unsigned client, struct ms_store **out,
                     struct ms_error *err)
{
    return open_keys(w, client, &mutable_ops, NO_FLAW, out, err);
}

int sim_look_first_open(struct sim_world *w, unsigned client, struct ms_store **out,
                        struct ms_error *err)
{
    return open_keys(w, client, &mutable_ops, LOOK_FIRST, out, err);
}

int sim_left_winner_open(struct sim_world *w, unsigned client, struct ms_store **out,
                         struct ms_error *err)
{
    return open_keys(w, client, &mutable_ops, LEFT_WINNER, out, err);
}

int sim_immutable_open(struct sim_world *w, unsigned client, struct ms_store **out,
                       struct ms_error *err)
{
    return open_keys(w, client, &immutable_ops, NO_FLAW, out, err);
}

int sim_no_wait_open(struct sim_world *w, unsigned client, struct ms_store **out,
                     struct ms_error *err)
{
    return open_keys(w, client, &immutable_ops, NO_WAIT, out, err);
}

int sim_not_checked_open(struct sim_world *w, unsigned client, struct ms_store **out,
                         struct ms_error *err)
{
    return open_keys(w, client, &immutable_ops, NOT_CHECKED, out, err);
}

int sim_one_mark_open(struct sim_world *w, unsigned client, struct ms_store **out,
                      struct ms_error *err)
{
    return open_keys(w, client, &immutable_ops, ONE_MARK, out, err);
}

int sim_assumed_age_open(struct sim_world *w, unsigned client, struct ms_store **out,
                         struct ms_error *err)
{
    return open_keys(w, client, &immutable_ops, ASSUMED_AGE, out, err);
}

int sim_unstaged_open(struct sim_world *w, unsigned client, struct ms_store **out,
                      struct ms_error *err)
{
    w->lies = SIM_LIE_UNSTAGED;
    return open_keys(w, client, &immutable_ops, NO_FLAW, out, err);
}

int sim_mutable_heal(struct sim_world *w, unsigned client, struct ms_store *s, struct ms_error *err)
{
    (void)client;
    int code = 0;
    for (unsigned key = 0; !code && key < w->key_count; key++) {
        char name[SIM_KEY_SIZE], whole[SIM_KEY_SIZE + 8];
        sim_key_name(key, name);
        snprintf(whole, sizeof whole, "config/%s", name);
        struct ms_site site;
        bool done = false;
        code = ms_site_of(self_of(s)->roster, ms_str(whole), false, &site, err);
        if (!code)
            code = ms_mutable_heal(&site, &done, err);
        if (!code && !done)
            code =
                ms_error_set(err, MS_ERR_CONNECTION, "%s could not be healed at all voters", whole);
    }
    return code;
}

/* Deep: bits may have been flipped. left: what was deleted a moment ago was left alone. */
static int heal_immutable(struct ms_store *s, bool *left, struct ms_error *err)
{
    struct ms_upkeep_options options = MS_UPKEEP_OPTIONS_INIT;
    struct ms_upkeep_report *report = NULL;
    options.deep = true;
    int code = ms_upkeep_run(NULL, self_of(s)->roster, MS_UPKEEP_HEAL, &options, &report, err);
    *left = report && report->found[MS_FIND_UNJUDGED];
    ms_upkeep_report_free(report);
    return code;
}

int sim_immutable_heal(struct sim_world *w, unsigned client, struct ms_store *s,
                       struct ms_error *err)
{
    bool left = false;
    (void)client;
    int code = heal_immutable(s, &left, err);
    if (!code && left && !w->calm)
        return ms_error_set(err, MS_ERR_BUSY,
                            "what was deleted a moment ago is left to a later heal");
    if (!code && left)
        code = ms_sleep(w->clock, 21 * SIM_MINUTE, err);
    return code || !left ? code : heal_immutable(s, &left, err);
}

int sim_keys_settle(struct sim_world *w, struct ms_store *s, struct ms_error *err)
{
    return sim_settle(w, NULL, self_of(s)->roster, err);
}
