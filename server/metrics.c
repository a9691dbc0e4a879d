/* The families of /metrics, one after the other: stores and their members, background work, the
 * server itself, the process, and the statistics of all calls. */
#include "server/metrics.h"

#include "base/prometheus.h"
#include "server/counts.h"
#include "server/face.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- stores, as background work last saw them ---- */

struct place { /* where samples go, and whose they are */
    FILE *file;
    const char *family, *store;
};

static void sample(const struct place *p, const char *label, const char *value, double number)
{
    fprintf(p->file, "%s{", p->family);
    ms_prometheus_label(p->file, "store", p->store);
    if (label) {
        fputc(',', p->file);
        ms_prometheus_label(p->file, label, value);
    }
    fprintf(p->file, "} %.15g\n", number);
}

static void store_up(const struct place *p, const struct server_look *look)
{
    sample(p, NULL, NULL, look && look->asked && !look->code);
}

static void member_up(const struct place *p, const struct server_look *look)
{
    for (size_t i = 0; look && look->status && i < look->status->member_count; i++)
        sample(p, "member", look->status->members[i].name, !look->status->members[i].code);
}

static void member_behind(const struct place *p, const struct server_look *look)
{
    for (size_t i = 0; look && look->status && i < look->status->member_count; i++)
        sample(p, "member", look->status->members[i].name, look->status->members[i].behind);
}

static void member_latency(const struct place *p, const struct server_look *look)
{
    for (size_t i = 0; look && look->status && i < look->status->member_count; i++)
        if (look->status->members[i].latency_ns)
            sample(p, "member", look->status->members[i].name,
                   (double)look->status->members[i].latency_ns / 1e9);
}

static void member_size(const struct place *p, const struct server_look *look)
{
    for (size_t i = 0; look && look->status && i < look->status->member_count; i++)
        if (look->status->members[i].total_bytes != UINT64_MAX)
            sample(p, "member", look->status->members[i].name,
                   (double)look->status->members[i].total_bytes);
}

static void member_free(const struct place *p, const struct server_look *look)
{
    for (size_t i = 0; look && look->status && i < look->status->member_count; i++)
        if (look->status->members[i].free_bytes != UINT64_MAX)
            sample(p, "member", look->status->members[i].name,
                   (double)look->status->members[i].free_bytes);
}

/* One sample for each state there is, 1 for the one it has. */
static void states(const struct place *p, const char *member, const char *label,
                   const char *const *names, const char *now)
{
    for (; *names; names++) {
        fprintf(p->file, "%s{", p->family);
        ms_prometheus_label(p->file, "store", p->store);
        fputc(',', p->file);
        ms_prometheus_label(p->file, "member", member);
        fputc(',', p->file);
        ms_prometheus_label(p->file, label, *names);
        fprintf(p->file, "} %d\n", strcmp(*names, now) == 0);
    }
}

static void member_state(const struct place *p, const struct server_look *look)
{
    static const char *const names[] = {"active", "draining", "readonly", "witness", "gone", NULL};
    for (size_t i = 0; look && look->status && i < look->status->member_count; i++)
        states(p, look->status->members[i].name, "state", names, look->status->members[i].state);
}

static void member_breaker(const struct place *p, const struct server_look *look)
{
    static const char *const names[] = {"closed", "open", "half open", NULL};
    for (size_t i = 0; look && look->status && i < look->status->member_count; i++)
        states(p, look->status->members[i].name, "state", names, look->status->members[i].breaker);
}

static void layout_epoch(const struct place *p, const struct server_look *look)
{
    if (look && look->status)
        sample(p, NULL, NULL, (double)look->status->epoch);
}

static void tolerates(const struct place *p, const struct server_look *look)
{
    for (size_t i = 0; look && look->status && i < look->status->space_count; i++)
        sample(p, "namespace", look->status->spaces[i].name, look->status->spaces[i].tolerates);
}

/* ---- background work ---- */

static void of_works(const struct place *p, const struct server_look *look,
                     double (*number)(const struct server_look *look, const struct server_runs *r,
                                      int work))
{
    for (int w = 0; look && look->upkeep && w < SERVER_WORK_COUNT; w++)
        sample(p, "work", server_work_name((enum server_work)w), number(look, &look->runs[w], w));
}

#define WORK_FAMILY(name, expression)                                                              \
    static double name##_of(const struct server_look *look, const struct server_runs *r, int work) \
    {                                                                                              \
        (void)look, (void)r, (void)work;                                                           \
        return (double)(expression);                                                               \
    }                                                                                              \
    static void name(const struct place *p, const struct server_look *look)                        \
    {                                                                                              \
        of_works(p, look, name##_of);                                                              \
    }
WORK_FAMILY(work_running, look->running && (int)look->work == work)
WORK_FAMILY(work_keys, r->keys)
WORK_FAMILY(work_repaired, r->repaired)
WORK_FAMILY(work_read, r->bytes_read)
WORK_FAMILY(work_written, r->bytes_written)
WORK_FAMILY(work_left, r->last_left)
WORK_FAMILY(work_ended, (double)r->ended_wall_ns / 1e9)

static void work_runs(const struct place *p, const struct server_look *look)
{
    for (int w = 0; look && look->upkeep && w < SERVER_WORK_COUNT; w++) {
        const struct server_runs *r = &look->runs[w];
        const struct {
            const char *result;
            uint64_t count;
        } results[] = {{"done", r->done}, {"failed", r->failed}, {"stopped", r->stopped}};
        for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
            fprintf(p->file, "%s{", p->family);
            ms_prometheus_label(p->file, "store", p->store);
            fprintf(p->file, ",work=\"%s\",result=\"%s\"} %" PRIu64 "\n",
                    server_work_name((enum server_work)w), results[i].result, results[i].count);
        }
    }
}

static const struct {
    const char *name, *type, *help;
    void (*write)(const struct place *p, const struct server_look *look);
} families[] = {
    {"mstore_store_up", "gauge", "Whether the served store is open and answered last time.",
     store_up},
    {"mstore_member_up", "gauge", "Whether the member answered last time.", member_up},
    {"mstore_member_behind", "gauge", "Whether others have noted that the member lacks something.",
     member_behind},
    {"mstore_member_state", "gauge", "The member's state in the layout.", member_state},
    {"mstore_member_breaker_state", "gauge", "The member's circuit breaker.", member_breaker},
    {"mstore_member_expected_latency_seconds", "gauge", "Expected time of a small call.",
     member_latency},
    {"mstore_member_size_bytes", "gauge", "Size of the member's storage.", member_size},
    {"mstore_member_free_bytes", "gauge", "Free space of the member's storage.", member_free},
    {"mstore_layout_epoch", "gauge", "The epoch of the layout in force.", layout_epoch},
    {"mstore_namespace_tolerated_losses", "gauge",
     "Members that may be lost without loss of a value.", tolerates},
    {"mstore_upkeep_running", "gauge", "Whether such a run is under way.", work_running},
    {"mstore_upkeep_runs_total", "counter", "Runs that ended.", work_runs},
    {"mstore_upkeep_keys_total", "counter", "Keys looked at by runs that ended.", work_keys},
    {"mstore_upkeep_repaired_keys_total", "counter", "Keys put right.", work_repaired},
    {"mstore_upkeep_read_bytes_total", "counter", "Bytes read by runs that ended.", work_read},
    {"mstore_upkeep_written_bytes_total", "counter", "Bytes written by runs that ended.",
     work_written},
    {"mstore_upkeep_left_keys", "gauge", "Keys that the last run left as they should not be.",
     work_left},
    {"mstore_upkeep_last_end_timestamp_seconds", "gauge",
     "When the last run ended, seconds since 1970; 0: none did.", work_ended},
};

struct one {
    struct place place;
    void (*write)(const struct place *p, const struct server_look *look);
};

static void write_one(void *ctx, const struct server_look *look)
{
    struct one *o = ctx;
    o->write(&o->place, look);
}

static void write_stores(FILE *file, struct server_site *site)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        struct server_served *s;
        ms_prometheus_family(file, families[i].name, families[i].type, families[i].help);
        for (size_t k = 0; (s = server_site_at(site, k)); k++) {
            struct one one = {{file, families[i].name, s->name}, families[i].write};
            struct server_background *b = server_face_background(s);
            if (b)
                server_background_view(b, write_one, &one);
            else
                write_one(&one, NULL);
        }
    }
}

/* ---- the server itself ---- */

static void simple(FILE *file, const char *name, const char *type, const char *help, double value)
{
    ms_prometheus_family(file, name, type, help);
    fprintf(file, "%s %.15g\n", name, value);
}

static void write_requests(FILE *file, const struct server_counts *c)
{
    static const char name[] = "mstore_server_requests_total";
    ms_prometheus_family(file, name, "counter", "Requests answered, by method and status.");
    for (int m = 0; m < SERVER_METHOD_COUNT; m++)
        for (int s = SERVER_STATUS_FIRST; s <= SERVER_STATUS_LAST; s++)
            if (c->methods[m].statuses[s - SERVER_STATUS_FIRST])
                fprintf(file, "%s{method=\"%s\",code=\"%d\"} %" PRIu64 "\n", name,
                        server_method_name((enum server_method)m), s,
                        c->methods[m].statuses[s - SERVER_STATUS_FIRST]);
}

static uint64_t requests_of(const struct server_method_counts *m)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < SERVER_LE_BUCKETS; i++)
        sum += m->histogram[i];
    return sum;
}

static void write_durations(FILE *file, const struct server_counts *c)
{
    static const char name[] = "mstore_server_request_duration_seconds";
    ms_prometheus_family(file, name, "histogram",
                         "Time from the headers to the end of the answer.");
    for (int i = 0; i < SERVER_METHOD_COUNT; i++) {
        const struct server_method_counts *m = &c->methods[i];
        const char *method = server_method_name((enum server_method)i);
        uint64_t seen = 0;
        if (!requests_of(m))
            continue;
        for (unsigned b = 0; b + 1 < SERVER_LE_BUCKETS; b++) {
            seen += m->histogram[b];
            fprintf(file, "%s_bucket{method=\"%s\",le=\"%.12g\"} %" PRIu64 "\n", name, method,
                    (double)(UINT64_C(1) << (SERVER_LE_FIRST + b)) / 1e9, seen);
        }
        fprintf(file, "%s_bucket{method=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, method,
                requests_of(m));
        fprintf(file, "%s_sum{method=\"%s\"} %.9f\n", name, method, (double)m->time_ns / 1e9);
        fprintf(file, "%s_count{method=\"%s\"} %" PRIu64 "\n", name, method, requests_of(m));
    }
}

static void write_bytes(FILE *file, const struct server_counts *c)
{
    static const char in[] = "mstore_server_received_bytes_total",
                      out[] = "mstore_server_sent_bytes_total";
    ms_prometheus_family(file, in, "counter", "Bytes of the bodies of requests.");
    for (int m = 0; m < SERVER_METHOD_COUNT; m++)
        fprintf(file, "%s{method=\"%s\"} %" PRIu64 "\n", in,
                server_method_name((enum server_method)m), c->methods[m].in_bytes);
    ms_prometheus_family(file, out, "counter", "Bytes of the bodies of answers.");
    for (int m = 0; m < SERVER_METHOD_COUNT; m++)
        fprintf(file, "%s{method=\"%s\"} %" PRIu64 "\n", out,
                server_method_name((enum server_method)m), c->methods[m].out_bytes);
}

static void write_refused(FILE *file, const struct server_counts *c)
{
    static const char name[] = "mstore_server_refused_total";
    ms_prometheus_family(file, name, "counter", "Connections and requests refused, by the limit.");
    for (int r = 0; r < SERVER_REFUSAL_COUNT; r++)
        fprintf(file, "%s{reason=\"%s\"} %" PRIu64 "\n", name,
                server_refusal_name((enum server_refusal)r), c->refused[r]);
}

static void write_server(FILE *file, const struct server_counts *c)
{
    write_requests(file, c);
    write_durations(file, c);
    write_bytes(file, c);
    write_refused(file, c);
    simple(file, "mstore_server_connections", "gauge", "Open connections.", (double)c->connections);
    simple(file, "mstore_server_connections_total", "counter", "Connections accepted.",
           (double)c->accepted);
    simple(file, "mstore_server_requests_in_flight", "gauge", "Requests under way.",
           (double)c->in_flight);
    simple(file, "mstore_server_password_checks_total", "counter",
           "Passwords compared by scrypt, not from memory.", (double)c->scrypts);
    simple(file, "mstore_server_password_check_seconds_total", "counter", "Time that took.",
           (double)c->scrypt_ns / 1e9);
}

static void write_process(FILE *file, const struct ms_stats_snapshot *snapshot)
{
    struct server_process p;
    server_process_take(&p);
    ms_prometheus_family(file, "mstore_build_info", "gauge", "The program's version.");
    fprintf(file, "mstore_build_info{version=\"%s\"} 1\n", ms_version());
    simple(file, "process_resident_memory_bytes", "gauge", "Resident memory.",
           (double)p.resident_bytes);
    simple(file, "process_open_fds", "gauge", "Open file descriptors.", (double)p.open_fds);
    simple(file, "process_max_fds", "gauge", "Open file descriptors at most.", (double)p.max_fds);
    simple(file, "process_cpu_seconds_total", "counter", "Time of the processor used.",
           p.cpu_seconds);
    if (snapshot)
        simple(file, "process_start_time_seconds", "gauge", "When it began, seconds since 1970.",
               (double)snapshot->started_wall_ns / 1e9);
}

void server_metrics_write(FILE *file, struct server_site *site)
{
    struct ms_stats_snapshot *snapshot = NULL;
    struct server_counts *counts = calloc(1, sizeof *counts);
    if (ms_stats_take(&snapshot, NULL))
        snapshot = NULL;
    if (counts) {
        server_counts_take(counts);
        write_server(file, counts);
    }
    free(counts);
    write_process(file, snapshot);
    write_stores(file, site);
    if (snapshot)
        ms_prometheus_stats(file, snapshot);
    ms_stats_free(snapshot);
}
