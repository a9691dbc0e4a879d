/* serve: a store for others, over HTTP. The server is server/; here its options are collected. */
#include "tools/mstore/cli.h"

#ifdef MSTORE_HAVE_SERVER

#include "base/cleanup.h"
#include "server/serve.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Which key of the configuration an option stands for. */
static const struct {
    const char *option, *section, *key;
} keys[] = {
    {"--audit-log", "server", "audit-log"},
    {"--insecure", "server", "insecure"},
    {"--listen", "server", "listen"},
    {"--password-file", "server", "password-file"},
    {"--permissions", "serve", "permissions"},
    {"--quota", "serve", "quota"},
    {"--tls-cert", "server", "tls-cert"},
    {"--tls-key", "server", "tls-key"},
    {"--user", "server", "user"},
    {"--users", "server", "users"},
};

struct serving {
    struct serve_setting *settings;
    size_t count;
    char **texts; /* that settings refer to */
    size_t text_count;
};

static void fini(struct serving *s)
{
    for (size_t i = 0; i < s->text_count; i++)
        free(s->texts[i]);
    free(s->texts);
    free(s->settings);
}

static char *keep(struct serving *s, char *text)
{
    if (text)
        s->texts[s->text_count++] = text;
    return text;
}

/* "KEY=VALUE" in two. */
static int add_set(struct serving *s, const char *value, struct ms_error *err)
{
    const char *equals = strchr(value, '=');
    if (!equals || equals == value)
        return ms_error_set(err, MS_CLI_USAGE, "--set wants KEY=VALUE, not \"%s\"", value);
    const char *key = keep(s, strndup(value, (size_t)(equals - value)));
    if (!key)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the options");
    s->settings[s->count++] = (struct serve_setting){"server", key, equals + 1};
    return 0;
}

/* All --listen together are one value of several words. */
static int add_listen(struct serving *s, const struct ms_args *args, struct ms_error *err)
{
    const char **values = NULL;
    size_t count = 0, size = 1;
    int code = ms_args_values(args, "--listen", &values, &count, err);
    if (code || count == 0) {
        free(values);
        return code;
    }
    for (size_t i = 0; i < count; i++)
        size += strlen(values[i]) + 1;
    char *text = keep(s, calloc(1, size));
    for (size_t i = 0; text && i < count; i++) {
        strcat(text, values[i]);
        strcat(text, i + 1 < count ? " " : "");
    }
    free(values);
    if (!text)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the options");
    s->settings[s->count++] = (struct serve_setting){"server", "listen", text};
    return 0;
}

static int collect(struct serving *s, const struct ms_args *args, struct ms_error *err)
{
    s->settings = calloc(args->given_count + 1, sizeof *s->settings);
    s->texts = calloc(args->given_count + 1, sizeof *s->texts);
    if (!s->settings || !s->texts)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the options");
    int code = add_listen(s, args, err);
    for (size_t i = 0; !code && i < args->given_count; i++) {
        const struct ms_given *g = &args->given[i];
        if (strcmp(g->option->name, "--set") == 0)
            code = add_set(s, g->value, err);
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
            if (strcmp(g->option->name, keys[k].option) == 0 && strcmp(keys[k].key, "listen") != 0)
                s->settings[s->count++] = (struct serve_setting){keys[k].section, keys[k].key,
                                                                 g->value ? g->value : "yes"};
    }
    return code;
}

/* Tells systemd (Type=notify) that clients may come. */
static void notify_ready(void)
{
    static const char text[] = "READY=1";
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof to.sun_path)
        return;
    memcpy(to.sun_path, path, strlen(path));
    if (path[0] == '@')
        to.sun_path[0] = '\0';
    MS_AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (fd >= 0)
        (void)!sendto(fd, text, sizeof text - 1, MSG_NOSIGNAL, (struct sockaddr *)&to, size);
}

static void say_where(void *ctx, const char *address, bool secure)
{
    (void)ctx;
    if (strncmp(address, "unix:", 5) == 0)
        printf("listening on %s\n", address);
    else
        printf("listening on %s://%s\n", secure ? "https" : "http", address);
    fflush(stdout);
    notify_ready();
}

/* What would be passed over in silence. */
static int check_together(const struct ms_cli *cli, struct ms_error *err)
{
    const struct ms_args *args = &cli->args;
    bool of_store = ms_args_has(args, "--permissions") || ms_args_has(args, "--quota");
    bool listens = ms_args_has(args, "--listen") || ms_args_has(args, "--socket-activation");
    if (!args->count && of_store)
        return ms_error_set(err, MS_CLI_USAGE,
                            "--permissions and --quota go with a STORE; without one they stand in "
                            "the [serve NAME] of the configuration");
    if (!args->count && !ms_args_has(args, "--config") && !getenv("MSTORE_CONFIG"))
        return ms_error_set(err, MS_CLI_USAGE, "give a STORE, or a --config with [serve NAME]");
    if (listens && ms_args_has(args, "--stdio"))
        return ms_error_set(err, MS_CLI_USAGE,
                            "--stdio listens on nothing: leave --listen and --socket-activation "
                            "out");
    return 0;
}

int ms_cmd_serve(struct ms_cli *cli, struct ms_error *err)
{
    struct serving s = {0};
    struct serve_options options = {
        .config = ms_args_value(&cli->args, "--config"),
        .store = cli->args.count ? cli->args.positional[0] : NULL,
        .stdio = ms_args_has(&cli->args, "--stdio"),
        .activation = ms_args_has(&cli->args, "--socket-activation"),
        .ready = say_where,
    };
    int code = check_together(cli, err);
    if (!code)
        code = collect(&s, &cli->args, err);
    if (!options.config && !options.store)
        options.config = getenv("MSTORE_CONFIG");
    options.settings = s.settings;
    options.setting_count = s.count;
    if (!code)
        code = serve_run(&options, err);
    fini(&s);
    return code == MS_ERR_NOT_FOUND ? MS_CLI_LOCAL : code; /* a file of the server's */
}

#else

int ms_cmd_serve(struct ms_cli *cli, struct ms_error *err)
{
    (void)cli;
    return ms_error_set(err, MS_ERR_UNSUPPORTED,
                        "this mstore was built without the server (libssl was missing)");
}

#endif
