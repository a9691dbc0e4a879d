/* A server of the REST protocol for tests: see rest_rig.h. */
#include "support/rest_rig.h"

#include "backends/rest/wire.h"
#include "base/assert.h"
#include "server/face.h"
#include "server/rest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct exchange_route *route(void *ctx, struct exchange *x)
{
    struct rest_rig *r = ctx;
    if (server_rest_accepts(x))
        return server_rest_route(x, r->served, exchange_path(x));
    exchange_reply_text(x, 406, "no");
    return NULL;
}

static void set(struct server_conf *conf, const char *section, const char *key, const char *value)
{
    struct ms_error err = {0};
    if (value && server_conf_set(conf, section, key, value, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
}

void rest_rig_start(struct rest_rig *r, const char *store, const char *permissions,
                    const char *quota)
{
    struct server_conf *conf;
    struct ms_error err = {0};
    ms_assert(server_conf_new("the test", &conf, &err) == 0);
    ms_assert(server_conf_serve_begin(conf, "it", &err) == 0);
    set(conf, "serve", "store", store);
    set(conf, "serve", "path", "/");
    set(conf, "serve", "user", "anyone");
    set(conf, "serve", "permissions", permissions);
    set(conf, "serve", "quota", quota);
    int code = server_site_new(conf, NULL, &server_faces_usual, &r->site, &err);
    if (code)
        fprintf(stderr, "%s\n", err.text);
    ms_assert(code == 0);
    r->served = server_site_at(r->site, 0);
    toy_start_router(&r->http, route, r);
}

void rest_rig_stop(struct rest_rig *r)
{
    toy_stop(&r->http);
    server_site_unref(r->site);
}

void rest_rig_url(const struct rest_rig *r, char *url, size_t size)
{
    snprintf(url, size, "http://127.0.0.1:%s", r->http.port);
}

struct rest_answer rest_ask(const struct rest_rig *r, const char *what, const char *headers,
                            const char *body)
{
    static _Thread_local char request[1 << 16], answer[1 << 20];
    size_t size = body ? strlen(body) : 0, got = 0;
    ssize_t n;
    int length = snprintf(request, sizeof request,
                          "%s HTTP/1.1\r\nHost: rig\r\nConnection: close\r\nAccept: %s\r\n"
                          "Content-Length: %zu\r\n%s\r\n%s",
                          what, MS_REST_ACCEPT, size, headers, body ? body : "");
    ms_assert(length > 0 && (size_t)length < sizeof request);
    int fd = toy_connect(&r->http);
    toy_send(fd, request);
    while (got + 1 < sizeof answer && (n = read(fd, answer + got, sizeof answer - 1 - got)) > 0)
        got += (size_t)n;
    close(fd);
    answer[got] = '\0';
    char *blank = strstr(answer, "\r\n\r\n");
    ms_assert(blank && strncmp(answer, "HTTP/1.1 ", 9) == 0);
    blank[2] = '\0';
    return (struct rest_answer){.status = atoi(answer + 9),
                                .head = answer,
                                .body = blank + 4,
                                .size = got - (size_t)(blank + 4 - answer)};
}
