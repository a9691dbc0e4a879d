/* What the commands share: exit statuses, reports, opening stores. */
#include "tools/mstore/cli.h"

#include "base/cleanup.h"
#include "base/sync.h"
#include "base/text.h"
#include "store/config.h"
#include "mstore/conf.h"
#include "tools/mstore/progress.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define JOBS_MOST     1024
#define WAIT_SHOWN_NS UINT64_C(1000000000)

int ms_cli_exit_status(int code)
{
    /* one `if` per status reads better than the whole table of codes as a switch */
    if (code == 0)
        return MS_EXIT_OK;
    if (code == MS_CLI_USAGE || code == MS_ERR_INVALID || code == MS_ERR_NAME || code == MS_ERR_URL)
        return MS_EXIT_USAGE;
    if (code == MS_ERR_NOT_FOUND || code == MS_ERR_NO_STORE)
        return MS_EXIT_NOT_FOUND;
    if (code == MS_ERR_EXISTS || code == MS_ERR_STORE_EXISTS)
        return MS_EXIT_EXISTS;
    if (code == MS_ERR_CONNECTION || code == MS_ERR_TIMEOUT || code == MS_ERR_BUSY)
        return MS_EXIT_UNREACHABLE;
    if (code == MS_ERR_AUTH || code == MS_ERR_UNTRUSTED)
        return MS_EXIT_UNTRUSTED;
    if (code == MS_CLI_FOUND)
        return MS_EXIT_FOUND;
    if (code == MS_ERR_CANCELLED)
        return MS_EXIT_INTERRUPTED;
    return MS_EXIT_ERROR;
}

void ms_cli_report(const struct ms_cli *cli, const char *fmt, ...)
{
    char sentence[1024], line[1200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    if (cli->command)
        snprintf(line, sizeof line, "mstore: %s: %s", cli->command->name, sentence);
    else
        snprintf(line, sizeof line, "mstore: %s", sentence);
    ms_progress_line(line);
}

int ms_cli_settings(struct ms_cli *cli, struct ms_error *err)
{
    cli->json = ms_args_has(&cli->args, "--json");
    cli->verbose = (unsigned)ms_args_times(&cli->args, "--verbose");
    uint64_t jobs = 0;
    int code = ms_args_count(&cli->args, "--jobs", 1, JOBS_MOST, &jobs, err);
    if (code)
        return code;
    cli->jobs = (unsigned)jobs;
    if (cli->verbose)
        ms_log_to(NULL, NULL, cli->verbose > 1 ? MS_LOG_DEBUG : MS_LOG_INFO);
    return 0;
}

int ms_cli_config(struct ms_cli *cli, const struct ms_config **out, struct ms_error *err)
{
    if (!cli->config) {
        const char *path = ms_args_value(&cli->args, "--config");
        int code = ms_config_load(path, &cli->config, err);
        /* a configuration that is not there is no missing item */
        if (code == MS_ERR_NOT_FOUND)
            code = err->code = MS_ERR_CONFIG;
        if (code)
            return code;
    }
    *out = cli->config;
    return 0;
}

/* What a STORE argument stands for. */
static int resolve(struct ms_cli *cli, const char *name, const char *level_option,
                   struct ms_config_target **out, struct ms_error *err)
{
    const struct ms_config *config = NULL;
    int code = ms_cli_config(cli, &config, err);
    if (code)
        return code;
    MS_AUTO_FREE const char **levels = NULL;
    size_t level_count = 0;
    code = ms_args_values(&cli->args, level_option, &levels, &level_count, err);
    if (code)
        return code;
    code = ms_config_resolve(config, name, levels, level_count, out, err);
    if (code == MS_ERR_CONFIG) /* the file is fine: the name or the levels are what is wrong */
        code = err->code = MS_CLI_USAGE;
    return code;
}

/* Of a call that waits for other clients; a short wait is not worth a line. */
static void tell_wait(void *ctx, const struct ms_mstore_wait *wait)
{
    (void)ctx;
    if (wait->left_ns == 0 || wait->waited_ns >= WAIT_SHOWN_NS)
        ms_progress_wait(wait->what, wait->left_ns);
}

int ms_cli_file(struct ms_cli *cli, const char *name, const char **out, struct ms_error *err)
{
    const struct ms_config *config = NULL;
    bool path = ms_mconf_is_path(name);
    *out = path ? name : NULL;
    if (path || strchr(name, ':'))
        return 0;
    int code = ms_cli_config(cli, &config, err);
    const struct ms_config_store *found = code ? NULL : ms_config_find(config, name);
    if (found && ms_mconf_is_path(found->url)) {
        *out = found->url;
        cli->jobs = cli->jobs ? cli->jobs : found->jobs;
    }
    return code;
}

int ms_cli_no_file(const char *path, int code, struct ms_error *err)
{
    if (code != MS_ERR_NOT_FOUND)
        return code;
    code = access(path, F_OK) ? MS_CLI_USAGE : MS_ERR_CONFIG;
    if (err)
        err->code = code;
    return code;
}

static int mstore_of(struct ms_cli *cli, const char *path, const char *level_option,
                     struct ms_store **out, struct ms_error *err)
{
    struct ms_mstore_options options = MS_MSTORE_OPTIONS_INIT;
    if (ms_args_has(&cli->args, level_option))
        return ms_error_set(err, MS_CLI_USAGE, "%s: levels are part of %s, not of the command line",
                            level_option, path);
    options.jobs = cli->jobs;
    options.waiting = cli->json ? NULL : tell_wait;
    return ms_cli_no_file(path, ms_mstore_new(path, &options, out, err), err);
}

int ms_cli_store(struct ms_cli *cli, const char *name, const char *level_option,
                 struct ms_store **out, struct ms_error *err)
{
    struct ms_config_target *target = NULL;
    const char *file = NULL;
    int code = ms_cli_file(cli, name, &file, err);
    if (!code && file)
        return mstore_of(cli, file, level_option, out, err);
    if (!code)
        code = resolve(cli, name, level_option, &target, err);
    if (code)
        return code;
    if (cli->jobs)
        target->options.jobs = cli->jobs;
    code = ms_store_new(target->url, &target->options, out, err);
    ms_config_target_free(target);
    return code;
}

int ms_cli_backend(struct ms_cli *cli, const char *name, struct ms_backend **out,
                   struct ms_error *err)
{
    struct ms_config_target *target = NULL;
    struct ms_url *url = NULL;
    if (ms_mconf_is_path(name))
        return ms_error_set(err, MS_CLI_USAGE,
                            "%s is a store of many members: give the url of one of them", name);
    int code = resolve(cli, name, "--levels", &target, err);
    if (code)
        return code;
    struct ms_backend_env env = {.clock = ms_clock_real()};
    char letters[13];
    ms_cli_scratch_name(letters);
    memcpy(&env.seed, letters, sizeof env.seed);
    code = ms_url_parse(target->url, &url, err);
    if (!code)
        code = ms_emulator_make_url(url, &env, true, out, err);
    ms_url_free(url);
    ms_config_target_free(target);
    return code;
}

int ms_cli_open(struct ms_cli *cli, struct ms_store **out, struct ms_error *err)
{
    struct ms_store *store = NULL;
    int code = ms_cli_store(cli, cli->args.positional[0], "--levels", &store, err);
    if (!code)
        code = ms_store_open(store, err);
    if (code) {
        ms_store_free(store);
        return code;
    }
    *out = store;
    return 0;
}

int ms_cli_close(struct ms_store *store, int code, struct ms_error *err)
{
    struct ms_error closing = {0};
    int closed = store ? ms_store_close(store, &closing) : 0;
    ms_store_free(store);
    if (code || !closed)
        return code;
    if (err)
        *err = closing;
    return closed;
}

unsigned ms_cli_jobs(const struct ms_cli *cli, struct ms_store *store)
{
    if (cli->jobs)
        return cli->jobs;
    struct ms_capabilities c;
    ms_store_capabilities(store, &c);
    return c.best_parallelism < 1 ? 1 : c.best_parallelism > 64 ? 64 : c.best_parallelism;
}

struct ms_view ms_cli_key(const struct ms_cli *cli, size_t index)
{
    return ms_str(cli->args.positional[index]);
}

char *ms_cli_join(const char *ns, struct ms_view key, size_t *size)
{
    size_t length = strlen(ns), at = length ? length + 1 : 0;
    char *name = malloc(at + key.size + 1);
    if (!name)
        return NULL;
    memcpy(name, ns, length);
    if (length)
        name[length] = '/';
    memcpy(name + at, key.data, key.size);
    name[at + key.size] = '\0';
    *size = at + key.size;
    return name;
}

int ms_cli_local_error(struct ms_error *err, int errnum, const char *fmt, ...)
{
    char sentence[400], reason[128];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    return ms_error_set(err, MS_CLI_LOCAL, "%s: %s", sentence,
                        strerror_r(errnum, reason, sizeof reason));
}

int ms_cli_interrupted(struct ms_error *err, const char *advice)
{
    int code = ms_check_cancelled(err);
    if (code == MS_ERR_CANCELLED)
        return ms_error_set(err, code, "interrupted%s%s", advice ? "; " : "", advice ? advice : "");
    return code;
}

void ms_cli_scratch_name(char name[13])
{
    uint8_t bytes[6];
    struct ms_random random;
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        ms_random_seed(&random, (uint64_t)ms_clock_wall(ms_clock_real()) ^ (uint64_t)getpid());
        uint64_t number = ms_random_u64(&random);
        memcpy(bytes, &number, sizeof bytes);
    }
    ms_hex_encode(name, bytes, sizeof bytes);
}
