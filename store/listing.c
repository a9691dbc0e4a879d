/* The sources of a listing: see listing.h.
 *
 * Three things disturb the order in which a backend lists a directory:
 *  - inside the nesting ("data/01/") a directory "23" stands for keys that start "0123", files bear
 *    whole keys: so directories are gathered first. Small directories are buffered whole; of a
 * large one the names are read once more for its directories.
 *  - "a.del" is key "a", but comes after "a-b": an item is kept back while a ".del" of a shorter
 * key may still come. When too many are kept back, the storage is asked for that one.
 *  - in the bytes profile nesting directories ("+01") come first of all: they are gathered as well.
 * One thread a listing. */
#include "store/listing.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "store/names.h"

#define BUFFER_ITEMS 4096
#define PENDING_MOST (2 * BUFFER_ITEMS)

static int no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
}

static bool set_text(struct ms_text *t, struct ms_view a, struct ms_view b)
{
    char *bytes = malloc(a.size + b.size + 1);
    if (!bytes)
        return false;
    if (a.size)
        memcpy(bytes, a.data, a.size);
    if (b.size)
        memcpy(bytes + a.size, b.data, b.size);
    free(t->bytes);
    *t = (struct ms_text){a.size + b.size, bytes};
    return true;
}

static struct ms_view view(struct ms_text t)
{
    return ms_view(t.bytes, t.size);
}

static struct ms_view key_of(const struct ms_listed *item)
{
    return ms_view(item->key, item->size);
}

void ms_found_dir_free(struct ms_found_dir *dir)
{
    if (!dir)
        return;
    free(dir->bound);
    free(dir);
}

static void free_items(struct ms_listed *list)
{
    while (list) {
        struct ms_listed *next = list->next;
        free(list);
        list = next;
    }
}

void ms_source_free(struct ms_source *s)
{
    if (!s)
        return;
    ms_lister_close(s->lister);
    while (s->dirs) {
        struct ms_found_dir *next = s->dirs->next;
        ms_found_dir_free(s->dirs);
        s->dirs = next;
    }
    free_items(s->buffered);
    free_items(s->pending);
    free(s->head);
    free(s->space.bytes);
    free(s->lead.bytes);
    free(s->chunks.bytes);
    free(s->pieces.bytes);
    free(s->last_name.bytes);
    free(s);
}

/* ---- what is wanted ---- */

bool ms_listing_may_hold(const struct ms_listing *l, struct ms_view bound)
{
    if (!ms_starts_with(bound, l->prefix) && !ms_starts_with(l->prefix, bound))
        return false;
    return ms_compare(bound, l->from) > 0 || ms_starts_with(l->from, bound);
}

static bool wanted(const struct ms_listing *l, const struct ms_listed *item)
{
    return ms_starts_with(key_of(item), l->prefix) && ms_compare(key_of(item), l->from) > 0;
}

/* ---- what a name means ---- */

static bool bytes_profile(const struct ms_source *s)
{
    return s->ns->names == MS_NAMES_BYTES;
}

static int add_dir(struct ms_source *s, struct ms_view name, struct ms_view bound, bool space,
                   struct ms_error *err)
{
    if (!ms_listing_may_hold(s->listing, bound))
        return 0;
    struct ms_found_dir *dir = malloc(sizeof *dir + name.size);
    char *copy = malloc(bound.size + 1);
    if (!dir || !copy) {
        free(dir);
        free(copy);
        return no_memory(err);
    }
    *dir = (struct ms_found_dir){
        .space = space, .name_size = name.size, .size = bound.size, .bound = copy};
    memcpy(copy, bound.data, bound.size);
    memcpy(dir->name, name.data, name.size);
    struct ms_found_dir **place = &s->dirs;
    while (*place && ms_compare(ms_view((*place)->bound, (*place)->size), bound) <= 0)
        place = &(*place)->next;
    dir->next = *place;
    *place = dir;
    return 0;
}

/* lead + a + b, on the caller's buffer. */
static struct ms_view join(const struct ms_source *s, struct ms_view a, struct ms_view b,
                           char *buffer)
{
    size_t at = 0;
    const struct ms_view parts[] = {view(s->lead), a, b};
    for (int i = 0; i < 3; i++) {
        if (parts[i].size)
            memcpy(buffer + at, parts[i].data, parts[i].size);
        at += parts[i].size;
    }
    return ms_view(buffer, at);
}

#define JOIN_MAX (3 * MS_NAME_MAX)

static int meet_space(struct ms_source *s, struct ms_view name, struct ms_error *err)
{
    char buffer[JOIN_MAX];
    if (!s->listing->whole || ms_namespace_fault(name))
        return 0;
    return add_dir(s, name, join(s, name, ms_str("/"), buffer), true, err);
}

/* Nesting, or a namespace below this one? By name and configuration (see like_nesting in
 * store/namespaces.c). */
static bool is_space(const struct ms_source *s, struct ms_view name, bool *is, struct ms_error *err)
{
    MS_AUTO_FREE char *path = malloc(s->space.size + name.size + 2);
    if (!path) {
        no_memory(err);
        return false;
    }
    size_t size = s->space.size;
    if (size) {
        memcpy(path, s->space.bytes, size);
        path[size++] = '/';
    }
    memcpy(path + size, name.data, name.size);
    *is = name.size > 2 || (s->space.size == 0 && s->ns->level_max == 0) ||
          ms_namespaces_leads(s->listing->namespaces, ms_view(path, size + name.size));
    return true;
}

static int meet_dir_borgstore(struct ms_source *s, struct ms_view name, struct ms_error *err)
{
    char buffer[JOIN_MAX];
    bool space = false;
    if (s->depth == 0 && !is_space(s, name, &space, err))
        return MS_ERR_NO_MEMORY;
    if (space)
        return meet_space(s, name, err);
    if (name.size > 2 || s->chunks.size % 2) {
        ++*s->listing->skipped; /* no nesting makes such a directory */
        return 0;
    }
    return add_dir(s, name, join(s, view(s->chunks), name, buffer), false, err);
}

static int meet_dir_bytes(struct ms_source *s, struct ms_view name, struct ms_error *err)
{
    char buffer[JOIN_MAX];
    if (name.data[0] == '+' && name.size <= 3 && s->pieces.size == 0)
        return add_dir(s, name,
                       join(s, view(s->chunks), ms_view(name.data + 1, name.size - 1), buffer),
                       false, err);
    if (name.size == MS_SEGMENT_MAX + 1 && name.data[name.size - 1] == '+')
        return add_dir(s, name, join(s, view(s->pieces), ms_view(name.data, name.size - 1), buffer),
                       false, err);
    ++*s->listing->skipped;
    return 0;
}

static int meet_dir(struct ms_source *s, struct ms_view name, struct ms_error *err)
{
    return bytes_profile(s) ? meet_dir_bytes(s, name, err) : meet_dir_borgstore(s, name, err);
}

/* Whether nesting brings a key into the directories that say `chunks`. Only a key's last chunk can
 * be a single character, and is then all that is left of it. */
static bool leads_into(struct ms_view key, struct ms_view chunks)
{
    return chunks.size % 2 ? ms_equal(key, chunks) : ms_starts_with(key, chunks);
}

/* The rule for names, as for a caller's key; and that the file lies where that key leads. */
static bool valid(const struct ms_source *s, struct ms_view key)
{
    if (bytes_profile(s)) {
        bool ours = ms_starts_with(key, view(s->chunks));
        uint8_t decoded[MS_NAME_MAX];
        size_t size;
        return ours && key.size <= MS_ESCAPED_MAX && ms_unescape(key, decoded, &size) && size > 0 &&
               size <= MS_BYTES_KEY_MAX;
    }
    return leads_into(key, view(s->chunks)) && !ms_borgstore_fault(key) &&
           !memchr(key.data, '/', key.size);
}

/* An item for a file; *out NULL: it is none, or not wanted. */
static int meet_file(struct ms_source *s, struct ms_view name, const struct ms_info *info,
                     struct ms_listed **out, struct ms_error *err)
{
    *out = NULL;
    bool deleted = ms_ends_with(name, ms_str(MS_DEL_SUFFIX));
    if (deleted)
        name.size -= MS_DEL_SIZE;
    if (deleted ? s->listing->deleted == MS_LIST_LIVE : s->listing->deleted == MS_LIST_DELETED)
        return 0;
    size_t size = s->pieces.size + name.size;
    struct ms_listed *item = malloc(sizeof *item + s->lead.size + size + 1);
    if (!item)
        return no_memory(err);
    char *key = item->key + s->lead.size;
    if (s->lead.size)
        memcpy(item->key, s->lead.bytes, s->lead.size);
    if (s->pieces.size)
        memcpy(key, s->pieces.bytes, s->pieces.size);
    memcpy(key + s->pieces.size, name.data, name.size);
    *item = (struct ms_listed){.deleted = deleted, .info = *info, .size = s->lead.size + size};
    if (!valid(s, ms_view(key, size))) {
        ++*s->listing->skipped;
        free(item);
        return 0;
    }
    if (!wanted(s->listing, item)) {
        free(item);
        return 0;
    }
    *out = item;
    return 0;
}

/* ---- opening ---- */

static int start_lister(struct ms_source *s, struct ms_view after, bool names_only,
                        struct ms_lister **out, struct ms_error *err)
{
    struct ms_list_request request = {.start_after = after, .names_only = names_only};
    int code =
        ms_backend_list(s->listing->store->backend, ms_name_view(&s->path), &request, out, err);
    if (code == MS_ERR_NOT_FOUND) {
        *out = NULL; /* never written to, or gone since it was met */
        return 0;
    }
    return code;
}

/* Directories that lie before the lister's beginning but hold keys behind it. */
static int probe_dirs_before(struct ms_source *s, struct ms_view from, struct ms_view after,
                             struct ms_error *err)
{
    for (size_t size = 1; size <= 2 && size <= from.size; size++) {
        struct ms_view name = ms_view(from.data, size);
        if (ms_compare(name, after) > 0 || memchr(from.data, '/', size) ||
            ms_equal(name, ms_str(".")) || ms_equal(name, ms_str("..")))
            continue;
        struct ms_name path = s->path;
        if (path.size)
            path.text[path.size++] = '/';
        memcpy(path.text + path.size, from.data, size);
        path.size += size;
        struct ms_info info;
        int code = ms_backend_info(s->listing->store->backend, ms_name_view(&path), &info, err);
        if (!code && info.directory)
            code = meet_dir(s, name, err);
        if (code)
            return code;
    }
    return 0;
}

/* Behind what name a lister may begin: the caller's `from`, or just before his prefix. */
static struct ms_view begin_after(const struct ms_listing *l, char buffer[MS_NAME_MAX])
{
    if (ms_compare(l->from, l->prefix) >= 0)
        return l->from;
    memcpy(buffer, l->prefix.data, l->prefix.size);
    uint8_t last = (uint8_t)buffer[l->prefix.size - 1];
    if (last == 0)
        return ms_view(buffer, l->prefix.size - 1);
    buffer[l->prefix.size - 1] = (char)(last - 1);
    buffer[l->prefix.size] = (char)0xff; /* no valid name lies between */
    return ms_view(buffer, l->prefix.size + 1);
}

/* The lister of the top directory of a namespace, streaming; it need not begin at the beginning. */
static int open_top(struct ms_source *s, struct ms_error *err)
{
    const struct ms_listing *l = s->listing;
    char buffer[MS_NAME_MAX];
    struct ms_view after = ms_view(NULL, 0);
    if (!l->whole && !bytes_profile(s) && l->prefix.size < sizeof buffer) {
        after = begin_after(l, buffer);
        int code = probe_dirs_before(s, ms_compare(l->from, l->prefix) >= 0 ? l->from : l->prefix,
                                     after, err);
        if (code)
            return code;
    }
    return start_lister(s, after, l->names_only, &s->lister, err);
}

static int keep_name(struct ms_source *s, struct ms_view name, struct ms_error *err)
{
    return set_text(&s->last_name, name, ms_view(NULL, 0)) ? 0 : no_memory(err);
}

/* The rest of a large directory, for its directories alone. */
static int gather_dirs(struct ms_source *s, struct ms_error *err)
{
    struct ms_lister *lister;
    int code = start_lister(s, view(s->last_name), true, &lister, err);
    const struct ms_entry *e = NULL;
    while (!code && lister && !(code = ms_lister_next(lister, &e, err)) && e)
        if (e->info.directory)
            code = meet_dir(s, e->name, err);
    ms_lister_close(lister);
    return code;
}

static void insert_pending(struct ms_source *s, struct ms_listed *item)
{
    struct ms_listed **place = &s->pending;
    while (*place) {
        int order = ms_compare(key_of(*place), key_of(item));
        if (order > 0 || (order == 0 && !item->deleted))
            break;
        place = &(*place)->next;
    }
    item->next = *place;
    *place = item;
    s->pending_count++;
}

/* Reads a directory inside the nesting into the buffer, as far as it has room. */
static int open_nested(struct ms_source *s, struct ms_error *err)
{
    int code = start_lister(s, ms_view(NULL, 0), s->listing->names_only, &s->lister, err);
    struct ms_listed **end = &s->buffered;
    const struct ms_entry *e = NULL;
    size_t count = 0;
    while (!code && s->lister && count < BUFFER_ITEMS) {
        code = ms_lister_next(s->lister, &e, err);
        if (code || !e)
            break;
        if (e->info.directory) {
            code = meet_dir(s, e->name, err);
            continue;
        }
        struct ms_listed *item;
        code = meet_file(s, e->name, &e->info, &item, err);
        if (!code)
            code = keep_name(s, e->name, err);
        if (!code && item) {
            item->next = NULL;
            *end = item;
            end = &item->next;
        } else {
            free(item);
        }
        count++;
    }
    /* their file names are all read: in the order of keys from here on */
    while (s->listing->deleted != MS_LIST_LIVE && s->buffered) {
        struct ms_listed *item = s->buffered;
        s->buffered = item->next;
        insert_pending(s, item);
    }
    if (code || !s->lister)
        return code;
    if (!e) {
        ms_lister_close(MS_TAKE(s->lister));
        return 0;
    }
    return gather_dirs(s, err);
}

static struct ms_source *new_source(const struct ms_listing *listing, struct ms_error *err)
{
    struct ms_source *s = calloc(1, sizeof *s);
    if (!s)
        no_memory(err);
    else
        s->listing = listing;
    return s;
}

static int opened(struct ms_source *s, int code, struct ms_source **out)
{
    if (code) {
        ms_source_free(s);
        return code;
    }
    *out = s;
    return 0;
}

static int add_configured(struct ms_source *s, struct ms_error *err)
{
    const struct ms_ns *ns;
    int code = 0;
    for (size_t i = 0; !code && (ns = ms_namespaces_at(s->listing->namespaces, i)); i++) {
        char bound[MS_NAME_MAX];
        struct ms_view name = ms_view(ns->name, ns->name_size);
        code = add_dir(s, name, join(s, name, ms_str("/"), bound), true, err);
    }
    return code;
}

/* The beginning of a namespace's names in this listing. */
static int open_space(struct ms_source *s, struct ms_view space, struct ms_error *err)
{
    s->ns = ms_namespaces_of_path(s->listing->namespaces, space);
    if (!s->ns) /* a root that nothing is configured for has the configured namespaces */
        return space.size ? 0 : add_configured(s, err);
    bool slash = s->listing->whole && space.size;
    if (space.size > sizeof s->path.text || !set_text(&s->space, space, ms_view(NULL, 0)) ||
        !set_text(&s->lead, s->listing->whole ? space : ms_view(NULL, 0), ms_str(slash ? "/" : "")))
        return no_memory(err);
    s->path.size = space.size;
    if (space.size)
        memcpy(s->path.text, space.data, space.size);
    return open_top(s, err);
}

int ms_source_open(const struct ms_listing *listing, struct ms_view space, struct ms_source **out,
                   struct ms_error *err)
{
    struct ms_source *s = new_source(listing, err);
    return s ? opened(s, open_space(s, space, err), out) : MS_ERR_NO_MEMORY;
}

static bool copy_place(struct ms_source *s, const struct ms_source *up)
{
    s->ns = up->ns;
    s->depth = up->depth;
    return set_text(&s->space, view(up->space), ms_view(NULL, 0)) &&
           set_text(&s->lead, view(up->lead), ms_view(NULL, 0)) &&
           set_text(&s->chunks, view(up->chunks), ms_view(NULL, 0)) &&
           set_text(&s->pieces, view(up->pieces), ms_view(NULL, 0));
}

/* One directory deeper inside a namespace. */
static int open_deeper(struct ms_source *s, const struct ms_source *up,
                       const struct ms_found_dir *dir, struct ms_error *err)
{
    struct ms_view name = ms_view(dir->name, dir->name_size);
    if (!copy_place(s, up))
        return no_memory(err);
    s->path = up->path;
    s->path.text[s->path.size++] = '/';
    if (up->path.size == 0)
        s->path.size = 0;
    memcpy(s->path.text + s->path.size, name.data, name.size);
    s->path.size += name.size;
    if (!bytes_profile(s)) {
        s->depth++;
        return set_text(&s->chunks, view(up->chunks), name) ? open_nested(s, err) : no_memory(err);
    }
    if (name.data[0] == '+') {
        s->depth++;
        name = ms_view(name.data + 1, name.size - 1);
        if (!set_text(&s->chunks, view(up->chunks), name))
            return no_memory(err);
    } else if (!set_text(&s->pieces, view(up->pieces), ms_view(name.data, name.size - 1))) {
        return no_memory(err);
    }
    return open_top(s, err);
}

static int open_below(struct ms_source *s, const struct ms_source *up,
                      const struct ms_found_dir *dir, struct ms_error *err)
{
    char path[2 * MS_NAME_MAX];
    size_t size = up->space.size;
    if (size) {
        memcpy(path, up->space.bytes, size);
        path[size++] = '/';
    }
    memcpy(path + size, dir->name, dir->name_size);
    return open_space(s, ms_view(path, size + dir->name_size), err);
}

int ms_source_enter(struct ms_source *up, const struct ms_found_dir *dir, struct ms_source **out,
                    struct ms_error *err)
{
    struct ms_source *s = new_source(up->listing, err);
    if (!s)
        return MS_ERR_NO_MEMORY;
    if (up->path.size + 1 + dir->name_size > sizeof s->path.text) {
        ++*up->listing->skipped; /* deeper than any name */
        s->ended = true;
        return opened(s, 0, out);
    }
    return opened(s, dir->space ? open_below(s, up, dir, err) : open_deeper(s, up, dir, err), out);
}

/* ---- the stream of items ---- */

/* Nothing that follows in the directory can start with the wanted prefix. */
static bool beyond_prefix(const struct ms_source *s, struct ms_view name)
{
    struct ms_view prefix = s->listing->prefix;
    return prefix.size && !s->listing->whole && !bytes_profile(s) && s->depth == 0 &&
           ms_compare(name, prefix) > 0 && !ms_starts_with(name, prefix);
}

/* The next item in the order of file names; *out NULL: the end. Directories met go to s->dirs; one
 * that may come before the item ends the search, with *again. */
static int read_item(struct ms_source *s, struct ms_listed **out, bool *again, struct ms_error *err)
{
    *out = NULL;
    *again = false;
    if (s->buffered) {
        *out = s->buffered;
        s->buffered = (*out)->next;
        return 0;
    }
    while (s->lister) {
        const struct ms_entry *e;
        int code = ms_lister_next(s->lister, &e, err);
        if (code)
            return code;
        if (!e) {
            ms_lister_close(MS_TAKE(s->lister));
            return 0;
        }
        if (beyond_prefix(s, e->name)) {
            ms_lister_close(MS_TAKE(s->lister));
            return 0;
        }
        if (!e->info.directory) {
            code = keep_name(s, e->name, err);
            if (!code)
                code = meet_file(s, e->name, &e->info, out, err);
            if (code || *out)
                return code;
            continue;
        }
        if (s->depth > 0 && !bytes_profile(s))
            continue; /* gathered before */
        const struct ms_found_dir *before = s->dirs;
        code = meet_dir(s, e->name, err);
        /* in the bytes profile nesting directories come first: on to the first file */
        if (code || (s->dirs != before && !bytes_profile(s))) {
            *again = !code;
            return code;
        }
    }
    return 0;
}

/* The shortest beginning X of the key for which "X.del" may still come; 0: none. */
static size_t blocker(const struct ms_source *s, const struct ms_listed *item, size_t after)
{
    struct ms_view name = ms_view(item->key + s->lead.size, item->size - s->lead.size);
    name.data += s->pieces.size;
    name.size -= s->pieces.size;
    for (size_t size = after + 1; size < name.size; size++) {
        if (name.data[size] > '.')
            continue;
        char text[MS_NAME_MAX];
        memcpy(text, name.data, size);
        memcpy(text + size, MS_DEL_SUFFIX, MS_DEL_SIZE);
        if (ms_compare(ms_view(text, size + MS_DEL_SIZE), view(s->last_name)) > 0)
            return size;
    }
    return 0;
}

/* Asks the storage for each ".del" that holds the first pending item back. */
static int probe_blockers(struct ms_source *s, struct ms_error *err)
{
    const struct ms_listed *item = s->pending;
    size_t skip = s->lead.size + s->pieces.size;
    for (size_t size = 0; (size = blocker(s, item, size));) {
        struct ms_name path = s->path;
        char name[256];
        if (size + MS_DEL_SIZE > 255)
            break;
        memcpy(name, item->key + skip, size);
        memcpy(name + size, MS_DEL_SUFFIX, MS_DEL_SIZE);
        if (path.size)
            path.text[path.size++] = '/';
        memcpy(path.text + path.size, name, size + MS_DEL_SIZE);
        path.size += size + MS_DEL_SIZE;
        struct ms_info info;
        int code = ms_backend_info(s->listing->store->backend, ms_name_view(&path), &info, err);
        if (code)
            return code;
        struct ms_listed *found = NULL;
        if (info.exists && !info.directory)
            code = meet_file(s, ms_view(name, size + MS_DEL_SIZE), &info, &found, err);
        if (code)
            return code;
        if (found) {
            insert_pending(s, found);
            return 0; /* it is first now, and shorter */
        }
    }
    return 0;
}

static bool safe(const struct ms_source *s)
{
    return s->pending && (!s->lister && !s->buffered ? true : !blocker(s, s->pending, 0));
}

static void take_pending(struct ms_source *s)
{
    s->head = s->pending;
    s->pending = s->head->next;
    s->pending_count--;
}

int ms_source_fill(struct ms_source *s, struct ms_error *err)
{
    while (!s->head && !s->ended && !s->dir_first) {
        if (safe(s)) {
            take_pending(s);
            return 0;
        }
        if (s->pending_count > PENDING_MOST) {
            int code = probe_blockers(s, err);
            if (!code)
                take_pending(s);
            return code;
        }
        struct ms_listed *item;
        bool again;
        int code = read_item(s, &item, &again, err);
        if (code)
            return code;
        if (again) {
            /* nesting comes before what is still to be read; a namespace ("ab/") may not ("ab-x"),
             * nor may what is pending */
            if (!s->pending && !s->dirs->space) {
                s->dir_first = true;
                return 0;
            }
        } else if (!item) {
            if (!s->pending)
                s->ended = true;
        } else if (s->listing->deleted == MS_LIST_LIVE) {
            s->head = item;
        } else {
            insert_pending(s, item);
        }
    }
    return 0;
}

bool ms_source_bound(const struct ms_source *s, struct ms_view *bound, bool *directory)
{
    if (s->dirs) {
        struct ms_view dir = ms_view(s->dirs->bound, s->dirs->size);
        if (!s->head || ms_compare(dir, key_of(s->head)) <= 0) {
            *bound = dir;
            *directory = true;
            return true;
        }
    }
    if (!s->head)
        return false;
    *bound = key_of(s->head);
    *directory = false;
    return true;
}
