/* Browsing: one level of a store at a time, page by page; download; bringing back what was
 * soft-deleted.
 *
 * Keys may be any bytes, so that in the query and in answers they stand as hex digits ("id");
 * "name" is for showing. The letters of the [serve] section's permissions are asked here, as the
 * REST protocol has them: l of the level to list it, r of the key to read it, D and w of the key to
 * bring it back. */
#include "server/pages_parts.h"

#include "base/text.h"
#include "store/permission_map.h"

#include <inttypes.h>
#include <stdlib.h>

#define KEY_MOST   4096
#define PAGE_USUAL 100
#define PAGE_MOST  1000

struct key {
    uint8_t bytes[KEY_MOST];
    size_t size;
};

static struct ms_view view_of(const struct key *k)
{
    return ms_view(k->bytes, k->size);
}

/* False: it has been answered. Absent is empty. */
static bool read_key(struct exchange *x, const char *name, struct key *out)
{
    const char *hex = exchange_query(x, name);
    size_t digits = hex ? strlen(hex) : 0;
    out->size = digits / 2;
    if (digits % 2 == 0 && out->size <= sizeof out->bytes &&
        (!digits || ms_hex_decode(out->bytes, out->size, hex) == 0))
        return true;
    page_fail(x, 400, "a key is given as hex digits, at most 4096 bytes");
    return false;
}

static bool is_set(struct exchange *x, const char *name)
{
    const char *value = exchange_query(x, name);
    return value && !strcmp(value, "1");
}

/* All `wanted` letters at a path; else it has been answered. */
static bool may(struct exchange *x, const struct server_served *s, struct ms_view path,
                unsigned wanted, const char *sentence)
{
    if ((server_served_granted(s, path) & wanted) == wanted)
        return true;
    page_fail(x, 403, sentence);
    return false;
}

/* ---- a level ---- */

struct level {
    struct server_served *served;
    struct key prefix, after;
    struct ms_list_options options;
    struct ms_store_lister *lister;
    uint64_t limit;
    struct ms_error trouble;
};

static void put_hex(struct ms_json *j, const char *key, struct ms_view bytes)
{
    char *hex = malloc(2 * bytes.size + 1);
    ms_json_key(j, key);
    if (hex)
        ms_hex_encode(hex, bytes.data, bytes.size);
    ms_json_text(j, hex ? hex : "");
    free(hex);
}

static void put_item(struct ms_json *j, const struct level *l, const struct ms_item *item)
{
    struct ms_view name = item->key;
    if (name.size > l->prefix.size)
        name = ms_view(name.data + l->prefix.size, name.size - l->prefix.size);
    ms_json_object(j);
    ms_json_key(j, "name");
    ms_json_string(j, name);
    put_hex(j, "id", item->key);
    ms_json_key(j, "level");
    ms_json_bool(j, item->group);
    if (!item->group) {
        ms_json_key(j, "deleted");
        ms_json_bool(j, item->deleted);
        ms_json_key(j, "size");
        ms_json_u64(j, item->info.size_bytes);
        ms_json_key(j, "mtime_ms"); /* 0: unknown */
        ms_json_i64(j, item->info.mtime_ns / 1000000);
    }
    ms_json_end(j, '}');
}

/* One more than a page is asked for, to know whether there is a next one. */
static void put_items(struct ms_json *j, struct level *l)
{
    const struct ms_item *item = NULL;
    struct key last = {.size = 0};
    bool more = false;
    ms_json_key(j, "items");
    ms_json_array(j);
    for (uint64_t i = 0; !ms_store_lister_next(l->lister, &item, &l->trouble) && item; i++) {
        more = i == l->limit || item->key.size > sizeof last.bytes;
        if (more)
            break;
        put_item(j, l, item);
        memcpy(last.bytes, item->key.data, item->key.size);
        last.size = item->key.size;
    }
    ms_json_end(j, ']');
    if (more)
        put_hex(j, "next", view_of(&last));
}

static void reply_level(struct exchange *x, struct level *l)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    struct ms_json j;
    if (file) {
        ms_json_init(&j, file);
        ms_json_object(&j);
        put_hex(&j, "prefix", view_of(&l->prefix));
        put_items(&j, l);
        ms_json_key(&j, "passed_over");
        ms_json_u64(&j, ms_store_lister_skipped(l->lister));
        ms_json_end(&j, '}');
    }
    if (!file || fclose(file))
        exchange_reply_text(x, 500, "out of memory\n");
    else if (l->trouble.code)
        page_fail_code(x, &l->trouble);
    else
        exchange_reply(x, 200, "application/json", text, size);
    free(text);
}

/* "data/ab/" is listed with the letters of "data/ab". */
static bool read_level(struct exchange *x, struct level *l)
{
    const char *limit = exchange_query(x, "limit");
    l->served = page_store(x);
    l->limit = PAGE_USUAL;
    if (!l->served || !read_key(x, "prefix", &l->prefix) || !read_key(x, "after", &l->after))
        return false;
    struct ms_view path = view_of(&l->prefix);
    if (path.size && path.data[path.size - 1] != '/') {
        page_fail(x, 400, "a level ends with a slash");
        return false;
    }
    if (limit && (ms_parse_u64(limit, "limit", PAGE_MOST, &l->limit, NULL) || !l->limit)) {
        page_fail(x, 400, "limit is a number from 1 to 1000");
        return false;
    }
    path.size -= path.size > 0;
    return may(x, l->served, path, MS_MAY_LIST, "you may not list this level");
}

static void list_level(struct exchange *x, struct level *l)
{
    struct ms_list_options o = MS_LIST_OPTIONS_INIT;
    struct ms_store *store;
    struct ms_error err = {0};
    o.prefix = view_of(&l->prefix);
    o.start_after = view_of(&l->after);
    o.delimiter = '/';
    o.deleted = is_set(x, "deleted") ? MS_LIST_BOTH : MS_LIST_LIVE;
    int code = server_face_store(l->served, &store, &err);
    if (!code)
        code = ms_store_list(store, "", &o, &l->lister, &err);
    if (code) {
        page_fail_code(x, &err);
        return;
    }
    reply_level(x, l);
    ms_store_lister_close(l->lister);
}

void page_list(struct exchange *x)
{
    struct level *l = calloc(1, sizeof *l);
    if (!l)
        exchange_reply_text(x, 500, "out of memory\n");
    else if (read_level(x, l))
        list_level(x, l);
    free(l);
}

/* ---- one item ---- */

struct download { /* of a store that the page holds until it is done */
    struct ms_store_reader *reader;
    uint64_t offset;
};

static int read_more(void *ctx, uint8_t *into, size_t size, size_t *got, struct ms_error *err)
{
    struct download *d = ctx;
    int code = ms_store_reader_read(d->reader, d->offset, into, size, got, err);
    if (!code)
        d->offset += *got;
    return code;
}

static void free_download(void *ctx)
{
    struct download *d = ctx;
    ms_store_reader_close(d->reader);
    free(d);
}

/* The key's last part, of harmless characters alone. */
static void add_disposition(struct exchange *x, struct ms_view key)
{
    char header[200] = "attachment; filename=\"";
    size_t from = key.size, used = strlen(header);
    while (from > 0 && key.data[from - 1] != '/')
        from--;
    for (size_t i = from; i < key.size && used < sizeof header - 2; i++) {
        unsigned char c = key.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || (c == '.' && i > from);
        header[used++] = plain ? (char)c : '_';
    }
    memcpy(header + used, "\"", 2);
    exchange_header_add(x, "Content-Disposition", header);
}

static void reply_item(struct exchange *x, struct server_served *s, struct ms_view key)
{
    struct download *d = calloc(1, sizeof *d);
    struct ms_error err = {0};
    struct ms_store *store;
    if (!d) {
        exchange_reply_text(x, 500, "out of memory\n");
        return;
    }
    int code = server_face_store(s, &store, &err);
    if (!code)
        code = ms_store_read(store, key, is_set(x, "deleted"), &d->reader, &err);
    if (code) {
        free_download(d);
        page_fail_code(x, &err);
        return;
    }
    add_disposition(x, key);
    exchange_reply_stream(x, 200, "application/octet-stream",
                          ms_store_reader_info(d->reader)->size_bytes, read_more, d, free_download);
}

void page_download(struct exchange *x)
{
    struct key key;
    struct server_served *s = page_store(x);
    if (s && read_key(x, "key", &key) &&
        may(x, s, view_of(&key), MS_MAY_READ, "you may not read this item"))
        reply_item(x, s, view_of(&key));
}

void page_undelete(struct exchange *x)
{
    struct key key;
    struct ms_store *store;
    struct ms_error err = {0};
    struct server_served *s = page_store(x);
    if (!s || !read_key(x, "key", &key))
        return;
    unsigned granted = server_served_granted(s, view_of(&key));
    if (!(granted & MS_MAY_DELETE) || !(granted & (MS_MAY_CREATE | MS_MAY_OVERWRITE))) {
        page_fail(x, 403, "you may not bring this item back: that takes the letters D and w");
        return;
    }
    int code = server_face_store(s, &store, &err);
    if (!code)
        code = ms_store_move(store, MS_MOVE_UNDELETE, view_of(&key), ms_view(NULL, 0), false, &err);
    if (code)
        page_fail_code(x, &err);
    else
        exchange_reply(x, 200, "application/json", "{}", 2);
}
