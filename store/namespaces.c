/* Namespaces: see store/namespaces.h. */
#include "store/namespaces.h"

#include "base/entity.h"
#include "base/text.h"
#include "store/names.h"
#include "store/nesting.h"

#include <stdatomic.h>
#include <stdlib.h>

struct ms_namespaces {
    atomic_uint refs;
    size_t count;
    struct ms_ns entries[];
};

static struct ms_view ns_name(const struct ms_ns *ns)
{
    return ms_view(ns->name, ns->name_size);
}

void ms_namespaces_unref(struct ms_namespaces *n)
{
    if (!n || atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < n->count; i++) {
        if (n->entries[i].entity)
            ms_entity_put(n->entries[i].entity);
        free(n->entries[i].name);
    }
    free(n);
}

static int set_levels(struct ms_ns *ns, const struct ms_namespace *from, struct ms_error *err)
{
    if (from->level_count > MS_LEVELS_MAX)
        return ms_error_set(err, MS_ERR_CONFIG, "namespace \"%s\" has more than %d levels",
                            ns->name, MS_LEVELS_MAX);
    ns->level_count = from->level_count ? from->level_count : 1;
    for (size_t i = 0; i < ns->level_count; i++) {
        unsigned level = from->level_count ? from->levels[i] : 0;
        if (level > MS_LEVELS_MAX)
            return ms_error_set(err, MS_ERR_CONFIG, "namespace \"%s\": level %u is beyond %d",
                                ns->name, level, MS_LEVELS_MAX);
        for (size_t j = 0; j < i; j++)
            if (ns->levels[j] == level)
                return ms_error_set(err, MS_ERR_CONFIG, "namespace \"%s\": level %u is there twice",
                                    ns->name, level);
        ns->levels[i] = level;
        if (level > ns->level_max)
            ns->level_max = level;
    }
    return 0;
}

static int set_entry(struct ms_ns *ns, const struct ms_namespace *from, const char *store_url,
                     const struct ms_namespaces *older, struct ms_error *err)
{
    struct ms_view name = ms_str(from->name ? from->name : "");
    if (name.size && name.data[name.size - 1] == '/')
        name.size--;
    ns->name = strndup((const char *)name.data, name.size);
    if (!ns->name)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the namespaces");
    ns->name_size = name.size;
    const char *fault = name.size ? ms_namespace_fault(name) : NULL;
    if (!fault && name.size >= MS_BORGSTORE_NAME_MAX)
        fault = "it is too long";
    if (fault)
        return ms_error_set(err, MS_ERR_CONFIG, "bad namespace \"%s\": %s", MS_SHOW(name), fault);
    if (from->names != MS_NAMES_BORGSTORE && from->names != MS_NAMES_BYTES)
        return ms_error_set(err, MS_ERR_CONFIG, "namespace \"%s\": unknown rule for names",
                            ns->name);
    const struct ms_ns *before = older ? ms_namespaces_exact(older, name) : NULL;
    ns->names = before ? before->names : from->names;
    int code = set_levels(ns, from, err);
    if (code == 0 && store_url)
        ns->entity = ms_entity_get(MS_STATS_NAMESPACE, store_url, ns->name);
    return code;
}

static int longest_first(const void *a, const void *b)
{
    const struct ms_ns *x = a, *y = b;
    if (x->name_size != y->name_size)
        return x->name_size > y->name_size ? -1 : 1;
    return ms_compare(ns_name(x), ns_name(y));
}

/* `path` is `above` or lies below it. */
static bool is_below(struct ms_view path, struct ms_view above)
{
    return above.size == 0 || (ms_starts_with(path, above) &&
                               (path.size == above.size || path.data[above.size] == '/'));
}

static int check_together(const struct ms_namespaces *n, struct ms_error *err)
{
    for (size_t i = 0; i < n->count; i++)
        for (size_t j = 0; j < n->count; j++) {
            const struct ms_ns *outer = &n->entries[i], *inner = &n->entries[j];
            if (i == j || !is_below(ns_name(inner), ns_name(outer)))
                continue;
            if (outer->name_size == inner->name_size)
                return ms_error_set(err, MS_ERR_CONFIG, "namespace \"%s\" is there twice",
                                    outer->name);
            if (outer->names == MS_NAMES_BYTES)
                return ms_error_set(err, MS_ERR_CONFIG,
                                    "namespace \"%s\" with any bytes as names cannot contain "
                                    "another one, \"%s\"",
                                    outer->name, inner->name);
        }
    return 0;
}

int ms_namespaces_new(const struct ms_namespace *entries, size_t count, const char *store_url,
                      const struct ms_namespaces *older, struct ms_namespaces **out,
                      struct ms_error *err)
{
    static const struct ms_namespace flat = {.name = ""};
    if (count == 0) {
        entries = &flat;
        count = 1;
    }
    size_t size;
    struct ms_namespaces *n = NULL;
    if (ms_mul_size(count, sizeof *n->entries, &size) && size <= SIZE_MAX - sizeof *n)
        n = calloc(1, sizeof *n + size);
    if (!n)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the namespaces");
    atomic_init(&n->refs, 1);
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        n->count = i + 1;
        code = set_entry(&n->entries[i], &entries[i], store_url, older, err);
    }
    if (code == 0) {
        qsort(n->entries, n->count, sizeof *n->entries, longest_first);
        code = check_together(n, err);
    }
    if (code != 0) {
        ms_namespaces_unref(n);
        return code;
    }
    *out = n;
    return 0;
}

const struct ms_ns *ms_namespaces_of_path(const struct ms_namespaces *n, struct ms_view path)
{
    for (size_t i = 0; i < n->count; i++)
        if (is_below(path, ns_name(&n->entries[i])))
            return &n->entries[i];
    return NULL;
}

const struct ms_ns *ms_namespaces_exact(const struct ms_namespaces *n, struct ms_view path)
{
    for (size_t i = 0; i < n->count; i++)
        if (ms_equal(path, ns_name(&n->entries[i])))
            return &n->entries[i];
    return NULL;
}

bool ms_namespaces_leads(const struct ms_namespaces *n, struct ms_view path)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->entries[i].name_size && is_below(ns_name(&n->entries[i]), path))
            return true;
    return false;
}

const struct ms_ns *ms_namespaces_at(const struct ms_namespaces *n, size_t index)
{
    return index < n->count ? &n->entries[index] : NULL;
}

/* Takes a key apart without judging it. False: no namespace matches. */
static bool split(const struct ms_namespaces *n, struct ms_view whole, struct ms_key *out)
{
    const uint8_t *slash = whole.size ? memrchr(whole.data, '/', whole.size) : NULL;
    size_t size = slash ? (size_t)(slash - whole.data) : 0;
    struct ms_view space = ms_view(whole.data, size);
    const struct ms_ns *ns = ms_namespaces_of_path(n, space);
    if (!ns)
        return false;
    if (ns->names == MS_NAMES_BYTES)
        space.size = ns->name_size;
    size_t skip = space.size || (slash && ns->names != MS_NAMES_BYTES) ? space.size + 1 : 0;
    *out = (struct ms_key){ns, whole, space, ms_view(whole.data + skip, whole.size - skip)};
    return true;
}

/* An unconfigured namespace with a name as short as a nesting directory: a listing could not tell
 * them apart. Only at the top of a flat store there can be no nesting. */
static bool like_nesting(const struct ms_key *k)
{
    size_t begin = k->ns->name_size ? k->ns->name_size + 1 : 0;
    bool top = k->ns->name_size == 0 && k->ns->level_max == 0;
    for (size_t i = begin; i <= k->space.size && k->space.size > k->ns->name_size; i++) {
        if (i < k->space.size && k->space.data[i] != '/')
            continue;
        if (i - begin <= 2 && !top)
            return true;
        begin = i + 1;
        top = false;
    }
    return false;
}

static int check_key(const struct ms_key *k, bool deleted, struct ms_error *err)
{
    const char *fault = NULL;
    if (k->ns->names == MS_NAMES_BYTES) {
        if (k->key.size == 0)
            fault = "it is empty";
        else if (k->key.size > MS_BYTES_KEY_MAX)
            fault = "it is longer than 1024 bytes";
    } else {
        fault = ms_borgstore_fault(k->whole);
        if (!fault && ms_nested_size(k, k->ns->level_max, deleted) > MS_BORGSTORE_NAME_MAX)
            fault = deleted ? "with its nesting and .del it is longer than 100 characters"
                            : "with its nesting it is longer than 100 characters";
        if (!fault && like_nesting(k))
            fault = "its namespace has a name as short as a nesting directory; configure it";
    }
    return fault ? ms_error_set(err, MS_ERR_NAME, "bad key \"%s\": %s", MS_SHOW(k->whole), fault)
                 : 0;
}

int ms_key_parse(const struct ms_namespaces *n, struct ms_view whole, bool deleted,
                 struct ms_key *out, struct ms_error *err)
{
    struct ms_key k;
    if (!split(n, whole, &k))
        return ms_error_set(err, MS_ERR_CONFIG, "no namespace is configured for \"%s\"",
                            MS_SHOW(whole));
    int code = check_key(&k, deleted, err);
    if (code == 0)
        *out = k;
    return code;
}

const struct ms_ns *ms_key_counted(const struct ms_namespaces *n, struct ms_view whole)
{
    struct ms_key k;
    return split(n, whole, &k) ? k.ns : NULL;
}

void ms_ns_current_init(struct ms_ns_current *c, struct ms_namespaces *first)
{
    ms_mutex_init(&c->mutex);
    c->now = first;
}

void ms_ns_current_fini(struct ms_ns_current *c)
{
    ms_namespaces_unref(c->now);
    ms_mutex_fini(&c->mutex);
}

struct ms_namespaces *ms_ns_current_get(struct ms_ns_current *c)
{
    MS_HOLD(&c->mutex);
    atomic_fetch_add_explicit(&c->now->refs, 1, memory_order_relaxed);
    return c->now;
}

void ms_ns_current_replace(struct ms_ns_current *c, struct ms_namespaces *n)
{
    struct ms_namespaces *before;
    {
        MS_HOLD(&c->mutex);
        before = c->now;
        c->now = n;
    }
    ms_namespaces_unref(before);
}
