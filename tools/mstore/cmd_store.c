/* create, destroy and sweep: a whole store. */
#include "tools/mstore/cli.h"

#include "base/text.h"
#include "tools/mstore/output.h"

#include <stdio.h>

static int on_closed_store(struct ms_cli *cli, int (*act)(struct ms_store *s, struct ms_error *err),
                           const char *done, struct ms_error *err)
{
    struct ms_store *store = NULL;
    int code = ms_cli_store(cli, cli->args.positional[0], "--levels", &store, err);
    if (!code)
        code = act(store, err);
    if (!code && cli->verbose)
        ms_cli_report(cli, "%s %s", done, ms_store_url(store));
    ms_store_free(store);
    return code;
}

int ms_cmd_create(struct ms_cli *cli, struct ms_error *err)
{
    return on_closed_store(cli, ms_store_create, "created", err);
}

int ms_cmd_destroy(struct ms_cli *cli, struct ms_error *err)
{
    if (!ms_args_has(&cli->args, "--yes"))
        return ms_error_set(err, MS_CLI_USAGE,
                            "this would remove %s with all it holds; add --yes to do it",
                            cli->args.positional[0]);
    return on_closed_store(cli, ms_store_destroy, "destroyed", err);
}

int ms_cmd_sweep(struct ms_cli *cli, struct ms_error *err)
{
    uint64_t age_ns = UINT64_C(86400) * 1000000000, removed = 0;
    const char *older = ms_args_value(&cli->args, "--older");
    int code = older ? ms_parse_duration(older, "--older", &age_ns, err) : 0;
    if (code)
        return code;
    struct ms_store *store = NULL;
    code = ms_cli_open(cli, &store, err);
    if (!code)
        code = ms_store_sweep(store, age_ns, &removed, err);
    code = ms_cli_close(store, code, err);
    if (code)
        return code;
    if (cli->json)
        printf("{\"removed\":%llu}\n", (unsigned long long)removed);
    else
        printf("%llu removed\n", (unsigned long long)removed);
    return 0;
}
