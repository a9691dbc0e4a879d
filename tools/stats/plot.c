/* SVG in a fixed coordinate system that the page scales. Bars and areas only, a title on each for
 * those who hover or listen. */
#include "tools/stats/plot.h"

#include "base/text.h"
#include "tools/stats/view.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define WIDTH  720.0
#define HEIGHT 200.0
#define LEFT   12.0
#define RIGHT  12.0
#define TOP    22.0
#define BOTTOM 26.0
#define CELL   32

static const double plot_width = WIDTH - LEFT - RIGHT, plot_height = HEIGHT - TOP - BOTTOM;

static void open_svg(FILE *file, const char *label)
{
    fprintf(file,
            "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">\n"
            "<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
            WIDTH, HEIGHT, label, LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM);
}

static void text_at(FILE *file, double x, double y, const char *anchor, const char *text)
{
    fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, text);
}

static double y_of(double share)
{
    return HEIGHT - BOTTOM - share * plot_height;
}

/* ---- latency -------------------------------------------------------------------------------- */

/* Two of the 8 steps per power of two are one bar: bars from 2^(n/4) on. */
#define BAR_BUCKETS 2
#define BARS        (MS_HISTOGRAM_BUCKETS / BAR_BUCKETS)

struct bars {
    uint64_t calls[BARS], most;
    unsigned first, last; /* with calls, and a little room */
};

static void count_bars(struct bars *b, const struct ms_verb_stats *verb)
{
    *b = (struct bars){.first = BARS};
    for (unsigned i = 0; i < MS_HISTOGRAM_BUCKETS; i++) {
        if (!verb->histogram[i])
            continue;
        unsigned bar = i / BAR_BUCKETS;
        b->calls[bar] += verb->histogram[i];
        if (b->most < b->calls[bar])
            b->most = b->calls[bar];
        if (b->first > bar)
            b->first = bar;
        b->last = bar;
    }
    b->first = b->first > 4 ? b->first - 4 : 0;
    b->last = b->last + 4 < BARS ? b->last + 4 : BARS - 1;
}

/* Where a time lies on the axis: by bucket, which is all but logarithmic. */
static double x_of_time(const struct bars *b, uint64_t ns)
{
    unsigned bucket = 0;
    while (bucket + 1 < MS_HISTOGRAM_BUCKETS && ms_stats_bucket_floor(bucket + 1) <= ns)
        bucket++;
    double low = (double)ms_stats_bucket_floor(bucket);
    double high = (double)ms_stats_bucket_floor(bucket + 1);
    double at = (double)bucket + fmin(1, ((double)ns - low) / (high - low));
    double share = (at / BAR_BUCKETS - b->first) / (b->last - b->first + 1);
    return LEFT + fmin(1, fmax(0, share)) * plot_width;
}

static void draw_bar(FILE *file, const struct bars *b, unsigned bar)
{
    char from[CELL], to[CELL];
    double width = plot_width / (b->last - b->first + 1);
    double share = (double)b->calls[bar] / (double)b->most;
    fprintf(file,
            "<rect class=\"bar\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\">"
            "<title>%" PRIu64 " calls, %s to %s</title></rect>\n",
            LEFT + (bar - b->first) * width + 0.5, y_of(share), fmax(1, width - 1),
            share * plot_height, b->calls[bar],
            ms_format_duration(from, sizeof from, ms_stats_bucket_floor(bar * BAR_BUCKETS)),
            ms_format_duration(to, sizeof to, ms_stats_bucket_floor((bar + 1) * BAR_BUCKETS)));
}

/* 1 µs, 10 µs, … where they fall into the plot. */
static void draw_time_axis(FILE *file, const struct bars *b)
{
    uint64_t low = ms_stats_bucket_floor(b->first * BAR_BUCKETS);
    uint64_t high = ms_stats_bucket_floor((b->last + 1) * BAR_BUCKETS);
    static const char *const names[] = {"1 ns",   "10 ns", "100 ns", "1 us",   "10 us",
                                        "100 us", "1 ms",  "10 ms",  "100 ms", "1 s",
                                        "10 s",   "100 s", "1000 s"};
    uint64_t tick = 1;
    bool any = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++, tick *= 10) {
        if (tick < low || tick > high)
            continue;
        any = true;
        double x = x_of_time(b, tick);
        fprintf(file, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x,
                TOP, x, HEIGHT - BOTTOM);
        text_at(file, x, HEIGHT - 8, "middle", names[i]);
    }
    if (any)
        return;
    char text[CELL]; /* all of it is between two of them */
    text_at(file, LEFT, HEIGHT - 8, "start", ms_format_duration(text, sizeof text, low));
    text_at(file, WIDTH - RIGHT, HEIGHT - 8, "end", ms_format_duration(text, sizeof text, high));
}

static void draw_marks(FILE *file, const struct bars *b, const struct ms_verb_stats *verb)
{
    static const struct {
        double q;
        const char *name;
    } marks[] = {{0.5, "p50"}, {0.9, "p90"}, {0.99, "p99"}};
    double before = -1000;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        double x = x_of_time(b, verb_quantile(verb, marks[i].q));
        fprintf(file, "<line class=\"mark\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x,
                TOP, x, HEIGHT - BOTTOM);
        if (x - before < 28) /* no name over another */
            continue;
        text_at(file, x, TOP - 6, "middle", marks[i].name);
        before = x;
    }
}

void plot_latency(FILE *file, const struct ms_verb_stats *verb)
{
    struct bars b;
    count_bars(&b, verb);
    if (b.most == 0)
        return;
    open_svg(file, "calls by latency");
    draw_time_axis(file, &b);
    for (unsigned bar = b.first; bar <= b.last; bar++)
        if (b.calls[bar])
            draw_bar(file, &b, bar);
    draw_marks(file, &b, verb);
    char most[CELL];
    snprintf(most, sizeof most, "%" PRIu64, b.most);
    strcat(most, b.most == 1 ? " call" : " calls");
    text_at(file, LEFT, TOP - 6, "start", most);
    fputs("</svg>\n", file);
}

/* ---- throughput ----------------------------------------------------------------------------- */

enum direction { LOADED, STORED };

/* Bytes per second between sample i - 1 and i. */
static double rate(const struct ms_stats_snapshot *s, size_t i, enum direction direction)
{
    const struct ms_stats_sample *a = &s->samples[i - 1], *b = &s->samples[i];
    uint64_t from = direction == LOADED ? a->load_bytes : a->store_bytes;
    uint64_t to = direction == LOADED ? b->load_bytes : b->store_bytes;
    double time = ((double)b->wall_ns - (double)a->wall_ns) / 1e9;
    return to > from && time > 0.001 ? (double)(to - from) / time : 0;
}

/* Two samples that almost coincide would make a spike out of nothing: the second one is passed
 * over. What is between 0 and this many ns after the one before. */
static double too_close(const struct ms_stats_snapshot *s)
{
    double total = (double)s->samples[s->sample_count - 1].wall_ns - (double)s->samples[0].wall_ns;
    return fmin(1e8, total / 100);
}

/* The samples that are drawn. */
static int spread_out(const struct ms_stats_snapshot *s, struct ms_stats_snapshot *out)
{
    out->samples = calloc(s->sample_count + 1, sizeof *out->samples);
    out->sample_count = 0;
    if (!out->samples)
        return MS_ERR_NO_MEMORY;
    for (size_t i = 0; i < s->sample_count; i++)
        if (i == 0 ||
            (double)s->samples[i].wall_ns - (double)out->samples[out->sample_count - 1].wall_ns >
                too_close(s))
            out->samples[out->sample_count++] = s->samples[i];
    return 0;
}

static double x_of_moment(const struct ms_stats_snapshot *s, size_t i)
{
    double first = (double)s->samples[0].wall_ns;
    double last = (double)s->samples[s->sample_count - 1].wall_ns;
    double share = last > first ? ((double)s->samples[i].wall_ns - first) / (last - first) : 0;
    return LEFT + fmin(1, fmax(0, share)) * plot_width;
}

static void draw_area(FILE *file, const struct ms_stats_snapshot *s, enum direction direction,
                      double most)
{
    fprintf(file, "<path class=\"%s\" d=\"M%.1f %.1f", direction == LOADED ? "load" : "store", LEFT,
            y_of(0));
    for (size_t i = 1; i < s->sample_count; i++) {
        double y = y_of(rate(s, i, direction) / most);
        fprintf(file, "L%.1f %.1fL%.1f %.1f", x_of_moment(s, i - 1), y, x_of_moment(s, i), y);
    }
    fprintf(file, "L%.1f %.1fZ\"><title>%s</title></path>\n", x_of_moment(s, s->sample_count - 1),
            y_of(0), direction == LOADED ? "load" : "store");
}

static void draw_throughput(FILE *file, const struct ms_stats_snapshot *snapshot)
{
    double most = 0;
    for (size_t i = 1; i < snapshot->sample_count; i++)
        most = fmax(most, fmax(rate(snapshot, i, LOADED), rate(snapshot, i, STORED)));
    if (most <= 0) {
        fputs("<p>No payload was loaded or stored in this time.</p>\n", file);
        return;
    }
    char text[CELL];
    open_svg(file, "throughput over time");
    for (int i = 1; i <= 2; i++) {
        double y = y_of(i / 2.0);
        fprintf(file, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                LEFT, y, WIDTH - RIGHT, y);
        ms_format_size(text, sizeof text - 2, (uint64_t)fmin(1e18, most * i / 2));
        strcat(text, "/s");
        text_at(file, LEFT, y - 4, "start", text);
    }
    draw_area(file, snapshot, LOADED, most);
    draw_area(file, snapshot, STORED, most);
    double first = (double)snapshot->samples[0].wall_ns;
    double last = (double)snapshot->samples[snapshot->sample_count - 1].wall_ns;
    text_at(file, LEFT, HEIGHT - 8, "start", "0 s");
    text_at(file, WIDTH - RIGHT, HEIGHT - 8, "end",
            ms_format_duration(text, sizeof text, (uint64_t)fmin(1e18, fmax(0, last - first))));
    fputs("</svg>\n<p class=\"legend\"><span class=\"key load\"></span> load "
          "<span class=\"key store\"></span> store</p>\n",
          file);
}

void plot_throughput(FILE *file, const struct ms_stats_snapshot *snapshot)
{
    struct ms_stats_snapshot drawn = {0};
    if (spread_out(snapshot, &drawn) == 0)
        draw_throughput(file, &drawn);
    free(drawn.samples);
}
