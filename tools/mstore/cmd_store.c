/* create and destroy: a whole store. */
#include "tools/mstore/cli.h"

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
