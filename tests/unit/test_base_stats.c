/* base/stats*.c: quantiles, sums, differences, the file round trip, and files that lie. */
#include "base/stats_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/mstore-stats-XXXXXX";

static char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* ---- arithmetic ----------------------------------------------------------------------------- */

static void buckets(void **state)
{
    (void)state;
    assert_int_equal(ms_stats_bucket_floor(0), 0);
    assert_int_equal(ms_stats_bucket_floor(8), 8);
    assert_int_equal(ms_stats_bucket_floor(17), 18);
    assert_true(ms_stats_bucket_floor(MS_HISTOGRAM_BUCKETS) == 1ull << 40);
    for (unsigned i = 0; i < MS_HISTOGRAM_BUCKETS; i++) {
        uint64_t low = ms_stats_bucket_floor(i), high = ms_stats_bucket_floor(i + 1);
        assert_true(low < high);
        assert_true(low < 8 || (high - low) * 8 <= low); /* at most 12.5 % wide */
    }
}

static void quantiles(void **state)
{
    (void)state;
    struct ms_verb_stats v = {0};
    assert_int_equal(ms_stats_quantile(&v, 0.5), 0);
    v.histogram[16] = 90;
    v.histogram[80] = 9;
    v.histogram[160] = 1;
    assert_int_equal(ms_stats_quantile(&v, 0.5), ms_stats_bucket_floor(17));
    assert_int_equal(ms_stats_quantile(&v, 0.9), ms_stats_bucket_floor(17));
    assert_int_equal(ms_stats_quantile(&v, 0.91), ms_stats_bucket_floor(81));
    assert_int_equal(ms_stats_quantile(&v, 0.99), ms_stats_bucket_floor(81));
    assert_int_equal(ms_stats_quantile(&v, 1), ms_stats_bucket_floor(161));
    v.histogram[MS_HISTOGRAM_BUCKETS - 1] = 1;
    v.max_ns = 5ull << 40;
    assert_true(ms_stats_quantile(&v, 1) == 5ull << 40);
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(ms_verb_name(MS_VERB_INFO), "info");
    assert_string_equal(ms_verb_name(MS_VERB_OTHER), "other");
    assert_string_equal(ms_verb_name(-1), "unknown");
    assert_string_equal(ms_verb_name(MS_VERB_COUNT), "unknown");
    assert_string_equal(ms_event_name(MS_EVENT_HEDGE), "hedges");
    assert_string_equal(ms_event_name(MS_EVENT_BREAKER_CLOSED), "breaker_closed");
    assert_string_equal(ms_event_name(-1), "unknown");
    assert_string_equal(ms_event_name(MS_EVENT_COUNT), "unknown");
}

static struct ms_stats_snapshot *new_snapshot(void)
{
    struct ms_stats_snapshot *s;
    assert_int_equal(ms_stats_snapshot_new(2, 8, &s, NULL), 0);
    s->pid = 42;
    s->started_wall_ns = 1000;
    s->taken_wall_ns = 5000;
    strcpy(s->program, "tester");
    struct ms_entity_stats *e = &s->entities[0];
    e->kind = MS_STATS_NAMESPACE;
    strcpy(e->store, "file:///srv");
    strcpy(e->name, "data");
    e->verbs[MS_VERB_LOAD] = (struct ms_verb_stats){.calls = 3,
                                                    .errors = 1,
                                                    .retries = 2,
                                                    .volume_bytes = 4096,
                                                    .time_ns = 99,
                                                    .max_ns = 50,
                                                    .emulated_ns = 7,
                                                    .histogram = {[20] = 2, [30] = 1}};
    e->errors[5] = 1;
    e->moved_in_bytes = 11;
    e->moved_out_bytes = 12;
    e->cache_hits = 13;
    e->cache_misses = 14;
    e->cache_errors = 15;
    e->cache_evictions = 16;
    e->events[MS_EVENT_HEDGE] = 17;
    e->events[MS_EVENT_BREAKER_CLOSED] = 18;
    s->entities[1].kind = MS_STATS_BACKEND;
    strcpy(s->entities[1].store, "file:///srv");
    s->samples[s->sample_count++] = (struct ms_stats_sample){1000, 0, 0, 0, 0};
    s->samples[s->sample_count++] = (struct ms_stats_sample){3000, 2, 0, 2048, 0};
    ms_stats_snapshot_close(s);
    return s;
}

static void sums(void **state)
{
    (void)state;
    struct ms_stats_snapshot *s = new_snapshot();
    struct ms_entity_stats *sum = &s->entities[1];
    for (int i = 0; i < 2; i++)
        ms_stats_add(sum, &s->entities[0]);
    assert_int_equal(sum->verbs[MS_VERB_LOAD].calls, 6);
    assert_int_equal(sum->verbs[MS_VERB_LOAD].histogram[20], 4);
    assert_int_equal(sum->verbs[MS_VERB_LOAD].max_ns, 50);
    assert_int_equal(sum->verbs[MS_VERB_LOAD].emulated_ns, 14);
    assert_int_equal(sum->errors[5], 2);
    assert_int_equal(sum->cache_evictions, 32);
    assert_int_equal(sum->moved_in_bytes, 22);
    assert_int_equal(sum->events[MS_EVENT_HEDGE], 34);
    assert_int_equal(sum->events[MS_EVENT_REPAIR], 0);
    assert_int_equal(s->samples[2].calls, 3); /* of the namespace, not of the backend too */
    ms_stats_free(s);
    ms_stats_free(NULL);
}

static void differences(void **state)
{
    (void)state;
    struct ms_stats_snapshot *a = new_snapshot(), *b = new_snapshot(), *d = NULL;
    struct ms_error err = {0};
    b->taken_wall_ns = 9000;
    b->entities[0].verbs[MS_VERB_LOAD].histogram[20] += 10;
    b->entities[0].verbs[MS_VERB_LOAD].volume_bytes += 100;
    b->entities[0].errors[5] += 1;
    b->entities[0].events[MS_EVENT_BREAKER_CLOSED] += 4;
    b->entities[0].cache_hits = 0; /* a lie: counters only grow */
    a->count = 1;                  /* the backend came later */
    b->entities[1].verbs[MS_VERB_INFO].histogram[3] = 1;
    b->samples[2].wall_ns = 9000;
    assert_int_equal(ms_stats_diff(a, b, &d, &err), 0);
    assert_int_equal(d->count, 2);
    assert_int_equal(d->entities[0].verbs[MS_VERB_LOAD].calls, 10);
    assert_int_equal(d->entities[0].verbs[MS_VERB_LOAD].volume_bytes, 100);
    assert_int_equal(d->entities[0].verbs[MS_VERB_LOAD].max_ns, 50);
    assert_int_equal(d->entities[0].errors[5], 1);
    assert_int_equal(d->entities[0].events[MS_EVENT_BREAKER_CLOSED], 4);
    assert_int_equal(d->entities[0].events[MS_EVENT_HEDGE], 0);
    assert_int_equal(d->entities[0].cache_hits, 0);
    assert_int_equal(d->entities[1].verbs[MS_VERB_INFO].histogram[3], 1);
    assert_int_equal(d->sample_count, 1);
    assert_int_equal(d->started_wall_ns, 5000);
    ms_stats_free(d);
    d = NULL;
    assert_int_equal(ms_stats_diff(b, a, &d, &err), MS_ERR_INVALID);
    b->pid = 43;
    assert_int_equal(ms_stats_diff(a, b, &d, &err), MS_ERR_INVALID);
    assert_non_null(strstr(err.text, "42 and 43"));
    assert_null(d);
    ms_stats_free(a);
    ms_stats_free(b);
}

/* ---- the ring ------------------------------------------------------------------------------- */

static void ring_keeps_the_whole_life(void **state)
{
    (void)state;
    struct ms_stats_region *r = calloc(1, sizeof *r);
    struct ms_stats_sample *out = calloc(MS_STATS_SAMPLES, sizeof *out);
    assert_true(r && out);
    r->header.sample_interval_ns = MS_STATS_INTERVAL_NS;
    r->header.slots_used = 1;
    r->slots[0].kind = MS_STATS_BACKEND;
    for (int64_t i = 0; i < 2000; i++) {
        r->slots[0].verbs[MS_VERB_STORE].volume_bytes = (uint64_t)i;
        r->slots[0].verbs[MS_VERB_STORE].histogram[0] = (uint64_t)i;
        ms_stats_sample_add(r, i);
    }
    size_t count = ms_stats_ring_read(r, out);
    assert_in_range(count, MS_STATS_SAMPLES / 2, MS_STATS_SAMPLES);
    assert_int_equal(out[0].wall_ns, 0);
    assert_int_equal(out[count - 1].wall_ns, 1999);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(out[i].store_bytes, out[i].wall_ns);
        assert_int_equal(out[i].calls, out[i].wall_ns);
        assert_true(i == 0 || out[i].wall_ns > out[i - 1].wall_ns);
    }
    assert_true(r->header.sample_interval_ns > MS_STATS_INTERVAL_NS);
    r->header.sample_sequence++; /* somebody died in the middle of a change */
    assert_int_equal(ms_stats_ring_read(r, out), 0);
    free(r);
    free(out);
}

/* ---- files ---------------------------------------------------------------------------------- */

static void round_trip(void **state)
{
    (void)state;
    struct ms_stats_snapshot *s = new_snapshot(), *back;
    struct ms_error err = {0};
    char *path = path_of("saved");
    assert_int_equal(ms_stats_save(s, path, &err), 0);
    assert_int_equal(ms_stats_save(s, path, &err), 0); /* replaces */
    assert_int_equal(ms_stats_read(path, &back, &err), 0);
    assert_int_equal(back->pid, 42);
    assert_int_equal(back->started_wall_ns, 1000);
    assert_int_equal(back->taken_wall_ns, 5000);
    assert_string_equal(back->program, "tester");
    assert_int_equal(back->count, s->count);
    assert_memory_equal(back->entities, s->entities, s->count * sizeof *s->entities);
    assert_int_equal(back->sample_count, s->sample_count);
    assert_memory_equal(back->samples, s->samples, s->sample_count * sizeof *s->samples);
    ms_stats_free(back);
    ms_stats_free(s);
    unlink(path);
}

static void too_many_samples(void **state)
{
    (void)state;
    struct ms_stats_snapshot *s, *back;
    assert_int_equal(ms_stats_snapshot_new(0, MS_STATS_SAMPLES + 1, &s, NULL), 0);
    s->pid = 1;
    s->taken_wall_ns = 7;
    for (size_t i = 0; i <= MS_STATS_SAMPLES; i++)
        s->samples[s->sample_count++].wall_ns = (int64_t)i;
    assert_int_equal(ms_stats_save(s, path_of("saved"), NULL), 0);
    assert_int_equal(ms_stats_read(path_of("saved"), &back, NULL), 0);
    assert_int_equal(back->sample_count, MS_STATS_SAMPLES);
    assert_int_equal(back->samples[0].wall_ns, 0);
    assert_int_equal(back->samples[1].wall_ns, 2);
    assert_int_equal(back->samples[MS_STATS_SAMPLES - 1].wall_ns, MS_STATS_SAMPLES);
    ms_stats_free(s);
    ms_stats_free(back);
    unlink(path_of("saved"));
}

static void refused_paths(void **state)
{
    (void)state;
    struct ms_stats_snapshot *s = new_snapshot(), *back = NULL;
    struct ms_error err = {0};
    assert_int_equal(ms_stats_read(path_of("missing"), &back, &err), MS_ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "missing"));
    assert_int_equal(ms_stats_read(folder, &back, &err), MS_ERR_FORMAT);
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    assert_int_equal(ms_stats_read(path_of("fifo"), &back, &err), MS_ERR_FORMAT); /* at once */
    unlink(path_of("fifo"));
    assert_int_equal(ms_stats_save(s, path_of("no/where"), &err), MS_ERR_NOT_FOUND);
    assert_null(back);
    ms_stats_free(s);
}

/* Writes bytes as a file and reads it as statistics. */
static int read_bytes(const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path_of("hostile"), "wb");
    assert_non_null(file);
    if (size)
        assert_int_equal(fwrite(bytes, size, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    struct ms_stats_snapshot *s = NULL;
    struct ms_error err = {0};
    int code = ms_stats_read(path_of("hostile"), &s, &err);
    if (code) {
        assert_null(s);
        assert_int_equal(code, MS_ERR_FORMAT);
        assert_non_null(strstr(err.text, "hostile"));
        return code;
    }
    assert_in_range(s->sample_count, 0, MS_STATS_SAMPLES + 1);
    for (size_t i = 0; i < s->count; i++) { /* whatever it says can be computed with */
        struct ms_entity_stats *sum = calloc(1, sizeof *sum);
        assert_non_null(sum);
        assert_true(strlen(s->entities[i].store) < 128 && strlen(s->entities[i].name) < 64);
        ms_stats_add(sum, &s->entities[i]);
        for (int v = 0; v < MS_VERB_COUNT; v++)
            ms_stats_quantile(&sum->verbs[v], 0.99);
        free(sum);
    }
    ms_stats_free(s);
    return 0;
}

static uint8_t *saved_bytes(size_t *size)
{
    struct ms_stats_snapshot *s = new_snapshot();
    assert_int_equal(ms_stats_save(s, path_of("saved"), NULL), 0);
    ms_stats_free(s);
    *size = (size_t)ms_stats_region_bytes(2);
    uint8_t *bytes = malloc(*size);
    assert_non_null(bytes);
    FILE *file = fopen(path_of("saved"), "rb");
    assert_non_null(file);
    assert_int_equal(fread(bytes, *size, 1, file), 1);
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
    unlink(path_of("saved"));
    return bytes;
}

static void truncated_files(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = saved_bytes(&size);
    assert_int_equal(read_bytes(bytes, size), 0);
    for (size_t cut = 0; cut < size; cut += cut < 200 ? 1 : 997)
        assert_int_equal(read_bytes(bytes, cut), MS_ERR_FORMAT);
    assert_int_equal(read_bytes(bytes, size - 1), MS_ERR_FORMAT);
    free(bytes);
    unlink(path_of("hostile"));
}

/* Byte by byte, as docs/formats.md draws it: a change of these numbers is another version. */
static void layout_of_events(void **state)
{
    (void)state;
    size_t size;
    uint64_t word;
    uint8_t *bytes = saved_bytes(&size);
    assert_int_equal(bytes[8], 2); /* version */
    memcpy(&word, bytes + 24576 + 30464, sizeof word);
    assert_int_equal(word, 17); /* hedges are the first */
    memcpy(&word, bytes + 24576 + 30464 + 6 * 8, sizeof word);
    assert_int_equal(word, 18);
    free(bytes);
}

/* What an older program wrote: no kind member, and nobody knows what is where events are now. */
static void version_one(void **state)
{
    (void)state;
    size_t size;
    struct ms_stats_snapshot *back = NULL;
    struct ms_error err = {0};
    uint8_t *bytes = saved_bytes(&size);
    struct ms_stats_region *r = (struct ms_stats_region *)(void *)bytes;
    r->header.version = 1;
    assert_int_equal(read_bytes(bytes, size), 0);
    assert_int_equal(ms_stats_read(path_of("hostile"), &back, &err), 0);
    assert_int_equal(back->entities[0].verbs[MS_VERB_LOAD].calls, 3);
    assert_int_equal(back->entities[0].events[MS_EVENT_HEDGE], 0);
    ms_stats_free(back);
    r->slots[1].kind = MS_STATS_MEMBER;
    assert_int_equal(read_bytes(bytes, size), MS_ERR_FORMAT);
    r->header.version = 2;
    assert_int_equal(read_bytes(bytes, size), 0);
    r->header.version = 3;
    assert_int_equal(read_bytes(bytes, size), MS_ERR_FORMAT);
    free(bytes);
    unlink(path_of("hostile"));
}

static void flipped_files(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = saved_bytes(&size);
    for (size_t i = 0; i < 152; i++) { /* each byte of the header */
        uint8_t kept = bytes[i];
        bytes[i] = (uint8_t)~kept;
        read_bytes(bytes, size);
        bytes[i] = kept;
    }
    struct ms_random random;
    const uint64_t seed = 20260101;
    ms_random_seed(&random, seed);
    for (int round = 0; round < 300; round++) {
        uint8_t *copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, bytes, size);
        for (int flips = 0; flips < 8; flips++) { /* most of them where it matters */
            size_t limit = flips % 2 ? size : 24576 + 512;
            copy[ms_random_below(&random, limit)] ^= (uint8_t)(1 + ms_random_below(&random, 255));
        }
        read_bytes(copy, size);
        free(copy);
    }
    free(bytes);
    unlink(path_of("hostile"));
}

static void lying_files(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = saved_bytes(&size);
    struct ms_stats_region *r = (struct ms_stats_region *)(void *)bytes;
    r->header.slots_used = r->header.slot_capacity = UINT32_MAX;
    assert_int_equal(read_bytes(bytes, size), MS_ERR_FORMAT);
    r->header.slots_used = r->header.slot_capacity = 256;
    assert_int_equal(read_bytes(bytes, size), MS_ERR_FORMAT);
    r->header.slots_used = r->header.slot_capacity = 2;
    r->header.sample_count = UINT64_MAX;
    assert_int_equal(read_bytes(bytes, size), MS_ERR_FORMAT);
    r->header.sample_count = 3;
    r->header.sample_sequence = 1; /* for ever in change: no samples, but the rest */
    assert_int_equal(read_bytes(bytes, size), 0);
    memset(r->header.program, 'x', sizeof r->header.program);
    assert_int_equal(read_bytes(bytes, size), MS_ERR_FORMAT);
    r->header.program[0] = '\0';
    memset(r->slots[0].store, 'x', sizeof r->slots[0].store);
    assert_int_equal(read_bytes(bytes, size), MS_ERR_FORMAT);
    r->slots[0].used = 0; /* nobody looks at it */
    assert_int_equal(read_bytes(bytes, size), 0);
    r->slots[1].kind = MS_STATS_KIND_LAST + 1;
    assert_int_equal(read_bytes(bytes, size), MS_ERR_FORMAT);
    free(bytes);
    unlink(path_of("hostile"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets),
        cmocka_unit_test(quantiles),
        cmocka_unit_test(names),
        cmocka_unit_test(sums),
        cmocka_unit_test(differences),
        cmocka_unit_test(ring_keeps_the_whole_life),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(too_many_samples),
        cmocka_unit_test(layout_of_events),
        cmocka_unit_test(version_one),
        cmocka_unit_test(refused_paths),
        cmocka_unit_test(truncated_files),
        cmocka_unit_test(flipped_files),
        cmocka_unit_test(lying_files),
    };
    if (!mkdtemp(folder))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return rmdir(folder) == 0 ? failed : 1;
}
