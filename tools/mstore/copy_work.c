/* One window of a copy: compare, copy the small items in batches and the large ones streamed, and
 * verify each by a hash that DST computes from what it holds.
 *
 * Items are worked on by tasks of the pool; each item by one task at a time. */
#include "tools/mstore/copy.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/pool.h"
#include "base/text.h"
#include "tools/mstore/output.h"

#include <stdio.h>

#define BLOCK_BYTES (1u << 20)

static struct ms_view key_of(const struct ms_copy_item *item)
{
    return ms_view(item->key, item->key_size);
}

static void failed(struct ms_copy *c, struct ms_copy_item *item, const char *what, int code,
                   const char *sentence)
{
    item->state = MS_COPY_DONE;
    if (code == MS_ERR_CANCELLED || code == MS_ERR_NO_SPACE || code == MS_ERR_QUOTA ||
        code == MS_ERR_NO_STORE) {
        int none = 0;
        bool first = atomic_compare_exchange_strong(&c->stop, &none, code);
        if (code == MS_ERR_CANCELLED || !first)
            return;
    }
    atomic_fetch_add(&c->failed, 1);
    ms_progress_add(&c->progress, 1, item->size_bytes);
    ms_cli_report(c->cli, "%s%s: %s%s", MS_SHOW(key_of(item)),
                  item->deleted ? " (soft-deleted)" : "", what,
                  sentence && sentence[0] ? sentence : ms_code_text(code));
}

static void succeeded(struct ms_copy *c, struct ms_copy_item *item, uint64_t bytes)
{
    item->state = MS_COPY_DONE;
    atomic_fetch_add(&c->copied, 1);
    atomic_fetch_add(&c->copied_bytes, bytes);
    ms_progress_add(&c->progress, 1, 0);
}

/* ---- comparing ------------------------------------------------------------------------------ */

static void compare(struct ms_copy *c, struct ms_copy_item *item)
{
    char here[MS_HASH_HEX_MAX], there[MS_HASH_HEX_MAX];
    struct ms_error err = {0};
    int code = c->size_only ? 0
                            : ms_store_hash(c->src, key_of(item), "sha256", item->deleted, here,
                                            sizeof here, &err);
    if (code) {
        failed(c, item, "cannot read it: ", code, err.text);
        return;
    }
    if (!c->size_only) {
        code =
            ms_store_hash(c->dst, key_of(item), "sha256", item->deleted, there, sizeof there, &err);
        if (code == MS_ERR_CANCELLED) {
            failed(c, item, "", code, NULL);
            return;
        }
        if (code || strcmp(here, there) != 0) { /* unreadable there: it is written anew */
            item->state = MS_COPY_WANTED;
            return;
        }
    }
    item->state = MS_COPY_DONE;
    atomic_fetch_add(&c->same, 1);
    ms_progress_add(&c->progress, 1, item->size_bytes);
}

static int compare_one(void *arg, size_t index)
{
    struct ms_copy *c = arg;
    if (c->window[index].state == MS_COPY_COMPARE && !atomic_load(&c->stop))
        compare(c, &c->window[index]);
    return 0;
}

/* ---- copying -------------------------------------------------------------------------------- */

/* What DST holds now has the hash of what was read from SRC? */
static void verify(struct ms_copy *c, struct ms_copy_item *item, const char *hash, uint64_t bytes)
{
    char there[MS_HASH_HEX_MAX];
    struct ms_error err = {0};
    if (c->no_verify) {
        succeeded(c, item, bytes);
        return;
    }
    int code =
        ms_store_hash(c->dst, key_of(item), "sha256", item->deleted, there, sizeof there, &err);
    if (code)
        failed(c, item, "cannot verify the copy: ", code, err.text);
    else if (strcmp(hash, there) != 0)
        failed(c, item, "", MS_ERR_CORRUPT,
               "the copy differs from what was written (somebody else writes there, or the storage "
               "is faulty)");
    else
        succeeded(c, item, bytes);
}

static int stream_blocks(struct ms_copy *c, struct ms_store_reader *reader,
                         struct ms_store_writer *writer, struct ms_hash *hash, uint64_t size,
                         struct ms_error *err)
{
    MS_AUTO_FREE uint8_t *block = malloc(BLOCK_BYTES);
    if (!block)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a block of 1 MiB");
    for (uint64_t at = 0; at < size;) {
        size_t wanted = size - at < BLOCK_BYTES ? (size_t)(size - at) : BLOCK_BYTES, got = 0;
        int code = ms_cli_interrupted(err, NULL);
        if (!code)
            code = ms_store_reader_read(reader, at, block, wanted, &got, err);
        if (!code && got < wanted)
            code = ms_error_set(err, MS_ERR_CORRUPT, "it ended before its size");
        if (!code)
            code = ms_hash_update(hash, ms_view(block, got), err);
        if (!code)
            code = ms_store_writer_append(writer, ms_view(block, got), err);
        if (code)
            return code;
        at += got;
        ms_progress_add(&c->progress, 0, got);
    }
    return 0;
}

static int stream(struct ms_copy *c, struct ms_copy_item *item, struct ms_store_reader *reader,
                  char hex[MS_HASH_HEX_MAX], struct ms_error *err)
{
    uint64_t size = ms_store_reader_info(reader)->size_bytes;
    struct ms_store_value_options options = MS_STORE_VALUE_OPTIONS_INIT;
    options.deleted = item->deleted;
    struct ms_hash *hash = NULL;
    struct ms_store_writer *writer = NULL;
    int code = ms_hash_new("sha256", &hash, err);
    if (!code)
        code = ms_store_write(c->dst, key_of(item), size, &options, &writer, err);
    if (!code)
        code = stream_blocks(c, reader, writer, hash, size, err);
    if (!code)
        code = ms_hash_hex(hash, hex, MS_HASH_HEX_MAX, err);
    ms_hash_free(hash);
    if (code && writer)
        ms_store_writer_abort(writer);
    else if (!code)
        code = ms_store_writer_commit(writer, NULL, err);
    return code;
}

static int large_one(void *arg, size_t index)
{
    struct ms_copy *c = arg;
    struct ms_copy_item *item = &c->window[index];
    if (item->state != MS_COPY_WANTED || atomic_load(&c->stop))
        return 0;
    struct ms_store_reader *reader = NULL;
    struct ms_error err = {0};
    int code = ms_store_read(c->src, key_of(item), item->deleted, &reader, &err);
    if (code) {
        failed(c, item, "cannot read it: ", code, err.text);
        return 0;
    }
    uint64_t size = ms_store_reader_info(reader)->size_bytes;
    char hex[MS_HASH_HEX_MAX];
    code = stream(c, item, reader, hex, &err);
    ms_store_reader_close(reader);
    if (code)
        failed(c, item, "", code, err.text);
    else
        verify(c, item, hex, size);
    return 0;
}

/* The small items of a window, and what becomes of them. */
struct batch {
    struct ms_copy *c;
    size_t count;
    struct ms_copy_item *items[MS_COPY_WINDOW];
    struct ms_many many[MS_COPY_WINDOW];
    char hashes[MS_COPY_WINDOW][MS_SHA256_HEX];
};

static void gather(struct batch *b)
{
    for (size_t i = 0; i < b->c->count; i++) {
        struct ms_copy_item *item = &b->c->window[i];
        if (item->state != MS_COPY_WANTED || item->size_bytes > MS_COPY_SMALL_BYTES)
            continue;
        b->items[b->count] = item;
        b->many[b->count++] =
            (struct ms_many){/* one byte more tells that it has grown since it was listed */
                             .key = key_of(item),
                             .size = MS_COPY_SMALL_BYTES + 1,
                             .deleted = item->deleted};
    }
}

/* Drops the elements whose call failed, and those that have become large, which stay wanted. */
static void drop_failed(struct batch *b, const char *what)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->count; i++) {
        struct ms_many *m = &b->many[i];
        if (m->code || ms_buf_size(m->value) > MS_COPY_SMALL_BYTES) {
            if (m->code)
                failed(b->c, b->items[i], what, m->code, m->error);
            ms_buf_unref(MS_TAKE(m->value));
            free(MS_TAKE(m->error));
            continue;
        }
        b->items[kept] = b->items[i];
        memmove(b->hashes[kept], b->hashes[i], MS_SHA256_HEX);
        b->many[kept++] = *m;
    }
    b->count = kept;
}

static int hash_one(void *arg, size_t index)
{
    struct batch *b = arg;
    struct ms_many *m = &b->many[index];
    struct ms_error err = {0};
    m->code = ms_sha256_hex(ms_buf_view(m->value), b->hashes[index], &err);
    if (m->code)
        m->error = strdup(err.text);
    return 0;
}

static int verify_one(void *arg, size_t index)
{
    struct batch *b = arg;
    verify(b->c, b->items[index], b->hashes[index], ms_buf_size(b->many[index].value));
    return 0;
}

/* Codes of single items are looked at in the elements; what the call itself returns says nothing
 * more. */
static void copy_small(struct batch *b)
{
    gather(b);
    if (b->count == 0)
        return;
    (void)!ms_store_load_many(b->c->src, b->many, b->count, b->c->jobs, NULL);
    drop_failed(b, "cannot read it: ");
    (void)!ms_parallel(b->count, b->c->jobs, hash_one, b, NULL);
    drop_failed(b, "cannot hash it: ");
    for (size_t i = 0; i < b->count; i++)
        b->many[i].precondition.kind = MS_ALWAYS;
    (void)!ms_store_store_many(b->c->dst, b->many, b->count, b->c->jobs, NULL);
    drop_failed(b, "");
    for (size_t i = 0; i < b->count; i++)
        ms_progress_add(&b->c->progress, 0, ms_buf_size(b->many[i].value));
    (void)!ms_parallel(b->count, b->c->jobs, verify_one, b, NULL);
    for (size_t i = 0; i < b->count; i++) {
        ms_buf_unref(b->many[i].value);
        free(b->many[i].error);
    }
}

/* ---- the window ----------------------------------------------------------------------------- */

static void clear(struct ms_copy *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->window[i].key);
    c->count = 0;
    c->large = 0;
    c->small_bytes = 0;
}

static int would_copy(struct ms_copy *c, struct ms_error *err)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct ms_copy_item *item = &c->window[i];
        if (item->state != MS_COPY_WANTED)
            continue;
        atomic_fetch_add(&c->copied, 1);
        atomic_fetch_add(&c->copied_bytes, item->size_bytes);
        ms_progress_add(&c->progress, 1, item->size_bytes);
        if (c->cli->json)
            continue;
        ms_out_name(key_of(item));
        puts(item->deleted ? " (soft-deleted)" : "");
    }
    return ms_out_check(err);
}

static int why_stopped(struct ms_copy *c, struct ms_error *err)
{
    int code = ms_cli_interrupted(err, "run the same command again to go on");
    if (code)
        return code;
    code = atomic_load(&c->stop);
    return code ? ms_error_set(err, code, "stopped: %s; run the same command again to go on",
                               ms_code_text(code))
                : 0;
}

int ms_copy_work(struct ms_copy *c, struct ms_error *err)
{
    MS_AUTO_FREE struct batch *b = calloc(1, sizeof *b);
    if (!b) {
        clear(c);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a batch");
    }
    b->c = c;
    /* cancellation shows in why_stopped */
    (void)!ms_parallel(c->count, c->jobs, compare_one, c, NULL);
    int code = 0;
    if (c->dry_run)
        code = would_copy(c, err);
    else {
        if (!atomic_load(&c->stop))
            copy_small(b);
        (void)!ms_parallel(c->count, c->jobs, large_one, c, NULL);
    }
    clear(c);
    return code ? code : why_stopped(c, err);
}
