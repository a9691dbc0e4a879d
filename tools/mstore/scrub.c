/* Secrets in arguments (see tools/mstore/scrub.h). The kernel shows the very memory that argv
 * points to, so overwriting it there is enough. Main's thread. */
#include "tools/mstore/scrub.h"

#include "backends/secret.h"
#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

/* Whether the positional argument is a STORE by what the command says of its arguments. */
static bool is_store(const struct ms_command *command, size_t index)
{
    const char *word = command ? command->arguments : "";
    for (; index && *word; index--) {
        word += strcspn(word, " ");
        word += strspn(word, " ");
    }
    size_t size = strcspn(word, " ");
    return memmem(word, size, "STORE", 5) || memmem(word, size, "SRC", 3) ||
           memmem(word, size, "DST", 3);
}

/* A URL where none is expected, when arguments are in the wrong order. */
static bool is_url(const char *text)
{
    for (size_t i = 0; ms_backend_type_at(i); i++) {
        const char *scheme = ms_backend_type_at(i)->scheme;
        size_t size = strlen(scheme);
        if (strncasecmp(text, scheme, size) == 0 && text[size] == ':')
            return true;
    }
    return false;
}

static int scrub_one(struct ms_cli *cli, size_t index, bool *found, struct ms_error *err)
{
    char *shown = (char *)(uintptr_t)cli->args.positional[index]; /* argv's, so it may be written */
    char *copy = strdup(shown);
    if (!copy)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the command line");
    if (!ms_secret_mask(shown)) {
        free(copy);
        return 0;
    }
    *found = true;
    cli->secrets[cli->secret_count++] = copy;
    cli->args.positional[index] = copy;
    return 0;
}

int ms_scrub(struct ms_cli *cli, struct ms_error *err)
{
    bool found = false;
    cli->secrets = calloc(cli->args.count + 1, sizeof *cli->secrets);
    if (!cli->secrets)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the command line");
    for (size_t i = 0; i < cli->args.count; i++) {
        if (!is_store(cli->command, i) && !is_url(cli->args.positional[i]))
            continue;
        int code = scrub_one(cli, i, &found, err);
        if (code)
            return code;
    }
    if (found)
        ms_cli_report(cli, "warning: a secret on the command line can be seen by others and stays "
                           "in the shell's history; use the configuration file or the environment "
                           "instead");
    return 0;
}

void ms_scrub_fini(struct ms_cli *cli)
{
    for (size_t i = 0; i < cli->secret_count; i++)
        ms_wipe_free(cli->secrets[i]);
    free(cli->secrets);
    cli->secrets = NULL;
    cli->secret_count = 0;
}
