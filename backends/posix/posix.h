/* backends/posix/posix.h - what the files of the posix driver share.
 *
 * Everything is relative to a descriptor of the root folder; a path is opened beneath it without
 * following any symbolic link (path.c), and what changes a folder works on a descriptor of that
 * folder and one name in it. Nothing is kept open between calls. */
#ifndef BACKENDS_POSIX_POSIX_H
#define BACKENDS_POSIX_POSIX_H

#include <mstore/backend.h>

#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/types.h>

enum ms_posix_sync { MS_SYNC_NONE, MS_SYNC_DATA, MS_SYNC_FULL };

#define MS_POSIX_DURABLE_SLOTS 4096

struct ms_posix {
    struct ms_backend base;
    char *path; /* absolute */
    int root;   /* -1: closed */
    enum ms_posix_sync sync;
    bool batch_syncfs;
    atomic_bool walk; /* openat2 is not there (or not wanted): component by component */
    /* Hashes of folders whose way to the root is known to be durable; a lost or overwritten slot
     * costs some fsyncs, nothing else. */
    _Atomic uint64_t durable[MS_POSIX_DURABLE_SLOTS];
};

static inline struct ms_posix *ms_posix_self(struct ms_backend *b)
{
    return (struct ms_posix *)b;
}

/* How often a folder is made again that somebody removes, empty, before a value is in it. Each time
 * means that another call came through; with slow syncs a busy remover wins many times in a row. */
#define MS_POSIX_TRIES 1000

/* ---- openat2.c ---- */
/* The system call; -1 and errno. */
int ms_posix_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);

/* ---- path.c ---- */
struct ms_posix_dir {
    int fd;
    bool borrowed; /* it is the root's */
};
/* Opens name ("" is the root) beneath the root, no symbolic link followed. -1 and errno. */
int ms_posix_open(struct ms_posix *p, struct ms_view name, int flags);
/* The folder that holds name's last part, and that part (NUL-terminated, into last). `make`:
 * missing folders are made. -1 and errno. */
int ms_posix_open_parent(struct ms_posix *p, struct ms_view name, bool make,
                         struct ms_posix_dir *dir, char last[256]);
void ms_posix_close_dir(struct ms_posix_dir *dir);
/* Makes the folder and those above it, durable as sync says. -1 and errno. */
int ms_posix_make_dirs(struct ms_posix *p, struct ms_view name);
/* With sync=full: the folder's entries are durable, and the way to it. -1 and errno. */
int ms_posix_sync_dir(struct ms_posix *p, int fd, struct ms_view dir_name);
/* The error of a failed call on a name. */
int ms_posix_error(struct ms_error *err, int errnum, const char *verb, struct ms_view name);

/* ---- value.c ---- */
void ms_posix_fill_info(const struct stat *st, struct ms_info *out);
/* A new temporary in the folder: its descriptor and name, or -1 and errno. */
int ms_posix_make_temp(int dir, char temp[24]);
int ms_posix_write_all(struct ms_posix *p, int fd, struct ms_view bytes);
/* Gives the temporary its name. -1 and errno. */
int ms_posix_publish(int dir, const char *temp, int to_dir, const char *last, bool if_absent);
int ms_posix_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                  struct ms_error *err);
int ms_posix_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                  struct ms_buf **out, struct ms_info *info, struct ms_error *err);
int ms_posix_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                   const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err);
int ms_posix_delete(struct ms_backend *b, struct ms_view name, struct ms_error *err);
int ms_posix_move(struct ms_backend *b, struct ms_view from, struct ms_view to,
                  const struct ms_precondition *pre, struct ms_error *err);
int ms_posix_open_file(struct ms_backend *b, struct ms_view name, int *fd, struct ms_info *info,
                       struct ms_error *err);
int ms_posix_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                  struct ms_error *err);

/* ---- writer.c, batch.c, list.c, walk.c ---- */
int ms_posix_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                   const struct ms_precondition *pre, struct ms_writer **out, struct ms_error *err);
int ms_posix_batch(struct ms_backend *b, struct ms_batch **out, struct ms_error *err);
int ms_posix_list(struct ms_backend *b, struct ms_view name, const struct ms_list_request *request,
                  struct ms_lister **out, struct ms_error *err);
/* Removes all that lies in the folder, crossing neither links nor mounts. -1 and errno. */
int ms_posix_remove_below(int dir);
int ms_posix_sweep(struct ms_backend *b, uint64_t age_ns, uint64_t *removed, struct ms_error *err);

#endif
