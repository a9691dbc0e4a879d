/* Names: what a Store accepts as a key, it lists and loads again under that key, on every level and
 * as deleted, too; what it refuses leaves nothing behind; the escape of bytes loses nothing and
 * keeps the order. Input: what to do (1 byte), then one key or two with a NUL between. */
#include "fuzz.h"

#include "base/text.h"
#include "store/names.h"

#include <mstore/store.h>

#include <stdio.h>
#include <stdlib.h>

static void check_escape(struct ms_view a, struct ms_view b)
{
    char ea[MS_ESCAPED_MAX], eb[MS_ESCAPED_MAX];
    uint8_t back[MS_ESCAPED_MAX];
    size_t back_size, sa, sb;
    if (a.size > MS_BYTES_KEY_MAX || b.size > MS_BYTES_KEY_MAX)
        return;
    sa = ms_escape(a, ea);
    sb = ms_escape(b, eb);
    ms_assert(sa <= 3 * a.size);
    ms_assert(ms_unescape(ms_view(ea, sa), back, &back_size) &&
              ms_equal(ms_view(back, back_size), a));
    int plain = ms_compare(a, b), escaped = ms_compare(ms_view(ea, sa), ms_view(eb, sb));
    ms_assert((plain < 0) == (escaped < 0) && (plain > 0) == (escaped > 0));
    if (ms_unescape(a, back, &back_size)) { /* an input that is escaped text */
        sb = ms_escape(ms_view(back, back_size), eb);
        ms_assert(ms_equal(ms_view(eb, sb), a));
    }
}

static struct ms_store *open_store(unsigned what)
{
    struct ms_namespace ns[2] = {{.name = ""}, {.name = "nam"}};
    struct ms_store_options o = MS_STORE_OPTIONS_INIT;
    struct ms_store *s = NULL;
    for (size_t i = 0; i < 2; i++) {
        ns[i].levels[0] = what % (MS_LEVELS_MAX + 1);
        ns[i].levels[1] = what % 3;
        ns[i].level_count = what & 32 && ns[i].levels[0] != ns[i].levels[1] ? 2 : 1;
        ns[i].names = i == 1 && what & 64 ? MS_NAMES_BYTES : MS_NAMES_BORGSTORE;
    }
    o.namespaces = ns;
    o.namespace_count = 2;
    o.ignore_environment = true;
    ms_assert(ms_store_new("memory:", &o, &s, NULL) == 0);
    ms_assert(ms_store_create(s, NULL) == 0 && ms_store_open(s, NULL) == 0);
    return s;
}

/* Exactly the keys are listed: none (count 0) or this one. */
static void check_listing(struct ms_store *s, struct ms_view key, size_t count, bool deleted)
{
    struct ms_list_options all = MS_LIST_OPTIONS_INIT;
    struct ms_store_lister *l = NULL;
    const struct ms_item *item;
    size_t seen = 0;
    all.deleted = MS_LIST_BOTH;
    ms_assert(ms_store_list(s, "", &all, &l, NULL) == 0);
    for (;;) {
        ms_assert(ms_store_lister_next(l, &item, NULL) == 0);
        if (!item)
            break;
        ms_assert(ms_equal(item->key, key) && item->deleted == deleted);
        seen++;
    }
    ms_assert(seen == count && ms_store_lister_skipped(l) == 0);
    ms_store_lister_close(l);
}

static void check_store(struct ms_store *s, struct ms_view key, bool deleted)
{
    struct ms_store_value_options so = MS_STORE_VALUE_OPTIONS_INIT;
    struct ms_load_options lo = MS_LOAD_OPTIONS_INIT;
    struct ms_buf_borrowed place;
    struct ms_buf *value = NULL;
    struct ms_error err = {0};
    so.deleted = lo.deleted = deleted;
    int code = ms_store_store(s, key, ms_buf_borrow(&place, ms_str("v")), &so, NULL, &err);
    int loaded = ms_store_load(s, key, &lo, &value, NULL);
    ms_buf_unref(value);
    if (code) {
        ms_assert(code == MS_ERR_NAME && err.text[0] && loaded == MS_ERR_NAME);
        check_listing(s, key, 0, deleted);
        return;
    }
    ms_assert(loaded == 0);
    check_listing(s, key, 1, deleted);
    ms_assert(ms_store_delete(s, key, deleted, NULL) == 0);
    check_listing(s, key, 0, deleted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ms_view input = ms_view(data, size);
    unsigned what = fuzz_byte(&input);
    const uint8_t *nul = input.size ? memchr(input.data, 0, input.size) : NULL;
    size_t first = nul ? (size_t)(nul - input.data) : input.size;
    struct ms_view a = ms_view(input.data, first);
    struct ms_view b = nul ? ms_view(nul + 1, input.size - first - 1) : input;
    check_escape(a, b);
    struct ms_store *s = open_store(what);
    check_store(s, what & 128 ? input : a, what & 16);
    ms_assert(ms_store_close(s, NULL) == 0);
    ms_store_free(s);
    return 0;
}
