/* mstore/from_file.c - from a configuration file to a closed MStore. */
#include "mstore/self.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "store/options.h"

#include <mstore/emulator.h>
#include <mstore/multi.h>
#include <stdlib.h>
#include <sys/random.h>

static uint64_t seed_of(const struct ms_mstore_options *o)
{
    uint64_t seed = o->seed;
    if (!seed && getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (uint64_t)ms_clock_wall(ms_clock_real());
    return seed;
}

static int make_backend(const char *text, const struct ms_mstore_options *o,
                        const struct ms_backend_env *env, struct ms_backend **out,
                        struct ms_error *err)
{
    struct ms_url *url;
    int code = ms_url_parse(text, &url, err);
    if (code)
        return code;
    code = ms_emulator_make_url(url, env, !o->ignore_environment, out, err);
    ms_url_free(url);
    return code;
}

static int make_backends(const struct ms_mconf *conf, const struct ms_mstore_options *o,
                         uint64_t seed, struct ms_backend **backends, struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < conf->shared->member_count && !code; i++) {
        struct ms_backend_env env = {.clock = o->clock, .seed = seed + i + 1};
        code = make_backend(conf->urls[i], o, &env, &backends[i], err);
        if (code)
            code = ms_error_prefix(err, code, "member %s", conf->shared->members[i].name);
    }
    for (size_t i = 0; i < conf->shared->member_count && code; i++)
        ms_backend_free(backends[i]);
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

static int find_member(void *ctx, const char *name, struct ms_backend **out, struct ms_error *err)
{
    struct finder *f = ctx;
    struct ms_mconf *conf;
    int code = ms_mconf_load(f->path, &conf, err);
    if (code)
        return code;
    const char *url = ms_mconf_url(conf, name);
    struct ms_backend_env env = {.clock = f->options.clock,
                                 .seed = f->seed + MS_MEMBERS_MAX + conf->shared->member_count};
    code = url ? make_backend(url, &f->options, &env, out, err)
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
    f->options.state_folder = NULL;
    return f;
}

/* $MSTORE_LEASE, for tests: all clients of a store must have the same. */
static int lease_of(const struct ms_mstore_options *o, uint64_t *out, struct ms_error *err)
{
    const char *lease = o->ignore_environment ? NULL : secure_getenv("MSTORE_LEASE");
    *out = 0;
    return lease ? ms_parse_duration(lease, "MSTORE_LEASE", out, err) : 0;
}

int ms_mstore_new(const char *path, const struct ms_mstore_options *options, struct ms_store **out,
                  struct ms_error *err)
{
    struct ms_mstore_options o = MS_COMPLETE(ms_mstore_options, MS_MSTORE_OPTIONS_INIT, options);
    struct ms_mconf *conf;
    uint64_t lease_ns;
    int code = lease_of(&o, &lease_ns, err);
    if (!code)
        code = ms_mconf_load(path, &conf, err);
    if (code)
        return code;
    if (!o.clock)
        o.clock = ms_clock_real();
    uint64_t seed = seed_of(&o);
    MS_AUTO_FREE struct ms_backend **backends =
        calloc(conf->shared->member_count + 1, sizeof(struct ms_backend *));
    struct finder *finder = finder_new(path, &o, seed);
    code = backends && finder
               ? make_backends(conf, &o, seed, backends, err)
               : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the members of %s", path);
    if (code) {
        if (finder)
            finder_free(finder);
        ms_mconf_free(conf);
        return code;
    }
    struct ms_self_options self = {.clock = o.clock,
                                   .seed = seed,
                                   .jobs = o.jobs,
                                   .name = path,
                                   .state_folder = o.state_folder,
                                   .lease_ns = lease_ns,
                                   .find_member = find_member,
                                   .find_ctx = finder,
                                   .find_free = finder_free};
    return ms_self_new(conf, backends, &self, out, err);
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
