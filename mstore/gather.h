/* mstore/gather.h - streams for what is stored in one piece (kind mutable), and digests by streams.
 *
 * What is written is gathered in memory, up to MS_MUTABLE_HELD, beyond in a temporary file without
 * a name in $TMPDIR (else /tmp); the commit stores it by the store's own verbs, under the layout
 * that is in force then. */
#ifndef MSTORE_GATHER_H
#define MSTORE_GATHER_H

#include "store/store.h"

int ms_gather_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                    const struct ms_precondition *pre, struct ms_store_writer **out,
                    struct ms_error *err) MS_MUST_CHECK;
/* The digest of all that a reader gives; leaves it open. */
int ms_gather_hash(struct ms_store_reader *r, const char *algorithm, char *hex, size_t hex_size,
                   struct ms_error *err) MS_MUST_CHECK;

#endif
