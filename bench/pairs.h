/* bench/pairs.h - paired timing: A and B in turn, several rounds, the median of the ratios.
 *
 * Machines drift; a ratio of two runs next to each other drifts less. What is reported is
 * time(plain) / time(mstore), per round; above 1 mstore is faster. */
#ifndef BENCH_PAIRS_H
#define BENCH_PAIRS_H

#include <stdint.h>

#define ROUNDS_MAX 25

struct pairs {
    const char *what;
    double wanted; /* 0: shown only */
    unsigned rounds;
    double ratios[ROUNDS_MAX];
    double plain_s[ROUNDS_MAX], ours_s[ROUNDS_MAX];
};

double seconds_now(void);
void pairs_add(struct pairs *p, double plain_s, double ours_s);
void pairs_header(void);
/* Prints one row; returns whether the wanted ratio was reached. */
int pairs_print(const struct pairs *p);

#endif
