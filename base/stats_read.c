/* Reading and writing statistics files. What is in a file is not trusted: it is copied with pread
 * (a mapping could vanish under a truncation) and every length is checked before use. */
#include "base/stats_file.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* All of it; 1: done, 0: the file ends before, -1: errno. */
static int read_all(int fd, void *buf, size_t size, uint64_t offset)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, (char *)buf + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? 0 : -1;
        done += (size_t)n;
    }
    return 1;
}

static int read_part(int fd, const char *path, void *buf, size_t size, uint64_t offset,
                     struct ms_error *err)
{
    int got = read_all(fd, buf, size, offset);
    if (got < 0)
        return ms_error_errno(err, errno, "read %s", path);
    return got ? 0 : ms_error_set(err, MS_ERR_FORMAT, "%s is cut short", path);
}

static bool is_string(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static int read_header(int fd, const char *path, struct ms_stats_header *h, struct ms_error *err)
{
    int got = read_all(fd, h, sizeof *h, 0);
    if (got < 0)
        return ms_error_errno(err, errno, "read %s", path);
    if (got == 0 || memcmp(h->magic, MS_STATS_MAGIC, sizeof h->magic) != 0)
        return ms_error_set(err, MS_ERR_FORMAT, "%s is no statistics file", path);
    if (h->version < MS_STATS_VERSION_MIN || h->version > MS_STATS_VERSION ||
        h->verbs != MS_VERB_COUNT || h->slot_bytes != sizeof(struct ms_stats_slot) ||
        h->sample_capacity != MS_STATS_SAMPLES)
        return ms_error_set(err, MS_ERR_FORMAT,
                            "%s was written by another version of mstore or another kind of "
                            "machine",
                            path);
    if (h->slot_capacity > MS_STATS_SLOTS || h->slots_used > h->slot_capacity || h->pid <= 0 ||
        !is_string(h->program, sizeof h->program))
        return ms_error_set(err, MS_ERR_FORMAT, "%s is damaged: its header makes no sense", path);
    return 0;
}

/* Into s->samples, which has room for all; none when the ring changes whenever we look. */
static int read_samples(int fd, const char *path, struct ms_stats_snapshot *s, struct ms_error *err)
{
    for (int attempt = 0; attempt < 20; attempt++) {
        struct ms_stats_header before, after;
        int code = read_header(fd, path, &before, err);
        if (!code)
            code = read_part(fd, path, s->samples, MS_STATS_SAMPLES * sizeof *s->samples,
                             offsetof(struct ms_stats_region, samples), err);
        if (!code)
            code = read_header(fd, path, &after, err);
        if (code)
            return code;
        if (before.sample_count > MS_STATS_SAMPLES)
            return ms_error_set(err, MS_ERR_FORMAT, "%s is damaged: too many samples", path);
        if (before.sample_sequence % 2 == 0 && before.sample_sequence == after.sample_sequence) {
            s->sample_count = (size_t)before.sample_count;
            return 0;
        }
    }
    return 0;
}

static int read_slots(int fd, const char *path, const struct ms_stats_header *h,
                      struct ms_stats_snapshot *s, struct ms_error *err)
{
    MS_AUTO_FREE struct ms_stats_slot *slot = malloc(sizeof *slot);
    if (!slot)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to read %s", path);
    s->count = 0;
    for (uint32_t i = 0; i < h->slots_used; i++) {
        int code = read_part(fd, path, slot, sizeof *slot, ms_stats_region_bytes(i), err);
        if (code)
            return code;
        if (!slot->used)
            continue;
        if (h->version < 2)
            memset(slot->events, 0, sizeof slot->events);
        if (slot->kind > (h->version < 2 ? MS_STATS_CACHE : MS_STATS_KIND_LAST) ||
            !is_string(slot->store, sizeof slot->store) ||
            !is_string(slot->name, sizeof slot->name))
            return ms_error_set(err, MS_ERR_FORMAT, "%s is damaged: entity %u makes no sense", path,
                                (unsigned)i);
        ms_stats_from_slot(&s->entities[s->count++], slot);
    }
    return 0;
}

static int read_open(int fd, const char *path, struct ms_stats_snapshot **out, struct ms_error *err)
{
    struct ms_stats_header h;
    int code = read_header(fd, path, &h, err);
    if (code)
        return code;
    struct ms_stats_snapshot *s = NULL;
    code = ms_stats_snapshot_new(h.slots_used, MS_STATS_SAMPLES + 1, &s, err);
    if (code)
        return code;
    s->pid = h.pid;
    s->started_wall_ns = h.started_wall_ns;
    s->taken_wall_ns = h.taken_wall_ns ? h.taken_wall_ns : ms_clock_wall(ms_clock_real());
    memcpy(s->program, h.program, sizeof s->program);
    code = read_samples(fd, path, s, err);
    if (!code)
        code = read_slots(fd, path, &h, s, err);
    if (code) {
        ms_stats_free(s);
        return code;
    }
    if (!h.taken_wall_ns) /* a saved one has it already */
        ms_stats_snapshot_close(s);
    *out = s;
    return 0;
}

int ms_stats_read(const char *path, struct ms_stats_snapshot **out, struct ms_error *err)
{
    MS_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return ms_error_errno(err, errno, "open %s", path);
    struct stat st;
    if (fstat(fd, &st) != 0)
        return ms_error_errno(err, errno, "look at %s", path);
    if (!S_ISREG(st.st_mode))
        return ms_error_set(err, MS_ERR_FORMAT, "%s is no statistics file", path);
    return read_open(fd, path, out, err);
}

/* ---- saving --------------------------------------------------------------------------------- */

static void describe(struct ms_stats_header *h, const struct ms_stats_snapshot *s)
{
    memcpy(h->magic, MS_STATS_MAGIC, sizeof h->magic);
    h->version = MS_STATS_VERSION;
    h->slot_bytes = sizeof(struct ms_stats_slot);
    h->slot_capacity = h->slots_used = (uint32_t)s->count;
    h->verbs = MS_VERB_COUNT;
    h->sample_capacity = MS_STATS_SAMPLES;
    h->pid = s->pid;
    h->started_wall_ns = s->started_wall_ns;
    h->taken_wall_ns = s->taken_wall_ns;
    memcpy(h->program, s->program, sizeof h->program);
    h->sample_interval_ns = MS_STATS_INTERVAL_NS;
}

/* The samples, the oldest first: when there is one too many, without the second one. */
static void write_samples(FILE *file, struct ms_stats_header *h, const struct ms_stats_snapshot *s)
{
    static const struct ms_stats_sample none;
    size_t skipped = s->sample_count > MS_STATS_SAMPLES ? s->sample_count - MS_STATS_SAMPLES : 0;
    h->sample_count = s->sample_count - skipped;
    fwrite(h, sizeof *h, 1, file);
    for (size_t i = 0; i < MS_STATS_SAMPLES; i++) {
        size_t from = i == 0 ? 0 : i + skipped;
        fwrite(from < s->sample_count ? &s->samples[from] : &none, sizeof none, 1, file);
    }
}

static int write_file(FILE *file, const struct ms_stats_snapshot *s, const char *path,
                      struct ms_error *err)
{
    MS_AUTO_FREE struct ms_stats_header *h = calloc(1, sizeof *h);
    MS_AUTO_FREE struct ms_stats_slot *slot = malloc(sizeof *slot);
    if (!h || !slot)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to write %s", path);
    describe(h, s);
    write_samples(file, h, s);
    for (size_t i = 0; i < s->count; i++) {
        ms_stats_to_slot(slot, &s->entities[i]);
        fwrite(slot, sizeof *slot, 1, file);
    }
    errno = 0;
    if (fflush(file) != 0 || ferror(file))
        return ms_error_errno(err, errno ? errno : EIO, "write %s", path);
    return 0;
}

int ms_stats_save(const struct ms_stats_snapshot *snapshot, const char *path, struct ms_error *err)
{
    if (snapshot->count > MS_STATS_SLOTS)
        return ms_error_set(err, MS_ERR_TOO_LARGE, "%zu entities are too many for a file (%u)",
                            snapshot->count, MS_STATS_SLOTS);
    MS_AUTO_FREE char *temporary = NULL;
    if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
        temporary = NULL;
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to write %s", path);
    }
    int fd = mkostemp(temporary, O_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!file) {
        int failed = errno;
        if (fd >= 0) {
            close(fd);
            unlink(temporary);
        }
        return ms_error_errno(err, failed, "create %s", path);
    }
    int code = write_file(file, snapshot, path, err);
    if (fclose(file) != 0 && !code)
        code = ms_error_errno(err, errno, "write %s", path);
    if (!code && rename(temporary, path) != 0)
        code = ms_error_errno(err, errno, "rename to %s", path);
    if (code)
        unlink(temporary);
    return code;
}
