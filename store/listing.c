/* The sources of a listing: see listing.h.
 *
 * What is met waits in a heap and is given as soon as nothing smaller can come. Three things
 * disturb the order in which a backend lists a directory:
 *  - inside the borgstore nesting directories are gathered first: a small directory is read whole;
 *    of a large one the names are read once more, for its directories.
 *  - "a.del" is key "a", but comes after "a-b": what is behind "a" waits while "a.del" may still
 *    come. When too many wait, the storage is asked for "a.del", once.
 *  - in the bytes profile nesting directories ("+01") come before all else. */
#include "store/listing.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "store/names.h"

#define WAITING_MOST 4096

bool ms_text_set(struct ms_text *t, struct ms_view a, struct ms_view b)
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

static bool copy(struct ms_text *t, struct ms_view from)
{
    return ms_text_set(t, from, ms_view(NULL, 0));
}

void ms_source_free(struct ms_source *s)
{
    if (!s)
        return;
    ms_lister_close(s->lister);
    ms_heads_fini(&s->heads);
    free(s->space.bytes);
    free(s->lead.bytes);
    free(s->chunks.bytes);
    free(s->pieces.bytes);
    free(s->last.bytes);
    free(s);
}

/* path + "/" + a + b; false: longer than any name. */
static bool below(const struct ms_name *path, struct ms_view a, struct ms_view b,
                  struct ms_name *out)
{
    size_t slash = path->size ? 1 : 0;
    if (path->size + slash + a.size + b.size > sizeof out->text)
        return false;
    memcpy(out->text, path->text, path->size);
    out->text[path->size] = '/';
    char *at = out->text + path->size + slash;
    memcpy(at, a.data, a.size);
    if (b.size)
        memcpy(at + a.size, b.data, b.size);
    out->size = path->size + slash + a.size + b.size;
    return true;
}

/* ---- the order ---- */

/* How much of the name read last is a lower bound of what follows: all of it, or the shortest
 * beginning X for which "X.del" may still come. */
static size_t barrier_of(const struct ms_source *s)
{
    struct ms_view last = ms_text_view(s->last);
    if (s->listing->deleted == MS_LIST_LIVE)
        return last.size;
    for (size_t n = 1; n < last.size && n < MS_BLOCKER_MAX; n++)
        if (last.data[n] <= '.' && !s->asked[n] &&
            ms_compare(ms_view(last.data + n, last.size - n), ms_str(MS_DEL_SUFFIX)) < 0)
            return n;
    return last.size;
}

static int note_read(struct ms_source *s, struct ms_view name, struct ms_error *err)
{
    size_t same = 0;
    while (same < name.size && same < s->last.size &&
           name.data[same] == (uint8_t)s->last.bytes[same])
        same++;
    if (!copy(&s->last, name))
        return ms_source_no_memory(err);
    if (same + 1 < MS_BLOCKER_MAX)
        memset(s->asked + same + 1, 0, MS_BLOCKER_MAX - same - 1);
    s->barrier = barrier_of(s);
    return 0;
}

/* Nothing that is not read yet comes before h. */
static bool is_next(const struct ms_source *s, const struct ms_head *h)
{
    size_t before = s->lead.size + s->pieces.size; /* every bound here begins with these */
    return s->all_read || ms_compare(ms_view(h->bound + before, h->size - before),
                                     ms_view(s->last.bytes, s->barrier)) <= 0;
}

/* Asks the storage for the ".del" that others wait for. */
static int ask_for_blocker(struct ms_source *s, struct ms_error *err)
{
    char name[MS_BLOCKER_MAX + MS_DEL_SIZE];
    struct ms_name path;
    struct ms_info info = {0};
    memcpy(name, s->last.bytes, s->barrier);
    memcpy(name + s->barrier, MS_DEL_SUFFIX, MS_DEL_SIZE);
    struct ms_view whole = ms_view(name, s->barrier + MS_DEL_SIZE);
    int code = 0;
    if (whole.size < MS_BLOCKER_MAX && below(&s->path, whole, ms_view(NULL, 0), &path))
        code = ms_backend_info(s->listing->store->backend, ms_name_view(&path), &info, err);
    if (code == MS_ERR_NAME)
        code = 0; /* longer than the storage's names: not there */
    if (!code && info.exists && !info.directory)
        code = ms_source_meet_file(s, whole, &info, err);
    if (code)
        return code;
    s->asked[s->barrier] = true;
    s->barrier = barrier_of(s);
    return 0;
}

/* An item that ask_for_blocker has found before it was read. */
static bool known(const struct ms_source *s, struct ms_view name)
{
    return name.size > MS_DEL_SIZE && name.size - MS_DEL_SIZE < MS_BLOCKER_MAX &&
           s->asked[name.size - MS_DEL_SIZE] && ms_ends_with(name, ms_str(MS_DEL_SUFFIX));
}

/* ---- where listers begin ---- */

/* Sets s->lister; a directory that is not there (never written to, or gone since it was met) is
 * empty. */
static int start_lister(struct ms_source *s, struct ms_view after, struct ms_error *err)
{
    struct ms_list_request request = {.start_after = after, .names_only = s->listing->names_only};
    int code = ms_backend_list(s->listing->store->backend, ms_name_view(&s->path), &request,
                               &s->lister, err);
    s->all_read = code == MS_ERR_NOT_FOUND;
    return s->all_read ? 0 : code;
}

/* The caller's `from`, or just before his prefix: nothing wanted comes before. */
static struct ms_view wanted_after(const struct ms_listing *l, char buffer[MS_NAME_MAX])
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

/* Behind what name a lister may begin; only where names sort like keys. */
static struct ms_view begin_after(const struct ms_source *s, char buffer[MS_NAME_MAX])
{
    const struct ms_listing *l = s->listing;
    bool anywhere =
        l->whole || ms_source_escaped(s) || s->depth > 0 || l->prefix.size >= MS_NAME_MAX;
    return anywhere ? ms_view(NULL, 0) : wanted_after(l, buffer);
}

static int begin_again(struct ms_source *s, struct ms_error *err)
{
    char buffer[MS_NAME_MAX];
    return start_lister(s, s->last.size ? ms_text_view(s->last) : begin_after(s, buffer), err);
}

/* ---- reading ---- */

/* Nothing that follows in the directory can start with the wanted prefix. */
static bool beyond_prefix(const struct ms_source *s, struct ms_view name)
{
    struct ms_view prefix = s->listing->prefix;
    return prefix.size && !s->listing->whole && !ms_source_escaped(s) && s->depth == 0 &&
           ms_compare(name, prefix) > 0 && !ms_starts_with(name, prefix);
}

static void end(struct ms_source *s)
{
    ms_lister_close(MS_TAKE(s->lister));
    s->all_read = true;
}

/* The next entry; *out NULL: the end, also when the directory is gone by now. */
static int next_entry(struct ms_lister *lister, const struct ms_entry **out, struct ms_error *err)
{
    int code = ms_lister_next(lister, out, err);
    if (code != MS_ERR_NOT_FOUND)
        return code;
    *out = NULL;
    return 0;
}

static int meet(struct ms_source *s, const struct ms_entry *e, struct ms_error *err)
{
    int code = note_read(s, e->name, err);
    if (code || (!e->info.directory && known(s, e->name)))
        return code;
    return e->info.directory ? ms_source_meet_dir(s, e->name, err)
                             : ms_source_meet_file(s, e->name, &e->info, err);
}

/* A lister that failed may have lost its place: whoever asks again gets a new one, behind the name
 * read last. */
static int read_one(struct ms_source *s, struct ms_error *err)
{
    const struct ms_entry *e;
    if (s->lost)
        return ms_source_no_memory(err);
    int code = s->lister ? 0 : begin_again(s, err);
    if (code || s->all_read)
        return code;
    code = next_entry(s->lister, &e, err);
    if (code) {
        ms_lister_close(MS_TAKE(s->lister));
        return code;
    }
    if (!e || beyond_prefix(s, e->name)) {
        end(s);
        return 0;
    }
    if (e->info.directory && ms_source_gathered(s))
        return 0;
    code = meet(s, e, err);
    s->lost = code != 0;
    return code;
}

int ms_source_fill(struct ms_source *s, struct ms_error *err)
{
    int code = 0;
    while (!code && !s->all_read) {
        const struct ms_head *first = ms_heads_first(&s->heads);
        if (first && is_next(s, first))
            break;
        bool crowded = s->heads.count >= WAITING_MOST && s->barrier < s->last.size;
        code = crowded ? ask_for_blocker(s, err) : read_one(s, err);
    }
    return code;
}

int ms_source_read_ahead(struct ms_source *s, size_t most, struct ms_error *err)
{
    int code = 0;
    if (ms_source_gathered(s))
        return 0; /* the directories are known, and the items as far as there is room */
    for (size_t i = 0; !code && i < most && !s->all_read && s->heads.count < WAITING_MOST; i++)
        code = read_one(s, err);
    return code;
}

/* ---- opening ---- */

/* Directories that lie before the lister's beginning but hold keys behind it. */
static int probe_dirs_before(struct ms_source *s, struct ms_view from, struct ms_view after,
                             struct ms_error *err)
{
    for (size_t size = 1; size <= 2 && size <= from.size; size++) {
        struct ms_view name = ms_view(from.data, size);
        struct ms_name path;
        if (ms_compare(name, after) > 0 || memchr(from.data, '/', size) ||
            ms_equal(name, ms_str(".")) || ms_equal(name, ms_str("..")) ||
            !below(&s->path, name, ms_view(NULL, 0), &path))
            continue;
        struct ms_info info;
        int code = ms_backend_info(s->listing->store->backend, ms_name_view(&path), &info, err);
        if (!code && info.directory)
            code = ms_source_meet_dir(s, name, err);
        if (code)
            return code;
    }
    return 0;
}

/* The lister of the top directory of a namespace, streaming; it need not begin at the beginning. */
static int open_top(struct ms_source *s, struct ms_error *err)
{
    const struct ms_listing *l = s->listing;
    char buffer[MS_NAME_MAX];
    struct ms_view after = begin_after(s, buffer);
    struct ms_view first = ms_compare(l->from, l->prefix) >= 0 ? l->from : l->prefix;
    int code = after.size ? probe_dirs_before(s, first, after, err) : 0;
    return code ? code : start_lister(s, after, err);
}

/* The directories behind the name `after`. */
static int gather_dirs(struct ms_source *s, struct ms_view after, struct ms_error *err)
{
    struct ms_list_request request = {.start_after = after, .names_only = true};
    struct ms_lister *lister = NULL;
    const struct ms_entry *e = NULL;
    int code =
        ms_backend_list(s->listing->store->backend, ms_name_view(&s->path), &request, &lister, err);
    if (code)
        return code == MS_ERR_NOT_FOUND ? 0 : code;
    while (!code && !(code = next_entry(lister, &e, err)) && e)
        if (e->info.directory)
            code = ms_source_meet_dir(s, e->name, err);
    ms_lister_close(lister);
    return code;
}

/* A directory inside the borgstore nesting: with all its directories, and as many items as have
 * room. */
static int open_gathered(struct ms_source *s, struct ms_error *err)
{
    struct ms_text at = {0};
    int code = start_lister(s, ms_view(NULL, 0), err);
    for (size_t i = 0; !code && !s->all_read && i < WAITING_MOST; i++) {
        const struct ms_entry *e;
        code = next_entry(s->lister, &e, err);
        if (code)
            break;
        if (!e) {
            end(s);
            break;
        }
        code = e->info.directory ? ms_source_meet_dir(s, e->name, err) : meet(s, e, err);
        if (!code && i + 1 == WAITING_MOST && !copy(&at, e->name))
            code = ms_source_no_memory(err);
    }
    if (!code && !s->all_read)
        code = gather_dirs(s, ms_text_view(at), err);
    free(at.bytes);
    return code;
}

static int add_configured(struct ms_source *s, struct ms_error *err)
{
    const struct ms_ns *ns;
    int code = 0;
    for (size_t i = 0; !code && (ns = ms_namespaces_at(s->listing->namespaces, i)); i++)
        code = ms_source_add_space(s, ms_view(ns->name, ns->name_size), err);
    return code;
}

/* The beginning of a namespace's names in this listing. */
static int open_space(struct ms_source *s, struct ms_view space, struct ms_error *err)
{
    s->ns = ms_namespaces_of_path(s->listing->namespaces, space);
    if (!s->ns) { /* a root that nothing is configured for has the configured namespaces */
        s->all_read = true;
        return space.size ? 0 : add_configured(s, err);
    }
    bool slash = s->listing->whole && space.size;
    if (space.size > sizeof s->path.text || !copy(&s->space, space) ||
        !ms_text_set(&s->lead, s->listing->whole ? space : ms_view(NULL, 0),
                     ms_str(slash ? "/" : "")))
        return ms_source_no_memory(err);
    s->path.size = space.size;
    if (space.size)
        memcpy(s->path.text, space.data, space.size);
    return open_top(s, err);
}

static int open_below(struct ms_source *s, const struct ms_source *up, struct ms_view name,
                      struct ms_error *err)
{
    struct ms_name path, space = {.size = up->space.size};
    if (space.size)
        memcpy(space.text, up->space.bytes, space.size);
    /* there is a name of this length: see ms_source_enter */
    s->all_read = !below(&space, name, ms_view(NULL, 0), &path);
    return s->all_read ? 0 : open_space(s, ms_name_view(&path), err);
}

static bool copy_place(struct ms_source *s, const struct ms_source *up)
{
    s->ns = up->ns;
    s->depth = up->depth;
    return copy(&s->space, ms_text_view(up->space)) && copy(&s->lead, ms_text_view(up->lead)) &&
           copy(&s->chunks, ms_text_view(up->chunks)) && copy(&s->pieces, ms_text_view(up->pieces));
}

/* One directory deeper inside a namespace. */
static int open_deeper(struct ms_source *s, const struct ms_source *up, struct ms_view name,
                       struct ms_error *err)
{
    if (!copy_place(s, up))
        return ms_source_no_memory(err);
    if (ms_source_escaped(s) && name.data[0] != '+') {
        if (!ms_text_set(&s->pieces, ms_text_view(up->pieces), ms_view(name.data, name.size - 1)))
            return ms_source_no_memory(err);
        return open_top(s, err);
    }
    size_t mark = ms_source_escaped(s) ? 1 : 0;
    s->depth++;
    if (!ms_text_set(&s->chunks, ms_text_view(up->chunks),
                     ms_view(name.data + mark, name.size - mark)))
        return ms_source_no_memory(err);
    return mark ? open_top(s, err) : open_gathered(s, err);
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

static struct ms_source *new_source(const struct ms_listing *listing, struct ms_error *err)
{
    struct ms_source *s = calloc(1, sizeof *s);
    if (s)
        s->listing = listing;
    else
        ms_source_no_memory(err);
    return s;
}

int ms_source_open(const struct ms_listing *listing, struct ms_view space, struct ms_source **out,
                   struct ms_error *err)
{
    struct ms_source *s = new_source(listing, err);
    return s ? opened(s, open_space(s, space, err), out) : MS_ERR_NO_MEMORY;
}

int ms_source_enter(const struct ms_source *up, const struct ms_head *dir, struct ms_source **out,
                    struct ms_error *err)
{
    struct ms_source *s = new_source(up->listing, err);
    if (!s)
        return MS_ERR_NO_MEMORY;
    struct ms_view name = ms_head_name(dir);
    if (!below(&up->path, name, ms_view(NULL, 0), &s->path)) {
        s->skipped++; /* deeper than any name */
        s->all_read = true;
        return opened(s, 0, out);
    }
    return opened(s, dir->space ? open_below(s, up, name, err) : open_deeper(s, up, name, err),
                  out);
}
