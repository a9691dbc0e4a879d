/* server/serve_conf_check.c - what can only be said of a configuration when all of it is there, and
 * reading it from a file (see server/serve_conf.h). */
#include "server/serve_conf.h"

#include "backends/secret.h"
#include "base/cleanup.h"
#include "base/private_file.h"
#include "base/text.h"
#include "store/config.h"

#include <arpa/inet.h>
#include <stdlib.h>

static int refuse(const struct server_conf *conf, struct ms_error *err, const char *what)
{
    return ms_error_set(err, MS_ERR_CONFIG, "%s: %s", conf->source, what);
}

static bool has_users(const struct server_conf *conf)
{
    return conf->users_file || conf->user;
}

/* ---- stores ---- */

static int check_serve(const struct server_conf *conf, const struct server_conf_serve *s,
                       struct ms_error *err)
{
    if (!s->store)
        return ms_error_set(err, MS_ERR_CONFIG, "%s:%u: [serve %s] lacks its store", conf->source,
                            s->line, s->name);
    if (s->users.count && !has_users(conf))
        return ms_error_set(err, MS_ERR_CONFIG,
                            "%s:%u: [serve %s] names users, but [server] has no users file",
                            conf->source, s->line, s->name);
    for (const struct server_conf_serve *o = conf->serves; o < s; o++)
        if (strcmp(o->path, s->path) == 0)
            return ms_error_set(err, MS_ERR_CONFIG, "%s:%u: [serve %s] has the path of [serve %s]",
                                conf->source, s->line, s->name, o->name);
    return 0;
}

/* ---- the server ---- */

static int check_pairs(const struct server_conf *conf, struct ms_error *err)
{
    if (!conf->tls_cert != !conf->tls_key)
        return refuse(conf, err,
                      conf->tls_cert ? "the certificate lacks its key (tls-key)"
                                     : "the key lacks its certificate (tls-cert)");
    if (conf->user && conf->users_file)
        return refuse(conf, err, "give either a user or a file of users, not both");
    if (conf->user && !conf->password_file && !conf->password)
        return refuse(conf, err, "the user lacks a password file");
    if (conf->password_file && !conf->user)
        return refuse(conf, err, "the password file lacks its user");
    const char *fault = conf->user ? server_user_fault(ms_str(conf->user)) : NULL;
    if (fault)
        return ms_error_set(err, MS_ERR_CONFIG, "%s: the user's name \"%s\" %s", conf->source,
                            MS_SHOW(ms_str(conf->user)), fault);
    if (conf->managers.count && !has_users(conf))
        return refuse(conf, err, "there are managers, but no users");
    return 0;
}

/* The host of "HOST:PORT" and "[HOST]:PORT"; false: it is neither. */
static bool host_of(const char *address, char *host, size_t size)
{
    const char *colon = strrchr(address, ':'), *from = address, *to = colon;
    if (!colon || !colon[1] || strlen(colon + 1) > 5 ||
        colon[1 + strspn(colon + 1, "0123456789")] || strtoul(colon + 1, NULL, 10) > 65535)
        return false;
    if (*address == '[') {
        from++;
        to--;
        if (to <= from || *to != ']')
            return false;
    } else if (memchr(address, ':', (size_t)(colon - address))) {
        return false;
    }
    if (to == from || (size_t)(to - from) >= size)
        return false;
    memcpy(host, from, (size_t)(to - from));
    host[to - from] = '\0';
    return true;
}

static bool is_this_machine(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, host, &four) == 1)
        return (ntohl(four.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, host, &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six);
    return strcmp(host, "localhost") == 0;
}

static const struct server_conf_serve *open_to_anyone(const struct server_conf *conf)
{
    for (size_t i = 0; i < conf->serve_count; i++)
        if (conf->serves[i].anyone || !has_users(conf))
            return &conf->serves[i];
    return NULL;
}

int server_conf_check_listen(const struct server_conf *conf, const char *address,
                             struct ms_error *err)
{
    char host[256];
    if (strncmp(address, "unix:", 5) == 0 && address[5])
        return 0;
    if (!host_of(address, host, sizeof host))
        return ms_error_set(err, MS_ERR_CONFIG,
                            "%s: listen \"%s\" must be HOST:PORT, [IPV6]:PORT or unix:PATH",
                            conf->source, MS_SHOW(ms_str(address)));
    if (conf->insecure || is_this_machine(host))
        return 0;
    if (!conf->tls_cert)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "%s: others could read and change what goes over %s, because there is "
                            "no TLS: give tls-cert and tls-key, or say insecure",
                            conf->source, MS_SHOW(ms_str(address)));
    const struct server_conf_serve *open = open_to_anyone(conf);
    if (open)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "%s: everybody who reaches %s could use \"%s\", because no user is "
                            "asked for: give users, or say insecure",
                            conf->source, MS_SHOW(ms_str(address)), open->name);
    return 0;
}

int server_conf_check(const struct server_conf *conf, struct ms_error *err)
{
    int code = conf->serve_count
                   ? 0
                   : refuse(conf, err, "there is nothing to serve: a [serve NAME] is missing");
    for (size_t i = 0; i < conf->serve_count && !code; i++)
        code = check_serve(conf, &conf->serves[i], err);
    if (!code)
        code = check_pairs(conf, err);
    if (!code && conf->listen.count > SERVER_LISTEN_MAX)
        code = refuse(conf, err, "there are more than 16 addresses to listen on");
    for (size_t i = 0; i < conf->listen.count && !code; i++)
        code = server_conf_check_listen(conf, conf->listen.at[i], err);
    return code;
}

/* ---- from a file ---- */

static int check_secrets(const struct server_conf *conf, const struct ms_private_file *file,
                         struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < conf->serve_count && !code; i++) {
        char *copy = strdup(conf->serves[i].store ? conf->serves[i].store : "");
        if (!copy)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the configuration");
        if (ms_secret_mask(copy))
            code = ms_private_file_check(file, conf->source, conf->serves[i].line,
                                         "the store's URL holds a secret", err);
        ms_wipe_free(copy);
    }
    return code;
}

int server_conf_load(const char *path, struct server_conf **out, struct ms_error *err)
{
    struct ms_private_file file;
    struct ms_config *stores = NULL;
    struct server_conf *conf = NULL;
    int code = ms_config_load(path, &stores, err); /* refuses secrets that others may read */
    if (code)
        return code;
    code = ms_private_file_read(path, "the configuration", &file, err);
    if (!code) {
        code = server_conf_parse(ms_private_file_view(&file), path, &conf, err);
        if (!code)
            code = check_secrets(conf, &file, err);
        ms_private_file_free(&file);
    }
    if (code) {
        server_conf_free(conf);
        ms_config_free(stores);
        return code;
    }
    conf->stores = stores;
    *out = conf;
    return 0;
}
