/* Statistics files: a file that is accepted can be saved and reads as the same; whatever is in it,
 * its names are strings. Input: patches to a good file, each offset (2 bytes, times 4), length (1),
 * bytes; a length of 255 cuts the file there. */
#include "fuzz.h"

#include <mstore/stats.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static uint8_t *good;
static size_t good_size;

static char *path_of(int fd)
{
    static char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return path;
}

static int memory_file(void)
{
    int fd = memfd_create("stats", MFD_CLOEXEC);
    ms_assert(fd >= 0);
    return fd;
}

static void make_good(void)
{
    char path[] = "/tmp/mstore-fuzz-XXXXXX";
    int fd = mkstemp(path);
    ms_assert(fd >= 0);
    struct ms_entity_stats *entities = calloc(2, sizeof(*entities));
    struct ms_stats_snapshot s = {.pid = 7,
                                  .started_wall_ns = 1,
                                  .taken_wall_ns = 2,
                                  .program = "fuzz",
                                  .count = 2,
                                  .entities = entities};
    ms_assert(entities);
    strcpy(entities[0].store, "memory:");
    strcpy(entities[1].name, "data");
    entities[1].kind = MS_STATS_NAMESPACE;
    entities[1].verbs[MS_VERB_LOAD].histogram[5] = entities[1].verbs[MS_VERB_LOAD].calls = 3;
    ms_assert(ms_stats_save(&s, path, NULL) == 0);
    close(fd);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    ms_assert(fd >= 0 && unlink(path) == 0);
    good_size = (size_t)lseek(fd, 0, SEEK_END);
    good = malloc(good_size);
    ms_assert(good && pread(fd, good, good_size, 0) == (ssize_t)good_size);
    close(fd);
    free(entities);
}

static size_t patch(struct ms_view input, uint8_t *bytes)
{
    size_t size = good_size;
    while (input.size) {
        size_t at = fuzz_byte(&input);
        at = (at << 8 | fuzz_byte(&input)) * 4 % good_size;
        size_t length = fuzz_byte(&input);
        if (length == 255) {
            size = at;
            continue;
        }
        for (size_t i = 0; i < length && input.size && at + i < good_size; i++)
            bytes[at + i] = fuzz_byte(&input);
    }
    return size;
}

static bool is_string(const char *text, size_t room)
{
    return memchr(text, 0, room) != NULL;
}

static void check_same(const struct ms_stats_snapshot *a, const struct ms_stats_snapshot *b)
{
    ms_assert(a->count == b->count && a->pid == b->pid &&
              a->started_wall_ns == b->started_wall_ns && strcmp(a->program, b->program) == 0);
    for (size_t i = 0; i < a->count; i++) {
        const struct ms_entity_stats *x = &a->entities[i], *y = &b->entities[i];
        ms_assert(is_string(x->store, sizeof(x->store)) && is_string(x->name, sizeof(x->name)));
        ms_assert(x->kind == y->kind && strcmp(x->store, y->store) == 0 &&
                  strcmp(x->name, y->name) == 0 && x->cache_hits == y->cache_hits);
        ms_assert(memcmp(x->errors, y->errors, sizeof(x->errors)) == 0);
        ms_assert(memcmp(x->verbs, y->verbs, sizeof(x->verbs)) == 0);
        ms_assert(memcmp(x->events, y->events, sizeof(x->events)) == 0);
    }
}

static void check_accepted(struct ms_stats_snapshot *s)
{
    struct ms_stats_snapshot *again = NULL, *difference = NULL;
    static char saved[] = "/tmp/mstore-fuzz-saved-XXXXXX";
    static bool named;
    if (!named) {
        int fd = mkstemp(saved);
        ms_assert(fd >= 0);
        close(fd);
        named = true;
    }
    if (s->taken_wall_ns == 0)
        s->taken_wall_ns = 1;
    ms_assert(ms_stats_save(s, saved, NULL) == 0);
    ms_assert(ms_stats_read(saved, &again, NULL) == 0);
    unlink(saved);
    check_same(s, again);
    ms_assert(ms_stats_diff(s, again, &difference, NULL) == 0);
    for (size_t i = 0; i < s->count; i++)
        for (int v = 0; v < MS_VERB_COUNT; v++)
            (void)ms_stats_quantile(&s->entities[i].verbs[v], 0.99);
    ms_stats_free(again);
    ms_stats_free(difference);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!good)
        make_good();
    uint8_t *bytes = malloc(good_size);
    ms_assert(bytes);
    memcpy(bytes, good, good_size);
    size_t left = patch(ms_view(data, size), bytes);
    int fd = memory_file();
    ms_assert(pwrite(fd, bytes, left, 0) == (ssize_t)left);
    struct ms_stats_snapshot *s = NULL;
    struct ms_error err = {0};
    int code = ms_stats_read(path_of(fd), &s, &err);
    ms_assert(code == 0 || (code == MS_ERR_FORMAT && err.text[0] && !s));
    if (code == 0)
        check_accepted(s);
    ms_stats_free(s);
    close(fd);
    free(bytes);
    return 0;
}
