/* mstore/tree.c - see mstore/tree.h. A stack of folders, each with its place in its own listing;
 * the queue of a folder holds those below it that were opened ahead, and come before whatever else
 * it lists. */
#include "mstore/tree_parts.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

#define AHEAD_MOST     32
#define QUICK_NS       (300 * 1000) /* less than this is not worth other threads */
#define STRANGERS_MOST 1000000

/* ---- life ---- */

static int copy_options(struct ms_tree *t, const struct ms_tree_options *o, struct ms_error *err)
{
    static const struct ms_view none;
    t->where = o->where;
    t->where.key = none;
    t->names_only = o->names_only;
    if (!ms_text_set(&t->space, o->where.space, none))
        return ms_source_no_memory(err);
    t->where.space = ms_text_view(t->space);
    if (o->whole_key && !ms_text_set(&t->only, o->prefix, none))
        return ms_source_no_memory(err);
    for (unsigned i = 0; i <= MS_OWN_LEVELS_MAX; i++)
        t->levels[i] = i == o->where.level || (o->levels && o->levels[i]);
    return ms_tree_bounds_set(&t->bounds, o->start_after, o->prefix, err);
}

int ms_tree_new(struct ms_member *member, const struct ms_tree_options *options,
                struct ms_tree **out, struct ms_error *err)
{
    struct ms_tree *t = calloc(1, sizeof *t);
    if (!t)
        return ms_source_no_memory(err);
    t->member = ms_member_ref(member);
    t->ahead = 1;
    int code = copy_options(t, options, err);
    if (code)
        ms_tree_free(t);
    else
        *out = t;
    return code;
}

void ms_tree_free(struct ms_tree *t)
{
    if (!t)
        return;
    while (t->deep)
        ms_folder_free(t->stack[--t->deep]);
    ms_tree_bounds_fini(&t->bounds);
    free(t->space.bytes);
    free(t->only.bytes);
    ms_member_unref(t->member);
    free(t);
}

uint64_t ms_tree_strangers(const struct ms_tree *t)
{
    return t->strangers;
}

const char *ms_tree_stranger(const struct ms_tree *t)
{
    return t->stranger;
}

/* ---- names that are not ours ---- */

static int count_strangers(struct ms_tree *t, const struct ms_folder *f, struct ms_view name,
                           uint64_t count, struct ms_error *err)
{
    char whole[2 * MS_SHOW_SIZE];
    int size = snprintf(whole, sizeof whole, "%.*s/%.*s", (int)f->path_size, f->path,
                        (int)name.size, (const char *)name.data);
    if (!t->strangers && count && size > 0) /* written once: see ms_tree_stranger */
        ms_show(t->stranger, sizeof t->stranger,
                ms_view(whole, (size_t)size < sizeof whole ? (size_t)size : sizeof whole - 1));
    t->strangers += count;
    if (t->strangers <= STRANGERS_MOST)
        return 0;
    return ms_error_set(
        err, MS_ERR_PROTOCOL,
        "member %s: more than %d names are none of this store's, among them %s; remove "
        "them",
        ms_member_name(t->member), STRANGERS_MOST, t->stranger);
}

static int count_stranger(struct ms_tree *t, const struct ms_folder *f, struct ms_view name,
                          struct ms_error *err)
{
    return count_strangers(t, f, name, 1, err);
}

/* Of the levels whose trees pass by there, the smallest counts. */
static bool counts_here(const struct ms_tree *t, unsigned depth)
{
    for (unsigned i = depth; i < t->where.level; i++)
        if (t->levels[i])
            return false;
    return true;
}

static int pass_over(struct ms_tree *t, const struct ms_folder *f, struct ms_view name,
                     struct ms_error *err)
{
    return counts_here(t, f->depth) ? count_stranger(t, f, name, err) : 0;
}

/* ---- folders ---- */

static bool on_path(const struct ms_tree *t, struct ms_view text)
{
    return ms_starts_with(ms_text_view(t->bounds.low), text);
}

/* What all keys in the folder begin with; its two halves are known to fit. */
static struct ms_view whole_text(const struct ms_folder_options *o, char text[MS_ESCAPED_MAX])
{
    memcpy(text, o->before.data, o->before.size);
    memcpy(text + o->before.size, o->text.data, o->text.size);
    return ms_view(text, o->before.size + o->text.size);
}

static size_t begin_after(const struct ms_tree *t, const struct ms_folder_options *o,
                          char after[MS_TREE_AFTER_MAX])
{
    char text[MS_ESCAPED_MAX];
    struct ms_view whole = whole_text(o, text);
    size_t piece = ms_own_piece(t->where.kind);
    if (o->place == MS_TREE_CHUNKS && o->depth == t->where.level)
        return ms_tree_after_key(&t->bounds, 0, piece, after); /* pieces begin anew */
    if (o->place == MS_TREE_OBJECTS || !on_path(t, whole))
        return 0;
    return o->place == MS_TREE_CHUNKS ? ms_tree_after_chunk(&t->bounds, whole.size, after)
                                      : ms_tree_after_key(&t->bounds, whole.size, piece, after);
}

static int make_folder(struct ms_tree *t, const struct ms_folder_options *o, struct ms_folder **out,
                       struct ms_error *err)
{
    char after[MS_TREE_AFTER_MAX];
    struct ms_folder_options with = *o;
    with.after = ms_view(after, begin_after(t, o, after));
    with.names_only = t->names_only || (o->place == MS_TREE_CHUNKS && o->depth < t->where.level);
    return ms_folder_new(t->member, &with, out, err);
}

static int open_space(struct ms_tree *t, struct ms_error *err)
{
    struct ms_name path;
    struct ms_own_name any = t->where; /* the folder does not depend on these */
    any.key = ms_str("a");
    any.k = any.kind == MS_OWN_VALUE;
    int code = ms_own_folder(&any, MS_OWN_OF_SPACE, 0, &path, err);
    struct ms_folder_options o = {.place = MS_TREE_CHUNKS,
                                  .parent = ms_name_view(&path),
                                  .before = ms_str(""),
                                  .text = ms_str("")};
    return code ? code : make_folder(t, &o, &t->stack[0], err);
}

/* The folder in which the objects of one key lie: its own, or of values the one that they share
 * with others, which is that of a chunk, or of the key's last piece when it has several. */
static int open_key(struct ms_tree *t, struct ms_error *err)
{
    struct ms_name path;
    char begin[MS_OWN_BEGIN_MAX];
    size_t used = 0;
    struct ms_own_name own = t->where;
    struct ms_view text = ms_text_view(t->bounds.prefix);
    own.key = ms_text_view(t->only);
    own.k = own.kind == MS_OWN_VALUE;
    int code = ms_own_folder(&own, MS_OWN_OF_KEY, 0, &path, err);
    if (!code && own.kind == MS_OWN_VALUE)
        code = ms_own_begin(&own, begin, &used, err);
    if (code)
        return code;
    size_t pieces = used ? text.size - (used - strlen("k.!")) : 0;
    struct ms_folder_options o = {.place = !used    ? MS_TREE_OBJECTS
                                           : pieces ? MS_TREE_PIECES
                                                    : MS_TREE_CHUNKS,
                                  .depth = t->where.level,
                                  .parent = ms_name_view(&path),
                                  .before = ms_str(""),
                                  .text = used ? ms_view(text.data, pieces) : text,
                                  .only = ms_view(begin, used)};
    return make_folder(t, &o, &t->stack[0], err);
}

static int open_root(struct ms_tree *t, struct ms_error *err)
{
    int code = t->only.size ? open_key(t, err) : open_space(t, err);
    t->deep = code ? 0 : 1;
    return code;
}

/* What a name in a folder is. */
enum meaning { STRANGER, UNWANTED, OVER, FOLDER, OBJECT };

/* "k.TEXT" with `end` behind: the text. */
static bool unwrap(struct ms_view name, char end, struct ms_view *text)
{
    if (name.size < 3 || memcmp(name.data, "k.", 2) != 0 ||
        name.data[name.size - 1] != (uint8_t)end)
        return false;
    *text = ms_view(name.data + 2, name.size - 3);
    return true;
}

static enum meaning bound_folder(const struct ms_tree *t, const struct ms_folder_options *o)
{
    char text[MS_ESCAPED_MAX];
    if (o->before.size + o->text.size > sizeof text ||
        o->parent.size + 1 + o->name.size > MS_NAME_MAX)
        return STRANGER;
    struct ms_view whole = whole_text(o, text);
    if (ms_tree_is_over(&t->bounds, whole))
        return OVER;
    bool wanted = o->place == MS_TREE_OBJECTS ? ms_tree_wants_key(&t->bounds, whole)
                                              : ms_tree_wants_folder(&t->bounds, whole);
    return wanted ? FOLDER : UNWANTED;
}

static enum meaning chunk_of(const struct ms_tree *t, const struct ms_folder *f,
                             struct ms_folder_options *o)
{
    bool deeper = false;
    for (unsigned i = f->depth + 1; i <= MS_OWN_LEVELS_MAX; i++)
        deeper = deeper || t->levels[i];
    if (f->place != MS_TREE_CHUNKS || o->text.size > 2 || !deeper)
        return STRANGER;
    if (f->depth == t->where.level)
        return UNWANTED; /* another level's */
    o->place = MS_TREE_CHUNKS;
    o->depth = f->depth + 1;
    o->before = ms_folder_text(f);
    return bound_folder(t, o);
}

/* A piece of a key, or all the rest of it. */
static enum meaning key_of(const struct ms_tree *t, const struct ms_folder *f,
                           struct ms_folder_options *o, enum ms_tree_place place)
{
    size_t piece = ms_own_piece(t->where.kind);
    if (f->place == MS_TREE_OBJECTS ||
        (place == MS_TREE_PIECES ? o->text.size != piece : o->text.size > piece))
        return STRANGER;
    if (f->place == MS_TREE_CHUNKS && f->depth < t->where.level)
        return t->levels[f->depth] ? UNWANTED : STRANGER;
    o->place = place;
    o->depth = f->depth;
    o->before = f->place == MS_TREE_PIECES ? ms_folder_text(f) : ms_str("");
    return bound_folder(t, o);
}

static enum meaning meaning_of(const struct ms_tree *t, const struct ms_folder *f,
                               struct ms_view name, bool directory, struct ms_folder_options *o)
{
    bool flat = t->where.kind == MS_OWN_VALUE;
    *o = (struct ms_folder_options){.parent = ms_folder_path(f), .name = name};
    if (directory && unwrap(name, ',', &o->text))
        return chunk_of(t, f, o);
    if (directory && unwrap(name, '+', &o->text))
        return key_of(t, f, o, MS_TREE_PIECES);
    if (directory)
        return !flat && unwrap(name, '!', &o->text) ? key_of(t, f, o, MS_TREE_OBJECTS) : STRANGER;
    if (!flat)
        return f->place == MS_TREE_OBJECTS ? OBJECT : STRANGER;
    const uint8_t *end = name.size ? memchr(name.data, '!', name.size) : NULL;
    if (!end || !unwrap(ms_view(name.data, (size_t)(end - name.data) + 1), '!', &o->text))
        return STRANGER;
    enum meaning key = key_of(t, f, o, MS_TREE_OBJECTS);
    return key == FOLDER ? OBJECT : key;
}

/* ---- going on ---- */

/* Takes the first entry of a folder, a folder itself, into its queue. */
static int enqueue(struct ms_tree *t, struct ms_folder *top, const struct ms_folder_options *o,
                   struct ms_error *err)
{
    struct ms_folder *f;
    int code = make_folder(t, o, &f, err);
    if (code)
        return code;
    if (top->first)
        top->last->next = f;
    else
        top->first = f;
    top->last = f;
    top->queued++;
    if (t->ahead > 1)
        ms_pages_start(f->pages);
    ms_pages_pop(top->pages);
    return 0;
}

/* Deals with the first entry unless it is an object. *more: there may be another folder. */
static int take_entry(struct ms_tree *t, struct ms_folder *top, bool *more, struct ms_error *err)
{
    struct ms_record r;
    struct ms_folder_options o;
    int code = ms_pages_first(top->pages, &r, err);
    *more = !code && r.body;
    if (!*more)
        return code;
    const struct ms_tree_entry *entry = r.body;
    enum meaning meaning = meaning_of(t, top, r.key, entry->directory, &o);
    if (meaning == FOLDER)
        return enqueue(t, top, &o, err);
    *more = meaning == UNWANTED || meaning == STRANGER;
    top->over = meaning == OVER;
    if (meaning == STRANGER)
        code = pass_over(t, top, r.key, err);
    if (!code && *more)
        ms_pages_pop(top->pages);
    return code;
}

/* Until as many folders wait as are to be opened at once, or something else is next. What fails
 * ahead of its time fails again when it is needed. */
static int fill_queue(struct ms_tree *t, struct ms_folder *top, struct ms_error *err)
{
    bool more = !top->over;
    int code = 0;
    while (more && !code && top->queued < t->ahead)
        code = take_entry(t, top, &more, err);
    return top->queued ? 0 : code;
}

static int go_into(struct ms_tree *t, struct ms_folder *top, struct ms_error *err)
{
    struct ms_folder *f = top->first;
    struct ms_record r;
    top->first = f->next;
    top->queued--;
    ms_assert(t->deep < sizeof t->stack / sizeof(struct ms_folder *));
    t->stack[t->deep++] = f;
    int code = ms_pages_first(f->pages, &r, err);
    struct ms_capabilities caps = {0};
    ms_member_capabilities(t->member, &caps);
    unsigned most = caps.best_parallelism < AHEAD_MOST ? caps.best_parallelism : AHEAD_MOST;
    if (ms_pages_took_ns(f->pages) < QUICK_NS || most < 2)
        t->ahead = 1;
    else
        t->ahead = 2 * t->ahead < most ? 2 * t->ahead : most;
    return code;
}

/* The first entry of the folder, an object's, as t->item. False: it is none of ours. */
static bool read_object(struct ms_tree *t, const struct ms_folder *f, const struct ms_record *r)
{
    const struct ms_tree_entry *entry = r->body;
    if (f->path_size + 1 + r->key.size > sizeof t->name.text)
        return false;
    memcpy(t->name.text, f->path, f->path_size);
    t->name.text[f->path_size] = '/';
    memcpy(t->name.text + f->path_size + 1, r->key.data, r->key.size);
    t->name.size = f->path_size + 1 + r->key.size;
    if (!ms_own_parse(ms_name_view(&t->name), &t->parsed) || t->parsed.name.level != t->where.level)
        return false;
    t->item = (struct ms_tree_item){.key = t->parsed.name.key,
                                    .name = t->parsed.name,
                                    .stored_bytes = entry->stored_bytes,
                                    .mtime_ns = entry->mtime_ns};
    return true;
}

static int leave(struct ms_tree *t, struct ms_folder *top, struct ms_error *err)
{
    uint64_t unordered = ms_pages_skipped(top->pages);
    int code = count_strangers(t, top, ms_str("(names out of order)"), unordered, err);
    t->deep--;
    ms_folder_free(top);
    return code;
}

/* One step with the folder at the top. *found: t->item is the next one. */
static int step(struct ms_tree *t, bool *found, struct ms_error *err)
{
    struct ms_folder *top = t->stack[t->deep - 1];
    struct ms_record r = {0};
    int code = fill_queue(t, top, err);
    if (code || top->queued)
        return code ? code : go_into(t, top, err);
    if (!top->over)
        code = ms_pages_first(top->pages, &r, err);
    if (code)
        return code;
    if (!r.body)
        return leave(t, top, err);
    *found = read_object(t, top, &r);
    if (!*found)
        code = count_stranger(t, top, r.key, err);
    if (!code)
        ms_pages_pop(top->pages);
    return code;
}

int ms_tree_next(struct ms_tree *t, const struct ms_tree_item **out, struct ms_error *err)
{
    bool found = false;
    int code = t->failed.code;
    if (!code && !t->begun)
        code = open_root(t, &t->failed);
    t->begun = true;
    while (!code && !found && t->deep)
        code = step(t, &found, &t->failed);
    t->failed.code = code;
    *out = found && !code ? &t->item : NULL;
    if (code && err)
        *err = t->failed;
    return code;
}
