/* bench: rates and latencies of a store, with items of its own that it removes in the end, also
 * after Ctrl-C. Each phase runs `jobs` calls at once; latencies are those of single calls. */
#include "tools/mstore/cli.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"
#include "tools/mstore/output.h"
#include "tools/mstore/progress.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#define MOST_BYTES (UINT64_C(1) << 30)
#define KEY_SIZE   96

struct row {
    const char *what;
    uint64_t calls, items, bytes, time_ns;
    uint64_t p50_ns, p90_ns, p99_ns, max_ns;
};

struct bench {
    struct ms_cli *cli;
    struct ms_store *store;
    const char *ns;
    char prefix[48]; /* of the keys, without the namespace */
    uint64_t size_bytes, count;
    unsigned jobs;
    struct ms_buf *value;
    uint64_t *latencies_ns;
    char (*keys)[KEY_SIZE];
    struct row rows[8];
    size_t row_count;
    struct ms_progress progress;
    _Atomic uint64_t begun; /* keys below this may be there: they are given out in order */
    _Atomic int failure;
    struct ms_error error; /* of the first failure; written by who set it */
};

static void timed(struct bench *b, size_t index, uint64_t begin, int code,
                  const struct ms_error *err)
{
    int none = 0;
    b->latencies_ns[index] = ms_clock_now(ms_clock_real()) - begin;
    if (code && atomic_compare_exchange_strong(&b->failure, &none, code))
        b->error = *err;
    ms_progress_add(&b->progress, 1, b->size_bytes);
}

static struct ms_view key_of(struct bench *b, size_t index)
{
    return ms_str(b->keys[index]);
}

static int store_one(void *arg, size_t index)
{
    struct bench *b = arg;
    struct ms_error err = {0};
    uint64_t before = atomic_load(&b->begun);
    while (before <= index && !atomic_compare_exchange_weak(&b->begun, &before, index + 1))
        ;
    uint64_t begin = ms_clock_now(ms_clock_real());
    int code = ms_store_store(b->store, key_of(b, index), b->value, NULL, NULL, &err);
    timed(b, index, begin, code, &err);
    return code;
}

static int load_one(void *arg, size_t index)
{
    struct bench *b = arg;
    struct ms_error err = {0};
    MS_AUTO_BUF struct ms_buf *got = NULL;
    uint64_t begin = ms_clock_now(ms_clock_real());
    int code = ms_store_load(b->store, key_of(b, index), NULL, &got, &err);
    if (!code && ms_buf_size(got) != b->size_bytes)
        code = ms_error_set(&err, MS_ERR_CORRUPT, "an item came back with another size");
    timed(b, index, begin, code, &err);
    return code;
}

static int delete_one(void *arg, size_t index)
{
    struct bench *b = arg;
    struct ms_error err = {0};
    uint64_t begin = ms_clock_now(ms_clock_real());
    int code = ms_store_delete(b->store, key_of(b, index), false, &err);
    timed(b, index, begin, code, &err);
    return code;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void add_row(struct bench *b, const char *what, size_t calls, uint64_t bytes,
                    uint64_t time_ns)
{
    uint64_t *l = b->latencies_ns;
    qsort(l, calls, sizeof *l, by_value);
    b->rows[b->row_count++] = (struct row){.what = what,
                                           .calls = calls,
                                           .items = b->count,
                                           .bytes = bytes,
                                           .time_ns = time_ns ? time_ns : 1,
                                           .p50_ns = l[(calls - 1) * 50 / 100],
                                           .p90_ns = l[(calls - 1) * 90 / 100],
                                           .p99_ns = l[(calls - 1) * 99 / 100],
                                           .max_ns = l[calls - 1]};
}

static int finish_phase(struct bench *b, int code, struct ms_error *err)
{
    int interrupted = ms_cli_interrupted(err, NULL);
    if (interrupted)
        return interrupted;
    if (atomic_load(&b->failure) && err)
        *err = b->error;
    return atomic_load(&b->failure) ? atomic_load(&b->failure) : code;
}

static int phase(struct bench *b, const char *what, int (*one)(void *arg, size_t index),
                 bool moves_bytes, struct ms_error *err)
{
    ms_progress_begin(&b->progress, what, "items");
    ms_progress_total(&b->progress, b->count, b->count * b->size_bytes);
    uint64_t begin = ms_clock_now(ms_clock_real());
    int code = ms_parallel((size_t)b->count, b->jobs, one, b, err);
    uint64_t time_ns = ms_clock_now(ms_clock_real()) - begin;
    ms_progress_end(&b->progress);
    code = finish_phase(b, code, err);
    if (!code)
        add_row(b, what, (size_t)b->count, moves_bytes ? b->count * b->size_bytes : 0, time_ns);
    return code;
}

/* The same items once more, in one call. */
static int phase_batch(struct bench *b, struct ms_error *err)
{
    MS_AUTO_FREE struct ms_many *many = calloc((size_t)b->count, sizeof *many);
    if (!many)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for %" PRIu64 " items", b->count);
    for (size_t i = 0; i < b->count; i++)
        many[i] = (struct ms_many){.key = key_of(b, i), .value = b->value};
    uint64_t begin = ms_clock_now(ms_clock_real());
    int code = ms_store_store_many(b->store, many, (size_t)b->count, b->jobs, err);
    uint64_t time_ns = ms_clock_now(ms_clock_real()) - begin;
    for (size_t i = 0; i < b->count; i++)
        free(many[i].error);
    b->latencies_ns[0] = time_ns;
    if (!code)
        add_row(b, "store, one batch", 1, b->count * b->size_bytes, time_ns);
    return code;
}

static int phase_list(struct bench *b, struct ms_error *err)
{
    struct ms_list_options options = MS_LIST_OPTIONS_INIT;
    options.prefix = ms_str(b->prefix);
    struct ms_store_lister *lister = NULL;
    uint64_t begin = ms_clock_now(ms_clock_real()), seen = 0;
    int code = ms_store_list(b->store, b->ns, &options, &lister, err);
    const struct ms_item *item = NULL;
    while (!code) {
        code = ms_store_lister_next(lister, &item, err);
        if (!code)
            code = ms_cli_interrupted(err, NULL);
        if (code || !item)
            break;
        seen++;
    }
    ms_store_lister_close(lister);
    b->latencies_ns[0] = ms_clock_now(ms_clock_real()) - begin;
    if (!code && seen != b->count)
        code = ms_error_set(err, MS_ERR_CORRUPT, "the listing has %" PRIu64 " of %" PRIu64 " items",
                            seen, b->count);
    if (!code)
        add_row(b, "list", 1, 0, b->latencies_ns[0]);
    return code;
}

static int run_phases(struct bench *b, struct ms_error *err)
{
    int code = phase(b, "store", store_one, true, err);
    if (!code)
        code = phase_batch(b, err);
    if (!code)
        code = phase(b, "load", load_one, true, err);
    if (!code)
        code = phase_list(b, err);
    if (!code)
        code = phase(b, "delete", delete_one, false, err);
    return code;
}

/* What a broken-off run left. Deleting what is not there does no harm. */
static void clean_up(struct bench *b)
{
    struct ms_cancel *token = ms_cancel_swap(NULL);
    size_t begun = (size_t)atomic_load(&b->begun);
    struct ms_many *many = calloc(begun + 1, sizeof *many);
    for (size_t i = 0; i < begun; i++)
        if (many)
            many[i].key = key_of(b, i);
        else
            (void)!ms_store_delete(b->store, key_of(b, i), false, NULL);
    if (many) {
        (void)!ms_store_delete_many(b->store, many, begun, b->jobs, NULL);
        for (size_t i = 0; i < begun; i++)
            free(many[i].error);
    }
    free(many);
    ms_cancel_swap(token);
}

/* ---- printing ------------------------------------------------------------------------------- */

static double rate(uint64_t n, const struct row *r)
{
    return (double)n / ((double)r->time_ns / 1e9);
}

static void print_json(const struct bench *b)
{
    struct ms_json j;
    ms_out_json(&j);
    ms_json_object(&j);
    ms_json_key(&j, "store");
    ms_json_text(&j, ms_store_url(b->store));
    ms_json_key(&j, "size");
    ms_json_u64(&j, b->size_bytes);
    ms_json_key(&j, "count");
    ms_json_u64(&j, b->count);
    ms_json_key(&j, "jobs");
    ms_json_u64(&j, b->jobs);
    ms_json_key(&j, "rows");
    ms_json_array(&j);
    for (size_t i = 0; i < b->row_count; i++) {
        const struct row *r = &b->rows[i];
        const struct {
            const char *name;
            uint64_t value;
        } numbers[] = {{"calls", r->calls},     {"items", r->items},   {"bytes", r->bytes},
                       {"time_ns", r->time_ns}, {"p50_ns", r->p50_ns}, {"p90_ns", r->p90_ns},
                       {"p99_ns", r->p99_ns},   {"max_ns", r->max_ns}};
        ms_json_object(&j);
        ms_json_key(&j, "what");
        ms_json_text(&j, r->what);
        for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
            ms_json_key(&j, numbers[n].name);
            ms_json_u64(&j, numbers[n].value);
        }
        ms_json_key(&j, "items_per_second");
        ms_json_double(&j, rate(r->items, r));
        ms_json_end(&j, '}');
    }
    ms_json_end(&j, ']');
    ms_json_end(&j, '}');
}

static void print_table(const struct bench *b)
{
    char size[40], volume[40], t[4][40];
    printf("%" PRIu64 " items of %s, %u calls at once\n", b->count,
           ms_format_size(size, sizeof size, b->size_bytes), b->jobs);
    printf("%-18s %10s %14s %10s %10s %10s %10s\n", "", "items/s", "volume", "p50", "p90", "p99",
           "max");
    for (size_t i = 0; i < b->row_count; i++) {
        const struct row *r = &b->rows[i];
        if (r->bytes)
            snprintf(volume, sizeof volume, "%s/s",
                     ms_format_size(size, sizeof size, (uint64_t)rate(r->bytes, r)));
        else
            snprintf(volume, sizeof volume, "-");
        printf("%-18s %10.0f %14s %10s %10s %10s %10s\n", r->what, rate(r->items, r), volume,
               ms_format_duration(t[0], sizeof t[0], r->p50_ns),
               ms_format_duration(t[1], sizeof t[1], r->p90_ns),
               ms_format_duration(t[2], sizeof t[2], r->p99_ns),
               ms_format_duration(t[3], sizeof t[3], r->max_ns));
    }
}

/* ---- the command ---------------------------------------------------------------------------- */

static int settings(struct bench *b, struct ms_error *err)
{
    const struct ms_args *args = &b->cli->args;
    const char *ns = ms_args_value(args, "--namespace");
    b->ns = ns ? ns : "";
    b->size_bytes = 4096;
    b->count = 256;
    int code = ms_args_size(args, "--size", &b->size_bytes, err);
    if (!code && b->size_bytes > MOST_BYTES)
        code = ms_error_set(err, MS_CLI_USAGE, "--size may be at most 1GiB");
    if (!code)
        code = ms_args_count(args, "--count", 1, 10000000, &b->count, err);
    if (!code && strlen(b->ns) > 32)
        code = ms_error_set(err, MS_CLI_USAGE, "--namespace may be at most 32 bytes long here");
    return code;
}

static int prepare(struct bench *b, struct ms_error *err)
{
    char letters[13];
    struct ms_random random;
    ms_cli_scratch_name(letters);
    snprintf(b->prefix, sizeof b->prefix, "bench-mstore-%s-", letters);
    b->value = ms_buf_new((size_t)b->size_bytes);
    b->latencies_ns = calloc((size_t)b->count, sizeof *b->latencies_ns);
    b->keys = calloc((size_t)b->count, sizeof *b->keys);
    if (!b->value || !b->latencies_ns || !b->keys)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for %" PRIu64 " items", b->count);
    ms_random_seed(&random, 1);
    for (size_t i = 0; i < b->size_bytes; i++)
        ms_buf_data(b->value)[i] = (uint8_t)ms_random_u64(&random);
    for (size_t i = 0; i < b->count; i++)
        snprintf(b->keys[i], KEY_SIZE, "%s%s%s%08zx", b->ns, b->ns[0] ? "/" : "", b->prefix, i);
    return 0;
}

int ms_cmd_bench(struct ms_cli *cli, struct ms_error *err)
{
    MS_AUTO_FREE struct bench *b = calloc(1, sizeof *b);
    if (!b)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a benchmark");
    b->cli = cli;
    int code = settings(b, err);
    if (!code)
        code = prepare(b, err);
    if (!code)
        code = ms_cli_open(cli, &b->store, err);
    if (!code) {
        b->jobs = ms_cli_jobs(cli, b->store);
        code = run_phases(b, err);
        if (code)
            clean_up(b);
        else if (cli->json)
            print_json(b);
        else
            print_table(b);
    }
    code = ms_cli_close(b->store, code, err);
    ms_buf_unref(b->value);
    free(b->latencies_ns);
    free(b->keys);
    return code;
}
