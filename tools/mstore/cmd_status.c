/* status: the members and policies of a store of many. */
#include "tools/mstore/cli.h"

#include "base/text.h"
#include "tools/mstore/output.h"
#include "tools/mstore/upkeep.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

const char *ms_status_advice(const struct ms_mstore_member *m, uint64_t epoch, char buf[80])
{
    time_t from = (time_t)(m->believed_from_ns / 1000000000);
    struct tm local;
    char clock[8];
    if (strcmp(m->state, "gone") == 0)
        return "-";
    if (m->joining)
        return "ok, it comes with the layout that is proposed";
    if (m->layout < epoch) {
        snprintf(buf, 80, "ok, but it lacks layout %" PRIu64 ": run mstore heal", epoch);
        return buf;
    }
    if (m->damaged) {
        snprintf(buf, 80, "ok, but its copy of layout %" PRIu64 " is damaged: run mstore heal",
                 m->layout);
        return buf;
    }
    if (!from && (m->behind || m->marked))
        return "ok, but it has missed something: run mstore heal";
    if (!m->marked)
        return "ok";
    if (m->believed_from_ns <= ms_clock_wall(ms_clock_real()) || !localtime_r(&from, &local) ||
        !strftime(clock, sizeof clock, "%H:%M", &local))
        return "ok, believed again after one more mstore heal";
    snprintf(buf, 80, "ok, believed again from %s on: run mstore heal then", clock);
    return buf;
}

/* "12", "1000+"; "-" where nobody could note anything. */
static const char *show_notes(const struct ms_mstore_member *m, char buf[24])
{
    if (strcmp(m->state, "gone") == 0)
        return "-";
    snprintf(buf, 24, "%" PRIu64 "%s", m->notes, m->more_notes ? "+" : "");
    return buf;
}

static void print_member(const struct ms_mstore_member *m, uint64_t epoch)
{
    char hint[80], latency[32] = "-", notes[24], room[80] = "-", total[32], left[32];
    if (m->latency_ns)
        ms_format_duration(latency, sizeof latency, m->latency_ns);
    if (m->total_bytes != UINT64_MAX && m->free_bytes != UINT64_MAX)
        snprintf(room, sizeof room, "%s of %s", ms_format_size(left, sizeof left, m->free_bytes),
                 ms_format_size(total, sizeof total, m->total_bytes));
    printf("%-14s %-9s %6u  %-9s %5s  %-24s %s\n", m->name, m->state, m->weight, latency,
           show_notes(m, notes), room, m->code ? m->trouble : ms_status_advice(m, epoch, hint));
}

static void print_space(const struct ms_mstore_space *s)
{
    printf("%-14s %-9s %-11s on %u members, %u may be lost", s->name[0] ? s->name : "(others)",
           s->kind, s->redundancy, s->targets, s->tolerates);
    if (s->tolerates_now < s->tolerates)
        printf(", now %u", s->tolerates_now);
    puts("");
}

/* What to type when a member's storage is there no more: what a new disk at its place needs, too.
 * Not where another member's is: nobody may be told to empty that. */
static void print_replace(const char *file, const struct ms_mstore_member *m)
{
    if (m->code != MS_ERR_NO_STORE || !m->url)
        return;
    printf("\nmember %s: if its storage is lost, put an empty one in its place and run\n"
           "  mstore replace %s %s '%s'\n",
           m->name, file, m->name, m->url);
}

static void print_text(const char *file, const struct ms_mstore_status *s)
{
    printf("store %s, layout %llu, placement %s\n", s->uuid, (unsigned long long)s->epoch,
           s->placement);
    if (s->proposed)
        printf(
            "layout %llu is proposed: run the command that changes it again if it is not at work\n",
            (unsigned long long)s->proposed);
    puts("");
    printf("%-14s %-9s %6s  %-9s %5s  %-24s\n", "member", "state", "weight", "latency", "notes",
           "free");
    for (size_t i = 0; i < s->member_count; i++)
        print_member(&s->members[i], s->epoch);
    printf("\n%-14s %-9s %-11s\n", "namespace", "kind", "redundancy");
    for (size_t i = 0; i < s->space_count; i++)
        print_space(&s->spaces[i]);
    for (size_t i = 0; i < s->member_count; i++)
        print_replace(file, &s->members[i]);
}

static void json_member(struct ms_json *j, const struct ms_mstore_member *m)
{
    char from[MS_OUT_TIME_SIZE];
    ms_json_object(j);
    ms_json_put_text(j, "name", m->name);
    ms_json_put_text(j, "state", m->state);
    ms_json_put_text(j, "zone", m->zone);
    ms_json_put_text(j, "url", m->url);
    ms_json_put_size(j, "weight", m->weight);
    ms_json_put_bool(j, "answers", m->code == 0 && strcmp(m->state, "gone") != 0);
    ms_json_put_bool(j, "joining", m->joining);
    ms_json_put_bool(j, "behind", m->behind);
    ms_json_put_size(j, "notes", m->notes);
    ms_json_put_bool(j, "more_notes", m->more_notes);
    ms_json_put_bool(j, "marked", m->marked);
    ms_json_put_text(j, "believed_from",
                     m->believed_from_ns ? ms_out_time(from, sizeof from, m->believed_from_ns)
                                         : NULL);
    ms_json_put_text(j, "error", m->code ? ms_code_name(m->code) : NULL);
    ms_json_put_text(j, "trouble", m->code ? m->trouble : NULL);
    ms_json_put_size(j, "layout", m->layout);
    ms_json_put_bool(j, "layout_damaged", m->damaged);
    ms_json_put_size(j, "latency_ns", m->latency_ns);
    ms_json_put_size(j, "total_bytes", m->total_bytes);
    ms_json_put_size(j, "free_bytes", m->free_bytes);
    ms_json_put_size(j, "calls", m->calls);
    ms_json_put_size(j, "errors", m->errors);
    ms_json_put_size(j, "refused", m->refused);
    ms_json_put_text(j, "breaker", m->breaker);
    ms_json_put_size(j, "breaker_opened", m->opened);
    ms_json_end(j, '}');
}

static void json_space(struct ms_json *j, const struct ms_mstore_space *s)
{
    ms_json_object(j);
    ms_json_put_text(j, "name", s->name);
    ms_json_put_text(j, "kind", s->kind);
    ms_json_put_text(j, "redundancy", s->redundancy);
    ms_json_put_size(j, "targets", s->targets);
    ms_json_put_size(j, "tolerates", s->tolerates);
    ms_json_put_size(j, "tolerates_now", s->tolerates_now);
    ms_json_end(j, '}');
}

static void print_json(const struct ms_mstore_status *s)
{
    struct ms_json j;
    ms_out_json(&j);
    ms_json_object(&j);
    ms_json_put_text(&j, "uuid", s->uuid);
    ms_json_put_size(&j, "epoch", s->epoch);
    ms_json_put_size(&j, "proposed", s->proposed);
    ms_json_put_text(&j, "placement", s->placement);
    ms_json_key(&j, "members");
    ms_json_array(&j);
    for (size_t i = 0; i < s->member_count; i++)
        json_member(&j, &s->members[i]);
    ms_json_end(&j, ']');
    ms_json_key(&j, "namespaces");
    ms_json_array(&j);
    for (size_t i = 0; i < s->space_count; i++)
        json_space(&j, &s->spaces[i]);
    ms_json_end(&j, ']');
    ms_json_end(&j, '}');
}

static int judge(const struct ms_mstore_status *s, struct ms_error *err)
{
    size_t silent = 0;
    for (size_t i = 0; i < s->member_count; i++)
        silent += s->members[i].code != 0;
    if (!silent)
        return 0;
    return ms_error_set(err, MS_ERR_CONNECTION, "%zu of %zu members cannot be used", silent,
                        s->member_count);
}

int ms_cmd_status(struct ms_cli *cli, struct ms_error *err)
{
    struct ms_store *store = NULL;
    struct ms_mstore_status *status = NULL;
    int code = ms_cli_open(cli, &store, err);
    if (!code)
        code = ms_mstore_status(store, &status, err);
    if (!code)
        code = ms_mstore_count_notes(status, err);
    if (!code) {
        if (cli->json)
            print_json(status);
        else
            print_text(cli->args.positional[0], status);
        code = ms_out_flush(err);
    }
    if (!code)
        code = judge(status, err);
    ms_mstore_status_free(status);
    return ms_cli_close(store, code, err);
}
