/* tests/support/drain_list.h - what a Store's listing says, as a text. */
#ifndef SUPPORT_DRAIN_LIST_H
#define SUPPORT_DRAIN_LIST_H

#include "support/check.h"
#include "support/members.h"
#include "support/wrapalloc.h"

#include <mstore/store.h>

#include <stdio.h>

/* "KEY=SIZE KEY.del=SIZE GROUP/ …"; the code that ended it. Less when there is no room for more. */
static inline int drain_list(struct ms_store_lister *l, char *text, size_t size,
                             struct ms_error *err)
{
    const struct ms_item *item;
    size_t used = 0;
    int code;
    *text = 0;
    while (!(code = ms_store_lister_next(l, &item, err)) && item && used + 300 < size) {
        used += (size_t)snprintf(text + used, size - used, "%.*s%s", (int)item->key.size,
                                 (const char *)item->key.data, item->deleted ? ".del" : "");
        if (!item->group)
            used +=
                (size_t)snprintf(text + used, size - used, "=%u", (unsigned)item->info.size_bytes);
        used += (size_t)snprintf(text + used, size - used, " ");
    }
    return code;
}

/* The listing that `open` opens, with each of its allocations failing in turn: NO_MEMORY, or all.
 */
static inline void drain_without_memory(
    int (*open)(struct members *m, const struct ms_list_options *o, struct ms_store_lister **out),
    struct members *m, const struct ms_list_options *o, const char *wanted, struct ms_error *err)
{
    bool failed = true;
    for (long k = 0; failed; k++) {
        struct ms_store_lister *l = NULL;
        char text[512] = "";
        wrapalloc_arm(k);
        int code = open(m, o, &l);
        if (!code)
            code = drain_list(l, text, sizeof text, err);
        failed = wrapalloc_disarm();
        if (code)
            check_code(code, MS_ERR_NO_MEMORY, *err);
        else
            assert_string_equal(text, wanted);
        ms_store_lister_close(l);
        assert_true(failed || k > 20);
        assert_true(k < 2000);
    }
}

#endif
