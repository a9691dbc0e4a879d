/* mstore/paxos.c - see mstore/paxos.h: rounds over the members, and the two phases made of them. */
#include "mstore/paxos.h"

#include "base/cleanup.h"
#include "base/fan.h"
#include "base/sync.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

#define MILLISECOND UINT64_C(1000000)
#define PATIENCE    (UINT64_C(120000) * MILLISECOND) /* with others who come between */
#define PAUSE_FIRST (50 * MILLISECOND)
#define PAUSE_MAX   (5000 * MILLISECOND)
#define BLOCKS_MAX  4096 /* under one key; more are taken for damage */

/* ---- blocks that were read ---- */

struct seen { /* by number, each once; a block never changes */
    struct ms_paxos_block *list;
    struct ms_buf **bytes; /* what their values lie in */
    size_t count, room;
};

static void seen_free(struct seen *s)
{
    for (size_t i = 0; i < s->count; i++)
        ms_buf_unref(s->bytes[i]);
    free(s->list);
    free(s->bytes);
    *s = (struct seen){0};
}

static bool has_seen(const struct seen *s, uint64_t number)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i].number == number)
            return true;
    return false;
}

static int seen_room(struct seen *s, struct ms_error *err)
{
    size_t room = s->room ? 2 * s->room : 8;
    if (s->count < s->room)
        return 0;
    struct ms_paxos_block *list = realloc(s->list, room * sizeof *list);
    if (list)
        s->list = list;
    struct ms_buf **bytes = realloc(s->bytes, room * sizeof *bytes);
    if (bytes)
        s->bytes = bytes;
    if (!list || !bytes)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for blocks");
    s->room = room;
    return 0;
}

static int seen_add(struct seen *s, const struct ms_paxos_block *block, struct ms_buf *bytes,
                    struct ms_error *err)
{
    if (has_seen(s, block->number))
        return 0;
    int code = seen_room(s, err);
    if (code)
        return code;
    s->list[s->count] = *block;
    s->bytes[s->count++] = ms_buf_ref(bytes);
    return 0;
}

static int seen_add_all(struct seen *to, const struct seen *from, struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < from->count && !code; i++)
        code = seen_add(to, &from->list[i], from->bytes[i], err);
    return code;
}

static struct ms_write_id ballot_of(const struct ms_paxos_block *b)
{
    return (struct ms_write_id){b->counter, b->number & ~UINT64_C(1)};
}

static bool beaten(const struct seen *s, const struct ms_write_id *ballot)
{
    for (size_t i = 0; i < s->count; i++) {
        struct ms_write_id one = ballot_of(&s->list[i]);
        if (ms_write_id_compare(&one, ballot) > 0)
            return true;
    }
    return false;
}

static uint64_t top_counter(const struct seen *s)
{
    uint64_t top = 0;
    for (size_t i = 0; i < s->count; i++)
        top = s->list[i].counter > top ? s->list[i].counter : top;
    return top;
}

/* The value that may have been decided: that of the highest ballot which got as far as phase 2. */
static const struct ms_paxos_block *accepted(const struct seen *s)
{
    const struct ms_paxos_block *best = NULL;
    for (size_t i = 0; i < s->count; i++) {
        if (!ms_paxos_is_phase2(s->list[i].number))
            continue;
        struct ms_write_id one = ballot_of(&s->list[i]), top = {0};
        if (best)
            top = ballot_of(best);
        if (!best || ms_write_id_compare(&one, &top) > 0)
            best = &s->list[i];
    }
    return best;
}

/* ---- one round: put a block everywhere, read what is beside it ---- */

struct round_leg {
    struct ms_member *member; /* a reference; NULL: not to be had */
    struct seen found;
};
struct round {              /* shared by the legs; the fan's release frees it */
    struct ms_own_name own; /* of the block; its views lie behind the legs */
    int (*undecided)(struct ms_member *m, const struct ms_uuid *store, struct ms_view key,
                     struct ms_error *err); /* of struct ms_paxos */
    struct ms_seal_key seal;
    struct ms_buf *block;
    struct seen known; /* when it began: not to be read again */
    unsigned count;
    struct round_leg leg[];
};

static void round_free(void *shared)
{
    struct round *r = shared;
    for (unsigned i = 0; i < r->count; i++) {
        ms_member_unref(r->leg[i].member);
        seen_free(&r->leg[i].found);
    }
    seen_free(&r->known);
    ms_buf_unref(r->block);
    explicit_bzero(&r->seal, sizeof r->seal);
    free(r);
}

static int name_block(const struct ms_own_name *own, uint64_t number, struct ms_name *out,
                      struct ms_error *err)
{
    struct ms_own_name one = *own;
    one.number = number;
    return ms_own_format(&one, 0, out, err);
}

struct listing {
    const struct round *round;
    struct ms_name folder;
    char about[MS_OWN_ABOUT_MAX]; /* how names of this agreement begin */
    size_t about_size;
    uint64_t *numbers;
    size_t count;
    bool own; /* ours was among them */
};

/* Names that are no blocks of this agreement are others'. */
static int note_number(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct listing *l = ctx;
    uint64_t number;
    if (entry->info.directory || entry->name.size != l->about_size + 16 ||
        memcmp(entry->name.data, l->about, l->about_size) != 0 ||
        !ms_hex_number((const char *)entry->name.data + l->about_size, 16, &number))
        return 0;
    if ((number | 1) == (l->round->own.number | 1)) { /* its own say nothing to it */
        l->own = l->own || number == l->round->own.number;
        return 0;
    }
    if (has_seen(&l->round->known, number))
        return 0;
    if (l->count == BLOCKS_MAX)
        return ms_error_set(err, MS_ERR_CORRUPT, "more than %u blocks of one agreement",
                            BLOCKS_MAX);
    l->numbers[l->count++] = number;
    return 0;
}

static int read_block(const struct round *r, struct round_leg *leg, uint64_t number,
                      struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *bytes = NULL;
    struct ms_paxos_block block;
    struct ms_name name;
    bool torn;
    int code = name_block(&r->own, number, &name, err);
    if (!code)
        code = ms_member_load(leg->member, ms_name_view(&name), 0,
                              MS_PAXOS_VALUE_MAX + 2 * MS_NAME_MAX, &bytes, NULL, err);
    if (!code)
        code = ms_paxos_block_open(ms_buf_view(bytes), ms_name_view(&name), number, &r->seal,
                                   &block, &torn, err);
    if (code)
        return ms_error_prefix(err, code, "member %s", ms_member_name(leg->member));
    return torn ? 0 : seen_add(&leg->found, &block, bytes, err);
}

static int read_blocks(const struct round *r, struct round_leg *leg, struct ms_error *err)
{
    struct listing l = {.round = r};
    MS_AUTO_FREE uint64_t *numbers = calloc(BLOCKS_MAX, sizeof *numbers);
    if (!numbers)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for blocks");
    l.numbers = numbers;
    if (r->own.of_version)
        l.about_size = ms_own_about(&r->own.id, l.about);
    struct ms_list_request request = {.start_after = ms_view(l.about, l.about_size),
                                      .names_only = true};
    int code = ms_own_folder(&r->own, MS_OWN_OF_KEY, 0, &l.folder, err);
    if (!code)
        code = ms_member_list(leg->member, ms_name_view(&l.folder), &request, note_number, &l, err);
    if (!code && !l.own)
        code = ms_error_set(err, MS_ERR_UNSUPPORTED,
                            "member %s does not list what it has just been given: nothing can be "
                            "agreed on with it",
                            ms_member_name(leg->member));
    for (size_t i = 0; i < l.count && !code; i++)
        code = read_block(r, leg, l.numbers[i], err);
    return code;
}

static int round_leg(void *shared, unsigned i, struct ms_error *err)
{
    struct round *r = shared;
    struct ms_name name;
    if (!r->leg[i].member)
        return ms_error_set(err, MS_ERR_CONFIG, "a member has no url in the configuration");
    int code = name_block(&r->own, r->own.number, &name, err);
    if (!code)
        code = ms_member_store(r->leg[i].member, ms_name_view(&name), r->block, NULL, NULL, err);
    if (code)
        return code;
    code = read_blocks(r, &r->leg[i], err);
    int settled = r->undecided ? r->undecided(r->leg[i].member, &r->own.store, r->own.key, err) : 0;
    return settled ? settled : code;
}

static int round_new(const struct ms_paxos *x, const struct ms_paxos_block *block,
                     const struct seen *known, struct round **out, struct ms_error *err)
{
    size_t text = x->space.size + x->key.size;
    struct round *r = calloc(1, sizeof *r + x->count * sizeof *r->leg + text);
    struct ms_name name;
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an agreement");
    uint8_t *to = (uint8_t *)&r->leg[x->count];
    memcpy(to, x->space.data, x->space.size);
    memcpy(to + x->space.size, x->key.data, x->key.size);
    r->own = (struct ms_own_name){.kind = MS_OWN_BLOCK,
                                  .store = x->store,
                                  .space = ms_view(to, x->space.size),
                                  .key = ms_view(to + x->space.size, x->key.size),
                                  .level = x->level,
                                  .number = block->number};
    if (x->about) {
        r->own.id = *x->about;
        r->own.of_version = true;
    }
    r->seal = *x->seal;
    r->undecided = x->undecided;
    for (; r->count < x->count; r->count++)
        r->leg[r->count].member = x->members[r->count] ? ms_member_ref(x->members[r->count]) : NULL;
    int code = seen_add_all(&r->known, known, err);
    if (!code)
        code = name_block(&r->own, block->number, &name, err);
    if (!code)
        code = ms_paxos_block_make(block, ms_name_view(&name), &r->seal, &r->block, err);
    if (code)
        round_free(r);
    else
        *out = r;
    return code;
}

struct tally { /* who has answered, by set */
    unsigned of[2], all;
};

static unsigned sets_of(const struct ms_paxos *x, unsigned i)
{
    return x->sets ? x->sets[i] : 1;
}

static void count_in(struct tally *t, unsigned sets)
{
    t->all++;
    t->of[0] += sets & 1;
    t->of[1] += sets >> 1 & 1;
}

static struct tally everybody(const struct ms_paxos *x)
{
    struct tally all = {0};
    for (unsigned i = 0; i < x->count; i++)
        count_in(&all, sets_of(x, i));
    return all;
}

/* A majority of each set that anybody belongs to. */
static bool are_most(const struct tally *t, const struct tally *all)
{
    return t->of[0] > all->of[0] / 2 && (!all->of[1] || t->of[1] > all->of[1] / 2);
}

static int refuse(const struct tally *t, const struct tally *all, const struct ms_error *why,
                  struct ms_error *err)
{
    if (ms_check_cancelled(err))
        return MS_ERR_CANCELLED;
    unsigned most = all->of[0] > all->of[1] ? all->of[0] : all->of[1];
    return ms_error_set(err, why->code ? why->code : MS_ERR_CONNECTION,
                        "%u of %u members took part in an agreement and %u are needed: %s", t->all,
                        all->all, most / 2 + 1, why->text);
}

/* Puts the block and adds to `seen` all that a majority has beside it. */
static int run_round(const struct ms_paxos *x, const struct ms_paxos_block *block,
                     struct seen *seen, struct ms_error *err)
{
    struct round *r = NULL;
    struct ms_fan *fan;
    struct ms_error why = {0};
    struct tally answered = {0}, all = everybody(x);
    unsigned leg;
    int code = round_new(x, block, seen, &r, err);
    if (code)
        return code;
    code = ms_fan_new(x->count, round_leg, round_free, r, &fan, err);
    if (code) {
        round_free(r);
        return code;
    }
    for (unsigned i = 0; i < x->count; i++)
        ms_fan_start(fan, i);
    while (!code && !are_most(&answered, &all) && ms_fan_next(fan, x->clock, UINT64_MAX, &leg)) {
        if (ms_fan_code(fan, leg)) {
            why = *ms_fan_error(fan, leg);
            continue;
        }
        count_in(&answered, sets_of(x, leg));
        code = seen_add_all(seen, &r->leg[leg].found, err);
    }
    ms_fan_release(fan);
    return code || are_most(&answered, &all) ? code : refuse(&answered, &all, &why, err);
}

/* ---- the two phases ---- */

struct attempt {
    struct ms_buf *value;    /* NULL: only to learn */
    struct ms_buf **decided; /* out */
    bool beaten;
    bool proposed; /* a block of phase 2 with `value` may be somewhere */
};

/* Phase 1 ended unbeaten: what is to be proposed. NULL: nothing. */
static struct ms_buf *choose(const struct seen *seen, const struct attempt *a)
{
    const struct ms_paxos_block *before = accepted(seen);
    return before ? ms_buf_copy(before->value) : a->value ? ms_buf_ref(a->value) : NULL;
}

static int attempt(const struct ms_paxos *x, struct seen *seen, struct attempt *a,
                   struct ms_error *err)
{
    struct ms_paxos_block block = {.number = ms_ids_draw(x->ids) & ~UINT64_C(1),
                                   .counter = top_counter(seen) + 1};
    struct ms_write_id ballot = ballot_of(&block);
    int code = run_round(x, &block, seen, err);
    a->beaten = !code && beaten(seen, &ballot);
    if (code || a->beaten)
        return code;
    if (!accepted(seen) && !a->value)
        return ms_error_set(err, MS_ERR_NOT_FOUND, "nothing has been decided");
    MS_AUTO_BUF struct ms_buf *value = choose(seen, a);
    if (!value)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for what is agreed on");
    block.number |= 1;
    block.value = ms_buf_view(value);
    code = x->may ? x->may(x->ctx, err) : 0;
    if (code)
        return code;
    a->proposed = a->proposed || !accepted(seen);
    code = run_round(x, &block, seen, err);
    a->beaten = !code && beaten(seen, &ballot);
    if (!code && !a->beaten)
        *a->decided = MS_TAKE(value);
    return code;
}

/* Until somebody else is through: longer each time, by chance. */
static int step_aside(const struct ms_paxos *x, unsigned times, uint64_t began,
                      struct ms_error *err)
{
    uint64_t pause = PAUSE_FIRST << (times < 7 ? times : 7);
    if (ms_clock_now(x->clock) - began > PATIENCE)
        return ms_error_set(err, MS_ERR_BUSY,
                            "others have been deciding the same for two minutes: try again later");
    pause = pause < PAUSE_MAX ? pause : PAUSE_MAX;
    return ms_sleep(x->clock, pause / 2 + ms_ids_draw(x->ids) % pause, err);
}

static int decide(const struct ms_paxos *x, struct ms_buf *value, struct ms_buf **decided,
                  struct ms_error *err)
{
    struct seen seen = {0};
    struct attempt a = {.value = value, .decided = decided};
    uint64_t began = ms_clock_now(x->clock);
    int code;
    unsigned times = 0;
    do {
        code = attempt(x, &seen, &a, err);
        if (!code && a.beaten)
            code = step_aside(x, times++, began, err);
        if (!code && a.beaten && x->again && !a.proposed)
            code = x->again(x->ctx, err);
    } while (!code && a.beaten);
    seen_free(&seen);
    return code;
}

int ms_paxos_decide(const struct ms_paxos *r, struct ms_buf *value, struct ms_buf **decided,
                    struct ms_error *err)
{
    return decide(r, value, decided, err);
}

int ms_paxos_learn(const struct ms_paxos *r, struct ms_buf **decided, struct ms_error *err)
{
    return decide(r, NULL, decided, err);
}
