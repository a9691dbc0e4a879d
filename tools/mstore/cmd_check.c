/* check: says what works on a storage, one line for each step as it is done (see check.h). Works
 * beneath the Store: permissions, quota, cache and levels of the configuration play no part. */
#include "tools/mstore/cli.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "tools/mstore/check.h"
#include "tools/mstore/output.h"

#include <stdio.h>

static void print_line(const struct ms_check_result *r)
{
    char took[40] = "";
    if (r->verdict == MS_CHECK_SKIPPED)
        return;
    if (r->time_ns)
        ms_format_duration(took, sizeof took, r->time_ns);
    printf("%-15s %-13s %10s%s%s\n", r->what, ms_check_verdict_text(r->verdict),
           r->time_ns ? took : "-", r->note[0] ? "  " : "", r->note);
    fflush(stdout);
}

static void print_number(struct ms_json *j, const char *key, bool known, int64_t number)
{
    ms_json_key(j, key);
    if (known)
        ms_json_i64(j, number);
    else
        ms_json_null(j);
}

static void print_json(const struct ms_check *c, size_t failures)
{
    const struct ms_check_numbers *n = &c->numbers;
    struct ms_json j;
    ms_out_json(&j);
    ms_json_object(&j);
    ms_json_key(&j, "store");
    ms_json_text(&j, c->backend->url);
    ms_json_key(&j, "checks");
    ms_json_array(&j);
    for (size_t i = 0; i < c->count; i++) {
        const struct ms_check_result *r = &c->results[i];
        ms_json_object(&j);
        ms_json_key(&j, "check");
        ms_json_text(&j, r->what);
        ms_json_key(&j, "result");
        ms_json_text(&j,
                     r->verdict == MS_CHECK_FAILED ? "failed" : ms_check_verdict_text(r->verdict));
        ms_json_key(&j, "code");
        ms_json_text(&j, ms_code_name(r->code));
        ms_json_key(&j, "time_ns");
        ms_json_u64(&j, r->time_ns);
        ms_json_key(&j, "note");
        ms_json_text(&j, r->note);
        ms_json_end(&j, '}');
    }
    ms_json_end(&j, ']');
    print_number(&j, "round_trip_ns", n->round_trip_ns, (int64_t)n->round_trip_ns);
    print_number(&j, "upload_bytes_per_second", n->up_bytes_per_s, (int64_t)n->up_bytes_per_s);
    print_number(&j, "download_bytes_per_second", n->down_bytes_per_s,
                 (int64_t)n->down_bytes_per_s);
    print_number(&j, "clock_ahead_ns", n->has_clock, n->clock_ahead_ns);
    ms_json_key(&j, "failures");
    ms_json_u64(&j, failures);
    ms_json_end(&j, '}');
}

/* The code of the first failure decides the exit status; all have been told. */
static int sum_up(const struct ms_cli *cli, const struct ms_check *c, struct ms_error *err)
{
    const struct ms_check_result *first = NULL;
    size_t failures = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (c->results[i].verdict != MS_CHECK_FAILED)
            continue;
        first = first ? first : &c->results[i];
        failures++;
    }
    if (cli->json)
        print_json(c, failures);
    if (!first)
        return 0;
    /* of what was tried on the storage only that it failed: it holds the item, or another has it */
    bool reaching = first->code == MS_ERR_NO_STORE || first->code == MS_ERR_CONNECTION ||
                    first->code == MS_ERR_TIMEOUT || first->code == MS_ERR_BUSY ||
                    first->code == MS_ERR_AUTH || first->code == MS_ERR_UNTRUSTED ||
                    first->code == MS_ERR_URL;
    return ms_error_set(err, reaching ? first->code : MS_ERR_IO, "%zu check%s failed, first: %s",
                        failures, failures == 1 ? "" : "s", first->what);
}

int ms_cmd_check(struct ms_cli *cli, struct ms_error *err)
{
    MS_AUTO_FREE struct ms_check *c = calloc(1, sizeof *c);
    if (!c)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a check");
    struct ms_backend *backend = NULL;
    char letters[13];
    const char *name = cli->args.positional[0];
    int code = ms_cli_backend(cli, name, &backend, err);
    if (code)
        return code;
    ms_cli_scratch_name(letters);
    code = ms_check_init(c, backend, letters, err);
    if (!code && !strchr(name, ':'))
        c->create_hint = name;
    if (!code)
        code = ms_check_run(c, cli->json ? NULL : print_line, err);
    if (!code)
        code = sum_up(cli, c, err);
    ms_check_fini(c);
    ms_backend_free(backend);
    return code;
}
