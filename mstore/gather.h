/* mstore/gather.h - streams of values that are kept and got in one piece (kind mutable): gathered
 * in memory, at most 1 GiB of a value. */
#ifndef MSTORE_GATHER_H
#define MSTORE_GATHER_H

#include "store/store.h"

#define MS_GATHER_MAX (UINT64_C(1) << 30)

/* The commit calls the store's slot `store`. */
int ms_gather_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                    const struct ms_precondition *pre, struct ms_store_writer **out,
                    struct ms_error *err) MS_MUST_CHECK;
/* Loads all of it now, by the slot `load`. */
int ms_gather_read(struct ms_store *s, struct ms_item_ref item, struct ms_store_reader **out,
                   struct ms_error *err) MS_MUST_CHECK;
/* The digest of what the slot `load` gives. */
int ms_gather_hash(struct ms_store *s, struct ms_item_ref item, const char *algorithm, char *hex,
                   size_t hex_size, struct ms_error *err) MS_MUST_CHECK;

#endif
