/* store/config_resolve.c - from a STORE argument to what ms_store_new wants (see store/config.h).
 *
 * For each namespace that is mentioned anywhere, a setting is looked up along its path, "data/sub",
 * "data", "" (the root), and on each step in the command line, the store, the [namespace] sections.
 */
#include "store/config.h"
#include "store/config_parts.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdlib.h>

struct target {
    struct ms_config_target shown; /* first */
    char *url, *permissions, *cache_url;
    struct ms_namespace *namespaces;
    size_t count;
};

void ms_config_target_free(struct ms_config_target *shown)
{
    struct target *t = (struct target *)shown;
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++)
        free((void *)(uintptr_t)t->namespaces[i].name);
    free(t->namespaces);
    free(t->url);
    free(t->permissions);
    free(t->cache_url);
    free(t);
}

/* "data=0,2", "=1", "1" */
static int parse_override(const char *text, struct ms_config_ns_list *list, struct ms_error *err)
{
    const char *equals = strrchr(text, '=');
    struct ms_view ns = ms_view(text, equals ? (size_t)(equals - text) : 0);
    int code = ms_config_check_ns(ns, err);
    if (code)
        return code;
    struct ms_config_ns *entry = ms_config_ns_named(list, ns);
    if (!entry)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the configuration");
    return ms_config_parse_levels(equals ? equals + 1 : text, &entry->levels, err);
}

/* ---- looking up ---- */

struct sources {
    const struct ms_config_ns_list *line, *store, *sections;
    const struct ms_config_entry *entry; /* NULL: a plain URL */
};

/* The next step of a namespace's path towards the root. */
static struct ms_view above(struct ms_view path)
{
    while (path.size && path.data[path.size - 1] != '/')
        path.size--;
    if (path.size)
        path.size--;
    return path;
}

static void settle_at(const struct sources *from, struct ms_view path, struct ms_config_ns *out)
{
    const struct ms_config_ns_list *lists[] = {from->line, from->store, from->sections};
    for (size_t i = 0; i < 3 && out->levels.count == 0; i++) {
        const struct ms_config_ns *ns = lists[i] ? ms_config_ns_find(lists[i], path) : NULL;
        if (ns)
            out->levels = ns->levels;
    }
    if (path.size == 0 && !out->has_names && from->entry && from->entry->has_names) {
        out->has_names = true;
        out->names = from->entry->names;
    }
    const struct ms_config_ns *section = ms_config_ns_find(from->sections, path);
    if (!section)
        return;
#define TAKE(flag, field)                                                                          \
    if (!out->flag && section->flag) {                                                             \
        out->flag = true;                                                                          \
        out->field = section->field;                                                               \
    }
    TAKE(has_names, names)
    TAKE(has_cache, cache)
    TAKE(has_max_age, max_age_ns)
    TAKE(has_size, size_bytes)
#undef TAKE
}

static struct ms_namespace settled(const struct sources *from, const char *name)
{
    struct ms_config_ns all = {0};
    struct ms_view path = ms_str(name);
    for (; path.size; path = above(path))
        settle_at(from, path, &all);
    settle_at(from, path, &all);
    struct ms_namespace ns = {.name = name, .level_count = all.levels.count, .names = all.names};
    memcpy(ns.levels, all.levels.levels, sizeof(ns.levels));
    if (from->entry && from->entry->cache_url) {
        ns.cache = all.cache;
        ns.cache_max_age_ns = all.max_age_ns;
        ns.cache_size_bytes = all.size_bytes;
    }
    return ns;
}

/* ---- putting it together ---- */

static int collect_names(const struct sources *from, struct ms_config_ns_list *names,
                         struct ms_error *err)
{
    const struct ms_config_ns_list *lists[] = {from->line, from->store, from->sections};
    bool complete = ms_config_ns_named(names, ms_str("")) != NULL;
    for (size_t i = 0; i < 3; i++)
        for (size_t n = 0; lists[i] && n < lists[i]->count; n++)
            complete &= ms_config_ns_named(names, ms_str(lists[i]->entries[n].name)) != NULL;
    return complete ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the configuration");
}

static int fill_namespaces(const struct sources *from, struct target *t, struct ms_error *err)
{
    struct ms_config_ns_list names = {0};
    int code = collect_names(from, &names, err);
    if (!code) {
        t->namespaces = calloc(names.count, sizeof(*t->namespaces));
        if (!t->namespaces)
            code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the configuration");
    }
    const struct ms_config_ns *root = ms_config_ns_find(from->sections, ms_str(""));
    for (size_t i = 0; i < names.count && !code; i++) {
        char *name = MS_TAKE(names.entries[i].name);
        struct ms_namespace *ns = &t->namespaces[t->count++];
        *ns = settled(from, name);
        /* Any bytes would reach into the other namespaces: the store's default spares the root. */
        if (!*name && names.count > 1 && !(root && root->has_names))
            ns->names = MS_NAMES_BORGSTORE;
    }
    ms_config_ns_list_free(&names);
    return code;
}

static int copy_text(char **out, const char *text, struct ms_error *err)
{
    if (!text)
        return 0;
    *out = strdup(text);
    return *out ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the configuration");
}

static int fill(const struct sources *from, const char *url, struct target *t, struct ms_error *err)
{
    const struct ms_config_entry *s = from->entry;
    int code = copy_text(&t->url, url, err);
    if (!code && s)
        code = copy_text(&t->permissions, s->permissions, err);
    if (!code && s)
        code = copy_text(&t->cache_url, s->cache_url, err);
    if (!code)
        code = fill_namespaces(from, t, err);
    if (code)
        return code;
    t->shown.url = t->url;
    t->shown.options = (struct ms_store_options)MS_STORE_OPTIONS_INIT;
    t->shown.options.namespaces = t->namespaces;
    t->shown.options.namespace_count = t->count;
    t->shown.options.permissions = t->permissions;
    t->shown.options.cache_url = t->cache_url;
    t->shown.options.quota_bytes = s ? s->shown.quota_bytes : 0;
    t->shown.options.jobs = s ? s->shown.jobs : 0;
    return 0;
}

static int unknown(const struct ms_config *config, const char *store, struct ms_error *err)
{
    /* what has an '@' or options was meant as a URL, and may hold a secret */
    const char *shown = strpbrk(store, "@?") ? "\xe2\x80\xa6" : MS_SHOW(ms_str(store));
    return ms_error_set(err, MS_ERR_CONFIG,
                        "there is no store \"%s\": give a URL, as in file:///srv/store, or add "
                        "[store %s] to %s",
                        shown, shown,
                        *config->path ? config->path : "a file that $MSTORE_CONFIG names");
}

int ms_config_resolve(const struct ms_config *config, const char *store, const char *const *levels,
                      size_t level_count, struct ms_config_target **out, struct ms_error *err)
{
    const struct ms_config_store *found = ms_config_find(config, store);
    const struct ms_config_entry *entry = NULL;
    for (size_t i = 0; found && i < config->store_count; i++)
        if (&config->stores[i].shown == found)
            entry = &config->stores[i];
    if (!found && !strchr(store, ':'))
        return unknown(config, store, err);
    struct ms_config_ns_list line = {0};
    struct target *t = calloc(1, sizeof(*t));
    int code = t ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the configuration");
    for (size_t i = 0; i < level_count && !code; i++)
        code = parse_override(levels[i], &line, err);
    struct sources from = {&line, entry ? &entry->levels : NULL, &config->namespaces, entry};
    if (!code)
        code = fill(&from, found ? found->url : store, t, err);
    ms_config_ns_list_free(&line);
    if (code) {
        ms_config_target_free(t ? &t->shown : NULL);
        return code;
    }
    *out = &t->shown;
    return 0;
}
