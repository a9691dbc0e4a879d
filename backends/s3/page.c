/* One page of ListObjectsV2. */
#include "backends/s3/s3.h"

#include "backends/s3/xml.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <stdio.h>

#define PAGE_MAX_BYTES (64u << 20)

void ms_s3_page_fini(struct ms_s3_page *page)
{
    free(page->token);
    free(page->items);
    free(page->text);
    *page = (struct ms_s3_page){0};
}

struct parse {
    struct ms_s3_page *page;
    struct ms_s3_item item; /* being put together; its key is an offset into the text */
    size_t key_at;
    bool encoded, truncated;
    char *token;
};

/* Keeps text; the place is an offset, since the text may move. */
static int keep(struct ms_s3_page *p, struct ms_view text, size_t *at, struct ms_error *err)
{
    if (p->text_size + text.size > p->text_room) {
        size_t room = (p->text_room + text.size) * 2 + 4096;
        char *larger = realloc(p->text, room);
        if (!larger)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
        p->text = larger;
        p->text_room = room;
    }
    *at = p->text_size;
    if (text.size)
        memcpy(p->text + p->text_size, text.data, text.size);
    p->text_size += text.size;
    return 0;
}

/* The key is remembered as (offset, size) until the page is whole. */
static int add(struct parse *p, struct ms_error *err)
{
    struct ms_s3_page *page = p->page;
    if (page->count == page->room) {
        size_t room = page->room ? page->room * 2 : 256;
        struct ms_s3_item *larger = realloc(page->items, room * sizeof *larger);
        if (!larger)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
        page->items = larger;
        page->room = room;
    }
    p->item.info.exists = true;
    p->item.key = ms_view((const uint8_t *)(uintptr_t)p->key_at, p->item.key.size);
    page->items[page->count++] = p->item;
    p->item = (struct ms_s3_item){0};
    return 0;
}

static uint64_t number(struct ms_view text)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.size && i < 19; i++)
        if (text.data[i] >= '0' && text.data[i] <= '9')
            value = value * 10 + (uint64_t)(text.data[i] - '0');
    return value;
}

static int take_contents(struct parse *p, const char *leaf, struct ms_view text,
                         struct ms_error *err)
{
    if (strcmp(leaf, "/Key") == 0) {
        p->item.key.size = text.size;
        return keep(p->page, text, &p->key_at, err);
    }
    if (strcmp(leaf, "/Size") == 0)
        p->item.info.size_bytes = number(text);
    else if (strcmp(leaf, "/LastModified") == 0)
        p->item.info.mtime_ns = ms_s3_http_date(text) * INT64_C(1000000000);
    else if (strcmp(leaf, "/ETag") == 0 && text.size < MS_TAG_SIZE)
        memcpy(p->item.info.tag.text, text.data, text.size);
    return leaf[0] ? 0 : add(p, err);
}

static int take_prefix(struct parse *p, const char *leaf, struct ms_view text, struct ms_error *err)
{
    if (strcmp(leaf, "/Prefix") == 0) {
        p->item.key.size = text.size;
        p->item.info.directory = true;
        return keep(p->page, text, &p->key_at, err);
    }
    return leaf[0] ? 0 : add(p, err);
}

static int take_leaf(void *ctx, const char *path, struct ms_view text, struct ms_error *err)
{
    struct parse *p = ctx;
    if (strncmp(path, "ListBucketResult", 16) != 0)
        return ms_error_set(err, MS_ERR_PROTOCOL, "the answer is no S3 listing");
    path += 16;
    if (strncmp(path, "/Contents", 9) == 0)
        return take_contents(p, path + 9, text, err);
    if (strncmp(path, "/CommonPrefixes", 15) == 0)
        return take_prefix(p, path + 15, text, err);
    if (strcmp(path, "/EncodingType") == 0)
        p->encoded = ms_equal(text, ms_str("url"));
    else if (strcmp(path, "/IsTruncated") == 0)
        p->truncated = ms_equal(text, ms_str("true"));
    else if (strcmp(path, "/NextContinuationToken") == 0 && text.size && !p->token) {
        p->token = strndup((const char *)text.data, text.size);
        if (!p->token)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    }
    return 0;
}

/* In place; '+' is a blank. False: malformed. */
static bool decode(char *text, size_t *size)
{
    size_t to = 0;
    for (size_t i = 0; i < *size; i++, to++) {
        uint8_t byte = (uint8_t)text[i];
        if (byte == '+')
            byte = ' ';
        if (byte == '%') {
            if (*size - i < 3 || ms_hex_decode(&byte, 1, text + i + 1))
                return false;
            i += 2;
        }
        text[to] = (char)byte;
    }
    *size = to;
    return true;
}

/* Offsets become places; keys lose their encoding. */
static int settle(struct parse *p, struct ms_error *err)
{
    struct ms_s3_page *page = p->page;
    for (size_t i = 0; i < page->count; i++) {
        char *key = page->text + (uintptr_t)page->items[i].key.data;
        size_t size = page->items[i].key.size;
        if (p->encoded && !decode(key, &size))
            return ms_error_set(err, MS_ERR_PROTOCOL, "a key in a listing is not well encoded");
        page->items[i].key = ms_view(key, size);
    }
    if (p->truncated && !p->token)
        return ms_error_set(err, MS_ERR_PROTOCOL, "a listing says it goes on, but not where");
    if (p->truncated)
        page->token = MS_TAKE(p->token);
    return 0;
}

static int parse_page(struct ms_view body, struct ms_s3_page *page, struct ms_error *err)
{
    struct parse p = {.page = page};
    int code = ms_xml_walk(body, take_leaf, &p, err);
    if (!code)
        code = settle(&p, err);
    free(p.token);
    return code;
}

/* Nobody may take a stranger's key for one of the store's: destroy deletes what is listed. And what
 * is called a directory has a name that ends in the delimiter. */
static int check_keys(const struct ms_s3_page *page, const char *prefix, struct ms_error *err)
{
    for (size_t i = 0; i < page->count; i++) {
        const struct ms_s3_item *item = &page->items[i];
        if (!ms_starts_with(item->key, ms_str(prefix)))
            return ms_error_set(err, MS_ERR_PROTOCOL, "a listing has keys that were not asked for");
        if (item->info.directory &&
            (item->key.size <= strlen(prefix) || item->key.data[item->key.size - 1] != '/'))
            return ms_error_set(err, MS_ERR_PROTOCOL,
                                "a listing has a common prefix that is none: \"%s\"",
                                MS_SHOW(item->key));
    }
    return 0;
}

int ms_s3_page_get(struct ms_s3 *s, const char *prefix, bool delimiter, const char *start_after,
                   const char *token, unsigned limit, struct ms_s3_page *out, struct ms_error *err)
{
    struct ms_s3_call c = {
        .verb = MS_VERB_LIST, .method = "GET", .key = "", .body_max_bytes = PAGE_MAX_BYTES};
    struct ms_http_answer answer;
    char most[16];
    snprintf(most, sizeof most, "%u", limit);
    ms_s3_query_add(&c, "list-type", "2");
    ms_s3_query_add(&c, "prefix", prefix);
    ms_s3_query_add(&c, "max-keys", most);
    ms_s3_query_add(&c, "encoding-type", "url");
    if (delimiter)
        ms_s3_query_add(&c, "delimiter", "/");
    if (token)
        ms_s3_query_add(&c, "continuation-token", token);
    else if (start_after)
        ms_s3_query_add(&c, "start-after", start_after);
    int code = ms_s3_do(s, &c, &answer, err);
    if (code)
        return code;
    struct ms_s3_page page = {0};
    code = parse_page(answer.body ? ms_buf_view(answer.body) : ms_view("", 0), &page, err);
    ms_http_answer_fini(&answer);
    if (!code)
        code = check_keys(&page, prefix, err);
    if (code) {
        ms_s3_page_fini(&page);
        return ms_error_prefix(err, code, "%s", s->base.url);
    }
    *out = page;
    return 0;
}
