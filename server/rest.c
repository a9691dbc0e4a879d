/* server/rest.c - which request is what, and how requests end: see server/rest.h. */
#include "server/rest.h"

#include "backends/rest/wire.h"
#include "base/text.h"
#include "server/rest_parts.h"
#include "store/names.h"

#include <stdlib.h>
#include <string.h>

bool server_rest_accepts(const struct exchange *x)
{
    const char *accept = exchange_header(x, "Accept");
    return accept && strcmp(accept, MS_REST_ACCEPT) == 0;
}

/* ---- answers ---- */

void rest_fail(struct exchange *x, const struct ms_error *err)
{
    const struct rest_call *c = rest_call_of(x);
    struct ms_error shown = *err;
    if (!shown.code)
        shown.code = MS_ERR_INTERNAL;
    rest_scrub(err->text, c && c->b ? c->b->url : NULL, shown.text, sizeof shown.text);
    exchange_fail(x, &shown);
}

void rest_no_cache(struct exchange *x)
{
    exchange_header_add(x, "Cache-Control", "no-store, no-cache, must-revalidate, max-age=0");
}

void rest_reply_text(struct exchange *x, const char *text)
{
    rest_no_cache(x);
    exchange_reply(x, 200, "text/plain", text, strlen(text));
}

void rest_end(struct exchange *x, int code, const struct ms_error *err)
{
    if (code) {
        rest_fail(x, err);
        return;
    }
    rest_no_cache(x);
    exchange_reply(x, 200, NULL, "", 0);
}

static void refuse(struct exchange *x, int code, const char *why)
{
    struct ms_error err = {0};
    (void)ms_error_set(&err, code, "%s", why);
    rest_fail(x, &err);
}

/* ---- the store ---- */

bool rest_enter(struct exchange *x)
{
    struct rest_call *c = rest_call_of(x);
    struct ms_error err = {0};
    if (c->store)
        return true;
    if (rest_store_enter(c->served, &c->store, &err)) {
        rest_fail(x, &err);
        return false;
    }
    c->b = c->store->backend;
    return true;
}

void rest_done(struct exchange *x, bool complete)
{
    struct rest_call *c = rest_call_of(x);
    (void)complete;
    if (!c)
        return;
    if (c->writer)
        ms_writer_abort(c->writer);
    if (c->store) {
        rest_store_unclaim(c->store, c->claim);
        rest_store_leave(c->served);
    }
    ms_buf_unref(c->first);
    ms_hash_free(c->hash);
    free(c->body);
    free(c->name);
    free(c);
    exchange_set_state(x, NULL);
}

/* ---- names ---- */

int rest_check_name(const char *name, struct ms_error *err)
{
    struct ms_view view = ms_str(name);
    const char *fault = view.size > MS_NAME_MAX ? "it is too long" : ms_namespace_fault(view);
    return fault ? ms_error_set(err, MS_ERR_NAME, "bad name \"%s\": %s", MS_SHOW(view), fault) : 0;
}

/* Slashes in front collapse; one behind says that a directory is meant. */
static struct rest_call *new_call(struct server_served *served, const char *rest)
{
    struct rest_call *c = calloc(1, sizeof *c);
    const char *name = rest + strspn(rest, "/");
    size_t size = strlen(name), all = strlen(rest);
    if (!c)
        return NULL;
    c->served = served;
    c->slash = all && rest[all - 1] == '/';
    while (c->slash && size && name[size - 1] == '/')
        size--;
    c->name = strndup(name, size);
    if (!c->name) {
        free(c);
        return NULL;
    }
    return c;
}

/* ---- which request is what ---- */

static const struct {
    const char *method, *cmd; /* cmd NULL: none */
    const struct exchange_route *route;
    enum { ANY, NAMED, ROOT } name; /* what the path must be; ANY: its own business */
} requests[] = {
    {"HEAD", NULL, &rest_route_head, ANY},        {"GET", NULL, &rest_route_get, ANY},
    {"POST", NULL, &rest_route_store, NAMED},     {"DELETE", NULL, &rest_route_delete, NAMED},
    {"POST", "create", &rest_route_create, ROOT}, {"DELETE", "destroy", &rest_route_destroy, ROOT},
    {"POST", "mkdir", &rest_route_mkdir, ANY},    {"DELETE", "rmdir", &rest_route_rmdir, ANY},
    {"POST", "move", &rest_route_move, ROOT},     {"POST", "hash", &rest_route_hash, NAMED},
    {"POST", "quota", &rest_route_quota, ROOT},   {"POST", "defrag", &rest_route_defrag, ROOT},
};
#define REQUESTS (sizeof requests / sizeof *requests)

static bool is_request(size_t i, const struct exchange *x, const char *cmd)
{
    if (!exchange_method_is(x, requests[i].method))
        return false;
    return cmd ? requests[i].cmd && strcmp(cmd, requests[i].cmd) == 0 : !requests[i].cmd;
}

static const struct exchange_route *unknown(struct exchange *x, const char *cmd)
{
    bool known = false;
    for (size_t i = 0; i < REQUESTS; i++)
        known = known || exchange_method_is(x, requests[i].method);
    if (known && cmd)
        refuse(x, MS_ERR_INVALID, "no such cmd for this method");
    else
        refuse(x, MS_ERR_UNSUPPORTED, "no such method");
    return NULL;
}

static int check(const struct rest_call *c, size_t i, struct ms_error *err)
{
    bool named = c->name[0] != '\0';
    bool get = requests[i].route == &rest_route_get || requests[i].route == &rest_route_head;
    if (requests[i].name == ROOT && named)
        return ms_error_set(err, MS_ERR_INVALID, "this cmd is about the store, at /");
    if (requests[i].name == NAMED && !named)
        return ms_error_set(err, MS_ERR_INVALID, "a name is missing");
    if (requests[i].name == NAMED && c->slash)
        return ms_error_set(err, MS_ERR_NAME, "bad name \"%s/\": it ends with '/'",
                            MS_SHOW(ms_str(c->name)));
    if (!named && !get && requests[i].name == ANY)
        return ms_error_set(err, MS_ERR_INVALID, "a name is missing");
    return named ? rest_check_name(c->name, err) : 0;
}

const struct exchange_route *server_rest_route(struct exchange *x, struct server_served *served,
                                               const char *rest)
{
    struct ms_error err = {0};
    /* GET and HEAD have no cmd: it is nobody's there */
    bool get = exchange_method_is(x, "GET") || exchange_method_is(x, "HEAD");
    const char *cmd = get ? NULL : exchange_query(x, "cmd");
    size_t i = 0;
    if (!get && !exchange_query_is_sound(x)) {
        refuse(x, MS_ERR_INVALID, "the query has a broken %");
        return NULL;
    }
    while (i < REQUESTS && !is_request(i, x, cmd))
        i++;
    if (i == REQUESTS)
        return unknown(x, cmd);
    struct rest_call *c = new_call(served, rest);
    if (!c) {
        refuse(x, MS_ERR_NO_MEMORY, "no memory for a request");
        return NULL;
    }
    exchange_set_state(x, c);
    if (check(c, i, &err)) {
        rest_fail(x, &err);
        rest_done(x, false);
        return NULL;
    }
    if (requests[i].route == &rest_route_get && (c->slash || !c->name[0]))
        return &rest_route_list;
    return requests[i].route;
}
