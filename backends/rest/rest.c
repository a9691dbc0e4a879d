/* The drivers of "http:", "https:" and "rest:": their life, directories, capabilities and URLs.
 *
 * Any thread. Credentials live in the HTTP client alone; messages and statistics show the URL
 * without them. */
#include "backends/rest/rest.h"

#include "backends/registry.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <stdio.h>

#define NAME_MAX_BYTES   100 /* BorgStore's limit */
#define STALL_TIMEOUT_S  30
#define PATIENCE         20 /* times the time-out, where the server reads or removes much */
#define ATTEMPTS         4  /* the first and three more, as BorgStore's client */
#define RETRY_BASE_NS    UINT64_C(1000000000)
#define RETRY_LIMIT_NS   UINT64_C(5000000000)
#define HTTP_PARALLELISM 4

/* ---- life ---- */

static int rest_create(struct ms_backend *b, struct ms_error *err)
{
    struct ms_rest_call call = {.verb = MS_VERB_OTHER, .method = "POST", .query = "cmd=create"};
    struct ms_error local = {0};
    int code = ms_rest_tell(ms_rest_of(b), &call, &local);
    if (code == MS_ERR_EXISTS)
        return ms_error_set(err, MS_ERR_STORE_EXISTS, "%s already exists and is not empty", b->url);
    return code ? ms_error_set(err, code, "%s", local.text) : 0;
}

static int no_store(struct ms_backend *b, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_STORE, "%s does not exist", b->url);
}

static int rest_destroy(struct ms_backend *b, struct ms_error *err)
{
    struct ms_rest_call call = {
        .verb = MS_VERB_OTHER, .method = "DELETE", .query = "cmd=destroy", .patient = true};
    struct ms_error local = {0};
    int code = ms_rest_tell(ms_rest_of(b), &call, &local);
    if (code == MS_ERR_NO_STORE)
        return call.repeated ? 0 : no_store(b, err);
    return code ? ms_error_set(err, code, "%s", local.text) : 0;
}

static void end_children(struct ms_rest *r)
{
    if (r->pool)
        ms_rest_pool_close(r->pool);
}

/* The root's HEAD says at once whether there is a server, the right one, which lets us in. */
static int rest_open(struct ms_backend *b, struct ms_error *err)
{
    struct ms_rest *r = ms_rest_of(b);
    struct ms_info info = {0};
    struct ms_error local = {0};
    int code = ms_rest_head(r, ms_view("", 0), MS_VERB_OTHER, &info, &local);
    if (code == MS_ERR_NO_STORE)
        code = no_store(b, &local);
    else if (code == MS_ERR_NOT_FOUND || (!code && !info.directory))
        code = ms_error_set(&local, MS_ERR_PROTOCOL,
                            "%s speaks something else: no BorgStore REST server there, or not at "
                            "this path",
                            r->peer);
    if (!code)
        return 0;
    end_children(r);
    return ms_error_set(err, code, "%s", local.text);
}

static int rest_close(struct ms_backend *b, struct ms_error *err)
{
    (void)err;
    end_children(ms_rest_of(b));
    return 0;
}

static void rest_free(struct ms_backend *b)
{
    struct ms_rest *r = ms_rest_of(b);
    ms_rest_pool_free(r->pool);
    ms_http_free(r->http);
    ms_http_free(r->patient_http);
    ms_retry_policy_fini(&r->retry);
    ms_cond_fini(&r->turn);
    ms_mutex_fini(&r->mutex);
    free(r->root);
    free(r);
}

static void rest_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    *out = (struct ms_capabilities){
        .flags = MS_CAP_ATOMIC_REPLACE | MS_CAP_HASH | MS_CAP_COPY | MS_CAP_COMPOSE |
                 MS_CAP_LIST_AFTER_WRITE | MS_CAP_DIRECTORIES,
        .durability = MS_DURABLE_NONE, /* the protocol promises nothing */
        .name_max_bytes = NAME_MAX_BYTES,
        .best_parallelism = ms_rest_of(b)->parallelism,
        .best_block_bytes = MS_REST_BLOCK_BYTES,
    };
}

/* ---- directories ---- */

static int rest_mkdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_rest *r = ms_rest_of(b);
    struct ms_rest_call call = {
        .verb = MS_VERB_MKDIR, .method = "POST", .name = name, .query = "cmd=mkdir"};
    int code = ms_rest_tell(r, &call, err);
    return ms_rest_settle(r, code, &call, name, MS_REST_MKDIR, err);
}

static int rest_rmdir(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_rest *r = ms_rest_of(b);
    struct ms_rest_call call = {
        .verb = MS_VERB_RMDIR, .method = "DELETE", .name = name, .query = "cmd=rmdir"};
    int code = ms_rest_tell(r, &call, err);
    if (code == MS_ERR_NOT_FOUND && call.repeated)
        return 0;
    return ms_rest_settle(r, code, &call, name, MS_REST_RMDIR, err);
}

static const struct ms_backend_ops rest_ops = {
    .create = rest_create,
    .destroy = rest_destroy,
    .open = rest_open,
    .close = rest_close,
    .free = rest_free,
    .capabilities = rest_capabilities,
    .mkdir = rest_mkdir,
    .rmdir = rest_rmdir,
    .info = ms_rest_info,
    .load = ms_rest_load,
    .store = ms_rest_store,
    .remove = ms_rest_remove,
    .move = ms_rest_move,
    .list = ms_rest_list,
    .write = ms_rest_write,
    .read = ms_rest_read,
    .hash = ms_rest_hash,
    .compose = ms_rest_compose,
    .usage = ms_rest_usage,
};

/* ---- from a URL ---- */

struct options {
    uint64_t timeout_s, attempts, connections;
    const char *ca;
    bool insecure;
};

static int as_url(const struct ms_url *url, int code, const struct ms_error *local,
                  struct ms_error *err)
{
    return code ? ms_error_set(err, MS_ERR_URL, "%s: %s", url->safe, local->text) : 0;
}

static int take_number(struct ms_url *url, const char *key, uint64_t max, uint64_t *out,
                       struct ms_error *err)
{
    struct ms_error local = {0};
    const char *text = ms_url_take(url, key);
    return text ? as_url(url, ms_parse_u64(text, key, max, out, &local), &local, err) : 0;
}

static int take_timeout(struct ms_url *url, uint64_t *seconds, struct ms_error *err)
{
    struct ms_error local = {0};
    const char *text = ms_url_take(url, "timeout");
    uint64_t ns = 0;
    if (!text)
        return 0;
    bool bare = text[0] && !text[strspn(text, "0123456789")]; /* seconds, as with S3 */
    int code = bare ? ms_parse_u64(text, "timeout", 86400, &ns, &local)
                    : ms_parse_duration(text, "timeout", &ns, &local);
    if (bare)
        ns *= 1000000000;
    if (!code && (ns < 1000000000 || ns / 1000000000 > 86400))
        code = ms_error_set(&local, MS_ERR_URL, "timeout: from 1s to 1d");
    *seconds = ns / 1000000000;
    return as_url(url, code, &local, err);
}

static int take_options(struct ms_url *url, struct options *o, struct ms_error *err)
{
    uint64_t retries = o->attempts - 1;
    int code = take_timeout(url, &o->timeout_s, err);
    if (!code)
        code = take_number(url, "retries", 100, &retries, err);
    o->attempts = retries + 1;
    return code;
}

static struct ms_rest *make_plain(const struct ms_backend_env *env, const struct options *o)
{
    struct ms_rest *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->base.ops = &rest_ops;
    r->base.clock = env->clock;
    ms_retry_policy_init(&r->retry, env->seed);
    r->retry.attempts = (unsigned)o->attempts;
    r->retry.base_ns = RETRY_BASE_NS;
    r->retry.limit_ns = RETRY_LIMIT_NS;
    ms_mutex_init(&r->mutex);
    ms_cond_init(&r->turn);
    return r;
}

static int no_memory(const struct ms_url *url, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "%s: no memory for a driver", url->safe);
}

/* "example.org:8080", "[::1]" */
static void print_peer(char *to, size_t room, const struct ms_url *url)
{
    bool brackets = strchr(url->host, ':') != NULL;
    char port[16] = "";
    if (url->port >= 0)
        snprintf(port, sizeof port, ":%d", url->port);
    snprintf(to, room, "%s%s%s%s", brackets ? "[" : "", url->host, brackets ? "]" : "", port);
}

/* "http://host:port/path" without a slash at its end. */
static char *make_root(const struct ms_url *url)
{
    size_t path_size = strlen(url->path);
    while (path_size && url->path[path_size - 1] == '/')
        path_size--;
    struct ms_view path = ms_view(url->path, path_size);
    size_t room = strlen(url->scheme) + strlen(url->host) + path_size * 3 + 32;
    char *root = malloc(room);
    if (!root)
        return NULL;
    size_t at = (size_t)snprintf(root, room, "%s://", url->scheme);
    print_peer(root + at, room - at, url);
    at = strlen(root);
    ms_http_encode(root + at, room - at, path, true);
    return root;
}

static int check_http(const struct ms_url *url, struct ms_error *err)
{
    if (!url->authority || !url->host)
        return ms_error_set(err, MS_ERR_URL, "%s: expected %s://[user:password@]host[:port]/path",
                            url->safe, url->scheme);
    if (url->host[0] == '-')
        return ms_error_set(err, MS_ERR_URL, "%s: a host may not begin with -", url->safe);
    for (const char *c = url->host; *c; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || strchr("/?#@\\%", *c))
            return ms_error_set(err, MS_ERR_URL, "%s: the host has a byte that no host has",
                                url->safe);
    return 0;
}

/* user:password of the URL, else of the environment. */
static int choose_login(const struct ms_url *url, struct ms_http_options *o, struct ms_error *err)
{
    const char *password = getenv("BORGSTORE_REST_PASSWORD");
    o->user = url->user ? url->user : getenv("BORGSTORE_REST_USERNAME");
    o->password = url->user && url->password ? url->password : password;
    if (!o->user || !*o->user)
        o->user = o->password = NULL;
    if (o->user && (strpbrk(o->user, ":\r\n") || (o->password && strpbrk(o->password, "\r\n"))))
        return ms_error_set(
            err, MS_ERR_AUTH,
            "%s: the user has a colon, or user or password the end of a line in it: "
            "HTTP cannot say that",
            url->safe);
    return 0;
}

static int make_http(struct ms_rest *r, const struct ms_url *url, const struct options *o,
                     struct ms_error *err)
{
    struct ms_http_options http = {
        .backend = &r->base,
        .host = r->peer,
        .ca_file = o->ca,
        .no_verify = o->insecure,
        .stall_timeout_s = (unsigned)o->timeout_s,
        .connect_timeout_s = o->timeout_s < 10 ? (unsigned)o->timeout_s : 10,
    };
    print_peer(r->peer, sizeof r->peer, url);
    if (o->insecure)
        ms_http_warn_insecure(r->peer);
    int code = choose_login(url, &http, err);
    if (code)
        return code;
    r->root = make_root(url);
    r->parallelism = HTTP_PARALLELISM;
    if (!r->root)
        return no_memory(url, err);
    code = ms_http_new(&http, &r->http, err);
    http.stall_timeout_s *= PATIENCE;
    return code ? code : ms_http_new(&http, &r->patient_http, err);
}

static int http_make(struct ms_url *url, const struct ms_backend_env *env, struct ms_backend **out,
                     struct ms_error *err)
{
    struct options o = {.timeout_s = STALL_TIMEOUT_S, .attempts = ATTEMPTS};
    int code = check_http(url, err);
    if (!code)
        code = take_options(url, &o, err);
    if (code)
        return code;
    if (strcmp(url->scheme, "https") == 0) {
        uint64_t insecure = 0;
        o.ca = ms_url_take(url, "ca");
        code = take_number(url, "insecure", 1, &insecure, err);
        o.insecure = insecure;
    }
    if (code)
        return code;
    struct ms_rest *r = make_plain(env, &o);
    if (!r)
        return no_memory(url, err);
    code = make_http(r, url, &o, err);
    if (code) {
        rest_free(&r->base);
        return code;
    }
    *out = &r->base;
    return 0;
}

static int make_pool(struct ms_rest *r, const struct ms_url *url, const struct options *o,
                     struct ms_error *err)
{
    struct ms_rest_pool_options pool = {
        .backend = &r->base,
        .variable = url->host ? "BORGSTORE_RSH" : "MSTORE_REST_SERVER",
        .peer = r->peer,
        .children = (unsigned)o->connections,
        .stall_timeout_s = (unsigned)o->timeout_s,
    };
    int code = ms_rest_command(url, &pool.command, err);
    if (code)
        return code;
    if (url->host)
        print_peer(r->peer, sizeof r->peer, url);
    else
        snprintf(r->peer, sizeof r->peer, "%.150s", pool.command[0]);
    r->parallelism = pool.children;
    r->root = strdup("");
    if (!r->root) {
        ms_rest_command_free(pool.command);
        return no_memory(url, err);
    }
    return ms_rest_pool_new(&pool, &r->pool, err);
}

static int rest_make(struct ms_url *url, const struct ms_backend_env *env, struct ms_backend **out,
                     struct ms_error *err)
{
    struct options o = {.timeout_s = STALL_TIMEOUT_S, .attempts = ATTEMPTS, .connections = 1};
    int code = take_options(url, &o, err);
    if (!code)
        code = take_number(url, "connections", 64, &o.connections, err);
    if (!code && o.connections == 0)
        code = ms_error_set(err, MS_ERR_URL, "%s: connections: at least 1", url->safe);
    if (code)
        return code;
    struct ms_rest *r = make_plain(env, &o);
    if (!r)
        return no_memory(url, err);
    code = make_pool(r, url, &o, err);
    if (code) {
        rest_free(&r->base);
        return code;
    }
    *out = &r->base;
    return 0;
}

const struct ms_backend_type ms_backend_http = {
    .scheme = "http",
    .usage = "http://[USER:PASSWORD@]HOST[:PORT][/PATH][?timeout=30s&retries=3]",
    .make = http_make,
};

const struct ms_backend_type ms_backend_https = {
    .scheme = "https",
    .usage =
        "https://[USER:PASSWORD@]HOST[:PORT][/PATH][?ca=FILE&insecure=1&timeout=30s&retries=3]",
    .make = http_make,
};

const struct ms_backend_type ms_backend_rest = {
    .scheme = "rest",
    .usage = "rest://[[USER@]HOST[:PORT]]/PATH[?connections=1&timeout=30s&retries=3]",
    .make = rest_make,
};
