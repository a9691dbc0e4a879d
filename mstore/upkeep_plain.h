/* mstore/upkeep_plain.h - one key of a plain namespace under upkeep: what its files share. */
#ifndef MSTORE_UPKEEP_PLAIN_H
#define MSTORE_UPKEEP_PLAIN_H

#include "mstore/upkeep_parts.h"

struct ms_upkeep_copy { /* of one item on one member */
    bool exists;
    uint64_t size;
    bool hashed, failed;
    char digest[65]; /* once hashed */
};
struct ms_upkeep_mirrored { /* a key, and what each member has of it */
    const struct ms_layout_space *space;
    struct ms_view path, key;
    struct ms_upkeep_copy *copies[2]; /* live, soft-deleted; by the layout's index */
    const bool *silent;
};
/* Only what ends the run is returned. */
int ms_upkeep_mirrored_key(struct ms_upkeep *u, const struct ms_upkeep_mirrored *item,
                           struct ms_error *err) MS_MUST_CHECK;

#endif
