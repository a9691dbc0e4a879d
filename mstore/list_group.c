/* mstore/list_group.c - keys alike up to a delimiter become one entry: see mstore/list_parts.h. */
#include "mstore/list_parts.h"

#include "base/text.h"

#include <stdlib.h>

int ms_grouping_init(struct ms_grouping *g, const struct ms_list_options *options,
                     struct ms_error *err)
{
    static const struct ms_view none;
    g->delimiter = options->delimiter;
    return ms_text_set(&g->from, options->start_after, none) &&
                   ms_text_set(&g->prefix, options->prefix, none)
               ? 0
               : ms_source_no_memory(err);
}

void ms_grouping_fini(struct ms_grouping *g)
{
    free(g->from.bytes);
    free(g->prefix.bytes);
    free(g->group.bytes);
}

struct ms_view ms_grouping_of(const struct ms_grouping *g, struct ms_view key)
{
    size_t skip = g->prefix.size;
    const uint8_t *at = g->delimiter >= 0 && key.size > skip
                            ? memchr(key.data + skip, g->delimiter, key.size - skip)
                            : NULL;
    return ms_view(key.data, at ? (size_t)(at - key.data) + 1 : 0);
}

bool ms_grouping_was_given(const struct ms_grouping *g, struct ms_view group)
{
    return ms_equal(group, ms_text_view(g->group)) || ms_equal(group, ms_text_view(g->from));
}

int ms_grouping_give(struct ms_grouping *g, struct ms_view group, struct ms_error *err)
{
    return ms_text_set(&g->group, group, ms_view(NULL, 0)) ? 0 : ms_source_no_memory(err);
}
