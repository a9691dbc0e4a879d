/* base/prometheus.h - Prometheus' text format (version 0.0.4): its words, and the statistics in it.
 * Errors stay in the FILE. */
#ifndef BASE_PROMETHEUS_H
#define BASE_PROMETHEUS_H

#include <mstore/stats.h>
#include <stdio.h>

const char *ms_stats_kind_name(enum ms_stats_kind kind); /* "namespace" */
/* HELP and TYPE: "counter", "gauge", "histogram". Samples of the family follow. */
void ms_prometheus_family(FILE *file, const char *name, const char *type, const char *help);
/* name="value", whatever bytes the value has. */
void ms_prometheus_label(FILE *file, const char *name, const char *value);
/* Every entity of a process: calls, errors, bytes, times as histograms, events. */
void ms_prometheus_stats(FILE *file, const struct ms_stats_snapshot *snapshot);

#endif
