/* mstore - the command line: takes the arguments apart, runs one command, turns its result into an
 * exit status. */
#include "tools/mstore/cli.h"

#include "base/pool.h"
#include "store/config.h"
#include "tools/mstore/output.h"
#include "tools/mstore/scrub.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* Lives as long as the process: the thread that waits for signals refers to it. */
static struct ms_cancel *interrupt;

static int count_arguments(const struct ms_cli *cli, struct ms_error *err)
{
    const struct ms_command *c = cli->command;
    if (cli->args.count >= c->least && cli->args.count <= c->most)
        return 0;
    const char *wrong =
        cli->args.count < c->least ? "an argument is missing" : "too many arguments";
    return ms_error_set(err, MS_CLI_USAGE, "%s; usage: mstore %s %s", wrong, c->name, c->arguments);
}

/* Saves the counters of this process where --stats says. */
static int save_stats(const struct ms_cli *cli, struct ms_error *err)
{
    const char *path = ms_args_value(&cli->args, "--stats");
    if (!path)
        return 0;
    struct ms_stats_snapshot *snapshot = NULL;
    int code = ms_stats_take(&snapshot, err);
    if (!code)
        code = ms_stats_save(snapshot, path, err);
    ms_stats_free(snapshot);
    if (code)
        ms_error_prefix(err, code, "cannot save statistics");
    return code == MS_ERR_NOT_FOUND || code == MS_ERR_EXISTS ? MS_ERR_IO : code;
}

static int run(struct ms_cli *cli, int argc, char **argv, struct ms_error *err)
{
    int code = ms_args_parse(argc, argv, &cli->args, &cli->command, err);
    int scrubbed = ms_scrub(cli, code ? NULL : err);
    if (code || scrubbed)
        return code ? code : scrubbed;
    if (ms_args_has(&cli->args, "--version")) {
        printf("mstore %s\n", ms_version());
        return ms_out_flush(err);
    }
    if (ms_args_has(&cli->args, "--help")) {
        ms_help_print(cli->command);
        return ms_out_flush(err);
    }
    if (!cli->command)
        return ms_error_set(err, MS_CLI_USAGE, "no command given (mstore --help lists them)");
    code = ms_cli_settings(cli, err);
    if (!code)
        code = count_arguments(cli, err);
    if (code)
        return code;
    code = cli->command->run(cli, err);
    if (!code)
        code = ms_out_flush(err);
    if (code == MS_CLI_USAGE)
        return code;
    struct ms_error saving = {0};
    int saved = save_stats(cli, &saving);
    if (!code && saved)
        *err = saving;
    return code ? code : saved;
}

/* As a program ends whose reader has gone, for those who look at the status. */
static void end_by_closed_pipe(void)
{
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
}

int main(int argc, char **argv)
{
    struct ms_cli cli = {0};
    struct ms_error err = {0};
    signal(SIGPIPE, SIG_IGN); /* so that commands can clean up behind them */
    int code = ms_cancel_new(&interrupt, &err);
    if (!code)
        code = ms_cancel_on_signals(interrupt, &err);
    if (!code) {
        ms_cancel_swap(interrupt);
        code = run(&cli, argc, argv, &err);
    }
    fflush(stdout);
    if (code == MS_ERR_CANCELLED && !strstr(err.text, "interrupted"))
        ms_error_set(&err, code, "interrupted");
    if (code && code != MS_CLI_REPORTED && code != MS_CLI_PIPE_CLOSED)
        ms_cli_report(&cli, "%s", err.text[0] ? err.text : ms_code_text(code));
    ms_config_free(cli.config);
    ms_scrub_fini(&cli);
    ms_args_fini(&cli.args);
    ms_pool_shutdown();
    if (code == MS_CLI_PIPE_CLOSED)
        end_by_closed_pipe();
    return ms_cli_exit_status(code);
}
