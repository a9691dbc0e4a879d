/* store_table.c - every kind of Store that must keep the promises: one line each. */
#include "store_suite.h"

#define FULL "\"\":lrwWD"

const struct kind kinds[] = {
    {"memory, flat", "memory:", {0}, 1},
    {"memory, 2 levels", "memory:", {2}, 1},
    {"memory, levels 0 1 2", "memory:", {0, 1, 2}, 3},
    {"memory, any bytes", "memory:", {0}, 1, MS_NAMES_BYTES},
    {"memory, any bytes, 2 levels", "memory:", {2}, 1, MS_NAMES_BYTES},
    {"memory behind the emulator", "memory:?emulate.latency=20us&emulate.jitter=10us", {1}, 1},
    {"file, flat", "file://%s/store?sync=none", {0}, 1},
    {"file, 2 levels, durable", "file://%s/store", {2}, 1},
    {"file, levels 2 0", "file://%s/store?sync=none", {2, 0}, 2},
    {"file, without openat2", "file://%s/store?sync=none&walk=1", {1}, 1},
    {"file, any bytes", "file://%s/store?sync=data", {1}, 1, MS_NAMES_BYTES},
    {"file behind the emulator", "file://%s/store?sync=none&emulate.bandwidth=10gbit", {2}, 1},
    {"permissions", "memory:", {1}, 1, MS_NAMES_BORGSTORE, MS_CACHE_OFF, FULL},
    {"quota", "memory:", {0, 1}, 2, MS_NAMES_BORGSTORE, MS_CACHE_OFF, NULL, 1u << 30},
    {"cache, mirror", "file://%s/store?sync=none", {1}, 1, MS_NAMES_BORGSTORE, MS_CACHE_MIRROR},
    {"cache, writethrough", "memory:", {2}, 1, MS_NAMES_BORGSTORE, MS_CACHE_WRITETHROUGH},
    {"everything at once",
     "file://%s/store?sync=none&emulate.latency=5us",
     {2, 1},
     2,
     MS_NAMES_BORGSTORE,
     MS_CACHE_WRITETHROUGH,
     FULL,
     1u << 30},
};
const size_t kind_count = sizeof kinds / sizeof *kinds;
