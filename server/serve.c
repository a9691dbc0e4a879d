/* `mstore serve` from its options to its end: serve.h. */
#include "server/serve.h"

#include "server/face.h"
#include "server/http.h"
#include "server/router.h"
#include "server/setup.h"

#include <malloc.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define USUAL_ADDRESS "127.0.0.1:5618"

/* All that is made for serving, in this order, and freed the other way round. */
struct serving {
    const struct serve_options *options;
    struct server_router router;
    struct http_tls *tls;
    struct http_server *http;
    struct server_hangup *hangup;
};

static struct http_limits limits_of(const struct server_conf *conf)
{
    const struct server_conf_limits *l = &conf->limits;
    return (struct http_limits){
        .connections = (unsigned)l->connections,
        .connections_per_address = (unsigned)l->connections_per_address,
        .requests = (unsigned)l->requests,
        .header_bytes = (size_t)l->header_bytes,
        .body_bytes = l->body_bytes,
        .header_ns = l->header_timeout_ns,
        .idle_ns = l->idle_timeout_ns,
        .stall_ns = l->body_timeout_ns,
        .least_bytes = (l->least_bps + 7) / 8,
        .stop_ns = l->stop_timeout_ns,
    };
}

static int load_tls(const struct server_conf *conf, struct http_tls **out, struct ms_error *err)
{
    return conf->tls_cert ? http_tls_new(conf->tls_cert, conf->tls_key, out, err) : 0;
}

/* So many connections, and what requests and storages need beside: as far as this process may. */
static void allow_descriptors(const struct http_server *http)
{
    const struct http_limits *limits = http_server_limits(http);
    rlim_t wanted = (rlim_t)limits->connections + 8 * (rlim_t)limits->requests + 256;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted)
        return;
    files.rlim_cur = wanted < files.rlim_max ? wanted : files.rlim_max;
    (void)!setrlimit(RLIMIT_NOFILE, &files);
}

/* Whether the addresses that there are may be listened on with that configuration. */
static int check_addresses(const struct serving *s, const struct server_conf *conf,
                           struct ms_error *err)
{
    const char *address;
    int code = 0;
    for (size_t i = 0; !code && (address = http_server_address(s->http, i)); i++)
        if (strncmp(address, "unix:", 5) != 0)
            code = server_conf_check_listen(conf, address, err);
    return code;
}

/* ---- SIGHUP ---- */

static bool are_alike(const struct server_words *a, const struct server_words *b)
{
    size_t same = 0;
    while (same < a->count && same < b->count && strcmp(a->at[same], b->at[same]) == 0)
        same++;
    return same == a->count && same == b->count;
}

/* The site of now has the addresses of the start: no other would have been taken. */
static bool listens_as_before(const struct serving *s, const struct server_conf *conf)
{
    struct server_site *now = server_sites_now(s->router.sites);
    bool alike = are_alike(&server_site_conf(now)->listen, &conf->listen);
    server_site_unref(now);
    return alike;
}

/* Sockets stay as they are; what goes on behind them has to be fit for those who reach them. */
static int check_sockets(const struct serving *s, const struct server_conf *conf,
                         struct ms_error *err)
{
    if (!listens_as_before(s, conf))
        return ms_error_set(err, MS_ERR_CONFIG,
                            "%s: listen is another than at the start: restart the server for that",
                            conf->source);
    if (!s->tls != !conf->tls_cert)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "%s: TLS cannot be switched %s while the server runs: restart it",
                            conf->source, s->tls ? "off" : "on");
    return check_addresses(s, conf, err);
}

static int renew(void *ctx, const struct server_conf *conf, struct ms_error *err)
{
    const struct serving *s = ctx;
    struct http_limits limits = limits_of(conf);
    struct server_auth_options auth = server_setup_auth(conf);
    struct http_tls *tls = NULL;
    int code = check_sockets(s, conf, err);
    if (!code)
        code = load_tls(conf, &tls, err);
    if (!code)
        code = http_server_set_limits(s->http, &limits, err);
    if (code) {
        http_tls_unref(tls);
        return code;
    }
    server_auth_set(s->router.auth, &auth);
    allow_descriptors(s->http);
    if (tls)
        http_server_renew_tls(s->http, tls);
    http_tls_unref(tls);
    return 0;
}

static void follow_site(void *ctx, struct server_site *site)
{
    (void)ctx;
    server_faces_follow(site);
}

static int begin_reloading(struct serving *s, struct ms_error *err)
{
    struct server_reloading reloading = {.options = s->options,
                                         .faces = &server_faces_usual,
                                         .sites = s->router.sites,
                                         .audit = s->router.audit,
                                         .renew = renew,
                                         .followed = follow_site,
                                         .ctx = s};
    return server_hangup_begin(&reloading, &s->hangup, err);
}

/* ---- the beginning ---- */

/* Takes conf. */
static int make_site(struct serving *s, struct server_conf *conf, struct ms_error *err)
{
    struct server_site *site = NULL;
    int code = server_site_new(conf, NULL, &server_faces_usual, &site, err);
    if (code)
        return code;
    code = server_sites_new(site, &s->router.sites, err);
    if (!code)
        server_faces_follow(site);
    return code;
}

static int listen_on_all(struct serving *s, const struct server_conf *conf, struct ms_error *err)
{
    const struct serve_options *o = s->options;
    if (o->stdio)
        return 0;
    int code = o->activation ? http_server_listen_activated(s->http, s->tls, err) : 0;
    if (!code) /* systemd's, which the configuration has not shown */
        code = check_addresses(s, conf, err);
    for (size_t i = 0; !code && i < conf->listen.count; i++)
        code = http_server_listen(s->http, conf->listen.at[i], s->tls, err);
    if (!code && !http_server_address(s->http, 0))
        code = http_server_listen(s->http, USUAL_ADDRESS, s->tls, err);
    return code;
}

static int make_http(struct serving *s, const struct server_conf *conf, struct ms_error *err)
{
    struct http_options options = {.limits = limits_of(conf),
                                   .route = server_route,
                                   .finished = server_finished,
                                   .ctx = &s->router};
    int code = load_tls(conf, &s->tls, err);
    if (!code)
        code = http_server_new(&options, &s->http, err);
    if (code)
        return code;
    allow_descriptors(s->http);
    return listen_on_all(s, conf, err);
}

static int begin(struct serving *s, struct ms_error *err)
{
    struct server_conf *conf = NULL;
    int code = server_setup_conf(s->options, &conf, err);
    if (code)
        return code;
    struct server_auth_options auth = server_setup_auth(conf);
    code = server_auth_new(ms_clock_real(), &auth, &s->router.auth, err);
    if (!code)
        code = server_audit_new(conf->audit_log, conf->audit_json, &s->router.audit, err);
    if (!code)
        code = make_http(s, conf, err);
    if (code) {
        server_conf_free(conf);
        return code;
    }
    code = make_site(s, conf, err);
    return code ? code : begin_reloading(s, err);
}

static void end(struct serving *s)
{
    server_hangup_end(s->hangup);
    http_server_free(s->http);
    http_tls_unref(s->tls);
    server_sites_free(s->router.sites);
    server_audit_free(s->router.audit);
    server_auth_free(s->router.auth);
}

static int serve(struct serving *s, struct ms_error *err)
{
    const struct serve_options *o = s->options;
    if (o->stdio) {
        http_server_serve(s->http, STDIN_FILENO, STDOUT_FILENO);
        return 0;
    }
    const char *address;
    for (size_t i = 0; o->ready && (address = http_server_address(s->http, i)); i++)
        o->ready(o->ctx, address, s->tls && strncmp(address, "unix:", 5) != 0);
    return http_server_run(s->http, err);
}

/* Large buffers go back to the system when they are freed; the heaps of many threads would keep
 * them, and a value of any length goes through little memory. */
static void keep_memory_small(void)
{
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, 512 << 10);
#endif
}

/* Without the token while it begins and ends: opening and closing stores is not to be cut short. */
int serve_run(const struct serve_options *options, struct ms_error *err)
{
    struct serving s = {.options = options};
    keep_memory_small();
    struct ms_cancel *token = ms_cancel_swap(NULL);
    int code = begin(&s, err);
    ms_cancel_swap(token);
    if (!code)
        code = serve(&s, err);
    ms_cancel_swap(NULL);
    end(&s);
    ms_cancel_swap(token);
    return code;
}
