/* server/permissions_json.c - see server/permissions_json.h. */
#include "server/permissions_json.h"

#include "base/cleanup.h"
#include "base/json_read.h"
#include "base/text.h"
#include "store/permission_map.h"

#include <stdio.h>

static int wrong(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_CONFIG,
                        "permissions: JSON must be one object of strings, as in {\"\": \"lr\", "
                        "\"data\": \"lrw\"}");
}

static int add_pair(struct ms_json_reader *r, const struct ms_json_token *key, FILE *map,
                    struct ms_error *err)
{
    struct ms_json_token value;
    if (memchr(key->text.data, '"', key->text.size) || memchr(key->text.data, 0, key->text.size))
        return ms_error_set(err, MS_ERR_CONFIG, "permissions: \"%s\" cannot be a path",
                            MS_SHOW(key->text));
    fprintf(map, "\"%.*s\":", (int)key->text.size, (const char *)key->text.data);
    int code = ms_json_next(r, &value, err);
    if (code)
        return code;
    if (value.kind != MS_JSON_STRING)
        return wrong(err);
    for (size_t i = 0; i < value.text.size; i++)
        if (!value.text.data[i] || !strchr("lrwWD", value.text.data[i]))
            return ms_error_set(err, MS_ERR_CONFIG, "permissions: \"%s\" must be letters of lrwWD",
                                MS_SHOW(value.text));
    fprintf(map, "%.*s ", (int)value.text.size, (const char *)value.text.data);
    return 0;
}

static int pairs(struct ms_json_reader *r, FILE *map, struct ms_error *err)
{
    struct ms_json_token token;
    int code = ms_json_next(r, &token, err);
    if (!code && token.kind != MS_JSON_OBJECT)
        code = wrong(err);
    while (!code && !(code = ms_json_next(r, &token, err)) && token.kind == MS_JSON_KEY)
        code = add_pair(r, &token, map, err);
    return code ? code : ms_json_next(r, &token, err); /* nothing behind the object */
}

static int from_json(const char *text, char **out, struct ms_error *err)
{
    MS_AUTO_FREE char *map = NULL;
    size_t size;
    FILE *file = open_memstream(&map, &size);
    if (!file)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the permissions");
    struct ms_json_reader r;
    ms_json_read_init(&r, ms_str(text));
    int code = pairs(&r, file, err);
    ms_json_read_fini(&r);
    if (fclose(file) != 0 && !code)
        code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the permissions");
    if (code == MS_ERR_FORMAT)
        code = ms_error_prefix(err, MS_ERR_CONFIG, "permissions");
    if (!code)
        *out = MS_TAKE(map);
    return code;
}

int server_permissions_text(const char *text, char **out, struct ms_error *err)
{
    MS_AUTO_FREE char *map = NULL;
    struct ms_permission_map *parsed;
    int code = 0;
    if (*text == '{')
        code = from_json(text, &map, err);
    else if (!(map = strdup(text)))
        code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the permissions");
    if (!code)
        code = ms_permission_map_parse(map, &parsed, err);
    if (code)
        return code;
    ms_permission_map_free(parsed);
    *out = MS_TAKE(map);
    return 0;
}
