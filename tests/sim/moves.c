/* Values that are moved: see moves.h. Value n has the keys 2n and 2n+1. */
#include "tests/sim/moves.h"
#include "tests/sim/operations.h"
#include "tests/sim/values.h"
#include "tests/sim/whole.h"

#include "base/cleanup.h"
#include "base/text.h"

#define CONF(NAMESPACE)                                                                            \
    "[mstore]\nkey = 0000000000000000000000000000000000000000000000000000000000004713\n"           \
    "[member m0]\nurl = memory:sim0\n[member m1]\nurl = memory:sim1\n"                             \
    "[member m2]\nurl = memory:sim2\n[namespace moved]\n" NAMESPACE

static const char *const confs[] = {
    [SIM_MOVES_COPIES] = CONF("kind = immutable\nredundancy = copies 3\n"),
    [SIM_MOVES_CODED] = CONF("kind = immutable\nredundancy = ec 2+1\n"),
    [SIM_MOVES_PLAIN] = CONF("kind = plain\nredundancy = all\n"),
};

int sim_moves_create(struct sim_world *w, unsigned client, enum sim_moves_kind kind,
                     struct ms_error *err)
{
    return sim_whole_create(w, client, confs[kind], err);
}

int sim_moves_open(struct sim_world *w, unsigned client, enum sim_moves_kind kind,
                   struct ms_store **out, struct ms_error *err)
{
    return sim_whole_open(w, client, confs[kind], NULL, out, err);
}

/* ---- places: a bit for which key, a bit for whether it is soft-deleted ---- */

#define HIDDEN 1u
#define SECOND 2u
#define PLACES 4u

static unsigned key_of(unsigned value, unsigned place)
{
    return 2 * value + (place & SECOND ? 1 : 0);
}

static unsigned values_of(const struct sim_actor *a)
{
    return a->run->scenario->keys / 2;
}

/* ---- looking ---- */

/* Loads what is there: 0, NOT_FOUND, or an error that says nothing. */
static int load(const struct sim_actor *a, unsigned value, unsigned place)
{
    size_t max = a->run->scenario->value_max;
    unsigned key = key_of(value, place);
    struct ms_load_options options = MS_LOAD_OPTIONS_INIT;
    struct ms_error err = {0};
    MS_AUTO_BUF struct ms_buf *bytes = NULL;
    options.deleted = place & HIDDEN;
    size_t index = sim_op_begin(a, &(struct sim_op){.client = a->client,
                                                    .key = key,
                                                    .verb = SIM_LOAD,
                                                    .deleted = options.deleted,
                                                    .size = UINT64_MAX});
    int code = ms_store_load(a->store, SIM_KEY(a, key), &options, &bytes, &err);
    MS_AUTO_BUF struct ms_buf *right = code ? NULL : sim_value_make(value, value + 1, max);
    if (right && !ms_equal(ms_buf_view(right), ms_buf_view(bytes)))
        sim_broken(a->run->world, "wrong bytes were loaded from key %u", key);
    sim_op_end(a, index, code, &err);
    return code;
}

/* A soft delete or undelete was broken off (docs/mstore.md, Intents). */
static bool is_broken_off(const struct sim_moved *m)
{
    return m->left && (m->at ^ m->to) == HIDDEN;
}

/* Until heal has finished it, where all that have any of it have missed something: then it looks
 * like what a deletion left. A call that was lost is enough for that. */
static bool may_be_nowhere(const struct sim_actor *a, const struct sim_moved *m)
{
    return is_broken_off(m) && (a->run->world->faults_struck || a->run->world->delayed_effects);
}

/* It is moved back to where it was before, and a member may have missed that it left there. Of
 * plain keys heal does such a move once more. */
static bool may_have_stayed(const struct sim_actor *a, const struct sim_moved *m)
{
    const struct sim_world *w = a->run->world;
    bool immutable = a->run->scenario->system != &sim_moves_plain;
    return immutable && m->been >> m->to & 1 && (w->faults_struck || w->disturbances_done);
}

/* For ever, where a store's put arrives behind, or something stayed: both items are whole then, and
 * stay. */
static bool may_be_at_both(const struct sim_actor *a, const struct sim_moved *m)
{
    return is_broken_off(m) && (a->run->world->delayed_effects || may_have_stayed(a, m));
}

/* While nothing else happens to it, it is at one of both ends. */
static void look_at(const struct sim_actor *a, unsigned value)
{
    const struct sim_moved *m = &a->run->moved[value];
    struct sim_moved before = *m;
    if (!m->stored)
        return;
    bool absent = load(a, value, before.at) == MS_ERR_NOT_FOUND;
    absent = absent && load(a, value, before.to) == MS_ERR_NOT_FOUND;
    if (absent && m->changes == before.changes && !may_be_nowhere(a, m))
        sim_broken(a->run->world, "value %u is at neither end of its move: keys %u and %u", value,
                   key_of(value, before.at), key_of(value, before.to));
}

void sim_moves_look(const struct sim_actor *a)
{
    for (unsigned value = 0; value < values_of(a); value++) {
        const struct sim_moved *m = &a->run->moved[value];
        unsigned count = 0;
        for (unsigned place = 0; place < PLACES && m->stored; place++) {
            bool there = load(a, value, place) == 0;
            count += there;
            if (there && place != m->at && place != m->to)
                sim_broken(a->run->world, "value %u came back at key %u", value,
                           key_of(value, place));
        }
        if (m->stored && count != 1 && !(count == 2 && may_be_at_both(a, m)))
            sim_broken(a->run->world, "value %u is %s: keys %u and %u", value,
                       count ? "at both ends of its move for ever" : "lost", key_of(value, m->at),
                       key_of(value, m->to));
    }
}

/* ---- changing ---- */

static void store(const struct sim_actor *a, unsigned value, struct sim_moved *m)
{
    unsigned key = key_of(value, 0);
    struct ms_error err = {0};
    MS_AUTO_BUF struct ms_buf *bytes =
        sim_value_make(value, value + 1, a->run->scenario->value_max);
    if (!bytes)
        return;
    size_t index = sim_op_begin(a, &(struct sim_op){.client = a->client,
                                                    .key = key,
                                                    .verb = SIM_STORE,
                                                    .id = value + 1,
                                                    .size = ms_buf_size(bytes)});
    m->left = true; /* unless it is answered */
    int code = ms_store_store(a->store, SIM_KEY(a, key), bytes, NULL, NULL, &err);
    sim_op_end(a, index, code, &err);
    m->been = 1;
    m->stored = !code && !sim_client_dead(a->run->world, a->client);
    m->left = !m->stored;
}

static void move(const struct sim_actor *a, unsigned value, struct sim_moved *m)
{
    bool rename = sim_below(a->run->world, 2);
    unsigned from = key_of(value, m->at), to = key_of(value, m->at ^ SECOND);
    enum sim_verb verb = rename ? SIM_RENAME : m->at & HIDDEN ? SIM_UNDELETE : SIM_SOFT_DELETE;
    enum ms_move how = rename           ? MS_MOVE_RENAME
                       : m->at & HIDDEN ? MS_MOVE_UNDELETE
                                        : MS_MOVE_SOFT_DELETE;
    struct ms_error err = {0};
    m->changes++;
    m->to = m->at ^ (rename ? SECOND : HIDDEN);
    size_t index = sim_op_begin(a, &(struct sim_op){.client = a->client,
                                                    .key = from,
                                                    .verb = verb,
                                                    .deleted = rename && m->at & HIDDEN,
                                                    .expect = to});
    int code =
        ms_store_move(a->store, how, SIM_KEY(a, from), rename ? SIM_KEY(a, to) : ms_view(NULL, 0),
                      rename && m->at & HIDDEN, &err);
    sim_op_end(a, index, code, &err);
    m->left = true; /* unless it was answered */
    if (sim_client_dead(a->run->world, a->client))
        return;
    if (code == MS_ERR_NOT_FOUND || code == MS_ERR_EXISTS)
        sim_broken(a->run->world, "value %u could not be moved from where it is: %s", value,
                   err.text);
    if (code)
        return;
    m->changes++;
    m->at = m->to;
    m->been |= 1u << m->at;
    m->left = false;
}

void sim_moves_act(const struct sim_actor *a, unsigned slot)
{
    unsigned clients = a->run->scenario->clients;
    unsigned own = (unsigned)sim_below(a->run->world, values_of(a)) / clients * clients + slot;
    if (sim_below(a->run->world, 3) == 0 || own >= values_of(a) || a->run->moved[own].left) {
        look_at(a, (unsigned)sim_below(a->run->world, values_of(a)));
        return;
    }
    struct sim_moved *m = &a->run->moved[own];
    if (m->stored)
        move(a, own, m);
    else
        store(a, own, m);
}
