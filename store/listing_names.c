/* What the names in a directory mean to a listing: see listing.h.
 *
 * The same rules as for a caller's key (store/names.h, store/namespaces.c): a name that no key
 * leads to is passed over and counted. */
#include "store/listing.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "store/names.h"

int ms_source_no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
}

bool ms_listing_may_hold(const struct ms_listing *l, struct ms_view bound)
{
    if (!ms_starts_with(bound, l->prefix) && !ms_starts_with(l->prefix, bound))
        return false;
    return ms_compare(bound, l->from) > 0 || ms_starts_with(l->from, bound);
}

/* ---- directories ---- */

static int add_dir(struct ms_source *s, struct ms_view name, struct ms_view a, struct ms_view b,
                   bool space, struct ms_error *err)
{
    struct ms_head *h = ms_head_new((struct ms_view[]){ms_text_view(s->lead), a, b}, name);
    if (!h)
        return ms_source_no_memory(err);
    h->directory = true;
    h->space = space;
    if (!ms_listing_may_hold(s->listing, ms_head_bound(h))) {
        ms_head_free(h);
        return 0;
    }
    return ms_heads_push(&s->heads, h) ? 0 : ms_source_no_memory(err);
}

int ms_source_add_space(struct ms_source *s, struct ms_view name, struct ms_error *err)
{
    return add_dir(s, name, name, ms_str("/"), true, err);
}

/* Nesting, or a namespace below this one? By name and configuration (see like_nesting in
 * store/namespaces.c). */
static int is_space(const struct ms_source *s, struct ms_view name, bool *is, struct ms_error *err)
{
    MS_AUTO_FREE char *path = malloc(s->space.size + name.size + 2);
    if (!path)
        return ms_source_no_memory(err);
    size_t size = s->space.size;
    if (size) {
        memcpy(path, s->space.bytes, size);
        path[size++] = '/';
    }
    memcpy(path + size, name.data, name.size);
    *is = name.size > 2 || (s->space.size == 0 && s->ns->level_max == 0) ||
          ms_namespaces_leads(s->listing->namespaces, ms_view(path, size + name.size));
    return 0;
}

static int meet_dir_borgstore(struct ms_source *s, struct ms_view name, struct ms_error *err)
{
    bool space = false;
    int code = s->depth == 0 ? is_space(s, name, &space, err) : 0;
    if (code)
        return code;
    if (space)
        return s->listing->whole && !ms_namespace_fault(name) ? ms_source_add_space(s, name, err)
                                                              : 0;
    if (name.size > 2 || s->chunks.size % 2) {
        s->skipped++; /* no nesting makes such a directory */
        return 0;
    }
    return add_dir(s, name, ms_text_view(s->chunks), name, false, err);
}

/* Directories above have said all of the key. */
static bool chunks_are_all(const struct ms_source *s)
{
    return ms_source_escaped(s) ? s->chunks.size < 2 * (size_t)s->depth : s->chunks.size % 2;
}

static int meet_dir_bytes(struct ms_source *s, struct ms_view name, struct ms_error *err)
{
    if (name.data[0] == '+' && name.size <= 3 && s->pieces.size == 0 &&
        (name.size == 1 || !chunks_are_all(s)))
        return add_dir(s, name, ms_text_view(s->chunks), ms_view(name.data + 1, name.size - 1),
                       false, err);
    if (name.size == MS_SEGMENT_MAX + 1 && name.data[name.size - 1] == '+')
        return add_dir(s, name, ms_text_view(s->pieces), ms_view(name.data, name.size - 1), false,
                       err);
    s->skipped++;
    return 0;
}

int ms_source_meet_dir(struct ms_source *s, struct ms_view name, struct ms_error *err)
{
    return ms_source_escaped(s) ? meet_dir_bytes(s, name, err) : meet_dir_borgstore(s, name, err);
}

/* ---- files ---- */

/* The rule for names, as for a caller's key; and that the file lies where that key leads. Only a
 * key's last chunk can be shorter than the others, and is then all that is left of it. */
static bool valid(const struct ms_source *s, struct ms_view key, size_t file_size)
{
    struct ms_view chunks = ms_text_view(s->chunks);
    if (chunks_are_all(s) ? !ms_equal(key, chunks) : !ms_starts_with(key, chunks))
        return false;
    if (!ms_source_escaped(s))
        return !ms_borgstore_fault(key) && !memchr(key.data, '/', key.size);
    uint8_t decoded[MS_ESCAPED_MAX];
    size_t size;
    return file_size <= MS_SEGMENT_MAX && key.size <= MS_ESCAPED_MAX &&
           ms_unescape(key, decoded, &size) && size > 0 && size <= MS_BYTES_KEY_MAX;
}

int ms_source_meet_file(struct ms_source *s, struct ms_view name, const struct ms_info *info,
                        struct ms_error *err)
{
    const struct ms_listing *l = s->listing;
    bool deleted = ms_ends_with(name, ms_str(MS_DEL_SUFFIX));
    if (deleted)
        name.size -= MS_DEL_SIZE;
    if (deleted ? l->deleted == MS_LIST_LIVE : l->deleted == MS_LIST_DELETED)
        return 0;
    const struct ms_view bound[] = {ms_text_view(s->lead), ms_text_view(s->pieces), name};
    struct ms_head *h = ms_head_new(bound, ms_view(NULL, 0));
    if (!h)
        return ms_source_no_memory(err);
    h->deleted = deleted;
    h->info = *info;
    struct ms_view whole = ms_head_bound(h);
    bool good = name.size &&
                valid(s, ms_view(whole.data + s->lead.size, whole.size - s->lead.size), name.size);
    if (!good)
        s->skipped++;
    if (!good || !ms_starts_with(whole, l->prefix) || ms_compare(whole, l->from) <= 0) {
        ms_head_free(h);
        return 0;
    }
    return ms_heads_push(&s->heads, h) ? 0 : ms_source_no_memory(err);
}
