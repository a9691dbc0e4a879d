/* mstore/raw_names.c - wire names and the items they mean: see mstore/raw_view.h. Pure functions:
 * any thread. */
#include "mstore/raw_parts.h"

#include "backends/name.h"
#include "base/text.h"
#include "store/names.h"
#include "store/nesting.h"

/* Where, in a namespace's path, what is configured ends and nesting may begin. */
static size_t begin_of(const struct ms_ns *ns)
{
    return ns->name_size ? ns->name_size + 1 : 0;
}

/* How much of `path` ("data/01/23/", or "") is not the nesting of the key. */
static size_t unnested(const struct ms_ns *ns, struct ms_view path, struct ms_view key)
{
    struct ms_key alone = {.ns = ns, .key = key};
    struct ms_name nested;
    if (key.size + 3 * (size_t)MS_LEVELS_MAX > sizeof nested.text)
        return path.size;
    for (unsigned level = MS_LEVELS_MAX; level > 0; level--) {
        ms_nest(&alone, level, false, &nested);
        size_t lead = nested.size - key.size;
        if (!lead || lead > path.size || path.size - lead < begin_of(ns))
            continue;
        size_t rest = path.size - lead;
        bool whole = rest == 0 || path.data[rest - 1] == '/';
        if (whole && memcmp(path.data + rest, nested.text, lead) == 0 &&
            (rest || ns->name_size || ns->level_max))
            return rest;
    }
    return path.size;
}

void ms_raw_key_of(const struct ms_namespaces *names, struct ms_view name, struct ms_raw_key *out,
                   struct ms_error *err)
{
    static const struct ms_view mark = {(const uint8_t *)RAW_DELETED_TEXT,
                                        sizeof RAW_DELETED_TEXT - 1};
    struct ms_view key = ms_name_last(name);
    struct ms_key parsed;
    out->deleted = key.size > mark.size && ms_ends_with(key, mark);
    if (out->deleted) {
        key.size -= mark.size;
        name.size -= mark.size;
    }
    struct ms_view path = ms_view(name.data, name.size - key.size);
    const struct ms_ns *ns =
        ms_namespaces_of_path(names, ms_view(path.data, path.size ? path.size - 1 : 0));
    size_t kept = ns && ns->names == MS_NAMES_BORGSTORE ? unnested(ns, path, key) : path.size;
    memcpy(out->text, path.data, kept);
    memcpy(out->text + kept, key.data, key.size);
    out->size = kept + key.size;
    out->valid = ms_key_parse(names, ms_raw_key_view(out), out->deleted, &parsed, err) == 0;
}

bool ms_raw_name_of(const struct ms_namespaces *names, struct ms_view key, bool deleted,
                    struct ms_name *out)
{
    struct ms_key parsed;
    if (ms_ends_with(key, ms_str(RAW_DELETED_TEXT)) ||
        ms_key_parse(names, key, deleted, &parsed, NULL))
        return false;
    if (parsed.ns->names == MS_NAMES_BORGSTORE) {
        ms_nest(&parsed, parsed.ns->levels[parsed.ns->level_count - 1], deleted, out);
    } else {
        memcpy(out->text, key.data, key.size);
        out->size = key.size;
        if (deleted) {
            memcpy(out->text + out->size, RAW_DELETED_TEXT, sizeof RAW_DELETED_TEXT - 1);
            out->size += sizeof RAW_DELETED_TEXT - 1;
        }
    }
    return ms_name_check(ms_name_view(out), RAW_SEGMENT_MAX, NULL) == 0;
}

/* The first part of the path, from `at` on, that is as short as a nesting directory. */
static size_t nesting_begins(const struct ms_ns *ns, struct ms_view name, size_t at)
{
    bool may = ns->name_size || ns->level_max;
    while (at < name.size) {
        const uint8_t *slash = memchr(name.data + at, '/', name.size - at);
        size_t end = slash ? (size_t)(slash - name.data) : name.size;
        if (end - at <= 2 && may)
            return at;
        at = end + 1;
        may = true;
    }
    return name.size + 1;
}

struct ms_view ms_raw_unnested(const struct ms_namespaces *names, struct ms_view name)
{
    const struct ms_ns *ns = ms_namespaces_of_path(names, name);
    if (!ns || ns->names != MS_NAMES_BORGSTORE)
        return name;
    size_t end = nesting_begins(ns, name, begin_of(ns));
    return end > name.size ? name : ms_view(name.data, end ? end - 1 : 0);
}

void ms_raw_prefix_of(const struct ms_namespaces *names, struct ms_view name, struct ms_name *out,
                      bool *nested)
{
    const struct ms_ns *ns = ms_namespaces_of_path(names, name);
    out->size = 0;
    *nested = false;
    if (!name.size)
        return;
    size_t end = name.size + 1;
    if (ns && ns->names == MS_NAMES_BORGSTORE)
        end = nesting_begins(ns, name, begin_of(ns));
    *nested = end <= name.size;
    for (size_t i = 0; i < name.size; i++)
        if (i < end || name.data[i] != '/')
            out->text[out->size++] = (char)name.data[i];
    if (!*nested)
        out->text[out->size++] = '/';
}
