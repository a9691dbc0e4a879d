/* mstore/self.c - the MStore's table of verbs: each finds the site of its key, and goes to the kind
 * of the key's namespace. */
#include "mstore/self.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/gather.h"
#include "mstore/immutable.h"
#include "mstore/list.h"
#include "mstore/mutable.h"
#include "mstore/plain.h"
#include "mstore/plain_list.h"

#include <mstore/multi.h>
#include <stdlib.h>

#define CLOSE_WAIT (30 * UINT64_C(1000000000)) /* a member that hangs has timed out by then */

bool ms_store_is_mstore(const struct ms_store *s)
{
    return s->ops == &ms_self_ops;
}

struct ms_roster *ms_self_roster(struct ms_self *self)
{
    MS_HOLD(&self->mutex);
    return ms_roster_ref(self->roster);
}

/* ---- one value ---- */

/* A call under way: the roster it began with, and its key's site. */
struct at {
    struct ms_roster *roster;
    struct ms_site site;
};

static void leave(struct at *at)
{
    ms_roster_unref(at->roster);
}
#define AUTO_AT __attribute__((cleanup(leave)))

static int enter(struct ms_store *s, struct ms_item_ref item, struct at *at, struct ms_error *err)
{
    at->roster = ms_self_roster(ms_self_of(s));
    if (item.internal)
        return ms_error_set(err, MS_ERR_UNSUPPORTED,
                            "%s: internal items (quota) are not kept by a store of many members",
                            s->url);
    return ms_site_of(at->roster, item.key, item.deleted, &at->site, err);
}

static bool no_such(struct ms_item_ref item, enum ms_layout_kind kind)
{
    return item.deleted && kind == MS_KIND_IMMUTABLE; /* they are not soft-deleted (yet) */
}

static int not_found(struct ms_item_ref item, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NOT_FOUND, "%s does not exist", MS_SHOW(item.key));
}

static int no_soft_delete(const struct ms_site *site, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_UNSUPPORTED,
                        "[namespace %s]: items of kind immutable cannot be soft-deleted or moved "
                        "yet",
                        site->space->name);
}

static int self_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                     struct ms_buf **out, struct ms_error *err)
{
    AUTO_AT struct at at;
    struct ms_load_options o = MS_LOAD_OPTIONS_INIT;
    int code = enter(s, item, &at, err);
    if (code)
        return code;
    o.offset = offset;
    o.size = size;
    o.deleted = item.deleted;
    switch (at.site.space->kind) {
    case MS_KIND_PLAIN:
        return ms_plain_load(&at.site, item, offset, size, out, err);
    case MS_KIND_MUTABLE:
        return ms_mutable_load(ms_self_of(s)->mutable, &at.site, &o, out, err);
    case MS_KIND_IMMUTABLE:
    default:
        return no_such(item, at.site.space->kind)
                   ? not_found(item, err)
                   : ms_immutable_load(&at.site, offset, size, out, err);
    }
}

static int self_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                      const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    AUTO_AT struct at at;
    struct ms_store_value_options o = MS_STORE_VALUE_OPTIONS_INIT;
    int code = enter(s, item, &at, err);
    if (code)
        return code;
    *tag = (struct ms_tag){""};
    o.deleted = item.deleted;
    o.precondition = *pre;
    switch (at.site.space->kind) {
    case MS_KIND_PLAIN:
        return ms_plain_store(&at.site, item, value, pre, err);
    case MS_KIND_MUTABLE:
        return ms_mutable_store(ms_self_of(s)->mutable, &at.site, value, &o, tag, err);
    case MS_KIND_IMMUTABLE:
    default:
        return item.deleted ? no_soft_delete(&at.site, err)
                            : ms_immutable_store(&at.site, ms_self_of(s)->ids, value, pre, err);
    }
}

static int self_info(struct ms_store *s, struct ms_item_ref item, struct ms_item_info *out,
                     struct ms_error *err)
{
    AUTO_AT struct at at;
    int code = enter(s, item, &at, err);
    if (code)
        return code;
    switch (at.site.space->kind) {
    case MS_KIND_PLAIN:
        return ms_plain_info(&at.site, item, out, err);
    case MS_KIND_MUTABLE:
        return ms_mutable_info(ms_self_of(s)->mutable, &at.site, item.deleted, out, err);
    case MS_KIND_IMMUTABLE:
    default:
        *out = (struct ms_item_info){0};
        return no_such(item, at.site.space->kind) ? 0 : ms_immutable_info(&at.site, out, err);
    }
}

static int self_remove(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    AUTO_AT struct at at;
    int code = enter(s, item, &at, err);
    if (code)
        return code;
    switch (at.site.space->kind) {
    case MS_KIND_PLAIN:
        return ms_plain_remove(&at.site, item, err);
    case MS_KIND_MUTABLE:
        return ms_mutable_delete(ms_self_of(s)->mutable, &at.site, item.deleted, err);
    case MS_KIND_IMMUTABLE:
    default:
        return no_such(item, at.site.space->kind)
                   ? not_found(item, err)
                   : ms_immutable_delete(&at.site, ms_self_of(s)->ids, err);
    }
}

static int self_hash(struct ms_store *s, struct ms_item_ref item, const char *algorithm, char *hex,
                     size_t hex_size, struct ms_error *err)
{
    AUTO_AT struct at at;
    int code = enter(s, item, &at, err);
    if (code)
        return code;
    switch (at.site.space->kind) {
    case MS_KIND_PLAIN:
        return ms_plain_hash(&at.site, item, algorithm, hex, hex_size, err);
    case MS_KIND_MUTABLE:
        return ms_gather_hash(s, item, algorithm, hex, hex_size, err);
    case MS_KIND_IMMUTABLE:
    default:
        return no_such(item, at.site.space->kind)
                   ? not_found(item, err)
                   : ms_immutable_hash(&at.site, algorithm, hex, hex_size, err);
    }
}

static int self_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                      const struct ms_precondition *pre, struct ms_store_writer **out,
                      struct ms_error *err)
{
    AUTO_AT struct at at;
    int code = enter(s, item, &at, err);
    if (code)
        return code;
    switch (at.site.space->kind) {
    case MS_KIND_PLAIN:
        return ms_plain_write(&at.site, item, size_hint, pre, out, err);
    case MS_KIND_MUTABLE:
        return ms_gather_write(s, item, size_hint, pre, out, err);
    case MS_KIND_IMMUTABLE:
    default:
        return item.deleted ? no_soft_delete(&at.site, err)
                            : ms_immutable_write(&at.site, ms_self_of(s)->ids, pre, out, err);
    }
}

static int self_read(struct ms_store *s, struct ms_item_ref item, struct ms_store_reader **out,
                     struct ms_error *err)
{
    AUTO_AT struct at at;
    int code = enter(s, item, &at, err);
    if (code)
        return code;
    switch (at.site.space->kind) {
    case MS_KIND_PLAIN:
        return ms_plain_read(&at.site, item, out, err);
    case MS_KIND_MUTABLE:
        return ms_gather_read(s, item, out, err);
    case MS_KIND_IMMUTABLE:
    default:
        return no_such(item, at.site.space->kind) ? not_found(item, err)
                                                  : ms_immutable_read(&at.site, out, err);
    }
}

/* ---- moving ---- */

/* Both keys are kept by the same members in the same way. */
static bool same_place(const struct ms_site *a, const struct ms_site *b)
{
    return a->space->kind == b->space->kind && a->order.targets == b->order.targets &&
           memcmp(a->order.member, b->order.member, a->order.targets * sizeof *a->order.member) ==
               0;
}

#define CARRIED (1u << 20) /* bytes at a time */

static int carry_bytes(struct ms_store_reader *from, struct ms_store_writer *to,
                       struct ms_error *err)
{
    MS_AUTO_FREE uint8_t *bytes = malloc(CARRIED);
    int code = bytes ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to move a value");
    size_t got = CARRIED;
    for (uint64_t offset = 0; !code && got == CARRIED; offset += got) {
        code = ms_store_reader_read(from, offset, bytes, CARRIED, &got, err);
        if (!code)
            code = ms_store_writer_append(to, ms_view(bytes, got), err);
    }
    return code;
}

/* A rename that changes the members: the new one is there before the old one goes. */
static int carry(struct ms_store *s, struct ms_item_ref from, struct ms_item_ref to,
                 struct ms_error *err)
{
    static const struct ms_precondition always = {.kind = MS_ALWAYS};
    struct ms_store_reader *r;
    struct ms_store_writer *w;
    int code = self_read(s, from, &r, err);
    if (code)
        return code;
    code = self_write(s, to, r->info.size_bytes, &always, &w, err);
    if (!code) {
        code = carry_bytes(r, w, err);
        if (code)
            ms_store_writer_abort(w);
        else
            code = ms_store_writer_commit(w, NULL, err);
    }
    ms_store_reader_close(r);
    return code ? code : self_remove(s, from, err);
}

static int must_exist(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    struct ms_item_info info;
    int code = self_info(s, item, &info, err);
    return code || info.exists ? code : not_found(item, err);
}

static int self_move(struct ms_store *s, enum ms_move how, struct ms_view key,
                     struct ms_view new_key, bool deleted, const struct ms_precondition *pre,
                     struct ms_error *err)
{
    AUTO_AT struct at at;
    struct ms_item_ref item = {.key = key, .deleted = deleted};
    struct ms_item_ref to = {.key = new_key, .deleted = deleted};
    struct ms_site there;
    int code = enter(s, item, &at, err);
    if (!code && how == MS_MOVE_RENAME)
        code = ms_site_of(at.roster, new_key, deleted, &there, err);
    if (code)
        return code;
    if (pre->kind != MS_ALWAYS)
        return ms_error_set(err, MS_ERR_UNSUPPORTED, "%s: a move on condition is not supported",
                            s->url);
    if (how == MS_MOVE_RENAME && ms_equal(key, new_key))
        return must_exist(s, item, err);
    if (how == MS_MOVE_RENAME && !same_place(&at.site, &there))
        return carry(s, item, to, err);
    if (at.site.space->kind == MS_KIND_MUTABLE) {
        code = ms_mutable_move(ms_self_of(s)->mutable, how, &at.site,
                               how == MS_MOVE_RENAME ? &there : NULL, deleted, err);
        /* a live key has no soft-deleted item beside it that could be in somebody's way */
        return code == MS_ERR_EXISTS && how == MS_MOVE_UNDELETE ? not_found(item, err) : code;
    }
    if (at.site.space->kind == MS_KIND_IMMUTABLE)
        return how == MS_MOVE_RENAME         ? carry(s, item, to, err)
               : how == MS_MOVE_CHANGE_LEVEL ? must_exist(s, item, err)
                                             : no_soft_delete(&at.site, err);
    return ms_plain_move(&at.site, how, item, how == MS_MOVE_RENAME ? new_key : ms_str(""), err);
}

/* ---- the rest ---- */

static void count_plain(const struct ms_layout *l, bool *any, bool *all)
{
    size_t plain = 0;
    for (size_t i = 0; i < l->space_count; i++)
        plain += l->spaces[i].kind == MS_KIND_PLAIN;
    *any = plain > 0;
    *all = plain == l->space_count;
}

static int list_root(struct ms_roster *r, const struct ms_list_options *options,
                     struct ms_store_lister **out, struct ms_error *err)
{
    struct ms_store_lister *plain = NULL;
    struct ms_list_options part = *options;
    bool any, all;
    count_plain(r->layout, &any, &all);
    if (all)
        return ms_plain_list(r, "", options, out, err);
    part.limit = 0;
    part.delimiter = -1;
    int code = any ? ms_plain_list(r, "", &part, &plain, err) : 0;
    return code ? code : ms_list_root(r, options, plain, out, err);
}

static int self_list(struct ms_store *s, const char *ns, const struct ms_list_options *options,
                     struct ms_store_lister **out, struct ms_error *err)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(ms_self_of(s));
    if (!ns[0])
        return list_root(r, options, out, err);
    const struct ms_layout_space *space = ms_layout_space(r->layout, ms_str(ns));
    if (!space)
        return ms_error_set(err, MS_ERR_CONFIG, "no namespace is configured for \"%s\"", ns);
    return space->kind == MS_KIND_PLAIN ? ms_plain_list(r, ns, options, out, err)
                                        : ms_list_framed(r, space, ms_str(ns), options, out, err);
}

static int self_set_namespaces(struct ms_store *s, const struct ms_namespace *ns, size_t count,
                               struct ms_error *err)
{
    (void)ns, (void)count;
    return ms_error_set(err, MS_ERR_UNSUPPORTED,
                        "%s: its namespaces are in its layout, not to be changed by a client",
                        s->url);
}

static int self_quota(struct ms_store *s, struct ms_quota *out, struct ms_error *err)
{
    (void)s, (void)err;
    *out = (struct ms_quota){-1, -1};
    return 0;
}

/* Of all members together; unknown when one of them is. */
static int self_usage(struct ms_store *s, uint64_t *total_bytes, uint64_t *free_bytes,
                      struct ms_error *err)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(ms_self_of(s));
    uint64_t total = 0, left = 0;
    for (size_t i = 0; i < r->layout->member_count; i++) {
        uint64_t t = UINT64_MAX, f = UINT64_MAX;
        if (!r->mirrors[i])
            continue;
        int code = ms_member_usage(r->members[i], &t, &f, err);
        if (code)
            return code;
        if (t == UINT64_MAX || f == UINT64_MAX || !ms_add_size(total, t, &total)) {
            total = left = UINT64_MAX;
            break;
        }
        left += f;
    }
    *total_bytes = total;
    *free_bytes = left;
    return 0;
}

static void self_capabilities(struct ms_store *s, struct ms_capabilities *out)
{
    *out = (struct ms_capabilities){.flags = MS_CAP_ATOMIC_REPLACE | MS_CAP_LIST_AFTER_WRITE,
                                    .durability = MS_DURABLE_FULL,
                                    .name_max_bytes = MS_NAME_MAX,
                                    .best_parallelism = s->jobs,
                                    .best_block_bytes = 1u << 20};
}

/* Of each member; one that fails keeps no other from being swept. */
static int self_sweep(struct ms_store *s, uint64_t age_ns, uint64_t *removed, struct ms_error *err)
{
    MS_AUTO_ROSTER struct ms_roster *r = ms_self_roster(ms_self_of(s));
    int code = 0;
    *removed = 0;
    for (size_t i = 0; i < r->layout->member_count; i++) {
        uint64_t count = 0;
        if (!r->members[i])
            continue;
        int one = ms_member_sweep(r->members[i], age_ns, &count, code ? NULL : err);
        code = code ? code : one;
        *removed += count;
    }
    return code;
}

static int self_cache_invalidate(struct ms_store *s, enum ms_invalidate what, struct ms_view name,
                                 struct ms_error *err)
{
    (void)s, (void)what, (void)name, (void)err;
    return 0; /* no cache, nothing stale */
}

/* ---- life ---- */

static int self_close(struct ms_store *s, struct ms_error *err)
{
    struct ms_self *self = ms_self_of(s);
    struct ms_roster *roster;
    (void)err;
    {
        MS_HOLD(&self->mutex);
        roster = MS_TAKE(self->roster);
    }
    /* what calls have left behind (a late copy, a repair) would die with the process */
    ms_roster_quiet(roster, ms_clock_now(s->clock) + CLOSE_WAIT);
    ms_self_remember(self, roster);
    ms_roster_unref(roster);
    return 0;
}

static void self_free(struct ms_store *s)
{
    struct ms_self *self = ms_self_of(s);
    for (size_t i = 0; i < self->conf->shared->member_count; i++)
        ms_member_unref(self->members[i]);
    free(self->members);
    ms_ids_free(self->ids);
    ms_mutable_free(self->mutable);
    ms_state_free(self->state);
    free(self->state_folder);
    ms_mconf_free(self->conf);
    ms_mutex_fini(&self->mutex);
    free(self);
}

const struct ms_store_ops ms_self_ops = {
    .create = ms_self_create,
    .destroy = ms_self_destroy,
    .open = ms_self_open,
    .close = self_close,
    .free = self_free,
    .set_namespaces = self_set_namespaces,
    .load = self_load,
    .store = self_store,
    .info = self_info,
    .remove = self_remove,
    .move = self_move,
    .hash = self_hash,
    .defrag = ms_self_defrag,
    .write = self_write,
    .read = self_read,
    .list = self_list,
    .quota = self_quota,
    .usage = self_usage,
    .capabilities = self_capabilities,
    .sweep = self_sweep,
    .cache_invalidate = self_cache_invalidate,
};
