/* bench/pairs.c - see pairs.h. */
#include "bench/pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double seconds_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void pairs_add(struct pairs *p, double plain_s, double ours_s)
{
    if (p->rounds == ROUNDS_MAX)
        return;
    p->plain_s[p->rounds] = plain_s;
    p->ours_s[p->rounds] = ours_s;
    p->ratios[p->rounds++] = plain_s / ours_s;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sorted(const double *from, unsigned count, double *to)
{
    memcpy(to, from, count * sizeof *to);
    qsort(to, count, sizeof *to, by_value);
}

void pairs_header(void)
{
    printf("| what | ratio (median) | lowest | highest | wanted | reached | plain | mstore |\n");
    printf("|---|---|---|---|---|---|---|---|\n");
}

int pairs_print(const struct pairs *p)
{
    double ratios[ROUNDS_MAX], plain[ROUNDS_MAX], ours[ROUNDS_MAX];
    sorted(p->ratios, p->rounds, ratios);
    sorted(p->plain_s, p->rounds, plain);
    sorted(p->ours_s, p->rounds, ours);
    unsigned middle = p->rounds / 2;
    int reached = p->wanted == 0 || ratios[middle] >= p->wanted;
    char wanted[16] = "–";
    if (p->wanted > 0)
        snprintf(wanted, sizeof wanted, "%.2f", p->wanted);
    printf("| %s | %.2f | %.2f | %.2f | %s | %s | %.4g s | %.4g s |\n", p->what, ratios[middle],
           ratios[0], ratios[p->rounds - 1], wanted, p->wanted > 0 ? reached ? "yes" : "NO" : "",
           plain[middle], ours[middle]);
    fflush(stdout);
    return reached;
}
