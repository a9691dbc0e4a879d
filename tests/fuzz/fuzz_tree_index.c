/* The index of a tree: what is accepted is written again byte for byte, and no path leads out. The
 * sum at the end is repaired first, so that inputs get past it. */
#include "fuzz.h"

#include "base/hash.h"
#include "base/text.h"
#include "tools/mstore/tree_index.h"

#include <stdio.h>
#include <stdlib.h>

struct rewriting {
    struct ms_tree_writer writer;
    char last[MS_TREE_PATH_MAX + 1];
    size_t last_size, count;
};

static void check_path(struct ms_view path)
{
    ms_assert(path.size > 0 && path.size <= MS_TREE_PATH_MAX && path.data[0] != '/');
    ms_assert(path.data[path.size] == 0 && !memchr(path.data, 0, path.size));
    char *text = fuzz_text(path);
    for (char *part = text, *next; part; part = next) {
        next = strchr(part, '/');
        if (next)
            *next++ = 0;
        ms_assert(*part && strcmp(part, ".") != 0 && strcmp(part, "..") != 0);
    }
    free(text);
}

static int rewrite(void *ctx, const struct ms_tree_entry *e, struct ms_error *err)
{
    struct rewriting *r = ctx;
    (void)err;
    check_path(e->path);
    ms_assert(r->count == 0 || ms_tree_compare(ms_view(r->last, r->last_size), e->path) < 0);
    ms_assert(e->mode <= 0777);
    memcpy(r->last, e->path.data, e->path.size);
    r->last_size = e->path.size;
    r->count++;
    if (e->kind == MS_TREE_LINK)
        (void)ms_tree_link_stays_inside(e->path, e->target);
    ms_tree_writer_add(&r->writer, e);
    return 0;
}

/* Puts the right sum behind "end N " in the last line, when there is such a line. */
static void repair(char *text, size_t size)
{
    if (size < 72 || text[size - 1] != '\n')
        return;
    char *line = memrchr(text, '\n', size - 1);
    char hex[MS_SHA256_HEX];
    if (!line || (size_t)(text + size - line) < 72 || memcmp(line + 1, "end ", 4) != 0)
        return;
    ms_assert(ms_sha256_hex(ms_view(text, (size_t)(line + 1 - text)), hex, NULL) == 0);
    memcpy(text + size - 65, hex, 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct rewriting *r = calloc(1, sizeof(*r));
    struct ms_error err = {0};
    ms_assert(text && r);
    memcpy(text, data, size);
    repair(text, size);
    ms_assert(ms_tree_writer_begin(&r->writer, NULL) == 0);
    int code = ms_tree_index_parse(ms_view(text, size), rewrite, r, &err);
    ms_assert(code == 0 || ((code == MS_ERR_FORMAT || code == MS_ERR_CORRUPT) && err.text[0]));
    if (code == 0) {
        ms_assert(ms_tree_writer_end(&r->writer, NULL) == 0);
        ms_assert(ms_equal(ms_view(r->writer.text, r->writer.size), ms_view(text, size)));
    }
    ms_tree_writer_fini(&r->writer);
    free(r);
    free(text);
    return 0;
}
