/* The index of a tree: a strict parser over text that may be hostile, and the writer of what it
 * accepts. There is exactly one text for a tree: what parses, writes back the same bytes. No state;
 * any thread. */
#include "tools/mstore/tree_index.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>

#define FIRST_LINE "mstore-tree 1"

/* ---- order and escapes ---------------------------------------------------------------------- */

static int rank(uint8_t c)
{
    return c == '/' ? 0 : c; /* a path holds no NUL */
}

int ms_tree_compare(struct ms_view a, struct ms_view b)
{
    size_t least = a.size < b.size ? a.size : b.size;
    for (size_t i = 0; i < least; i++)
        if (a.data[i] != b.data[i])
            return rank(a.data[i]) - rank(b.data[i]);
    return a.size == b.size ? 0 : a.size < b.size ? -1 : 1;
}

static bool plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~+,=@:/", c));
}

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Only the one spelling that the writer uses. `out` has room for MS_TREE_PATH_MAX + 1. */
static bool unescape(struct ms_view text, uint8_t *out, size_t *size)
{
    size_t n = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (n == MS_TREE_PATH_MAX)
            return false;
        if (c == '%') {
            int high = i + 2 < text.size ? hex_digit(text.data[i + 1]) : -1;
            int low = i + 2 < text.size ? hex_digit(text.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (uint8_t)(high * 16 + low);
            if (c == '\0' || plain(c))
                return false;
            i += 2;
        } else if (!plain(c))
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    *size = n;
    return n > 0;
}

static void escape(FILE *file, struct ms_view text)
{
    for (size_t i = 0; i < text.size; i++)
        if (plain(text.data[i]))
            fputc(text.data[i], file);
        else
            fprintf(file, "%%%02X", text.data[i]);
}

/* ---- one line ------------------------------------------------------------------------------- */

struct parse {
    struct ms_view rest; /* not yet read */
    unsigned line;
    uint64_t count;
    uint8_t path[MS_TREE_PATH_MAX + 1], target[MS_TREE_PATH_MAX + 1];
    uint8_t last[MS_TREE_PATH_MAX + 1]; /* the path before */
    size_t last_size;
    uint8_t directory[MS_TREE_PATH_MAX + 1]; /* the last directory met */
    size_t directory_size;
};

static int wrong(const struct parse *p, struct ms_error *err, const char *what)
{
    return ms_error_set(err, MS_ERR_FORMAT, "line %u of the index: %s", p->line, what);
}

static bool next_line(struct parse *p, struct ms_view *line)
{
    const uint8_t *end = p->rest.size ? memchr(p->rest.data, '\n', p->rest.size) : NULL;
    if (!end)
        return false;
    *line = ms_view(p->rest.data, (size_t)(end - p->rest.data));
    p->rest = ms_view(end + 1, p->rest.size - line->size - 1);
    p->line++;
    return true;
}

/* Cuts the text before the next blank (or all) off the line. */
static struct ms_view next_field(struct ms_view *line)
{
    const uint8_t *blank = line->size ? memchr(line->data, ' ', line->size) : NULL;
    struct ms_view field = ms_view(line->data, blank ? (size_t)(blank - line->data) : line->size);
    size_t used = field.size + (blank ? 1 : 0);
    *line = ms_view(line->data + used, line->size - used);
    return field;
}

/* Decimal digits without a leading zero. */
static bool number(struct ms_view text, uint64_t most, uint64_t *out)
{
    uint64_t n = 0;
    if (text.size == 0 || (text.size > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(text.data[i] - '0'), &n))
            return false;
    }
    *out = n;
    return n <= most;
}

static bool parse_time(struct ms_view text, int64_t *out)
{
    bool negative = text.size > 0 && text.data[0] == '-';
    uint64_t n;
    if (!number(ms_view(text.data + negative, text.size - negative), INT64_MAX, &n) ||
        (negative && n == 0))
        return false;
    *out = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

static bool parse_mode(struct ms_view text, unsigned *out)
{
    unsigned mode = 0;
    if (text.size != 4 || text.data[0] != '0')
        return false;
    for (size_t i = 1; i < 4; i++) {
        if (text.data[i] < '0' || text.data[i] > '7')
            return false;
        mode = mode * 8 + (unsigned)(text.data[i] - '0');
    }
    *out = mode;
    return true;
}

static bool parse_sha256(struct ms_view text, char out[MS_SHA256_HEX])
{
    if (text.size != MS_SHA256_HEX - 1)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (!((text.data[i] >= '0' && text.data[i] <= '9') ||
              (text.data[i] >= 'a' && text.data[i] <= 'f')))
            return false;
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    return true;
}

static bool good_path(struct ms_view path)
{
    size_t begin = 0;
    for (size_t i = 0; i <= path.size; i++) {
        if (i < path.size && path.data[i] != '/')
            continue;
        size_t size = i - begin;
        const uint8_t *name = path.data + begin;
        if (size == 0 || size > MS_TREE_NAME_MAX || (size == 1 && name[0] == '.') ||
            (size == 2 && name[0] == '.' && name[1] == '.'))
            return false;
        begin = i + 1;
    }
    return true;
}

/* In depth-first order the directory that an entry is in is the last one met, or one that holds
 * it. That every such one is a directory follows by induction. */
static bool inside_known_directory(const struct parse *p, struct ms_view path)
{
    size_t size = path.size;
    while (size > 0 && path.data[size - 1] != '/')
        size--;
    if (size == 0)
        return true;
    size--;
    return size <= p->directory_size && memcmp(p->directory, path.data, size) == 0 &&
           (size == p->directory_size || p->directory[size] == '/');
}

static int check_place(struct parse *p, const struct ms_tree_entry *e, struct ms_error *err)
{
    if (!good_path(e->path))
        return wrong(p, err, "the path is not one inside a tree");
    if (p->count > 0 && ms_tree_compare(ms_view(p->last, p->last_size), e->path) >= 0)
        return wrong(p, err, "the path is out of order or there twice");
    if (!inside_known_directory(p, e->path))
        return wrong(p, err, "the path is in something that is no directory of the index");
    memcpy(p->last, e->path.data, e->path.size);
    p->last_size = e->path.size;
    if (e->kind == MS_TREE_DIRECTORY) {
        memcpy(p->directory, e->path.data, e->path.size);
        p->directory_size = e->path.size;
    }
    return 0;
}

static int parse_entry(struct parse *p, struct ms_view line, struct ms_tree_entry *e,
                       struct ms_error *err)
{
    struct ms_view kind = next_field(&line);
    if (kind.size != 1 || kind.data[0] == '\0' || !strchr("dfl", kind.data[0]))
        return wrong(p, err, "it begins with something else than d, f, l or end");
    *e = (struct ms_tree_entry){.kind = (enum ms_tree_kind)kind.data[0]};
    if (e->kind != MS_TREE_LINK && !parse_mode(next_field(&line), &e->mode))
        return wrong(p, err, "the mode is not 0000 to 0777");
    if (!parse_time(next_field(&line), &e->mtime_ns))
        return wrong(p, err, "the time is no number of nanoseconds");
    if (e->kind == MS_TREE_FILE && !number(next_field(&line), INT64_MAX, &e->size_bytes))
        return wrong(p, err, "the size is no number of bytes");
    if (e->kind == MS_TREE_FILE && !parse_sha256(next_field(&line), e->sha256))
        return wrong(p, err, "the digest is no SHA-256");
    if (e->kind == MS_TREE_LINK) {
        size_t size;
        if (!unescape(next_field(&line), p->target, &size))
            return wrong(p, err, "the link's target is empty, too long or wrongly escaped");
        e->target = ms_view(p->target, size);
    }
    size_t size;
    if (!unescape(line, p->path, &size))
        return wrong(p, err, "the path is empty, too long or wrongly escaped");
    e->path = ms_view(p->path, size);
    return check_place(p, e, err);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int check_sum(struct parse *p, struct ms_view above, struct ms_view line,
                     struct ms_error *err)
{
    uint64_t count;
    char expected[MS_SHA256_HEX], real[MS_SHA256_HEX];
    next_field(&line);
    if (!number(next_field(&line), UINT64_MAX, &count) || !parse_sha256(line, expected))
        return wrong(p, err, "the last line is not \"end COUNT SHA256\"");
    if (count != p->count)
        return wrong(p, err, "the number of entries is not what the last line says");
    if (p->rest.size > 0)
        return wrong(p, err, "something stands behind the last line");
    int code = ms_sha256_hex(above, real, err);
    if (!code && strcmp(real, expected) != 0)
        code = ms_error_set(err, MS_ERR_CORRUPT,
                            "the index is damaged: its content is not what its sum says");
    return code;
}

static int parse_lines(struct parse *p, struct ms_view text,
                       int (*entry)(void *ctx, const struct ms_tree_entry *e, struct ms_error *err),
                       void *ctx, struct ms_error *err)
{
    struct ms_view line;
    if (!next_line(p, &line) || !ms_equal(line, ms_str(FIRST_LINE))) {
        p->line = 1;
        return wrong(p, err, "it is not \"" FIRST_LINE "\" (no index, or one of a newer mstore)");
    }
    for (;;) {
        size_t above = text.size - p->rest.size;
        if (!next_line(p, &line)) {
            p->line++;
            return wrong(p, err, "the index ends in the middle");
        }
        if (ms_starts_with(line, ms_str("end ")))
            return check_sum(p, ms_view(text.data, above), line, err);
        struct ms_tree_entry e;
        int code = parse_entry(p, line, &e, err);
        if (!code && entry)
            code = entry(ctx, &e, err);
        if (code)
            return code;
        p->count++;
    }
}

int ms_tree_index_parse(struct ms_view text,
                        int (*entry)(void *ctx, const struct ms_tree_entry *e,
                                     struct ms_error *err),
                        void *ctx, struct ms_error *err)
{
    if (text.size > MS_TREE_TEXT_MAX)
        return ms_error_set(err, MS_ERR_TOO_LARGE, "the index is larger than 1 GiB");
    struct parse *p = calloc(1, sizeof *p);
    if (!p)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to read an index");
    p->rest = text;
    int code = parse_lines(p, text, entry, ctx, err);
    free(p);
    return code;
}

/* ---- writing -------------------------------------------------------------------------------- */

int ms_tree_writer_begin(struct ms_tree_writer *w, struct ms_error *err)
{
    *w = (struct ms_tree_writer){0};
    w->file = open_memstream(&w->text, &w->size);
    if (!w->file)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an index");
    fputs(FIRST_LINE "\n", w->file);
    return 0;
}

void ms_tree_writer_add(struct ms_tree_writer *w, const struct ms_tree_entry *e)
{
    fputc(e->kind, w->file);
    if (e->kind != MS_TREE_LINK)
        fprintf(w->file, " %04o", e->mode & 0777);
    fprintf(w->file, " %" PRId64 " ", e->mtime_ns);
    if (e->kind == MS_TREE_FILE)
        fprintf(w->file, "%" PRIu64 " %s ", e->size_bytes, e->sha256);
    if (e->kind == MS_TREE_LINK) {
        escape(w->file, e->target);
        fputc(' ', w->file);
    }
    escape(w->file, e->path);
    fputc('\n', w->file);
    w->count++;
}

int ms_tree_writer_end(struct ms_tree_writer *w, struct ms_error *err)
{
    char hex[MS_SHA256_HEX];
    if (fflush(w->file) || ferror(w->file))
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an index");
    int code = ms_sha256_hex(ms_view(w->text, w->size), hex, err);
    if (code)
        return code;
    fprintf(w->file, "end %" PRIu64 " %s\n", w->count, hex);
    if (fflush(w->file) || ferror(w->file))
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an index");
    return 0;
}

void ms_tree_writer_fini(struct ms_tree_writer *w)
{
    if (w->file)
        fclose(w->file);
    free(w->text);
    *w = (struct ms_tree_writer){0};
}

/* ---- links ---------------------------------------------------------------------------------- */

bool ms_tree_link_stays_inside(struct ms_view path, struct ms_view target)
{
    size_t depth = 0, up = 0;
    bool down = false;
    if (target.size == 0 || target.data[0] == '/')
        return false;
    for (size_t i = 0; i < path.size; i++)
        depth += path.data[i] == '/';
    for (size_t begin = 0; begin <= target.size;) {
        const uint8_t *slash = memchr(target.data + begin, '/', target.size - begin);
        size_t size = slash ? (size_t)(slash - target.data) - begin : target.size - begin;
        bool dots = size == 2 && memcmp(target.data + begin, "..", 2) == 0;
        if (dots && down)
            return false;
        up += dots;
        down = down || (!dots && size > 0 && !(size == 1 && target.data[begin] == '.'));
        begin += size + 1;
    }
    return up <= depth;
}
