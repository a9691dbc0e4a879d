/* /stats.json: what the dashboard draws, and scripts may read. Counters only grow; rates are the
 * reader's to make. docs/server.md names the fields. */
#include "server/pages_parts.h"

#include "server/counts.h"
#include "server/metrics.h"
#include "store/permission_map.h"

#include <stdlib.h>

/* Times in powers of two of ns, as /metrics has them, which is fine enough for a plot. */
#define TIME_FIRST 12 /* 4 us */
#define TIME_LAST  36 /* 69 s */

/* Milliseconds since 1970; null: never. */
static void moment(struct ms_json *j, const char *key, int64_t wall_ns)
{
    ms_json_key(j, key);
    if (wall_ns)
        ms_json_i64(j, wall_ns / 1000000);
    else
        ms_json_null(j);
}

/* ---- members, namespaces, background work ---- */

struct telling {
    struct ms_json *j;
    bool manages; /* addresses and sentences of the storage are for managers */
};

static const char *sentence_for(const struct telling *t, int code, const char *sentence)
{
    return !code ? NULL : t->manages ? sentence : ms_code_text(code);
}

static void put_member(const struct telling *t, const struct ms_mstore_member *m)
{
    struct ms_json *j = t->j;
    ms_json_object(j);
    ms_json_put_text(j, "name", m->name);
    ms_json_put_text(j, "zone", m->zone);
    ms_json_put_text(j, "url", t->manages ? m->url : NULL);
    ms_json_put_text(j, "state", m->state);
    ms_json_put_u64(j, "weight", m->weight);
    ms_json_put_bool(j, "up", m->code == 0);
    ms_json_put_text(j, "trouble", sentence_for(t, m->code, m->trouble));
    ms_json_put_text(j, "breaker", m->breaker);
    ms_json_put_bool(j, "behind", m->behind);
    ms_json_put_u64(j, "latency_ns", m->latency_ns);
    ms_json_put_u64(j, "calls", m->calls);
    ms_json_put_u64(j, "errors", m->errors);
    ms_json_put_u64(j, "refused", m->refused);
    ms_json_put_size(j, "total_bytes", m->total_bytes);
    ms_json_put_size(j, "free_bytes", m->free_bytes);
    ms_json_end(j, '}');
}

static void put_status(const struct telling *t, const struct ms_mstore_status *status)
{
    struct ms_json *j = t->j;
    ms_json_put_text(j, "uuid", status->uuid);
    ms_json_put_u64(j, "epoch", status->epoch);
    ms_json_key(j, "members");
    ms_json_array(j);
    for (size_t i = 0; i < status->member_count; i++)
        put_member(t, &status->members[i]);
    ms_json_end(j, ']');
    ms_json_key(j, "namespaces");
    ms_json_array(j);
    for (size_t i = 0; i < status->space_count; i++) {
        const struct ms_mstore_space *s = &status->spaces[i];
        ms_json_object(j);
        ms_json_put_text(j, "name", s->name);
        ms_json_put_text(j, "kind", s->kind);
        ms_json_put_text(j, "redundancy", s->redundancy);
        ms_json_put_u64(j, "targets", s->targets);
        ms_json_put_u64(j, "tolerates", s->tolerates);
        ms_json_end(j, '}');
    }
    ms_json_end(j, ']');
}

static void put_runs(const struct telling *t, const struct server_runs *r)
{
    struct ms_json *j = t->j;
    ms_json_object(j);
    ms_json_put_u64(j, "begun", r->begun);
    ms_json_put_u64(j, "done", r->done);
    ms_json_put_u64(j, "failed", r->failed);
    ms_json_put_u64(j, "stopped", r->stopped);
    moment(j, "ended_ms", r->ended_wall_ns);
    ms_json_put_text(j, "asked_by", r->asked_by);
    ms_json_put_text(j, "trouble", r->code ? sentence_for(t, r->code, r->sentence) : NULL);
    ms_json_put_text(j, "remark", !r->code && r->sentence[0] ? r->sentence : NULL);
    ms_json_put_u64(j, "keys", r->last_keys);
    ms_json_put_u64(j, "wanting", r->last_wanting);
    ms_json_put_u64(j, "repaired", r->last_repaired);
    ms_json_put_u64(j, "left", r->last_left);
    ms_json_end(j, '}');
}

static void put_upkeep(const struct telling *t, const struct server_look *look)
{
    struct ms_json *j = t->j;
    ms_json_object(j);
    ms_json_put_text(j, "running", look->running ? server_work_name(look->work) : NULL);
    if (look->running) {
        ms_json_put_text(j, "asked_by", look->asked_by);
        moment(j, "since_ms", look->since_wall_ns);
        ms_json_put_text(j, "step", look->step);
        ms_json_put_u64(j, "keys", look->keys);
        ms_json_put_u64(j, "bytes", look->bytes);
        ms_json_key(j, "fraction");
        if (look->fraction >= 0)
            ms_json_double(j, look->fraction);
        else
            ms_json_null(j);
    }
    moment(j, "next_scrub_ms", look->next_scrub_wall_ns);
    for (int w = 0; w < SERVER_WORK_COUNT; w++) {
        ms_json_key(j, server_work_name((enum server_work)w));
        put_runs(t, &look->runs[w]);
    }
    ms_json_end(j, '}');
}

static void put_look(void *ctx, const struct server_look *look)
{
    const struct telling *t = ctx;
    struct ms_json *j = t->j;
    ms_json_put_bool(j, "up", look->asked && !look->code);
    ms_json_put_text(j, "trouble", sentence_for(t, look->code, look->sentence));
    moment(j, "looked_ms", look->looked_wall_ns);
    if (look->status)
        put_status(t, look->status);
    ms_json_key(j, "upkeep");
    if (look->upkeep)
        put_upkeep(t, look);
    else
        ms_json_null(j);
}

/* ---- calls ---- */

static void put_times(struct ms_json *j, const struct ms_verb_stats *v)
{
    unsigned bucket = 0;
    ms_json_key(j, "times");
    ms_json_array(j);
    for (unsigned power = TIME_FIRST; power <= TIME_LAST; power++) {
        uint64_t count = 0;
        while (bucket < MS_HISTOGRAM_BUCKETS && ms_stats_bucket_floor(bucket) < 1ull << power)
            count += v->histogram[bucket++];
        ms_json_u64(j, count);
    }
    ms_json_end(j, ']');
}

static void put_calls(struct ms_json *j, const struct ms_entity_stats *sum)
{
    ms_json_key(j, "calls");
    ms_json_object(j);
    for (int v = 0; v < MS_VERB_COUNT; v++) {
        const struct ms_verb_stats *verb = &sum->verbs[v];
        if (!verb->calls)
            continue;
        ms_json_key(j, ms_verb_name(v));
        ms_json_object(j);
        ms_json_put_u64(j, "calls", verb->calls);
        ms_json_put_u64(j, "errors", verb->errors);
        ms_json_put_u64(j, "bytes", verb->volume_bytes);
        ms_json_put_u64(j, "time_ns", verb->time_ns);
        put_times(j, verb);
        ms_json_end(j, '}');
    }
    ms_json_end(j, '}');
    ms_json_key(j, "events");
    ms_json_object(j);
    for (int e = 0; e < MS_EVENT_COUNT; e++)
        ms_json_put_u64(j, ms_event_name(e), sum->events[e]);
    ms_json_end(j, '}');
}

/* A store's own figures are those of its namespaces and, as far as events go, of its members. */
static void add_up(const struct ms_stats_snapshot *snapshot, const char *url,
                   struct ms_entity_stats *calls)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct ms_entity_stats *e = &snapshot->entities[i];
        if (strcmp(e->store, url) != 0)
            continue;
        if (e->kind == MS_STATS_NAMESPACE)
            ms_stats_add(calls, e);
        else if (e->kind == MS_STATS_MEMBER)
            for (int k = 0; k < MS_EVENT_COUNT; k++)
                calls->events[k] += e->events[k];
    }
}

/* ---- stores ---- */

/* Levels at which one can begin to look around: where the map grants l. */
static void put_browsable(struct ms_json *j, const struct server_served *s)
{
    ms_json_key(j, "listable");
    ms_json_array(j);
    if (server_served_granted(s, ms_view(NULL, 0)) & MS_MAY_LIST)
        ms_json_text(j, "");
    for (size_t i = 0; s->map && i < s->map->count; i++)
        if (s->map->entries[i].path_size && s->map->entries[i].granted & MS_MAY_LIST)
            ms_json_string(j, ms_view(s->map->entries[i].path, s->map->entries[i].path_size));
    ms_json_end(j, ']');
}

static void put_store(struct ms_json *j, struct server_served *s, bool manages,
                      const struct ms_stats_snapshot *snapshot)
{
    struct telling t = {j, manages};
    struct server_background *b = server_face_background(s);
    struct ms_store *store;
    ms_json_object(j);
    ms_json_put_text(j, "name", s->name);
    ms_json_put_text(j, "path", s->path);
    ms_json_put_text(j, "target", manages ? s->shown : NULL);
    ms_json_put_text(j, "kind", server_face_is_mstore(s) ? "mstore" : "store");
    put_browsable(j, s);
    if (b) {
        server_background_watch(b);
        server_background_view(b, put_look, &t);
    } else {
        server_face_try(s);
        ms_json_put_bool(j, "up", false);
        ms_json_put_text(j, "trouble", "it is not open yet");
        ms_json_put_text(j, "upkeep", NULL);
    }
    struct ms_entity_stats *sum = calloc(1, sizeof *sum);
    if (sum && snapshot && b && !server_face_store(s, &store, NULL)) {
        add_up(snapshot, ms_store_url(store), sum);
        put_calls(j, sum);
    }
    free(sum);
    ms_json_end(j, '}');
}

/* ---- the server ---- */

static void put_method(struct ms_json *j, const struct server_method_counts *m)
{
    uint64_t all = 0, errors = 0;
    for (int s = SERVER_STATUS_FIRST; s <= SERVER_STATUS_LAST; s++) {
        all += m->statuses[s - SERVER_STATUS_FIRST];
        errors += s >= 500 ? m->statuses[s - SERVER_STATUS_FIRST] : 0;
    }
    ms_json_object(j);
    ms_json_put_u64(j, "requests", all);
    ms_json_put_u64(j, "server_errors", errors);
    ms_json_put_u64(j, "received_bytes", m->in_bytes);
    ms_json_put_u64(j, "sent_bytes", m->out_bytes);
    ms_json_put_u64(j, "time_ns", m->time_ns);
    ms_json_end(j, '}');
}

static void put_server(struct ms_json *j)
{
    struct server_process process;
    struct server_counts *c = calloc(1, sizeof *c);
    if (!c)
        return;
    server_counts_take(c);
    server_process_take(&process);
    ms_json_key(j, "server");
    ms_json_object(j);
    ms_json_put_u64(j, "connections", c->connections);
    ms_json_put_u64(j, "in_flight", c->in_flight);
    ms_json_put_u64(j, "resident_bytes", process.resident_bytes);
    ms_json_put_u64(j, "open_fds", process.open_fds);
    ms_json_key(j, "methods");
    ms_json_object(j);
    for (int m = 0; m < SERVER_METHOD_COUNT; m++) {
        ms_json_key(j, server_method_name((enum server_method)m));
        put_method(j, &c->methods[m]);
    }
    ms_json_end(j, '}');
    ms_json_key(j, "refused");
    ms_json_object(j);
    for (int r = 0; r < SERVER_REFUSAL_COUNT; r++)
        ms_json_put_u64(j, server_refusal_name((enum server_refusal)r), c->refused[r]);
    ms_json_end(j, '}');
    ms_json_end(j, '}');
    free(c);
}

static void write_stats(struct exchange *x, FILE *file)
{
    const struct server_caller *p = server_caller(x);
    struct ms_stats_snapshot *snapshot = NULL;
    struct server_served *s;
    struct ms_json j;
    if (ms_stats_take(&snapshot, NULL))
        snapshot = NULL;
    ms_json_init(&j, file);
    ms_json_object(&j);
    ms_json_put_text(&j, "version", ms_version());
    moment(&j, "now_ms", ms_clock_wall(ms_clock_real()));
    moment(&j, "started_ms", snapshot ? snapshot->started_wall_ns : 0);
    ms_json_put_u64(&j, "times_first_ns", UINT64_C(1) << TIME_FIRST);
    put_server(&j);
    ms_json_key(&j, "stores");
    ms_json_array(&j);
    for (size_t i = 0; (s = server_site_at(p->site, i)); i++)
        if (page_admits(x, s))
            put_store(&j, s, p->user.manages, snapshot);
    ms_json_end(&j, ']');
    ms_json_end(&j, '}');
    ms_stats_free(snapshot);
}

void page_stats(struct exchange *x)
{
    page_reply_written(x, 200, "application/json", write_stats);
}
