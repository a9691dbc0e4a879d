/* demo/files.h - real files of this machine for the demo to keep. */
#ifndef DEMO_FILES_H
#define DEMO_FILES_H

#include <mstore/mstore.h>

struct demo_file {
    char *path;
    struct ms_buf *content;
    char key[80]; /* "data/" + SHA-256 of the content */
};

/* Up to `most` regular files with different, non-empty contents of at most 1 MiB from a folder that
 * every machine has (/usr/share/doc, else /etc). Returns how many. */
size_t find_files(struct demo_file *files, size_t most);
void free_files(struct demo_file *files, size_t count);

#endif
