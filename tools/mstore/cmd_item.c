/* info, rm, undelete, mv, hash, defrag: single items. */
#include "tools/mstore/cli.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/pool.h"
#include "base/text.h"
#include "tools/mstore/output.h"

#include <inttypes.h>
#include <stdio.h>

static bool wants_deleted(const struct ms_cli *cli)
{
    return ms_args_has(&cli->args, "--deleted");
}

static int no_such_item(const struct ms_cli *cli, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NOT_FOUND, "there is no %sitem %s",
                        wants_deleted(cli) ? "soft-deleted " : "", MS_SHOW(ms_cli_key(cli, 1)));
}

/* ---- info ----------------------------------------------------------------------------------- */

static void info_print(const struct ms_cli *cli, const struct ms_item_info *info)
{
    char mtime[MS_OUT_TIME_SIZE], atime[MS_OUT_TIME_SIZE];
    ms_out_time(mtime, sizeof mtime, info->mtime_ns);
    ms_out_time(atime, sizeof atime, info->atime_ns);
    if (!cli->json) {
        fputs("key       ", stdout);
        ms_out_name(ms_cli_key(cli, 1));
        printf("\nsize      %" PRIu64 "\nchanged   %s\nread      %s\ndeleted   %s\ntag       %s\n",
               info->size_bytes, mtime, atime, wants_deleted(cli) ? "yes" : "no",
               info->tag.text[0] ? info->tag.text : "-");
        return;
    }
    struct ms_json j;
    ms_out_json(&j);
    ms_json_object(&j);
    ms_json_key(&j, "key");
    ms_json_string(&j, ms_cli_key(cli, 1));
    ms_json_key(&j, "size");
    ms_json_u64(&j, info->size_bytes);
    ms_json_key(&j, "mtime");
    ms_json_text(&j, mtime);
    ms_json_key(&j, "mtime_ns");
    ms_json_i64(&j, info->mtime_ns);
    ms_json_key(&j, "atime_ns");
    ms_json_i64(&j, info->atime_ns);
    ms_json_key(&j, "deleted");
    ms_json_bool(&j, wants_deleted(cli));
    ms_json_key(&j, "tag");
    ms_json_text(&j, info->tag.text);
    ms_json_end(&j, '}');
}

int ms_cmd_info(struct ms_cli *cli, struct ms_error *err)
{
    struct ms_store *store = NULL;
    struct ms_item_info info = {0};
    int code = ms_cli_open(cli, &store, err);
    if (!code)
        code = ms_store_info(store, ms_cli_key(cli, 1), wants_deleted(cli), &info, err);
    if (!code && !info.exists)
        code = no_such_item(cli, err);
    if (!code)
        info_print(cli, &info);
    return ms_cli_close(store, code, err);
}

/* ---- rm, undelete: several items ------------------------------------------------------------ */

struct each {
    const struct ms_cli *cli;
    struct ms_store *store;
    bool soft, undelete, deleted;
    int *codes;
    struct ms_error *only; /* where the sentence goes when there is just one item */
};

static int each_item(void *arg, size_t index)
{
    struct each *e = arg;
    struct ms_view key = ms_cli_key(e->cli, index + 1);
    struct ms_error err = {0};
    int code;
    if (e->undelete || e->soft)
        code = ms_store_move(e->store, e->undelete ? MS_MOVE_UNDELETE : MS_MOVE_SOFT_DELETE, key,
                             ms_view(NULL, 0), false, &err);
    else
        code = ms_store_delete(e->store, key, e->deleted, &err);
    if (code && e->only)
        *e->only = err;
    else if (code && code != MS_ERR_CANCELLED)
        ms_cli_report(e->cli, "%s", err.text);
    e->codes[index] = code;
    return 0; /* every item is tried */
}

/* The sentences have been printed; what is left is the exit status of the first that failed. */
static int first_failure(const int *codes, size_t count, struct ms_error *err)
{
    int code = ms_cli_interrupted(err, "what was done is done, what was under way may be");
    if (code)
        return code;
    size_t failed = 0;
    for (size_t i = count; i > 0; i--)
        if (codes[i - 1]) {
            code = codes[i - 1];
            failed++;
        }
    return code && count > 1 ? ms_error_set(err, code, "%zu of %zu items failed", failed, count)
                             : code;
}

static int each_key(struct ms_cli *cli, struct each *e, struct ms_error *err)
{
    size_t count = cli->args.count - 1;
    MS_AUTO_FREE int *codes = calloc(count, sizeof *codes);
    if (!codes)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for %zu keys", count);
    e->cli = cli;
    e->codes = codes;
    e->only = count == 1 ? err : NULL;
    int code = ms_cli_open(cli, &e->store, err);
    if (code)
        return code;
    code = ms_parallel(count, ms_cli_jobs(cli, e->store), each_item, e, err);
    if (!code || code == MS_ERR_CANCELLED)
        code = first_failure(codes, count, err);
    return ms_cli_close(e->store, code, err);
}

int ms_cmd_rm(struct ms_cli *cli, struct ms_error *err)
{
    struct each e = {.soft = ms_args_has(&cli->args, "--soft"), .deleted = wants_deleted(cli)};
    if (e.soft && e.deleted)
        return ms_error_set(err, MS_CLI_USAGE,
                            "--soft hides an item and --deleted removes a hidden one: choose one");
    return each_key(cli, &e, err);
}

int ms_cmd_undelete(struct ms_cli *cli, struct ms_error *err)
{
    struct each e = {.undelete = true};
    return each_key(cli, &e, err);
}

/* ---- mv, hash ------------------------------------------------------------------------------- */

int ms_cmd_mv(struct ms_cli *cli, struct ms_error *err)
{
    struct ms_store *store = NULL;
    int code = ms_cli_open(cli, &store, err);
    if (!code)
        code = ms_store_move(store, MS_MOVE_RENAME, ms_cli_key(cli, 1), ms_cli_key(cli, 2),
                             wants_deleted(cli), err);
    return ms_cli_close(store, code, err);
}

static const char *algorithm_of(const struct ms_cli *cli)
{
    const char *algorithm = ms_args_value(&cli->args, "--algorithm");
    return algorithm ? algorithm : "sha256";
}

int ms_cmd_hash(struct ms_cli *cli, struct ms_error *err)
{
    struct ms_store *store = NULL;
    char hex[MS_HASH_HEX_MAX];
    int code = ms_cli_open(cli, &store, err);
    if (!code)
        code = ms_store_hash(store, ms_cli_key(cli, 1), algorithm_of(cli), wants_deleted(cli), hex,
                             sizeof hex, err);
    code = ms_cli_close(store, code, err);
    if (code)
        return code;
    if (!cli->json) {
        printf("%s\n", hex);
        return 0;
    }
    struct ms_json j;
    ms_out_json(&j);
    ms_json_object(&j);
    ms_json_key(&j, "key");
    ms_json_string(&j, ms_cli_key(cli, 1));
    ms_json_key(&j, "algorithm");
    ms_json_text(&j, algorithm_of(cli));
    ms_json_key(&j, "hash");
    ms_json_text(&j, hex);
    ms_json_end(&j, '}');
    return 0;
}

/* ---- defrag --------------------------------------------------------------------------------- */

/* KEY:OFFSET:LENGTH; a key may hold ':' itself, so the numbers are taken from the end. */
static int parse_part(const char *text, struct ms_defrag_part *out, struct ms_error *err)
{
    const char *second = strrchr(text, ':');
    const char *first = second ? memrchr(text, ':', (size_t)(second - text)) : NULL;
    char offset[40];
    if (!first || first == text || (size_t)(second - first) > sizeof offset)
        return ms_error_set(err, MS_CLI_USAGE, "a part is KEY:OFFSET:LENGTH, not %s",
                            MS_SHOW(ms_str(text)));
    snprintf(offset, sizeof offset, "%.*s", (int)(second - first - 1), first + 1);
    struct ms_defrag_part part = {.key = ms_view(text, (size_t)(first - text))};
    if (ms_parse_size(offset, "OFFSET", &part.offset, err) ||
        ms_parse_size(second + 1, "LENGTH", &part.size, err))
        return ms_error_prefix(err, MS_CLI_USAGE, "part %s", MS_SHOW(ms_str(text)));
    *out = part;
    return 0;
}

static void defrag_print(const struct ms_cli *cli, const char *ns, const char *key)
{
    if (!cli->json) {
        printf("%s%s%s\n", ns, ns[0] ? "/" : "", key);
        return;
    }
    size_t size;
    MS_AUTO_FREE char *name = ms_cli_join(ns, ms_str(key), &size);
    struct ms_json j;
    ms_out_json(&j);
    ms_json_object(&j);
    ms_json_key(&j, "key");
    ms_json_text(&j, name ? name : key);
    ms_json_end(&j, '}');
}

int ms_cmd_defrag(struct ms_cli *cli, struct ms_error *err)
{
    const char *ns = cli->args.positional[1], *target = ms_args_value(&cli->args, "--target");
    if (target && ms_args_has(&cli->args, "--algorithm"))
        return ms_error_set(err, MS_CLI_USAGE,
                            "--target and --algorithm exclude each other: the name is either given "
                            "or the digest");
    size_t count = cli->args.count - 2;
    MS_AUTO_FREE struct ms_defrag_part *parts = calloc(count, sizeof *parts);
    if (!parts)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for %zu parts", count);
    int code = 0;
    for (size_t i = 0; i < count && !code; i++)
        code = parse_part(cli->args.positional[i + 2], &parts[i], err);
    if (code)
        return code;
    struct ms_store *store = NULL;
    char key[MS_NAME_MAX + 1];
    code = ms_cli_open(cli, &store, err);
    if (!code)
        code = ms_store_defrag(store, ns, parts, count, target ? ms_str(target) : ms_view(NULL, 0),
                               algorithm_of(cli), key, sizeof key, err);
    code = ms_cli_close(store, code, err);
    if (!code)
        defrag_print(cli, ns, key);
    return code;
}
