/* What a client reaches a member by: a backend whose calls travel to the disk that is there now.
 *
 * The way of a call: the client dies or not; the request travels (a part of the latency); the fate
 * is drawn; the effect happens under the member's mutex, or later, or not; the answer travels (the
 * emulator in front waits for the rest). Slots for streams, batches, copies are left to the generic
 * fallbacks, so that each change is one of five effects. */
#include "tests/sim/lies.h"

#include "base/cleanup.h"
#include "base/sim.h"

#include <mstore/emulator.h>
#include <stdio.h>
#include <stdlib.h>

struct handle {
    struct ms_backend base;
    struct sim_world *w;
    unsigned member, client;
};

enum effect { EFFECT_MKDIR, EFFECT_RMDIR, EFFECT_STORE, EFFECT_REMOVE, EFFECT_MOVE };
static const char *const effect_names[] = {"mkdir", "rmdir", "store", "remove", "move"};

/* A change, able to happen when its client is long gone. */
struct request {
    enum effect effect;
    struct sim_world *w;
    unsigned member;
    char *name, *to;
    struct ms_buf *value;
    struct ms_precondition pre;
    struct ms_tag *tag; /* NULL once the caller is gone */
    uint64_t delay_ns;
};

static struct handle *handle_of(struct ms_backend *b)
{
    return (struct handle *)b;
}

static struct sim_member *member_of(const struct handle *h)
{
    return &h->w->members[h->member];
}

/* ---- the way there ---- */

static int refuse_dead(const struct handle *h, struct ms_error *err)
{
    if (!sim_client_dead(h->w, h->client))
        return 0;
    return ms_error_set(err, MS_ERR_CANCELLED, "client %u is dead", h->client);
}

static int unreachable(const struct handle *h, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_CONNECTION, "%s cannot be reached", h->base.url);
}

/* Counts a call, and ends the client when this is the one during which it dies. */
static void count_call(struct handle *h)
{
    struct sim_client *c = &h->w->clients[h->client];
    h->w->calls++;
    if (++c->calls < c->dies_at || c->dead || h->w->calm)
        return;
    c->dead = true;
    h->w->deaths++;
    ms_sim_note("client %u dies", h->client);
    ms_cancel_fire(c->token);
}

/* Time of a request; the emulator adds what is missing to the latency. */
static int travel(struct handle *h, struct ms_error *err)
{
    uint64_t latency = h->w->faults.latency_ns;
    uint64_t factor = member_of(h)->slow ? 50 : 1;
    return ms_sleep(h->base.clock, factor * sim_below(h->w, latency + 1), err);
}

/* A call that reads, up to where it looks at the disk. */
static int arrive(struct handle *h, const char *what, struct ms_error *err)
{
    int code = refuse_dead(h, err);
    if (code)
        return code;
    count_call(h);
    code = travel(h, err);
    if (!code)
        code = refuse_dead(h, err);
    if (code)
        return code;
    if (member_of(h)->gone)
        return unreachable(h, err);
    if (!sim_chance(h->w, h->w->faults.before + h->w->faults.after))
        return 0;
    h->w->faults_struck++;
    ms_sim_note("client %u: %s at member %u fails", h->client, what, h->member);
    return ms_error_set(err, sim_below(h->w, 2) ? MS_ERR_CONNECTION : MS_ERR_TIMEOUT,
                        "%s: no answer to %s", h->base.url, what);
}

/* ---- effects ---- */

static int apply_on(struct ms_backend *disk, const struct request *r, struct ms_error *err)
{
    struct ms_view name = ms_str(r->name);
    switch (r->effect) {
    case EFFECT_MKDIR:
        return ms_backend_mkdir(disk, name, err);
    case EFFECT_RMDIR:
        return ms_backend_rmdir(disk, name, err);
    case EFFECT_STORE:
        return ms_backend_store(disk, name, r->value, &r->pre, r->tag, err);
    case EFFECT_REMOVE:
        return ms_backend_delete(disk, name, err);
    case EFFECT_MOVE:
        return ms_backend_move(disk, name, ms_str(r->to), &r->pre, err);
    }
    return MS_ERR_INTERNAL;
}

static int apply(const struct request *r, struct ms_error *err)
{
    struct sim_member *m = &r->w->members[r->member];
    /* What has arrived happens, whoever is cancelled. */
    struct ms_cancel *token = ms_cancel_swap(NULL);
    int code;
    {
        MS_HOLD(&m->mutex);
        if (m->gone)
            code = ms_error_set(err, MS_ERR_CONNECTION, "member %u vanished", r->member);
        else if (m->full && r->effect == EFFECT_STORE)
            code = ms_error_set(err, MS_ERR_NO_SPACE, "member %u is full", r->member);
        else
            code = apply_on(m->disk, r, err);
    }
    ms_cancel_swap(token);
    ms_sim_note("member %u: %s %s%s%s: %s", r->member, effect_names[r->effect], r->name,
                r->to ? " to " : "", r->to ? r->to : "", ms_code_name(code));
    return code;
}

static void request_free(void *arg)
{
    struct request *r = arg;
    free(r->name);
    free(r->to);
    ms_buf_unref(r->value);
    free(r);
}

static int apply_later(void *arg)
{
    struct request *r = arg;
    struct ms_cancel *token = ms_cancel_swap(NULL);
    int code = ms_sleep(r->w->clock, r->delay_ns, NULL);
    if (!code)
        code = apply(r, NULL);
    ms_cancel_swap(token);
    r->w->later_count--;
    return code;
}

/* The request goes on alone. Without memory for that it is lost, which is allowed too. */
static void send_later(const struct request *r)
{
    struct request *copy = malloc(sizeof *copy);
    if (!copy)
        return;
    *copy = *r;
    copy->tag = NULL;
    copy->name = strdup(r->name);
    copy->to = r->to ? strdup(r->to) : NULL;
    copy->value = r->value ? ms_buf_ref(r->value) : NULL;
    /* Mostly soon, now and then as late as can be. */
    uint64_t most = r->w->faults.delay_max_ns;
    copy->delay_ns = sim_below(r->w, sim_below(r->w, 4) ? most / 256 + 1 : most);
    ms_sim_note("member %u: %s %s in %llu ms", r->member, effect_names[r->effect], r->name,
                (unsigned long long)(copy->delay_ns / SIM_MS));
    struct ms_cancel *token = ms_cancel_swap(NULL);
    bool whole = copy->name && (copy->to || !r->to) && (copy->value || !r->value);
    if (whole && ms_group_fork(r->w->later, apply_later, request_free, copy, NULL) == 0) {
        r->w->later_count++;
        r->w->delayed_effects++;
    } else {
        request_free(copy);
    }
    ms_cancel_swap(token);
}

/* A client that dies, or is cancelled, while its request travels does not know either. */
static int abandon(const struct handle *h, const struct request *r, struct ms_error *err)
{
    switch (sim_below(h->w, 3)) {
    case 0:
        break;
    case 1:
        if (apply(r, NULL) == 0)
            ms_sim_note("client %u will not hear of it", h->client);
        break;
    default:
        if (h->w->faults.delayed && !h->w->calm)
            send_later(r);
    }
    return ms_error_set(err, MS_ERR_CANCELLED, "%s: client %u gave up", h->base.url, h->client);
}

static int tear(const struct handle *h, struct request *r, struct ms_error *err)
{
    struct ms_buf *whole = r->value;
    MS_AUTO_BUF struct ms_buf *prefix =
        ms_buf_slice(whole, 0, (size_t)sim_below(h->w, ms_buf_size(whole)));
    if (!prefix)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    r->value = prefix;
    int code = apply(r, err);
    r->value = whole;
    return code ? code : ms_error_set(err, MS_ERR_IO, "%s: cut while writing", h->base.url);
}

static int lost_answer(const struct handle *h, struct ms_error *err)
{
    h->w->faults_struck++;
    return ms_error_set(err, sim_below(h->w, 2) ? MS_ERR_CONNECTION : MS_ERR_TIMEOUT,
                        "%s: no answer", h->base.url);
}

/* The request has arrived at the member, or was lost before. */
static int meet_fate(const struct handle *h, struct request *r, struct ms_error *err)
{
    const struct sim_faults *f = &h->w->faults;
    if (sim_chance(h->w, f->before))
        return lost_answer(h, err);
    if (sim_chance(h->w, f->delayed)) {
        send_later(r);
        return lost_answer(h, err);
    }
    if (r->effect == EFFECT_STORE && ms_buf_size(r->value) && sim_chance(h->w, f->torn))
        return tear(h, r, err);
    int code = apply(r, err);
    if (sim_chance(h->w, f->after))
        return lost_answer(h, err);
    return code;
}

static int change(struct ms_backend *b, struct request *r, struct ms_view name, struct ms_view to,
                  struct ms_error *err)
{
    struct handle *h = handle_of(b);
    int code = refuse_dead(h, err);
    if (code)
        return code;
    MS_AUTO_FREE char *name_text = strndup((const char *)name.data, name.size);
    MS_AUTO_FREE char *to_text = to.data ? strndup((const char *)to.data, to.size) : NULL;
    if (!name_text || (to.data && !to_text))
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a name");
    if (sim_lie_tells(h->w, h->member, r->effect == EFFECT_STORE, name_text))
        return 0;
    if (to_text)
        sim_lie_moves(h->w, to_text);
    r->w = h->w;
    r->member = h->member;
    r->name = name_text;
    r->to = to_text;
    count_call(h);
    code = travel(h, err);
    if (code || sim_client_dead(h->w, h->client))
        return abandon(h, r, err);
    if (member_of(h)->gone)
        return unreachable(h, err);
    code = meet_fate(h, r, err);
    return sim_client_dead(h->w, h->client) ? refuse_dead(h, err) : code;
}

/* ---- slots: changes ---- */

static int handle_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return change(b, &(struct request){.effect = EFFECT_MKDIR}, name, ms_view(NULL, 0), err);
}

static int handle_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return change(b, &(struct request){.effect = EFFECT_RMDIR}, name, ms_view(NULL, 0), err);
}

static int handle_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                        const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    /* The caller's buffer may be a borrowed one; a delayed effect takes a reference. */
    struct request r = {.effect = EFFECT_STORE, .value = value, .pre = *pre, .tag = tag};
    return change(b, &r, name, ms_view(NULL, 0), err);
}

static int handle_remove(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    return change(b, &(struct request){.effect = EFFECT_REMOVE}, name, ms_view(NULL, 0), err);
}

static int handle_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                       const struct ms_precondition *pre, struct ms_error *err)
{
    return change(b, &(struct request){.effect = EFFECT_MOVE, .pre = *pre}, from, to, err);
}

/* ---- slots: readings ---- */

static int handle_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                       struct ms_error *err)
{
    struct handle *h = handle_of(b);
    int code = arrive(h, "info", err);
    if (code)
        return code;
    MS_HOLD(&member_of(h)->mutex);
    return ms_backend_info(member_of(h)->disk, name, out, err);
}

static int handle_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                       struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    struct handle *h = handle_of(b);
    int code = arrive(h, "load", err);
    if (code)
        return code;
    MS_HOLD(&member_of(h)->mutex);
    return ms_backend_load(member_of(h)->disk, name, offset, size, out, info, err);
}

struct remote_lister {
    struct ms_lister base;
    struct handle *handle;
    struct ms_lister *inner;
    unsigned generation;
};

static int lister_next(struct ms_lister *l, const struct ms_entry **out, struct ms_error *err)
{
    struct remote_lister *lister = (struct remote_lister *)l;
    struct handle *h = lister->handle;
    int code = refuse_dead(h, err);
    if (!code && sim_below(h->w, 4) == 0) /* another page */
        code = travel(h, err);
    if (code)
        return code;
    if (member_of(h)->generation != lister->generation)
        return unreachable(h, err);
    if (sim_chance(h->w, h->w->faults.before))
        return lost_answer(h, err);
    return ms_lister_next(lister->inner, out, err);
}

static void lister_close(struct ms_lister *l)
{
    struct remote_lister *lister = (struct remote_lister *)l;
    ms_lister_close(lister->inner);
    free(lister);
}

static int handle_list(struct ms_backend *b, struct ms_view name,
                       const struct ms_list_request *request, struct ms_lister **out,
                       struct ms_error *err)
{
    static const struct ms_lister_ops ops = {lister_next, lister_close};
    struct handle *h = handle_of(b);
    int code = arrive(h, "list", err);
    struct remote_lister *lister = code ? NULL : malloc(sizeof *lister);
    if (!lister)
        return code ? code : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    *lister = (struct remote_lister){
        .base = {.ops = &ops}, .handle = h, .generation = member_of(h)->generation};
    {
        MS_HOLD(&member_of(h)->mutex);
        code = ms_backend_list(member_of(h)->disk, name, request, &lister->inner, err);
    }
    if (code)
        free(lister);
    else
        *out = &lister->base;
    return code;
}

/* ---- slots: life ---- */

/* The disk is there already; what is asked is whether something is on it. */
static int handle_create(struct ms_backend *b, struct ms_error *err)
{
    struct handle *h = handle_of(b);
    int code = arrive(h, "create", err);
    struct ms_lister *lister = NULL;
    const struct ms_entry *entry = NULL;
    if (!code)
        code = ms_backend_list(member_of(h)->disk, ms_str(""), NULL, &lister, err);
    if (!code) {
        code = ms_lister_next(lister, &entry, err);
        ms_lister_close(lister);
    }
    if (!code && entry)
        code = ms_error_set(err, MS_ERR_STORE_EXISTS, "%s already exists and is not empty", b->url);
    return code;
}

static int handle_destroy(struct ms_backend *b, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_UNSUPPORTED, "%s is not destroyed in a simulation", b->url);
}

static int handle_open(struct ms_backend *b, struct ms_error *err)
{
    return arrive(handle_of(b), "open", err);
}

static int handle_close(struct ms_backend *b, struct ms_error *err)
{
    (void)b, (void)err; /* nothing is there to close, and the dead need not */
    return 0;
}

static void handle_free(struct ms_backend *b)
{
    handle_of(b)->w->handles--;
    free(b);
}

static void handle_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    struct handle *h = handle_of(b);
    ms_backend_capabilities(h->w->disks[0], out);
    out->flags &= MS_CAP_ATOMIC_REPLACE | MS_CAP_IF_ABSENT | MS_CAP_IF_TAG |
                  MS_CAP_LIST_AFTER_WRITE | MS_CAP_MOVE_IF_ABSENT | MS_CAP_DIRECTORIES;
}

static const struct ms_backend_ops handle_ops = {
    .create = handle_create,
    .destroy = handle_destroy,
    .open = handle_open,
    .close = handle_close,
    .free = handle_free,
    .capabilities = handle_capabilities,
    .mkdir = handle_mkdir,
    .rmdir = handle_rmdir,
    .info = handle_info,
    .load = handle_load,
    .store = handle_store,
    .remove = handle_remove,
    .move = handle_move,
    .list = handle_list,
};

int sim_member_handle(struct sim_world *w, unsigned client, unsigned member,
                      struct ms_backend **out, struct ms_error *err)
{
    struct handle *h = calloc(1, sizeof *h);
    if (!h)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a member");
    h->base.ops = &handle_ops;
    h->base.clock = &w->clients[client].clock;
    snprintf(h->base.url, sizeof h->base.url, "sim:member%u", member);
    h->w = w;
    h->member = member;
    h->client = client;
    struct ms_emulation e;
    ms_emulation_init(&e);
    e.latency_ns = w->faults.latency_ns;
    e.jitter_ns = w->faults.latency_ns;
    e.distribution = MS_EXPONENTIAL;
    e.seed = sim_below(w, UINT64_MAX);
    int code = ms_emulator_new(&h->base, &e, out, err);
    if (code)
        free(h);
    else
        w->handles++;
    return code;
}
