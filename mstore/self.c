/* mstore/self.c - the MStore's table of verbs: each finds the site of its key, and goes to the kind
 * of the key's namespace. */
#include "mstore/kind.h"
#include "mstore/self_count.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/lease.h"
#include "mstore/list.h"
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

int ms_self_enter(struct ms_store *s, struct ms_item_ref item, struct ms_at *at,
                  struct ms_error *err)
{
    int code = ms_self_current(ms_self_of(s), &at->roster, err);
    if (code)
        return code;
    if (item.internal)
        return ms_error_set(err, MS_ERR_UNSUPPORTED,
                            "%s: internal items (quota) are not kept by a store of many members",
                            s->url);
    return ms_site_of(at->roster, item.key, item.deleted, &at->site, err);
}

/* What was voted on counts when nobody can have decided under another layout meanwhile. */
static int leave(struct ms_store *s, struct ms_at *at, int code, struct ms_error *err)
{
    return code || at->site.space->kind != MS_KIND_MUTABLE
               ? code
               : ms_self_still(ms_self_of(s), at->roster, err);
}

static int self_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                     struct ms_buf **out, struct ms_error *err)
{
    MS_AUTO_AT struct ms_at at;
    struct ms_buf *loaded = NULL;
    int code = ms_self_enter(s, item, &at, err);
    if (code)
        return code;
    code =
        ms_kind_of(at.site.space)->load(ms_self_of(s), &at.site, item, offset, size, &loaded, err);
    code = leave(s, &at, code, err);
    if (code)
        ms_buf_unref(loaded);
    else
        *out = loaded;
    return code;
}

static int self_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                      const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    MS_AUTO_AT struct ms_at at;
    int code = ms_self_enter(s, item, &at, err);
    *tag = (struct ms_tag){""};
    if (code)
        return code;
    code = ms_kind_of(at.site.space)->store(ms_self_of(s), &at.site, item, value, pre, tag, err);
    return leave(s, &at, code, err);
}

int ms_self_store_file(struct ms_store *s, struct ms_item_ref item, int file, uint64_t size,
                       const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    MS_AUTO_AT struct ms_at at;
    struct ms_store_value_options o = MS_STORE_VALUE_OPTIONS_INIT;
    int code = ms_self_enter(s, item, &at, err);
    *tag = (struct ms_tag){""};
    o.deleted = item.deleted;
    o.precondition = *pre;
    if (!code)
        code = ms_mutable_store_file(ms_self_of(s)->mutable, &at.site, file, size, &o, tag, err);
    return leave(s, &at, code, err);
}

static int self_info(struct ms_store *s, struct ms_item_ref item, struct ms_item_info *out,
                     struct ms_error *err)
{
    MS_AUTO_AT struct ms_at at;
    int code = ms_self_enter(s, item, &at, err);
    if (!code)
        code = ms_kind_of(at.site.space)->info(ms_self_of(s), &at.site, item, out, err);
    return leave(s, &at, code, err);
}

static int self_remove(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    MS_AUTO_AT struct ms_at at;
    int code = ms_self_enter(s, item, &at, err);
    if (!code)
        code = ms_kind_of(at.site.space)->remove(ms_self_of(s), &at.site, item, err);
    return leave(s, &at, code, err);
}

static int self_hash(struct ms_store *s, struct ms_item_ref item, const char *algorithm, char *hex,
                     size_t hex_size, struct ms_error *err)
{
    MS_AUTO_AT struct ms_at at;
    int code = ms_self_enter(s, item, &at, err);
    return code ? code
                : ms_kind_of(at.site.space)
                      ->hash(ms_self_of(s), &at.site, item, algorithm, hex, hex_size, err);
}

static int self_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                      const struct ms_precondition *pre, struct ms_store_writer **out,
                      struct ms_error *err)
{
    MS_AUTO_AT struct ms_at at;
    int code = ms_self_enter(s, item, &at, err);
    return code ? code
                : ms_kind_of(at.site.space)
                      ->write(ms_self_of(s), &at.site, item, size_hint, pre, out, err);
}

static int self_read(struct ms_store *s, struct ms_item_ref item, struct ms_store_reader **out,
                     struct ms_error *err)
{
    MS_AUTO_AT struct ms_at at;
    int code = ms_self_enter(s, item, &at, err);
    return code ? code : ms_kind_of(at.site.space)->read(ms_self_of(s), &at.site, item, out, err);
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
    MS_AUTO_ROSTER struct ms_roster *r = NULL;
    int code = ms_self_current(ms_self_of(s), &r, err);
    if (code)
        return code;
    if (!ns[0])
        return list_root(r, options, out, err);
    const struct ms_layout_space *space = ms_layout_space(r->layout, ms_str(ns));
    if (!space)
        return ms_error_set(err, MS_ERR_CONFIG, "no namespace is configured for \"%s\"", ns);
    return ms_kind_of(space)->list(r, space, ns, options, out, err);
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

/* Of all members together; unknown when one of them is, or does not say. */
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
        if (code == MS_ERR_CANCELLED || code == MS_ERR_NO_MEMORY)
            return code;
        if (code || t == UINT64_MAX || f == UINT64_MAX || !ms_add_size(total, t, &total)) {
            total = left = UINT64_MAX;
            break;
        }
        left += f;
    }
    *total_bytes = total;
    *free_bytes = left;
    return 0;
}

/* Conditions are for mutable keys; what it can do it can do everywhere. */
static uint32_t conditions(const struct ms_layout *l)
{
    size_t mutable = 0;
    for (size_t i = 0; i < l->space_count; i++)
        mutable += l->spaces[i].kind == MS_KIND_MUTABLE;
    return l->space_count && mutable == l->space_count ? MS_CAP_IF_ABSENT | MS_CAP_IF_TAG : 0;
}

static void self_capabilities(struct ms_store *s, struct ms_capabilities *out)
{
    struct ms_self *self = ms_self_of(s);
    uint32_t flags = MS_CAP_ATOMIC_REPLACE | MS_CAP_LIST_AFTER_WRITE;
    {
        MS_HOLD(&self->mutex);
        flags |= self->roster ? conditions(self->roster->layout) : 0;
    }
    *out = (struct ms_capabilities){.flags = flags,
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
    ms_lease_stop(roster);
    ms_self_stop_asking(self);
    /* what calls have left behind (a late copy, a repair) would die with the process */
    ms_roster_quiet(roster, ms_clock_now(s->clock) + CLOSE_WAIT);
    ms_self_remember(self, roster);
    ms_roster_unref(roster);
    return 0;
}

static void self_free(struct ms_store *s)
{
    struct ms_self *self = ms_self_of(s);
    for (size_t i = 0; i < self->member_count; i++)
        ms_member_unref(self->members[i]);
    free(self->members);
    if (self->find_free)
        self->find_free(self->find_ctx);
    ms_ids_free(self->ids);
    ms_mutable_free(self->mutable);
    ms_state_free(self->state);
    free(self->state_folder);
    ms_notice_stop(self->notice);
    ms_notice_unref(self->notice);
    ms_mconf_free(self->conf);
    ms_cond_fini(&self->renewed);
    ms_mutex_fini(&self->mutex);
    free(self);
}

const struct ms_store_ops ms_self_verbs = {
    .load = self_load,
    .store = self_store,
    .info = self_info,
    .remove = self_remove,
    .move = ms_self_move,
    .hash = self_hash,
    .defrag = ms_self_defrag,
    .write = self_write,
    .read = self_read,
    .list = self_list,
};

/* Before anything is made: who creates a store means to write to it. */
static int self_create(struct ms_store *s, struct ms_error *err)
{
    int code = ms_layout_check_build(ms_self_of(s)->conf->shared, err);
    return code ? code : ms_self_create(s, err);
}

const struct ms_store_ops ms_self_ops = {
    .create = self_create,
    .destroy = ms_self_destroy,
    .open = ms_self_open,
    .close = self_close,
    .free = self_free,
    .set_namespaces = self_set_namespaces,
    .load = ms_counted_load,
    .store = ms_counted_store,
    .info = ms_counted_info,
    .remove = ms_counted_remove,
    .move = ms_counted_move,
    .hash = ms_counted_hash,
    .defrag = ms_counted_defrag,
    .write = ms_counted_write,
    .read = ms_counted_read,
    .list = ms_counted_list,
    .quota = self_quota,
    .usage = self_usage,
    .capabilities = self_capabilities,
    .sweep = self_sweep,
    .cache_invalidate = self_cache_invalidate,
};
