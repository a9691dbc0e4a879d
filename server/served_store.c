/* server/served_store.c - one thing that is served: resolved from what the configuration says, and
 * the store it stands for (see server/served.h). */
#include "server/served_parts.h"

#include "backends/secret.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/conf.h"
#include "store/config.h"
#include "store/permission_map.h"

#include <mstore/emulator.h>
#include <mstore/multi.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

static int no_memory(const char *name, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the store %s", name);
}

/* ---- what it is made of ---- */

static bool copy_serve(struct server_conf_serve *to, const struct server_conf_serve *from)
{
    to->name = strdup(from->name);
    to->path = strdup(from->path);
    to->store = strdup(from->store);
    to->permissions = from->permissions ? strdup(from->permissions) : NULL;
    to->quota_bytes = from->quota_bytes;
    to->users.at = calloc(from->users.count + 1, sizeof *to->users.at);
    if (!to->name || !to->path || !to->store || (from->permissions && !to->permissions) ||
        !to->users.at)
        return false;
    for (size_t i = 0; i < from->users.count; i++, to->users.count++)
        if (!(to->users.at[i] = strdup(from->users.at[i])))
            return false;
    return true;
}

/* The [store] of the configuration, or the URL; its permissions and quota count when the [serve]
 * has none. */
static int resolve(struct server_full *f, const struct ms_config *stores, struct ms_error *err)
{
    struct ms_config *none = NULL;
    int code = stores ? 0 : ms_config_parse(ms_str(""), "the configuration", &none, err);
    if (!code)
        code = ms_config_resolve(stores ? stores : none, f->own.store, NULL, 0, &f->target, err);
    ms_config_free(none);
    if (code)
        return code;
    struct ms_store_options *o = &f->target->options;
    if (!f->own.permissions && o->permissions && !(f->own.permissions = strdup(o->permissions)))
        return no_memory(f->own.name, err);
    if (!f->own.quota_bytes)
        f->own.quota_bytes = o->quota_bytes;
    o->permissions = NULL;
    o->quota_bytes = 0;
    return 0;
}

/* A configured name of a store of many gives way to its file. False: no memory. */
static bool name_file(struct server_full *f, const struct ms_config *stores)
{
    const struct ms_config_store *found = stores ? ms_config_find(stores, f->own.store) : NULL;
    if (!found || !ms_mconf_is_path(found->url))
        return true;
    free(f->own.store);
    f->own.store = strdup(found->url);
    return f->own.store;
}

static int check_mstore(const struct server_full *f, struct ms_error *err)
{
    struct ms_mconf *conf = NULL;
    int code = ms_mconf_load(f->own.store, &conf, err);
    ms_mconf_free(conf);
    return code;
}

/* ---- alike or not ---- */

static void write_target(FILE *file, const struct server_full *f)
{
    struct stat st;
    if (!f->target && stat(f->own.store, &st) == 0)
        fprintf(file, "%lld.%ld %lld\n", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                (long long)st.st_size);
    if (!f->target)
        return;
    const struct ms_store_options *o = &f->target->options;
    fprintf(file, "%s\n%s\n%u\n", f->target->url, o->cache_url ? o->cache_url : "", o->jobs);
    for (size_t i = 0; i < o->namespace_count; i++) {
        const struct ms_namespace *n = &o->namespaces[i];
        fprintf(file, "[%s] %d %d %llu %llu", n->name, (int)n->names, (int)n->cache,
                (unsigned long long)n->cache_max_age_ns, (unsigned long long)n->cache_size_bytes);
        for (size_t k = 0; k < n->level_count; k++)
            fprintf(file, " %u", n->levels[k]);
        fprintf(file, "\n");
    }
}

static void write_identity(FILE *file, const struct server_full *f)
{
    fprintf(file, "%s\n%s\n%s\n%s\n%llu %d", f->own.name, f->own.path, f->own.store,
            f->own.permissions ? f->own.permissions : "", (unsigned long long)f->own.quota_bytes,
            f->served.anyone);
    for (size_t i = 0; i < f->own.users.count; i++)
        fprintf(file, " %s", f->own.users.at[i]);
    fprintf(file, "\n");
    write_target(file, f);
}

static void write_one_store(FILE *file, const struct server_full *f)
{
    fprintf(file, "%s\n%llu\n", f->place, (unsigned long long)f->own.quota_bytes);
    write_target(file, f);
}

/* NULL: no memory. */
static char *text_of(const struct server_full *f,
                     void (*write)(FILE *file, const struct server_full *f))
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return NULL;
    write(file, f);
    if (fclose(file) == 0)
        return text;
    free(text);
    return NULL;
}

/* "memory:" without a name is another store for each that opens it. */
static bool find_place(struct server_full *f)
{
    const char *url = f->target ? f->target->url : NULL;
    if (url && strcmp(url, "memory:") == 0)
        return true;
    char *real = url ? NULL : realpath(f->own.store, NULL);
    f->place = real ? real : strdup(url ? url : f->own.store);
    return f->place && (f->one_store = text_of(f, write_one_store));
}

/* ---- life ---- */

static void expose(struct server_full *f)
{
    struct server_served *s = &f->served;
    s->name = f->own.name;
    s->path = f->own.path;
    s->target = f->own.store;
    s->shown = f->shown;
    s->permissions = f->own.permissions;
    s->map = f->map;
    s->quota_bytes = f->own.quota_bytes;
    s->one_store = f->one_store;
    s->users = (const char *const *)f->own.users.at;
    s->user_count = f->own.users.count;
}

static int fill(struct server_full *f, const struct server_conf *conf,
                const struct server_conf_serve *serve, struct ms_error *err)
{
    if (!copy_serve(&f->own, serve) || !(f->shown = strdup(serve->store)))
        return no_memory(serve->name, err);
    ms_secret_mask(f->shown);
    if (!name_file(f, conf->stores))
        return no_memory(serve->name, err);
    bool mstore = ms_mconf_is_path(f->own.store);
    int code = mstore ? check_mstore(f, err) : resolve(f, conf->stores, err);
    if (!code && f->own.permissions)
        code = ms_permission_map_parse(f->own.permissions, &f->map, err);
    if (code)
        return ms_error_prefix(err, code, "%s: [serve %s]", conf->source, serve->name);
    f->identity = text_of(f, write_identity);
    if (!f->identity || !find_place(f))
        return no_memory(serve->name, err);
    expose(f);
    return 0;
}

int server_full_new(const struct server_conf *conf, const struct server_conf_serve *serve,
                    bool no_users, struct server_full **out, struct ms_error *err)
{
    struct server_full *f = calloc(1, sizeof *f);
    if (!f)
        return no_memory(serve->name, err);
    f->refs = 1;
    f->served.anyone = serve->anyone || no_users;
    int code = fill(f, conf, serve, err);
    if (code) {
        server_served_unref(&f->served);
        return code;
    }
    *out = f;
    return 0;
}

int server_full_begin(struct server_full *f, const struct server_faces *faces, struct ms_error *err)
{
    int code = faces && faces->begin ? faces->begin(&f->served, err) : 0;
    if (!code)
        f->faces = faces;
    return code;
}

void server_served_ref(struct server_served *s)
{
    atomic_fetch_add(&server_full(s)->refs, 1);
}

void server_served_unref(struct server_served *s)
{
    struct server_full *f = s ? server_full(s) : NULL;
    if (!f || atomic_fetch_sub(&f->refs, 1) != 1)
        return;
    if (f->faces && f->faces->end)
        f->faces->end(s);
    for (size_t i = 0; i < f->own.users.count; i++)
        free(f->own.users.at[i]);
    free(f->own.users.at);
    free(f->own.name);
    free(f->own.path);
    free(f->own.permissions);
    ms_wipe_free(f->own.store);
    ms_wipe_free(f->identity);
    ms_wipe_free(f->place);
    ms_wipe_free(f->one_store);
    free(f->shown);
    ms_permission_map_free(f->map);
    ms_config_target_free(f->target);
    free(f);
}

/* ---- what it stands for ---- */

int server_served_store(const struct server_served *s, struct ms_store **out, struct ms_error *err)
{
    const struct ms_config_target *target = server_full(s)->target;
    return target ? ms_store_new(target->url, &target->options, out, err)
                  : ms_mstore_new(s->target, NULL, out, err);
}

int server_served_backend(const struct server_served *s, struct ms_backend **out,
                          struct ms_error *err)
{
    const struct ms_config_target *target = server_full(s)->target;
    if (!target)
        return ms_error_set(err, MS_ERR_UNSUPPORTED, "%s is a store of many members", s->shown);
    struct ms_backend_env env = {.clock = ms_clock_real()};
    if (getrandom(&env.seed, sizeof env.seed, 0) != (ssize_t)sizeof env.seed)
        return ms_error_set(err, MS_ERR_INTERNAL, "no random numbers");
    struct ms_url *url = NULL;
    int code = ms_url_parse(target->url, &url, err);
    if (!code)
        code = ms_emulator_make_url(url, &env, true, out, err);
    ms_url_free(url);
    return code;
}
