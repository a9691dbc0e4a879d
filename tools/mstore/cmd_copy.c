/* copy: both listings, streamed and merged in sorted order, so that memory stays bounded whatever
 * the number of items. DST's listing tells what is there; what is missing or may differ goes into
 * windows (copy_work.c). */
#include "tools/mstore/copy.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"
#include "tools/mstore/output.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- DST's listing: one key at a time, live and soft-deleted together ------------------------ */

struct group {
    struct ms_store_lister *lister;
    const struct ms_item *next; /* not yet in the group; NULL: the end */
    char *key;
    size_t key_size;
    bool there[2]; /* live, soft-deleted */
    uint64_t size_bytes[2];
    bool ended;
};

static int group_advance(struct group *g, struct ms_error *err)
{
    free(MS_TAKE(g->key));
    g->there[0] = g->there[1] = false;
    g->ended = !g->next;
    if (g->ended)
        return 0;
    g->key = ms_cli_join("", g->next->key, &g->key_size);
    if (!g->key)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a key");
    while (g->next && ms_equal(g->next->key, ms_view(g->key, g->key_size))) {
        g->there[g->next->deleted] = true;
        g->size_bytes[g->next->deleted] = g->next->info.size_bytes;
        int code = ms_store_lister_next(g->lister, &g->next, err);
        if (code)
            return code;
    }
    return 0;
}

static int group_begin(struct group *g, struct ms_copy *c, const struct ms_list_options *options,
                       struct ms_error *err)
{
    int code = ms_store_list(c->dst, c->ns, options, &g->lister, err);
    if (!code)
        code = ms_store_lister_next(g->lister, &g->next, err);
    return code ? code : group_advance(g, err);
}

/* DST's group for a key of SRC; keys that only DST has are passed over. */
static int group_seek(struct group *g, struct ms_view key, bool *found, struct ms_error *err)
{
    *found = false;
    while (!g->ended) {
        int order = ms_compare(ms_view(g->key, g->key_size), key);
        *found = order == 0;
        if (order >= 0)
            return 0;
        int code = group_advance(g, err);
        if (code)
            return code;
    }
    return 0;
}

/* ---- the plan ------------------------------------------------------------------------------- */

static int add(struct ms_copy *c, const struct ms_item *item, enum ms_copy_state state,
               struct ms_error *err)
{
    struct ms_copy_item *to = &c->window[c->count];
    *to = (struct ms_copy_item){
        .deleted = item->deleted, .size_bytes = item->info.size_bytes, .state = state};
    to->key = ms_cli_join(c->ns, item->key, &to->key_size);
    if (!to->key)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a key");
    c->count++;
    if (to->size_bytes <= MS_COPY_SMALL_BYTES)
        c->small_bytes += to->size_bytes;
    else
        c->large++;
    bool full = c->count == MS_COPY_WINDOW || c->small_bytes > MS_COPY_BATCH_BYTES ||
                c->large >= 2 * (size_t)c->jobs;
    return full ? ms_copy_work(c, err) : 0;
}

static int plan_item(struct ms_copy *c, struct group *there, const struct ms_item *item,
                     struct ms_error *err)
{
    bool found = false;
    int code = group_seek(there, item->key, &found, err);
    if (code)
        return ms_error_prefix(err, code, "listing of DST");
    bool same_size = found && there->there[item->deleted] &&
                     there->size_bytes[item->deleted] == item->info.size_bytes;
    if (same_size && c->size_only) {
        atomic_fetch_add(&c->same, 1);
        ms_progress_add(&c->progress, 1, item->info.size_bytes);
        return 0;
    }
    return add(c, item, same_size ? MS_COPY_COMPARE : MS_COPY_WANTED, err);
}

static int merge(struct ms_copy *c, struct ms_store_lister *from, struct group *there,
                 struct ms_error *err)
{
    for (;;) {
        const struct ms_item *item = NULL;
        int code = ms_store_lister_next(from, &item, err);
        if (code)
            return ms_error_prefix(err, code, "listing of SRC");
        if (!item)
            return ms_copy_work(c, err);
        code = ms_cli_interrupted(err, "run the same command again to go on");
        if (!code)
            code = plan_item(c, there, item, err);
        if (code)
            return code;
    }
}

static int plan(struct ms_copy *c, struct ms_error *err)
{
    struct ms_list_options options = MS_LIST_OPTIONS_INIT;
    options.deleted = MS_LIST_BOTH;
    struct ms_store_lister *from = NULL;
    struct group there = {0};
    int code = ms_store_list(c->src, c->ns, &options, &from, err);
    if (!code)
        code = group_begin(&there, c, &options, err);
    if (!code)
        code = merge(c, from, &there, err);
    uint64_t skipped = from ? ms_store_lister_skipped(from) : 0;
    if (skipped > 0)
        ms_cli_report(c->cli,
                      "passed over %" PRIu64 " names in SRC that no key leads to (are the levels "
                      "right? see --levels)",
                      skipped);
    ms_store_lister_close(from);
    ms_store_lister_close(there.lister);
    free(there.key);
    for (size_t i = 0; i < c->count; i++)
        free(c->window[i].key);
    c->count = 0;
    return code;
}

/* ---- the total, for the progress line: counted meanwhile ------------------------------------- */

static int count_source(void *arg)
{
    struct ms_copy *c = arg;
    struct ms_list_options options = MS_LIST_OPTIONS_INIT;
    options.deleted = MS_LIST_BOTH;
    struct ms_store_lister *lister = NULL;
    uint64_t items = 0, bytes = 0;
    int code = ms_store_list(c->src, c->ns, &options, &lister, NULL);
    const struct ms_item *item = NULL;
    while (!code) {
        code = ms_cli_interrupted(NULL, NULL);
        if (!code)
            code = ms_store_lister_next(lister, &item, NULL);
        if (code || !item)
            break;
        items++;
        bytes += item->info.size_bytes;
    }
    if (!code)
        ms_progress_total(&c->progress, items, bytes);
    ms_store_lister_close(lister);
    return code;
}

static int run_with_total(struct ms_copy *c, struct ms_error *err)
{
    ms_progress_begin(&c->progress, "copy", "items");
    struct ms_group *counting = NULL;
    if (c->progress.shown) {
        int code = ms_group_new(&counting, err);
        if (!code)
            code = ms_group_fork(counting, count_source, NULL, c, err);
        if (code) {
            if (counting)
                ms_group_release(counting);
            return code;
        }
    }
    int code = plan(c, err);
    if (counting) {
        struct ms_join join;
        ms_group_cancel(counting);
        ms_group_join_all(counting, &join);
        ms_group_release(counting);
    }
    ms_progress_end(&c->progress);
    return code;
}

/* ---- the command ---------------------------------------------------------------------------- */

static void summary(struct ms_copy *c)
{
    char bytes[40];
    uint64_t copied = atomic_load(&c->copied), same = atomic_load(&c->same);
    uint64_t failed = atomic_load(&c->failed), copied_bytes = atomic_load(&c->copied_bytes);
    if (!c->cli->json) {
        printf("%s %" PRIu64 " item%s (%s), %" PRIu64 " already there, %" PRIu64 " failed\n",
               c->dry_run ? "would copy" : "copied", copied, copied == 1 ? "" : "s",
               ms_format_size(bytes, sizeof bytes, copied_bytes), same, failed);
        return;
    }
    struct ms_json j;
    ms_out_json(&j);
    ms_json_object(&j);
    ms_json_key(&j, "dry_run");
    ms_json_bool(&j, c->dry_run);
    ms_json_key(&j, "copied");
    ms_json_u64(&j, copied);
    ms_json_key(&j, "copied_bytes");
    ms_json_u64(&j, copied_bytes);
    ms_json_key(&j, "same");
    ms_json_u64(&j, same);
    ms_json_key(&j, "failed");
    ms_json_u64(&j, failed);
    ms_json_end(&j, '}');
}

static int open_both(struct ms_cli *cli, struct ms_copy *c, struct ms_error *err)
{
    const char *levels = ms_args_has(&cli->args, "--dst-levels") ? "--dst-levels" : "--levels";
    int code = ms_cli_open(cli, &c->src, err);
    if (code)
        return ms_error_prefix(err, code, "SRC");
    code = ms_cli_store(cli, cli->args.positional[1], levels, &c->dst, err);
    if (!code)
        code = ms_store_open(c->dst, err);
    return code ? ms_error_prefix(err, code, "DST") : 0;
}

int ms_cmd_copy(struct ms_cli *cli, struct ms_error *err)
{
    MS_AUTO_FREE struct ms_copy *c = calloc(1, sizeof *c);
    if (!c)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a copy");
    const char *ns = ms_args_value(&cli->args, "--namespace");
    c->cli = cli;
    c->ns = ns ? ns : "";
    c->size_only = ms_args_has(&cli->args, "--size-only");
    c->no_verify = ms_args_has(&cli->args, "--no-verify");
    c->dry_run = ms_args_has(&cli->args, "--dry-run");
    int code = open_both(cli, c, err);
    if (!code) {
        unsigned a = ms_cli_jobs(cli, c->src), b = ms_cli_jobs(cli, c->dst);
        c->jobs = a > b ? a : b;
        code = run_with_total(c, err);
        summary(c);
    }
    code = ms_cli_close(c->dst, code, err);
    code = ms_cli_close(c->src, code, err);
    if (!code && atomic_load(&c->failed) > 0)
        code = ms_error_set(err, MS_ERR_IO,
                            "%" PRIu64 " item%s failed; run the same command again to try %s again",
                            atomic_load(&c->failed), atomic_load(&c->failed) == 1 ? "" : "s",
                            atomic_load(&c->failed) == 1 ? "it" : "them");
    return code;
}
