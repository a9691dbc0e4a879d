/* mstore/from_file.c - from a configuration file to a closed MStore, and to those that are its
 * members. */
#include "mstore/self.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/no_backend.h"
#include "mstore/store_backend.h"
#include "store/options.h"

#include <errno.h>
#include <mstore/emulator.h>
#include <mstore/multi.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>

static uint64_t seed_of(const struct ms_mstore_options *o)
{
    uint64_t seed = o->seed;
    if (!seed && getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (uint64_t)ms_clock_wall(ms_clock_real());
    return seed;
}

/* The files on the way to this one: each is a member's of the one above. */
struct chain {
    const struct chain *above; /* NULL: the first */
    const char *path;
    const struct ms_mconf *conf;
    dev_t device;
    ino_t inode;
    unsigned depth;
    bool *mistaken; /* of the first: they are put together in a way that cannot be */
};
#define DEPTH_MAX 8

static int new_from_file(const char *path, const struct chain *above,
                         const struct ms_mstore_options *o, struct ms_store **out,
                         struct ms_error *err);

/* ---- a store of many as a member ---- */

/* Of an MStore, for mstore/store_backend.h: all its keys are in one namespace whose values may be
 * overwritten. */
static int fits(struct ms_store *s, struct ms_error *err)
{
    struct ms_self *self = ms_self_of(s);
    MS_AUTO_ROSTER struct ms_roster *r = s->state ? ms_self_roster(self) : NULL;
    const struct ms_layout *l = r ? r->layout : self->conf->shared;
    const struct ms_layout_space *root = l->space_count ? ms_layout_space(l, ms_str("")) : NULL;
    if (!l->space_count && !r) /* its members say, when it is opened */
        return 0;
    if (root && l->space_count == 1 && root->kind != MS_KIND_IMMUTABLE &&
        root->names == MS_NAMES_BYTES)
        return 0;
    return ms_error_set(err, MS_ERR_CONFIG,
                        "%s cannot be a member of another store: that needs [namespace] as its "
                        "only one, of kind mutable or plain, with names = bytes",
                        s->url);
}

/* Relative to the folder of the file that it stands in. */
static char *path_beside(const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    char *out = NULL;
    if (path[0] == '/' || !slash)
        return strdup(path);
    return asprintf(&out, "%.*s/%s", (int)(slash - file), file, path) < 0 ? NULL : out;
}

static int make_nested(const char *text, const struct chain *chain,
                       const struct ms_mstore_options *o, struct ms_backend **out,
                       struct ms_error *err)
{
    struct ms_store *inner = NULL;
    MS_AUTO_FREE char *path = path_beside(chain->path, text);
    if (!path)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for %s", text);
    int code = new_from_file(path, chain, o, &inner, err);
    if (code)
        return code;
    code = fits(inner, err); /* before any member is touched */
    if (code) {
        *chain->mistaken = true;
        ms_store_free(inner);
        return code;
    }
    return ms_store_backend_new(inner, fits, out, err);
}

/* A store inside itself would ask itself for ever; with one key two would take each other's objects
 * for their own. */
static int check_chain(const struct chain *c, struct ms_error *err)
{
    if (c->depth > DEPTH_MAX)
        return ms_error_set(err, MS_ERR_CONFIG, "%s: stores are within stores more than %d deep",
                            c->path, DEPTH_MAX);
    for (const struct chain *up = c->above; up; up = up->above) {
        if (up->device == c->device && up->inode == c->inode)
            return ms_error_set(err, MS_ERR_CONFIG,
                                "%s: a store cannot be a member of itself, also not through others",
                                c->path);
        if (up->conf->has_key && c->conf->has_key &&
            memcmp(&up->conf->key, &c->conf->key, sizeof c->conf->key) == 0)
            return ms_error_set(err, MS_ERR_CONFIG,
                                "%s and %s have the same key: give each its own (openssl rand -hex "
                                "32)",
                                up->path, c->path);
    }
    return 0;
}

/* ---- members ---- */

static int make_backend(const char *text, const struct chain *chain,
                        const struct ms_mstore_options *o, const struct ms_backend_env *env,
                        struct ms_backend **out, struct ms_error *err)
{
    struct ms_url *url;
    if (ms_mconf_is_path(text))
        return make_nested(text, chain, o, out, err);
    int code = ms_url_parse(text, &url, err);
    if (code)
        return code;
    code = ms_emulator_make_url(url, env, !o->ignore_environment, out, err);
    ms_url_free(url);
    return code;
}

/* A file that is missing is a fault of the file that names it: NOT_FOUND is said of keys. */
static int make_none(const char *text, struct ms_clock *clock, const struct ms_error *why,
                     struct ms_backend **out, struct ms_error *err)
{
    struct ms_error said = *why;
    struct ms_url *url = NULL;
    said.code = why->code == MS_ERR_NOT_FOUND ? MS_ERR_CONFIG : why->code;
    if (!ms_mconf_is_path(text) && ms_url_parse(text, &url, NULL))
        url = NULL;
    int code = ms_no_backend_new(url ? url->safe : text, clock, &said, out, err);
    ms_url_free(url);
    return code;
}

/* As soon as one of them says so the whole cannot be made. */
static bool is_fatal(const struct chain *chain, int code)
{
    return *chain->mistaken || code == MS_ERR_NO_MEMORY || code == MS_ERR_CANCELLED;
}

/* Of a member that cannot be made the others may do without, when they are a majority. */
static int make_backends(const struct chain *chain, const struct ms_mstore_options *o,
                         uint64_t seed, struct ms_backend **backends, struct ms_error *err)
{
    const struct ms_mconf *conf = chain->conf;
    size_t count = conf->shared->member_count, made = 0;
    struct ms_error first = {0};
    int code = 0;
    for (size_t i = 0; i < count && !code; i++) {
        struct ms_backend_env env = {.clock = o->clock, .seed = seed + i + 1};
        const char *name = conf->shared->members[i].name;
        struct ms_error why = {0};
        int bad = make_backend(conf->urls[i], chain, o, &env, &backends[i], &why);
        made += bad == 0;
        if (bad)
            code = is_fatal(chain, bad)
                       ? bad
                       : make_none(conf->urls[i], o->clock, &why, &backends[i], NULL);
        if (bad && (code || !first.code))
            (void)!ms_error_set(&first, bad, "member %s: %s", name, why.text);
    }
    if (!code && 2 * made <= count)
        code = first.code;
    for (size_t i = 0; i < count && code; i++)
        ms_backend_free(backends[i]);
    return code ? ms_error_set(err, first.code, "%s", first.text) : 0;
}

/* mistaken: of the first. */
static int chain_of(const char *path, const struct chain *above, const struct ms_mconf *conf,
                    bool *mistaken, struct chain *out, struct ms_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return ms_error_errno(err, errno, "look at %s", path);
    *out = (struct chain){.above = above,
                          .path = path,
                          .conf = conf,
                          .device = st.st_dev,
                          .inode = st.st_ino,
                          .depth = above ? above->depth + 1 : 0,
                          .mistaken = above ? above->mistaken : mistaken};
    int code = check_chain(out, err);
    *out->mistaken |= code != 0;
    return code;
}

/* ---- members that come later ---- */

struct finder { /* the file once more, for members that it did not have before */
    char *path;
    struct ms_mstore_options options;
    uint64_t seed;
};

static void finder_free(void *ctx)
{
    struct finder *f = ctx;
    free(f->path);
    free(f);
}

static int find_member(void *ctx, const char *name, const char *given, struct ms_backend **out,
                       struct ms_error *err)
{
    struct finder *f = ctx;
    struct ms_mconf *conf;
    struct chain chain;
    bool mistaken = false;
    int code = ms_mconf_load(f->path, &conf, err);
    if (code)
        return code;
    const char *url = given ? given : ms_mconf_url(conf, name);
    struct ms_backend_env env = {.clock = f->options.clock,
                                 .seed = f->seed + MS_MEMBERS_MAX + conf->shared->member_count};
    code = chain_of(f->path, NULL, conf, &mistaken, &chain, err);
    if (!code)
        code = url ? make_backend(url, &chain, &f->options, &env, out, err)
                   : ms_error_set(err, MS_ERR_NOT_FOUND, "%s has no [member %s]", f->path, name);
    ms_mconf_free(conf);
    return code == 0 || !url ? code : ms_error_prefix(err, code, "member %s", name);
}

static struct finder *finder_new(const char *path, const struct ms_mstore_options *o, uint64_t seed)
{
    struct finder *f = calloc(1, sizeof *f);
    char *copy = strdup(path);
    if (!f || !copy) {
        free(f);
        free(copy);
        return NULL;
    }
    *f = (struct finder){.path = copy, .options = *o, .seed = seed};
    f->options.state_folder = o->state_folder && !*o->state_folder ? "" : NULL;
    return f;
}

/* $MSTORE_LEASE, for tests: all clients of a store must have the same. */
static int lease_of(const struct ms_mstore_options *o, uint64_t *out, struct ms_error *err)
{
    const char *lease = o->ignore_environment ? NULL : secure_getenv("MSTORE_LEASE");
    *out = 0;
    return lease ? ms_parse_duration(lease, "MSTORE_LEASE", out, err) : 0;
}

int ms_mconf_backend(const char *path, const char *member, struct ms_backend **out,
                     struct ms_error *err)
{
    struct ms_mstore_options o = MS_MSTORE_OPTIONS_INIT;
    o.clock = ms_clock_real();
    struct finder *f = finder_new(path, &o, seed_of(&o));
    if (!f)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the members of %s", path);
    int code = find_member(f, member, NULL, out, err);
    finder_free(f);
    return code;
}

/* o is complete. */
static int new_from_file(const char *path, const struct chain *above,
                         const struct ms_mstore_options *o, struct ms_store **out,
                         struct ms_error *err)
{
    struct ms_mconf *conf;
    struct chain chain;
    bool mistaken = false;
    uint64_t lease_ns;
    int code = lease_of(o, &lease_ns, err);
    if (!code)
        code = ms_mconf_load(path, &conf, err);
    if (code)
        return code;
    uint64_t seed = seed_of(o);
    MS_AUTO_FREE struct ms_backend **backends =
        calloc(conf->shared->member_count + 1, sizeof(struct ms_backend *));
    struct finder *finder = finder_new(path, o, seed);
    code = backends && finder
               ? chain_of(path, above, conf, &mistaken, &chain, err)
               : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the members of %s", path);
    if (!code)
        code = make_backends(&chain, o, seed, backends, err);
    if (code) {
        if (finder)
            finder_free(finder);
        ms_mconf_free(conf);
        return code;
    }
    struct ms_self_options self = {.clock = o->clock,
                                   .seed = seed,
                                   .jobs = o->jobs,
                                   .name = path,
                                   .state_folder = o->state_folder,
                                   .lease_ns = lease_ns,
                                   .waiting = o->waiting,
                                   .waiting_ctx = o->waiting_ctx,
                                   .find_member = find_member,
                                   .find_ctx = finder,
                                   .find_free = finder_free};
    return ms_self_new(conf, backends, &self, out, err);
}

int ms_mstore_new(const char *path, const struct ms_mstore_options *options, struct ms_store **out,
                  struct ms_error *err)
{
    struct ms_mstore_options o = MS_COMPLETE(ms_mstore_options, MS_MSTORE_OPTIONS_INIT, options);
    if (!o.clock)
        o.clock = ms_clock_real();
    return new_from_file(path, NULL, &o, out, err);
}

int ms_mconf_try(const char *path, struct ms_error *err)
{
    struct ms_store *s = NULL;
    int code = ms_mstore_new(path, NULL, &s, err);
    if (!code)
        code = ms_self_check_made(ms_self_of(s), NULL, err);
    ms_store_free(s);
    return code;
}

int ms_mstore_open(const char *path, const struct ms_mstore_options *options, struct ms_store **out,
                   struct ms_error *err)
{
    struct ms_store *s;
    int code = ms_mstore_new(path, options, &s, err);
    if (code)
        return code;
    code = ms_store_open(s, err);
    if (code) {
        ms_store_free(s);
        return code;
    }
    *out = s;
    return 0;
}
