/* The systems under test: see system.h.
 *
 * The plain Store over one member promises what its storage does: each operation is one call there,
 * so keys are linearizable as long as the storage keeps its word, whatever is lost on the way and
 * however late a request takes effect. */
#include "tests/sim/majority.h"
#include "tests/sim/keys.h"
#include "tests/sim/layout.h"
#include "tests/sim/lies.h"
#include "tests/sim/mixed.h"
#include "tests/sim/moves.h"
#include "tests/sim/plain.h"
#include "tests/sim/system.h"
#include "tests/sim/whole.h"

#define ALL_VERBS              ((1u << SIM_STORE_IF) - 1) /* conditions are for those who decide them */
#define KEY_VERBS              (1u << SIM_STORE | 1u << SIM_LOAD | 1u << SIM_INFO | 1u << SIM_DELETE)
#define CHANGES_WITHOUT_HIDING (KEY_VERBS | 1u << SIM_LIST)

static int single_new(struct sim_world *w, unsigned client, unsigned member, struct ms_store **out,
                      struct ms_error *err)
{
    struct ms_backend *backend;
    int code = sim_member_handle(w, client, member, &backend, err);
    if (code)
        return code;
    struct ms_store_options options = MS_STORE_OPTIONS_INIT;
    options.clock = &w->clients[client].clock;
    options.seed = 1 + client;
    options.ignore_environment = true;
    return ms_store_new_over(backend, &options, out, err);
}

int sim_store_create(struct ms_store *s, int code, struct ms_error *err)
{
    if (!code)
        code = ms_store_create(s, err);
    ms_store_free(s);
    return code;
}

int sim_store_open(struct ms_store *s, int code, struct ms_store **out, struct ms_error *err)
{
    if (!code)
        code = ms_store_open(s, err);
    if (code)
        ms_store_free(s);
    else
        *out = s;
    return code;
}

int sim_single_create(struct sim_world *w, unsigned client, unsigned member, struct ms_error *err)
{
    struct ms_store *s = NULL;
    int code = single_new(w, client, member, &s, err);
    return sim_store_create(s, code, err);
}

int sim_single_open(struct sim_world *w, unsigned client, unsigned member, struct ms_store **out,
                    struct ms_error *err)
{
    struct ms_store *s = NULL;
    int code = single_new(w, client, member, &s, err);
    return sim_store_open(s, code, out, err);
}

static int single_create(struct sim_world *w, unsigned client, struct ms_error *err)
{
    return sim_single_create(w, client, 0, err);
}

static int single_open(struct sim_world *w, unsigned client, struct ms_store **out,
                       struct ms_error *err)
{
    return sim_single_open(w, client, 0, out, err);
}

const struct sim_system sim_single = {
    .name = "single",
    .members = 1,
    .space = {{.ns = "", .linearizable = true, .verbs = ALL_VERBS}},
    .create = single_create,
    .open = single_open,
};

const struct sim_system sim_single_immutable = {
    .name = "single-immutable",
    .members = 1,
    .space = {{.ns = "", .one_value_per_key = true, .verbs = CHANGES_WITHOUT_HIDING}},
    .create = single_create,
    .open = single_open,
};

const struct sim_system sim_single_plain = {
    .name = "single-plain",
    .members = 1,
    .space = {{.ns = "", .one_writer_per_key = true, .verbs = ALL_VERBS}},
    .create = single_create,
    .open = single_open,
};

/* ---- the register over a majority ---- */

#define REGISTER .linearizable = true, .blind_changes = true, .no_streams = true

#define MAJORITY(NAME, MEMBERS, FLAWS)                                                             \
    static int NAME##_open(struct sim_world *w, unsigned client, struct ms_store **out,            \
                           struct ms_error *err)                                                   \
    {                                                                                              \
        return sim_majority_open(w, client, FLAWS, out, err);                                      \
    }                                                                                              \
    const struct sim_system sim_##NAME = {                                                         \
        .name = #NAME,                                                                             \
        .members = MEMBERS,                                                                        \
        .space = {{.ns = "", REGISTER, .verbs = CHANGES_WITHOUT_HIDING}},                          \
        .create = sim_majority_create,                                                             \
        .open = NAME##_open,                                                                       \
        .heal = sim_majority_heal,                                                                 \
        .check = sim_majority_check,                                                               \
    }

MAJORITY(majority3, 3, 0);
MAJORITY(majority5, 5, 0);
MAJORITY(flawed_quorum, 3, SIM_FLAW_QUORUM);
MAJORITY(flawed_write_back, 3, SIM_FLAW_WRITE_BACK);
MAJORITY(flawed_tombstone, 3, SIM_FLAW_TOMBSTONE);
MAJORITY(flawed_counter, 3, SIM_FLAW_COUNTER);
MAJORITY(flawed_checksum, 3, SIM_FLAW_CHECKSUM);
MAJORITY(flawed_read_one, 3, SIM_FLAW_READ_ONE);
MAJORITY(flawed_heal, 3, SIM_FLAW_HEAL);
MAJORITY(flawed_debris, 3, SIM_FLAW_DEBRIS);
MAJORITY(flawed_grace, 3, SIM_FLAW_GRACE);
MAJORITY(flawed_listing, 3, SIM_FLAW_LISTING);

/* ---- keys of an MStore ---- */

const struct sim_system sim_mutable = {
    .name = "mutable",
    .members = 3,
    .space = {{.ns = "config", REGISTER, .verbs = KEY_VERBS}},
    .spares = "/member", /* without its mark a disk is not this member's, and is replaced */
    .create = sim_keys_create,
    .open = sim_mutable_open,
    .heal = sim_mutable_heal,
    .settle = sim_keys_settle,
};

#define CONDITIONAL(NAME, OPEN)                                                                    \
    const struct sim_system sim_##NAME = {                                                         \
        .name = #NAME,                                                                             \
        .members = 3,                                                                              \
        .space = {{.ns = "config", REGISTER, .verbs = KEY_VERBS | 1u << SIM_STORE_IF}},            \
        .spares = "/member",                                                                       \
        .create = sim_keys_create,                                                                 \
        .open = OPEN,                                                                              \
        .heal = sim_mutable_heal,                                                                  \
        .settle = sim_keys_settle,                                                                 \
    }

CONDITIONAL(conditional, sim_mutable_open);
CONDITIONAL(flawed_look, sim_look_first_open);
CONDITIONAL(flawed_winner, sim_left_winner_open);

#define IMMUTABLE(NAME, OPEN)                                                                      \
    const struct sim_system sim_##NAME = {                                                         \
        .name = #NAME,                                                                             \
        .members = 3,                                                                              \
        .space =                                                                                   \
            {{.ns = "data", .one_value_per_key = true, .no_streams = true, .verbs = KEY_VERBS}},   \
        .spares = "/member",                                                                       \
        .create = sim_keys_create,                                                                 \
        .open = OPEN,                                                                              \
        .settle = sim_keys_settle,                                                                 \
    }

IMMUTABLE(immutable, sim_immutable_open);
IMMUTABLE(flawed_wait, sim_no_wait_open);
IMMUTABLE(flawed_lease, sim_not_checked_open);
IMMUTABLE(flawed_marks, sim_one_mark_open);
IMMUTABLE(flawed_age, sim_assumed_age_open);

/* The same keys, hidden and brought back, with all of upkeep. */
#define SOFT(NAME, OPEN, HARMS)                                                                    \
    const struct sim_system sim_##NAME = {                                                         \
        .name = #NAME,                                                                             \
        .members = 3,                                                                              \
        .space = {{.ns = "data",                                                                   \
                   .one_value_per_key = true,                                                      \
                   .no_streams = true,                                                             \
                   .verbs = KEY_VERBS | 1u << SIM_SOFT_DELETE | 1u << SIM_UNDELETE}},              \
        .spares = "/member",                                                                       \
        .harms = HARMS,                                                                            \
        .create = sim_keys_create,                                                                 \
        .open = OPEN,                                                                              \
        .heal = sim_immutable_heal,                                                                \
        .settle = sim_keys_settle,                                                                 \
    }

SOFT(immutable_soft, sim_immutable_open, NULL);
SOFT(immutable_values, sim_immutable_open, "/val/");
SOFT(flawed_unstaged, sim_unstaged_open, "/val/");

/* ---- plain keys of an MStore ---- */

#define PLAIN(NAME, KIND, FORGOTTEN, CHECK)                                                        \
    static int NAME##_create(struct sim_world *w, unsigned client, struct ms_error *err)           \
    {                                                                                              \
        return sim_plain_create(w, client, KIND, err);                                             \
    }                                                                                              \
    static int NAME##_open(struct sim_world *w, unsigned client, struct ms_store **out,            \
                           struct ms_error *err)                                                   \
    {                                                                                              \
        return sim_plain_open(w, client, KIND, FORGOTTEN, out, err);                               \
    }                                                                                              \
    const struct sim_system sim_##NAME = {                                                         \
        .name = #NAME,                                                                             \
        .members = SIM_PLAIN_MEMBERS(KIND),                                                        \
        .space = {{.ns = "files", .one_writer_per_key = true, .verbs = ALL_VERBS}},                \
        .spares = "/member",                                                                       \
        .create = NAME##_create,                                                                   \
        .open = NAME##_open,                                                                       \
        .heal = sim_whole_heal,                                                                    \
        .check = CHECK,                                                                            \
        .settle = sim_whole_settle,                                                                \
    }

PLAIN(plain, SIM_PLAIN_ALL, NULL, sim_whole_check);
PLAIN(plain_copies, SIM_PLAIN_COPIES, NULL, NULL);
PLAIN(flawed_note, SIM_PLAIN_ALL, "/hint/", sim_whole_check);
PLAIN(flawed_unmarked, SIM_PLAIN_ALL, "/away/", sim_whole_check);

/* ---- two copies and a witness ---- */

static const char buried_conf[] =
    "[mstore]\nkey = 0000000000000000000000000000000000000000000000000000000000004714\n"
    "[member m0]\nurl = memory:sim0\n[member m1]\nurl = memory:sim1\n"
    "[member m2]\nurl = memory:sim2\nstate = witness\n"
    "[namespace data]\nkind = immutable\nredundancy = copies 2\n";

static int buried_create(struct sim_world *w, unsigned client, struct ms_error *err)
{
    return sim_whole_create(w, client, buried_conf, err);
}

#define BURIED(NAME, LIES)                                                                         \
    static int NAME##_open(struct sim_world *w, unsigned client, struct ms_store **out,            \
                           struct ms_error *err)                                                   \
    {                                                                                              \
        w->lies = LIES;                                                                            \
        return sim_whole_open(w, client, buried_conf, NULL, out, err);                             \
    }                                                                                              \
    const struct sim_system sim_##NAME = {                                                         \
        .name = #NAME,                                                                             \
        .members = 3,                                                                              \
        .space = {{.ns = "data",                                                                   \
                   .one_value_per_key = true,                                                      \
                   .no_streams = true,                                                             \
                   .verbs = CHANGES_WITHOUT_HIDING}},                                              \
        .spares = "/member",                                                                       \
        .create = buried_create,                                                                   \
        .open = NAME##_open,                                                                       \
        .heal = sim_whole_heal,                                                                    \
        .settle = sim_whole_settle,                                                                \
    }

BURIED(buried, 0);
BURIED(flawed_bury, SIM_LIE_NO_LOOK);
BURIED(flawed_kept, SIM_LIE_KEPT);
BURIED(flawed_lost, SIM_LIE_LOST);

/* ---- shards of immutable keys that get another value when they have been deleted ---- */

static const char again_conf[] =
    "[mstore]\nkey = 0000000000000000000000000000000000000000000000000000000000004715\n"
    "[member m0]\nurl = memory:sim0\n[member m1]\nurl = memory:sim1\n"
    "[member m2]\nurl = memory:sim2\n[member m3]\nurl = memory:sim3\n"
    "[namespace data]\nkind = immutable\nredundancy = ec 2+2\n";

static int again_create(struct sim_world *w, unsigned client, struct ms_error *err)
{
    return sim_whole_create(w, client, again_conf, err);
}

static int again_open(struct sim_world *w, unsigned client, struct ms_store **out,
                      struct ms_error *err)
{
    return sim_whole_open(w, client, again_conf, NULL, out, err);
}

const struct sim_system sim_again = {
    .name = "again",
    .members = 4,
    .space = {{.ns = "data", .one_writer_per_key = true, .verbs = ALL_VERBS}},
    .spares = "/member",
    .create = again_create,
    .open = again_open,
    .heal = sim_whole_heal,
    .settle = sim_whole_settle,
};

/* ---- namespaces of each kind in one store ---- */

const struct sim_system sim_mixed = {
    .name = "mixed",
    .members = SIM_MIXED_MEMBERS,
    .spaces = SIM_MIXED_SPACES,
    .space = {{.ns = "coded", .one_value_per_key = true, .verbs = ALL_VERBS},
              {.ns = "config",
               .linearizable = true,
               .blind_changes = true,
               .lists_apart = true, /* docs/mstore.md, Listing, "What is an item" */
               .verbs = CHANGES_WITHOUT_HIDING | 1u << SIM_STORE_IF},
              {.ns = "data", .one_value_per_key = true, .verbs = ALL_VERBS},
              {.ns = "files", .one_writer_per_key = true, .verbs = ALL_VERBS}},
    .spares = "/member",
    .create = sim_mixed_create,
    .open = sim_mixed_open,
    .meanwhile = sim_mixed_meanwhile,
    .heal = sim_whole_heal_rightly,
    .settle = sim_whole_settle,
};

/* ---- values that are moved ---- */

#define MOVES(NAME, KIND, LIES, CHECK)                                                             \
    static int NAME##_create(struct sim_world *w, unsigned client, struct ms_error *err)           \
    {                                                                                              \
        return sim_moves_create(w, client, KIND, err);                                             \
    }                                                                                              \
    static int NAME##_open(struct sim_world *w, unsigned client, struct ms_store **out,            \
                           struct ms_error *err)                                                   \
    {                                                                                              \
        w->lies = LIES;                                                                            \
        return sim_moves_open(w, client, KIND, out, err);                                          \
    }                                                                                              \
    const struct sim_system sim_##NAME = {                                                         \
        .name = #NAME,                                                                             \
        .members = SIM_MOVES_MEMBERS,                                                              \
        .space = {{.ns = "moved"}},                                                                \
        .spares = "/member",                                                                       \
        .act = sim_moves_act,                                                                      \
        .look = sim_moves_look,                                                                    \
        .create = NAME##_create,                                                                   \
        .open = NAME##_open,                                                                       \
        .heal = sim_whole_heal_rightly,                                                            \
        .check = CHECK,                                                                            \
        .settle = sim_whole_settle,                                                                \
    }

MOVES(moves_copies, SIM_MOVES_COPIES, 0, sim_whole_check);
MOVES(moves_coded, SIM_MOVES_CODED, 0, NULL);
MOVES(moves_plain, SIM_MOVES_PLAIN, 0, sim_whole_check);
MOVES(flawed_intent, SIM_MOVES_COPIES, SIM_LIE_NO_INTENT, NULL);
MOVES(flawed_intent_plain, SIM_MOVES_PLAIN, SIM_LIE_NO_INTENT, NULL);

/* ---- an MStore whose layout changes ---- */

#define LAYOUT(NAME, FLAWS, MORE_VERBS)                                                            \
    static int NAME##_open(struct sim_world *w, unsigned client, struct ms_store **out,            \
                           struct ms_error *err)                                                   \
    {                                                                                              \
        return sim_layout_open(w, client, FLAWS, out, err);                                        \
    }                                                                                              \
    static int NAME##_change(struct sim_world *w, struct ms_error *err)                            \
    {                                                                                              \
        return sim_layout_change(w, FLAWS, err);                                                   \
    }                                                                                              \
    const struct sim_system sim_##NAME = {                                                         \
        .name = #NAME,                                                                             \
        .members = SIM_LAYOUT_MEMBERS,                                                             \
        .space = {{.ns = "config", REGISTER, .verbs = KEY_VERBS | MORE_VERBS}},                    \
        .spares = "/member",                                                                       \
        .create = sim_layout_create,                                                               \
        .open = NAME##_open,                                                                       \
        .meanwhile = NAME##_change,                                                                \
        .heal = sim_layout_heal,                                                                   \
        .settle = sim_whole_settle,                                                                \
    }

LAYOUT(layout, 0, 0);
LAYOUT(layout_conditional, 0, 1u << SIM_STORE_IF);
LAYOUT(flawed_unready, SIM_FLAW_NO_WAIT, 0);
LAYOUT(flawed_alone, SIM_FLAW_NEW_ALONE, 0);
LAYOUT(flawed_news, SIM_FLAW_NO_NEWS, 0);
