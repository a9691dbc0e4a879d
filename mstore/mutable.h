/* mstore/mutable.h - the verbs of mutable namespaces: any key, any number of writers, overwritable.
 *
 * Loads, stores, deletes of one key by any number of clients look as if done one at a time
 * (mstore/versions.h says how). One that ended in an error may have happened or not, unless its
 * sentence says that nothing was changed. A key is live, soft-deleted, or neither; its newest
 * version says which.
 *
 * A store with a condition (only-if-absent, if-tag) is decided by the key's voters, exactly, for
 * values up to 8 MiB (mstore/follow.h).
 *
 * soft delete, undelete and rename first read and then write. A store without a condition at the
 * same time wins over them, but nobody takes back what they saw: of two of them at once both may
 * succeed; so may two deletes; and what a store with a condition has put meanwhile they replace.
 *
 * A site is the caller's, made of one roster, which the call uses to its end. Any thread. */
#ifndef MSTORE_MUTABLE_H
#define MSTORE_MUTABLE_H

#include "mstore/held.h"
#include "mstore/roster.h"
#include "mstore/value.h"
#include "store/store.h"

#include <mstore/store.h>

struct ms_mutable;

/* seed: different for every client of a store, ever: write ids are made of it. */
int ms_mutable_new(uint64_t seed, struct ms_mutable **out, struct ms_error *err) MS_MUST_CHECK;
void ms_mutable_free(struct ms_mutable *m);

/* options NULL: live, without a condition. tag may be NULL. */
int ms_mutable_store(struct ms_mutable *m, const struct ms_site *site, struct ms_buf *value,
                     const struct ms_store_value_options *options, struct ms_tag *tag,
                     struct ms_error *err) MS_MUST_CHECK;
/* options NULL: all of the live value. Ranges are clipped. NOT_FOUND. */
int ms_mutable_load(struct ms_mutable *m, const struct ms_site *site,
                    const struct ms_load_options *options, struct ms_buf **out,
                    struct ms_error *err) MS_MUST_CHECK;
int ms_mutable_info(struct ms_mutable *m, const struct ms_site *site, bool deleted,
                    struct ms_item_info *out, struct ms_error *err) MS_MUST_CHECK;
/* For good. NOT_FOUND. */
int ms_mutable_delete(struct ms_mutable *m, const struct ms_site *site, bool deleted,
                      struct ms_error *err) MS_MUST_CHECK;
/* As ms_store_move; `to` only for RENAME: while it runs both names may be there, never neither. */
int ms_mutable_move(struct ms_mutable *m, enum ms_move how, const struct ms_site *site,
                    const struct ms_site *to, bool deleted, struct ms_error *err) MS_MUST_CHECK;

/* In a stream, in bounded memory: the version that is the newest now. One up to MS_MUTABLE_HELD is
 * read at once. Of a longer one that is replaced while it is read, later reads may be CONFLICT. */
#define MS_MUTABLE_HELD MS_HELD_MAX
int ms_mutable_read(const struct ms_site *site, bool deleted, struct ms_store_reader **out,
                    struct ms_error *err) MS_MUST_CHECK;
int ms_mutable_hash(const struct ms_site *site, bool deleted, const char *algorithm, char *hex,
                    size_t hex_size, struct ms_error *err) MS_MUST_CHECK;
/* Stores the first `size` bytes of a file, from there to the members in bounded memory. (While the
 * layout is being changed, through memory: MS_ERR_TOO_LARGE beyond MS_MUTABLE_JOINT_MAX.) */
#define MS_MUTABLE_JOINT_MAX (UINT64_C(1) << 30)
int ms_mutable_store_file(struct ms_mutable *m, const struct ms_site *site, int file, uint64_t size,
                          const struct ms_store_value_options *options, struct ms_tag *tag,
                          struct ms_error *err) MS_MUST_CHECK;
/* Brings a key to where it should be: its newest version on every voter, nothing below it, and a
 * deletion that is over gone. *whole: nothing is left to be done but waiting for a deletion's
 * grace period; else a voter was away or would not. Safe beside everything else, at any time. */
int ms_mutable_heal(const struct ms_site *site, bool *whole, struct ms_error *err) MS_MUST_CHECK;
/* Likewise. *seen: what the voters hold since (at least), and why not more; NULL: not known. */
struct ms_versions;
int ms_mutable_heal_seen(const struct ms_site *site, bool *whole, struct ms_versions **seen,
                         struct ms_error *err) MS_MUST_CHECK;

/* Puts what was agreed on that follows the newest version, and what follows that. While a layout is
 * proposed: under both, also for those who know only the next one. */
int ms_mutable_follow_up(const struct ms_site *site, struct ms_error *err) MS_MUST_CHECK;

#endif
