/* server/counts.c - the process's one set of counters, in the same shape as it is read. */
#include "server/counts.h"

static struct server_counts counts;

static void add(uint64_t *counter, uint64_t more)
{
    __atomic_fetch_add(counter, more, __ATOMIC_RELAXED);
}

const char *server_method_name(enum server_method method)
{
    static const char *const names[] = {
#define SERVER_X(name) #name,
        SERVER_METHODS(SERVER_X)
#undef SERVER_X
    };
    return names[method];
}

enum server_method server_method_of(const char *method)
{
    for (int m = 0; m < SERVER_METHOD_OTHER; m++)
        if (!strcmp(method, server_method_name((enum server_method)m)))
            return (enum server_method)m;
    return SERVER_METHOD_OTHER;
}

const char *server_refusal_name(enum server_refusal refusal)
{
    static const char *const names[] = {
#define SERVER_X(name, text) text,
        SERVER_REFUSALS(SERVER_X)
#undef SERVER_X
    };
    return names[refusal];
}

void server_count_connection(int change)
{
    add(&counts.connections, (uint64_t)(int64_t)change);
    if (change > 0)
        add(&counts.accepted, (uint64_t)change);
}

void server_count_begin(void)
{
    add(&counts.in_flight, 1);
}

void server_count_end(const char *method, int status, uint64_t in_bytes, uint64_t out_bytes,
                      uint64_t time_ns)
{
    struct server_method_counts *m = &counts.methods[server_method_of(method)];
    unsigned bucket = 0;
    while (bucket < SERVER_LE_BUCKETS - 1 && time_ns >= UINT64_C(1) << (SERVER_LE_FIRST + bucket))
        bucket++;
    if (status < SERVER_STATUS_FIRST || status > SERVER_STATUS_LAST)
        status = SERVER_STATUS_LAST;
    add(&m->statuses[status - SERVER_STATUS_FIRST], 1);
    add(&m->in_bytes, in_bytes);
    add(&m->out_bytes, out_bytes);
    add(&m->time_ns, time_ns);
    add(&m->histogram[bucket], 1);
    add(&counts.in_flight, (uint64_t)-1);
}

void server_count_refused(enum server_refusal refusal)
{
    add(&counts.refused[refusal], 1);
}

void server_count_scrypt(uint64_t time_ns)
{
    add(&counts.scrypts, 1);
    add(&counts.scrypt_ns, time_ns);
}

void server_counts_take(struct server_counts *out)
{
    const uint64_t *from = (const uint64_t *)&counts;
    uint64_t *to = (uint64_t *)out;
    for (size_t i = 0; i < sizeof counts / sizeof *from; i++)
        to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

void server_counts_reset(void)
{
    uint64_t *all = (uint64_t *)&counts;
    for (size_t i = 0; i < sizeof counts / sizeof *all; i++)
        __atomic_store_n(&all[i], 0, __ATOMIC_RELAXED);
}
