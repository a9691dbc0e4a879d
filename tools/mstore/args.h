/* args.h - the command line taken apart: options anywhere, "--" ends them, "--opt=value" or
 * "--opt value". Strings are borrowed from argv. */
#ifndef TOOLS_MSTORE_ARGS_H
#define TOOLS_MSTORE_ARGS_H

#include <mstore/base.h>

struct ms_command;

struct ms_option {
    const char *name;  /* "--jobs" */
    char letter;       /* 'j'; 0: none */
    const char *value; /* "N" in the help; NULL: takes none */
    const char *help;
};

struct ms_given {
    const struct ms_option *option;
    const char *value; /* NULL when it takes none */
};

struct ms_args {
    const char **positional; /* behind the command's name */
    size_t count;
    struct ms_given *given; /* in the order of the command line */
    size_t given_count;
};

/* Sets *command as soon as its name is met, also when a later argument is wrong: for messages. */
int ms_args_parse(int argc, char **argv, struct ms_args *args, const struct ms_command **command,
                  struct ms_error *err) MS_MUST_CHECK;
void ms_args_fini(struct ms_args *args);
bool ms_args_has(const struct ms_args *args, const char *option);
size_t ms_args_times(const struct ms_args *args, const char *option);
/* The last value given; NULL: none. */
const char *ms_args_value(const struct ms_args *args, const char *option);
/* All values of a repeatable option; malloc'ed array of borrowed strings. */
int ms_args_values(const struct ms_args *args, const char *option, const char ***out, size_t *count,
                   struct ms_error *err) MS_MUST_CHECK;
/* Options with values of a kind; `*out` is untouched when the option was not given. */
int ms_args_size(const struct ms_args *args, const char *option, uint64_t *out,
                 struct ms_error *err) MS_MUST_CHECK;
int ms_args_count(const struct ms_args *args, const char *option, uint64_t least, uint64_t most,
                  uint64_t *out, struct ms_error *err) MS_MUST_CHECK;

#endif
