/* The recorder: what changed the file system, in order. One mutex; files and folders are told
 * apart by their inode numbers, which are mapped to numbers of our own, since the system reuses
 * them. */
#include "support/wrapio_record.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OBJECTS_MAX 4096

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
    bool on;
    struct io_record record;
    size_t room;
    ino_t inodes[OBJECTS_MAX]; /* by our number; the last one with an inode is meant */
    unsigned objects;
} locked;

void wrapio_record(const char *root)
{
    struct stat st;
    pthread_mutex_lock(&mutex);
    if (stat(root, &st) < 0)
        abort();
    memset(&locked, 0, sizeof locked);
    locked.inodes[0] = st.st_ino;
    locked.objects = 1;
    locked.on = true;
    pthread_mutex_unlock(&mutex);
}

size_t wrapio_recorded(void)
{
    pthread_mutex_lock(&mutex);
    size_t count = locked.record.count;
    pthread_mutex_unlock(&mutex);
    return count;
}

struct io_record wrapio_take(void)
{
    pthread_mutex_lock(&mutex);
    struct io_record record = locked.record;
    locked.record = (struct io_record){0};
    locked.on = false;
    pthread_mutex_unlock(&mutex);
    return record;
}

void wrapio_free(struct io_record *record)
{
    for (size_t i = 0; i < record->count; i++)
        free(record->events[i].bytes);
    free(record->events);
    *record = (struct io_record){0};
}

static void add_locked(const struct io_event *event)
{
    if (locked.record.count == locked.room) {
        locked.room = locked.room ? locked.room * 2 : 64;
        locked.record.events = realloc(locked.record.events, locked.room * sizeof *event);
        if (!locked.record.events)
            abort();
    }
    locked.record.events[locked.record.count++] = *event;
}

static unsigned number_locked(ino_t inode)
{
    for (unsigned i = locked.objects; i > 0; i--)
        if (locked.inodes[i - 1] == inode)
            return i - 1;
    fprintf(stderr, "wrapio: a file that was not created while recording\n");
    abort();
}

static ino_t inode_of(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        abort();
    return st.st_ino;
}

static void set_name(char to[64], const char *name)
{
    if (strlen(name) >= 64 || strchr(name, '/'))
        abort();
    strcpy(to, name);
}

/* Locks when something is recorded. */
static bool begin(int *errnum)
{
    *errnum = errno;
    pthread_mutex_lock(&mutex);
    if (locked.on)
        return true;
    pthread_mutex_unlock(&mutex);
    return false;
}

static void end(const struct io_event *event, int errnum)
{
    add_locked(event);
    pthread_mutex_unlock(&mutex);
    errno = errnum;
}

void record_new(enum io_kind kind, int dir, const char *name)
{
    int errnum;
    struct stat st;
    struct io_event event = {.kind = kind};
    if (!begin(&errnum))
        return;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || locked.objects == OBJECTS_MAX)
        abort();
    event.folder = number_locked(inode_of(dir));
    event.object = locked.objects;
    locked.inodes[locked.objects++] = st.st_ino;
    set_name(event.name, name);
    end(&event, errnum);
}

void record_write(int fd, uint64_t offset, const void *bytes, size_t size)
{
    int errnum;
    struct io_event event = {.kind = IO_WRITE, .offset = offset, .size = size};
    if (!begin(&errnum))
        return;
    event.object = number_locked(inode_of(fd));
    event.bytes = malloc(size);
    if (!event.bytes)
        abort();
    memcpy(event.bytes, bytes, size);
    end(&event, errnum);
}

void record_sync(enum io_kind kind, int fd, size_t begin_at)
{
    int errnum;
    /* `offset`: how many events it covers */
    struct io_event event = {.kind = kind, .offset = begin_at};
    if (!begin(&errnum))
        return;
    event.object = number_locked(inode_of(fd));
    end(&event, errnum);
}

void record_names(enum io_kind kind, int dir, const char *from, int to_dir, const char *to)
{
    int errnum;
    struct io_event event = {.kind = kind};
    if (!begin(&errnum))
        return;
    event.folder = number_locked(inode_of(dir));
    event.into = number_locked(inode_of(to_dir));
    set_name(event.name, from);
    set_name(event.to, to);
    end(&event, errnum);
}
