/* mstore/tree_bounds.c - which keys and folders a tree (mstore/tree.h) gives, and where the listing
 * of a folder may begin. Pure.
 *
 * Texts are escaped keys: the escape keeps the order, and the beginning of a key is the beginning
 * of its text. Names: "k.CC," of chunks, "k.PIECE+", "k.REST!" with '!' < '"' < '*' < '+' < ','
 * < every character of a text. */
#include "mstore/tree_parts.h"

#include "base/text.h"

#include <stdlib.h>

static bool escaped(struct ms_text *out, struct ms_view key)
{
    *out = (struct ms_text){0, malloc(3 * key.size + 1)};
    if (out->bytes)
        out->size = ms_escape(key, out->bytes);
    return out->bytes != NULL;
}

int ms_tree_bounds_set(struct ms_tree_bounds *b, struct ms_view start_after, struct ms_view prefix,
                       struct ms_error *err)
{
    b->beyond = start_after.size && ms_compare(start_after, prefix) >= 0;
    if (!escaped(&b->prefix, prefix) || !escaped(&b->low, b->beyond ? start_after : prefix))
        return ms_source_no_memory(err);
    return 0;
}

void ms_tree_bounds_fini(struct ms_tree_bounds *b)
{
    free(b->low.bytes);
    free(b->prefix.bytes);
}

/* Compares with as much of the bound as the text is long. */
static int compare_to(struct ms_view text, const struct ms_text *bound)
{
    return ms_compare(text,
                      ms_view(bound->bytes, text.size < bound->size ? text.size : bound->size));
}

bool ms_tree_wants_key(const struct ms_tree_bounds *b, struct ms_view text)
{
    int order = ms_compare(text, ms_text_view(b->low));
    return ms_starts_with(text, ms_text_view(b->prefix)) && (b->beyond ? order > 0 : order >= 0);
}

bool ms_tree_wants_folder(const struct ms_tree_bounds *b, struct ms_view text)
{
    struct ms_view prefix = ms_text_view(b->prefix);
    return (ms_starts_with(text, prefix) || ms_starts_with(prefix, text)) &&
           compare_to(text, &b->low) >= 0;
}

bool ms_tree_is_over(const struct ms_tree_bounds *b, struct ms_view text)
{
    return compare_to(text, &b->prefix) > 0 && !ms_starts_with(text, ms_text_view(b->prefix));
}

/* "k.", the beginning of what is left of the lower bound, and a character. */
static size_t make_after(const struct ms_tree_bounds *b, size_t used, size_t most, char end,
                         char out[MS_TREE_AFTER_MAX])
{
    size_t left = b->low.size - used, take = left < most ? left : most;
    memcpy(out, "k.", 2);
    memcpy(out + 2, b->low.bytes + used, take);
    if (end)
        out[2 + take] = end;
    return 2 + take + (end ? 1 : 0);
}

size_t ms_tree_after_chunk(const struct ms_tree_bounds *b, size_t used, char out[MS_TREE_AFTER_MAX])
{
    return used < b->low.size ? make_after(b, used, 2, '+', out) : 0;
}

size_t ms_tree_after_key(const struct ms_tree_bounds *b, size_t used, size_t piece,
                         char out[MS_TREE_AFTER_MAX])
{
    if (used >= b->low.size)
        return 0;
    if (b->low.size - used > piece)
        return make_after(b, used, piece, '*', out);
    return make_after(b, used, piece, b->beyond ? '"' : 0, out);
}
