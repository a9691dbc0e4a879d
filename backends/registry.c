/* Drivers by URL scheme: a fixed table, and what a program registers before other threads start. */
#include "backends/registry.h"

#include "base/assert.h"
#include "base/entity.h"
#include "base/text.h"

#include <stdio.h>

static const struct ms_backend_type *const own[] = {
    &ms_backend_posix, &ms_backend_memory, &ms_backend_s3,   &ms_backend_b2,
    &ms_backend_http,  &ms_backend_https,  &ms_backend_rest, &ms_backend_sftp,
};
#define OWN_COUNT (sizeof own / sizeof *own)

#define REGISTERED_MAX 32
static const struct ms_backend_type *registered[REGISTERED_MAX];
static size_t registered_count;

const struct ms_backend_type *ms_backend_type_at(size_t index)
{
    if (index < OWN_COUNT)
        return own[index];
    index -= OWN_COUNT;
    return index < registered_count ? registered[index] : NULL;
}

static const struct ms_backend_type *find(const char *scheme)
{
    const struct ms_backend_type *type;
    for (size_t i = 0; (type = ms_backend_type_at(i)); i++)
        if (strcmp(type->scheme, scheme) == 0)
            return type;
    return NULL;
}

int ms_backend_register(const struct ms_backend_type *type, struct ms_error *err)
{
    ms_assert(type->scheme && type->make);
    if (find(type->scheme))
        return ms_error_set(err, MS_ERR_EXISTS, "the URL scheme \"%s\" has a driver already",
                            type->scheme);
    if (registered_count == REGISTERED_MAX)
        return ms_error_set(err, MS_ERR_TOO_LARGE, "more than %d drivers", REGISTERED_MAX);
    registered[registered_count++] = type;
    return 0;
}

static int unknown_scheme(const struct ms_url *url, struct ms_error *err)
{
    char known[200] = "";
    size_t at = 0;
    const struct ms_backend_type *type;
    for (size_t i = 0; (type = ms_backend_type_at(i)) && at < sizeof known - 40; i++)
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%.30s:", i ? ", " : "",
                               type->scheme);
    return ms_error_set(err, MS_ERR_URL, "no storage is known by \"%s:\"; there are %s",
                        MS_SHOW(ms_str(url->scheme)), known);
}

static void assert_slots(const struct ms_backend_ops *ops)
{
    ms_assert(ops->create && ops->destroy && ops->open && ops->close && ops->free);
    ms_assert(ops->capabilities && ops->mkdir && ops->rmdir && ops->info && ops->load);
    ms_assert(ops->store && ops->remove && ops->move && ops->list);
}

int ms_backend_make_url(struct ms_url *url, const struct ms_backend_env *env,
                        struct ms_backend **out, struct ms_error *err)
{
    const struct ms_backend_type *type = find(url->scheme);
    if (!type)
        return unknown_scheme(url, err);
    struct ms_backend_env defaults = {0};
    if (env)
        defaults = *env;
    if (!defaults.clock)
        defaults.clock = ms_clock_real();
    struct ms_backend *b = NULL;
    int code = type->make(url, &defaults, &b, err);
    if (code)
        return code;
    ms_assert(b);
    assert_slots(b->ops);
    code = ms_url_check_taken(url, err);
    if (code) {
        b->ops->free(b);
        return code;
    }
    b->clock = defaults.clock;
    memcpy(b->url, url->safe, sizeof b->url);
    b->stats = ms_entity_get(MS_STATS_BACKEND, b->url, "");
    *out = b;
    return 0;
}

int ms_backend_make(const char *url, const struct ms_backend_env *env, struct ms_backend **out,
                    struct ms_error *err)
{
    struct ms_url *parsed;
    int code = ms_url_parse(url, &parsed, err);
    if (code)
        return code;
    code = ms_backend_make_url(parsed, env, out, err);
    ms_url_free(parsed);
    return code;
}
