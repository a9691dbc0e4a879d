/* get-tree: the files of an index into a folder.
 *
 * The index may be hostile: its parser refuses paths that are not inside a tree, every path is
 * resolved beneath DIR without following a link (beneath.h), and links are made last. A file
 * is written beside its place, verified, then renamed: it is there whole or not at all. */
#include "tools/mstore/tree.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"
#include "tools/mstore/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#define BLOCK_BYTES (1u << 20)

struct get_tree {
    struct ms_tree tree;
    bool force, links;
};

/* ---- the index ------------------------------------------------------------------------------ */

static int take_entry(void *ctx, const struct ms_tree_entry *e, struct ms_error *err)
{
    struct ms_tree *t = ctx;
    struct ms_node *node = ms_nodes_add(&t->nodes, (const char *)e->path.data, e->kind);
    if (!node)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for one more path");
    node->mode = e->mode;
    node->mtime_ns = e->mtime_ns;
    node->size_bytes = e->size_bytes;
    memcpy(node->sha256, e->sha256, sizeof node->sha256);
    if (e->kind == MS_TREE_LINK) {
        node->target = strdup((const char *)e->target.data);
        if (!node->target)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for one more link");
    }
    return 0;
}

static int load_index(struct ms_tree *t, struct ms_error *err)
{
    size_t size;
    MS_AUTO_FREE char *key = ms_tree_key(t, MS_TREE_INDEX_KEY, &size);
    if (!key)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a key");
    struct ms_load_options options = MS_LOAD_OPTIONS_INIT;
    options.size = MS_TREE_TEXT_MAX + 1;
    MS_AUTO_BUF struct ms_buf *text = NULL;
    int code = ms_store_load(t->store, ms_view(key, size), &options, &text, err);
    if (code == MS_ERR_NOT_FOUND)
        return ms_error_set(err, code, "namespace %s holds no tree: there is no item %s",
                            MS_SHOW(ms_str(t->ns)), MS_SHOW(ms_view(key, size)));
    if (!code)
        code = ms_tree_index_parse(ms_buf_view(text), take_entry, t, err);
    return code ? ms_error_prefix(err, code, "%s", MS_SHOW(ms_view(key, size))) : 0;
}

/* ---- one file ------------------------------------------------------------------------------- */

/* A place for a new file or link: its directory, its name, and a name beside it. */
struct place {
    int directory;
    const char *name;
    char temporary[40];
};

static int find_place(struct ms_tree *t, const struct ms_node *node, struct place *p,
                      struct ms_error *err)
{
    char letters[13];
    ms_cli_scratch_name(letters);
    snprintf(p->temporary, sizeof p->temporary, ".mstore-%s.tmp", letters);
    return ms_beneath_parent(&t->root, node->path, &p->directory, &p->name, err);
}

static int taken(struct get_tree *g, struct ms_error *err)
{
    atomic_fetch_add(&g->tree.existing, 1);
    return ms_error_set(err, MS_ERR_EXISTS, "it is there and differs; --force replaces it");
}

/* Puts the temporary in its place. */
static int settle(struct get_tree *g, const struct place *p, struct ms_error *err)
{
    int failed =
        g->force ? renameat(p->directory, p->temporary, p->directory, p->name)
                 : renameat2(p->directory, p->temporary, p->directory, p->name, RENAME_NOREPLACE);
    if (failed && !g->force && (errno == EINVAL || errno == ENOSYS)) {
        /* a file system without that flag */
        failed = linkat(p->directory, p->temporary, p->directory, p->name, 0);
        if (!failed)
            unlinkat(p->directory, p->temporary, 0);
    }
    if (failed && errno == EEXIST)
        return taken(g, err);
    return failed ? ms_cli_local_error(err, errno, "cannot write it") : 0;
}

static int receive_blocks(struct ms_tree *t, const struct ms_node *node,
                          struct ms_store_reader *reader, struct ms_hash *hash, int fd,
                          struct ms_error *err)
{
    size_t room = node->size_bytes < BLOCK_BYTES ? (size_t)node->size_bytes + 1 : BLOCK_BYTES;
    MS_AUTO_FREE uint8_t *block = malloc(room);
    if (!block)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a block");
    for (uint64_t at = 0; at < node->size_bytes;) {
        uint64_t left = node->size_bytes - at;
        size_t got = 0;
        int code =
            ms_store_reader_read(reader, at, block, left < room ? (size_t)left : room, &got, err);
        if (!code && got == 0)
            code = ms_error_set(err, MS_ERR_CORRUPT, "its content ended before its size");
        if (!code)
            code = ms_hash_update(hash, ms_view(block, got), err);
        if (!code)
            code = ms_fd_write(fd, "it", ms_view(block, got), err);
        if (code)
            return code;
        at += got;
        ms_progress_add(&t->progress, 0, got);
    }
    return 0;
}

static int receive(struct ms_tree *t, const struct ms_node *node, int fd, struct ms_error *err)
{
    size_t size;
    MS_AUTO_FREE char *key = ms_tree_key(t, node->sha256, &size);
    struct ms_hash *hash = NULL;
    struct ms_store_reader *reader = NULL;
    char hex[MS_SHA256_HEX];
    if (!key)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a key");
    int code = ms_store_read(t->store, ms_view(key, size), false, &reader, err);
    if (code)
        return code;
    if (ms_store_reader_info(reader)->size_bytes != node->size_bytes)
        code = ms_error_set(err, MS_ERR_CORRUPT, "its content in the store has another size");
    if (!code)
        code = ms_hash_new("sha256", &hash, err);
    if (!code)
        code = receive_blocks(t, node, reader, hash, fd, err);
    if (!code)
        code = ms_hash_hex(hash, hex, sizeof hex, err);
    if (!code && strcmp(hex, node->sha256) != 0)
        code = ms_error_set(err, MS_ERR_CORRUPT, "its content in the store is damaged");
    ms_hash_free(hash);
    ms_store_reader_close(reader);
    return code;
}

static struct timespec time_of(const struct ms_node *node)
{
    int64_t seconds = node->mtime_ns / INT64_C(1000000000),
            ns = node->mtime_ns % INT64_C(1000000000);
    if (ns < 0) {
        seconds--;
        ns += INT64_C(1000000000);
    }
    return (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)ns};
}

static int write_file(struct get_tree *g, const struct ms_node *node, const struct place *p,
                      struct ms_error *err)
{
    MS_AUTO_CLOSE int fd = openat(p->directory, p->temporary,
                                  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return ms_cli_local_error(err, errno, "cannot write it");
    int code = receive(&g->tree, node, fd, err);
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, time_of(node)};
    if (!code && (fchmod(fd, node->mode) != 0 || futimens(fd, times) != 0))
        code = ms_cli_local_error(err, errno, "cannot set its mode and time");
    if (!code && close(ms_take_fd(&fd)) != 0)
        code = ms_cli_local_error(err, errno, "cannot write it");
    if (!code)
        code = settle(g, p, err);
    if (code)
        unlinkat(p->directory, p->temporary, 0);
    return code;
}

/* The file that is there has the size, the time and the content of the node? */
static bool same_file(const struct ms_node *node, const struct place *p, const struct stat *st)
{
    if (!S_ISREG(st->st_mode) || (uint64_t)st->st_size != node->size_bytes ||
        ms_tree_mtime(st) != node->mtime_ns)
        return false;
    MS_AUTO_CLOSE int fd =
        openat(p->directory, p->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char hex[MS_SHA256_HEX];
    uint64_t size;
    return fd >= 0 && ms_tree_hash_file(fd, "it", hex, &size, NULL) == 0 &&
           strcmp(hex, node->sha256) == 0;
}

static int get_file(struct get_tree *g, struct ms_node *node, struct ms_error *err)
{
    struct ms_tree *t = &g->tree;
    struct place p = {.directory = -1};
    struct stat st;
    int code = find_place(t, node, &p, err);
    if (code)
        return code;
    MS_AUTO_CLOSE int directory = p.directory;
    bool there = fstatat(directory, p.name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && same_file(node, &p, &st)) {
        atomic_fetch_add(&t->same, 1);
        ms_progress_add(&t->progress, 1, node->size_bytes);
        return 0;
    }
    if (there && !g->force)
        return taken(g, err);
    code = write_file(g, node, &p, err);
    if (code)
        return code;
    atomic_fetch_add(&t->done, 1);
    atomic_fetch_add(&t->done_bytes, node->size_bytes);
    ms_progress_add(&t->progress, 1, 0);
    return 0;
}

static int file_one(void *arg, size_t index)
{
    struct get_tree *g = arg;
    struct ms_node *node = &g->tree.nodes.at[index];
    struct ms_error err = {0};
    if (node->kind != MS_TREE_FILE || ms_cli_interrupted(&err, NULL))
        return 0;
    int code = get_file(g, node, &err);
    if (code == MS_ERR_NOT_FOUND)
        ms_error_set(&err, code, "its content %.16s... is not in the store", node->sha256);
    if (code)
        ms_tree_failed(&g->tree, node, code, err.text);
    return 0;
}

/* ---- links ---------------------------------------------------------------------------------- */

static bool same_link(const struct ms_node *node, const struct place *p)
{
    char target[MS_TREE_PATH_MAX + 2];
    ssize_t n = readlinkat(p->directory, p->name, target, sizeof target);
    return n >= 0 && ms_equal(ms_view(target, (size_t)n), ms_str(node->target));
}

static int make_link(struct get_tree *g, struct ms_node *node, struct ms_error *err)
{
    struct ms_tree *t = &g->tree;
    struct place p = {.directory = -1};
    struct stat st;
    if (!g->links && !ms_tree_link_stays_inside(ms_str(node->path), ms_str(node->target))) {
        atomic_fetch_add(&t->left_out, 1);
        ms_cli_report(t->cli,
                      "%s: left out: the link leads out of the folder, to %s; --links "
                      "makes it",
                      MS_SHOW(ms_str(node->path)), MS_SHOW(ms_str(node->target)));
        return 0;
    }
    int code = find_place(t, node, &p, err);
    if (code)
        return code;
    MS_AUTO_CLOSE int directory = p.directory;
    if (same_link(node, &p)) {
        atomic_fetch_add(&t->same, 1);
        return 0;
    }
    if (!g->force && fstatat(directory, p.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return taken(g, err);
    if (symlinkat(node->target, directory, p.temporary) != 0)
        return ms_cli_local_error(err, errno, "cannot make the link");
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, time_of(node)};
    /* a link's time is a nicety that not every file system has */
    (void)!utimensat(directory, p.temporary, times, AT_SYMLINK_NOFOLLOW);
    code = settle(g, &p, err);
    if (code)
        unlinkat(directory, p.temporary, 0);
    else
        atomic_fetch_add(&t->done, 1);
    return code;
}

/* ---- directories ---------------------------------------------------------------------------- */

static void make_directories(struct get_tree *g)
{
    for (size_t i = 0; i < g->tree.nodes.count; i++) {
        struct ms_node *node = &g->tree.nodes.at[i];
        struct ms_error err = {0};
        if (node->kind != MS_TREE_DIRECTORY || ms_cli_interrupted(&err, NULL))
            continue;
        int code = ms_beneath_mkdir(&g->tree.root, node->path, &err);
        if (code)
            ms_tree_failed(&g->tree, node, code, err.text);
    }
}

/* From the leaves up: a directory's time changes with what is made in it, and its mode may forbid
 * that. */
static void finish_directories(struct get_tree *g)
{
    for (size_t i = g->tree.nodes.count; i > 0; i--) {
        struct ms_node *node = &g->tree.nodes.at[i - 1];
        if (node->kind != MS_TREE_DIRECTORY || node->left_out)
            continue;
        MS_AUTO_CLOSE int fd =
            ms_beneath_open(&g->tree.root, node->path, O_RDONLY | O_DIRECTORY, 0);
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, time_of(node)};
        struct ms_error err = {0};
        if (fd >= 0 && fchmod(fd, node->mode) == 0 && futimens(fd, times) == 0)
            continue;
        int code =
            ms_cli_local_error(&err, fd < 0 ? -fd : errno, "cannot set the folder's mode and time");
        ms_tree_failed(&g->tree, node, code, err.text);
    }
}

static void make_links(struct get_tree *g)
{
    for (size_t i = 0; i < g->tree.nodes.count; i++) {
        struct ms_node *node = &g->tree.nodes.at[i];
        struct ms_error err = {0};
        if (node->kind != MS_TREE_LINK || ms_cli_interrupted(&err, NULL))
            continue;
        int code = make_link(g, node, &err);
        if (code)
            ms_tree_failed(&g->tree, node, code, err.text);
    }
}

/* ---- the command ---------------------------------------------------------------------------- */

static void summary(struct ms_tree *t)
{
    char bytes[40];
    uint64_t done = atomic_load(&t->done), done_bytes = atomic_load(&t->done_bytes);
    uint64_t same = atomic_load(&t->same), failed = atomic_load(&t->failed);
    uint64_t left_out = atomic_load(&t->left_out);
    if (!t->cli->json) {
        printf("wrote %" PRIu64 " file%s and links (%s), %" PRIu64 " already there, %" PRIu64
               " left out, %" PRIu64 " failed\n",
               done, done == 1 ? "" : "s", ms_format_size(bytes, sizeof bytes, done_bytes), same,
               left_out, failed);
        return;
    }
    struct ms_json j;
    ms_out_json(&j);
    ms_json_object(&j);
    ms_json_key(&j, "written");
    ms_json_u64(&j, done);
    ms_json_key(&j, "written_bytes");
    ms_json_u64(&j, done_bytes);
    ms_json_key(&j, "same");
    ms_json_u64(&j, same);
    ms_json_key(&j, "left_out");
    ms_json_u64(&j, left_out);
    ms_json_key(&j, "failed");
    ms_json_u64(&j, failed);
    ms_json_end(&j, '}');
}

static int work(struct get_tree *g, struct ms_error *err)
{
    struct ms_tree *t = &g->tree;
    uint64_t files, bytes;
    ms_nodes_total(&t->nodes, &files, &bytes);
    ms_progress_begin(&t->progress, "get-tree", "files");
    ms_progress_total(&t->progress, files, bytes);
    make_directories(g);
    /* cancellation is looked at below, failures are in the nodes */
    (void)!ms_parallel(t->nodes.count, t->jobs, file_one, g, NULL);
    make_links(g);
    if (!ms_cli_interrupted(NULL, NULL)) /* the next run still writes into them */
        finish_directories(g);
    ms_progress_end(&t->progress);
    summary(t);
    return ms_cli_interrupted(err, "what is there is whole; run the same command again to go on");
}

int ms_cmd_get_tree(struct ms_cli *cli, struct ms_error *err)
{
    struct get_tree g = {.force = ms_args_has(&cli->args, "--force"),
                         .links = ms_args_has(&cli->args, "--links")};
    struct ms_tree *t = &g.tree;
    int code = ms_tree_open_store(t, cli, err);
    if (!code)
        code = load_index(t, err);
    if (!code)
        code = ms_tree_open_folder(t, true, err);
    if (!code)
        code = work(&g, err);
    uint64_t failed = atomic_load(&t->failed), existing = atomic_load(&t->existing);
    uint64_t left_out = atomic_load(&t->left_out);
    code = ms_tree_close(t, code, err);
    if (code)
        return code;
    if (failed > existing)
        return ms_error_set(err, MS_CLI_LOCAL, "%" PRIu64 " path%s could not be written", failed,
                            failed == 1 ? "" : "s");
    if (existing)
        return ms_error_set(err, MS_ERR_EXISTS,
                            "%" PRIu64 " path%s left alone, because something else is there; "
                            "--force replaces it",
                            existing, existing == 1 ? " was" : "s were");
    if (left_out)
        return ms_error_set(err, MS_CLI_LOCAL, "%" PRIu64 " link%s left out; --links makes them",
                            left_out, left_out == 1 ? " was" : "s were");
    return 0;
}
