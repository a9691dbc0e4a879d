/* The erasure code: the matrix on the disk never changes, every loss of up to m shards is made
 * good, many threads share a handle, no allocation is a surprise. */
#include "support/check.h"
#include "support/wrapalloc.h"

#include "base/hash.h"
#include "base/pool.h"
#include "mstore/erasure.h"

#include <stdio.h>
#include <stdlib.h>

struct code {
    unsigned k, m;
    size_t size;
    struct ms_erasure *e;
    uint8_t *bytes; /* k+m shards, then k+m places for reconstruction */
    uint8_t *shard[255], *place[255];
};

static void code_init(struct code *c, unsigned k, unsigned m, size_t size)
{
    struct ms_error err = {0};
    *c = (struct code){.k = k, .m = m, .size = size};
    check_ok(ms_erasure_new(k, m, &c->e, &err), err);
    c->bytes = malloc(2 * (k + m) * size + 1);
    assert_non_null(c->bytes);
    for (unsigned i = 0; i < k + m; i++) {
        c->shard[i] = c->bytes + 1 + i * size; /* unaligned */
        c->place[i] = c->shard[i] + (k + m) * size;
    }
}

static void code_fini(struct code *c)
{
    ms_erasure_free(c->e);
    free(c->bytes);
}

static void encode(struct code *c)
{
    ms_erasure_encode(c->e, (const uint8_t *const *)c->shard, c->shard + c->k, c->size);
}

static void random_code(struct code *c, unsigned k, unsigned m, size_t size, uint64_t seed)
{
    struct ms_random random;
    code_init(c, k, m, size);
    ms_random_seed(&random, seed);
    for (size_t x = 0; x < k * size; x++)
        c->shard[0][x] = (uint8_t)ms_random_u64(&random);
    encode(c);
}

/* Reconstructs what is not present, all of it, and compares. */
static void check_loss(struct code *c, const bool present[])
{
    struct ms_error err = {0};
    uint8_t *shards[255];
    unsigned needed = c->k;
    for (unsigned i = 0; i < c->k + c->m; i++) {
        shards[i] = present[i] ? c->shard[i] : c->place[i];
        if (present[i] && needed == 0)
            shards[i] = NULL; /* not read */
        else if (present[i])
            needed--;
        memset(c->place[i], 0xa5, c->size);
    }
    check_ok(ms_erasure_reconstruct(c->e, shards, present, c->size, &err), err);
    for (unsigned i = 0; i < c->k + c->m; i++)
        if (!present[i] && memcmp(c->place[i], c->shard[i], c->size) != 0)
            fail_msg("%u+%u, %zu bytes: shard %u comes out wrong", c->k, c->m, c->size, i);
}

static void golden_parities(void **state)
{
    struct ms_error err = {0};
    char line[256], wanted[65], hex[MS_SHA256_HEX];
    unsigned k, m, lines = 0;
    size_t size;
    (void)state;
    FILE *file = fopen(TEST_DATA "/erasure/parities.txt", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        struct code c;
        if (sscanf(line, "%u %u %zu %64s", &k, &m, &size, wanted) != 4)
            continue;
        code_init(&c, k, m, size);
        for (unsigned j = 0; j < k; j++)
            for (size_t x = 0; x < size; x++)
                c.shard[j][x] = (uint8_t)(x * 7 + j * 31 + x * x * j);
        encode(&c);
        check_ok(ms_sha256_hex(ms_view(c.shard[k], m * size), hex, &err), err);
        if (strcmp(hex, wanted) != 0)
            fail_msg("the matrix of %u+%u has changed", k, m);
        code_fini(&c);
        lines++;
    }
    fclose(file);
    assert_int_equal(lines, 12);
}

/* Every set of at most m lost shards, for every k <= 10 and m <= 4. */
static void every_pattern(void **state)
{
    unsigned patterns = 0;
    (void)state;
    for (unsigned k = 1; k <= 10; k++)
        for (unsigned m = 0; m <= 4; m++) {
            struct code c;
            random_code(&c, k, m, 1 + (k * 37 + m * 11) % 130, k * 10 + m);
            for (unsigned lost = 0; lost < 1u << (k + m); lost++) {
                bool present[255];
                if ((unsigned)__builtin_popcount(lost) > m)
                    continue;
                for (unsigned i = 0; i < k + m; i++)
                    present[i] = !(lost >> i & 1);
                check_loss(&c, present);
                patterns++;
            }
            code_fini(&c);
        }
    assert_int_equal(patterns, 6822);
}

/* Takes away `lost` shards at random. */
static void lose(struct ms_random *random, unsigned total, unsigned lost, bool present[])
{
    for (unsigned i = 0; i < total; i++)
        present[i] = true;
    while (lost > 0) {
        uint64_t i = ms_random_below(random, total);
        lost -= present[i];
        present[i] = false;
    }
}

static void random_patterns_up_to_255(void **state)
{
    struct ms_random random;
    (void)state;
    ms_random_seed(&random, 4711);
    for (unsigned round = 0; round < 60; round++) {
        unsigned total = 11 + (unsigned)ms_random_below(&random, 245);
        unsigned m = 1 + (unsigned)ms_random_below(&random, total < 80 ? total - 1 : 40);
        struct code c;
        bool present[255];
        if (round == 0)
            total = 255, m = 127;
        random_code(&c, total - m, m, 1 + ms_random_below(&random, 300), round);
        for (unsigned i = 0; i < 4; i++) {
            lose(&random, total, i == 0 ? m : (unsigned)ms_random_below(&random, m + 1), present);
            check_loss(&c, present);
        }
        code_fini(&c);
    }
}

static void every_size(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 400; size++) {
        struct code c;
        bool present[255] = {false, true, true, false, true};
        random_code(&c, 3, 2, size, size);
        check_loss(&c, present);
        code_fini(&c);
    }
    struct code c; /* more than one piece, and an odd rest */
    bool present[255] = {true, false, true, false, true, true};
    random_code(&c, 4, 2, 3 * 65536 + 17, 1);
    check_loss(&c, present);
    code_fini(&c);
}

/* Coding by pieces gives the same bytes as coding at once. */
static void streams(void **state)
{
    struct code c;
    uint8_t at_once[2 * 1000];
    (void)state;
    random_code(&c, 5, 2, 1000, 3);
    memcpy(at_once, c.shard[5], sizeof at_once);
    memset(c.shard[5], 0, sizeof at_once);
    for (size_t done = 0, piece; done < 1000; done += piece) {
        const uint8_t *data[5];
        uint8_t *parity[2] = {c.shard[5] + done, c.shard[6] + done};
        piece = done % 90 + 1 < 1000 - done ? done % 90 + 1 : 1000 - done;
        for (unsigned j = 0; j < 5; j++)
            data[j] = c.shard[j] + done;
        ms_erasure_encode(c.e, data, parity, piece);
    }
    assert_memory_equal(c.shard[5], at_once, sizeof at_once);
    code_fini(&c);
}

/* Of what is missing, only what is asked for is written. */
static void some_are_wanted(void **state)
{
    struct ms_error err = {0};
    struct code c;
    bool present[255] = {true, false, false, true, true, false, true, true};
    uint8_t *shards[8];
    (void)state;
    random_code(&c, 5, 3, 77, 8);
    memset(c.place[0], 0xa5, 8 * c.size);
    for (unsigned i = 0; i < 8; i++)
        shards[i] = present[i] ? c.shard[i] : NULL;
    shards[2] = c.place[2];
    check_ok(ms_erasure_reconstruct(c.e, shards, present, c.size, &err), err);
    assert_memory_equal(c.place[2], c.shard[2], c.size);
    for (unsigned i = 0; i < 8; i++)
        for (size_t x = 0; x < c.size && i != 2; x++)
            assert_int_equal(c.place[i][x], 0xa5);
    code_fini(&c);
}

static void damage_is_seen(void **state)
{
    struct ms_error err = {0};
    struct code c;
    (void)state;
    random_code(&c, 6, 3, 9001, 5);
    check_ok(ms_erasure_verify(c.e, (const uint8_t *const *)c.shard, c.size, &err), err);
    for (unsigned i = 0; i < 9; i++) {
        size_t at = (i * 1237u) % c.size;
        c.shard[i][at] ^= 0x10;
        check_code(ms_erasure_verify(c.e, (const uint8_t *const *)c.shard, c.size, &err),
                   MS_ERR_CORRUPT, err);
        c.shard[i][at] ^= 0x10;
    }
    c.shard[8][9000] ^= 1;
    check_code(ms_erasure_verify(c.e, (const uint8_t *const *)c.shard, c.size, &err),
               MS_ERR_CORRUPT, err);
    check_text(err, "shard 8 of an erasure-coded 6+3 value");
    code_fini(&c);
}

static void refusals(void **state)
{
    struct ms_error err = {0};
    struct ms_erasure *e = NULL;
    (void)state;
    check_code(ms_erasure_new(0, 2, &e, &err), MS_ERR_INVALID, err);
    check_code(ms_erasure_new(200, 56, &e, &err), MS_ERR_INVALID, err);
    check_code(ms_erasure_new(255, UINT32_MAX, &e, &err), MS_ERR_INVALID, err);
    check_text(err, "at most 255");
    assert_null(e);
    ms_erasure_free(NULL);

    struct code c;
    bool present[255] = {true, false, false, false, true};
    random_code(&c, 3, 2, 10, 1);
    check_code(ms_erasure_reconstruct(c.e, c.place, present, c.size, &err), MS_ERR_INVALID, err);
    check_text(err, "2 shards of an erasure-coded 3+2 value are too few");
    code_fini(&c);
}

/* More patterns than are kept, by four threads at once on one handle. */
struct crowd {
    struct code *code;
};

static int lose_many(void *arg, size_t index)
{
    struct crowd *crowd = arg;
    const struct code *c = crowd->code;
    struct ms_random random;
    uint8_t out[40][24];
    int code = 0;
    ms_random_seed(&random, index % 7); /* the same patterns in several threads */
    for (unsigned round = 0; round < 40 && code == 0; round++) {
        bool present[255];
        uint8_t *shards[40];
        lose(&random, 40, 1 + (unsigned)ms_random_below(&random, 10), present);
        for (unsigned i = 0; i < 40; i++)
            shards[i] = present[i] ? c->shard[i] : out[i];
        code = ms_erasure_reconstruct(c->e, shards, present, c->size, NULL);
        for (unsigned i = 0; i < 40 && code == 0; i++)
            if (!present[i] && memcmp(out[i], c->shard[i], c->size) != 0)
                code = MS_ERR_CORRUPT;
    }
    return code;
}

static void threads_share_a_handle(void **state)
{
    struct ms_error err = {0};
    struct code c;
    (void)state;
    random_code(&c, 30, 10, 24, 2);
    check_ok(ms_parallel(28, 4, lose_many, &(struct crowd){&c}, &err), err);
    code_fini(&c);
    ms_pool_shutdown();
}

/* Allocation 0, 1, 2 … fails. */
static void no_memory(void **state)
{
    struct ms_error err = {0};
    (void)state;
    long k = 0;
    for (bool failed = true; failed; k++) {
        struct ms_erasure *e = NULL;
        wrapalloc_arm(k);
        int code = ms_erasure_new(4, 3, &e, &err);
        failed = wrapalloc_disarm();
        assert_int_equal(code, failed ? MS_ERR_NO_MEMORY : 0);
        assert_true(failed == !e);
        ms_erasure_free(e);
    }
    assert_int_equal(k, 4); /* the handle and two tables, then success */

    struct code c;
    bool present[255] = {true, false, true, true, false, true, true};
    random_code(&c, 4, 3, 100, 1);
    k = 0;
    for (bool failed = true; failed; k++) {
        uint8_t *shards[7];
        for (unsigned i = 0; i < 7; i++)
            shards[i] = present[i] ? c.shard[i] : c.place[i];
        memset(c.place[0], 0xa5, 7 * c.size);
        wrapalloc_arm(k);
        int code = ms_erasure_reconstruct(c.e, shards, present, c.size, &err);
        failed = wrapalloc_disarm();
        assert_int_equal(code, failed ? MS_ERR_NO_MEMORY : 0);
        assert_int_equal(c.place[1][0] == 0xa5 && c.place[1][99] == 0xa5, failed);
    }
    assert_int_equal(k, 3); /* the tables and the room to work in, then success */
    wrapalloc_arm(0);       /* kept: nothing is allocated */
    uint8_t *shards[7];
    for (unsigned i = 0; i < 7; i++)
        shards[i] = present[i] ? c.shard[i] : c.place[i];
    check_ok(ms_erasure_reconstruct(c.e, shards, present, c.size, &err), err);
    assert_false(wrapalloc_disarm());
    code_fini(&c);
}

int main(void)
{
    struct ms_erasure *e;
    struct ms_error err = {0};
    if (ms_erasure_new(2, 1, &e, &err) == MS_ERR_UNSUPPORTED) {
        fprintf(stderr, "test_mstore_erasure: %s\n", err.text);
        return 77;
    }
    ms_erasure_free(e);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_parities),
        cmocka_unit_test(every_pattern),
        cmocka_unit_test(random_patterns_up_to_255),
        cmocka_unit_test(every_size),
        cmocka_unit_test(streams),
        cmocka_unit_test(some_are_wanted),
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(refusals),
        cmocka_unit_test(threads_share_a_handle),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
