/* tools/stats/plot.h - plots as inline SVG; colours come from the page's CSS classes. */
#ifndef TOOLS_STATS_PLOT_H
#define TOOLS_STATS_PLOT_H

#include <mstore/stats.h>

#include <stdio.h>

/* Calls over latency (logarithmic), with p50, p90 and p99 marked. */
void plot_latency(FILE *file, const struct ms_verb_stats *verb);
/* Bytes per second loaded and stored between samples. */
void plot_throughput(FILE *file, const struct ms_stats_snapshot *snapshot);

#endif
