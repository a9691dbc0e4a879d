/* server/served.c - sites and what they serve (see server/served.h; making the stores:
 * served_store.c). */
#include "server/served_parts.h"

#include "server/auth.h"

#include "base/cleanup.h"
#include "base/sync.h"
#include "base/text.h"
#include "store/permission_map.h"

#include <stdio.h>

struct server_site {
    _Atomic size_t refs;
    struct server_conf *conf;   /* owned */
    struct server_users *users; /* NULL: none */
    struct server_served **served;
    size_t count;
};

/* ---- users ---- */

static int make_users(const struct server_conf *conf, struct server_users **out,
                      struct ms_error *err)
{
    if (conf->users_file)
        return server_users_load(conf->users_file, out, err);
    if (conf->user && conf->password)
        return server_users_one(conf->user, ms_str(conf->password), out, err);
    return conf->user ? server_users_single(conf->user, conf->password_file, out, err) : 0;
}

static int check_names(const struct server_site *site, const struct server_words *names,
                       const char *of, struct ms_error *err)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->at[i], "*") != 0 &&
            !(site->users && server_users_find(site->users, ms_str(names->at[i]))))
            return ms_error_set(err, MS_ERR_CONFIG, "%s: %s: there is no user \"%s\" in %s",
                                site->conf->source, of, MS_SHOW(ms_str(names->at[i])),
                                site->conf->users_file ? site->conf->users_file : "the users");
    return 0;
}

static bool has_word(const struct server_words *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->at[i], word) == 0)
            return true;
    return false;
}

bool server_site_manages(const struct server_site *site, const char *user)
{
    const struct server_words *managers = &site->conf->managers;
    return user && *user && (has_word(managers, "*") || has_word(managers, user));
}

bool server_served_admits(const struct server_served *s, const char *user)
{
    if (s->anyone)
        return true;
    for (size_t i = 0; i < s->user_count; i++)
        if (strcmp(s->users[i], user) == 0)
            return true;
    return *user && !s->user_count;
}

/* ---- making a site ---- */

static struct server_served *find_alike(const struct server_site *old, const char *identity)
{
    for (size_t i = 0; old && i < old->count; i++)
        if (strcmp(server_full(old->served[i])->identity, identity) == 0)
            return old->served[i];
    return NULL;
}

static int add_served(struct server_site *site, const struct server_conf_serve *serve,
                      const struct server_site *old, const struct server_faces *faces,
                      struct ms_error *err)
{
    char of[SERVER_USER_MAX + 16];
    snprintf(of, sizeof of, "[serve %s]", serve->name);
    int code = check_names(site, &serve->users, of, err);
    struct server_full *made = NULL;
    if (!code)
        code = server_full_new(site->conf, serve, !site->users, &made, err);
    if (code)
        return code;
    struct server_served *s = find_alike(old, made->identity);
    if (s) {
        server_served_ref(s);
        server_served_unref(&made->served);
    } else {
        s = &made->served;
        code = server_full_begin(made, faces, err);
    }
    if (code)
        server_served_unref(s);
    else
        site->served[site->count++] = s;
    return code;
}

/* A quota is one count of all that lies in a storage. */
static int check_quotas(const struct server_site *site, struct ms_error *err)
{
    for (size_t i = 0; i < site->count; i++)
        for (size_t k = 0; k < i; k++) {
            const struct server_full *a = server_full(site->served[k]),
                                     *b = server_full(site->served[i]);
            if (!a->place || !b->place || strcmp(a->place, b->place) != 0)
                continue;
            if (a->own.quota_bytes != b->own.quota_bytes ||
                (a->own.quota_bytes && strcmp(a->one_store, b->one_store) != 0))
                return ms_error_set(err, MS_ERR_CONFIG,
                                    "%s: [serve %s] and [serve %s] are one storage, whose quota "
                                    "is one: give both the same store and quota",
                                    site->conf->source, a->own.name, b->own.name);
        }
    return 0;
}

static int fill(struct server_site *site, const struct server_site *old,
                const struct server_faces *faces, struct ms_error *err)
{
    const struct server_conf *conf = site->conf;
    int code = make_users(conf, &site->users, err);
    if (!code)
        code = check_names(site, &conf->managers, "managers", err);
    site->served = calloc(conf->serve_count, sizeof *site->served);
    if (!code && !site->served)
        code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the stores to serve");
    for (size_t i = 0; i < conf->serve_count && !code; i++)
        code = add_served(site, &conf->serves[i], old, faces, err);
    if (!code)
        code = check_quotas(site, err);
    if (code == MS_ERR_NOT_FOUND) { /* a file, not an item */
        code = MS_ERR_CONFIG;
        if (err)
            err->code = code;
    }
    return code;
}

int server_site_new(struct server_conf *conf, const struct server_site *old,
                    const struct server_faces *faces, struct server_site **out,
                    struct ms_error *err)
{
    struct server_site *site = calloc(1, sizeof *site);
    if (!site) {
        server_conf_free(conf);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the stores to serve");
    }
    site->refs = 1;
    site->conf = conf;
    int code = server_conf_check(conf, err);
    if (!code)
        code = fill(site, old, faces, err);
    if (code) {
        server_site_unref(site);
        return code;
    }
    *out = site;
    return 0;
}

struct server_site *server_site_ref(struct server_site *site)
{
    atomic_fetch_add(&site->refs, 1);
    return site;
}

void server_site_unref(struct server_site *site)
{
    if (!site || atomic_fetch_sub(&site->refs, 1) != 1)
        return;
    for (size_t i = 0; i < site->count; i++)
        server_served_unref(site->served[i]);
    free(site->served);
    server_users_unref(site->users);
    server_conf_free(site->conf);
    free(site);
}

/* ---- asking a site ---- */

struct server_served *server_site_at(const struct server_site *site, size_t index)
{
    return index < site->count ? site->served[index] : NULL;
}

const struct server_users *server_site_users(const struct server_site *site)
{
    return site->users;
}

const struct server_conf *server_site_conf(const struct server_site *site)
{
    return site->conf;
}

struct server_served *server_site_find(const struct server_site *site, const char *path,
                                       const char **rest)
{
    struct server_served *found = NULL;
    size_t best = 0;
    const char *start = path + strspn(path, "/");
    for (size_t i = 0; i < site->count; i++) {
        struct server_served *s = site->served[i];
        size_t length = strlen(s->path);
        bool begins = !length || (strncmp(start, s->path + 1, length - 1) == 0 &&
                                  (start[length - 1] == '/' || !start[length - 1]));
        if (!begins || (found && length < best))
            continue;
        found = s;
        best = length;
        *rest = length ? start + length - 1 : path;
    }
    return found;
}

/* ---- the current site ---- */

struct server_sites {
    struct ms_mutex mutex;
    struct server_site *now;
};

int server_sites_new(struct server_site *first, struct server_sites **out, struct ms_error *err)
{
    struct server_sites *sites = calloc(1, sizeof *sites);
    if (!sites) {
        server_site_unref(first);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the stores to serve");
    }
    ms_mutex_init(&sites->mutex);
    sites->now = first;
    *out = sites;
    return 0;
}

void server_sites_free(struct server_sites *sites)
{
    if (!sites)
        return;
    server_site_unref(sites->now);
    ms_mutex_fini(&sites->mutex);
    free(sites);
}

struct server_site *server_sites_now(struct server_sites *sites)
{
    MS_HOLD(&sites->mutex);
    return server_site_ref(sites->now);
}

void server_sites_swap(struct server_sites *sites, struct server_site *next)
{
    struct server_site *old;
    {
        MS_HOLD(&sites->mutex);
        old = sites->now;
        sites->now = next;
    }
    server_site_unref(old);
}
