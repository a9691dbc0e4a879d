/* server/metrics.h - /metrics: all figures in Prometheus' text format. No key is named in it. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include <mstore/base.h>
#include <stdio.h>

struct server_site;

#define SERVER_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Errors stay in the FILE. */
void server_metrics_write(FILE *file, struct server_site *site);

/* Of this process; 0 where the system does not say. */
struct server_process {
    uint64_t resident_bytes, open_fds, max_fds;
    double cpu_seconds;
};
void server_process_take(struct server_process *out);

#endif
