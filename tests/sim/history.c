/* What the clients did and what they were told: see history.h. One task at a time. */
#include "tests/sim/history.h"

#include <stdlib.h>

void sim_history_fini(struct sim_history *h)
{
    free(h->ops);
    *h = (struct sim_history){0};
}

uint64_t sim_history_now(struct sim_history *h)
{
    return ++h->seq;
}

static struct sim_op *append(struct sim_history *h, const struct sim_op *op)
{
    if (h->count == h->room) {
        size_t room = h->room ? 2 * h->room : 128;
        struct sim_op *ops = realloc(h->ops, room * sizeof *ops);
        if (!ops) {
            h->full = true;
            return NULL;
        }
        h->ops = ops;
        h->room = room;
    }
    h->ops[h->count] = *op;
    return &h->ops[h->count++];
}

size_t sim_history_begin(struct sim_history *h, const struct sim_op *op, uint64_t now_ns)
{
    struct sim_op *added = append(h, op);
    if (!added)
        return SIZE_MAX;
    added->begin_seq = sim_history_now(h);
    added->begin_ns = now_ns;
    added->end_seq = added->end_ns = SIM_NEVER;
    added->answer = SIM_NO_ANSWER;
    added->code = MS_ERR_INTERNAL;
    return h->count - 1;
}

void sim_history_end(struct sim_history *h, size_t index, enum sim_answer answer, int code,
                     uint64_t now_ns)
{
    if (index >= h->count)
        return;
    struct sim_op *op = &h->ops[index];
    op->answer = answer;
    op->code = code;
    op->end_ns = now_ns;
    if (answer != SIM_NO_ANSWER)
        op->end_seq = sim_history_now(h);
}

void sim_history_add(struct sim_history *h, const struct sim_op *op, uint64_t now_ns)
{
    struct sim_op *added = append(h, op);
    if (!added)
        return;
    added->end_seq = sim_history_now(h);
    added->end_ns = now_ns;
}

/* One of the kind may have been done to the key of `one` between its beginning and that place. */
static bool meets(const struct sim_history *h, const struct sim_op *one, uint64_t until,
                  bool (*kind)(const struct sim_op *op))
{
    for (size_t i = 0; i < h->count; i++) {
        const struct sim_op *op = &h->ops[i];
        bool may = op->answer == SIM_DONE || op->answer == SIM_NO_ANSWER;
        if (op->key == one->key && kind(op) && may && op->end_seq > one->begin_seq &&
            op->begin_seq < until)
            return true;
    }
    return false;
}

static bool deletes(const struct sim_op *op)
{
    return op->verb == SIM_DELETE;
}

bool sim_op_moves(const struct sim_op *op)
{
    return op->verb == SIM_SOFT_DELETE || op->verb == SIM_UNDELETE;
}

bool sim_move_is_whole(const struct sim_history *h, const struct sim_op *move)
{
    for (size_t i = 0; i < h->count; i++) {
        const struct sim_op *s = &h->ops[i];
        if (s->key == move->key && sim_op_stores(s) && s->answer == SIM_DONE &&
            s->end_seq < move->begin_seq && !meets(h, s, s->end_seq, sim_op_moves) &&
            !meets(h, s, move->begin_seq, deletes))
            return true;
    }
    return false;
}

/* ---- for people ---- */

static const char *const verbs[SIM_VERB_COUNT] = {
    [SIM_STORE] = "store",       [SIM_LOAD] = "load",         [SIM_INFO] = "info of",
    [SIM_LIST] = "listing of",   [SIM_DELETE] = "delete",     [SIM_SOFT_DELETE] = "soft-delete",
    [SIM_UNDELETE] = "undelete", [SIM_STORE_IF] = "store-if", [SIM_RENAME] = "rename"};

static void print_value(char *text, size_t size, const struct sim_op *op)
{
    bool shown = op->verb == SIM_STORE || op->verb == SIM_STORE_IF ||
                 (sim_op_reads(op) && op->answer == SIM_DONE);
    char bytes[40] = "";
    if (shown && op->size != UINT64_MAX)
        snprintf(bytes, sizeof bytes, " (%llu bytes)", (unsigned long long)op->size);
    if (shown && op->id)
        snprintf(text, size, " value %u%s", op->id, bytes);
    else
        snprintf(text, size, "%s", bytes);
    size_t length = strlen(text);
    if (op->verb == SIM_STORE_IF && op->expect)
        snprintf(text + length, size - length, " over value %u", op->expect);
    else if (op->verb == SIM_STORE_IF)
        snprintf(text + length, size - length, " over none");
    else if (op->verb == SIM_RENAME)
        snprintf(text + length, size - length, " to key %u", op->expect);
}

void sim_op_print(char *text, size_t size, const struct sim_op *op)
{
    char value[80], end[40] = "..";
    print_value(value, sizeof value, op);
    if (op->end_ns != SIM_NEVER)
        snprintf(end, sizeof end, "..%.3f", (double)op->end_ns / 1e6);
    bool died = op->code == MS_ERR_INTERNAL && op->end_ns == SIM_NEVER;
    snprintf(text, size, "client %u %s key %u%s%s: %s [%.3f%s ms]", op->client, verbs[op->verb],
             op->key, op->deleted ? " (deleted)" : "", value,
             died ? "no answer" : ms_code_name(op->code), (double)op->begin_ns / 1e6, end);
}

static bool is_about(const struct sim_op *op, unsigned key, uint64_t end_seq)
{
    return (key == SIM_ANY_KEY || op->key == key) && op->begin_seq <= end_seq;
}

void sim_history_print(FILE *out, const struct sim_history *h, unsigned key, uint64_t end_seq,
                       size_t most)
{
    size_t matching = 0;
    for (size_t i = 0; i < h->count; i++)
        matching += is_about(&h->ops[i], key, end_seq);
    size_t skip = matching > most ? matching - most : 0;
    for (size_t i = 0; i < h->count; i++) {
        if (!is_about(&h->ops[i], key, end_seq))
            continue;
        if (skip) {
            skip--;
            continue;
        }
        char text[256];
        sim_op_print(text, sizeof text, &h->ops[i]);
        fprintf(out, "  %s\n", text);
    }
}
