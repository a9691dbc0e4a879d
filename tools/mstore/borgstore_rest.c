/* borgstore-server-rest - `mstore serve` under the name and with the options of BorgStore's server,
 * so that a client's rest://host/path finds it over ssh.
 *
 * A password among the arguments is overwritten there at once; the server reads it from a file
 * without a name that only this process has.
 */
#include "server/serve.h"

#include "backends/secret.h"
#include "base/cleanup.h"
#include "base/pool.h"

#include <mstore/mstore.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTINGS_MAX 8

static struct ms_cancel *interrupt; /* as long as the process lives */

struct asked {
    const char *host, *port, *backend, *user, *password, *permissions, *quota;
    bool stdio, activation, help, version;
};

static const char usage[] =
    "borgstore-server-rest [OPTIONS] --backend URL - serve a store over BorgStore's REST protocol\n"
    "\n"
    "  --backend URL        FILE:path (relative, or with ~), any URL of mstore, or FILE:name.conf "
    "of\n"
    "                       a store of many\n"
    "  --stdio              plain HTTP on stdin and stdout, until the end of input\n"
    "  --host ADDRESS       (127.0.0.1)\n"
    "  --port PORT          (5618)\n"
    "  --socket-activation  the socket that systemd hands over\n"
    "  --username NAME      with --password; better: mstore serve --user --password-file\n"
    "  --password TEXT\n"
    "  --permissions MAP    a shortcut (borgbackup-no-delete, ...), or JSON\n"
    "  --quota BYTES\n"
    "\n"
    "It is `mstore serve` under another name, which can do more.\n";

/* ---- arguments ---- */

static int take_argument(struct asked *a, int argc, char **argv, int *i, struct ms_error *err)
{
    const struct {
        const char *name;
        const char **value;
        bool *flag;
    } options[] = {
        {"--host", &a->host, NULL},
        {"--port", &a->port, NULL},
        {"--backend", &a->backend, NULL},
        {"--username", &a->user, NULL},
        {"--password", &a->password, NULL},
        {"--permissions", &a->permissions, NULL},
        {"--quota", &a->quota, NULL},
        {"--stdio", NULL, &a->stdio},
        {"--socket-activation", NULL, &a->activation},
        {"--help", NULL, &a->help},
        {"--version", NULL, &a->version},
    };
    size_t size = strcspn(argv[*i], "=");
    for (size_t k = 0; k < sizeof options / sizeof *options; k++) {
        if (strlen(options[k].name) != size || strncmp(argv[*i], options[k].name, size) != 0)
            continue;
        bool joined = argv[*i][size] == '=';
        if (options[k].flag && !joined) {
            *options[k].flag = true;
            return 0;
        }
        if (!options[k].value || (!joined && *i + 1 >= argc))
            break;
        *options[k].value = joined ? argv[*i] + size + 1 : argv[++*i];
        return 0;
    }
    return ms_error_set(err, MS_ERR_INVALID,
                        "%.*s is no option, or its value is missing or too much; see --help",
                        (int)size, argv[*i]);
}

/* A copy of what may be secret; the argument itself, which others can see, is overwritten. */
static int take_secret(const char **value, bool all, struct ms_error *err)
{
    char *shown = (char *)(uintptr_t)*value; /* argv's */
    char *copy = strdup(shown ? shown : "");
    if (!copy)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the arguments");
    if (shown && all)
        memset(shown, 'x', strlen(shown));
    else if (shown)
        (void)ms_secret_mask(shown);
    *value = shown ? copy : NULL;
    if (!shown)
        free(copy);
    return 0;
}

/* Secrets go first, whatever else is wrong. */
static int take_arguments(struct asked *a, int argc, char **argv, struct ms_error *err)
{
    int code = 0;
    for (int i = 1; i < argc; i++) {
        int one = take_argument(a, argc, argv, &i, code ? NULL : err);
        code = code ? code : one;
    }
    int hidden = take_secret(&a->password, true, code ? NULL : err);
    if (!hidden)
        hidden = take_secret(&a->backend, false, code ? NULL : err);
    return code ? code : hidden;
}

/* ---- what they mean to the server ---- */

static bool is_file(const char *url)
{
    return strncasecmp(url, "file:", 5) == 0 && strncmp(url + 5, "//", 2) != 0;
}

/* The path behind "FILE:", absolute; malloc'ed. */
static char *whole_path(const char *path)
{
    const char *home = getenv("HOME");
    char *whole = NULL, *here = NULL;
    bool at_home = path[0] == '~' && (path[1] == '/' || !path[1]) && home;
    if (path[0] == '/')
        return strdup(path);
    if (!at_home && !(here = getcwd(NULL, 0)))
        return NULL;
    if (asprintf(&whole, "%s/%s", at_home ? home : here, at_home ? path + 1 + !!path[1] : path) < 0)
        whole = NULL;
    free(here);
    return whole;
}

/* "file:///a%20b"; malloc'ed. */
static char *url_of_path(const char *path)
{
    char *url = malloc(3 * strlen(path) + sizeof "file://"), *to = url;
    if (!url)
        return NULL;
    to += sprintf(to, "file://");
    for (; *path; path++)
        to += sprintf(to, strchr("%?# ", *path) || (unsigned char)*path < 0x21 ? "%%%02X" : "%c",
                      (unsigned char)*path);
    return url;
}

static bool is_conf(const char *path)
{
    size_t size = strlen(path);
    struct stat st;
    return size > 5 && strcmp(path + size - 5, ".conf") == 0 && stat(path, &st) == 0 &&
           S_ISREG(st.st_mode);
}

/* What to serve; malloc'ed. */
static int find_store(const char *backend, char **out, struct ms_error *err)
{
    if (!backend)
        return ms_error_set(err, MS_ERR_INVALID, "--backend is missing; see --help");
    if (!is_file(backend)) {
        *out = strdup(backend);
    } else {
        char *path = whole_path(backend + 5);
        bool conf = path && is_conf(path);
        *out = conf ? path : path ? url_of_path(path) : NULL;
        if (!conf)
            free(path);
    }
    return *out ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the backend's URL");
}

/* A file that has the password, by a path that this process can open. */
static int password_file(const char *password, char path[64], struct ms_error *err)
{
    int fd = memfd_create("password", MFD_CLOEXEC);
    size_t size = strlen(password);
    if (fd < 0 || fchmod(fd, 0600) || write(fd, password, size) != (ssize_t)size)
        return ms_error_set(err, MS_ERR_IO, "the password cannot be kept");
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return 0;
}

struct settings {
    struct serve_setting list[SETTINGS_MAX];
    size_t count;
    char address[300], file[64];
};

static void set(struct settings *s, const char *section, const char *key, const char *value)
{
    if (value)
        s->list[s->count++] = (struct serve_setting){section, key, value};
}

static int settle(const struct asked *a, struct settings *s, struct ms_error *err)
{
    const char *host = a->host ? a->host : "127.0.0.1";
    bool bare6 = strchr(host, ':') && host[0] != '[';
    if (!a->user != !a->password)
        return ms_error_set(err, MS_ERR_INVALID, "--username and --password go together");
    int code = a->password ? password_file(a->password, s->file, err) : 0;
    if (code)
        return code;
    snprintf(s->address, sizeof s->address, bare6 ? "[%s]:%s" : "%s:%s", host,
             a->port ? a->port : "5618");
    if (!a->stdio && !a->activation)
        set(s, "server", "listen", s->address);
    if (a->stdio) /* standard error is the client's terminal */
        set(s, "server", "audit-log", "none");
    set(s, "server", "user", a->user);
    set(s, "server", "password-file", a->password ? s->file : NULL);
    set(s, "serve", "permissions", a->permissions);
    set(s, "serve", "quota", a->quota);
    return 0;
}

static void say_where(void *ctx, const char *address, bool secure)
{
    (void)ctx, (void)secure; /* it has no TLS */
    fprintf(stderr, "listening on http://%s\n", address);
}

static int serve(const struct asked *a, struct ms_error *err)
{
    struct settings s = {0};
    char *store = NULL;
    int code = find_store(a->backend, &store, err);
    if (!code)
        code = settle(a, &s, err);
    if (!code) {
        const struct serve_options options = {.store = store,
                                              .settings = s.list,
                                              .setting_count = s.count,
                                              .stdio = a->stdio,
                                              .activation = a->activation,
                                              .ready = say_where};
        code = serve_run(&options, err);
    }
    free(store);
    return code;
}

static int run(int argc, char **argv, struct ms_error *err)
{
    struct asked a = {0};
    int code = take_arguments(&a, argc, argv, err);
    if (!code && (a.help || a.version))
        printf("%s", a.help ? usage : ms_version());
    else if (!code)
        code = serve(&a, err);
    ms_wipe_free((char *)(uintptr_t)a.password);
    free((char *)(uintptr_t)a.backend);
    return code;
}

int main(int argc, char **argv)
{
    struct ms_error err = {0};
    signal(SIGPIPE, SIG_IGN);
    int code = ms_cancel_new(&interrupt, &err);
    if (!code)
        code = ms_cancel_on_signals(interrupt, &err);
    if (!code) {
        ms_cancel_swap(interrupt);
        code = run(argc, argv, &err);
    }
    ms_pool_shutdown();
    if (!code)
        return 0;
    fprintf(stderr, "borgstore-server-rest: %s\n", err.text[0] ? err.text : ms_code_text(code));
    return code == MS_ERR_INVALID ? 2 : 1;
}
