/* tests/support/drain_list.h - what a Store's listing says, as a text. */
#ifndef SUPPORT_DRAIN_LIST_H
#define SUPPORT_DRAIN_LIST_H

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

#endif
