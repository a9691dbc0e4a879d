/* check: says what works on a storage, one line for each step as it is done (see check.h). Works
 * beneath the Store: permissions, quota, cache and levels of the configuration play no part. */
#include "tools/mstore/cli.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/conf.h"
#include "tools/mstore/check_tell.h"
#include "tools/mstore/output.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- one result ---- */

void ms_check_print(const struct ms_check_result *r)
{
    char took[40] = "";
    if (r->verdict == MS_CHECK_SKIPPED)
        return;
    if (r->time_ns)
        ms_format_duration(took, sizeof took, r->time_ns);
    printf("%-15s %-13s %10s%s%s\n", r->what, ms_check_verdict_text(r->verdict),
           r->time_ns ? took : "-", r->note[0] ? "  " : "", r->note);
    ms_out_show();
}

void ms_check_json_result(struct ms_json *j, const struct ms_check_result *r)
{
    ms_json_object(j);
    ms_json_put_text(j, "check", r->what);
    ms_json_put_text(j, "result",
                     r->verdict == MS_CHECK_FAILED ? "failed" : ms_check_verdict_text(r->verdict));
    ms_json_put_text(j, "code", ms_code_name(r->code));
    ms_json_put_u64(j, "time_ns", r->time_ns);
    ms_json_put_text(j, "note", r->note);
    ms_json_end(j, '}');
}

static void print_number(struct ms_json *j, const char *key, bool known, int64_t number)
{
    ms_json_key(j, key);
    if (known)
        ms_json_i64(j, number);
    else
        ms_json_null(j);
}

void ms_check_json(struct ms_json *j, const struct ms_check *c)
{
    const struct ms_check_numbers *n = &c->numbers;
    ms_json_key(j, "checks");
    ms_json_array(j);
    for (size_t i = 0; i < c->count; i++)
        ms_check_json_result(j, &c->results[i]);
    ms_json_end(j, ']');
    print_number(j, "round_trip_ns", n->round_trip_ns, (int64_t)n->round_trip_ns);
    print_number(j, "upload_bytes_per_second", n->up_bytes_per_s, (int64_t)n->up_bytes_per_s);
    print_number(j, "download_bytes_per_second", n->down_bytes_per_s, (int64_t)n->down_bytes_per_s);
    print_number(j, "clock_ahead_ns", n->has_clock, n->clock_ahead_ns);
}

/* ---- all of them ---- */

void ms_check_count(struct ms_check_tally *t, const char *who, const struct ms_check_result *r)
{
    if (r->verdict != MS_CHECK_FAILED || t->failures++)
        return;
    t->code = r->code;
    snprintf(t->first, sizeof t->first, "%s%s", who, r->what);
}

void ms_check_count_all(struct ms_check_tally *t, const char *who, const struct ms_check *c)
{
    for (size_t i = 0; i < c->count; i++)
        ms_check_count(t, who, &c->results[i]);
}

int ms_check_judge(const struct ms_check_tally *t, struct ms_error *err)
{
    if (!t->failures)
        return 0;
    /* of what was tried on the storage only that it failed: it holds the item, or another has it */
    bool reaching = t->code == MS_ERR_NO_STORE || t->code == MS_ERR_CONNECTION ||
                    t->code == MS_ERR_TIMEOUT || t->code == MS_ERR_BUSY || t->code == MS_ERR_AUTH ||
                    t->code == MS_ERR_UNTRUSTED || t->code == MS_ERR_URL;
    return ms_error_set(err, reaching ? t->code : MS_ERR_IO, "%zu check%s failed, first: %s",
                        t->failures, t->failures == 1 ? "" : "s", t->first);
}

int ms_check_storage(struct ms_cli *cli, struct ms_backend *backend, const char *hint,
                     struct ms_check *c, struct ms_error *err)
{
    char letters[13];
    ms_cli_scratch_name(letters);
    int code = ms_check_init(c, backend, letters, err);
    if (!code && hint)
        c->create_hint = hint;
    if (!code)
        code = ms_check_run(c, cli->json ? NULL : ms_check_print, err);
    c->create_hint = NULL;
    c->backend = NULL;
    ms_backend_free(backend);
    ms_check_fini(c);
    return code;
}

static void print_json(const char *url, const struct ms_check *c, size_t failures)
{
    struct ms_json j;
    ms_out_json(&j);
    ms_json_object(&j);
    ms_json_put_text(&j, "store", url);
    ms_check_json(&j, c);
    ms_json_put_u64(&j, "failures", failures);
    ms_json_end(&j, '}');
}

int ms_cmd_check(struct ms_cli *cli, struct ms_error *err)
{
    const char *name = cli->args.positional[0], *file = NULL;
    int code = ms_cli_file(cli, name, &file, err);
    if (code || file)
        return code ? code : ms_check_many(cli, file, err);
    MS_AUTO_FREE struct ms_check *c = calloc(1, sizeof *c);
    struct ms_backend *backend = NULL;
    code = c ? ms_cli_backend(cli, name, &backend, err)
             : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a check");
    if (code || !backend)
        return code;
    MS_AUTO_FREE char *url = strdup(backend->url);
    code = ms_check_storage(cli, backend, strchr(name, ':') ? NULL : name, c, err);
    if (code)
        return code;
    struct ms_check_tally tally = {0};
    ms_check_count_all(&tally, "", c);
    if (cli->json)
        print_json(url ? url : name, c, tally.failures);
    return ms_check_judge(&tally, err);
}
