/* From a URL to a closed backend: sftp://[USER[:PASSWORD]@]HOST[:PORT]/REL or //ABS, and options.
 *
 * Whatever ends up in a command (a ProxyCommand of the ssh configuration gets host and user) is
 * held to harmless letters here. Nothing of the network is touched. */
#include "backends/sftp/sftp.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdio.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static int no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a backend");
}

void ms_sftp_free(struct ms_backend *b)
{
    struct ms_sftp *s = ms_sftp_self(b);
    struct ms_sftp_options *o = &s->options;
    ms_sftp_pool_close(s);
    ms_retry_policy_fini(&s->policy);
    ms_mutex_fini(&s->mutex);
    ms_wipe_free(o->password);
    ms_wipe_free(o->passphrase);
    free(o->host);
    free(o->user);
    free(o->identity);
    free(o->known_hosts);
    free(o->ssh_config);
    free(s->root);
    free(s->prefix);
    free(s);
}

/* ---- host, user, path ---- */

static int check_host(const struct ms_url *url, struct ms_error *err)
{
    const char *host = url->host;
    if (!host || !*host)
        return ms_error_set(err, MS_ERR_URL,
                            "%s has no host: expected for example sftp://user@example.org/folder",
                            url->safe);
    if (host[0] == '-')
        return ms_error_set(err, MS_ERR_URL, "%s: a host may not begin with -", url->safe);
    if (host[strspn(host, LETTERS ".-_:%")])
        return ms_error_set(err, MS_ERR_URL,
                            "%s: a host has only the letters A-Z a-z 0-9 . - _ : %%", url->safe);
    return 0;
}

static int check_user(const struct ms_url *url, struct ms_error *err)
{
    const char *user = url->user;
    if (!user)
        return 0;
    if (!*user || user[0] == '-')
        return ms_error_set(err, MS_ERR_URL, "%s: a user may not be empty or begin with -",
                            url->safe);
    for (const char *c = user; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f || strchr("'`\"$;&<>|(){}", *c))
            return ms_error_set(err, MS_ERR_URL,
                                "%s: a user may not hold ' ` \" $ ; & < > | ( ) "
                                "{ } or control characters",
                                url->safe);
    return 0;
}

/* "/rel" is "rel" below the login folder, "//abs" is "/abs"; slashes in a row count as one. */
static int set_path(struct ms_sftp *s, const struct ms_url *url, struct ms_error *err)
{
    const char *path = url->path[0] == '/' ? url->path + 1 : url->path;
    size_t size = 0;
    char *root = malloc(strlen(path) + 2);
    s->root = root;
    if (!root)
        return no_memory(err);
    for (; *path; path++)
        if (*path != '/' || size == 0 || root[size - 1] != '/')
            root[size++] = *path;
    if (size > 1 && root[size - 1] == '/')
        size--;
    if (size == 0)
        root[size++] = '.';
    root[size] = 0;
    if (size > MS_NAME_MAX - 512)
        return ms_error_set(err, MS_ERR_URL, "%s: the path is too long", url->safe);
    bool plain = strcmp(root, ".") == 0, slash = strcmp(root, "/") == 0;
    if (asprintf(&s->prefix, "%s%s", plain ? "" : root, plain || slash ? "" : "/") < 0) {
        s->prefix = NULL;
        return no_memory(err);
    }
    return 0;
}

/* ---- options ---- */

static int copy(char **to, const char *from, struct ms_error *err)
{
    if (!from || !*from)
        return 0;
    *to = strdup(from);
    return *to ? 0 : no_memory(err);
}

/* A file name, where "~/" is the home folder. */
static int take_file(struct ms_url *url, const char *key, char **to, struct ms_error *err)
{
    const char *value = ms_url_take(url, key), *home = getenv("HOME");
    if (!value)
        return 0;
    if (!*value)
        return ms_error_set(err, MS_ERR_URL, "%s: the option %s names no file", url->safe, key);
    if (strncmp(value, "~/", 2) != 0 || !home)
        return copy(to, value, err);
    if (asprintf(to, "%s/%s", home, value + 2) >= 0)
        return 0;
    *to = NULL;
    return no_memory(err);
}

static int take_number(struct ms_url *url, const char *key, uint64_t least, uint64_t most,
                       unsigned *to, struct ms_error *err)
{
    const char *value = ms_url_take(url, key);
    uint64_t number;
    if (!value)
        return 0;
    if (ms_parse_u64(value, key, most, &number, NULL) || number < least)
        return ms_error_set(err, MS_ERR_URL, "%s: the option %s is a number from %llu to %llu",
                            url->safe, key, (unsigned long long)least, (unsigned long long)most);
    *to = (unsigned)number;
    return 0;
}

static int take_words(struct ms_url *url, struct ms_sftp *s, struct ms_error *err)
{
    const char *sync = ms_url_take(url, "sync"), *extensions = ms_url_take(url, "extensions");
    if (sync && strcmp(sync, "none") != 0 && strcmp(sync, "data") != 0)
        return ms_error_set(err, MS_ERR_URL, "%s: the option sync is data or none", url->safe);
    if (extensions && strcmp(extensions, "off") != 0 && strcmp(extensions, "on") != 0)
        return ms_error_set(err, MS_ERR_URL, "%s: the option extensions is on or off", url->safe);
    s->sync = !sync || strcmp(sync, "none") != 0;
    s->options.no_extensions = extensions && strcmp(extensions, "off") == 0;
    return 0;
}

static int take_options(struct ms_url *url, struct ms_sftp *s, struct ms_error *err)
{
    struct ms_sftp_options *o = &s->options;
    unsigned accept = 0;
    int code = take_file(url, "identity", &o->identity, err);
    if (!code)
        code = take_file(url, "known_hosts", &o->known_hosts, err);
    if (!code)
        code = take_file(url, "ssh_config", &o->ssh_config, err);
    if (!code)
        code = take_number(url, "accept_new", 0, 1, &accept, err);
    if (!code)
        code = take_number(url, "connections", 1, MS_SFTP_CONNECTIONS_MAX, &s->connections, err);
    if (!code)
        code = take_number(url, "timeout", 1, 3600, &o->timeout_s, err);
    if (!code)
        code = take_words(url, s, err);
    o->accept_new = accept;
    return code;
}

static int take_login(const struct ms_url *url, struct ms_sftp *s, struct ms_error *err)
{
    struct ms_sftp_options *o = &s->options;
    const char *password = url->password ? url->password : getenv("MSTORE_SFTP_PASSWORD");
    int code = copy(&o->host, url->host, err);
    if (!code)
        code = copy(&o->user, url->user, err);
    if (!code)
        code = copy(&o->password, password, err);
    if (!code)
        code = copy(&o->passphrase, getenv("MSTORE_SSH_PASSPHRASE"), err);
    o->port = url->port;
    return code;
}

int ms_sftp_make(struct ms_url *url, const struct ms_backend_env *env, struct ms_backend **out,
                 struct ms_error *err)
{
    int code = check_host(url, err);
    if (!code)
        code = check_user(url, err);
    if (code)
        return code;
    struct ms_sftp *s = calloc(1, sizeof *s);
    if (!s)
        return no_memory(err);
    s->options.timeout_s = 30;
    s->connections = 1;
    s->listing_max_bytes = MS_SFTP_LISTING_MAX;
    ms_mutex_init(&s->mutex);
    ms_retry_policy_init(&s->policy, env->seed);
    code = set_path(s, url, err);
    if (!code)
        code = take_login(url, s, err);
    if (!code)
        code = take_options(url, s, err);
    if (code) {
        ms_sftp_free(&s->base);
        return code;
    }
    *out = &s->base;
    return 0;
}
