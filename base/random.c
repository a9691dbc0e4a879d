/* xoshiro256** 1.0 and splitmix64, public domain algorithms by David Blackman and Sebastiano Vigna
 * (https://prng.di.unimi.it/). Bounded numbers by rejection. */
#include <mstore/base.h>

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void ms_random_seed(struct ms_random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = splitmix(&seed);
}

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t ms_random_u64(struct ms_random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t ms_random_below(struct ms_random *random, uint64_t bound)
{
    if (bound == 0)
        return 0;
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t value;
    do {
        value = ms_random_u64(random);
    } while (value >= limit);
    return value % bound;
}

double ms_random_unit(struct ms_random *random)
{
    return (double)(ms_random_u64(random) >> 11) * 0x1.0p-53;
}
