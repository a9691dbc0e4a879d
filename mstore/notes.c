/* mstore/notes.c - see mstore/notes.h. */
#include "mstore/notes.h"

#include "base/text.h"

#include <stdlib.h>

#define FOLDERS_MOST 256 /* looked into; with more, there is most likely a note in one */

void ms_notes_prune(struct ms_member *keeper, const struct ms_own_name *note, struct ms_view name)
{
    struct ms_name top;
    if (ms_own_folder(note, MS_OWN_OF_KIND, 0, &top, NULL))
        return;
    while (name.size > top.size) {
        while (name.data[name.size - 1] != '/')
            name.size--;
        name.size--;
        if (ms_member_rmdir(keeper, name, NULL))
            return;
    }
}

struct search { /* folders that are still to be looked into */
    struct ms_name *folders;
    size_t count, looked;
    struct ms_name in;
    bool found;
};

static int add_folder(struct search *s, const struct ms_name *folder, struct ms_error *err)
{
    struct ms_name *more = reallocarray(s->folders, s->count + 1, sizeof *more);
    if (!more)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    s->folders = more;
    more[s->count++] = *folder;
    return 0;
}

static bool is_of_late(struct ms_view last)
{
    return ms_equal(last, ms_str("0000000000000000-0000000000000001"));
}

static int take_entry(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct search *s = ctx;
    struct ms_name name = s->in;
    if (!entry->info.directory && is_of_late(entry->name))
        return 0;
    s->found = s->found || !entry->info.directory || s->count == FOLDERS_MOST;
    if (s->found || name.size + 1 + entry->name.size > sizeof name.text)
        return 0;
    name.text[name.size] = '/';
    memcpy(name.text + name.size + 1, entry->name.data, entry->name.size);
    name.size += 1 + entry->name.size;
    return add_folder(s, &name, err);
}

int ms_notes_any(struct ms_member *keeper, const struct ms_uuid *store, const struct ms_uuid *about,
                 bool *any, struct ms_error *err)
{
    static const struct ms_list_request names = {.names_only = true};
    const struct ms_own_name note = {
        .kind = MS_OWN_HINT, .store = *store, .member = *about, .key = ms_str("a")};
    struct search s = {0};
    struct ms_name top;
    int code = ms_own_folder(&note, MS_OWN_OF_KIND, 0, &top, err);
    if (!code)
        code = add_folder(&s, &top, err);
    while (!code && !s.found && s.count > s.looked) {
        s.in = s.folders[s.looked++];
        code = ms_member_list(keeper, ms_name_view(&s.in), &names, take_entry, &s, err);
    }
    *any = s.found;
    free(s.folders);
    return code;
}
