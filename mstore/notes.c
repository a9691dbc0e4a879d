/* mstore/notes.c - see mstore/notes.h. */
#include "mstore/notes.h"

#include "base/pool.h"
#include "base/sync.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

#define FOLDERS_MORE 255 /* than notes are wanted: with more, there is most likely one in one */
#define JOBS         16
#define BATCH        (4 * JOBS)

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

/* ---- looking for them ---- */

struct search {
    struct ms_member *keeper;
    uint64_t most;
    char **folders; /* still to be looked into, from `looked` on */
    size_t count, looked;
    struct ms_mutex mutex; /* of the folders' list and of what follows */
    uint64_t notes;
    bool more;
    struct ms_error why; /* the last failure */
};

static int add_folder_locked(struct search *s, char *folder, struct ms_error *err)
{
    char **more = folder ? reallocarray(s->folders, s->count + 1, sizeof *more) : NULL;
    if (!more) {
        free(folder);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    }
    s->folders = more;
    more[s->count++] = folder;
    return 0;
}

static bool is_of_late(struct ms_view last)
{
    return ms_equal(last, ms_str("0000000000000000-0000000000000001"));
}

struct look { /* into one folder */
    struct search *s;
    const char *folder;
};

static int take_entry(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct look *look = ctx;
    struct search *s = look->s;
    bool folder = entry->info.directory;
    char *path = NULL;
    if (folder ? strlen(look->folder) + 1 + entry->name.size > MS_NAME_MAX
               : is_of_late(entry->name))
        return 0;
    MS_HOLD(&s->mutex);
    bool full = folder ? s->count == s->most + FOLDERS_MORE : s->notes == s->most;
    s->more |= full;
    s->notes += !full && !folder;
    if (full || !folder)
        return 0;
    if (asprintf(&path, "%s/%.*s", look->folder, (int)entry->name.size,
                 (const char *)entry->name.data) < 0)
        path = NULL;
    return add_folder_locked(s, path, err);
}

static int look_into(void *arg, size_t i)
{
    static const struct ms_list_request names = {.names_only = true};
    struct search *s = arg;
    struct look look = {.s = s};
    struct ms_error why = {0};
    ms_mutex_lock(&s->mutex);
    look.folder = s->folders[s->looked + i];
    ms_mutex_unlock(&s->mutex);
    int code = ms_member_list(s->keeper, ms_str(look.folder), &names, take_entry, &look, &why);
    MS_HOLD(&s->mutex);
    if (code)
        s->why = why;
    return code;
}

/* All folders that are known by now, then those in them; for a single note one after the other. */
static int search(struct search *s, struct ms_error *err)
{
    int code = 0;
    while (!code && s->count > s->looked && s->notes < s->most) {
        size_t left = s->count - s->looked, batch = s->most == 1 ? 1 : left < BATCH ? left : BATCH;
        code = ms_parallel(batch, JOBS, look_into, s, err);
        s->looked += batch;
    }
    s->more |= !code && s->count > s->looked;
    if (code && err && s->why.code == code)
        *err = s->why;
    return code;
}

int ms_notes_count(struct ms_member *keeper, const struct ms_uuid *store,
                   const struct ms_uuid *about, uint64_t most, struct ms_notes_count *out,
                   struct ms_error *err)
{
    const struct ms_own_name note = {
        .kind = MS_OWN_HINT, .store = *store, .member = *about, .key = ms_str("a")};
    struct search s = {.keeper = keeper, .most = most};
    struct ms_name top;
    ms_mutex_init(&s.mutex);
    int code = ms_own_folder(&note, MS_OWN_OF_KIND, 0, &top, err);
    if (!code)
        code = add_folder_locked(&s, strndup(top.text, top.size), err);
    if (!code)
        code = search(&s, err);
    *out = (struct ms_notes_count){s.notes, s.more};
    for (size_t i = 0; i < s.count; i++)
        free(s.folders[i]);
    free(s.folders);
    ms_mutex_fini(&s.mutex);
    return code;
}

int ms_notes_any(struct ms_member *keeper, const struct ms_uuid *store, const struct ms_uuid *about,
                 bool *any, struct ms_error *err)
{
    struct ms_notes_count count;
    int code = ms_notes_count(keeper, store, about, 1, &count, err);
    *any = count.notes || count.more;
    return code;
}
