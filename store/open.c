/* From a URL and options to a Store: the Store over one backend, then the filters that are asked
 * for. */
#include "store/filter.h"
#include "store/options.h"
#include "store/single.h"

#include <mstore/emulator.h>

#include <sys/random.h>

static uint64_t seed_of(const struct ms_store_options *o)
{
    uint64_t seed = o->seed;
    if (!seed && getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (uint64_t)ms_clock_wall(ms_clock_real());
    return seed;
}

static int make_backend(const char *text, const struct ms_store_options *o, struct ms_backend **out,
                        struct ms_error *err)
{
    struct ms_backend_env env = {.clock = o->clock ? o->clock : ms_clock_real(),
                                 .seed = seed_of(o)};
    struct ms_url *url;
    int code = ms_url_parse(text, &url, err);
    if (code)
        return code;
    code = ms_emulator_make_url(url, &env, !o->ignore_environment, out, err);
    ms_url_free(url);
    return code;
}

static bool wants_cache(const struct ms_store_options *o)
{
    for (size_t i = 0; i < o->namespace_count; i++)
        if (o->namespaces[i].cache != MS_CACHE_OFF)
            return true;
    return false;
}

/* The cache's own Store: same namespaces, nothing emulated, no filters. */
static int wrap_cache(struct ms_store **s, const struct ms_store_options *o, struct ms_error *err)
{
    if (!wants_cache(o))
        return 0;
    if (!o->cache_url)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "a namespace has a cache mode, but no cache storage is given");
    struct ms_store_options plain = *o;
    plain.ignore_environment = true;
    struct ms_backend *backend;
    struct ms_store *cache;
    int code = make_backend(o->cache_url, &plain, &backend, err);
    if (code)
        return ms_error_prefix(err, code, "cache");
    code = ms_single_new(backend, &plain, &cache, err);
    if (code) {
        ms_backend_free(backend);
        return code;
    }
    struct ms_store *wrapped;
    code = ms_cache_wrap(*s, cache, o->namespaces, o->namespace_count, &wrapped, err);
    if (code)
        ms_store_free(cache);
    else
        *s = wrapped;
    return code;
}

/* Each filter owns the one before; on failure what there is so far goes at once. */
static int wrap_all(struct ms_store **s, const struct ms_store_options *o, struct ms_error *err)
{
    struct ms_store *wrapped;
    int code = ms_quota_wrap(*s, o->quota_bytes, &wrapped, err);
    if (code)
        return code;
    *s = wrapped;
    code = wrap_cache(s, o, err);
    if (code || !o->permissions)
        return code;
    code = ms_permissions_wrap(*s, o->permissions, &wrapped, err);
    if (!code)
        *s = wrapped;
    return code;
}

int ms_store_new_over(struct ms_backend *backend, const struct ms_store_options *options,
                      struct ms_store **out, struct ms_error *err)
{
    struct ms_store_options o = ms_store_options(options);
    struct ms_store *s;
    int code = ms_single_new(backend, &o, &s, err);
    if (code) {
        ms_backend_free(backend);
        return code;
    }
    code = wrap_all(&s, &o, err);
    if (code) {
        ms_store_free(s);
        return code;
    }
    *out = s;
    return 0;
}

int ms_store_new(const char *url, const struct ms_store_options *options, struct ms_store **out,
                 struct ms_error *err)
{
    struct ms_store_options o = ms_store_options(options);
    struct ms_backend *backend;
    int code = make_backend(url, &o, &backend, err);
    return code ? code : ms_store_new_over(backend, &o, out, err);
}
