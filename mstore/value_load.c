/* mstore/value_load.c - enough shards of a value from the members expected to be fastest.
 *
 * A round asks for shards of a given set until `need` different ones are there: at first as many
 * places as needed, then another one for each that fails, and one more when a call is late and the
 * budget for hedges allows. One that says "not here" starts all places of its turn: most likely
 * there is no such value, and asking one after the other would take long.
 *
 *     copies              one round: any place
 *     shards, the whole   one round: any k
 *     shards, a range     the data shards that hold it; when one is missing or late, the rows of
 *                         any k. Where the value's length is not in the name, a round for it first
 *
 * What a round leaves behind is cancelled; it uses the round's own memory. */
#include "mstore/value_parts.h"

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/hash.h"

struct round { /* shared with the calls */
    struct ms_value_home home;
    struct ms_fetch want;
    char sha256[MS_SHA256_HEX];
    size_t count;
    struct ms_value_place *places; /* as they were when it began */
    struct ms_fetched *got;        /* of each place; written by its call */
};

struct asking { /* the caller's side of a round */
    const struct ms_value_query *query;
    struct ms_clock *clock;
    struct ms_fan *fan;
    struct round *round;
    bool wanted[256]; /* shards */
    unsigned need, good;
    bool have[256];
    uint16_t running[256]; /* calls for the shard */
    unsigned turn;         /* the latest that was asked as a whole */
    bool *started;
    uint64_t bytes; /* expected of each call */
    uint64_t due_ns;
    bool late;      /* the round ended because a call was late */
    bool impatient; /* it is to end so */
    struct ms_error *blame;
};

static void round_free(void *shared)
{
    struct round *r = shared;
    for (size_t i = 0; i < r->count && r->got; i++)
        ms_buf_unref(r->got[i].payload);
    ms_value_home_fini(&r->home);
    free(r->places);
    free(r->got);
    free(r);
}

static int fetch_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct round *r = shared;
    const struct ms_value_place *place = &r->places[leg];
    struct ms_value_shape shape = ms_value_place_shape(r->want.shape, place);
    struct ms_fetch want = r->want;
    want.shape = &shape;
    return ms_value_fetch(&want, place->member, place->shard, &r->got[leg], err);
}

static int round_new(const struct ms_site *site, const struct ms_value_query *query,
                     const struct ms_fetch *want, struct round **out, struct ms_error *err)
{
    struct round *r = calloc(1, sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for loading a value");
    r->count = query->count;
    r->places = calloc(query->count + 1, sizeof *r->places);
    r->got = calloc(query->count + 1, sizeof *r->got);
    int code = r->places && r->got
                   ? ms_value_home_init(&r->home, site, query->shape, err)
                   : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for loading a value");
    if (code) {
        round_free(r);
        return code;
    }
    ms_assert(r->places);
    if (query->count)
        memcpy(r->places, query->places, query->count * sizeof *r->places);
    r->want = *want;
    r->want.site = &r->home.site;
    r->want.shape = &r->home.shape;
    if (want->sha256) {
        memcpy(r->sha256, want->sha256, sizeof r->sha256 - 1);
        r->want.sha256 = r->sha256;
    }
    *out = r;
    return 0;
}

/* ---- whom to ask -------------------------------------------------------------------------- */

static uint64_t expected_ns(const struct asking *a, size_t i)
{
    struct ms_member *m = a->round->home.site.roster->members[a->round->places[i].member];
    return m ? ms_health_expected_ns(ms_member_health(m), a->bytes) : UINT64_MAX;
}

static bool may_ask(const struct asking *a, size_t i)
{
    unsigned shard = a->round->places[i].shard;
    enum ms_place_state state = a->query->places[i].state;
    bool hopeless =
        state == MS_PLACE_ABSENT || state == MS_PLACE_DAMAGED || state == MS_PLACE_FAILED;
    return !a->started[i] && !hopeless && a->wanted[shard] && !a->have[shard];
}

/* The best place not yet asked: the earliest turn, a shard that nobody is fetching, the fastest. */
static bool next_place(const struct asking *a, size_t *best)
{
    bool found = false;
    uint64_t best_ns = 0;
    for (size_t i = 0; i < a->round->count; i++) {
        if (!may_ask(a, i))
            continue;
        const struct ms_value_place *p = &a->round->places[i], *b = &a->round->places[*best];
        bool busy = a->running[p->shard], best_busy = found && a->running[b->shard];
        if (found && (p->turn > b->turn || (p->turn == b->turn && busy > best_busy)))
            continue;
        uint64_t ns = expected_ns(a, i);
        if (found && p->turn == b->turn && busy == best_busy && ns >= best_ns)
            continue;
        found = true;
        *best = i;
        best_ns = ns;
    }
    return found;
}

static void ask(struct asking *a, size_t i)
{
    struct ms_member *m = a->round->home.site.roster->members[a->round->places[i].member];
    uint64_t late_ns = m ? ms_health_late_ns(ms_member_health(m), a->bytes) : 0;
    a->started[i] = true;
    a->query->places[i].state = MS_PLACE_UNKNOWN; /* until it is taken back */
    a->running[a->round->places[i].shard]++;
    a->due_ns = ms_clock_now(a->clock) + late_ns;
    ms_fan_start(a->fan, (unsigned)i);
}

static bool ask_next(struct asking *a)
{
    size_t i = 0;
    if (!next_place(a, &i))
        return false;
    ask(a, i);
    return true;
}

/* All places of the best place's turn; of a later turn only when nobody else is being asked. */
static void ask_turn(struct asking *a)
{
    size_t i = 0;
    if (!next_place(a, &i) || (a->round->places[i].turn > a->turn && ms_fan_running(a->fan)))
        return;
    a->turn = a->round->places[i].turn;
    do
        ask(a, i);
    while (next_place(a, &i) && a->round->places[i].turn == a->turn);
}

/* ---- what comes back ---------------------------------------------------------------------- */

/* The shards of a load belong to one write: to that of the first one that came. */
static bool fits_others(const struct asking *a, unsigned leg)
{
    const struct ms_fetched *new = &a->round->got[leg];
    for (size_t i = 0; i < a->round->count; i++) {
        const struct ms_fetched *old = &a->round->got[i];
        if (a->query->places[i].state != MS_PLACE_GOOD || i == leg || !old->header.k ||
            !a->started[i])
            continue;
        return old->length == new->length &&
               old->header.block_size ==
                   new->header.block_size &&memcmp(old->header.write_id, new->header.write_id,
                                                   MS_FRAME_WRITE_ID) == 0;
    }
    return true;
}

static enum ms_place_state state_of(int code)
{
    switch (code) {
    case 0:
        return MS_PLACE_GOOD;
    case MS_ERR_NOT_FOUND:
        return MS_PLACE_ABSENT;
    case MS_ERR_CORRUPT:
        return MS_PLACE_DAMAGED;
    default:
        return MS_PLACE_FAILED;
    }
}

static void take_back(struct asking *a, unsigned leg)
{
    unsigned shard = a->round->places[leg].shard;
    enum ms_place_state state = state_of(ms_fan_code(a->fan, leg));
    a->running[shard]--;
    if (state == MS_PLACE_GOOD && !fits_others(a, leg))
        state = MS_PLACE_DAMAGED;
    a->query->places[leg].state = state;
    if (state == MS_PLACE_GOOD) {
        a->good += !a->have[shard];
        a->have[shard] = true;
        return;
    }
    if (ms_fan_code(a->fan, leg) && state != MS_PLACE_ABSENT)
        ms_value_blame(a->blame, ms_fan_error(a->fan, leg));
    unsigned other = 0; /* shards somebody is fetching */
    for (unsigned s = 0; s < 256; s++)
        other += a->wanted[s] && !a->have[s] && a->running[s];
    if (state == MS_PLACE_ABSENT && !a->good)
        ask_turn(a);
    else if (a->good + other < a->need)
        ask_next(a);
}

/* A call is late. False: the round is over. */
static bool hedge(struct asking *a)
{
    struct ms_hedge *budget = a->round->home.site.roster->hedge;
    a->due_ns = UINT64_MAX;
    if (!budget || !ms_hedge_take(budget))
        return true;
    if (ask_next(a)) { /* sets due_ns */
        ms_site_count(&a->round->home.site, MS_EVENT_HEDGE);
        return true;
    }
    if (a->impatient) {
        a->late = true;
        return false;
    }
    ms_hedge_give_back(budget);
    return true;
}

static void ask_until_enough(struct asking *a)
{
    unsigned leg;
    for (unsigned i = 0; i < a->need && ask_next(a); i++)
        continue;
    while (a->good < a->need && ms_fan_running(a->fan))
        if (ms_fan_next(a->fan, a->clock, a->due_ns, &leg))
            take_back(a, leg);
        else if (!hedge(a))
            break;
}

/* ---- a round ------------------------------------------------------------------------------ */

static void asking_end(struct asking *a)
{
    if (a->fan) {
        ms_fan_cancel(a->fan);
        ms_fan_release(a->fan);
    } else if (a->round) {
        round_free(a->round);
    }
    a->fan = NULL;
    a->round = NULL;
    free(a->started);
    a->started = NULL;
}

/* Asks until `need` of the wanted shards are there, or nobody is left. What came is in a->round
 * until asking_end. */
static int asking_begin(struct asking *a, const struct ms_site *site,
                        const struct ms_value_query *query, const struct ms_fetch *want,
                        struct ms_error *err)
{
    a->query = query;
    a->clock = site->roster->clock;
    a->good = a->turn = 0;
    a->late = false;
    memset(a->have, 0, sizeof a->have);
    memset(a->running, 0, sizeof a->running);
    a->started = calloc(query->count + 1, sizeof *a->started);
    int code = a->started ? round_new(site, query, want, &a->round, err)
                          : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for loading a value");
    if (!code)
        code = ms_fan_new((unsigned)query->count, fetch_leg, round_free, a->round, &a->fan, err);
    if (code) {
        asking_end(a);
        return code;
    }
    if (site->roster->hedge)
        ms_hedge_first(site->roster->hedge);
    ask_until_enough(a);
    return 0;
}

/* What there is to be said when no call has failed by itself: members that failed before were not
 * asked, or what came is of different writes. */
static void blame_somebody(const struct asking *a, bool failed)
{
    if (!a->blame->code)
        (void)!ms_error_set(a->blame, failed ? MS_ERR_CONNECTION : MS_ERR_CORRUPT,
                            failed ? "members that failed a moment ago were not asked again"
                                   : "they are of different writes");
}

/* Why there are not enough. */
static int too_few(const struct asking *a, const struct ms_site *site, struct ms_error *err)
{
    char shown[MS_VALUE_SHOWN];
    unsigned failed = 0, damaged = 0;
    for (size_t i = 0; i < a->query->count; i++) {
        failed += a->query->places[i].state == MS_PLACE_FAILED;
        damaged += a->query->places[i].state == MS_PLACE_DAMAGED;
    }
    if (ms_check_cancelled(NULL))
        return ms_error_set(err, MS_ERR_CANCELLED, "cancelled");
    ms_value_shown(site, shown);
    if (!failed && !damaged)
        return ms_error_set(err, MS_ERR_NOT_FOUND, "%s: there is no such value", shown);
    blame_somebody(a, failed > 0);
    return ms_error_set(err, a->blame->code, "%s: %u of %u wanted copies or shards are there (%s)",
                        shown, a->good, a->need, a->blame->text);
}

static void collect(const struct asking *a, const struct ms_fetched *parts[256],
                    const struct ms_fetched **any)
{
    memset(parts, 0, 256 * sizeof *parts);
    for (size_t i = 0; i < a->round->count; i++)
        if (a->query->places[i].state == MS_PLACE_GOOD && a->started[i] &&
            a->round->got[i].header.k && !parts[a->round->places[i].shard]) {
            parts[a->round->places[i].shard] = &a->round->got[i];
            *any = &a->round->got[i];
        }
}

static void tell(const struct ms_fetched *any, struct ms_value_info *info)
{
    info->size = any->length;
    if (any->mtime_ns)
        info->mtime_ns = any->mtime_ns;
    info->header = any->header;
}

/* ---- the loads ---------------------------------------------------------------------------- */

static int deliver(const struct asking *a, struct ms_buf **out, struct ms_value_info *info,
                   struct ms_error *err)
{
    const struct ms_fetched *parts[256], *any = NULL;
    const struct ms_fetch *want = &a->round->want;
    collect(a, parts, &any);
    ms_assert(any);
    tell(any, info);
    struct ms_stripe_range range = ms_value_clip(want->offset, want->size, any->length);
    if (ms_value_is_copy(want->shape) && any->payload) {
        *out = ms_buf_ref(any->payload);
        return *out ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    }
    return ms_value_assemble(want->shape, any->header.block_size, any->length, range, parts, out,
                             err);
}

/* One round in which any of `need` shards of all will do. */
static int load_any(struct asking *a, const struct ms_site *site,
                    const struct ms_value_query *query, const struct ms_fetch *want, unsigned need,
                    struct ms_buf **out, struct ms_value_info *info, struct ms_error *err)
{
    memset(a->wanted, 1, sizeof a->wanted);
    a->need = need;
    a->impatient = false;
    int code = asking_begin(a, site, query, want, err);
    if (code)
        return code;
    if (a->good < a->need) {
        code = too_few(a, site, err);
    } else if (want->mode == MS_FETCH_HEAD) {
        const struct ms_fetched *parts[256], *any = NULL;
        collect(a, parts, &any);
        tell(any, info);
    } else {
        code = deliver(a, out, info, err);
    }
    asking_end(a);
    return code;
}

/* The data shards that hold the range. */
static unsigned choose_data(struct asking *a, const struct ms_value_shape *shape,
                            uint32_t block_size, uint64_t length, struct ms_stripe_range range)
{
    struct ms_stripe stripe = {shape->k, block_size, length};
    memset(a->wanted, 0, sizeof a->wanted);
    unsigned count = 0;
    for (unsigned j = 0; j < shape->k && range.size; j++) {
        a->wanted[j] = ms_stripe_shard_range(stripe, range, j).size > 0;
        count += a->wanted[j];
    }
    return count;
}

/* *out stays NULL: not all of them could be had, or not in time. */
static int load_data(struct asking *a, const struct ms_site *site,
                     const struct ms_value_query *query, struct ms_fetch *want, struct ms_buf **out,
                     struct ms_value_info *info, struct ms_error *err)
{
    want->mode = MS_FETCH_PART;
    a->impatient = true;
    int code = asking_begin(a, site, query, want, err);
    if (code)
        return code;
    if (a->good == a->need)
        code = deliver(a, out, info, err);
    asking_end(a);
    return code;
}

/* A range of an erasure-coded value whose length is known. */
static int load_range(struct asking *a, const struct ms_site *site,
                      const struct ms_value_query *query, struct ms_fetch *want, uint64_t length,
                      struct ms_buf **out, struct ms_value_info *info, struct ms_error *err)
{
    struct ms_stripe_range range = ms_value_clip(want->offset, want->size, length);
    uint32_t block = want->pinned ? want->header.block_size : MS_FRAME_BLOCK_DEFAULT;
    a->need = choose_data(a, query->shape, block, length, range);
    if (a->need == 0) {
        info->size = length;
        *out = ms_buf_new(0);
        return *out ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    }
    int code = load_data(a, site, query, want, out, info, err);
    if (code || *out)
        return code;
    want->mode = MS_FETCH_ROWS;
    for (size_t i = 0; i < query->count; i++)
        if (query->places[i].state == MS_PLACE_GOOD)
            query->places[i].state = MS_PLACE_UNKNOWN;
    return load_any(a, site, query, want, query->shape->k, out, info, err);
}

/* The length is known from the name, or a frame's header is asked for it. */
static int load_coded(struct asking *a, const struct ms_site *site,
                      const struct ms_value_query *query, struct ms_fetch *want,
                      struct ms_buf **out, struct ms_value_info *info, struct ms_error *err)
{
    uint64_t length = query->shape->named_size;
    if (want->pinned)
        length = want->length;
    if (length == MS_OWN_SIZE_UNKNOWN) {
        struct ms_fetch head = *want;
        head.mode = MS_FETCH_HEAD;
        int code = load_any(a, site, query, &head, 1, out, info, err);
        if (code)
            return code;
        want->pinned = true;
        want->header = info->header;
        want->length = length = info->size;
    }
    return load_range(a, site, query, want, length, out, info, err);
}

int ms_value_load_pinned(const struct ms_site *site, const struct ms_value_query *query,
                         const struct ms_value_info *pin, int64_t offset, uint64_t size,
                         struct ms_buf **out, struct ms_value_info *info, struct ms_error *err)
{
    struct ms_error blame = {0};
    struct ms_value_info own = {0};
    struct ms_buf *loaded = NULL;
    struct asking a = {.blame = &blame};
    struct ms_fetch want = {.offset = offset, .size = size, .sha256 = query->sha256};
    bool whole = offset == 0 && size == MS_SIZE_TO_END && !pin;
    if (!info)
        info = &own;
    if (pin) {
        want.pinned = true;
        want.header = pin->header;
        want.length = pin->size;
    }
    a.bytes = size > UINT32_MAX ? MS_FRAME_BLOCK_DEFAULT : size / query->shape->k + 1;
    want.mode = !out ? MS_FETCH_HEAD : whole ? MS_FETCH_WHOLE : MS_FETCH_PART;
    int code;
    if (!out || whole || ms_value_is_copy(query->shape))
        code = load_any(&a, site, query, &want, query->shape->k, &loaded, info, err);
    else
        code = load_coded(&a, site, query, &want, &loaded, info, err);
    if (!code && whole && out && query->sha256 && !ms_value_is_copy(query->shape)) {
        char hex[MS_SHA256_HEX];
        code = ms_sha256_hex(ms_buf_view(loaded), hex, err);
        if (!code && strcmp(hex, query->sha256) != 0)
            code =
                ms_error_set(err, MS_ERR_CORRUPT,
                             "the value of %s has another SHA-256; scrub the store", query->sha256);
    }
    if (code)
        ms_buf_unref(loaded);
    else if (out)
        *out = loaded;
    return code;
}

int ms_value_load(const struct ms_site *site, const struct ms_value_query *query, int64_t offset,
                  uint64_t size, struct ms_buf **out, struct ms_value_info *info,
                  struct ms_error *err)
{
    for (size_t i = 0; i < query->count; i++)
        query->places[i].state = MS_PLACE_UNKNOWN;
    return ms_value_load_pinned(site, query, NULL, offset, size, out, info, err);
}
