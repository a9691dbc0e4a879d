/* server/serve_conf.c - reading [server] and [serve NAME] (see server/serve_conf.h; what is checked
 * when all is there: serve_conf_check.c). */
#include "server/serve_conf.h"

#include "server/permissions_json.h"

#include "base/cleanup.h"
#include "base/ini.h"
#include "base/text.h"
#include "store/config.h"

#include <stdio.h>
#include <stdlib.h>

#define HOUR UINT64_C(3600000000000)

enum kind { TEXT, WORDS, SIZE, COUNT, TIME, RATE, FLAG, CHOICE, PATH, USERS, PERMISSIONS };

struct key {
    const char *name;
    enum kind kind;
    size_t at; /* of the field */
    uint64_t least, most;
    const char *choices[4]; /* in the order of their values */
};

#define S(field) offsetof(struct server_conf, field)
#define L(field) offsetof(struct server_conf, limits.field)
static const struct key server_keys[] = {
    {"listen", WORDS, S(listen)},
    {"tls-cert", TEXT, S(tls_cert)},
    {"tls-key", TEXT, S(tls_key)},
    {"users", TEXT, S(users_file)},
    {"user", TEXT, S(user)},
    {"password-file", TEXT, S(password_file)},
    {"host-names", WORDS, S(host_names)},
    {"managers", WORDS, S(managers)},
    {"audit-log", TEXT, S(audit_log)},
    {"audit-format", CHOICE, S(audit_json), .choices = {"text", "json"}},
    {"insecure", FLAG, S(insecure)},
    {"behind-proxy", FLAG, S(behind_proxy)},
    {"metrics", CHOICE, S(metrics), .choices = {"loopback", "users", "all"}},
    {"connections", COUNT, L(connections), 1, 1000000},
    {"connections-per-address", COUNT, L(connections_per_address), 1, 1000000},
    {"requests", COUNT, L(requests), 1, 900},
    {"header-size", SIZE, L(header_bytes), 1024, 1 << 20},
    {"body-size", SIZE, L(body_bytes), 1, INT64_MAX},
    {"header-timeout", TIME, L(header_timeout_ns), 1000000, HOUR},
    {"idle-timeout", TIME, L(idle_timeout_ns), 1000000, 24 * HOUR},
    {"body-timeout", TIME, L(body_timeout_ns), 1000000, 24 * HOUR},
    {"stop-timeout", TIME, L(stop_timeout_ns), 1000000, 24 * HOUR},
    {"least-rate", RATE, L(least_bps), 8, INT64_MAX},
    {"login-failures", COUNT, L(auth_failures), 1, 1000000},
    {"login-interval", TIME, L(auth_interval_ns), 1000000, HOUR},
    {"login-checks", COUNT, L(auth_checks), 1, 1024},
    {"login-remember", TIME, L(auth_remember_ns), 1, HOUR},
    {"scrub", TIME, S(scrub_interval_ns), 1000000000, 365 * 24 * HOUR},
    {"bandwidth", RATE, S(upkeep_bandwidth_bps), 8, INT64_MAX},
    {"heal", CHOICE, S(no_heal), .choices = {"yes", "no"}},
};
#undef S
#undef L
#define S(field) offsetof(struct server_conf_serve, field)
static const struct key serve_keys[] = {
    {"store", TEXT, S(store)},
    {"path", PATH, S(path)},
    {"user", USERS, 0},
    {"permissions", PERMISSIONS, S(permissions)},
    {"quota", SIZE, S(quota_bytes), 1, INT64_MAX},
};
#undef S

static int no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the configuration");
}

/* ---- values ---- */

static int set_text(char **field, const char *value, const char *key, struct ms_error *err)
{
    if (!*value)
        return ms_error_set(err, MS_ERR_CONFIG, "%s needs a value", key);
    char *copy = strdup(value);
    if (!copy)
        return no_memory(err);
    free(*field);
    *field = copy;
    return 0;
}

static int add_word(struct server_words *words, const char *word, size_t size, struct ms_error *err)
{
    char **more = reallocarray(words->at, words->count + 1, sizeof *more);
    if (!more)
        return no_memory(err);
    words->at = more;
    more[words->count] = strndup(word, size);
    if (!more[words->count])
        return no_memory(err);
    words->count++;
    return 0;
}

static void free_words(struct server_words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->at[i]);
    free(words->at);
    *words = (struct server_words){0};
}

static int set_words(struct server_words *words, const char *value, const char *key,
                     struct ms_error *err)
{
    free_words(words);
    const char *at = value + strspn(value, " \t,");
    int code = *at ? 0 : ms_error_set(err, MS_ERR_CONFIG, "%s needs a value", key);
    while (*at && !code) {
        size_t size = strcspn(at, " \t,");
        code = add_word(words, at, size, err);
        at += size;
        at += strspn(at, " \t,");
    }
    return code;
}

static int set_number(const struct key *k, uint64_t *field, const char *value, struct ms_error *err)
{
    uint64_t number = 0;
    int code = k->kind == SIZE   ? ms_parse_size(value, k->name, &number, err)
               : k->kind == TIME ? ms_parse_duration(value, k->name, &number, err)
               : k->kind == RATE ? ms_parse_bandwidth(value, k->name, &number, err)
                                 : ms_parse_u64(value, k->name, UINT64_MAX, &number, err);
    if (!code && (number < k->least || number > k->most))
        code = ms_error_set(err, MS_ERR_CONFIG, "%s = %s is too %s", k->name,
                            MS_SHOW(ms_str(value)), number < k->least ? "small" : "large");
    if (!code)
        *field = number;
    return code;
}

/* A bool or an enum, both told by the choice's number. */
static int set_choice(const struct key *k, void *field, const char *value, struct ms_error *err)
{
    static const char *const flags[4] = {"no", "yes"};
    const char *const *choices = k->kind == FLAG ? flags : k->choices;
    for (unsigned i = 0; i < 4 && choices[i]; i++) {
        if (strcmp(value, choices[i]) != 0)
            continue;
        if (choices[2])
            *(enum server_metrics *)field = (enum server_metrics)i;
        else
            *(bool *)field = i;
        return 0;
    }
    return ms_error_set(err, MS_ERR_CONFIG, "%s must be %s%s%s%s%s", k->name, choices[0],
                        choices[2] ? ", " : " or ", choices[1], choices[2] ? " or " : "",
                        choices[2] ? choices[2] : "");
}

static const char *path_fault(const char *path)
{
    static const char *const pages[] = {"/metrics", "/healthz", "/stats.json", "/ui"};
    if (path[0] != '/')
        return "must begin with '/'";
    if (path[strspn(path, "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-")])
        return "must be made of letters, digits, '.', '_', '~', '-' and '/'";
    if (path[strlen(path) - 1] == '/' || strstr(path, "//"))
        return "must not end with '/' or have an empty part";
    for (const char *part = path; part; part = strchr(part + 1, '/'))
        if (strspn(part + 1, ".") == strcspn(part + 1, "/"))
            return "must not have a part of dots alone";
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (strncmp(path, pages[i], strlen(pages[i])) == 0 && strchr("/", path[strlen(pages[i])]))
            return "is a page of the server's own";
    return NULL;
}

static int set_path(char **field, const char *value, struct ms_error *err)
{
    const char *fault = strcmp(value, "/") == 0 ? NULL : path_fault(value);
    if (fault)
        return ms_error_set(err, MS_ERR_CONFIG, "the path \"%s\" %s", MS_SHOW(ms_str(value)),
                            fault);
    char *copy = strdup(strcmp(value, "/") == 0 ? "" : value);
    if (!copy)
        return no_memory(err);
    free(*field);
    *field = copy;
    return 0;
}

static int set_users(struct server_conf_serve *s, const char *value, struct ms_error *err)
{
    s->anyone = strcmp(value, "anyone") == 0;
    if (s->anyone || strcmp(value, "*") == 0)
        return 0;
    int code = set_words(&s->users, value, "user", err);
    for (size_t i = 0; i < s->users.count && !code; i++) {
        struct ms_view name = ms_str(s->users.at[i]);
        const char *fault = server_user_fault(name);
        if (fault)
            code =
                ms_error_set(err, MS_ERR_CONFIG, "the user's name \"%s\" %s", MS_SHOW(name), fault);
        else if (strcmp(s->users.at[i], "anyone") == 0)
            code = ms_error_set(err, MS_ERR_CONFIG, "\"anyone\" must stand alone");
    }
    return code;
}

static int set_permissions(char **field, const char *value, struct ms_error *err)
{
    char *map;
    int code = server_permissions_text(value, &map, err);
    if (code)
        return code;
    free(*field);
    *field = map;
    return 0;
}

static int set_key(const struct key *k, void *base, const char *value, struct ms_error *err)
{
    void *field = (char *)base + k->at;
    switch (k->kind) {
    case TEXT:
        return set_text(field, value, k->name, err);
    case WORDS:
        return set_words(field, value, k->name, err);
    case SIZE:
    case COUNT:
    case TIME:
    case RATE:
        return set_number(k, field, value, err);
    case FLAG:
    case CHOICE:
        return set_choice(k, field, value, err);
    case PATH:
        return set_path(field, value, err);
    case USERS:
        return set_users(base, value, err);
    case PERMISSIONS:
        return set_permissions(field, value, err);
    }
    return ms_error_set(err, MS_ERR_INTERNAL, "no such kind of key");
}

/* ---- sections ---- */

static int find_and_set(const struct key *keys, size_t count, void *base, const char *section,
                        const char *key, const char *value, struct ms_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(key, keys[i].name) == 0)
            return set_key(&keys[i], base, value, err);
    char names[400] = "";
    for (size_t i = 0, used = 0; i < count && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                                 keys[i].name);
    return ms_error_set(err, MS_ERR_CONFIG, "[%s] has no key \"%s\"; it has %s", section,
                        MS_SHOW(ms_str(key)), names);
}

int server_conf_set(struct server_conf *conf, const char *section, const char *key,
                    const char *value, struct ms_error *err)
{
    if (strcmp(section, "server") == 0)
        return find_and_set(server_keys, sizeof server_keys / sizeof *server_keys, conf, section,
                            key, value, err);
    return find_and_set(serve_keys, sizeof serve_keys / sizeof *serve_keys,
                        &conf->serves[conf->serve_count - 1], section, key, value, err);
}

static int check_name(const struct server_conf *conf, const char *name, struct ms_error *err)
{
    if (!*name)
        return ms_error_set(err, MS_ERR_CONFIG, "what is served needs a name, as in [serve nas]");
    if (server_user_fault(ms_str(name)))
        return ms_error_set(err, MS_ERR_CONFIG, "the name \"%s\" of a [serve] %s",
                            MS_SHOW(ms_str(name)), server_user_fault(ms_str(name)));
    for (size_t i = 0; i < conf->serve_count; i++)
        if (strcmp(conf->serves[i].name, name) == 0)
            return ms_error_set(err, MS_ERR_CONFIG, "[serve %s] is there already, in line %u", name,
                                conf->serves[i].line);
    if (conf->serve_count == SERVER_STORES_MAX)
        return ms_error_set(err, MS_ERR_CONFIG, "there are more than %d [serve] sections",
                            SERVER_STORES_MAX);
    return 0;
}

int server_conf_serve_begin(struct server_conf *conf, const char *name, struct ms_error *err)
{
    int code = check_name(conf, name, err);
    if (code)
        return code;
    struct server_conf_serve *more =
        reallocarray(conf->serves, conf->serve_count + 1, sizeof *more);
    if (!more)
        return no_memory(err);
    conf->serves = more;
    more += conf->serve_count;
    *more = (struct server_conf_serve){.name = strdup(name)};
    if (!more->name || asprintf(&more->path, "/%s", name) < 0) {
        free(more->name);
        return no_memory(err);
    }
    conf->serve_count++;
    return 0;
}

static int begin_section(struct server_conf *conf, const struct ms_ini_entry *e,
                         struct ms_error *err)
{
    if (strcmp(e->section, "server") == 0 && *e->name)
        return ms_error_set(err, MS_ERR_CONFIG, "[server] has no name behind it");
    if (strcmp(e->section, "serve") != 0)
        return 0;
    int code = server_conf_serve_begin(conf, e->name, err);
    if (!code)
        conf->serves[conf->serve_count - 1].line = e->line;
    return code;
}

static int one_entry(void *ctx, const struct ms_ini_entry *e, struct ms_error *err)
{
    struct server_conf *conf = ctx;
    struct ms_error own = {0};
    bool ours = strcmp(e->section, "server") == 0 || strcmp(e->section, "serve") == 0;
    int code = !ours     ? 0
               : !e->key ? begin_section(conf, e, &own)
                         : server_conf_set(conf, e->section, e->key, e->value, &own);
    if (!code)
        return 0;
    return ms_error_set(err, code == MS_ERR_NO_MEMORY ? code : MS_ERR_CONFIG, "%s:%u: %s",
                        conf->source, e->line, own.text);
}

/* ---- life ---- */

int server_conf_new(const char *source, struct server_conf **out, struct ms_error *err)
{
    struct server_conf *conf = calloc(1, sizeof *conf);
    if (!conf || !(conf->source = strdup(source))) {
        free(conf);
        return no_memory(err);
    }
    *out = conf;
    return 0;
}

void server_conf_free(struct server_conf *conf)
{
    if (!conf)
        return;
    for (size_t i = 0; i < conf->serve_count; i++) {
        struct server_conf_serve *s = &conf->serves[i];
        free(s->name);
        ms_wipe_free(s->store); /* a URL may hold a password */
        free(s->path);
        free(s->permissions);
        free_words(&s->users);
    }
    free(conf->serves);
    free_words(&conf->listen);
    free_words(&conf->host_names);
    free_words(&conf->managers);
    free(conf->source);
    free(conf->tls_cert);
    free(conf->tls_key);
    free(conf->users_file);
    free(conf->user);
    free(conf->password_file);
    ms_wipe_free(conf->password);
    free(conf->audit_log);
    ms_config_free(conf->stores);
    free(conf);
}

int server_conf_parse(struct ms_view text, const char *source, struct server_conf **out,
                      struct ms_error *err)
{
    struct server_conf *conf = NULL;
    int code = server_conf_new(source, &conf, err);
    if (!code)
        code = ms_ini_parse(text, source, one_entry, conf, err);
    if (code) {
        server_conf_free(conf);
        return code;
    }
    *out = conf;
    return 0;
}
