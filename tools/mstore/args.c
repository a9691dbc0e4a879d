/* The command line taken apart. Invariant: every given option is in the table of the command or in
 * that of all commands. One thread. */
#include "tools/mstore/args.h"

#include "base/text.h"
#include "tools/mstore/cli.h"

#include <stdlib.h>

struct parse {
    int argc, next;
    char **argv;
    struct ms_args *args;
    const struct ms_command **command;
    bool options_ended;
};

static const struct ms_option *find_in(const struct ms_option *table, const char *name,
                                       size_t length, char letter)
{
    for (; table && table->name; table++)
        if (name ? strlen(table->name) == length && memcmp(table->name, name, length) == 0
                 : letter && table->letter == letter)
            return table;
    return NULL;
}

static const struct ms_option *find(const struct parse *p, const char *name, size_t length,
                                    char letter)
{
    const struct ms_option *option = find_in(ms_global_options, name, length, letter);
    if (!option && *p->command)
        option = find_in((*p->command)->options, name, length, letter);
    return option;
}

static int unknown(const struct parse *p, const char *text, size_t length, struct ms_error *err)
{
    if (!*p->command)
        return ms_error_set(err, MS_CLI_USAGE,
                            "unknown option %s (a command's own options come after its name; see "
                            "mstore --help)",
                            MS_SHOW(ms_view(text, length)));
    return ms_error_set(err, MS_CLI_USAGE, "unknown option %s (see mstore %s --help)",
                        MS_SHOW(ms_view(text, length)), (*p->command)->name);
}

static void add_given(struct parse *p, const struct ms_option *option, const char *value)
{
    p->args->given[p->args->given_count++] = (struct ms_given){option, value};
}

/* The value of an option that stands in the next argument, whatever that looks like. */
static int next_value(struct parse *p, const struct ms_option *option, const char **value,
                      struct ms_error *err)
{
    if (p->next >= p->argc)
        return ms_error_set(err, MS_CLI_USAGE, "option %s needs a value: %s %s", option->name,
                            option->name, option->value);
    *value = p->argv[p->next++];
    return 0;
}

static int take_long(struct parse *p, const char *text, struct ms_error *err)
{
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    const struct ms_option *option = find(p, text, length, 0);
    if (!option)
        return unknown(p, text, length, err);
    const char *value = NULL;
    if (equals && !option->value)
        return ms_error_set(err, MS_CLI_USAGE, "option %s takes no value", option->name);
    if (equals)
        value = equals + 1;
    else if (option->value) {
        int code = next_value(p, option, &value, err);
        if (code)
            return code;
    }
    add_given(p, option, value);
    return 0;
}

/* "-v", "-j8", "-vj 8". */
static int take_short(struct parse *p, const char *text, struct ms_error *err)
{
    for (const char *at = text + 1; *at; at++) {
        const struct ms_option *option = find(p, NULL, 0, *at);
        if (!option)
            return unknown(p, text, strlen(text), err);
        const char *value = NULL;
        if (option->value && at[1])
            value = at + 1;
        else if (option->value) {
            int code = next_value(p, option, &value, err);
            if (code)
                return code;
        }
        add_given(p, option, value);
        if (value)
            break;
    }
    return 0;
}

static int take(struct parse *p, const char *text, struct ms_error *err)
{
    if (!p->options_ended && strcmp(text, "--") == 0) {
        p->options_ended = true;
        return 0;
    }
    if (!p->options_ended && text[0] == '-' && text[1] == '-')
        return take_long(p, text, err);
    if (!p->options_ended && text[0] == '-' && text[1])
        return take_short(p, text, err);
    if (*p->command) {
        p->args->positional[p->args->count++] = text;
        return 0;
    }
    *p->command = ms_command_find(text);
    if (!*p->command)
        return ms_error_set(err, MS_CLI_USAGE, "unknown command %s (mstore --help lists them)",
                            MS_SHOW(ms_str(text)));
    return 0;
}

int ms_args_parse(int argc, char **argv, struct ms_args *args, const struct ms_command **command,
                  struct ms_error *err)
{
    *args = (struct ms_args){0};
    *command = NULL;
    size_t most = 0; /* a cluster "-vvv" gives one option for each letter */
    for (int i = 1; i < argc; i++)
        most += strlen(argv[i]) + 1;
    args->positional = calloc((size_t)argc + 1, sizeof *args->positional);
    args->given = calloc(most + 1, sizeof *args->given);
    if (!args->positional || !args->given)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the command line");
    struct parse p = {.argc = argc, .next = 1, .argv = argv, .args = args, .command = command};
    while (p.next < argc) {
        const char *text = argv[p.next++];
        int code = take(&p, text, err);
        if (code)
            return code;
    }
    return 0;
}

void ms_args_fini(struct ms_args *args)
{
    free(args->positional);
    free(args->given);
    *args = (struct ms_args){0};
}

size_t ms_args_times(const struct ms_args *args, const char *option)
{
    size_t times = 0;
    for (size_t i = 0; i < args->given_count; i++)
        times += strcmp(args->given[i].option->name, option) == 0;
    return times;
}

bool ms_args_has(const struct ms_args *args, const char *option)
{
    return ms_args_times(args, option) > 0;
}

const char *ms_args_value(const struct ms_args *args, const char *option)
{
    for (size_t i = args->given_count; i > 0; i--)
        if (strcmp(args->given[i - 1].option->name, option) == 0)
            return args->given[i - 1].value;
    return NULL;
}

int ms_args_values(const struct ms_args *args, const char *option, const char ***out, size_t *count,
                   struct ms_error *err)
{
    const char **values = calloc(args->given_count + 1, sizeof *values);
    if (!values)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the values of %s", option);
    size_t n = 0;
    for (size_t i = 0; i < args->given_count; i++)
        if (strcmp(args->given[i].option->name, option) == 0)
            values[n++] = args->given[i].value;
    *out = values;
    *count = n;
    return 0;
}

/* What a value could not be parsed as is a mistake of the command line. */
static int usage(int code, struct ms_error *err)
{
    if (code && err)
        err->code = MS_CLI_USAGE;
    return code ? MS_CLI_USAGE : 0;
}

int ms_args_size(const struct ms_args *args, const char *option, uint64_t *out,
                 struct ms_error *err)
{
    const char *value = ms_args_value(args, option);
    return value ? usage(ms_parse_size(value, option, out, err), err) : 0;
}

int ms_args_count(const struct ms_args *args, const char *option, uint64_t least, uint64_t most,
                  uint64_t *out, struct ms_error *err)
{
    const char *value = ms_args_value(args, option);
    if (!value)
        return 0;
    uint64_t number;
    if (ms_parse_u64(value, option, most, &number, NULL) || number < least)
        return ms_error_set(
            err, MS_CLI_USAGE, "%s must be a whole number from %llu to %llu, not %s", option,
            (unsigned long long)least, (unsigned long long)most, MS_SHOW(ms_str(value)));
    *out = number;
    return 0;
}
