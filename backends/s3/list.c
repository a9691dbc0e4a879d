/* One level, sorted by name.
 *
 * S3 sorts whole keys, in which a directory ends in '/': "a-b" comes before "a/", though "a" comes
 * before "a-b". So an entry waits until no directory whose name begins it can still come: until the
 * storage's order is past that, or, when many wait, until the directory was asked for. */
#include "backends/s3/s3.h"

#include "backends/name.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <stdio.h>

#define WAITING_MAX 4096

struct waiting {
    char *name;
    size_t size;
    struct ms_info info;
};

struct lister {
    struct ms_lister base;
    struct ms_entry entry;
    char *prefix, *start_after, *token; /* of requests */
    char *behind;                       /* only names greater than this; NULL: all */
    unsigned page_size;
    bool ended, any;      /* of the storage's listing; any key was seen */
    char *last;           /* the greatest key behind the prefix so far */
    struct waiting *rows; /* sorted; those before `at` were given */
    size_t at, count, room;
    struct waiting given; /* the entry that is out, and the greatest name given */
    char **absent;        /* directories known not to exist, prefixes of what waits */
    size_t absent_count, absent_room;
    struct ms_s3_circle circle; /* of tokens */
};

static int no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
}

static int compare(const struct waiting *a, const struct waiting *b)
{
    int order = ms_compare(ms_view(a->name, a->size), ms_view(b->name, b->size));
    return order ? order : (int)a->info.directory - (int)b->info.directory;
}

static int compare_rows(const void *a, const void *b)
{
    return compare(a, b);
}

static int add_row(struct lister *l, struct ms_view name, const struct ms_info *info,
                   struct ms_error *err)
{
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : 256;
        struct waiting *larger = realloc(l->rows, room * sizeof *larger);
        if (!larger)
            return no_memory(err);
        l->rows = larger;
        l->room = room;
    }
    struct waiting row = {strndup((const char *)name.data, name.size), name.size, *info};
    if (!row.name)
        return no_memory(err);
    if (l->given.name && compare(&row, &l->given) <= 0) {
        free(row.name); /* given before, after a question */
        return 0;
    }
    l->rows[l->count++] = row;
    return 0;
}

/* Sorts what waits and drops what is there twice. */
static void sort_rows(struct lister *l)
{
    if (l->at)
        memmove(l->rows, l->rows + l->at, (l->count - l->at) * sizeof *l->rows);
    l->count -= l->at;
    l->at = 0;
    if (l->count > 1)
        qsort(l->rows, l->count, sizeof *l->rows, compare_rows);
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (kept && compare(&l->rows[kept - 1], &l->rows[i]) == 0)
            free(l->rows[i].name);
        else
            l->rows[kept++] = l->rows[i];
    }
    l->count = kept;
}

/* ---- pages ---- */

static int see_last(struct lister *l, struct ms_view key, struct ms_error *err)
{
    if (l->last && ms_compare(key, ms_str(l->last)) <= 0)
        return 0;
    char *copy = strndup((const char *)key.data, key.size);
    if (!copy)
        return no_memory(err);
    free(l->last);
    l->last = copy;
    return 0;
}

static int take_item(struct lister *l, const struct ms_s3_item *item, struct ms_error *err)
{
    size_t prefix = strlen(l->prefix);
    struct ms_view name = ms_view(item->key.data + prefix, item->key.size - prefix);
    l->any = true;
    int code = see_last(l, name, err);
    if (name.size && item->info.directory)
        name.size--; /* the delimiter */
    bool odd = name.size == 0 || memchr(name.data, '/', name.size) ||
               ms_name_check(name, 255, NULL) || ms_name_hidden(name);
    if (l->behind && ms_compare(name, ms_str(l->behind)) <= 0)
        odd = true;
    return code || odd ? code : add_row(l, name, &item->info, err);
}

static int fetch_page(struct lister *l, struct ms_error *err)
{
    struct ms_s3_page page = {0};
    bool again = false;
    int code = ms_s3_page_get(ms_s3_self(l->base.backend), l->prefix, true, l->start_after,
                              l->token, l->page_size, &page, err);
    if (!code && page.token)
        code = ms_s3_circle_step(&l->circle, ms_str(page.token), &again, err);
    if (again)
        code = ms_s3_circle_error(ms_s3_self(l->base.backend), "a listing", err);
    for (size_t i = 0; !code && i < page.count; i++)
        code = take_item(l, &page.items[i], err);
    sort_rows(l);
    free(l->token);
    l->token = MS_TAKE(page.token);
    l->ended = !l->token;
    l->page_size = 1000;
    ms_s3_page_fini(&page);
    return code;
}

/* ---- is it this one's turn? ---- */

static bool known_absent(const struct lister *l, struct ms_view name)
{
    for (size_t i = 0; i < l->absent_count; i++)
        if (ms_equal(name, ms_str(l->absent[i])))
            return true;
    return false;
}

/* Whether "NAME/" lies behind what the storage has listed. */
static bool may_come(const struct lister *l, struct ms_view name)
{
    if (l->ended)
        return false;
    size_t last = l->last ? strlen(l->last) : 0;
    size_t common = last < name.size ? last : name.size;
    int order = common ? memcmp(name.data, l->last, common) : 0;
    if (order)
        return order > 0;
    return last <= name.size || (uint8_t)l->last[name.size] < '/';
}

/* The shortest directory that must come before the row and may still come; 0: none. */
static size_t waits_for(const struct lister *l, const struct waiting *row)
{
    for (size_t i = 1; i < row->size; i++) {
        struct ms_view name = ms_view(row->name, i);
        bool given = l->given.name && l->given.info.directory &&
                     ms_equal(name, ms_view(l->given.name, l->given.size));
        if ((uint8_t)row->name[i] < '/' && !given && may_come(l, name) && !known_absent(l, name))
            return i;
    }
    return 0;
}

static int remember_absent(struct lister *l, struct ms_view name, struct ms_error *err)
{
    size_t kept = 0; /* only prefixes of what comes now still matter */
    for (size_t i = 0; i < l->absent_count; i++) {
        if (ms_starts_with(name, ms_str(l->absent[i])))
            l->absent[kept++] = l->absent[i];
        else
            free(l->absent[i]);
    }
    l->absent_count = kept;
    if (kept == l->absent_room) {
        size_t room = kept * 2 + 8;
        char **larger = realloc(l->absent, room * sizeof *larger);
        if (!larger)
            return no_memory(err);
        l->absent = larger;
        l->absent_room = room;
    }
    char *copy = strndup((const char *)name.data, name.size);
    if (!copy)
        return no_memory(err);
    l->absent[l->absent_count++] = copy;
    return 0;
}

/* Asks for the directory that the first row waits for. */
static int ask(struct lister *l, size_t size, struct ms_error *err)
{
    struct ms_view name = ms_view(l->rows[l->at].name, size);
    MS_AUTO_FREE char *prefix = NULL;
    if (asprintf(&prefix, "%s%.*s/", l->prefix, (int)size, (const char *)name.data) < 0) {
        prefix = NULL;
        return no_memory(err);
    }
    struct ms_s3_page page = {0};
    int code =
        ms_s3_page_get(ms_s3_self(l->base.backend), prefix, false, NULL, NULL, 1, &page, err);
    struct ms_info info = {.exists = true, .directory = true};
    if (!code && page.count)
        code = add_row(l, name, &info, err);
    if (!code)
        code = remember_absent(l, name, err); /* either way it is settled */
    if (!code)
        sort_rows(l);
    ms_s3_page_fini(&page);
    return code;
}

static int lister_next(struct ms_lister *base, const struct ms_entry **out, struct ms_error *err)
{
    struct lister *l = (struct lister *)base;
    for (int code = 0;;) {
        size_t waits = l->at < l->count ? waits_for(l, &l->rows[l->at]) : 0;
        if (l->at < l->count && !waits)
            break;
        if (l->at == l->count && l->ended) {
            *out = NULL;
            return 0;
        }
        code = waits && l->count - l->at > WAITING_MAX ? ask(l, waits, err) : fetch_page(l, err);
        if (code)
            return code;
    }
    free(l->given.name);
    l->given = l->rows[l->at++];
    l->entry = (struct ms_entry){ms_view(l->given.name, l->given.size), l->given.info};
    *out = &l->entry;
    return 0;
}

static void lister_close(struct ms_lister *base)
{
    struct lister *l = (struct lister *)base;
    for (size_t i = l->at; i < l->count; i++)
        free(l->rows[i].name);
    for (size_t i = 0; i < l->absent_count; i++)
        free(l->absent[i]);
    free(l->absent);
    free(l->given.name);
    free(l->rows);
    free(l->last);
    free(l->prefix);
    free(l->start_after);
    free(l->behind);
    free(l->token);
    ms_s3_circle_fini(&l->circle);
    free(l);
}

static int set_names(struct lister *l, const struct ms_s3 *s, struct ms_view name,
                     struct ms_view start_after, struct ms_error *err)
{
    if (asprintf(&l->prefix, "%s%.*s%s", s->prefix, (int)name.size, (const char *)name.data,
                 name.size ? "/" : "") < 0)
        l->prefix = NULL;
    size_t size = ms_s3_utf8(start_after); /* of what a request can say */
    if (l->prefix && size &&
        asprintf(&l->start_after, "%s%.*s", l->prefix, (int)size, (const char *)start_after.data) <
            0)
        l->start_after = NULL;
    if (start_after.size)
        l->behind = strndup((const char *)start_after.data, start_after.size);
    return l->prefix && (l->start_after || !size) && (l->behind || !start_after.size)
               ? 0
               : no_memory(err);
}

/* An empty listing: is there a directory at all? */
static int check_there(struct lister *l, struct ms_view name, struct ms_error *err)
{
    struct ms_s3_page page = {0};
    int code = 0;
    if (l->any || name.size == 0)
        return 0;
    if (l->start_after)
        code = ms_s3_page_get(ms_s3_self(l->base.backend), l->prefix, false, NULL, NULL, 1, &page,
                              err);
    bool there = page.count > 0;
    ms_s3_page_fini(&page);
    return code || there ? code
                         : ms_error_set(err, MS_ERR_NOT_FOUND, "%s not found", MS_SHOW(name));
}

int ms_s3_list(struct ms_backend *b, struct ms_view name, const struct ms_list_request *request,
               struct ms_lister **out, struct ms_error *err)
{
    static const struct ms_lister_ops ops = {lister_next, lister_close};
    struct lister *l = calloc(1, sizeof *l);
    if (!l)
        return no_memory(err);
    l->base = (struct ms_lister){.ops = &ops, .backend = b};
    l->page_size = request->limit && request->limit < 990 ? (unsigned)request->limit + 2 : 1000;
    int code = set_names(l, ms_s3_self(b), name, request->start_after, err);
    if (!code)
        code = fetch_page(l, err);
    while (!code && l->count == 0 && !l->ended)
        code = fetch_page(l, err);
    if (!code)
        code = check_there(l, name, err);
    if (code)
        lister_close(&l->base);
    else
        *out = &l->base;
    return code;
}
