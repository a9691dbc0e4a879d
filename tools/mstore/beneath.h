/* beneath.h - files under one directory, reached so that no path leads out of it: no "..", no
 * symbolic link on the way, whatever others put there meanwhile. */
#ifndef TOOLS_MSTORE_BENEATH_H
#define TOOLS_MSTORE_BENEATH_H

#include <mstore/base.h>
#include <sys/stat.h>

struct ms_beneath {
    int root;          /* a directory, owned by the caller */
    bool by_component; /* without openat2 (set by itself on old kernels): one component after the
                          other, following no link */
};

/* The directory that holds `path` (relative, NUL-terminated); *name is its last component, within
 * path. MS_ERR_NOT_FOUND, MS_ERR_ACCESS ("a symbolic link is in the way") and others. */
int ms_beneath_parent(struct ms_beneath *b, const char *path, int *directory, const char **name,
                      struct ms_error *err) MS_MUST_CHECK;
/* Opens with flags as for open(2), never through a link. Returns a descriptor or -errno. */
int ms_beneath_open(struct ms_beneath *b, const char *path, int flags, mode_t mode) MS_MUST_CHECK;
/* Makes a directory, or finds that one is there (a link to one does not count). */
int ms_beneath_mkdir(struct ms_beneath *b, const char *path, struct ms_error *err) MS_MUST_CHECK;

#endif
