/* server/rest_parts.c - the body of a defrag, read strictly: see server/rest_parts.h. */
#include "server/rest_parts.h"

#include "base/json_read.h"

#include <stdlib.h>
#include <string.h>

static int no_parts(const char *why, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_FORMAT, "the body is not [[name, offset, size], ...]: %s", why);
}

static int expect(struct ms_json_reader *r, enum ms_json_kind kind, struct ms_json_token *t,
                  const char *why, struct ms_error *err)
{
    int code = ms_json_next(r, t, err);
    return code || t->kind == kind ? code : no_parts(why, err);
}

static int take_number(struct ms_json_reader *r, uint64_t *out, struct ms_error *err)
{
    struct ms_json_token t;
    int code = expect(r, MS_JSON_NUMBER, &t, "offset and size are whole numbers", err);
    if (!code)
        code = ms_json_token_u64(&t, out, err);
    if (!code && *out > INT64_MAX)
        code = no_parts("a number is too large", err);
    return code;
}

/* Names lie one behind the other, each with a NUL; there is room for all of the text's. */
static int take_name(struct ms_json_reader *r, struct rest_parts *p, size_t *used,
                     struct ms_view *out, struct ms_error *err)
{
    struct ms_json_token t;
    int code = expect(r, MS_JSON_STRING, &t, "a name is missing", err);
    if (code)
        return code;
    char *name = p->names + *used;
    if (t.text.size > MS_NAME_MAX || memchr(t.text.data, 0, t.text.size))
        return no_parts("a name is too long, or has a NUL", err);
    memcpy(name, t.text.data, t.text.size);
    name[t.text.size] = '\0';
    *used += t.text.size + 1;
    *out = ms_view(name, t.text.size);
    return rest_check_name(name, err);
}

static int take_part(struct ms_json_reader *r, struct rest_parts *p, size_t *used,
                     struct ms_error *err)
{
    struct ms_part *part = &p->parts[p->count];
    struct ms_json_token t;
    if (p->count == REST_PARTS_MAX)
        return ms_error_set(err, MS_ERR_TOO_LARGE, "more than %d parts", REST_PARTS_MAX);
    int code = take_name(r, p, used, &part->name, err);
    if (!code)
        code = take_number(r, &part->offset, err);
    if (!code)
        code = take_number(r, &part->size, err);
    if (!code)
        code = expect(r, MS_JSON_CLOSE, &t, "a part has three things", err);
    p->count += !code;
    return code;
}

static int take_all(struct ms_json_reader *r, struct rest_parts *p, struct ms_error *err)
{
    struct ms_json_token t;
    size_t used = 0;
    int code = expect(r, MS_JSON_ARRAY, &t, "it is no array", err);
    while (!code) {
        code = ms_json_next(r, &t, err);
        if (code || t.kind == MS_JSON_CLOSE)
            break;
        code = t.kind == MS_JSON_ARRAY ? take_part(r, p, &used, err)
                                       : no_parts("a part is an array", err);
    }
    return code ? code : expect(r, MS_JSON_DONE, &t, "more follows", err);
}

int rest_parts_parse(struct ms_view json, struct rest_parts *out, struct ms_error *err)
{
    struct ms_json_reader r;
    struct rest_parts p = {0};
    if (json.size > REST_PARTS_TEXT)
        return ms_error_set(err, MS_ERR_TOO_LARGE, "the list of parts is too long");
    /* the shortest part is ["a",0,0], and a name in JSON is no shorter than itself */
    size_t most = json.size / 9 + 1;
    p.parts = calloc(most < REST_PARTS_MAX ? most : REST_PARTS_MAX, sizeof *p.parts);
    p.names = malloc(json.size + 1);
    if (!p.parts || !p.names) {
        rest_parts_fini(&p);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the parts");
    }
    ms_json_read_init(&r, json);
    int code = take_all(&r, &p, err);
    ms_json_read_fini(&r);
    if (code)
        rest_parts_fini(&p);
    else
        *out = p;
    return code;
}

void rest_parts_fini(struct rest_parts *p)
{
    free(p->parts);
    free(p->names);
    *p = (struct rest_parts){0};
}
