/* Is the history of a key linearizable? See check_linear.h.
 *
 * The search places operations one after the other. One may come next when no operation that is
 * not yet placed ended before it began. A configuration is the set of those placed and the state
 * they lead to; each is entered once. It ends well when all that were answered are placed. */
#include "tests/sim/check_linear.h"

#include <stdlib.h>

#define WORDS_MAX (SIM_LINEAR_OPS / 64 + 1)

struct state {
    uint32_t live, deleted; /* ids; 0: no value */
};

/* What was placed last. */
enum last { LAST_OTHER, LAST_PENDING_STORE, LAST_PENDING_DELETE };

struct search {
    struct sim_op *ops; /* of the key, by beginning */
    size_t count, answered, words;
    uint64_t *placed; /* a bit for each operation */
    size_t placed_answered;
    uint64_t *memo; /* open addressing: words of `placed` and the state, all 0: free */
    size_t memo_room, memo_count;
    uint64_t steps, max_steps;
    bool blind; /* sim_model.blind_changes */
    bool gave_up;
    size_t best;                /* answered operations placed at most */
    const struct sim_op *stuck; /* the one that could not follow then */
};

/* ---- the model of a key ---- */

static uint64_t size_of(const struct search *s, uint32_t id)
{
    for (size_t i = 0; i < s->count; i++)
        if (sim_op_stores(&s->ops[i]) && s->ops[i].id == id)
            return s->ops[i].size;
    return UINT64_MAX;
}

static bool reading_fits(const struct search *s, const struct sim_op *op, uint32_t id)
{
    if (op->answer == SIM_NOT_FOUND)
        return id == 0;
    if (id == 0 || (op->id && op->id != id))
        return false;
    return op->size == UINT64_MAX || op->size == size_of(s, id);
}

/* Said to be done where nothing was left to do. */
static bool done_blindly(const struct search *s, const struct sim_op *op)
{
    return s->blind && op->answer == SIM_DONE;
}

/* Takes the value away from one of the registers. */
static bool apply_delete(const struct search *s, const struct sim_op *op, struct state *state)
{
    uint32_t *place = op->deleted ? &state->deleted : &state->live;
    if (op->answer == SIM_NOT_FOUND)
        return *place == 0;
    if (*place == 0)
        return done_blindly(s, op);
    *place = 0;
    return true;
}

static bool apply_soft_delete(const struct search *s, const struct sim_op *op, struct state *state)
{
    if (op->answer == SIM_NOT_FOUND)
        return state->live == 0;
    if (state->live == 0)
        return done_blindly(s, op);
    *state = (struct state){.deleted = state->live};
    return true;
}

static bool apply_undelete(const struct search *s, const struct sim_op *op, struct state *state)
{
    if (op->answer == SIM_NOT_FOUND)
        return state->deleted == 0;
    if (op->answer == SIM_EXISTS)
        return state->live && state->deleted;
    if (!state->deleted && state->live)
        return done_blindly(s, op);
    if (!state->deleted || state->live)
        return false;
    *state = (struct state){.live = state->deleted};
    return true;
}

/* It was stored just when what was expected was there, and refused just when it was not. */
static bool apply_store_if(const struct sim_op *op, struct state *state)
{
    if (op->answer == SIM_EXISTS)
        return state->live != op->expect;
    if (state->live != op->expect)
        return false;
    state->live = op->id;
    return true;
}

/* False: the operation cannot have been answered so in that state (or, without an answer, would
 * have changed nothing, which is the same as never). */
static bool apply(const struct search *s, const struct sim_op *op, struct state *state)
{
    switch (op->verb) {
    case SIM_STORE:
        state->live = op->id;
        return true;
    case SIM_STORE_IF:
        return apply_store_if(op, state);
    case SIM_DELETE:
        return apply_delete(s, op, state);
    case SIM_SOFT_DELETE:
        return apply_soft_delete(s, op, state);
    case SIM_UNDELETE:
        return apply_undelete(s, op, state);
    case SIM_LOAD:
    case SIM_INFO:
    case SIM_LIST:
        return reading_fits(s, op, op->deleted ? state->deleted : state->live);
    case SIM_RENAME: /* of two keys: judged elsewhere (moves.h) */
    case SIM_VERB_COUNT:
        break;
    }
    return false;
}

/* ---- memo ---- */

static uint64_t *memo_slot(struct search *s, uint64_t *memo, size_t room, const uint64_t *entry)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i <= s->words; i++)
        hash = (hash ^ entry[i]) * UINT64_C(0x9e3779b97f4a7c15), hash ^= hash >> 29;
    for (size_t at = hash & (room - 1);; at = (at + 1) & (room - 1)) {
        uint64_t *slot = memo + at * (s->words + 1);
        bool used = false;
        for (size_t i = 0; i <= s->words && !used; i++)
            used = slot[i] != 0;
        if (!used || memcmp(slot, entry, (s->words + 1) * sizeof *slot) == 0)
            return slot;
    }
}

static bool memo_grow(struct search *s)
{
    size_t room = s->memo_room ? 2 * s->memo_room : 256, size = s->words + 1;
    uint64_t *memo = calloc(room * size, sizeof *memo);
    if (!memo)
        return false;
    for (size_t i = 0; i < s->memo_room; i++)
        memcpy(memo_slot(s, memo, room, s->memo + i * size), s->memo + i * size,
               size * sizeof *memo);
    free(s->memo);
    s->memo = memo;
    s->memo_room = room;
    return true;
}

/* False: was here before, or there is no more room. */
static bool enter(struct search *s, struct state state, enum last last)
{
    if (++s->steps > s->max_steps || (2 * s->memo_count >= s->memo_room && !memo_grow(s))) {
        s->gave_up = true;
        return false;
    }
    uint64_t entry[WORDS_MAX + 1];
    size_t size = (s->words + 1) * sizeof *entry;
    memcpy(entry, s->placed, s->words * sizeof *entry);
    entry[s->words] = state.live | (uint64_t)state.deleted << 32 | (uint64_t)last << 62;
    uint64_t *slot = memo_slot(s, s->memo, s->memo_room, entry);
    if (memcmp(slot, entry, size) == 0)
        return false;
    memcpy(slot, entry, size);
    s->memo_count++;
    return true;
}

/* ---- search ---- */

static bool is_placed(const struct search *s, size_t i)
{
    return s->placed[i / 64] >> i % 64 & 1;
}

/* The answered operation not yet placed that ended first: what comes next began before that. */
static const struct sim_op *next_to_end(const struct search *s)
{
    const struct sim_op *first = NULL;
    for (size_t i = 0; i < s->count; i++) {
        if (first && s->ops[i].begin_seq > first->end_seq)
            break;
        if (!is_placed(s, i) && (!first || s->ops[i].end_seq < first->end_seq))
            first = &s->ops[i];
    }
    return first;
}

/* ---- operations without an answer: only where they change what follows ---- */

static bool is_pending(const struct sim_op *op)
{
    return op->end_seq == SIM_NEVER;
}

static bool deletes_live(const struct sim_op *op)
{
    return op->verb == SIM_DELETE && !op->deleted;
}

static enum last last_of(const struct sim_op *op)
{
    if (!is_pending(op))
        return LAST_OTHER;
    return op->verb == SIM_STORE ? LAST_PENDING_STORE
           : deletes_live(op)    ? LAST_PENDING_DELETE
                                 : LAST_OTHER;
}

/* One that is overwritten at once might as well never have happened. */
static bool hides_last(const struct sim_op *op, enum last last)
{
    return (last != LAST_OTHER && op->verb == SIM_STORE) ||
           (last == LAST_PENDING_STORE && deletes_live(op));
}

/* Two deletes without answer are alike, so the one that began first goes first. */
static bool has_elder_twin(const struct search *s, size_t i)
{
    const struct sim_op *op = &s->ops[i];
    if (op->verb == SIM_STORE || op->verb == SIM_STORE_IF)
        return false;
    for (size_t j = 0; j < i; j++) {
        const struct sim_op *other = &s->ops[j];
        if (is_pending(other) && other->verb == op->verb && other->deleted == op->deleted &&
            !is_placed(s, j))
            return true;
    }
    return false;
}

static bool is_needless(const struct search *s, size_t i, enum last last)
{
    const struct sim_op *op = &s->ops[i];
    return is_pending(op) && (hides_last(op, last) || has_elder_twin(s, i));
}

/* ---- placing ---- */

static bool place_rest(struct search *s, struct state state, enum last last);

static bool place(struct search *s, size_t i, struct state state)
{
    const struct sim_op *op = &s->ops[i];
    if (!apply(s, op, &state))
        return false;
    s->placed[i / 64] |= UINT64_C(1) << i % 64;
    s->placed_answered += !is_pending(op);
    bool found = enter(s, state, last_of(op)) && place_rest(s, state, last_of(op));
    s->placed[i / 64] &= ~(UINT64_C(1) << i % 64);
    s->placed_answered -= !is_pending(op);
    return found;
}

static void remember_best(struct search *s, const struct sim_op *stuck)
{
    if (s->placed_answered < s->best)
        return;
    s->best = s->placed_answered;
    s->stuck = stuck;
}

static bool place_rest(struct search *s, struct state state, enum last last)
{
    if (s->placed_answered == s->answered)
        return true;
    const struct sim_op *first = next_to_end(s);
    remember_best(s, first);
    /* Those without an answer last: most of them are not needed. */
    for (int pending = 0; pending < 2; pending++)
        for (size_t i = 0; i < s->count && s->ops[i].begin_seq < first->end_seq; i++) {
            if (is_pending(&s->ops[i]) != pending || is_placed(s, i) || is_needless(s, i, last))
                continue;
            if (place(s, i, state))
                return true;
            if (s->gave_up)
                return false;
        }
    return false;
}

/* ---- one key ---- */

static int by_beginning(const void *a, const void *b)
{
    uint64_t x = ((const struct sim_op *)a)->begin_seq, y = ((const struct sim_op *)b)->begin_seq;
    if (x != y)
        return x < y ? -1 : 1;
    x = ((const struct sim_op *)a)->end_seq, y = ((const struct sim_op *)b)->end_seq;
    return x < y ? -1 : x > y;
}

/* Takes the operations of the key; a reading without answer says nothing. */
static bool take_ops(struct search *s, const struct sim_history *h, unsigned key,
                     uint64_t lists_from)
{
    s->ops = malloc((h->count + 1) * sizeof *s->ops);
    if (!s->ops)
        return false;
    for (size_t i = 0; i < h->count; i++) {
        const struct sim_op *op = &h->ops[i];
        if (op->key != key || (sim_op_reads(op) && op->answer == SIM_NO_ANSWER) ||
            (op->verb == SIM_LIST && op->begin_seq < lists_from))
            continue;
        struct sim_op *taken = &s->ops[s->count++];
        *taken = *op;
        if (h->frail && sim_op_moves(op) && op->answer == SIM_DONE && !sim_move_is_whole(h, op)) {
            taken->answer = SIM_NO_ANSWER;
            taken->end_seq = SIM_NEVER;
        }
        s->answered += taken->end_seq != SIM_NEVER;
    }
    qsort(s->ops, s->count, sizeof *s->ops, by_beginning);
    if (s->count > SIM_LINEAR_OPS)
        return false;
    s->words = s->count / 64 + 1;
    s->placed = calloc(s->words, sizeof *s->placed);
    return s->placed != NULL;
}

enum sim_verdict sim_check_linear(const struct sim_history *h, unsigned key,
                                  const struct sim_model *model, char *why, size_t why_size,
                                  uint64_t *at)
{
    struct search s = {.max_steps = model->max_steps, .blind = model->blind_changes};
    bool holds = false;
    if (!h->full && take_ops(&s, h, key, model->lists_from))
        holds = place_rest(&s, (struct state){0}, LAST_OTHER);
    else
        s.gave_up = true;
    if (!holds && !s.gave_up) {
        char op[256];
        sim_op_print(op, sizeof op, s.stuck);
        snprintf(why, why_size,
                 "key %u is not linearizable: no order of its operations explains %s", key, op);
        *at = s.stuck->end_seq;
    }
    free(s.ops);
    free(s.placed);
    free(s.memo);
    return holds ? SIM_HOLDS : s.gave_up ? SIM_UNDECIDED : SIM_BROKEN;
}
