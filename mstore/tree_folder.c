/* mstore/tree_folder.c - one folder of a tree (mstore/tree.h): its entries as pages of records. The
 * listing is opened by whoever reads the first page, a task when the folder is opened ahead. */
#include "mstore/tree_parts.h"

#include "base/text.h"

#include <stdlib.h>

#define ONLY_LIMIT 8 /* objects of one key, as a rule */

static int open_listing(struct ms_folder *f, struct ms_error *err)
{
    const struct ms_list_request request = {.start_after = ms_view(f->after, f->after_size),
                                            .limit = f->only_size ? ONLY_LIMIT : 0,
                                            .names_only = f->names_only};
    int code = ms_member_list_open(f->member, ms_folder_path(f), &request, &f->lister, err);
    f->opened = code == 0;
    return code;
}

/* NULL: the end. A folder that is gone by now is empty; an empty one is believed only of a storage
 * that still has its mark. */
static int read_entry(struct ms_folder *f, const struct ms_entry **out, struct ms_error *err)
{
    int code = f->opened ? 0 : open_listing(f, err);
    if (!code)
        code = ms_member_list_next(&f->lister, out, err);
    if (code == MS_ERR_NOT_FOUND && !f->listed)
        code = 0;
    if (!code && !*out && !f->listed)
        code = ms_member_is_there(f->member, err);
    f->listed = true;
    if (!code && *out && !ms_starts_with((*out)->name, ms_view(f->only, f->only_size)))
        *out = NULL;
    return code;
}

static int next_entry(void *ctx, struct ms_record *out, struct ms_error *err)
{
    struct ms_folder *f = ctx;
    const struct ms_entry *entry = NULL;
    int code = read_entry(f, &entry, err);
    if (code || !entry)
        return code;
    f->entry = (struct ms_tree_entry){.directory = entry->info.directory,
                                      .stored_bytes = entry->info.size_bytes,
                                      .mtime_ns = entry->info.mtime_ns};
    *out = (struct ms_record){.key = entry->name, .body = &f->entry};
    return 0;
}

static int compare_entries(const struct ms_record *a, const struct ms_record *b)
{
    return ms_compare(a->key, b->key);
}

/* Puts it behind what is there; its place. */
static const char *put(char **at, struct ms_view a, const char *between, struct ms_view b)
{
    const char *begin = *at;
    size_t size = strlen(between);
    if (a.size)
        memcpy(*at, a.data, a.size);
    memcpy(*at + a.size, between, size);
    if (b.size)
        memcpy(*at + a.size + size, b.data, b.size);
    *at += a.size + size + b.size;
    return begin;
}

static struct ms_folder *folder_of(const struct ms_folder_options *o)
{
    static const struct ms_view none;
    size_t all = o->parent.size + 1 + o->name.size + o->before.size + o->text.size + o->after.size +
                 o->only.size;
    struct ms_folder *f = calloc(1, sizeof *f + all);
    if (!f)
        return NULL;
    char *at = f->bytes;
    f->path = put(&at, o->parent, o->name.size ? "/" : "", o->name);
    f->path_size = (size_t)(at - f->path);
    f->text = put(&at, o->before, "", o->text);
    f->text_size = (size_t)(at - f->text);
    f->after = put(&at, o->after, "", none);
    f->after_size = o->after.size;
    f->only = put(&at, o->only, "", none);
    f->only_size = o->only.size;
    f->place = o->place;
    f->depth = o->depth;
    f->names_only = o->names_only;
    return f;
}

int ms_folder_new(struct ms_member *member, const struct ms_folder_options *options,
                  struct ms_folder **out, struct ms_error *err)
{
    struct ms_folder *f = folder_of(options);
    if (!f)
        return ms_source_no_memory(err);
    f->member = ms_member_ref(member);
    const struct ms_pages_source source = {
        .next = next_entry, .compare = compare_entries, .ctx = f, .body_size = sizeof f->entry};
    int code = ms_pages_new(&source, ms_member_clock(member), &f->pages, err);
    if (code)
        ms_folder_free(f);
    else
        *out = f;
    return code;
}

void ms_folder_free(struct ms_folder *f)
{
    if (!f)
        return;
    for (struct ms_folder *below; (below = f->first);) {
        f->first = below->next;
        ms_folder_free(below);
    }
    ms_pages_free(f->pages);
    if (f->opened)
        ms_member_list_close(&f->lister);
    ms_member_unref(f->member);
    free(f);
}
