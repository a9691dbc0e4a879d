/* store/config.c - reading the configuration file (see store/config.h). */
#include "store/config.h"
#include "store/config_parts.h"
#include "store/permission_map.h"

#include "backends/secret.h"
#include "base/cleanup.h"
#include "base/ini.h"
#include "base/private_file.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

#define JOBS_MAX 4096

/* ---- parts ---- */

const struct ms_config_ns *ms_config_ns_find(const struct ms_config_ns_list *list,
                                             struct ms_view name)
{
    for (size_t i = 0; i < list->count; i++)
        if (ms_equal(ms_str(list->entries[i].name), name))
            return &list->entries[i];
    return NULL;
}

struct ms_config_ns *ms_config_ns_named(struct ms_config_ns_list *list, struct ms_view name)
{
    for (size_t i = 0; i < list->count; i++)
        if (ms_equal(ms_str(list->entries[i].name), name))
            return &list->entries[i];
    struct ms_config_ns *more =
        reallocarray(list->entries, list->count + 1, sizeof(*list->entries));
    if (!more)
        return NULL;
    list->entries = more;
    more[list->count] = (struct ms_config_ns){0};
    more[list->count].name = strndup(name.size ? (const char *)name.data : "", name.size);
    if (!more[list->count].name)
        return NULL;
    return &more[list->count++];
}

void ms_config_ns_list_free(struct ms_config_ns_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->entries[i].name);
    free(list->entries);
    *list = (struct ms_config_ns_list){0};
}

int ms_config_check_ns(struct ms_view name, struct ms_error *err)
{
    if (name.size && (name.data[0] == '/' || name.data[name.size - 1] == '/' ||
                      memmem(name.data, name.size, "//", 2)))
        return ms_error_set(err, MS_ERR_CONFIG,
                            "the namespace \"%s\" must be segments joined by single '/'",
                            MS_SHOW(name));
    return 0;
}

int ms_config_parse_levels(const char *text, struct ms_config_levels *out, struct ms_error *err)
{
    struct ms_config_levels levels = {0};
    const char *p = text;
    for (bool more = true; more;) {
        while (*p == ' ' || *p == '\t')
            p++;
        if (*p < '0' || *p > '0' + MS_LEVELS_MAX || levels.count == MS_LEVELS_MAX)
            break;
        levels.levels[levels.count++] = (unsigned)(*p++ - '0');
        while (*p == ' ' || *p == '\t')
            p++;
        more = *p == ',';
        if (!more && !*p) {
            *out = levels;
            return 0;
        }
        p += more;
    }
    return ms_error_set(err, MS_ERR_CONFIG,
                        "levels \"%s\": give up to %d numbers from 0 to %d joined by commas, as in "
                        "2 or 0,2",
                        MS_SHOW(ms_str(text)), MS_LEVELS_MAX, MS_LEVELS_MAX);
}

void ms_config_free(struct ms_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->store_count; i++) {
        struct ms_config_entry *s = &config->stores[i];
        free(s->name);
        free(s->permissions);
        ms_wipe_free(s->url);
        ms_wipe_free(s->cache_url);
        ms_config_ns_list_free(&s->levels);
    }
    free(config->stores);
    ms_config_ns_list_free(&config->namespaces);
    free(config->path);
    free(config);
}

/* ---- keys ---- */

static int set_text(char **field, const char *value, struct ms_error *err)
{
    char *copy = strdup(value);
    if (!copy)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the configuration");
    ms_wipe_free(*field);
    *field = copy;
    return 0;
}

static int find_secret(struct ms_config *c, const struct ms_ini_entry *e, struct ms_error *err)
{
    char *copy = strdup(e->value);
    if (!copy)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the configuration");
    if (!c->secret_line && ms_secret_mask(copy))
        c->secret_line = e->line;
    ms_wipe_free(copy);
    return 0;
}

static int set_url(struct ms_config *c, char **field, const struct ms_ini_entry *e,
                   struct ms_error *err)
{
    struct ms_url *url;
    int code = ms_url_parse(e->value, &url, err);
    if (code)
        return code;
    ms_url_free(url);
    code = find_secret(c, e, err);
    return code ? code : set_text(field, e->value, err);
}

/* A store of many members is named by its file. */
static bool is_file_of_many(const char *url)
{
    return !strchr(url, ':') && ms_ends_with(ms_str(url), ms_str(".conf"));
}

static int set_store_url(struct ms_config *c, char **field, const struct ms_ini_entry *e,
                         struct ms_error *err)
{
    if (!is_file_of_many(e->value))
        return set_url(c, field, e, err);
    if (e->value[0] != '/')
        return ms_error_set(err, MS_ERR_CONFIG, "url = %s: write the file's whole path, as in /%s",
                            MS_SHOW(ms_str(e->value)), MS_SHOW(ms_str(e->value)));
    return set_text(field, e->value, err);
}

static int set_permissions(char **field, const char *value, struct ms_error *err)
{
    struct ms_permission_map *map;
    int code = ms_permission_map_parse(value, &map, err);
    if (code)
        return code;
    ms_permission_map_free(map);
    return set_text(field, value, err);
}

static int set_names(enum ms_names *out, bool *set, const char *value, struct ms_error *err)
{
    *set = true;
    *out = strcmp(value, "bytes") == 0 ? MS_NAMES_BYTES : MS_NAMES_BORGSTORE;
    if (*out == MS_NAMES_BORGSTORE && strcmp(value, "borgstore") != 0)
        return ms_error_set(err, MS_ERR_CONFIG, "names \"%s\" is neither borgstore nor bytes",
                            MS_SHOW(ms_str(value)));
    return 0;
}

static int set_cache_mode(struct ms_config_ns *ns, const char *value, struct ms_error *err)
{
    static const char *const modes[] = {[MS_CACHE_OFF] = "off",
                                        [MS_CACHE_MIRROR] = "mirror",
                                        [MS_CACHE_WRITETHROUGH] = "writethrough"};
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        if (strcmp(value, modes[i]) == 0) {
            ns->has_cache = true;
            ns->cache = (enum ms_cache_mode)i;
            return 0;
        }
    }
    return ms_error_set(err, MS_ERR_CONFIG, "cache \"%s\" is none of off, mirror, writethrough",
                        MS_SHOW(ms_str(value)));
}

static int set_store_levels(struct ms_config_entry *s, struct ms_view ns, const char *value,
                            struct ms_error *err)
{
    int code = ms_config_check_ns(ns, err);
    if (code)
        return code;
    struct ms_config_ns *entry = ms_config_ns_named(&s->levels, ns);
    if (!entry)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the configuration");
    return ms_config_parse_levels(value, &entry->levels, err);
}

static int store_key(struct ms_config *c, struct ms_config_entry *s, const struct ms_ini_entry *e,
                     struct ms_error *err)
{
    uint64_t jobs;
    int code;
    if (strcmp(e->key, "url") == 0)
        return set_store_url(c, &s->url, e, err);
    if (strcmp(e->key, "cache") == 0)
        return set_url(c, &s->cache_url, e, err);
    if (strcmp(e->key, "permissions") == 0)
        return set_permissions(&s->permissions, e->value, err);
    if (strcmp(e->key, "quota") == 0)
        return ms_parse_size(e->value, "quota", &s->shown.quota_bytes, err);
    if (strcmp(e->key, "names") == 0)
        return set_names(&s->names, &s->has_names, e->value, err);
    if (strcmp(e->key, "levels") == 0)
        return set_store_levels(s, ms_str(""), e->value, err);
    if (strncmp(e->key, "levels.", 7) == 0)
        return set_store_levels(s, ms_str(e->key + 7), e->value, err);
    if (strcmp(e->key, "jobs") == 0) {
        code = ms_parse_u64(e->value, "jobs", JOBS_MAX, &jobs, err);
        if (!code)
            s->shown.jobs = (unsigned)jobs;
        return code;
    }
    return ms_error_set(err, MS_ERR_CONFIG,
                        "a [store] has no key \"%s\"; it has url, permissions, quota, cache, jobs, "
                        "names, levels and levels.NAMESPACE",
                        MS_SHOW(ms_str(e->key)));
}

static int namespace_key(struct ms_config_ns *ns, const struct ms_ini_entry *e,
                         struct ms_error *err)
{
    if (strcmp(e->key, "levels") == 0)
        return ms_config_parse_levels(e->value, &ns->levels, err);
    if (strcmp(e->key, "names") == 0)
        return set_names(&ns->names, &ns->has_names, e->value, err);
    if (strcmp(e->key, "cache") == 0)
        return set_cache_mode(ns, e->value, err);
    if (strcmp(e->key, "cache-max-age") == 0) {
        ns->has_max_age = true;
        return ms_parse_duration(e->value, "cache-max-age", &ns->max_age_ns, err);
    }
    if (strcmp(e->key, "cache-size") == 0) {
        ns->has_size = true;
        return ms_parse_size(e->value, "cache-size", &ns->size_bytes, err);
    }
    return ms_error_set(err, MS_ERR_CONFIG,
                        "a [namespace] has no key \"%s\"; it has levels, names, cache, "
                        "cache-max-age and cache-size",
                        MS_SHOW(ms_str(e->key)));
}

/* ---- sections ---- */

static int check_store_name(const char *name, struct ms_error *err)
{
    for (const char *p = name; *p; p++)
        if (*p == ':' || *p == '/' || (uint8_t)*p <= ' ')
            return ms_error_set(err, MS_ERR_CONFIG,
                                "the store's name \"%s\" must have no ':', '/' or blank",
                                MS_SHOW(ms_str(name)));
    if (!*name)
        return ms_error_set(err, MS_ERR_CONFIG, "a store needs a name, as in [store nas]");
    return 0;
}

static int begin_store(struct ms_config *c, const struct ms_ini_entry *e, struct ms_error *err)
{
    int code = check_store_name(e->name, err);
    if (code)
        return code;
    const struct ms_config_store *old = ms_config_find(c, e->name);
    if (old)
        return ms_error_set(err, MS_ERR_CONFIG, "[store %s] is there already, in line %u",
                            MS_SHOW(ms_str(e->name)), old->line);
    struct ms_config_entry *more = reallocarray(c->stores, c->store_count + 1, sizeof(*c->stores));
    if (!more)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the configuration");
    c->stores = more;
    struct ms_config_entry *s = &more[c->store_count];
    *s = (struct ms_config_entry){.name = strdup(e->name), .shown.line = e->line};
    if (!s->name)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the configuration");
    s->shown.name = s->name;
    c->store_count++;
    return 0;
}

static int begin_namespace(struct ms_config *c, const struct ms_ini_entry *e, struct ms_error *err)
{
    int code = ms_config_check_ns(ms_str(e->name), err);
    if (code)
        return code;
    if (ms_config_ns_find(&c->namespaces, ms_str(e->name)))
        return ms_error_set(err, MS_ERR_CONFIG, "[namespace %s] is there twice",
                            MS_SHOW(ms_str(e->name)));
    if (!ms_config_ns_named(&c->namespaces, ms_str(e->name)))
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the configuration");
    return 0;
}

struct reading {
    struct ms_config *config;
    const char *source;
};

static int one_entry(void *ctx, const struct ms_ini_entry *e, struct ms_error *err)
{
    struct reading *r = ctx;
    struct ms_config *c = r->config;
    struct ms_error own = {0};
    int code;
    bool store = strcmp(e->section, "store") == 0;
    if (strcmp(e->section, "server") == 0 || strcmp(e->section, "serve") == 0)
        return 0; /* of `mstore serve`, which reads them itself */
    if (!store && strcmp(e->section, "namespace") != 0)
        code = ms_error_set(&own, MS_ERR_CONFIG,
                            "there is no section [%s]; there are [store NAME], [namespace NAME], "
                            "[server] and [serve NAME]",
                            MS_SHOW(ms_str(e->section)));
    else if (!e->key)
        code = store ? begin_store(c, e, &own) : begin_namespace(c, e, &own);
    else if (store)
        code = store_key(c, &c->stores[c->store_count - 1], e, &own);
    else
        code = namespace_key(&c->namespaces.entries[c->namespaces.count - 1], e, &own);
    if (code == 0)
        return 0;
    return ms_error_set(err, code == MS_ERR_NO_MEMORY ? code : MS_ERR_CONFIG, "%s:%u: %s",
                        r->source, e->line, own.text);
}

static int check_store(const struct ms_config_entry *s, const char *source, struct ms_error *err)
{
    if (!s->url)
        return ms_error_set(err, MS_ERR_CONFIG, "%s:%u: [store %s] has no url", source,
                            s->shown.line, MS_SHOW(ms_str(s->name)));
    if (is_file_of_many(s->url) &&
        (s->permissions || s->cache_url || s->shown.quota_bytes || s->has_names || s->levels.count))
        return ms_error_set(err, MS_ERR_CONFIG,
                            "%s:%u: [store %s] is a store of many members, whose file says how "
                            "it is kept: leave all keys but url and jobs out",
                            source, s->shown.line, MS_SHOW(ms_str(s->name)));
    return 0;
}

int ms_config_parse(struct ms_view text, const char *source, struct ms_config **out,
                    struct ms_error *err)
{
    struct ms_config *c = calloc(1, sizeof(*c));
    struct reading reading = {c, source};
    if (!c || !(c->path = strdup(source))) {
        ms_config_free(c);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the configuration");
    }
    int code = ms_ini_parse(text, source, one_entry, &reading, err);
    for (size_t i = 0; i < c->store_count && !code; i++) {
        struct ms_config_entry *s = &c->stores[i];
        code = check_store(s, source, err);
        s->shown.url = s->url;
        s->shown.permissions = s->permissions;
        s->shown.cache_url = s->cache_url;
    }
    if (code) {
        ms_config_free(c);
        return code;
    }
    *out = c;
    return 0;
}

/* ---- files ---- */

static int load_file(const char *path, struct ms_config **out, struct ms_error *err)
{
    struct ms_private_file file;
    int code = ms_private_file_read(path, "the configuration", &file, err);
    if (code)
        return code;
    struct ms_config *config;
    code = ms_config_parse(ms_private_file_view(&file), path, &config, err);
    ms_private_file_free(&file);
    if (code)
        return code;
    code = ms_private_file_check(&file, path, config->secret_line, "a password", err);
    if (code) {
        ms_config_free(config);
        return code;
    }
    *out = config;
    return 0;
}

/* $XDG_CONFIG_HOME/mstore/config or ~/.config/mstore/config; "" without a home. malloc'ed. */
static char *default_path(void)
{
    const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char *path = NULL;
    int n;
    if (base && base[0] == '/')
        n = asprintf(&path, "%s/mstore/config", base);
    else if (home && home[0] == '/')
        n = asprintf(&path, "%s/.config/mstore/config", home);
    else
        return strdup("");
    return n < 0 ? NULL : path;
}

int ms_config_load(const char *path, struct ms_config **out, struct ms_error *err)
{
    const char *named = path ? path : getenv("MSTORE_CONFIG");
    if (named && *named)
        return load_file(named, out, err);
    MS_AUTO_FREE char *usual = default_path();
    if (!usual)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the configuration");
    struct ms_error own = {0};
    int code = *usual ? load_file(usual, out, &own) : MS_ERR_NOT_FOUND;
    if (code == MS_ERR_NOT_FOUND)
        return ms_config_parse(ms_str(""), usual, out, err);
    return code ? ms_error_set(err, code, "%s", own.text) : 0;
}

const char *ms_config_path(const struct ms_config *config)
{
    return config->path;
}

const struct ms_config_store *ms_config_find(const struct ms_config *config, const char *name)
{
    for (size_t i = 0; i < config->store_count; i++)
        if (strcmp(config->stores[i].name, name) == 0)
            return &config->stores[i].shown;
    return NULL;
}

const struct ms_config_store *ms_config_store_at(const struct ms_config *config, size_t index)
{
    return index < config->store_count ? &config->stores[index].shown : NULL;
}
