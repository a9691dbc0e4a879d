/* A tree of files in memory, and finding one on disk. */
#include "tools/mstore/tree.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "tools/mstore/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define BLOCK_BYTES (1u << 20)

/* ---- nodes ---------------------------------------------------------------------------------- */

struct ms_node *ms_nodes_add(struct ms_nodes *nodes, const char *path, enum ms_tree_kind kind)
{
    if (nodes->count == nodes->room) {
        size_t room = nodes->room ? nodes->room * 2 : 256, bytes;
        struct ms_node *more = NULL;
        if (ms_mul_size(room, sizeof *more, &bytes))
            more = realloc(nodes->at, bytes);
        if (!more)
            return NULL;
        nodes->at = more;
        nodes->room = room;
    }
    struct ms_node *node = &nodes->at[nodes->count];
    *node = (struct ms_node){.kind = kind, .path = strdup(path)};
    if (!node->path)
        return NULL;
    nodes->count++;
    return node;
}

void ms_nodes_fini(struct ms_nodes *nodes)
{
    for (size_t i = 0; i < nodes->count; i++) {
        free(nodes->at[i].path);
        free(nodes->at[i].target);
    }
    free(nodes->at);
    *nodes = (struct ms_nodes){0};
}

void ms_nodes_total(const struct ms_nodes *nodes, uint64_t *files, uint64_t *bytes)
{
    *files = *bytes = 0;
    for (size_t i = 0; i < nodes->count; i++)
        if (nodes->at[i].kind == MS_TREE_FILE) {
            *files += 1;
            *bytes += nodes->at[i].size_bytes;
        }
}

int64_t ms_tree_mtime(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * INT64_C(1000000000) + st->st_mtim.tv_nsec;
}

/* ---- what put-tree and get-tree share -------------------------------------------------------- */

char *ms_tree_key(const struct ms_tree *t, const char *sha256, size_t *size)
{
    return ms_cli_join(t->ns, ms_str(sha256), size);
}

void ms_tree_failed(struct ms_tree *t, struct ms_node *node, int code, const char *sentence)
{
    node->left_out = true;
    if (code == MS_ERR_CANCELLED)
        return;
    atomic_fetch_add(&t->failed, 1);
    ms_cli_report(t->cli, "%s: %s", MS_SHOW(ms_str(node->path)),
                  sentence && sentence[0] ? sentence : ms_code_text(code));
}

int ms_tree_hash_file(int fd, const char *path, char hex[MS_SHA256_HEX], uint64_t *size,
                      struct ms_error *err)
{
    MS_AUTO_FREE uint8_t *block = malloc(BLOCK_BYTES);
    struct ms_hash *hash = NULL;
    if (!block)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a block of 1 MiB");
    if (lseek(fd, 0, SEEK_SET) < 0)
        return ms_cli_local_error(err, errno, "cannot read it");
    int code = ms_hash_new("sha256", &hash, err);
    uint64_t total = 0;
    for (size_t got = BLOCK_BYTES; !code && got == BLOCK_BYTES; total += code ? 0 : got) {
        code = ms_fd_read(fd, path, block, BLOCK_BYTES, &got, err);
        if (!code)
            code = ms_hash_update(hash, ms_view(block, got), err);
    }
    if (!code)
        code = ms_hash_hex(hash, hex, MS_SHA256_HEX, err);
    ms_hash_free(hash);
    *size = total;
    return code;
}

int ms_tree_open_store(struct ms_tree *t, struct ms_cli *cli, struct ms_error *err)
{
    t->cli = cli;
    t->ns = cli->args.positional[1];
    t->root.root = -1;
    int code = ms_cli_open(cli, &t->store, err);
    if (!code)
        t->jobs = ms_cli_jobs(cli, t->store);
    return code;
}

int ms_tree_open_folder(struct ms_tree *t, bool make, struct ms_error *err)
{
    const char *folder = t->cli->args.positional[2];
    if (make && mkdir(folder, 0777) != 0 && errno != EEXIST)
        return ms_cli_local_error(err, errno, "cannot make the folder %s", folder);
    t->root.root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->root.root < 0)
        return ms_cli_local_error(err, errno, "cannot open the folder %s", folder);
    return 0;
}

int ms_tree_close(struct ms_tree *t, int code, struct ms_error *err)
{
    if (t->root.root >= 0)
        close(t->root.root);
    ms_nodes_fini(&t->nodes);
    return ms_cli_close(t->store, code, err);
}

/* ---- finding files -------------------------------------------------------------------------- */

static int read_target(int directory, const char *name, struct ms_node *node, struct ms_error *err)
{
    char target[MS_TREE_PATH_MAX + 2];
    ssize_t n = readlinkat(directory, name, target, sizeof target);
    if (n < 0)
        return ms_cli_local_error(err, errno, "cannot read the link");
    if (n == 0 || n > MS_TREE_PATH_MAX)
        return ms_error_set(err, MS_CLI_LOCAL, "the link's target is empty or too long");
    node->target = strndup(target, (size_t)n);
    return node->target ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a link");
}

/* Adds what an entry of a directory is; sockets, devices and pipes are left out. */
static int add_entry(struct ms_tree *t, int directory, const char *name, const char *path,
                     struct ms_error *err)
{
    struct stat st;
    struct ms_node missing = {.path = (char *)(uintptr_t)path};
    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        ms_cli_local_error(err, errno, "cannot look at it");
        ms_tree_failed(t, &missing, MS_CLI_LOCAL, err->text);
        return 0;
    }
    enum ms_tree_kind kind = S_ISDIR(st.st_mode)   ? MS_TREE_DIRECTORY
                             : S_ISLNK(st.st_mode) ? MS_TREE_LINK
                                                   : MS_TREE_FILE;
    if (kind == MS_TREE_FILE && !S_ISREG(st.st_mode)) {
        ms_cli_report(t->cli, "%s: left out: it is a socket, a device or a pipe",
                      MS_SHOW(ms_str(path)));
        return 0;
    }
    if (strlen(path) > MS_TREE_PATH_MAX) {
        ms_tree_failed(t, &missing, MS_ERR_TOO_LARGE, "the path is too long");
        return 0;
    }
    struct ms_node *node = ms_nodes_add(&t->nodes, path, kind);
    if (!node)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for one more path");
    node->mtime_ns = ms_tree_mtime(&st);
    node->mode = kind == MS_TREE_LINK ? 0 : st.st_mode & 0777;
    node->size_bytes = kind == MS_TREE_FILE ? (uint64_t)st.st_size : 0;
    int code = kind == MS_TREE_LINK ? read_target(directory, name, node, err) : 0;
    if (code == MS_CLI_LOCAL) {
        ms_tree_failed(t, node, code, err->text);
        code = 0;
    }
    return code;
}

static int scan_entries(struct ms_tree *t, DIR *directory, const char *path, struct ms_error *err)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry && errno) {
            struct ms_node self = {.path = (char *)(uintptr_t)path};
            ms_cli_local_error(err, errno, "cannot read the folder");
            ms_tree_failed(t, &self, MS_CLI_LOCAL, err->text);
        }
        if (!entry)
            return 0;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        size_t size;
        MS_AUTO_FREE char *whole = ms_cli_join(path, ms_str(entry->d_name), &size);
        if (!whole)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a path");
        int code = ms_cli_interrupted(err, "nothing was stored");
        if (!code)
            code = add_entry(t, dirfd(directory), entry->d_name, whole, err);
        if (code)
            return code;
    }
}

static int scan_directory(struct ms_tree *t, const char *path, struct ms_error *err)
{
    int fd = ms_beneath_open(&t->root, path[0] ? path : ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (!directory) {
        struct ms_node self = {.path = (char *)(uintptr_t)(path[0] ? path : ".")};
        ms_cli_local_error(err, fd < 0 ? -fd : errno, "cannot read the folder");
        ms_tree_failed(t, &self, MS_CLI_LOCAL, err->text);
        if (fd >= 0)
            close(fd);
        return 0;
    }
    int code = scan_entries(t, directory, path, err);
    closedir(directory);
    return code;
}

static int by_path(const void *a, const void *b)
{
    const struct ms_node *x = a, *y = b;
    return ms_tree_compare(ms_str(x->path), ms_str(y->path));
}

int ms_tree_scan(struct ms_tree *t, struct ms_error *err)
{
    int code = scan_directory(t, "", err);
    for (size_t i = 0; !code && i < t->nodes.count; i++)
        if (t->nodes.at[i].kind == MS_TREE_DIRECTORY) {
            /* the node moves when the array grows */
            MS_AUTO_FREE char *path = strdup(t->nodes.at[i].path);
            code = path ? scan_directory(t, path, err)
                        : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a path");
        }
    if (!code && t->nodes.count)
        qsort(t->nodes.at, t->nodes.count, sizeof *t->nodes.at, by_path);
    return code;
}
