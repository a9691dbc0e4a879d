/* store_table.c - every kind of Store that must keep the promises: one line each. */
#include "store_suite.h"

#define FULL "\"\":lrwWD"

#define MSTORE(label_, names_, policy_)                                                            \
    {                                                                                              \
        .label = label_, .names = names_, .level_count = 1, .policy = policy_                      \
    }

#define NESTED(label_, names_, policy_, inner_)                                                    \
    {                                                                                              \
        .label = label_, .names = names_, .level_count = 1, .policy = policy_, .inner = inner_     \
    }

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
    MSTORE("mirror on three", MS_NAMES_BORGSTORE, "kind = plain\nredundancy = all\nlevels = 1\n"),
    MSTORE("two copies on three", MS_NAMES_BORGSTORE,
           "kind = plain\nredundancy = copies 2\nlevels = 0,2\n"),
    MSTORE("spread over three", MS_NAMES_BYTES, "kind = plain\nredundancy = none\nnames = bytes\n"),
    MSTORE("mutable, three copies", MS_NAMES_BORGSTORE, "kind = mutable\nredundancy = all\n"),
    MSTORE("mutable, two copies, any bytes", MS_NAMES_BYTES,
           "kind = mutable\nredundancy = copies 2\nlevels = 1\nnames = bytes\n"),
    MSTORE("mutable in shards", MS_NAMES_BORGSTORE, "kind = mutable\nredundancy = ec 2+1\n"),
    MSTORE("immutable, two copies", MS_NAMES_BORGSTORE,
           "kind = immutable\nredundancy = copies 2\nlevels = 1\n"),
    MSTORE("immutable in shards", MS_NAMES_BYTES,
           "kind = immutable\nredundancy = ec 2+1\nnames = bytes\ncompress = zstd\n"),
    NESTED("mutable, a store within", MS_NAMES_BORGSTORE, "kind = mutable\nredundancy = all\n",
           "kind = mutable\nredundancy = all\n"),
    NESTED("mirror, a store within", MS_NAMES_BORGSTORE,
           "kind = plain\nredundancy = all\nlevels = 1\n", "kind = plain\nredundancy = all\n"),
};
const size_t kind_count = sizeof kinds / sizeof *kinds;
