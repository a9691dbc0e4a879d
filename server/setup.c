/* server/setup.c - see server/setup.h. SIGHUP sets a flag, nothing else runs in the handler; a task
 * looks at it a few times a second. */
#include "server/setup.h"

#include "base/log.h"
#include "base/pool.h"
#include "base/sync.h"
#include "store/config.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#define LOOK_NS UINT64_C(200000000)

/* ---- the configuration ---- */

static int one_store(const struct serve_options *o, struct server_conf **out, struct ms_error *err)
{
    struct server_conf *conf = NULL;
    int code = server_conf_new("the command line", &conf, err);
    if (!code)
        code = ms_config_load(o->config, &conf->stores, err);
    if (!code)
        code = server_conf_serve_begin(conf, "store", err);
    if (!code)
        code = server_conf_set(conf, "serve", "store", o->store, err);
    if (!code)
        code = server_conf_set(conf, "serve", "path", "/", err);
    if (code) {
        server_conf_free(conf);
        return code;
    }
    *out = conf;
    return 0;
}

/* The password of the single user may come from the environment. */
static int take_password(struct server_conf *conf, struct ms_error *err)
{
    const char *password = getenv("MSTORE_SERVE_PASSWORD");
    if (!conf->user || conf->password_file || !password || !*password)
        return 0;
    conf->password = strdup(password);
    return conf->password ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a password");
}

/* What is wrong is the command line, not a file. */
static int of_command_line(int code, struct ms_error *err)
{
    if (code != MS_ERR_CONFIG)
        return code;
    if (err)
        err->code = MS_ERR_INVALID;
    return MS_ERR_INVALID;
}

int server_setup_conf(const struct serve_options *o, struct server_conf **out, struct ms_error *err)
{
    struct server_conf *conf = NULL;
    int code = o->store ? one_store(o, &conf, err) : server_conf_load(o->config, &conf, err);
    for (size_t i = 0; i < o->setting_count && !code; i++) {
        const struct serve_setting *s = &o->settings[i];
        code = of_command_line(server_conf_set(conf, s->section, s->key, s->value, err), err);
    }
    if (!code)
        code = take_password(conf, err);
    if (!code)
        code = server_conf_check(conf, err);
    if (o->store)
        code = of_command_line(code, err);
    if (code) {
        server_conf_free(conf);
        return code;
    }
    *out = conf;
    return 0;
}

struct server_auth_options server_setup_auth(const struct server_conf *conf)
{
    const struct server_conf_limits *l = &conf->limits;
    return (struct server_auth_options){
        .failures_per_address = (unsigned)l->auth_failures,
        .failures_per_user = 2 * (unsigned)l->auth_failures,
        .address_interval_ns = l->auth_interval_ns,
        .user_interval_ns = l->auth_interval_ns,
        .checks_at_once = (unsigned)l->auth_checks,
        .remember_ns = l->auth_remember_ns,
    };
}

/* ---- once more ---- */

int server_reload(const struct server_reloading *r, struct ms_error *err)
{
    struct server_conf *conf = NULL;
    struct server_site *old = server_sites_now(r->sites), *site = NULL;
    struct server_audit *audit = NULL;
    int code = server_setup_conf(r->options, &conf, err);
    if (!code)
        code = server_site_new(conf, old, r->faces, &site, err);
    if (!code) {
        const struct server_conf *c = server_site_conf(site);
        code = server_audit_new(c->audit_log, c->audit_json, &audit, err);
        if (!code && r->renew)
            code = r->renew(r->ctx, c, err);
    }
    if (code) {
        server_audit_free(audit);
        server_site_unref(site);
    } else {
        server_audit_replace(r->audit, audit);
        server_sites_swap(r->sites, server_site_ref(site));
        if (r->followed)
            r->followed(r->ctx, site);
        server_site_unref(site);
    }
    server_site_unref(old);
    return code;
}

/* ---- SIGHUP ---- */

struct server_hangup {
    struct server_reloading reloading;
    struct ms_group *group;
    struct sigaction before;
};

static atomic_uint hangups;

static void note_hangup(int number)
{
    (void)number;
    atomic_fetch_add(&hangups, 1);
}

static void reload(const struct server_reloading *r)
{
    struct ms_error err = {0};
    if (server_reload(r, &err))
        ms_log(MS_LOG_ERROR, "nothing was reloaded: %s", err.text);
    else
        ms_log(MS_LOG_INFO, "reloaded");
}

static int watch(void *arg)
{
    struct server_hangup *h = arg;
    unsigned seen = 0;
    while (ms_sleep(ms_clock_real(), LOOK_NS, NULL) == 0) {
        unsigned now = atomic_load(&hangups);
        if (now == seen)
            continue;
        seen = now;
        reload(&h->reloading);
    }
    return 0;
}

int server_hangup_begin(const struct server_reloading *r, struct server_hangup **out,
                        struct ms_error *err)
{
    struct server_hangup *h = calloc(1, sizeof *h);
    if (!h)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to wait for SIGHUP");
    h->reloading = *r;
    atomic_store(&hangups, 0);
    struct sigaction action = {.sa_handler = note_hangup, .sa_flags = SA_RESTART};
    sigaction(SIGHUP, &action, &h->before);
    int code = ms_group_new(&h->group, err);
    if (!code && (code = ms_group_fork(h->group, watch, NULL, h, err)))
        ms_group_release(h->group);
    if (code) {
        sigaction(SIGHUP, &h->before, NULL);
        free(h);
        return code;
    }
    *out = h;
    return 0;
}

void server_hangup_end(struct server_hangup *h)
{
    if (!h)
        return;
    struct ms_join join;
    ms_group_cancel(h->group);
    ms_group_join_all(h->group, &join);
    ms_group_release(h->group);
    sigaction(SIGHUP, &h->before, NULL);
    free(h);
}
