/* put-tree: the files of a folder, each content once under its SHA-256, and an index.
 *
 * Small files go in windows: read and hashed in parallel, what the Store lacks is stored in one
 * batch. Large ones are read twice, hashed first, so that nothing is sent that is there. A file
 * that changes meanwhile is noticed by its digest or its times. The index is written last: it names
 * only contents that are safe. */
#include "tools/mstore/tree.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"
#include "tools/mstore/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mstore/multi.h>
#include <stdio.h>

#define BLOCK_BYTES (1u << 20)
#define CHANGED     "it changed while it was read"

/* One window of files. */
struct window {
    struct ms_tree *t;
    size_t count;
    uint64_t small_bytes;
    size_t large;
    struct ms_node *nodes[MS_TREE_WINDOW];
    struct ms_buf *contents[MS_TREE_WINDOW]; /* of small ones */
};

/* ---- reading -------------------------------------------------------------------------------- */

static bool same_version(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int open_file(struct ms_tree *t, const struct ms_node *node, int *out, struct stat *st,
                     struct ms_error *err)
{
    /* O_NONBLOCK: a pipe that took the file's place must not hold us up */
    MS_AUTO_CLOSE int fd = ms_beneath_open(&t->root, node->path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        return ms_cli_local_error(err, -fd, "cannot read it");
    if (fstat(fd, st) != 0)
        return ms_cli_local_error(err, errno, "cannot look at it");
    if (!S_ISREG(st->st_mode))
        return ms_error_set(err, MS_ERR_CONFLICT, CHANGED);
    *out = ms_take_fd(&fd);
    return 0;
}

static int check_unchanged(int fd, const struct stat *before, uint64_t size, struct ms_error *err)
{
    struct stat after = {0};
    if (fstat(fd, &after) != 0)
        return ms_cli_local_error(err, errno, "cannot look at it");
    if (!same_version(before, &after) || size != (uint64_t)before->st_size)
        return ms_error_set(err, MS_ERR_CONFLICT, CHANGED);
    return 0;
}

static void take_version(struct ms_node *node, const struct stat *st)
{
    node->mode = st->st_mode & 0777;
    node->mtime_ns = ms_tree_mtime(st);
    node->size_bytes = (uint64_t)st->st_size;
}

static int read_small(struct ms_tree *t, struct ms_node *node, struct ms_buf **out,
                      struct ms_error *err)
{
    MS_AUTO_CLOSE int fd = -1;
    struct stat st = {0};
    int code = open_file(t, node, &fd, &st, err);
    if (code)
        return code;
    if ((uint64_t)st.st_size > MS_TREE_SMALL_BYTES)
        return ms_error_set(err, MS_ERR_CONFLICT, CHANGED);
    /* one byte more than there should be, to see growth */
    MS_AUTO_BUF struct ms_buf *buf = ms_buf_new((size_t)st.st_size + 1);
    if (!buf)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for its content");
    size_t got = 0;
    code = ms_fd_read(fd, "it", ms_buf_data(buf), (size_t)st.st_size + 1, &got, err);
    if (!code)
        code = check_unchanged(fd, &st, got, err);
    if (code)
        return code;
    ms_buf_truncate(buf, got);
    code = ms_sha256_hex(ms_buf_view(buf), node->sha256, err);
    if (code)
        return code;
    take_version(node, &st);
    *out = MS_TAKE(buf);
    return 0;
}

static int read_one(void *arg, size_t index)
{
    struct window *w = arg;
    struct ms_node *node = w->nodes[index];
    struct ms_error err = {0};
    if (node->size_bytes > MS_TREE_SMALL_BYTES)
        return 0;
    int code = read_small(w->t, node, &w->contents[index], &err);
    if (code)
        ms_tree_failed(w->t, node, code, err.text);
    return 0;
}

/* ---- storing small contents ------------------------------------------------------------------ */

static void store_failed(struct ms_tree *t, struct ms_node *node, int code, const char *sentence)
{
    int none = 0;
    atomic_compare_exchange_strong(&t->stop, &none, code);
    ms_tree_failed(t, node, code, sentence);
}

static void stored(struct ms_tree *t, uint64_t bytes, bool was_there)
{
    atomic_fetch_add(was_there ? &t->same : &t->done, 1);
    if (!was_there)
        atomic_fetch_add(&t->done_bytes, bytes);
    ms_progress_add(&t->progress, 1, bytes);
}

struct batch {
    size_t count;
    struct ms_many many[MS_TREE_WINDOW];
    struct ms_node *nodes[MS_TREE_WINDOW];
};

static int by_key(const void *a, const void *b)
{
    const struct ms_many *x = a, *y = b;
    return ms_compare(x->key, y->key);
}

static int fill_batch(struct window *w, struct batch *b, struct ms_error *err)
{
    for (size_t i = 0; i < w->count; i++) {
        if (!w->contents[i])
            continue;
        size_t size;
        char *key = ms_tree_key(w->t, w->nodes[i]->sha256, &size);
        if (!key)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a key");
        b->many[b->count++] = (struct ms_many){.key = ms_view(key, size), .value = w->contents[i]};
    }
    if (b->count)
        qsort(b->many, b->count, sizeof *b->many, by_key);
    return 0;
}

/* Keys are sorted: equal contents stand side by side, and the first stands for all. */
static void keep_unique(struct ms_tree *t, struct batch *b)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->count; i++) {
        if (kept > 0 && ms_equal(b->many[i].key, b->many[kept - 1].key)) {
            stored(t, ms_buf_size(b->many[i].value), true);
            free((void *)(uintptr_t)b->many[i].key.data);
        } else
            b->many[kept++] = b->many[i];
    }
    b->count = kept;
}

/* Drops what the Store has already, by size too: a content of another size is damaged and written
 * anew. */
static void keep_missing(struct ms_tree *t, struct batch *b)
{
    (void)!ms_store_info_many(t->store, b->many, b->count, t->jobs, NULL);
    size_t kept = 0;
    for (size_t i = 0; i < b->count; i++) {
        struct ms_many *m = &b->many[i];
        free(MS_TAKE(m->error));
        bool there = m->code == 0 && m->info.exists && m->info.size_bytes == ms_buf_size(m->value);
        m->code = 0; /* what cannot be asked about is stored, and fails there if it must */
        if (there) {
            stored(t, m->info.size_bytes, true);
            free((void *)(uintptr_t)m->key.data);
        } else
            b->many[kept++] = *m;
    }
    b->count = kept;
}

static void store_batch(struct window *w, struct batch *b)
{
    struct ms_tree *t = w->t;
    keep_unique(t, b);
    keep_missing(t, b);
    (void)!ms_store_store_many(t->store, b->many, b->count, t->jobs, NULL);
    for (size_t i = 0; i < b->count; i++) {
        struct ms_many *m = &b->many[i];
        if (m->code) {
            struct ms_node about = {.path = (char *)(uintptr_t)m->key.data};
            store_failed(t, &about, m->code, m->error);
        } else
            stored(t, ms_buf_size(m->value), false);
        free(m->error);
        free((void *)(uintptr_t)m->key.data);
    }
}

/* ---- storing large contents ------------------------------------------------------------------ */

static int stream_file(struct ms_tree *t, int fd, struct ms_store_writer *writer,
                       struct ms_hash *hash, struct ms_error *err)
{
    MS_AUTO_FREE uint8_t *block = malloc(BLOCK_BYTES);
    if (!block)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a block of 1 MiB");
    for (size_t got = BLOCK_BYTES; got == BLOCK_BYTES;) {
        int code = ms_fd_read(fd, "it", block, BLOCK_BYTES, &got, err);
        if (!code)
            code = ms_hash_update(hash, ms_view(block, got), err);
        if (!code)
            code = ms_store_writer_append(writer, ms_view(block, got), err);
        if (code)
            return code;
        ms_progress_add(&t->progress, 0, got);
    }
    return 0;
}

/* Second reading: what is stored under a digest has it. So no condition is needed, which not every
 * Store has for streams: who stores it meanwhile stores the same bytes. */
static int store_large(struct ms_tree *t, struct ms_node *node, int fd, struct ms_view key,
                       struct ms_error *err)
{
    struct ms_store_writer *writer = NULL;
    struct ms_hash *hash = NULL;
    char hex[MS_SHA256_HEX];
    if (lseek(fd, 0, SEEK_SET) < 0)
        return ms_cli_local_error(err, errno, "cannot read it");
    int code = ms_hash_new("sha256", &hash, err);
    if (!code)
        code = ms_store_write(t->store, key, node->size_bytes, NULL, &writer, err);
    if (!code)
        code = stream_file(t, fd, writer, hash, err);
    if (!code)
        code = ms_hash_hex(hash, hex, sizeof hex, err);
    ms_hash_free(hash);
    if (!code && strcmp(hex, node->sha256) != 0)
        code = ms_error_set(err, MS_ERR_CONFLICT, CHANGED);
    if (code && writer)
        ms_store_writer_abort(writer);
    else if (!code)
        code = ms_store_writer_commit(writer, NULL, err);
    return code;
}

static int put_large(struct ms_tree *t, struct ms_node *node, bool *was_there, struct ms_error *err)
{
    MS_AUTO_CLOSE int fd = -1;
    struct stat st = {0};
    uint64_t size = 0;
    int code = open_file(t, node, &fd, &st, err);
    if (!code)
        code = ms_tree_hash_file(fd, "it", node->sha256, &size, err);
    if (!code)
        code = check_unchanged(fd, &st, size, err);
    if (code)
        return code;
    take_version(node, &st);
    size_t key_size;
    MS_AUTO_FREE char *key = ms_tree_key(t, node->sha256, &key_size);
    if (!key)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a key");
    struct ms_item_info info = {0};
    code = ms_store_info(t->store, ms_view(key, key_size), false, &info, err);
    if (code)
        return code;
    *was_there = info.exists && info.size_bytes == size;
    return *was_there ? 0 : store_large(t, node, fd, ms_view(key, key_size), err);
}

static int large_one(void *arg, size_t index)
{
    struct window *w = arg;
    struct ms_node *node = w->nodes[index];
    if (node->size_bytes <= MS_TREE_SMALL_BYTES || node->left_out || w->contents[index] ||
        atomic_load(&w->t->stop))
        return 0;
    struct ms_error err = {0};
    bool was_there = false;
    int code = put_large(w->t, node, &was_there, &err);
    if (code == MS_ERR_CONFLICT || code == MS_CLI_LOCAL)
        ms_tree_failed(w->t, node, code, err.text);
    else if (code)
        store_failed(w->t, node, code, err.text);
    else
        stored(w->t, was_there ? node->size_bytes : 0, was_there);
    if (!code && !was_there)
        atomic_fetch_add(&w->t->done_bytes, node->size_bytes);
    return 0;
}

/* ---- windows -------------------------------------------------------------------------------- */

static int why_stopped(const struct ms_tree *t, struct ms_error *err)
{
    int code = ms_cli_interrupted(err, "no index was written; run the same command again to go on");
    if (code)
        return code;
    return atomic_load(&t->stop)
               ? ms_error_set(err, atomic_load(&t->stop),
                              "not all contents could be stored, so no index was written; run the "
                              "same command again to go on")
               : 0;
}

static int work(struct window *w, struct ms_error *err)
{
    MS_AUTO_FREE struct batch *b = calloc(1, sizeof *b);
    if (!b)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a batch");
    /* cancellation shows in why_stopped, everything else in the nodes */
    (void)!ms_parallel(w->count, w->t->jobs, read_one, w, NULL);
    int code = why_stopped(w->t, err);
    if (!code)
        code = fill_batch(w, b, err);
    if (!code)
        store_batch(w, b);
    else
        for (size_t i = 0; i < b->count; i++)
            free((void *)(uintptr_t)b->many[i].key.data);
    if (!code)
        (void)!ms_parallel(w->count, w->t->jobs, large_one, w, NULL);
    for (size_t i = 0; i < w->count; i++)
        ms_buf_unref(w->contents[i]);
    *w = (struct window){.t = w->t};
    return code ? code : why_stopped(w->t, err);
}

static int put_contents(struct ms_tree *t, struct ms_error *err)
{
    MS_AUTO_FREE struct window *w = calloc(1, sizeof *w);
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a window of files");
    w->t = t;
    int code = 0;
    for (size_t i = 0; i < t->nodes.count && !code; i++) {
        struct ms_node *node = &t->nodes.at[i];
        if (node->kind != MS_TREE_FILE || node->left_out)
            continue;
        w->nodes[w->count++] = node;
        if (node->size_bytes > MS_TREE_SMALL_BYTES)
            w->large++;
        else
            w->small_bytes += node->size_bytes;
        if (w->count == MS_TREE_WINDOW || w->small_bytes > MS_TREE_BATCH_BYTES ||
            w->large >= 2 * (size_t)t->jobs)
            code = work(w, err);
    }
    return code ? code : work(w, err);
}

/* ---- the index ------------------------------------------------------------------------------ */

/* A key of kind immutable keeps its value: the index of the tree before is hidden, and goes for
 * good once the new one is there. Until then `mstore undelete` brings it back. */
static int exchange_index(struct ms_tree *t, struct ms_view key, struct ms_buf *index,
                          struct ms_error *err)
{
    const struct ms_view none = {0};
    int code = ms_store_delete(t->store, key, true, err);
    if (!code || code == MS_ERR_NOT_FOUND)
        code = ms_store_move(t->store, MS_MOVE_SOFT_DELETE, key, none, false, err);
    if (code)
        return code;
    code = ms_store_store(t->store, key, index, NULL, NULL, err);
    if (code) {
        (void)!ms_store_move(t->store, MS_MOVE_UNDELETE, key, none, false, NULL);
        return code;
    }
    return ms_store_delete(t->store, key, true, err);
}

static int store_index(struct ms_tree *t, struct ms_view key, struct ms_buf *index,
                       struct ms_error *err)
{
    struct ms_error own = {0};
    int code = ms_store_store(t->store, key, index, NULL, NULL, &own);
    if (code == MS_ERR_CONFLICT && ms_store_is_mstore(t->store))
        return exchange_index(t, key, index, err);
    return code ? ms_error_set(err, code, "%s", own.text) : 0;
}

static int put_index(struct ms_tree *t, struct ms_error *err)
{
    struct ms_tree_writer w;
    int code = ms_tree_writer_begin(&w, err);
    if (code)
        return code;
    for (size_t i = 0; i < t->nodes.count; i++) {
        const struct ms_node *node = &t->nodes.at[i];
        if (node->left_out)
            continue;
        struct ms_tree_entry e = {.kind = node->kind,
                                  .path = ms_str(node->path),
                                  .mode = node->mode,
                                  .mtime_ns = node->mtime_ns,
                                  .size_bytes = node->size_bytes,
                                  .target = node->target ? ms_str(node->target) : ms_view("", 0)};
        memcpy(e.sha256, node->sha256, sizeof e.sha256);
        ms_tree_writer_add(&w, &e);
    }
    code = ms_tree_writer_end(&w, err);
    if (!code && w.size > MS_TREE_TEXT_MAX)
        code = ms_error_set(err, MS_ERR_TOO_LARGE,
                            "the index would be larger than 1 GiB: store parts of the tree in "
                            "namespaces of their own");
    size_t size;
    MS_AUTO_FREE char *key = ms_tree_key(t, MS_TREE_INDEX_KEY, &size);
    if (!code && !key)
        code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a key");
    if (!code) {
        struct ms_buf_borrowed place;
        code =
            store_index(t, ms_view(key, size), ms_buf_borrow(&place, ms_view(w.text, w.size)), err);
    }
    ms_tree_writer_fini(&w);
    return code;
}

static void summary(struct ms_tree *t)
{
    char bytes[40];
    uint64_t done = atomic_load(&t->done), done_bytes = atomic_load(&t->done_bytes);
    uint64_t same = atomic_load(&t->same), failed = atomic_load(&t->failed);
    if (!t->cli->json) {
        printf("stored %" PRIu64 " content%s (%s), %" PRIu64 " already there, %" PRIu64 " failed\n",
               done, done == 1 ? "" : "s", ms_format_size(bytes, sizeof bytes, done_bytes), same,
               failed);
        return;
    }
    struct ms_json j;
    ms_out_json(&j);
    ms_json_object(&j);
    ms_json_key(&j, "stored");
    ms_json_u64(&j, done);
    ms_json_key(&j, "stored_bytes");
    ms_json_u64(&j, done_bytes);
    ms_json_key(&j, "same");
    ms_json_u64(&j, same);
    ms_json_key(&j, "failed");
    ms_json_u64(&j, failed);
    ms_json_end(&j, '}');
}

int ms_cmd_put_tree(struct ms_cli *cli, struct ms_error *err)
{
    struct ms_tree t = {0};
    int code = ms_tree_open_store(&t, cli, err);
    if (!code)
        code = ms_tree_open_folder(&t, false, err);
    if (!code)
        code = ms_tree_scan(&t, err);
    if (!code) {
        uint64_t files, bytes;
        ms_nodes_total(&t.nodes, &files, &bytes);
        ms_progress_begin(&t.progress, "put-tree", "files");
        ms_progress_total(&t.progress, files, bytes);
        code = put_contents(&t, err);
        if (!code)
            code = put_index(&t, err);
        ms_progress_end(&t.progress);
        summary(&t);
    }
    uint64_t failed = atomic_load(&t.failed);
    code = ms_tree_close(&t, code, err);
    if (!code && failed)
        code = ms_error_set(err, MS_CLI_LOCAL, "%" PRIu64 " path%s could not be stored", failed,
                            failed == 1 ? "" : "s");
    return code;
}
