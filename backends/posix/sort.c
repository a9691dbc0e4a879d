/* External merge sort of names (Knuth, The Art of Computer Programming, vol. 3, 5.4): see sort.h.
 *
 * In memory:  records packed in `bytes`, and an array of their offsets, sorted.
 * A record, in memory and in a run:  +------+------+-----------+
 *                                    | size | kind | name …    |    size, kind: one byte each
 *                                    +------+------+-----------+ */
#include "backends/posix/sort.h"

#include "base/scratch_file.h"
#include "base/text.h"

#include <stdlib.h>
#include <unistd.h>

#define RECORD_MAX (2 + 255)

struct run {
    uint64_t at, end; /* in the file: what is not read yet */
    uint8_t *block;
    size_t block_at, block_size;
};

struct ms_sorter {
    uint64_t limit;
    size_t bytes_max, records_max;
    uint8_t *bytes;
    size_t used, room;
    uint32_t *offsets;
    size_t count, offsets_room, taken;
    int file; /* -1: nothing was spilled */
    uint64_t file_size;
    struct run *runs;
    size_t run_count, block_bytes;
    uint8_t last[RECORD_MAX]; /* the record given last */
    bool any;
};

static int no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to sort a listing");
}

int ms_sorter_new(uint64_t limit, size_t memory_bytes, struct ms_sorter **out, struct ms_error *err)
{
    struct ms_sorter *s = calloc(1, sizeof *s);
    if (!s)
        return no_memory(err);
    s->limit = limit;
    s->bytes_max = memory_bytes / 4 * 3;
    s->records_max = memory_bytes / 4 / sizeof *s->offsets;
    s->file = -1;
    *out = s;
    return 0;
}

void ms_sorter_free(struct ms_sorter *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->run_count; i++)
        free(s->runs[i].block);
    free(s->runs);
    free(s->bytes);
    free(s->offsets);
    if (s->file >= 0)
        close(s->file);
    free(s);
}

size_t ms_sorter_runs(const struct ms_sorter *s)
{
    return s->run_count;
}

static struct ms_view record_name(const uint8_t *record)
{
    return ms_view(record + 2, record[0]);
}

static int by_name(const void *a, const void *b, void *bytes)
{
    const uint8_t *base = bytes;
    return ms_compare(record_name(base + *(const uint32_t *)a),
                      record_name(base + *(const uint32_t *)b));
}

static void sort_memory(struct ms_sorter *s)
{
    if (s->count)
        qsort_r(s->offsets, s->count, sizeof *s->offsets, by_name, s->bytes);
}

/* ---- spilling ---- */

static int write_file(struct ms_sorter *s, const uint8_t *from, size_t size, struct ms_error *err)
{
    int code = ms_scratch_file_write(s->file, s->file_size, ms_view(from, size), err);
    if (code)
        return ms_error_prefix(err, code, "sort a listing");
    s->file_size += size;
    return 0;
}

/* Writes the sorted memory as one run. */
static int spill(struct ms_sorter *s, struct ms_error *err)
{
    struct run *runs = realloc(s->runs, (s->run_count + 1) * sizeof *runs);
    if (!runs)
        return no_memory(err);
    s->runs = runs;
    int code = s->file < 0 ? ms_scratch_file_open(&s->file, err) : 0;
    struct run run = {.at = s->file_size};
    uint8_t block[64 * 1024];
    size_t filled = 0;
    for (size_t i = 0; !code && i < s->count; i++) {
        const uint8_t *record = s->bytes + s->offsets[i];
        size_t size = 2 + (size_t)record[0];
        if (filled + size > sizeof block) {
            code = write_file(s, block, filled, err);
            filled = 0;
        }
        memcpy(block + filled, record, size);
        filled += size;
    }
    if (!code)
        code = write_file(s, block, filled, err);
    if (code)
        return code;
    run.end = s->file_size;
    s->runs[s->run_count++] = run;
    s->used = s->count = 0;
    return 0;
}

/* With a small limit nothing need be spilled: only the smallest stay. */
static void keep_smallest(struct ms_sorter *s)
{
    size_t keep = s->count < s->limit ? s->count : (size_t)s->limit, at = 0;
    uint8_t *packed = malloc(keep * RECORD_MAX + 1);
    if (!packed)
        return; /* then it is spilled */
    for (size_t i = 0; i < keep; i++) {
        const uint8_t *record = s->bytes + s->offsets[i];
        memcpy(packed + at, record, 2 + (size_t)record[0]);
        s->offsets[i] = (uint32_t)at;
        at += 2 + (size_t)record[0];
    }
    memcpy(s->bytes, packed, at);
    free(packed);
    s->used = at;
    s->count = keep;
}

static int make_room(struct ms_sorter *s, struct ms_error *err)
{
    sort_memory(s);
    if (s->limit && s->limit <= s->records_max / 4 && s->limit * RECORD_MAX <= s->bytes_max / 4) {
        keep_smallest(s);
        if (s->count <= s->limit)
            return 0;
    }
    return spill(s, err);
}

static int grow(struct ms_sorter *s, struct ms_error *err)
{
    if (s->used + RECORD_MAX > s->room) {
        size_t room = s->room ? s->room * 2 : 16 * 1024;
        uint8_t *bytes = realloc(s->bytes, room > s->bytes_max ? s->bytes_max : room);
        if (!bytes)
            return no_memory(err);
        s->bytes = bytes;
        s->room = room > s->bytes_max ? s->bytes_max : room;
    }
    if (s->count == s->offsets_room) {
        size_t room = s->offsets_room ? s->offsets_room * 2 : 256;
        if (room > s->records_max)
            room = s->records_max;
        uint32_t *offsets = realloc(s->offsets, room * sizeof *offsets);
        if (!offsets)
            return no_memory(err);
        s->offsets = offsets;
        s->offsets_room = room;
    }
    return 0;
}

int ms_sorter_add(struct ms_sorter *s, struct ms_view name, uint8_t kind, struct ms_error *err)
{
    int code = 0;
    if (s->used + RECORD_MAX > s->bytes_max || s->count == s->records_max)
        code = make_room(s, err);
    if (!code)
        code = grow(s, err);
    if (code)
        return code;
    uint8_t *record = s->bytes + s->used;
    record[0] = (uint8_t)name.size;
    record[1] = kind;
    memcpy(record + 2, name.data, name.size);
    s->offsets[s->count++] = (uint32_t)s->used;
    s->used += 2 + name.size;
    return 0;
}

/* ---- merging ---- */

/* Makes the run's next record whole in its block. False: the run is at its end. */
static bool fill(struct ms_sorter *s, struct run *r, int *code, struct ms_error *err)
{
    size_t left = r->block_size - r->block_at;
    bool whole = left >= 2 && left >= 2 + (size_t)r->block[r->block_at];
    if (whole || (left == 0 && r->at == r->end))
        return whole;
    memmove(r->block, r->block + r->block_at, left);
    r->block_at = 0;
    r->block_size = left;
    size_t size = s->block_bytes - r->block_size;
    if (size > r->end - r->at)
        size = (size_t)(r->end - r->at);
    *code = ms_scratch_file_read(s->file, r->at, r->block + r->block_size, size, err);
    if (*code)
        return false;
    r->at += size;
    r->block_size += size;
    return true;
}

int ms_sorter_finish(struct ms_sorter *s, struct ms_error *err)
{
    sort_memory(s);
    if (s->run_count == 0)
        return 0;
    int code = s->count ? spill(s, err) : 0;
    if (code)
        return code;
    free(s->bytes);
    s->bytes = NULL;
    s->block_bytes = s->bytes_max / s->run_count;
    if (s->block_bytes > 256 * 1024)
        s->block_bytes = 256 * 1024;
    if (s->block_bytes < 2 * RECORD_MAX)
        s->block_bytes = 2 * RECORD_MAX;
    for (size_t i = 0; i < s->run_count; i++)
        if (!(s->runs[i].block = malloc(s->block_bytes)))
            return no_memory(err);
    return 0;
}

/* The smallest record of all runs; their number is small. NULL: the end. */
static const uint8_t *take_from_runs(struct ms_sorter *s, int *code, struct ms_error *err)
{
    struct run *best = NULL;
    for (size_t i = 0; i < s->run_count; i++) {
        struct run *r = &s->runs[i];
        if (!fill(s, r, code, err)) {
            if (*code)
                return NULL;
            continue;
        }
        if (!best || ms_compare(record_name(r->block + r->block_at),
                                record_name(best->block + best->block_at)) < 0)
            best = r;
    }
    if (!best)
        return NULL;
    const uint8_t *record = best->block + best->block_at;
    best->block_at += 2 + (size_t)record[0];
    return record;
}

static const uint8_t *take(struct ms_sorter *s, int *code, struct ms_error *err)
{
    if (s->run_count)
        return take_from_runs(s, code, err);
    return s->taken < s->count ? s->bytes + s->offsets[s->taken++] : NULL;
}

int ms_sorter_next(struct ms_sorter *s, struct ms_view *name, uint8_t *kind, struct ms_error *err)
{
    int code = 0;
    const uint8_t *record;
    /* a folder that changes while it is read may show a name twice */
    do {
        record = take(s, &code, err);
    } while (record && s->any && ms_equal(record_name(record), record_name(s->last)));
    if (code)
        return code;
    if (!record) {
        *name = ms_view(NULL, 0);
        return 0;
    }
    memcpy(s->last, record, 2 + (size_t)record[0]);
    s->any = true;
    *name = record_name(s->last);
    *kind = s->last[1];
    return 0;
}
