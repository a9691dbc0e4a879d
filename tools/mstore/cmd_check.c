/* check: what works on a store, tried out on a small item of its own in the root. */
#include "tools/mstore/cli.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/sync.h"
#include "base/text.h"
#include "tools/mstore/output.h"

#include <inttypes.h>
#include <stdio.h>

#define SAMPLE_BYTES     4096u
#define THROUGHPUT_BYTES (4u << 20)
#define ROUND_TRIPS      16u

enum verdict { WORKS, FAILS, UNSUPPORTED };

struct result {
    const char *what;
    enum verdict verdict;
    uint64_t time_ns;
    char note[600];
};

struct check {
    struct ms_store *store;
    char key[64], other[64];
    struct ms_buf *sample, *large;
    char sha256[MS_SHA256_HEX];
    int64_t wrote_wall_ns;
    struct result results[24];
    size_t count;
};

static struct ms_view view(const char *text)
{
    return ms_str(text);
}

/* ---- the steps: each returns a code, and may leave a note -------------------------------------
 */

static int wrong(struct ms_error *err, const char *what)
{
    return ms_error_set(err, MS_ERR_CORRUPT, "%s", what);
}

static int step_store(struct check *c, char *note, struct ms_error *err)
{
    (void)note;
    c->wrote_wall_ns = ms_clock_wall(ms_clock_real());
    return ms_store_store(c->store, view(c->key), c->sample, NULL, NULL, err);
}

static int step_load(struct check *c, char *note, struct ms_error *err)
{
    (void)note;
    MS_AUTO_BUF struct ms_buf *got = NULL;
    int code = ms_store_load(c->store, view(c->key), NULL, &got, err);
    if (!code && !ms_equal(ms_buf_view(got), ms_buf_view(c->sample)))
        code = wrong(err, "what came back is not what was stored");
    return code;
}

static int step_range(struct check *c, char *note, struct ms_error *err)
{
    (void)note;
    struct ms_load_options options = MS_LOAD_OPTIONS_INIT;
    options.offset = -100;
    options.size = 50;
    MS_AUTO_BUF struct ms_buf *got = NULL;
    int code = ms_store_load(c->store, view(c->key), &options, &got, err);
    if (code)
        return code;
    struct ms_view expected = ms_view(ms_buf_view(c->sample).data + SAMPLE_BYTES - 100, 50);
    return ms_equal(ms_buf_view(got), expected) ? 0 : wrong(err, "the wrong bytes came back");
}

static int step_info(struct check *c, char *note, struct ms_error *err)
{
    struct ms_item_info info = {0};
    int code = ms_store_info(c->store, view(c->key), false, &info, err);
    if (code)
        return code;
    if (!info.exists || info.size_bytes != SAMPLE_BYTES)
        return wrong(err, "the item that was just stored is not there with its size");
    if (info.mtime_ns) {
        int64_t apart = info.mtime_ns - c->wrote_wall_ns;
        char text[40];
        ms_format_duration(text, sizeof text, (uint64_t)(apart < 0 ? -apart : apart));
        snprintf(note, sizeof c->results[0].note, "the storage's clock is %s %s ours", text,
                 apart < 0 ? "behind" : "ahead of");
    }
    return 0;
}

static int step_hash(struct check *c, char *note, struct ms_error *err)
{
    (void)note;
    char hex[MS_HASH_HEX_MAX];
    int code = ms_store_hash(c->store, view(c->key), "sha256", false, hex, sizeof hex, err);
    return code || strcmp(hex, c->sha256) == 0 ? code : wrong(err, "the digest is wrong");
}

/* Looks for the item in the listing, among live or soft-deleted ones. */
static int find_listed(struct check *c, const char *key, enum ms_list_deleted which, bool *found,
                       struct ms_error *err)
{
    struct ms_list_options options = MS_LIST_OPTIONS_INIT;
    options.prefix = view(key);
    options.deleted = which;
    struct ms_store_lister *lister = NULL;
    int code = ms_store_list(c->store, "", &options, &lister, err);
    const struct ms_item *item = NULL;
    *found = false;
    while (!code && !*found) {
        code = ms_store_lister_next(lister, &item, err);
        if (code || !item)
            break;
        *found = ms_equal(item->key, view(key));
    }
    ms_store_lister_close(lister);
    return code;
}

static int step_list(struct check *c, char *note, struct ms_error *err)
{
    (void)note;
    bool found = false;
    int code = find_listed(c, c->key, MS_LIST_LIVE, &found, err);
    return code || found ? code : wrong(err, "the item that was just stored is not listed");
}

static int step_if_absent(struct check *c, char *note, struct ms_error *err)
{
    (void)note;
    struct ms_store_value_options options = MS_STORE_VALUE_OPTIONS_INIT;
    options.precondition.kind = MS_IF_ABSENT;
    int code = ms_store_store(c->store, view(c->key), c->sample, &options, NULL, err);
    if (code == MS_ERR_EXISTS)
        return 0;
    return code ? code : wrong(err, "it replaced an item that was there");
}

static int step_rename(struct check *c, char *note, struct ms_error *err)
{
    (void)note;
    bool found = false;
    int code = ms_store_move(c->store, MS_MOVE_RENAME, view(c->key), view(c->other), false, err);
    if (!code)
        code = find_listed(c, c->other, MS_LIST_LIVE, &found, err);
    if (!code && !found)
        code = wrong(err, "the new name is not listed");
    return code;
}

static int step_soft_delete(struct check *c, char *note, struct ms_error *err)
{
    (void)note;
    bool found = false;
    struct ms_view none = ms_view(NULL, 0);
    int code = ms_store_move(c->store, MS_MOVE_SOFT_DELETE, view(c->other), none, false, err);
    if (!code)
        code = find_listed(c, c->other, MS_LIST_DELETED, &found, err);
    if (!code && !found)
        code = wrong(err, "it is not among the soft-deleted items");
    if (!code)
        code = ms_store_move(c->store, MS_MOVE_UNDELETE, view(c->other), none, false, err);
    return code;
}

static int step_delete(struct check *c, char *note, struct ms_error *err)
{
    (void)note;
    struct ms_item_info info = {0};
    int code = ms_store_delete(c->store, view(c->other), false, err);
    if (!code)
        code = ms_store_info(c->store, view(c->other), false, &info, err);
    return code || !info.exists ? code : wrong(err, "it is still there");
}

static int step_round_trip(struct check *c, char *note, struct ms_error *err)
{
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < ROUND_TRIPS; i++) {
        struct ms_item_info info = {0};
        uint64_t begin = ms_clock_now(ms_clock_real());
        int code = ms_store_info(c->store, view(c->key), false, &info, err);
        uint64_t took = ms_clock_now(ms_clock_real()) - begin;
        if (code)
            return code;
        least = took < least ? took : least;
    }
    char text[40];
    snprintf(note, sizeof c->results[0].note, "%s, the fastest of %u",
             ms_format_duration(text, sizeof text, least), ROUND_TRIPS);
    return 0;
}

static uint64_t per_second(uint64_t bytes, uint64_t ns)
{
    return (uint64_t)((double)bytes / ((double)(ns ? ns : 1) / 1e9));
}

static int step_throughput(struct check *c, char *note, struct ms_error *err)
{
    struct ms_clock *clock = ms_clock_real();
    MS_AUTO_BUF struct ms_buf *got = NULL;
    char up[40], down[40];
    uint64_t begin = ms_clock_now(clock);
    int code = ms_store_store(c->store, view(c->key), c->large, NULL, NULL, err);
    uint64_t middle = ms_clock_now(clock);
    if (!code)
        code = ms_store_load(c->store, view(c->key), NULL, &got, err);
    uint64_t end = ms_clock_now(clock);
    if (code)
        return code;
    if (!ms_equal(ms_buf_view(got), ms_buf_view(c->large)))
        return wrong(err, "what came back is not what was stored");
    snprintf(note, sizeof c->results[0].note, "%s/s up, %s/s down (%u MiB)",
             ms_format_size(up, sizeof up, per_second(THROUGHPUT_BYTES, middle - begin)),
             ms_format_size(down, sizeof down, per_second(THROUGHPUT_BYTES, end - middle)),
             THROUGHPUT_BYTES >> 20);
    return 0;
}

static int step_space(struct check *c, char *note, struct ms_error *err)
{
    uint64_t total = UINT64_MAX, left = UINT64_MAX;
    int code = ms_store_usage(c->store, &total, &left, err);
    char a[40], b[40];
    if (!code && left != UINT64_MAX && total != UINT64_MAX)
        snprintf(note, sizeof c->results[0].note, "%s free of %s",
                 ms_format_size(a, sizeof a, left), ms_format_size(b, sizeof b, total));
    else if (!code)
        code = ms_error_set(err, MS_ERR_UNSUPPORTED, "the storage does not tell");
    return code;
}

static const struct step {
    const char *what;
    int (*run)(struct check *c, char *note, struct ms_error *err);
} steps[] = {
    {"store", step_store},
    {"load", step_load},
    {"load a range", step_range},
    {"info", step_info},
    {"hash", step_hash},
    {"list", step_list},
    {"only if absent", step_if_absent},
    {"rename", step_rename},
    {"soft delete", step_soft_delete},
    {"delete", step_delete},
    {"round trip", step_round_trip},
    {"throughput", step_throughput},
    {"free space", step_space},
};

/* ---- running and printing ---------------------------------------------------------------------
 */

static int run_steps(struct check *c, struct ms_error *err)
{
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int code = ms_cli_interrupted(err, NULL);
        if (code)
            return code;
        struct result *r = &c->results[c->count++];
        struct ms_error failure = {0};
        *r = (struct result){.what = steps[i].what};
        uint64_t begin = ms_clock_now(ms_clock_real());
        code = steps[i].run(c, r->note, &failure);
        r->time_ns = ms_clock_now(ms_clock_real()) - begin;
        r->verdict = code == MS_ERR_UNSUPPORTED ? UNSUPPORTED : code ? FAILS : WORKS;
        if (code)
            snprintf(r->note, sizeof r->note, "%s", failure.text);
        if (code == MS_ERR_CANCELLED)
            return ms_cli_interrupted(err, NULL);
    }
    return 0;
}

/* Whatever step failed, nothing of ours stays; also after Ctrl-C. */
static void clean_up(struct check *c)
{
    struct ms_cancel *token = ms_cancel_swap(NULL);
    const char *keys[] = {c->key, c->other};
    for (size_t i = 0; i < 2; i++) {
        (void)!ms_store_delete(c->store, view(keys[i]), false, NULL);
        (void)!ms_store_delete(c->store, view(keys[i]), true, NULL);
    }
    ms_cancel_swap(token);
}

static const char *verdict_text(enum verdict v)
{
    return v == WORKS ? "works" : v == FAILS ? "FAILS" : "unsupported";
}

static size_t print(const struct ms_cli *cli, const struct check *c)
{
    struct ms_json j;
    size_t failures = 0;
    ms_out_json(&j);
    if (cli->json) {
        ms_json_object(&j);
        ms_json_key(&j, "store");
        ms_json_text(&j, ms_store_url(c->store));
        ms_json_key(&j, "checks");
        ms_json_array(&j);
    }
    for (size_t i = 0; i < c->count; i++) {
        const struct result *r = &c->results[i];
        char took[40];
        failures += r->verdict == FAILS;
        if (!cli->json) {
            printf("%-16s %-12s %10s  %s\n", r->what, verdict_text(r->verdict),
                   ms_format_duration(took, sizeof took, r->time_ns), r->note);
            continue;
        }
        ms_json_object(&j);
        ms_json_key(&j, "check");
        ms_json_text(&j, r->what);
        ms_json_key(&j, "result");
        ms_json_text(&j, r->verdict == FAILS ? "fails" : verdict_text(r->verdict));
        ms_json_key(&j, "time_ns");
        ms_json_u64(&j, r->time_ns);
        ms_json_key(&j, "note");
        ms_json_text(&j, r->note);
        ms_json_end(&j, '}');
    }
    if (cli->json) {
        ms_json_end(&j, ']');
        ms_json_key(&j, "failures");
        ms_json_u64(&j, failures);
        ms_json_end(&j, '}');
    }
    return failures;
}

static int make_samples(struct check *c, struct ms_error *err)
{
    char letters[13];
    struct ms_random random;
    ms_cli_scratch_name(letters);
    snprintf(c->key, sizeof c->key, "mstore-check-%s", letters);
    snprintf(c->other, sizeof c->other, "mstore-check-%s-renamed", letters);
    ms_random_seed(&random, ms_clock_now(ms_clock_real()));
    c->large = ms_buf_new(THROUGHPUT_BYTES);
    if (!c->large)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a sample");
    for (size_t i = 0; i < THROUGHPUT_BYTES; i += 8) {
        uint64_t number = ms_random_u64(&random);
        memcpy(ms_buf_data(c->large) + i, &number, 8);
    }
    c->sample = ms_buf_slice(c->large, 0, SAMPLE_BYTES);
    if (!c->sample)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a sample");
    return ms_sha256_hex(ms_buf_view(c->sample), c->sha256, err);
}

int ms_cmd_check(struct ms_cli *cli, struct ms_error *err)
{
    MS_AUTO_FREE struct check *c = calloc(1, sizeof *c);
    if (!c)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a check");
    size_t failures = 0;
    int code = make_samples(c, err);
    if (!code)
        code = ms_cli_open(cli, &c->store, err);
    if (!code) {
        code = run_steps(c, err);
        clean_up(c);
        failures = print(cli, c);
    }
    code = ms_cli_close(c->store, code, err);
    ms_buf_unref(c->sample);
    ms_buf_unref(c->large);
    if (!code && failures)
        code =
            ms_error_set(err, MS_ERR_IO, "%zu check%s failed", failures, failures == 1 ? "" : "s");
    return code;
}
