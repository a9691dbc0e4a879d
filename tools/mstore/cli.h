/* cli.h - what every command gets: its arguments, its settings, its way to report.
 *
 * A command is one entry of the table in main.c and one run() function, which returns 0 or a
 * negative code with `err` set; main.c turns that into one line on standard error and an exit
 * status (cli.c has the table). Reports may come from any thread, all else from main's.
 */
#ifndef TOOLS_MSTORE_CLI_H
#define TOOLS_MSTORE_CLI_H

#include "tools/mstore/args.h"

#include <mstore/mstore.h>

struct ms_config;

/* Codes that only the command line knows, beside enum ms_code. */
enum ms_cli_code {
    MS_CLI_USAGE = -1001,       /* the command line itself is wrong */
    MS_CLI_REPORTED = -1002,    /* all that is to be said has been said: exit 1 */
    MS_CLI_PIPE_CLOSED = -1003, /* the reader of our output went away: end quietly */
    MS_CLI_LOCAL = -1004,       /* a problem with a local file: exit 1 whatever it is, because "not
                                   found" is said of stores and items only */
    MS_CLI_FOUND = -1005,       /* upkeep: not all is as it should be */
};

enum ms_exit {
    MS_EXIT_OK = 0,
    MS_EXIT_ERROR = 1,
    MS_EXIT_USAGE = 2,
    MS_EXIT_NOT_FOUND = 3,
    MS_EXIT_EXISTS = 4,
    MS_EXIT_UNREACHABLE = 5, /* may work a moment later */
    MS_EXIT_UNTRUSTED = 6,   /* one of the two sides does not trust the other */
    MS_EXIT_FOUND = 7,       /* upkeep: not all is as it should be */
    MS_EXIT_INTERRUPTED = 130,
};

struct ms_cli {
    const struct ms_command *command; /* NULL before it is known */
    struct ms_args args;
    bool json;
    unsigned verbose;
    unsigned jobs; /* 0: the Store's best */
    struct ms_config *config;
    char **secrets; /* arguments that hold some, copied: see scrub.h */
    size_t secret_count;
};

struct ms_command {
    const char *name;
    const char *arguments; /* "STORE KEY [FILE|-]" */
    const char *summary;   /* one line, lower case, no full stop */
    const char *details;   /* paragraphs below the summary; "" for none */
    const char *examples;  /* whole lines */
    const struct ms_option *options;
    unsigned least, most; /* positional arguments */
    int (*run)(struct ms_cli *cli, struct ms_error *err);
};

extern const struct ms_command ms_commands[]; /* ends with a NULL name */
extern const struct ms_option ms_global_options[];
const struct ms_command *ms_command_find(const char *name); /* NULL: no such command */
/* command NULL: the program's own help. */
void ms_help_print(const struct ms_command *command);

/* Numbers and flags out of the arguments; loads no file. */
int ms_cli_settings(struct ms_cli *cli, struct ms_error *err) MS_MUST_CHECK;
/* The exit status for a code. */
int ms_cli_exit_status(int code);
/* One line "mstore: COMMAND: SENTENCE" on standard error; any thread. */
void ms_cli_report(const struct ms_cli *cli, const char *fmt, ...) MS_PRINTF(2, 3);

/* The configuration (--config, else the default file), loaded at the first call; borrowed. */
int ms_cli_config(struct ms_cli *cli, const struct ms_config **out,
                  struct ms_error *err) MS_MUST_CHECK;
/* For a store of many whose file gave that code: one that is not there is an argument that means
 * nothing, and no missing item; nor is one that it leads to. */
int ms_cli_no_file(const char *path, int code, struct ms_error *err);
/* The file of a store of many that is meant, borrowed: the name itself, or what the configuration
 * has under it. NULL: it is another kind of store. */
int ms_cli_file(struct ms_cli *cli, const char *name, const char **out,
                struct ms_error *err) MS_MUST_CHECK;
/* A closed Store for a URL, a configured name or the file of a store of many. level_option names
 * the option whose values are the levels ("--levels"). */
int ms_cli_store(struct ms_cli *cli, const char *name, const char *level_option,
                 struct ms_store **out, struct ms_error *err) MS_MUST_CHECK;
/* A closed backend for the same, emulated when the URL or the environment says so; nothing else of
 * the configuration counts. */
int ms_cli_backend(struct ms_cli *cli, const char *name, struct ms_backend **out,
                   struct ms_error *err) MS_MUST_CHECK;
/* The Store of the first argument, opened. */
int ms_cli_open(struct ms_cli *cli, struct ms_store **out, struct ms_error *err) MS_MUST_CHECK;
/* Closes and frees; `code` is what the command has so far, and what comes back unless it was 0 and
 * closing failed. */
int ms_cli_close(struct ms_store *store, int code, struct ms_error *err) MS_MUST_CHECK;
/* Calls in flight at once: --jobs, else what the storage makes good use of; at least 1. */
unsigned ms_cli_jobs(const struct ms_cli *cli, struct ms_store *store);
/* Positional argument `index` as a view. */
struct ms_view ms_cli_key(const struct ms_cli *cli, size_t index);
/* "NS/KEY", or "KEY" when ns is ""; malloc'ed, with a NUL behind; NULL: no memory. */
char *ms_cli_join(const char *ns, struct ms_view key, size_t *size);
/* MS_CLI_LOCAL, with the reason behind the sentence. */
int ms_cli_local_error(struct ms_error *err, int errnum, const char *fmt, ...) MS_PRINTF(3, 4);
/* MS_ERR_CANCELLED once Ctrl-C was pressed; `advice` (may be NULL) ends the sentence. */
int ms_cli_interrupted(struct ms_error *err, const char *advice) MS_MUST_CHECK;
/* Random letters for scratch names: 12 hex digits and the NUL. */
void ms_cli_scratch_name(char name[13]);

int ms_cmd_create(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_destroy(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_ls(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_put(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_get(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_info(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_rm(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_undelete(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_mv(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_hash(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_defrag(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_copy(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_sweep(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_du(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_status(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_plan(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_scrub(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_heal(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_rebalance(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_add(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_drain(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_replace(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_check(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_serve(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_passwd(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_bench(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_stats(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_put_tree(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_get_tree(struct ms_cli *cli, struct ms_error *err);
int ms_cmd_help(struct ms_cli *cli, struct ms_error *err);

#endif
