/* stats: the counters of running processes, or of a saved file, in short. */
#include "tools/mstore/cli.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "tools/mstore/output.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

struct stats {
    struct ms_cli *cli;
    const char *store; /* NULL: all; else only entities of this one (URL for messages) */
    struct ms_json json;
    uint64_t processes;
};

static const char *kind_text(enum ms_stats_kind kind)
{
    return kind == MS_STATS_BACKEND  ? "backend"
           : kind == MS_STATS_CACHE  ? "cache"
           : kind == MS_STATS_MEMBER ? "member"
                                     : "namespace";
}

static void events_json(struct ms_json *j, const struct ms_entity_stats *e)
{
    ms_json_key(j, "events");
    ms_json_object(j);
    for (int i = 0; i < MS_EVENT_COUNT; i++)
        if (e->events[i])
            ms_json_put_u64(j, ms_event_name(i), e->events[i]);
    ms_json_end(j, '}');
}

static void events_line(const struct ms_entity_stats *e)
{
    const char *before = "";
    for (int i = 0; i < MS_EVENT_COUNT; i++) {
        if (!e->events[i])
            continue;
        if (!before[0])
            printf("  %-9s %-12s", kind_text(e->kind), e->name[0] ? e->name : "-");
        printf("%s %s %" PRIu64, before, ms_event_name(i), e->events[i]);
        before = ",";
    }
    if (before[0])
        printf("\n");
}

static void verb_json(struct ms_json *j, int verb, const struct ms_verb_stats *v)
{
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"calls", v->calls},
                   {"errors", v->errors},
                   {"retries", v->retries},
                   {"volume_bytes", v->volume_bytes},
                   {"time_ns", v->time_ns},
                   {"p50_ns", ms_stats_quantile(v, 0.5)},
                   {"p99_ns", ms_stats_quantile(v, 0.99)},
                   {"max_ns", v->max_ns}};
    ms_json_key(j, ms_verb_name(verb));
    ms_json_object(j);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ms_json_put_u64(j, numbers[i].name, numbers[i].value);
    ms_json_end(j, '}');
}

static void entity_json(struct ms_json *j, const struct ms_entity_stats *e)
{
    ms_json_object(j);
    ms_json_put_text(j, "kind", kind_text(e->kind));
    ms_json_put_text(j, "store", e->store);
    ms_json_put_text(j, "name", e->name);
    if (e->kind == MS_STATS_BACKEND) {
        ms_json_put_u64(j, "moved_in_bytes", e->moved_in_bytes);
        ms_json_put_u64(j, "moved_out_bytes", e->moved_out_bytes);
    }
    ms_json_key(j, "verbs");
    ms_json_object(j);
    for (int verb = 0; verb < MS_VERB_COUNT; verb++)
        if (e->verbs[verb].calls)
            verb_json(j, verb, &e->verbs[verb]);
    ms_json_end(j, '}');
    events_json(j, e);
    ms_json_end(j, '}');
}

static void entity_lines(const struct ms_entity_stats *e)
{
    for (int verb = 0; verb < MS_VERB_COUNT; verb++) {
        const struct ms_verb_stats *v = &e->verbs[verb];
        char volume[40], p50[40], p99[40];
        if (v->calls == 0)
            continue;
        printf("  %-9s %-12s %-8s %10" PRIu64 " %8" PRIu64 " %8" PRIu64 " %12s %10s %10s\n",
               kind_text(e->kind), e->name[0] ? e->name : "-", ms_verb_name(verb), v->calls,
               v->errors, v->retries, ms_format_size(volume, sizeof volume, v->volume_bytes),
               ms_format_duration(p50, sizeof p50, ms_stats_quantile(v, 0.5)),
               ms_format_duration(p99, sizeof p99, ms_stats_quantile(v, 0.99)));
    }
    if (e->kind == MS_STATS_BACKEND && (e->moved_in_bytes || e->moved_out_bytes)) {
        char in[40], out[40];
        printf("  %-9s moved: %s read, %s written\n", "",
               ms_format_size(in, sizeof in, e->moved_in_bytes),
               ms_format_size(out, sizeof out, e->moved_out_bytes));
    }
    events_line(e);
}

static bool wanted(const struct stats *s, const struct ms_entity_stats *e)
{
    return !s->store || strcmp(s->store, e->store) == 0;
}

static void show_json(struct stats *s, const struct ms_stats_snapshot *p)
{
    struct ms_json *j = &s->json;
    ms_json_object(j);
    ms_json_key(j, "pid");
    ms_json_i64(j, p->pid);
    ms_json_put_text(j, "program", p->program);
    ms_json_key(j, "entities");
    ms_json_array(j);
    for (size_t i = 0; i < p->count; i++)
        if (wanted(s, &p->entities[i]))
            entity_json(j, &p->entities[i]);
    ms_json_end(j, ']');
    ms_json_end(j, '}');
}

static void show_table(const struct stats *s, const struct ms_stats_snapshot *p)
{
    const char *store = NULL;
    printf("%s, process %" PRId64 "\n", p->program, p->pid);
    printf("  %-9s %-12s %-8s %10s %8s %8s %12s %10s %10s\n", "kind", "name", "verb", "calls",
           "errors", "retries", "volume", "p50", "p99");
    for (size_t i = 0; i < p->count; i++) {
        const struct ms_entity_stats *e = &p->entities[i];
        if (!wanted(s, e))
            continue;
        if (!store || strcmp(store, e->store) != 0)
            printf("  %s\n", e->store);
        store = e->store;
        entity_lines(e);
    }
}

static int show_file(struct stats *s, const char *path, struct ms_error *err)
{
    struct ms_stats_snapshot *snapshot = NULL;
    int code = ms_stats_read(path, &snapshot, err);
    if (code)
        return code;
    size_t count = 0;
    for (size_t i = 0; i < snapshot->count; i++)
        count += wanted(s, &snapshot->entities[i]);
    if (count > 0 || !s->store) {
        s->processes++;
        if (s->cli->json)
            show_json(s, snapshot);
        else
            show_table(s, snapshot);
    }
    ms_stats_free(snapshot);
    return ms_out_check(err);
}

/* The files of processes that run; our own has nothing to say. */
static int show_running(struct stats *s, struct ms_error *err)
{
    char folder[MS_NAME_MAX + 1], path[MS_NAME_MAX + 300];
    DIR *directory = opendir(ms_stats_folder(folder, sizeof folder));
    if (!directory)
        return errno == ENOENT ? 0 : ms_cli_local_error(err, errno, "cannot read %s", folder);
    int code = 0;
    for (const struct dirent *e; !code && (e = readdir(directory));) {
        char *end;
        long pid = strtol(e->d_name, &end, 10);
        if (pid <= 0 || strcmp(end, ".stats") != 0 || pid == (long)getpid() ||
            (kill((pid_t)pid, 0) != 0 && errno == ESRCH))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        struct ms_error unreadable = {0};
        code = show_file(s, path, &unreadable);
        if (code == MS_CLI_PIPE_CLOSED || code == MS_CLI_LOCAL) {
            *err = unreadable;
            break;
        }
        code = 0; /* it ended just now, or is of another version */
    }
    closedir(directory);
    return code;
}

static int show_process(struct stats *s, const char *pid, struct ms_error *err)
{
    char folder[MS_NAME_MAX + 1], path[MS_NAME_MAX + 300];
    snprintf(path, sizeof path, "%s/%s.stats", ms_stats_folder(folder, sizeof folder), pid);
    int code = show_file(s, path, err);
    if (code == MS_ERR_NOT_FOUND)
        return ms_error_set(err, code, "process %s keeps no statistics (%s is not there)", pid,
                            path);
    return code;
}

int ms_cmd_stats(struct ms_cli *cli, struct ms_error *err)
{
    struct stats s = {.cli = cli};
    const char *what = cli->args.count ? cli->args.positional[0] : NULL;
    ms_out_json(&s.json);
    if (what && what[0] && strspn(what, "0123456789") == strlen(what))
        return show_process(&s, what, err);
    if (what && access(what, F_OK) == 0)
        return show_file(&s, what, err);
    struct ms_store *store = NULL;
    int code = what ? ms_cli_store(cli, what, "--levels", &store, err) : 0;
    if (code)
        return ms_error_prefix(err, code, "neither a process nor a file");
    s.store = store ? ms_store_url(store) : NULL;
    code = show_running(&s, err);
    ms_store_free(store);
    if (!code && s.processes == 0 && !cli->json)
        ms_cli_report(cli, "no running program %s", what ? "uses this store" : "of mstore");
    return code;
}
