/* What --help prints, made from the same tables that the parser uses. */
#include "tools/mstore/cli.h"

#include <stdio.h>

#define COLUMN 26

static void print_option(const struct ms_option *o)
{
    char left[64];
    char letter[8] = "    ";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(left, sizeof left, "%s%s%s%s", letter, o->name, o->value ? " " : "",
             o->value ? o->value : "");
    printf("  %-*s %s\n", COLUMN, left, o->help);
}

static void print_options(const char *title, const struct ms_option *options)
{
    if (!options || !options->name)
        return;
    printf("\n%s:\n", title);
    for (; options->name; options++)
        print_option(options);
}

static const char general[] =
    "mstore keeps values in stores, and gets them back.\n"
    "\n"
    "STORE is a URL, for example file:///srv/store, or the name of a store from the\n"
    "configuration file ($MSTORE_CONFIG, else ~/.config/mstore/config):\n"
    "\n"
    "  [store nas]                [namespace data]\n"
    "  url = file:///srv/nas      levels = 2\n"
    "\n"
    "KEY is NAMESPACE/NAME, or NAME in the root. Namespaces without configured levels are flat.\n"
    "SIZE and N of bytes take units: 4096, 4k, 1.5MiB, 2GB.\n";

static const char statuses[] =
    "\nExit status:\n"
    "  0    success\n"
    "  1    an error, or a part of the work failed\n"
    "  2    the command line is wrong (a malformed URL or key, an unknown name of a store)\n"
    "  3    the store or the item was not found\n"
    "  4    the store, the item or the file already exists\n"
    "  5    the storage could not be reached, or not in time; it may work a moment later\n"
    "  6    the storage does not accept the login, or is not trusted (host key, certificate)\n"
    "  7    something is not as it should be (scrub, heal, rebalance, drain, replace)\n"
    "  130  interrupted (Ctrl-C); what was done so far is whole\n";

static void print_general(void)
{
    printf("usage: mstore [OPTION...] COMMAND [ARGUMENT...]\n\n%s\nURLs:\n", general);
    for (size_t i = 0; ms_backend_type_at(i); i++)
        printf("  %s\n", ms_backend_type_at(i)->usage);
    printf("\nCommands:\n");
    for (const struct ms_command *c = ms_commands; c->name; c++)
        printf("  %-*s %s\n", COLUMN, c->name, c->summary);
    print_options("Options of all commands", ms_global_options);
    printf("%s\nmstore COMMAND --help tells more about one of them.\n"
           "The program mstore-stats shows statistics in depth.\n",
           statuses);
}

void ms_help_print(const struct ms_command *command)
{
    if (!command) {
        print_general();
        return;
    }
    printf("usage: mstore %s %s\n\n%s.\n", command->name, command->arguments, command->summary);
    if (command->details[0])
        printf("\n%s", command->details);
    print_options("Options", command->options);
    print_options("Options of all commands", ms_global_options);
    printf("\nExamples:\n%s%s", command->examples, statuses);
}

int ms_cmd_help(struct ms_cli *cli, struct ms_error *err)
{
    const struct ms_command *command = NULL;
    if (cli->args.count > 0) {
        command = ms_command_find(cli->args.positional[0]);
        if (!command)
            return ms_error_set(err, MS_CLI_USAGE, "no command is called \"%s\"",
                                cli->args.positional[0]);
    }
    ms_help_print(command);
    return 0;
}
