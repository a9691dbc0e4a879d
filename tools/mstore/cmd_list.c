/* ls and du: items of a store, streaming. ls prints what other commands take: whole names. */
#include "tools/mstore/cli.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "tools/mstore/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- what ls and du share ------------------------------------------------------------------- */

/* Calls each(ctx, item) for all items of a listing. */
static int walk(struct ms_cli *cli, struct ms_store *store, const char *ns,
                const struct ms_list_options *options,
                int (*each)(void *ctx, const struct ms_item *item, struct ms_error *err), void *ctx,
                struct ms_error *err)
{
    struct ms_store_lister *lister = NULL;
    int code = ms_store_list(store, ns, options, &lister, err);
    if (code)
        return code;
    for (;;) {
        const struct ms_item *item = NULL;
        code = ms_store_lister_next(lister, &item, err);
        if (!code && item)
            code = ms_cli_interrupted(err, NULL);
        if (code || !item)
            break;
        code = each(ctx, item, err);
        if (code)
            break;
    }
    uint64_t skipped = ms_store_lister_skipped(lister);
    ms_store_lister_close(lister);
    if (!code && skipped > 0)
        ms_cli_report(cli,
                      "passed over %" PRIu64 " name%s that no key leads to (are the levels right? "
                      "see --levels)",
                      skipped, skipped == 1 ? "" : "s");
    return code;
}

/* ---- ls ------------------------------------------------------------------------------------- */

struct ls {
    const char *ns;
    bool long_lines, json;
    struct ms_json writer;
};

static void print_name(const struct ls *ls, struct ms_view key)
{
    if (ls->ns[0]) {
        ms_out_name(ms_str(ls->ns));
        putchar('/');
    }
    ms_out_name(key);
    putchar('\n');
}

static int print_json(struct ls *ls, const struct ms_item *item, struct ms_error *err)
{
    char when[MS_OUT_TIME_SIZE];
    size_t size;
    MS_AUTO_FREE char *name = ms_cli_join(ls->ns, item->key, &size);
    if (!name)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a name");
    struct ms_json *j = &ls->writer;
    ms_json_object(j);
    ms_json_key(j, "key");
    ms_json_string(j, ms_view(name, size));
    ms_json_key(j, "size");
    ms_json_u64(j, item->info.size_bytes);
    ms_json_key(j, "mtime");
    ms_json_text(j, ms_out_time(when, sizeof when, item->info.mtime_ns));
    ms_json_key(j, "mtime_ns");
    ms_json_i64(j, item->info.mtime_ns);
    ms_json_key(j, "deleted");
    ms_json_bool(j, item->deleted);
    ms_json_end(j, '}');
    return 0;
}

static int print_item(void *ctx, const struct ms_item *item, struct ms_error *err)
{
    struct ls *ls = ctx;
    int code = 0;
    if (ls->json)
        code = print_json(ls, item, err);
    else {
        char when[MS_OUT_TIME_SIZE];
        if (ls->long_lines)
            printf("%c %12" PRIu64 " %20s ", item->deleted ? 'D' : '-', item->info.size_bytes,
                   ms_out_time(when, sizeof when, item->info.mtime_ns));
        print_name(ls, item->key);
    }
    return code ? code : ms_out_check(err);
}

/* A key of the namespace from what was typed: a whole name, or a key. */
static struct ms_view without_namespace(const char *ns, const char *text)
{
    size_t length = strlen(ns);
    if (length > 0 && strncmp(text, ns, length) == 0 && text[length] == '/')
        text += length + 1;
    return ms_str(text);
}

static int ls_options(const struct ms_cli *cli, const struct ls *ls, struct ms_list_options *o,
                      struct ms_error *err)
{
    const struct ms_args *args = &cli->args;
    if (ms_args_has(args, "--deleted") && ms_args_has(args, "--all"))
        return ms_error_set(err, MS_CLI_USAGE,
                            "--deleted and --all exclude each other: --all shows the soft-deleted "
                            "items too");
    o->deleted = ms_args_has(args, "--deleted") ? MS_LIST_DELETED
                 : ms_args_has(args, "--all")   ? MS_LIST_BOTH
                                                : MS_LIST_LIVE;
    const char *text = ms_args_value(args, "--prefix");
    if (text)
        o->prefix = without_namespace(ls->ns, text);
    text = ms_args_value(args, "--start-after");
    if (text)
        o->start_after = without_namespace(ls->ns, text);
    o->names_only = !ls->json && !ls->long_lines;
    return ms_args_count(args, "--limit", 1, UINT64_MAX, &o->limit, err);
}

int ms_cmd_ls(struct ms_cli *cli, struct ms_error *err)
{
    struct ls ls = {.ns = cli->args.count > 1 ? cli->args.positional[1] : "",
                    .long_lines = ms_args_has(&cli->args, "--long"),
                    .json = cli->json};
    ms_out_json(&ls.writer);
    struct ms_list_options options = MS_LIST_OPTIONS_INIT;
    struct ms_store *store = NULL;
    int code = ls_options(cli, &ls, &options, err);
    if (!code)
        code = ms_cli_open(cli, &store, err);
    if (!code)
        code = walk(cli, store, ls.ns, &options, print_item, &ls, err);
    return ms_cli_close(store, code, err);
}

/* ---- du ------------------------------------------------------------------------------------- */

struct sum {
    char *ns;
    size_t ns_size;
    uint64_t items, bytes, deleted_items, deleted_bytes;
};

struct du {
    const char *ns; /* what the listing is of: stands before every key */
    struct sum *sums;
    size_t count, room, last; /* last: items of a namespace come in runs */
};

/* The namespace of an item: all before its last '/'. */
static int find_sum(struct du *du, struct ms_view name, struct sum **out, struct ms_error *err)
{
    size_t size = name.size;
    while (size > 0 && name.data[size - 1] != '/')
        size--;
    struct ms_view ns = ms_view(name.data, size > 0 ? size - 1 : 0);
    for (size_t i = 0; i < du->count; i++) {
        struct sum *s = &du->sums[(du->last + i) % du->count];
        if (ms_equal(ms_view(s->ns, s->ns_size), ns)) {
            du->last = (size_t)(s - du->sums);
            *out = s;
            return 0;
        }
    }
    if (du->count == du->room) {
        size_t room = du->room ? du->room * 2 : 16;
        struct sum *more = realloc(du->sums, room * sizeof *more);
        if (!more)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for one more namespace");
        du->sums = more;
        du->room = room;
    }
    struct sum *s = &du->sums[du->count];
    *s = (struct sum){.ns = ms_cli_join("", ns, &size), .ns_size = ns.size};
    if (!s->ns)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for one more namespace");
    du->last = du->count++;
    *out = s;
    return 0;
}

static int add_item(void *ctx, const struct ms_item *item, struct ms_error *err)
{
    struct du *du = ctx;
    size_t size;
    MS_AUTO_FREE char *name = ms_cli_join(du->ns, item->key, &size);
    if (!name)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a name");
    struct sum *s = NULL;
    int code = find_sum(du, ms_view(name, size), &s, err);
    if (code || !s)
        return code;
    *(item->deleted ? &s->deleted_items : &s->items) += 1;
    *(item->deleted ? &s->deleted_bytes : &s->bytes) += item->info.size_bytes;
    return 0;
}

static void sum_json(struct ms_json *j, const struct sum *s, bool with_name)
{
    ms_json_object(j);
    if (with_name) {
        ms_json_key(j, "namespace");
        ms_json_string(j, ms_view(s->ns, s->ns_size));
    }
    ms_json_key(j, "items");
    ms_json_u64(j, s->items);
    ms_json_key(j, "bytes");
    ms_json_u64(j, s->bytes);
    ms_json_key(j, "deleted_items");
    ms_json_u64(j, s->deleted_items);
    ms_json_key(j, "deleted_bytes");
    ms_json_u64(j, s->deleted_bytes);
    ms_json_end(j, '}');
}

static void sum_line(const struct sum *s, bool is_total)
{
    printf("%10" PRIu64 " %16" PRIu64 " %10" PRIu64 " %16" PRIu64 "  ", s->items, s->bytes,
           s->deleted_items, s->deleted_bytes);
    if (is_total)
        fputs("total", stdout);
    else if (s->ns_size == 0)
        fputs("(root)", stdout);
    else
        ms_out_name(ms_view(s->ns, s->ns_size));
    putchar('\n');
}

static void du_print(const struct ms_cli *cli, const struct du *du)
{
    struct sum total = {0};
    struct ms_json j;
    ms_out_json(&j);
    if (cli->json) {
        ms_json_object(&j);
        ms_json_key(&j, "namespaces");
        ms_json_array(&j);
    } else
        printf("%10s %16s %10s %16s  %s\n", "items", "bytes", "deleted", "bytes", "namespace");
    for (size_t i = 0; i < du->count; i++) {
        const struct sum *s = &du->sums[i];
        total.items += s->items;
        total.bytes += s->bytes;
        total.deleted_items += s->deleted_items;
        total.deleted_bytes += s->deleted_bytes;
        if (cli->json)
            sum_json(&j, s, true);
        else
            sum_line(s, false);
    }
    if (cli->json) {
        ms_json_end(&j, ']');
        ms_json_key(&j, "total");
        sum_json(&j, &total, false);
        ms_json_end(&j, '}');
    } else
        sum_line(&total, true);
}

int ms_cmd_du(struct ms_cli *cli, struct ms_error *err)
{
    struct du du = {.ns = cli->args.count > 1 ? cli->args.positional[1] : ""};
    struct ms_list_options options = MS_LIST_OPTIONS_INIT;
    options.deleted = MS_LIST_BOTH;
    struct ms_store *store = NULL;
    int code = ms_cli_open(cli, &store, err);
    if (!code)
        code = walk(cli, store, du.ns, &options, add_item, &du, err);
    code = ms_cli_close(store, code, err);
    if (!code)
        du_print(cli, &du);
    for (size_t i = 0; i < du.count; i++)
        free(du.sums[i].ns);
    free(du.sums);
    return code;
}
