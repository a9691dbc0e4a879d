/* mstore/siphash.c - SipHash-2-4 (see mstore/siphash.h). */
#include "mstore/siphash.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static uint64_t load(const uint8_t *p)
{
    uint64_t word = 0;
    for (int i = 7; i >= 0; i--)
        word = word << 8 | p[i];
    return word;
}

static inline void round_of(struct state *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static struct state start(const uint8_t key[16])
{
    uint64_t k0 = load(key), k1 = load(key + 8);
    return (struct state){k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
                          k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
}

static inline void add(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    round_of(s);
    round_of(s);
    s->v0 ^= word;
}

static uint64_t finish(struct state *s)
{
    s->v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        round_of(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t ms_siphash(const uint8_t key[16], struct ms_view bytes)
{
    struct state s = start(key);
    size_t at = 0;
    for (; bytes.size - at >= 8; at += 8)
        add(&s, load(bytes.data + at));
    uint64_t last = (uint64_t)(bytes.size & 0xff) << 56;
    for (unsigned i = 0; at + i < bytes.size; i++)
        last |= (uint64_t)bytes.data[at + i] << (8 * i);
    add(&s, last);
    return finish(&s);
}

uint64_t ms_siphash_word(const uint8_t key[16], uint64_t word)
{
    struct state s = start(key);
    add(&s, word);
    add(&s, (uint64_t)8 << 56);
    return finish(&s);
}
