/* A directory's listing: the server's JSON into sorted entries. The names are decoded into one
 * piece of memory that is never larger than the text they came from. */
#include "backends/rest/wire.h"

#include "backends/name.h"
#include "base/json_read.h"
#include "base/log.h"
#include "base/text.h"

#include <stdlib.h>

struct parse {
    struct ms_json_reader json;
    struct ms_rest_listing list;
    size_t room, names_size;
};

void ms_rest_listing_fini(struct ms_rest_listing *l)
{
    free(l->entries);
    free(l->names);
    *l = (struct ms_rest_listing){0};
}

static int no_listing(const char *what, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_PROTOCOL, "a listing that is none: %s", what);
}

/* JSON that is none is a server that speaks something else. */
static int as_listing(int code, const struct ms_error *local, struct ms_error *err)
{
    if (code == MS_ERR_FORMAT)
        return no_listing(local->text, err);
    return code ? ms_error_set(err, code, "%s", local->text) : 0;
}

static int next(struct parse *p, struct ms_json_token *t, struct ms_error *err)
{
    struct ms_error local = {0};
    return as_listing(ms_json_next(&p->json, t, &local), &local, err);
}

static int take_name(struct parse *p, struct ms_view wire, struct ms_rest_entry *e, bool *good)
{
    uint8_t *to = p->list.names + p->names_size;
    size_t size = 0;
    bool plain = wire.size && ms_rest_plain_name(wire, to, &size);
    struct ms_view name = ms_view(to, size);
    *good = plain && !ms_name_hidden(name) && !memchr(name.data, '/', name.size) &&
            !ms_name_check(name, MS_NAME_MAX, NULL);
    if (!plain)
        ms_log(MS_LOG_WARN, "a listing holds \"%s\", which is no name here: left out",
               MS_SHOW(wire));
    if (*good) {
        e->name = name;
        p->names_size += size;
    }
    return 0;
}

static int take_field(struct parse *p, struct ms_view key, struct ms_rest_entry *e, bool *named,
                      bool *good, struct ms_error *err)
{
    enum { NAME, SIZE, DIRECTORY, ATIME, OTHER } field = OTHER;
    static const char *const fields[] = {"name", "size", "directory", "atime"};
    for (int i = 0; i < 4; i++)
        if (ms_equal(key, ms_str(fields[i])))
            field = i;
    struct ms_json_token t;
    int code = next(p, &t, err);
    if (code)
        return code;
    if (field == NAME) {
        if (t.kind != MS_JSON_STRING || *named)
            return no_listing("a name is no text", err);
        *named = true;
        return take_name(p, t.text, e, good);
    }
    if (field == SIZE && ms_json_token_u64(&t, &e->size_bytes, NULL))
        return no_listing("a size is no number", err);
    if (field == DIRECTORY) {
        if (t.kind != MS_JSON_TRUE && t.kind != MS_JSON_FALSE)
            return no_listing("\"directory\" is neither true nor false", err);
        e->directory = t.kind == MS_JSON_TRUE;
    }
    if (field == ATIME && t.kind == MS_JSON_NUMBER)
        e->atime_ns = ms_rest_seconds(t.text);
    struct ms_error local = {0};
    return as_listing(ms_json_skip(&p->json, &t, &local), &local, err);
}

static int append(struct parse *p, const struct ms_rest_entry *e, struct ms_error *err)
{
    if (p->list.count == p->room) {
        size_t room = p->room ? p->room * 2 : 64;
        struct ms_rest_entry *larger = reallocarray(p->list.entries, room, sizeof *larger);
        if (!larger)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
        p->list.entries = larger;
        p->room = room;
    }
    p->list.entries[p->list.count++] = *e;
    return 0;
}

/* Behind '{'. */
static int take_entry(struct parse *p, struct ms_error *err)
{
    struct ms_rest_entry e = {0};
    bool named = false, good = false;
    for (;;) {
        struct ms_json_token t;
        int code = next(p, &t, err);
        if (code)
            return code;
        if (t.kind == MS_JSON_CLOSE)
            break;
        code = take_field(p, t.text, &e, &named, &good, err);
        if (code)
            return code;
    }
    if (!named)
        return no_listing("an entry without a name", err);
    if (e.directory)
        e.size_bytes = 0;
    return good ? append(p, &e, err) : 0;
}

static int take_all(struct parse *p, struct ms_error *err)
{
    struct ms_json_token t;
    int code = next(p, &t, err);
    if (code)
        return code;
    if (t.kind != MS_JSON_ARRAY)
        return no_listing("no array", err);
    for (;;) {
        code = next(p, &t, err);
        if (code)
            return code;
        if (t.kind == MS_JSON_CLOSE)
            return next(p, &t, err); /* nothing may follow */
        if (t.kind != MS_JSON_OBJECT)
            return no_listing("an entry that is no object", err);
        code = take_entry(p, err);
        if (code)
            return code;
    }
}

static int by_name(const void *a, const void *b)
{
    const struct ms_rest_entry *x = a, *y = b;
    return ms_compare(x->name, y->name);
}

static void sort(struct ms_rest_listing *l)
{
    if (l->count < 2)
        return;
    qsort(l->entries, l->count, sizeof *l->entries, by_name);
    size_t kept = 1;
    for (size_t i = 1; i < l->count; i++)
        if (!ms_equal(l->entries[i].name, l->entries[kept - 1].name))
            l->entries[kept++] = l->entries[i];
    l->count = kept;
}

int ms_rest_listing_parse(struct ms_view json, struct ms_rest_listing *out, struct ms_error *err)
{
    struct parse p = {0};
    p.list.names = malloc(json.size + 1);
    if (!p.list.names)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    ms_json_read_init(&p.json, json);
    int code = take_all(&p, err);
    ms_json_read_fini(&p.json);
    if (code) {
        ms_rest_listing_fini(&p.list);
        return code;
    }
    sort(&p.list);
    *out = p.list;
    return 0;
}
