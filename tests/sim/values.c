/* Values that say themselves what they are: see values.h. No state. */
#include "tests/sim/values.h"

#include <stdio.h>

#define WORD 8

uint64_t sim_mix(uint64_t a, uint64_t b)
{
    uint64_t x = a * UINT64_C(0x9e3779b97f4a7c15) + b + UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

size_t sim_value_size(unsigned key, uint32_t id, size_t max)
{
    return SIM_VALUE_MIN + (size_t)(sim_mix(key, id) % (max - SIM_VALUE_MIN + 1));
}

static uint8_t byte_at(unsigned key, uint32_t id, uint64_t offset)
{
    uint64_t word = id | (uint64_t)(key & 0xffff) << 32 | (offset / WORD & 0xffff) << 48;
    return (uint8_t)(word >> 8 * (offset % WORD));
}

struct ms_buf *sim_value_make(unsigned key, uint32_t id, size_t max)
{
    size_t size = sim_value_size(key, id, max);
    struct ms_buf *value = ms_buf_new(size);
    for (size_t i = 0; value && i < size; i++)
        ms_buf_data(value)[i] = byte_at(key, id, i);
    return value;
}

/* The id in the first whole word; 0: there is none. */
static uint32_t id_in(struct ms_view bytes, uint64_t offset)
{
    size_t start = (size_t)((WORD - offset % WORD) % WORD);
    if (start + WORD > bytes.size)
        return 0;
    const uint8_t *at = bytes.data + start;
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

bool sim_value_check(unsigned key, size_t max, struct ms_view bytes, uint64_t offset, uint32_t *id,
                     char *why, size_t why_size)
{
    *id = id_in(bytes, offset);
    if (*id == 0 && bytes.size >= 2 * WORD - 1) {
        snprintf(why, why_size, "the bytes name no value");
        return false;
    }
    if (*id == 0)
        return true;
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i] != byte_at(key, *id, offset + i)) {
            snprintf(why, why_size, "byte %llu is %02x, in value %u of key %u it is %02x",
                     (unsigned long long)(offset + i), bytes.data[i], *id, key,
                     byte_at(key, *id, offset + i));
            return false;
        }
    size_t size = sim_value_size(key, *id, max);
    if (offset + bytes.size > size) {
        snprintf(why, why_size, "value %u of key %u has %zu bytes, not %llu", *id, key, size,
                 (unsigned long long)(offset + bytes.size));
        return false;
    }
    return true;
}
