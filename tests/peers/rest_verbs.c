/* What each request does: the protocol's table over one of our own backends, opened for each
 * request as BorgStore's server does. */
#include "peers/rest_peer.h"

#include "backends/rest/wire.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/json_read.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- replies ---- */

static void say(struct reply *out, int status, const char *type, const char *text)
{
    out->status = status;
    out->type = type;
    out->body = ms_buf_copy(ms_str(text));
    snprintf(out->reason, sizeof out->reason, "%s", status < 300 ? "OK" : text);
    for (char *c = out->reason; *c; c++)
        if (!isprint((unsigned char)*c))
            *c = ' ';
}

/* As BorgStore's server: what it says is in the status line, and in a page. */
static void refuse(struct reply *out, int status, const char *text)
{
    char page[1024], *to = page, *end = page + sizeof page - 64;
    say(out, status, "text/html;charset=utf-8", text);
    to += sprintf(to, "<p>Error code: %d</p>\n<p>Message: ", status);
    for (const char *c = text; *c && to < end; c++)
        to += sprintf(to, *c == '&' ? "&amp;" : *c == '<' ? "&lt;" : *c == '>' ? "&gt;" : "%c", *c);
    strcpy(to, ".</p>\n");
    ms_buf_unref(out->body);
    out->body = ms_buf_copy(ms_str(page));
}

static void fail(struct reply *out, const struct ms_error *err)
{
    static const struct {
        int code, status;
    } map[] = {
        {MS_ERR_NOT_FOUND, 404},  {MS_ERR_NO_STORE, 410},     {MS_ERR_STORE_EXISTS, 409},
        {MS_ERR_EXISTS, 409},     {MS_ERR_MUST_BE_OPEN, 412}, {MS_ERR_MUST_NOT_BE_OPEN, 412},
        {MS_ERR_PERMISSION, 403}, {MS_ERR_ACCESS, 403},       {MS_ERR_QUOTA, 507},
        {MS_ERR_NO_SPACE, 507},   {MS_ERR_RANGE, 416},        {MS_ERR_INVALID, 400},
        {MS_ERR_NAME, 400},       {MS_ERR_FORMAT, 400},
    };
    int status = 500;
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (map[i].code == err->code)
            status = map[i].status;
    refuse(out, status, err->text);
}

static void result(struct reply *out, int code, const struct ms_error *err)
{
    if (code)
        fail(out, err);
    else
        say(out, 200, NULL, "");
}

/* ---- arguments ---- */

/* A value of the query, decoded, malloc'ed; NULL when absent or blank. */
static char *argument(const struct request *r, const char *key)
{
    size_t key_size = strlen(key);
    for (const char *at = r->query; *at;) {
        size_t size = strcspn(at, "&");
        if (size > key_size + 1 && strncmp(at, key, key_size) == 0 && at[key_size] == '=') {
            char *text = calloc(1, size + 1), *to = text;
            for (size_t i = key_size + 1; text && i < size; i++) {
                unsigned byte = (unsigned char)at[i];
                if (byte == '%' && size - i > 2 && sscanf(at + i + 1, "%2x", &byte) == 1)
                    i += 2;
                else if (byte == '+')
                    byte = ' ';
                *to++ = (char)byte;
            }
            return text;
        }
        at += size;
        at += *at == '&';
    }
    return NULL;
}

/* BorgStore's rule for names, but for their length. */
static bool valid(const char *name)
{
    size_t size = strlen(name);
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c >= 0x80 || isupper((unsigned char)*c) || *c == '\\' || *c == ' ')
            return false;
    if (strstr(name, "..") || (size >= 4 && (strcmp(name + size - 4, ".tmp") == 0 ||
                                             strcmp(name + size - 4, ".hid") == 0)))
        return false;
    return true;
}

/* The path without the slashes around it, malloc'ed. */
static char *name_of(const struct request *r)
{
    const char *at = r->path + strspn(r->path, "/");
    size_t size = strlen(at);
    while (size && at[size - 1] == '/')
        size--;
    return strndup(at, size);
}

/* ---- quota ---- */

static int64_t used(struct ms_backend *b, const char *name)
{
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    int64_t sum = 0;
    if (ms_backend_list(b, ms_str(name), NULL, &l, NULL))
        return 0;
    while (ms_lister_next(l, &e, NULL) == 0 && e) {
        char below[5000];
        snprintf(below, sizeof below, "%s%s%.*s", name, *name ? "/" : "", (int)e->name.size,
                 (const char *)e->name.data);
        sum += e->info.directory ? used(b, below) : (int64_t)e->info.size_bytes;
    }
    ms_lister_close(l);
    return sum;
}

static bool too_much(struct ms_backend *b, const char *name, size_t size, struct reply *out)
{
    struct ms_info before = {0};
    if (settings.quota < 0 || ms_backend_info(b, ms_str(name), &before, NULL))
        return false;
    int64_t wanted = used(b, "") - (int64_t)before.size_bytes + (int64_t)size;
    if (wanted <= settings.quota)
        return false;
    char text[128];
    snprintf(text, sizeof text, "Quota exceeded: %lld > %lld", (long long)wanted,
             (long long)settings.quota);
    refuse(out, 507, text);
    return true;
}

static void tell_quota(struct ms_backend *b, struct reply *out)
{
    char text[128];
    snprintf(text, sizeof text, "{\"limit\": %lld, \"usage\": %lld}", (long long)settings.quota,
             settings.quota < 0 ? -1LL : (long long)used(b, ""));
    say(out, 200, "application/json", text);
}

/* ---- verbs ---- */

static void head(struct ms_backend *b, const char *name, struct reply *out)
{
    struct ms_info info = {0};
    struct ms_error err = {0};
    int code = ms_backend_info(b, ms_str(name), &info, &err);
    if (!code && !info.exists)
        code = ms_error_set(&err, MS_ERR_NOT_FOUND, "%s", name);
    result(out, code, &err);
    if (code)
        return;
    snprintf(out->headers, sizeof out->headers,
             "Content-Length: %llu\r\nX-BorgStore-Is-Directory: %s\r\nX-BorgStore-Atime: %.6f\r\n",
             (unsigned long long)info.size_bytes, info.directory ? "true" : "false",
             settings.no_atime ? 0.0 : (double)info.atime_ns / 1e9);
}

static void list(struct ms_backend *b, const char *name, struct reply *out)
{
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    struct ms_error err = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    struct ms_json json;
    ms_json_init(&json, file);
    int code = ms_backend_list(b, ms_str(name), NULL, &l, &err);
    ms_json_array(&json);
    while (!code && !(code = ms_lister_next(l, &e, &err)) && e) {
        ms_json_object(&json);
        ms_json_key(&json, "name");
        ms_json_string(&json, e->name);
        ms_json_key(&json, "size");
        ms_json_u64(&json, e->info.size_bytes);
        ms_json_key(&json, "directory");
        ms_json_bool(&json, e->info.directory);
        ms_json_key(&json, "atime");
        ms_json_double(&json, (double)e->info.atime_ns / 1e9);
        ms_json_end(&json, '}');
    }
    ms_json_end(&json, ']');
    ms_lister_close(l);
    fclose(file);
    if (code)
        fail(out, &err);
    else
        say(out, 200, "application/json", text);
    free(text);
}

static void load(struct ms_backend *b, const struct request *r, const char *name, struct reply *out)
{
    struct ms_rest_range range = {0, MS_SIZE_TO_END};
    struct ms_error err = {0};
    char *header = request_header(r, "range");
    int code = header ? ms_rest_range_parse(ms_str(header), &range, &err) : 0;
    struct ms_buf *value = NULL;
    if (!code)
        code = ms_backend_load(b, ms_str(name), range.offset, range.size, &value, NULL, &err);
    if (code)
        fail(out, &err);
    else
        *out = (struct reply){.status = header ? 206 : 200,
                              .reason = "OK",
                              .type = "application/octet-stream",
                              .body = value};
    free(header);
}

static void store(struct ms_backend *b, const struct request *r, const char *name,
                  struct reply *out)
{
    struct ms_error err = {0};
    struct ms_buf_borrowed place;
    char *wanted = request_header(r, "x-content-hash-sha256"), hex[MS_SHA256_HEX];
    struct ms_view body = ms_view(r->body, r->body_size);
    int code = ms_sha256_hex(body, hex, &err);
    if (!wanted) { /* BorgStore's does without, but its client always sends it */
        refuse(out, 400, "no X-Content-hash-sha256");
    } else if (!code && strcmp(wanted, hex) != 0) {
        refuse(out, 422, "Content hash verification failed, please retry");
    } else if (code || !too_much(b, name, r->body_size, out)) {
        if (!code)
            code = ms_backend_store(b, ms_str(name), ms_buf_borrow(&place, body), NULL, NULL, &err);
        result(out, code, &err);
    }
    free(wanted);
}

static void hash(struct ms_backend *b, const struct request *r, const char *name, struct reply *out)
{
    struct ms_error err = {0};
    char hex[MS_HASH_HEX_MAX];
    char *algorithm = argument(r, "algorithm");
    int code =
        ms_backend_hash(b, ms_str(name), algorithm ? algorithm : "sha256", hex, sizeof hex, &err);
    if (code)
        fail(out, &err);
    else
        say(out, 200, "text/plain", hex);
    free(algorithm);
}

static void move(struct ms_backend *b, const struct request *r, struct reply *out)
{
    struct ms_error err = {0};
    char *from = argument(r, "current"), *to = argument(r, "new");
    if (!from || !to)
        refuse(out, 400, "Missing current or new name for move");
    else if (!valid(from) || !valid(to))
        refuse(out, 400, "invalid name");
    else
        result(out, ms_backend_move(b, ms_str(from), ms_str(to), NULL, &err), &err);
    free(from);
    free(to);
}

/* [[name, offset, size], …] */
static int take_parts(struct ms_json_reader *json, struct ms_part *parts, size_t *count,
                      struct ms_error *err)
{
    struct ms_json_token t;
    int code = ms_json_next(json, &t, err);
    while (!code && !(code = ms_json_next(json, &t, err)) && t.kind == MS_JSON_ARRAY) {
        struct ms_part *p = &parts[*count];
        code = ms_json_next(json, &t, err);
        char *name = strndup((const char *)t.text.data, code ? 0 : t.text.size);
        p->name = ms_str(name);
        ++*count;
        if (!code && !valid(name))
            code = ms_error_set(err, MS_ERR_NAME, "invalid name");
        if (!code)
            code = ms_json_next(json, &t, err);
        if (!code)
            code = ms_json_token_u64(&t, &p->offset, err);
        if (!code)
            code = ms_json_next(json, &t, err);
        if (!code)
            code = ms_json_token_u64(&t, &p->size, err);
        if (!code)
            code = ms_json_next(json, &t, err);
    }
    return code;
}

static void defrag(struct ms_backend *b, const struct request *r, struct reply *out)
{
    struct ms_error err = {0};
    struct ms_json_reader json;
    size_t count = 0;
    char *target = argument(r, "target");
    struct ms_part *parts = calloc(r->body_size + 1, sizeof *parts);
    ms_json_read_init(&json, ms_view(r->body, r->body_size));
    if (!target || !valid(target) || !parts) {
        refuse(out, 400, "Missing target or algorithm for defrag");
    } else {
        int code = take_parts(&json, parts, &count, &err);
        if (!code)
            code = ms_backend_compose(b, parts, count, ms_str(target), NULL, &err);
        if (code)
            fail(out, &err);
        else
            say(out, 200, "text/plain", target);
    }
    ms_json_read_fini(&json);
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)parts[i].name.data);
    free(parts);
    free(target);
}

/* ---- one request ---- */

static void serve_open(struct ms_backend *b, const struct request *r, const char *command,
                       const char *name, struct reply *out)
{
    struct ms_error err = {0};
    size_t size = strlen(r->path);
    if (strcmp(r->method, "HEAD") == 0)
        head(b, name, out);
    else if (strcmp(r->method, "GET") == 0 && size && r->path[size - 1] == '/')
        list(b, name, out);
    else if (strcmp(r->method, "GET") == 0)
        load(b, r, name, out);
    else if (strcmp(r->method, "DELETE") == 0 && strcmp(command, "rmdir") == 0)
        result(out, ms_backend_rmdir(b, ms_str(name), &err), &err);
    else if (strcmp(r->method, "DELETE") == 0)
        result(out, ms_backend_delete(b, ms_str(name), &err), &err);
    else if (strcmp(r->method, "POST") != 0)
        refuse(out, 501, "Unsupported method");
    else if (strcmp(command, "move") == 0)
        move(b, r, out);
    else if (strcmp(command, "mkdir") == 0)
        result(out, ms_backend_mkdir(b, ms_str(name), &err), &err);
    else if (strcmp(command, "hash") == 0)
        hash(b, r, name, out);
    else if (strcmp(command, "quota") == 0)
        tell_quota(b, out);
    else if (strcmp(command, "defrag") == 0)
        defrag(b, r, out);
    else if (*name)
        store(b, r, name, out);
    else
        refuse(out, 400, "Bad Request");
}

/* The backend a path is about; what is left of the path is about a name in it. */
static int backend_of(struct request *r, struct ms_backend **out, struct ms_error *err)
{
    char url[4600];
    size_t size = strcspn(r->path + 1, "/");
    if (!settings.stores)
        return ms_backend_make(settings.backend, NULL, out, err);
    if (r->path[0] != '/' || !size || size > 255 || r->path[1] == '.')
        return ms_error_set(err, MS_ERR_NAME, "no store of that name");
    snprintf(url, sizeof url, "file://%s/%.*s?sync=none", settings.stores, (int)size, r->path + 1);
    r->path += 1 + size;
    return ms_backend_make(url, NULL, out, err);
}

void serve(const struct request *asked, struct reply *out)
{
    struct ms_backend *b = NULL;
    struct ms_error err = {0};
    struct request own = *asked, *r = &own;
    int code = backend_of(r, &b, &err);
    char *command = argument(r, "cmd"), *name = name_of(r);
    const char *cmd = command ? command : "";
    if (!code && !valid(name)) {
        refuse(out, 400, "invalid name");
    } else if (!code && strcmp(cmd, "create") == 0) {
        result(out, ms_backend_create(b, &err), &err);
    } else if (!code && strcmp(cmd, "destroy") == 0) {
        result(out, ms_backend_destroy(b, &err), &err);
    } else {
        if (!code)
            code = ms_backend_open(b, &err);
        if (code)
            fail(out, &err);
        else
            serve_open(b, r, cmd, name, out);
    }
    ms_backend_free(b);
    free(command);
    free(name);
}
