/* scrub, heal, rebalance: what is wrong with a store of many members, and putting it right. */
#include "tools/mstore/cli.h"

#include "base/text.h"
#include "tools/mstore/output.h"
#include "tools/mstore/upkeep.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_MOST 20 /* findings, without --verbose */

typedef int (*upkeep_fn)(struct ms_store *s, const struct ms_upkeep_options *options,
                         struct ms_upkeep_report **out, struct ms_error *err);

/* ---- on the way ---- */

/* What members have missed comes first: nobody knows how many notes there are. */
static void tell_progress(void *ctx, const struct ms_upkeep_progress *p)
{
    struct ms_telling *t = ctx;
    bool notes = strcmp(p->step, "notes") == 0;
    if (!notes && p->fraction > 0.001)
        ms_progress_total(&t->progress, (uint64_t)((double)p->keys / p->fraction),
                          (uint64_t)((double)p->bytes / p->fraction));
    else
        ms_progress_total(&t->progress, UINT64_MAX, UINT64_MAX);
    ms_progress_at(&t->progress, notes ? "notes" : "keys", notes ? p->notes : p->keys, p->bytes);
}

/* What every run after an absence or a change of members finds by the thousand, and is done with.
 */
static bool is_routine(const struct ms_upkeep_finding *f)
{
    return f->fixed && (f->find == MS_FIND_WANTING || f->find == MS_FIND_SURPLUS);
}

/* One line each: WHAT MEMBER NAMESPACE/KEY: sentence. */
static void tell_finding(void *ctx, const struct ms_upkeep_finding *f)
{
    struct ms_telling *t = ctx;
    char line[1024];
    if (!t->cli->verbose && is_routine(f))
        return;
    if (t->cli->json || (t->findings++ >= SHOWN_MOST && !t->cli->verbose))
        return;
    snprintf(line, sizeof line, "%-8s %-12s %s%s%s%s%s%s", ms_upkeep_find_name(f->find),
             f->member[0] ? f->member : "-", f->space, f->space[0] && f->key[0] ? "/" : "", f->key,
             f->space[0] || f->key[0] ? ": " : "", f->sentence, f->fixed ? " (put right)" : "");
    ms_progress_line(line);
}

/* ---- in the end ---- */

void ms_upkeep_print(const struct ms_cli *cli, const struct ms_telling *t,
                     const struct ms_upkeep_report *r)
{
    char read[32], written[32];
    if (t->findings > SHOWN_MOST && !cli->verbose)
        printf("… and %" PRIu64 " more (--verbose shows all)\n", t->findings - SHOWN_MOST);
    printf("%" PRIu64 " key%s looked at%s, %" PRIu64 " not as %s should be", r->keys,
           r->keys == 1 ? "" : "s", r->resumed ? " (going on where it was interrupted)" : "",
           r->wanting - r->unseen, r->keys == 1 ? "it" : "they");
    if (r->unseen)
        printf(", %" PRIu64 " of which a member that did not answer may lack a part", r->unseen);
    if (r->repaired || r->moved)
        printf(": %" PRIu64 " put right, %" PRIu64 " moved", r->repaired, r->moved);
    if (r->failed && (r->repaired || r->moved || r->resumed))
        printf(", %" PRIu64 " left", r->failed);
    printf("\n%s read, %s written\n", ms_format_size(read, sizeof read, r->bytes_read),
           ms_format_size(written, sizeof written, r->bytes_written));
    printf("\n%-14s %8s %8s %8s %8s %8s %8s %6s\n", "member", "wanting", "damaged", "surplus",
           "debris", "written", "removed", "notes");
    for (size_t i = 0; i < r->member_count; i++) {
        const struct ms_upkeep_member *m = &r->members[i];
        printf("%-14s %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64
               " %6" PRIu64 "%s%s\n",
               m->name, m->found[MS_FIND_WANTING], m->found[MS_FIND_DAMAGED],
               m->found[MS_FIND_SURPLUS], m->found[MS_FIND_DEBRIS], m->written, m->removed,
               m->notes, m->code ? "  " : "", m->code ? m->trouble : "");
    }
}

static void json_found(struct ms_json *j, const uint64_t found[MS_FINDS])
{
    for (int i = 0; i < MS_FINDS; i++)
        ms_json_put_u64(j, ms_upkeep_find_name((enum ms_upkeep_find)i), found[i]);
}

static void json_member(struct ms_json *j, const struct ms_upkeep_member *m)
{
    ms_json_object(j);
    ms_json_key(j, "name");
    ms_json_text(j, m->name);
    json_found(j, m->found);
    ms_json_put_u64(j, "written", m->written);
    ms_json_put_u64(j, "removed", m->removed);
    ms_json_put_u64(j, "notes", m->notes);
    ms_json_key(j, "trouble");
    if (m->code)
        ms_json_text(j, m->trouble);
    else
        ms_json_null(j);
    ms_json_end(j, '}');
}

void ms_upkeep_json(struct ms_json *j, const struct ms_upkeep_report *r)
{
    ms_json_object(j);
    ms_json_key(j, "clean");
    ms_json_bool(j, ms_upkeep_report_clean(r));
    ms_json_key(j, "resumed");
    ms_json_bool(j, r->resumed);
    ms_json_put_u64(j, "keys", r->keys);
    ms_json_put_u64(j, "keys_wanting", r->wanting);
    ms_json_put_u64(j, "keys_unseen", r->unseen);
    ms_json_put_u64(j, "keys_repaired", r->repaired);
    ms_json_put_u64(j, "keys_moved", r->moved);
    ms_json_put_u64(j, "keys_left", r->failed);
    ms_json_put_u64(j, "keys_in_conflict", r->conflicts);
    ms_json_put_u64(j, "keys_lost", r->lost);
    ms_json_put_u64(j, "layouts_left", r->layouts);
    ms_json_put_u64(j, "bytes_read", r->bytes_read);
    ms_json_put_u64(j, "bytes_written", r->bytes_written);
    ms_json_key(j, "found");
    ms_json_object(j);
    json_found(j, r->found);
    ms_json_end(j, '}');
    ms_json_key(j, "members");
    ms_json_array(j);
    for (size_t i = 0; i < r->member_count; i++)
        json_member(j, &r->members[i]);
    ms_json_end(j, ']');
    ms_json_end(j, '}');
}

static void print_json(const struct ms_upkeep_report *r)
{
    struct ms_json j;
    ms_out_json(&j);
    ms_upkeep_json(&j, r);
}

static int judge(const struct ms_upkeep_report *r, struct ms_error *err)
{
    size_t silent = 0;
    for (size_t i = 0; i < r->member_count; i++)
        silent += r->members[i].code != 0;
    if (silent)
        return ms_error_set(err, MS_ERR_CONNECTION,
                            "%zu of %zu members did not answer all the time, run it again when "
                            "they do",
                            silent, r->member_count);
    if (r->failed)
        return ms_error_set(err, MS_CLI_FOUND, "%" PRIu64 " key%s not as %s should be", r->failed,
                            r->failed == 1 ? " is" : "s are", r->failed == 1 ? "it" : "they");
    return r->layouts ? ms_error_set(err, MS_CLI_FOUND,
                                     "the layout is missing or damaged on %" PRIu64 " of %zu "
                                     "members: run mstore heal",
                                     r->layouts, r->member_count)
                      : 0;
}

/* ---- the command ---- */

int ms_upkeep_read_options(struct ms_cli *cli, struct ms_upkeep_options *o, struct ms_error *err)
{
    const char *sample = ms_args_value(&cli->args, "--sample");
    const char *bandwidth = ms_args_value(&cli->args, "--bandwidth");
    uint64_t bits = 0;
    double rate = 0;
    int code = sample ? ms_parse_rate(sample, "--sample", &rate, err) : 0;
    if (!code && sample && !(rate > 0 && rate <= 1))
        code = ms_error_set(err, MS_CLI_USAGE, "--sample is a share of the keys, such as 5%%");
    if (!code && bandwidth)
        code = ms_parse_bandwidth(bandwidth, "--bandwidth", &bits, err);
    if (code)
        return code;
    o->space = ms_args_value(&cli->args, "--namespace");
    o->deep = ms_args_has(&cli->args, "--deep");
    o->dry_run = ms_args_has(&cli->args, "--dry-run");
    o->from_start = ms_args_has(&cli->args, "--from-start");
    o->sample_ppm = rate >= 1 ? 0 : (uint32_t)(rate * 1e6);
    if (sample && rate < 1 && !o->sample_ppm)
        o->sample_ppm = 1;
    o->bytes_per_second = bandwidth && bits < 8 ? 1 : bits / 8;
    o->jobs = cli->jobs;
    return 0;
}

void ms_upkeep_tell(struct ms_cli *cli, struct ms_telling *telling, struct ms_upkeep_options *o)
{
    *telling = (struct ms_telling){.cli = cli};
    o->ctx = telling;
    o->progress = tell_progress;
    o->found = tell_finding;
}

static int show(const struct ms_cli *cli, const struct ms_telling *t,
                const struct ms_upkeep_report *report, struct ms_error *err)
{
    if (cli->json)
        print_json(report);
    else
        ms_upkeep_print(cli, t, report);
    return ms_out_flush(err);
}

/* Who was away is believed after a second run only: when. */
static int tell_next(struct ms_store *store, struct ms_error *err)
{
    struct ms_mstore_status *status = NULL;
    char hint[80];
    int code = ms_mstore_status(store, &status, err);
    for (size_t i = 0; !code && i < status->member_count; i++) {
        const struct ms_mstore_member *m = &status->members[i];
        const char *advice = ms_status_advice(m, status->epoch, hint);
        if (!m->code && m->marked && strncmp(advice, "ok, ", 4) == 0)
            printf("%s: %s\n", m->name, advice + 4);
    }
    ms_mstore_status_free(status);
    return code ? code : ms_out_flush(err);
}

static int run(struct ms_cli *cli, upkeep_fn fn, struct ms_error *err)
{
    struct ms_upkeep_options o = MS_UPKEEP_OPTIONS_INIT;
    struct ms_telling telling;
    struct ms_upkeep_report *report = NULL;
    struct ms_store *store = NULL;
    int code = ms_upkeep_read_options(cli, &o, err);
    if (code)
        return code;
    ms_upkeep_tell(cli, &telling, &o);
    code = ms_cli_open(cli, &store, err);
    if (!code) {
        ms_progress_begin(&telling.progress, cli->command->name, "keys");
        code = fn(store, &o, &report, err);
        ms_progress_end(&telling.progress);
    }
    if (code == MS_ERR_CANCELLED)
        code = ms_cli_interrupted(err, "the next run goes on where this one was");
    else if (!code)
        code = show(cli, &telling, report, err);
    if (!code && fn == ms_mstore_heal && !o.dry_run && !cli->json)
        code = tell_next(store, err);
    if (!code)
        code = judge(report, err);
    ms_upkeep_report_free(report);
    return ms_cli_close(store, code, err);
}

int ms_cmd_scrub(struct ms_cli *cli, struct ms_error *err)
{
    return run(cli, ms_mstore_scrub, err);
}

int ms_cmd_heal(struct ms_cli *cli, struct ms_error *err)
{
    return run(cli, ms_mstore_heal, err);
}

int ms_cmd_rebalance(struct ms_cli *cli, struct ms_error *err)
{
    return run(cli, ms_mstore_rebalance, err);
}
