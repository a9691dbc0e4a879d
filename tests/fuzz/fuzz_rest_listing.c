/* The JSON reader and the listing of a REST server: whatever comes, it ends; what is accepted is
 * sorted, without repetition, and made of good names that have this form on the wire. */
#include "fuzz.h"

#include "backends/name.h"
#include "backends/rest/wire.h"
#include "base/json_read.h"
#include "base/text.h"

#include <stdlib.h>

static void check_tokens(struct ms_view text)
{
    struct ms_json_reader r;
    struct ms_json_token t = {.kind = MS_JSON_NULL};
    size_t steps = 0;
    int depth = 0;
    ms_json_read_init(&r, text);
    while (t.kind != MS_JSON_DONE && ms_json_next(&r, &t, NULL) == 0) {
        ms_assert(++steps <= text.size + 1);
        depth += t.kind == MS_JSON_OBJECT || t.kind == MS_JSON_ARRAY;
        depth -= t.kind == MS_JSON_CLOSE;
        ms_assert(depth >= 0 && depth <= MS_JSON_DEPTH);
        ms_assert(t.text.size <= text.size);
        uint64_t u;
        int64_t i;
        if (ms_json_token_u64(&t, &u, NULL) == 0 && ms_json_token_i64(&t, &i, NULL) == 0)
            ms_assert((uint64_t)i == u);
    }
    ms_assert(t.kind != MS_JSON_DONE || depth == 0);
    ms_json_read_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ms_rest_listing l = {0};
    ms_log_to(NULL, NULL, MS_LOG_ERROR);
    check_tokens(ms_view(data, size));
    if (ms_rest_listing_parse(ms_view(data, size), &l, NULL))
        return 0;
    for (size_t i = 0; i < l.count; i++) {
        struct ms_view name = l.entries[i].name;
        ms_assert(i == 0 || ms_compare(l.entries[i - 1].name, name) < 0);
        ms_assert(ms_name_check(name, MS_NAME_MAX, NULL) == 0 && !ms_name_hidden(name));
        ms_assert(!memchr(name.data, '/', name.size));
        ms_assert(!l.entries[i].directory || l.entries[i].size_bytes == 0);
    }
    ms_rest_listing_fini(&l);
    return 0;
}
