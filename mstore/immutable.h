/* mstore/immutable.h - the verbs of an immutable namespace: a key determines its value, so a copy
 * is as good as any other, and storing a key again changes nothing.
 *
 * The site says whether the live or the soft-deleted item of the key is meant: they are two items,
 * stored, deleted and listed independently.
 *
 *     copies, or verify = sha256   names follow from the key: a load is one call (k calls)
 *     ec without verify            names have an ID of their own and the size: a load lists first
 *
 * With `verify = sha256` a key must be the value's digest, and what is loaded whole is held against
 * it. Without, a store in shards looks whether the key has another value, and is refused then
 * (mstore/immutable_rival.c); copies are replaced. Clients that store different values in the same
 * moment may still both succeed, which is a mistake of theirs: a load returns one of them, whole
 * and never a mixture; scrub reports it as a conflict, heal keeps what most objects hold, or what
 * came first. A load under way notices when it gets to see two lengths (CONFLICT).
 *
 * Any thread. */
#ifndef MSTORE_IMMUTABLE_H
#define MSTORE_IMMUTABLE_H

#include "mstore/ids.h"
#include "mstore/roster.h"
#include "store/store.h"

/* Objects that a write needs to count: most of the targets' (a listing finds it then), and under ec
 * k and half of the m, rounded down: with one of 2+1 members dead stores go on. */
unsigned ms_immutable_needs(const struct ms_site *site);

/* pre: ALWAYS only; others are UNSUPPORTED as long as clients cannot agree on who was first. With
 * verify: MS_ERR_INVALID when the key is not the value's SHA-256. ec without verify: CONFLICT when
 * the key has another value, which stays. */
int ms_immutable_store(const struct ms_site *site, struct ms_ids *ids, struct ms_buf *value,
                       const struct ms_precondition *pre, struct ms_error *err) MS_MUST_CHECK;
/* NOT_FOUND only when too few members are out of reach to hold an acknowledged value; else the
 * error of the one that is. */
int ms_immutable_load(const struct ms_site *site, int64_t offset, uint64_t size,
                      struct ms_buf **out, struct ms_error *err) MS_MUST_CHECK;
int ms_immutable_info(const struct ms_site *site, struct ms_item_info *out,
                      struct ms_error *err) MS_MUST_CHECK;
/* For good: a tombstone on a majority of the key's voters, then at all members that answer; the
 * others are noted. A copy that such a member still has, when it is back, does not count
 * (ms_member_returning). NOT_FOUND. Storing the key again, later, makes it exist again. */
int ms_immutable_delete(const struct ms_site *site, struct ms_ids *ids,
                        struct ms_error *err) MS_MUST_CHECK;
/* The live item becomes the soft-deleted one of its key, or the other way round, whatever the site
 * says. A soft-deleted item that is there already is replaced, or deleted first. NOT_FOUND;
 * undelete: EXISTS when there is a live item. After an error it may have happened or not, or be
 * finished by the next heal. Two at once on one key may both succeed. */
int ms_immutable_soft_delete(const struct ms_site *site, struct ms_ids *ids,
                             struct ms_error *err) MS_MUST_CHECK;
int ms_immutable_undelete(const struct ms_site *site, struct ms_ids *ids,
                          struct ms_error *err) MS_MUST_CHECK;
/* In a stream, in bounded memory. Nothing is visible before the commit. size_hint 0: unknown. An
 * append or the commit of another value: CONFLICT, as above. */
int ms_immutable_write(const struct ms_site *site, struct ms_ids *ids, uint64_t size_hint,
                       const struct ms_precondition *pre, struct ms_store_writer **out,
                       struct ms_error *err) MS_MUST_CHECK;
int ms_immutable_read(const struct ms_site *site, struct ms_store_reader **out,
                      struct ms_error *err) MS_MUST_CHECK;
int ms_immutable_hash(const struct ms_site *site, const char *algorithm, char *hex, size_t hex_size,
                      struct ms_error *err) MS_MUST_CHECK;

#endif
