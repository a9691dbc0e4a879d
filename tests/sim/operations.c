/* One operation of one client: see operations.h.
 *
 * An answer is "done", "not found" or "exists"; every other error says nothing about what is there
 * and leaves the operation open in the history. So does the death of the client meanwhile. */
#include "tests/sim/operations.h"

#include "tests/sim/values.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "base/sim.h"

#include <stdio.h>
#include <stdlib.h>

#define PIECE 1000 /* bytes that a writer is given at once */

/* ---- noting ---- */

static uint64_t now(const struct sim_actor *a)
{
    return ms_clock_now(a->run->world->clock);
}

size_t sim_op_begin(const struct sim_actor *a, const struct sim_op *op)
{
    size_t index = sim_history_begin(&a->run->history, op, now(a));
    ms_sim_note("client %u begins %d of key %u%s, id %u", op->client, (int)op->verb, op->key,
                op->deleted ? " deleted" : "", op->id);
    return index;
}

static enum sim_answer answer_of(enum sim_verb verb, int code)
{
    if (code == 0)
        return SIM_DONE;
    if (code == MS_ERR_NOT_FOUND && verb != SIM_STORE && verb != SIM_STORE_IF)
        return SIM_NOT_FOUND;
    if (verb == SIM_STORE_IF && (code == MS_ERR_EXISTS || code == MS_ERR_CONFLICT))
        return SIM_EXISTS;
    return code == MS_ERR_EXISTS && verb == SIM_UNDELETE ? SIM_EXISTS : SIM_NO_ANSWER;
}

/* A soft delete or undelete that nobody was told of as done may leave one copy, under either name
 * (docs/mstore.md, Soft delete and undelete); when that is spoiled before heal has been there,
 * nothing is left that could be read. */
static bool may_be_spoiled(const struct sim_actor *a, const struct sim_op *op, int code)
{
    const struct sim_history *h = &a->run->history;
    bool open = false;
    for (size_t i = 0; i < h->count && code == MS_ERR_CORRUPT; i++)
        open = open || (h->ops[i].key == op->key && h->ops[i].answer == SIM_NO_ANSWER &&
                        (h->ops[i].verb == SIM_SOFT_DELETE || h->ops[i].verb == SIM_UNDELETE));
    return open;
}

/* Nobody deletes or moves the live item of this store before that place. */
static bool is_whole_until(const struct sim_history *h, const struct sim_op *store, uint64_t until)
{
    for (size_t i = 0; i < h->count; i++) {
        const struct sim_op *op = &h->ops[i];
        bool removes = (op->verb == SIM_DELETE && !op->deleted) || op->verb == SIM_SOFT_DELETE;
        if (op->key == store->key && removes && op->answer != SIM_NOT_FOUND &&
            op->end_seq > store->begin_seq && op->begin_seq < until)
            return false;
    }
    return true;
}

static uint64_t last_done(const struct sim_history *h, unsigned key, enum sim_verb verb)
{
    uint64_t begin_seq = 0;
    for (size_t i = 0; i < h->count; i++)
        if (h->ops[i].key == key && h->ops[i].verb == verb && h->ops[i].answer == SIM_DONE &&
            (verb != SIM_UNDELETE || sim_move_is_whole(h, &h->ops[i])))
            begin_seq = h->ops[i].begin_seq;
    return begin_seq;
}

/* A store that nobody was told of as done, and one beside a deletion of the key, may leave one copy
 * (docs/mstore.md, Leases, "Where it is weaker"), which may be soft-deleted then, and brought back;
 * when that is spoiled before heal has been there, it stays so. */
static bool may_be_lost(const struct sim_actor *a, const struct sim_op *op, int code)
{
    const struct sim_history *h = &a->run->history;
    uint64_t until = op->deleted ? last_done(h, op->key, SIM_SOFT_DELETE) : SIM_NEVER;
    bool stored = false, whole = false;
    for (size_t i = 0; i < h->count && code == MS_ERR_CORRUPT; i++) {
        const struct sim_op *store = &h->ops[i];
        if (store->key != op->key || !sim_op_stores(store) || store->begin_seq >= until)
            continue;
        stored = op->deleted || store->begin_seq > last_done(h, op->key, SIM_UNDELETE);
        whole = whole || (store->answer == SIM_DONE && is_whole_until(h, store, until));
    }
    a->run->lost = a->run->lost || (stored && !whole);
    return stored && !whole;
}

/* Who moves a key that somebody else moves or deletes may be told so (likewise). */
static bool may_collide(const struct sim_op *op, int code)
{
    return code == MS_ERR_BUSY && (op->verb == SIM_SOFT_DELETE || op->verb == SIM_UNDELETE);
}

/* Where copies of a plain key differ without a majority no member is believed again that has missed
 * something, and listings do without it (docs/mstore.md, Leases, "Which keys speak against it"). */
static bool may_do_without(const struct sim_actor *a, const struct sim_op *op, int code)
{
    return a->run->world->split && op->verb == SIM_LIST && code == MS_ERR_CONNECTION;
}

/* Within the tolerance, and when all is well, an error is a broken promise. */
static void judge_failure(const struct sim_actor *a, const struct sim_op *op,
                          const struct ms_error *err)
{
    if (a->must_succeed ? may_be_spoiled(a, op, err->code) || may_be_lost(a, op, err->code) ||
                              may_do_without(a, op, err->code)
                        : !a->run->scenario->available)
        return;
    if (!a->must_succeed && may_collide(op, err->code))
        return;
    char text[256];
    sim_op_print(text, sizeof text, op);
    sim_broken(a->run->world, "%s, this failed: %s: %s",
               a->must_succeed ? "when the faults had stopped" : "though enough members were well",
               text, err->text);
}

void sim_op_end(const struct sim_actor *a, size_t index, int code, const struct ms_error *err)
{
    struct sim_history *h = &a->run->history;
    if (index >= h->count || sim_client_dead(a->run->world, a->client))
        return;
    enum sim_answer answer = answer_of(h->ops[index].verb, code);
    sim_history_end(h, index, answer, code, now(a));
    ms_sim_note("client %u ends %d: %s, id %u", a->client, (int)h->ops[index].verb,
                ms_code_name(code), h->ops[index].id);
    if (answer == SIM_NO_ANSWER)
        judge_failure(a, &h->ops[index], err);
}

/* The key with its namespace, in `text`. */
struct ms_view sim_op_key(const struct sim_actor *a, unsigned key, char *text, size_t size)
{
    const char *ns = sim_space_of(a->run->scenario, key)->ns;
    snprintf(text, size, "%s%s%s", ns, *ns ? "/" : "", a->run->keys[key]);
    return ms_str(text);
}

/* ---- storing ---- */

static int store_in_pieces(const struct sim_actor *a, struct ms_view name, struct ms_view value,
                           struct ms_error *err)
{
    struct ms_store_writer *w;
    int code = ms_store_write(a->store, name, value.size, NULL, &w, err);
    if (code)
        return code;
    for (size_t at = 0; at < value.size; at += PIECE) {
        size_t size = value.size - at < PIECE ? value.size - at : PIECE;
        code = ms_store_writer_append(w, ms_view(value.data + at, size), err);
        if (code) {
            ms_store_writer_abort(w);
            return code;
        }
    }
    return ms_store_writer_commit(w, NULL, err);
}

/* The tag of a value that is known to have been stored, for whoever wants to replace that one. */
static void remember_tag(const struct sim_actor *a, unsigned key, uint32_t id, int code,
                         const struct ms_tag *tag)
{
    if (code || !tag->text[0])
        return;
    a->run->tags[key].tag = *tag;
    a->run->tags[key].id = id;
}

static void do_store(const struct sim_actor *a, unsigned key)
{
    const struct sim_scenario *sc = a->run->scenario;
    const struct sim_space *space = sim_space_of(sc, key);
    uint32_t id = space->one_value_per_key ? key + 1 : ++a->run->last_id;
    MS_AUTO_BUF struct ms_buf *value = sim_value_make(key, id, sc->value_max);
    if (!value)
        return;
    struct ms_error err = {0};
    size_t index = sim_op_begin(a, &(struct sim_op){.client = a->client,
                                                    .key = key,
                                                    .verb = SIM_STORE,
                                                    .id = id,
                                                    .size = ms_buf_size(value)});
    struct ms_tag tag = {""};
    int code = space->no_streams || sim_below(a->run->world, 4)
                   ? ms_store_store(a->store, SIM_KEY(a, key), value, NULL, &tag, &err)
                   : store_in_pieces(a, SIM_KEY(a, key), ms_buf_view(value), &err);
    remember_tag(a, key, id, code, &tag);
    sim_op_end(a, index, code, &err);
}

/* Only if nothing is there, or what the last one stored who told his tag. */
static void do_store_if(const struct sim_actor *a, unsigned key)
{
    const struct sim_run *run = a->run;
    uint32_t id = ++a->run->last_id;
    struct ms_store_value_options options = MS_STORE_VALUE_OPTIONS_INIT;
    MS_AUTO_BUF struct ms_buf *value = sim_value_make(key, id, run->scenario->value_max);
    if (!value)
        return;
    bool tagged = run->tags[key].id && sim_below(run->world, 2);
    options.precondition.kind = tagged ? MS_IF_TAG : MS_IF_ABSENT;
    if (tagged)
        options.precondition.tag = run->tags[key].tag;
    struct ms_error err = {0};
    struct ms_tag tag = {""};
    size_t index = sim_op_begin(a, &(struct sim_op){.client = a->client,
                                                    .key = key,
                                                    .verb = SIM_STORE_IF,
                                                    .id = id,
                                                    .expect = tagged ? run->tags[key].id : 0,
                                                    .size = ms_buf_size(value)});
    int code = ms_store_store(a->store, SIM_KEY(a, key), value, &options, &tag, &err);
    remember_tag(a, key, id, code, &tag);
    sim_op_end(a, index, code, &err);
}

/* ---- loading ---- */

/* Sets what was seen, after checking every byte of it. wanted: bytes asked for. */
static void check_loaded(const struct sim_actor *a, size_t index, struct ms_view bytes,
                         uint64_t offset, uint64_t wanted)
{
    const struct sim_scenario *sc = a->run->scenario;
    struct sim_op *op = &a->run->history.ops[index];
    char why[160] = "", text[256];
    bool fine = sim_value_check(op->key, sc->value_max, bytes, offset, &op->id, why, sizeof why);
    if (fine && op->id) {
        op->size = sim_value_size(op->key, op->id, sc->value_max);
        uint64_t there = offset < op->size ? op->size - offset : 0;
        fine = bytes.size == (wanted < there ? wanted : there);
        snprintf(why, sizeof why,
                 "%zu bytes from %llu came, %llu were asked for and %llu are there", bytes.size,
                 (unsigned long long)offset, (unsigned long long)wanted, (unsigned long long)there);
    }
    if (fine)
        return;
    struct sim_op shown = *op;
    shown.code = 0;
    shown.end_ns = now(a);
    sim_op_print(text, sizeof text, &shown);
    sim_broken(a->run->world, "wrong bytes were loaded: %s: %s", text, why);
}

static int read_through(const struct sim_actor *a, struct ms_view name, bool deleted,
                        struct ms_buf **out, struct ms_error *err)
{
    struct ms_store_reader *r;
    int code = ms_store_read(a->store, name, deleted, &r, err);
    if (code)
        return code;
    uint64_t size = ms_store_reader_info(r)->size_bytes;
    size_t got = 0, at = 0;
    struct ms_buf *value = size <= SIM_VALUE_MAX ? ms_buf_new((size_t)size) : NULL;
    if (!value)
        code =
            ms_error_set(err, MS_ERR_TOO_LARGE, "a value of %llu bytes", (unsigned long long)size);
    while (!code && at < size) {
        size_t piece = size - at < PIECE ? (size_t)size - at : PIECE;
        code = ms_store_reader_read(r, at, ms_buf_data(value) + at, piece, &got, err);
        if (!code && got == 0)
            code = ms_error_set(err, MS_ERR_RANGE, "the reader ended early");
        at += got;
    }
    ms_store_reader_close(r);
    if (code)
        ms_buf_unref(value);
    else
        *out = value;
    return code;
}

static void do_load(const struct sim_actor *a, unsigned key, bool deleted)
{
    struct sim_world *w = a->run->world;
    size_t max = a->run->scenario->value_max;
    struct ms_load_options options = MS_LOAD_OPTIONS_INIT;
    options.deleted = deleted;
    bool range = !a->must_succeed && sim_below(w, 3) == 0;
    if (range) {
        options.offset = (int64_t)sim_below(w, max);
        options.size = 16 + sim_below(w, max);
    }
    struct ms_error err = {0};
    MS_AUTO_BUF struct ms_buf *value = NULL;
    size_t index = sim_op_begin(a, &(struct sim_op){.client = a->client,
                                                    .key = key,
                                                    .verb = SIM_LOAD,
                                                    .deleted = deleted,
                                                    .size = UINT64_MAX});
    bool whole = !range && !sim_space_of(a->run->scenario, key)->no_streams && sim_below(w, 4) == 0;
    int code = whole ? read_through(a, SIM_KEY(a, key), deleted, &value, &err) : MS_ERR_CONFLICT;
    /* A reader may say that its version is gone; a load may not. */
    if (code == MS_ERR_CONFLICT)
        code = ms_store_load(a->store, SIM_KEY(a, key), &options, &value, &err);
    if (!code && index < a->run->history.count)
        check_loaded(a, index, ms_buf_view(value), (uint64_t)options.offset, options.size);
    sim_op_end(a, index, code, &err);
}

static void do_info(const struct sim_actor *a, unsigned key, bool deleted)
{
    struct ms_error err = {0};
    struct ms_item_info info = {0};
    size_t index = sim_op_begin(a, &(struct sim_op){.client = a->client,
                                                    .key = key,
                                                    .verb = SIM_INFO,
                                                    .deleted = deleted,
                                                    .size = UINT64_MAX});
    int code = ms_store_info(a->store, SIM_KEY(a, key), deleted, &info, &err);
    if (!code && info.exists && index < a->run->history.count)
        a->run->history.ops[index].size = info.size_bytes;
    sim_op_end(a, index, code ? code : info.exists ? 0 : MS_ERR_NOT_FOUND, &err);
}

/* ---- listing ---- */

struct listing {
    const char *ns;      /* what is listed; "" may be all */
    unsigned first, end; /* keys that may be in it */
    bool seen[SIM_KEYS_MAX];
    uint64_t size[SIM_KEYS_MAX];
    int last; /* number of the last key; -1: none yet */
};

/* As the listing shows it: from the root it comes with its namespace. */
static bool is_shown_as(const struct sim_actor *a, const struct listing *l, unsigned key,
                        struct ms_view shown)
{
    struct ms_view name = SIM_KEY(a, key);
    size_t skip = *l->ns ? strlen(l->ns) + 1 : 0;
    return ms_equal(ms_view(name.data + skip, name.size - skip), shown);
}

/* Keys are numbered in their order, so each must have a higher number than the one before. */
static void take_item(const struct sim_actor *a, const struct ms_item *item, struct listing *l)
{
    const struct sim_run *run = a->run;
    unsigned i = l->first;
    while (i < l->end && !is_shown_as(a, l, i, item->key))
        i++;
    if (i == l->end) {
        sim_broken(run->world, "a listing of client %u shows %.*s, which nobody stored", a->client,
                   (int)item->key.size, (const char *)item->key.data);
        return;
    }
    if ((int)i <= l->last)
        sim_broken(run->world, "a listing of client %u shows key %u after key %d", a->client, i,
                   l->last);
    l->last = (int)i;
    l->seen[i] = true;
    l->size[i] = item->info.size_bytes;
}

static int list(const struct sim_actor *a, bool deleted, struct listing *l, struct ms_error *err)
{
    struct ms_list_options options = MS_LIST_OPTIONS_INIT;
    options.deleted = deleted ? MS_LIST_DELETED : MS_LIST_LIVE;
    struct ms_store_lister *lister;
    int code = ms_store_list(a->store, l->ns, &options, &lister, err);
    if (code)
        return code;
    const struct ms_item *item = NULL;
    while (!(code = ms_store_lister_next(lister, &item, err)) && item)
        take_item(a, item, l);
    ms_store_lister_close(lister);
    return code;
}

/* Of the key's namespace, or of all. */
static struct listing listing_of(const struct sim_scenario *sc, unsigned key)
{
    unsigned keys = sim_keys_per_space(sc);
    if (key == SIM_ANY_KEY)
        return (struct listing){.ns = "", .end = sc->keys, .last = -1};
    return (struct listing){.ns = sim_space_of(sc, key)->ns,
                            .first = key / keys * keys,
                            .end = key / keys * keys + keys,
                            .last = -1};
}

static void do_list(const struct sim_actor *a, unsigned key, bool deleted)
{
    struct sim_run *run = a->run;
    struct listing l = listing_of(run->scenario, key);
    struct ms_error err = {0};
    struct sim_op op = {.client = a->client,
                        .verb = SIM_LIST,
                        .deleted = deleted,
                        .begin_seq = sim_history_now(&run->history),
                        .begin_ns = now(a)};
    ms_sim_note("client %u begins to list%s", a->client, deleted ? " deleted" : "");
    int code = list(a, deleted, &l, &err);
    ms_sim_note("client %u ends to list: %s", a->client, ms_code_name(code));
    if (sim_client_dead(run->world, a->client))
        return;
    op.code = code;
    if (code) {
        op.end_ns = now(a);
        judge_failure(a, &op, &err);
        return;
    }
    for (op.key = l.first; op.key < l.end; op.key++) {
        op.answer = l.seen[op.key] ? SIM_DONE : SIM_NOT_FOUND;
        op.code = l.seen[op.key] ? 0 : MS_ERR_NOT_FOUND;
        op.size = l.seen[op.key] ? l.size[op.key] : UINT64_MAX;
        sim_history_add(&run->history, &op, now(a));
    }
}

/* ---- the rest ---- */

static void do_change(const struct sim_actor *a, enum sim_verb verb, unsigned key, bool deleted)
{
    struct ms_error err = {0};
    size_t index = sim_op_begin(
        a, &(struct sim_op){.client = a->client, .key = key, .verb = verb, .deleted = deleted});
    int code;
    if (verb == SIM_DELETE)
        code = ms_store_delete(a->store, SIM_KEY(a, key), deleted, &err);
    else
        code =
            ms_store_move(a->store, verb == SIM_UNDELETE ? MS_MOVE_UNDELETE : MS_MOVE_SOFT_DELETE,
                          SIM_KEY(a, key), ms_view(NULL, 0), false, &err);
    sim_op_end(a, index, code, &err);
}

void sim_operate(const struct sim_actor *a, enum sim_verb verb, unsigned key, bool deleted)
{
    switch (verb) {
    case SIM_STORE:
        do_store(a, key);
        break;
    case SIM_STORE_IF:
        do_store_if(a, key);
        break;
    case SIM_LOAD:
        do_load(a, key, deleted);
        break;
    case SIM_INFO:
        do_info(a, key, deleted);
        break;
    case SIM_LIST:
        do_list(a, key, deleted);
        break;
    case SIM_DELETE:
    case SIM_SOFT_DELETE:
    case SIM_UNDELETE:
        do_change(a, verb, key, verb == SIM_DELETE && deleted);
        break;
    case SIM_RENAME:
    case SIM_VERB_COUNT:
        break;
    }
}
