/* "s3:[profile@|key:secret@][scheme://host[:port]]/bucket/path" as BorgStore writes it, and options
 * behind '?'; `b2:` is the same with Backblaze's ways. */
#include "backends/s3/s3.h"

#include "backends/registry.h"
#include "backends/secret.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>

void ms_s3_place_fini(struct ms_s3_place *p)
{
    ms_wipe_free(p->profile);
    ms_wipe_free(p->id);
    ms_wipe_free(p->secret);
    free(p->scheme);
    free(p->host);
    free(p->bucket);
    free(p->path);
    *p = (struct ms_s3_place){0};
}

static int malformed(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_URL,
                        "an S3 URL looks like s3:[PROFILE@|KEY:SECRET@][https://HOST[:PORT]]/BUCKET"
                        "/PATH");
}

static int take(char **to, const char *from, size_t size, struct ms_error *err)
{
    *to = strndup(from, size);
    return *to ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an S3 URL");
}

/* In place. */
static int decode(char *text, struct ms_error *err)
{
    char *to = text;
    for (; *text; text++) {
        uint8_t byte = (uint8_t)*text;
        if (byte == '%') {
            if (!text[1] || !text[2] || ms_hex_decode(&byte, 1, text + 1) || byte == 0)
                return ms_error_set(
                    err, MS_ERR_URL,
                    "the S3 URL has a %% without two hex digits; write %%25 for %%");
            text += 2;
        }
        *to++ = (char)byte;
    }
    *to = 0;
    return 0;
}

static int take_decoded(char **to, const char *from, size_t size, struct ms_error *err)
{
    int code = take(to, from, size, err);
    return code ? code : decode(*to, err);
}

static bool endpoint_begins(const char *text)
{
    return *text == '/' || strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0;
}

/* The login ends at the '@' that an endpoint or a bucket follows. There is one such: what lies
 * behind a cut secret would be taken for a bucket, and shown. */
static int parse_login(const char **text, struct ms_s3_place *out, struct ms_error *err)
{
    if (endpoint_begins(*text))
        return 0;
    const char *at = *text;
    do
        at = strchr(at + (at != *text), '@');
    while (at && !endpoint_begins(at + 1));
    if (!at || at == *text)
        return malformed(err);
    if (ms_secret_login(ms_str(*text)) != (size_t)(at + 1 - *text))
        return ms_error_set(
            err, MS_ERR_URL,
            "the login of the S3 URL may end at more than one @: write those in the "
            "login or the path as %%40");
    const char *colon = memchr(*text, ':', (size_t)(at - *text));
    int code;
    if (!colon) {
        code = take_decoded(&out->profile, *text, (size_t)(at - *text), err);
        if (!code && strchr(out->profile, ':')) /* a key and a secret, and not to be shown */
            code = malformed(err);
    } else if (colon == *text || colon + 1 == at) {
        code = malformed(err);
    } else {
        code = take_decoded(&out->id, *text, (size_t)(colon - *text), err);
        if (!code)
            code = take_decoded(&out->secret, colon + 1, (size_t)(at - colon - 1), err);
    }
    *text = at + 1;
    return code;
}

/* The bytes of the host before its ":PORT"; an IPv6 address stands in brackets. */
static size_t host_size(const char *host)
{
    const char *end = host[0] == '[' ? strchr(host, ']') : NULL;
    return end ? (size_t)(end + 1 - host) : strcspn(host, ":");
}

static bool good_address(const char *host, size_t size)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (size < 4 || size - 2 >= sizeof text || host[size - 1] != ']')
        return false;
    memcpy(text, host + 1, size - 2);
    text[size - 2] = 0;
    return inet_pton(AF_INET6, text, &address) == 1;
}

static bool good_name(const char *host, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", host[i]))
            return false;
    return host[0] != '-' && size > 0 && size <= 255;
}

static bool good_host(const char *host)
{
    size_t size = host_size(host);
    if (host[0] == '[' ? !good_address(host, size) : !good_name(host, size))
        return false;
    if (host[size] == 0)
        return true;
    uint64_t port = 0;
    return host[size] == ':' && ms_parse_u64(host + size + 1, "port", 65535, &port, NULL) == 0 &&
           port > 0;
}

static int parse_endpoint(const char **text, struct ms_s3_place *out, struct ms_error *err)
{
    const char *colons = strstr(*text, "://");
    if (**text == '/' || !colons)
        return 0;
    int code = take(&out->scheme, *text, (size_t)(colons - *text), err);
    *text = colons + 3;
    size_t size = strcspn(*text, "/");
    if (!code)
        code = take(&out->host, *text, size, err);
    if (!code && !good_host(out->host))
        code = ms_error_set(err, MS_ERR_URL, "\"%s\" is no host that an S3 URL can name",
                            strchr(out->host, '@') ? "\xe2\x80\xa6" : MS_SHOW(ms_str(out->host)));
    *text += size;
    return code;
}

static bool good_bucket(const char *bucket)
{
    size_t size = strlen(bucket);
    return size >= 1 && size <= 255 && bucket[0] != '.' &&
           strspn(bucket, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
               size;
}

static int parse_bucket(const char *text, struct ms_s3_place *out, struct ms_error *err)
{
    if (*text != '/')
        return malformed(err);
    size_t size = strcspn(++text, "/");
    int code = take(&out->bucket, text, size, err);
    if (!code && !good_bucket(out->bucket))
        return ms_error_set(err, MS_ERR_URL, "\"%s\" is no name of an S3 bucket",
                            strchr(out->bucket, '@') ? "\xe2\x80\xa6"
                                                     : MS_SHOW(ms_str(out->bucket)));
    text += size;
    while (*text == '/')
        text++;
    size = strlen(text);
    while (size && text[size - 1] == '/')
        size--;
    return code ? code : take_decoded(&out->path, text, size, err);
}

int ms_s3_place_parse(const char *text, struct ms_s3_place *out, struct ms_error *err)
{
    struct ms_s3_place p = {0};
    int code = parse_login(&text, &p, err);
    if (!code)
        code = parse_endpoint(&text, &p, err);
    if (!code)
        code = parse_bucket(text, &p, err);
    if (code)
        ms_s3_place_fini(&p);
    else
        *out = p;
    return code;
}

/* ---- options ---- */

struct options {
    const char *region, *style, *ca, *provider, *if_absent;
    bool insecure;
    uint64_t part_bytes, parallel, timeout_s;
};

static int take_number(struct ms_url *url, const char *key, uint64_t least, uint64_t most,
                       uint64_t *out, struct ms_error *err)
{
    const char *text = ms_url_take(url, key);
    if (!text)
        return 0;
    int code = ms_parse_u64(text, key, most, out, NULL);
    if (code || *out < least)
        return ms_error_set(err, MS_ERR_URL, "%s: %s is a number from %llu to %llu", url->safe, key,
                            (unsigned long long)least, (unsigned long long)most);
    return 0;
}

static int take_flag(struct ms_url *url, const char *key, bool *out, struct ms_error *err)
{
    const char *text = ms_url_take(url, key);
    if (text && strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
        return ms_error_set(err, MS_ERR_URL, "%s: %s is 0 or 1", url->safe, key);
    *out = text && *text == '1';
    return 0;
}

static int one_of(struct ms_url *url, const char *key, const char *value, const char *a,
                  const char *b, const char *c, struct ms_error *err)
{
    if (!value || strcmp(value, a) == 0 || strcmp(value, b) == 0 || (c && strcmp(value, c) == 0))
        return 0;
    return ms_error_set(err, MS_ERR_URL, "%s: %s is %s, %s%s%s", url->safe, key, a, b,
                        c ? " or " : "", c ? c : "");
}

static int take_options(struct ms_url *url, struct options *o, struct ms_error *err)
{
    o->region = ms_url_take(url, "region");
    o->style = ms_url_take(url, "style");
    o->ca = ms_url_take(url, "ca");
    o->provider = ms_url_take(url, "provider");
    o->if_absent = ms_url_take(url, "if_absent");
    o->timeout_s = 30;
    const char *part = ms_url_take(url, "part_size");
    int code = take_flag(url, "insecure", &o->insecure, err);
    if (!code && part)
        code = ms_parse_size(part, "part_size", &o->part_bytes, err);
    if (!code && part && (o->part_bytes < MS_S3_PART_MIN || o->part_bytes > UINT64_C(1) << 30))
        code = ms_error_set(err, MS_ERR_URL, "%s: part_size is from 5MiB to 1GiB", url->safe);
    if (!code)
        code = take_number(url, "parallel", 1, 64, &o->parallel, err);
    if (!code)
        code = take_number(url, "timeout", 1, 3600, &o->timeout_s, err);
    if (!code)
        code = one_of(url, "style", o->style, "path", "virtual", NULL, err);
    if (!code)
        code = one_of(url, "if_absent", o->if_absent, "yes", "no", "probe", err);
    if (!code && o->region && (strlen(o->region) > 63 || strpbrk(o->region, "/ \r\n")))
        code = ms_error_set(err, MS_ERR_URL, "%s: that is no region", url->safe);
    return code;
}

/* ---- making the handle ---- */

static void s3_free(struct ms_backend *b)
{
    struct ms_s3 *s = ms_s3_self(b);
    ms_http_free(s->http);
    free(s->scheme);
    free(s->host);
    free(s->bucket);
    free(s->prefix);
    ms_wipe_free(s->id);
    ms_wipe_free(s->secret);
    ms_wipe_free(s->token);
    ms_retry_policy_fini(&s->retry);
    ms_mutex_fini(&s->mutex);
    free(s);
}

static int s3_close(struct ms_backend *b, struct ms_error *err)
{
    (void)b, (void)err;
    return 0;
}

static void s3_capabilities(struct ms_backend *b, struct ms_capabilities *out)
{
    const struct ms_s3 *s = ms_s3_self(b);
    *out = (struct ms_capabilities){
        .flags = (s->quirks->replaces ? MS_CAP_ATOMIC_REPLACE : 0) | MS_CAP_LIST_AFTER_WRITE |
                 MS_CAP_COPY | (s->quirks->delete_many ? MS_CAP_DELETE_MANY : 0) |
                 (s->if_absent == MS_S3_YES ? MS_CAP_IF_ABSENT : 0),
        .durability = MS_DURABLE_FULL,
        .name_max_bytes = 255,
        .best_parallelism = 32,
        .best_block_bytes = s->part_bytes * (s->parallel < 4 ? s->parallel : 4),
    };
}

static const struct ms_backend_ops ops = {
    .create = ms_s3_create,
    .destroy = ms_s3_destroy,
    .open = ms_s3_open,
    .close = s3_close,
    .free = s3_free,
    .capabilities = s3_capabilities,
    .mkdir = ms_s3_mkdir,
    .rmdir = ms_s3_rmdir,
    .info = ms_s3_info,
    .load = ms_s3_load,
    .store = ms_s3_store,
    .remove = ms_s3_remove,
    .move = ms_s3_move,
    .list = ms_s3_list,
    .write = ms_s3_write,
    .read = ms_s3_read,
    .copy = ms_s3_copy,
    .sweep = ms_s3_sweep,
    .remove_many = ms_s3_remove_many,
};

static int set_login(struct ms_s3 *s, struct ms_s3_place *p, struct ms_s3_credentials *found,
                     struct ms_error *err)
{
    bool said = p->id;
    int code = said ? 0 : ms_s3_credentials_find(p->profile, found, err);
    if (code)
        return code;
    s->id = MS_TAKE(*(said ? &p->id : &found->id));
    s->secret = MS_TAKE(*(said ? &p->secret : &found->secret));
    s->token = MS_TAKE(found->token);
    /* they stand in headers, of which a line's end would begin another */
    if (strpbrk(s->id, "\r\n ,/") || strpbrk(s->secret, "\r\n") ||
        (s->token && strpbrk(s->token, "\r\n")))
        return ms_error_set(err, MS_ERR_AUTH,
                            "the S3 credentials have characters that none have (a blank or the end "
                            "of a line?)");
    return 0;
}

/* From what the URL, the environment or the profile says, else the provider's own. */
static int set_endpoint(struct ms_s3 *s, struct ms_s3_place *p, const char *said, bool b2,
                        const char *region, struct ms_error *err)
{
    struct ms_s3_place from = {0};
    int code = 0;
    if (!p->host && said) {
        const char *text = said;
        code = parse_endpoint(&text, &from, err);
        if (!code && !from.host)
            code = ms_error_set(err, MS_ERR_URL, "the endpoint_url of the S3 settings is no URL");
    }
    const char *scheme = p->scheme ? p->scheme : from.scheme ? from.scheme : "https";
    const char *host = p->host ? p->host : from.host;
    char own[128];
    if (!code && strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
        code = ms_error_set(err, MS_ERR_URL, "an S3 endpoint begins with https:// or http://");
    if (!host) {
        snprintf(own, sizeof own, b2 ? "s3.%s.backblazeb2.com" : "s3.%s.amazonaws.com",
                 region ? region
                 : b2   ? "us-west-002"
                        : "us-east-1");
        host = own;
        s->host_by_region = !b2;
    }
    if (!code) {
        size_t size = host_size(host);
        bool usual = strcmp(host + size, strcmp(scheme, "https") == 0 ? ":443" : ":80") == 0;
        s->scheme = strdup(scheme);
        s->host = usual ? strndup(host, size) : strdup(host);
        if (!s->scheme || !s->host)
            code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an S3 URL");
    }
    ms_s3_place_fini(&from);
    return code;
}

static int set_ways(struct ms_s3 *s, const struct options *o, const char *said_region, bool b2,
                    struct ms_error *err)
{
    const char *provider = o->provider ? o->provider : b2 ? "b2" : "";
    s->quirks = ms_s3_quirks_find(provider[0] ? provider : NULL, s->host);
    if (!s->quirks)
        return ms_error_set(err, MS_ERR_URL, "%s: the provider \"%s\" is unknown", s->base.url,
                            MS_SHOW(ms_str(provider)));
    const char *region = o->region ? o->region : said_region ? said_region : s->quirks->region;
    snprintf(s->region, sizeof s->region, "%s", region);
    s->virtual_host = o->style ? strcmp(o->style, "virtual") == 0 : s->quirks->virtual_host;
    if (o->style && s->virtual_host && s->host[0] == '[')
        return ms_error_set(err, MS_ERR_URL,
                            "%s: a bucket cannot stand before an IPv6 address; use style=path",
                            s->base.url);
    if (s->host[0] == '[')
        s->virtual_host = false;
    if (!o->style && strchr(s->bucket, '.') && strcmp(s->scheme, "https") == 0)
        s->virtual_host = false; /* no certificate covers such a name */
    s->if_absent = !o->if_absent                      ? s->quirks->if_absent
                   : strcmp(o->if_absent, "yes") == 0 ? MS_S3_YES
                   : strcmp(o->if_absent, "no") == 0  ? MS_S3_NO
                                                      : MS_S3_PROBE;
    /* few parts are larger ones, of which fewer are on their way, so that 10 GiB of unknown size
     * fit */
    bool few = s->quirks->parts_max < MS_S3_PARTS_MAX;
    s->part_bytes = o->part_bytes ? o->part_bytes : UINT64_C(1048576) * (few ? 12 : 8);
    s->copy_max_bytes = MS_S3_COPY_MAX;
    s->load_max_bytes = MS_S3_LOAD_MAX < SIZE_MAX / 2 ? MS_S3_LOAD_MAX : SIZE_MAX / 2;
    s->copy_part_bytes = MS_S3_COPY_PART;
    s->parallel = o->parallel ? (unsigned)o->parallel : few ? 2 : 4;
    return 0;
}

static int set_all(struct ms_s3 *s, struct ms_url *url, struct ms_s3_place *p, bool b2,
                   struct ms_error *err)
{
    struct ms_s3_credentials found = {0};
    struct options o = {0};
    int code = take_options(url, &o, err);
    if (!code)
        code = set_login(s, p, &found, err);
    const char *region = o.region ? o.region : found.region;
    if (!code)
        code = set_endpoint(s, p, found.endpoint, b2, region, err);
    if (!code) {
        s->bucket = MS_TAKE(p->bucket);
        if (asprintf(&s->prefix, "%s%s", p->path, p->path[0] ? "/" : "") < 0)
            s->prefix = NULL;
        code = s->prefix ? set_ways(s, &o, found.region, b2, err)
                         : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an S3 URL");
    }
    ms_s3_credentials_fini(&found);
    if (!code && o.insecure)
        ms_http_warn_insecure(s->host);
    const char *bundle = getenv("AWS_CA_BUNDLE");
    if (bundle && !*bundle)
        bundle = NULL;
    struct ms_http_options http = {.backend = &s->base,
                                   .host = s->host,
                                   .ca_file = o.ca ? o.ca : bundle,
                                   .no_verify = o.insecure,
                                   .stall_timeout_s = (unsigned)o.timeout_s,
                                   .connect_timeout_s =
                                       (unsigned)(o.timeout_s < 10 ? o.timeout_s : 10)};
    return code ? code : ms_http_new(&http, &s->http, err);
}

static int make(struct ms_url *url, const struct ms_backend_env *env, bool b2,
                struct ms_backend **out, struct ms_error *err)
{
    if (url->authority || url->user || url->host)
        return malformed(err);
    struct ms_s3_place place = {0};
    int code = ms_s3_place_parse(url->raw_path, &place, err);
    if (code)
        return code;
    struct ms_s3 *s = calloc(1, sizeof *s);
    if (!s) {
        ms_s3_place_fini(&place);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an S3 store");
    }
    s->base.ops = &ops;
    s->base.clock = env->clock;
    memcpy(s->base.url, url->safe, sizeof s->base.url);
    ms_mutex_init(&s->mutex);
    ms_random_seed(&s->random, env->seed ^ (uint64_t)(uintptr_t)s ^ ms_clock_now(env->clock));
    ms_retry_policy_init(&s->retry, ms_random_u64(&s->random));
    code = set_all(s, url, &place, b2, err);
    ms_s3_place_fini(&place);
    if (code)
        s3_free(&s->base);
    else
        *out = &s->base;
    return code;
}

static int make_s3(struct ms_url *url, const struct ms_backend_env *env, struct ms_backend **out,
                   struct ms_error *err)
{
    return make(url, env, false, out, err);
}

static int make_b2(struct ms_url *url, const struct ms_backend_env *env, struct ms_backend **out,
                   struct ms_error *err)
{
    return make(url, env, true, out, err);
}

#define USAGE "[PROFILE@|KEY:SECRET@][https://HOST[:PORT]]/BUCKET/PATH[?region=REGION][&ca=FILE]"
const struct ms_backend_type ms_backend_s3 = {"s3", "s3:" USAGE, make_s3};
const struct ms_backend_type ms_backend_b2 = {"b2", "b2:" USAGE, make_b2};
