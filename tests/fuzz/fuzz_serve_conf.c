/* The server's configuration and its file of users: a sentence with the place, or what was
 * understood keeps its promises. */
#include "fuzz.h"

#include "server/permissions_json.h"
#include "server/serve_conf.h"
#include "server/users.h"
#include "store/permission_map.h"

#include <stdlib.h>

static void check_error(int code, const struct ms_error *err)
{
    ms_assert(code == MS_ERR_CONFIG && err->code == code);
    ms_assert(strncmp(err->text, "FILE:", 5) == 0 || strncmp(err->text, "FILE ", 5) == 0);
}

static void check_serve(const struct server_conf_serve *s)
{
    ms_assert(s->name[0] && s->path && (!s->path[0] || s->path[0] == '/'));
    ms_assert(!strstr(s->path, "//") && !strstr(s->path, "/../"));
    ms_assert(!s->anyone || !s->users.count);
    if (!s->permissions)
        return;
    struct ms_permission_map *map = NULL;
    ms_assert(ms_permission_map_parse(s->permissions, &map, NULL) == 0);
    ms_permission_map_free(map);
}

static void check_conf(struct ms_view input)
{
    struct server_conf *conf = NULL;
    struct ms_error err = {0};
    int code = server_conf_parse(input, "FILE", &conf, &err);
    if (code) {
        check_error(code, &err);
        return;
    }
    ms_assert(conf->serve_count <= SERVER_STORES_MAX);
    for (size_t i = 0; i < conf->serve_count; i++)
        check_serve(&conf->serves[i]);
    code = server_conf_check(conf, &err);
    if (code)
        check_error(code, &err);
    else
        ms_assert(conf->serve_count && !conf->tls_cert == !conf->tls_key);
    server_conf_free(conf);
}

static void check_users(struct ms_view input)
{
    struct server_users *users = NULL;
    struct ms_error err = {0};
    int code = server_users_parse(input, "FILE", &users, &err);
    if (code)
        check_error(code, &err);
    else
        ms_assert(server_users_count(users) > 0 && !server_users_token(users, input));
    server_users_unref(users);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ms_view input = ms_view(data, size);
    check_conf(input);
    check_users(input);
    return 0;
}
