/* The model of a file system after a power cut: see cut.h. */
#include "fault/cut.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum write_fate { WRITE_ABSENT, WRITE_WHOLE, WRITE_HALF, WRITE_ZEROS, WRITE_FATES };

#define ENTRIES_MAX 256
#define BYTES_MAX   65536u

static void *checked(void *p)
{
    if (!p)
        abort();
    return p;
}

/* ---- which events are safe ---- */

static bool safe(const struct cut *cut, size_t index)
{
    const struct io_event *e = &cut->record->events[index];
    unsigned object = e->kind == IO_WRITE    ? e->object
                      : e->kind == IO_RENAME ? e->into
                      : e->kind == IO_LINK   ? e->into
                                             : e->folder;
    for (size_t i = index + 1; i < cut->at; i++) {
        const struct io_event *sync = &cut->record->events[i];
        bool covers = sync->kind == IO_SYNCFS || (sync->kind == IO_FSYNC && sync->object == object);
        if (covers && index < sync->offset)
            return true;
    }
    return false;
}

void cut_init(struct cut *cut, const struct io_record *record, size_t at)
{
    *cut = (struct cut){.record = record, .at = at, .combinations = 1};
    cut->choices = checked(calloc(at + 1, sizeof *cut->choices));
    for (size_t i = 0; i < at; i++) {
        enum io_kind kind = record->events[i].kind;
        if (kind == IO_FSYNC || kind == IO_SYNCFS || safe(cut, i))
            continue;
        unsigned fates = kind == IO_WRITE ? WRITE_FATES : 2;
        cut->choices[cut->count++] = (struct cut_choice){i, fates};
        if (__builtin_mul_overflow(cut->combinations, fates, &cut->combinations))
            cut->combinations = UINT64_MAX;
    }
}

void cut_fini(struct cut *cut)
{
    free(cut->choices);
}

/* ---- replaying ---- */

struct entry {
    unsigned folder, object;
    bool is_folder;
    char name[64];
};
struct tree {
    struct entry entries[ENTRIES_MAX];
    size_t count;
};

static struct entry *find(struct tree *t, unsigned folder, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->entries[i].folder == folder && strcmp(t->entries[i].name, name) == 0)
            return &t->entries[i];
    return NULL;
}

static void take_out(struct tree *t, unsigned folder, const char *name)
{
    struct entry *e = find(t, folder, name);
    if (e)
        *e = t->entries[--t->count];
}

static void put_in(struct tree *t, unsigned folder, const char *name, unsigned object,
                   bool is_folder)
{
    take_out(t, folder, name);
    if (t->count == ENTRIES_MAX)
        abort();
    struct entry *e = &t->entries[t->count++];
    *e = (struct entry){.folder = folder, .object = object, .is_folder = is_folder};
    strcpy(e->name, name);
}

/* `full` has had all events so far: it tells which object a name means. */
static void apply(struct tree *t, struct tree *full, const struct io_event *e)
{
    struct entry *source = find(full, e->folder, e->name);
    unsigned object = source ? source->object : 0;
    bool is_folder = source && source->is_folder;
    switch (e->kind) {
    case IO_CREATE:
    case IO_MKDIR:
        put_in(t, e->folder, e->name, e->object, e->kind == IO_MKDIR);
        break;
    case IO_RENAME:
        take_out(t, e->folder, e->name);
        put_in(t, e->into, e->to, object, is_folder);
        break;
    case IO_LINK:
        put_in(t, e->into, e->to, object, false);
        break;
    case IO_UNLINK:
        take_out(t, e->folder, e->name);
        break;
    case IO_WRITE:
    case IO_FSYNC:
    case IO_SYNCFS:
        break;
    }
}

static unsigned fate_of(const struct cut *cut, const unsigned *fate, size_t event)
{
    for (size_t i = 0; i < cut->count; i++)
        if (cut->choices[i].event == event)
            return fate[i];
    return 1; /* safe */
}

/* ---- building ---- */

static size_t contents(const struct cut *cut, const unsigned *fate, unsigned object, uint8_t *bytes)
{
    size_t size = 0;
    for (size_t i = 0; i < cut->at; i++) {
        const struct io_event *e = &cut->record->events[i];
        if (e->kind != IO_WRITE || e->object != object)
            continue;
        unsigned how = fate_of(cut, fate, i);
        size_t length = how == WRITE_ABSENT ? 0 : how == WRITE_HALF ? e->size / 2 : e->size;
        if (e->offset + length > BYTES_MAX)
            abort();
        if (how == WRITE_ZEROS)
            memset(bytes + e->offset, 0, length);
        else
            memcpy(bytes + e->offset, e->bytes, length);
        if (length && e->offset + length > size)
            size = e->offset + length;
    }
    return size;
}

static bool build_file(const struct cut *cut, const unsigned *fate, unsigned object,
                       const char *path)
{
    static uint8_t bytes[BYTES_MAX];
    memset(bytes, 0, sizeof bytes);
    size_t size = contents(cut, fate, object, bytes);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    bool done = fd >= 0 && write(fd, bytes, size) == (ssize_t)size;
    return fd >= 0 && close(fd) == 0 && done;
}

static bool build_folder(const struct cut *cut, const unsigned *fate, const struct tree *t,
                         unsigned folder, const char *path)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct entry *e = &t->entries[i];
        char below[512];
        if (e->folder != folder)
            continue;
        snprintf(below, sizeof below, "%s/%s", path, e->name);
        if (!e->is_folder && !build_file(cut, fate, e->object, below))
            return false;
        if (e->is_folder &&
            (mkdir(below, 0700) < 0 || !build_folder(cut, fate, t, e->object, below)))
            return false;
    }
    return true;
}

bool cut_build(const struct cut *cut, const unsigned *fate, const char *root)
{
    struct tree *left = checked(calloc(1, sizeof *left)), *full = checked(calloc(1, sizeof *full));
    for (size_t i = 0; i < cut->at; i++) {
        const struct io_event *e = &cut->record->events[i];
        if (fate_of(cut, fate, i))
            apply(left, full, e);
        apply(full, full, e);
    }
    bool done = build_folder(cut, fate, left, 0, root);
    free(left);
    free(full);
    return done;
}
