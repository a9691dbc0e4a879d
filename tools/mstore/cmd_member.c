/* add, drain, replace: members of a store of many come and go. */
#include "tools/mstore/cli.h"

#include "base/text.h"
#include "tools/mstore/output.h"
#include "tools/mstore/upkeep.h"

#include <inttypes.h>
#include <stdio.h>

typedef int (*member_fn)(struct ms_store *s, const char *name,
                         const struct ms_membership_options *options, struct ms_membership *result,
                         struct ms_error *err);

static int read_options(struct ms_cli *cli, struct ms_membership_options *o, struct ms_error *err)
{
    uint64_t number = 0;
    int code = ms_args_count(&cli->args, "--weight", 1, 1000000000, &number, err);
    if (code)
        return code;
    o->weight = (uint32_t)number;
    o->zone = ms_args_value(&cli->args, "--zone");
    o->name = ms_args_value(&cli->args, "--name");
    o->witness = ms_args_has(&cli->args, "--witness");
    o->dry_run = ms_args_has(&cli->args, "--dry-run");
    o->url = cli->args.count > 2 ? cli->args.positional[2] : NULL;
    return 0;
}

/* ---- what came of it ---- */

static void print_plan(const struct ms_membership *r)
{
    char bytes[32];
    printf("of %" PRIu64 " keys %" PRIu64 " would move: %" PRIu64 " objects, about %s\n", r->keys,
           r->moving, r->objects, ms_format_size(bytes, sizeof bytes, r->bytes));
}

static void print_bare(const struct ms_membership *r, bool then)
{
    if (r->bare)
        printf("namespaces in which no member may be lost %s: %u (mstore status shows them, mstore "
               "add helps)\n",
               then ? "then" : "now", r->bare);
}

static void print_text(const struct ms_cli *cli, const struct ms_telling *t, const char *name,
                       const struct ms_membership *r)
{
    const char *file = cli->args.positional[0];
    if (ms_args_has(&cli->args, "--dry-run")) {
        print_plan(r);
        print_bare(r, true);
        return;
    }
    if (r->report)
        ms_upkeep_print(cli, t, r->report);
    if (r->report)
        puts("");
    if (r->added[0])
        printf("member %s is in layout %" PRIu64 "\n", r->added, r->epoch);
    if (r->gone && !r->listed)
        printf("member %s is gone\n", name);
    else if (r->gone)
        printf("member %s is gone: its storage may be switched off, and [member %s] taken out of "
               "%s\n",
               name, name, file);
    else if (r->report)
        printf("member %s is still draining: run this again\n", name);
    else
        printf("run mstore rebalance %s to move data there\n", file);
    print_bare(r, false);
}

static void print_json(const struct ms_membership *r)
{
    struct ms_json j;
    ms_out_json(&j);
    ms_json_object(&j);
    ms_json_put_u64(&j, "epoch", r->epoch);
    ms_json_key(&j, "added");
    if (r->added[0])
        ms_json_text(&j, r->added);
    else
        ms_json_null(&j);
    ms_json_key(&j, "gone");
    ms_json_bool(&j, r->gone);
    ms_json_put_u64(&j, "keys", r->keys);
    ms_json_put_u64(&j, "keys_moving", r->moving);
    ms_json_put_u64(&j, "objects_moving", r->objects);
    ms_json_put_u64(&j, "bytes_moving", r->bytes);
    ms_json_put_u64(&j, "namespaces_bare", r->bare);
    ms_json_key(&j, "report");
    if (r->report)
        ms_upkeep_json(&j, r->report);
    else
        ms_json_null(&j);
    ms_json_end(&j, '}');
}

/* What state things are in. */
static int say_interrupted(const struct ms_membership *r, struct ms_error *err)
{
    char state[160];
    if (r->proposed)
        snprintf(state, sizeof state,
                 "layout %" PRIu64 " is proposed, clients use it and layout %" PRIu64
                 " together; run it again to go on",
                 r->proposed, r->epoch);
    else
        snprintf(state, sizeof state, "layout %" PRIu64 " is in force%s; run it again to go on",
                 r->epoch, r->report ? ", what was moved stays where it is" : "");
    return ms_cli_interrupted(err, state);
}

/* Whether it has to be run once more. */
static int say_left(const char *name, const struct ms_membership *r, struct ms_error *err)
{
    if (!r->gone)
        return ms_error_set(err, MS_CLI_FOUND, "member %s is still draining", name);
    if (ms_upkeep_report_clean(r->report))
        return 0;
    return ms_error_set(err, MS_CLI_FOUND,
                        "member %s is gone, but not every key is where it belongs yet: run this "
                        "again",
                        name);
}

/* ---- the commands ---- */

static int run(struct ms_cli *cli, member_fn fn, struct ms_error *err)
{
    struct ms_membership_options o = MS_MEMBERSHIP_OPTIONS_INIT;
    struct ms_upkeep_options upkeep = MS_UPKEEP_OPTIONS_INIT;
    struct ms_membership result = {0};
    struct ms_telling telling;
    struct ms_store *store = NULL;
    const char *name = cli->args.count > 1 ? cli->args.positional[1] : "";
    int code = read_options(cli, &o, err);
    if (!code)
        code = ms_upkeep_read_options(cli, &upkeep, err);
    if (code)
        return code;
    ms_upkeep_tell(cli, &telling, &upkeep);
    o.upkeep = &upkeep;
    code = ms_cli_open(cli, &store, err);
    if (!code) {
        ms_progress_begin(&telling.progress, cli->command->name, "keys");
        code = fn(store, name, &o, &result, err);
        ms_progress_end(&telling.progress);
    }
    if (code == MS_ERR_CANCELLED)
        code = say_interrupted(&result, err);
    else if (!code && cli->json)
        print_json(&result);
    else if (!code)
        print_text(cli, &telling, name, &result);
    if (!code)
        code = ms_out_flush(err);
    if (!code && result.report)
        code = say_left(name, &result, err);
    ms_membership_fini(&result);
    return ms_cli_close(store, code, err);
}

int ms_cmd_add(struct ms_cli *cli, struct ms_error *err)
{
    return run(cli, ms_mstore_add, err);
}

int ms_cmd_drain(struct ms_cli *cli, struct ms_error *err)
{
    return run(cli, ms_mstore_drain, err);
}

int ms_cmd_replace(struct ms_cli *cli, struct ms_error *err)
{
    return run(cli, ms_mstore_replace, err);
}
