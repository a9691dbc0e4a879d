/* mstore/plain.h - namespaces of kind plain: each member keeps the values as they are, in an
 * ordinary Store of its own (ms_roster.mirrors), which BorgStore can open by itself.
 *
 * Reading asks the member expected to answer first, the next one when it fails or is late, and says
 * NOT_FOUND only when so few members could not be asked that none of them can have the key.
 * Changing goes to all targets at once and counts when most of N have done it, or one of two (a
 * dead half of a mirror stops nobody); under `copies N` the next member takes the place of a failed
 * target, until the next store or heal. What members missed is noted before a change is
 * acknowledged, and they are not believed about it until heal has been there (mstore/plain_hint.h).
 * Conditions on what is there are UNSUPPORTED: they need agreement among members.
 *
 * Any thread. */
#ifndef MSTORE_PLAIN_H
#define MSTORE_PLAIN_H

#include "mstore/roster.h"
#include "store/store.h"

int ms_plain_load(const struct ms_site *site, struct ms_item_ref item, int64_t offset,
                  uint64_t size, struct ms_buf **out, struct ms_error *err) MS_MUST_CHECK;
int ms_plain_info(const struct ms_site *site, struct ms_item_ref item, struct ms_item_info *out,
                  struct ms_error *err) MS_MUST_CHECK;
int ms_plain_hash(const struct ms_site *site, struct ms_item_ref item, const char *algorithm,
                  char *hex, size_t hex_size, struct ms_error *err) MS_MUST_CHECK;
int ms_plain_read(const struct ms_site *site, struct ms_item_ref item, struct ms_store_reader **out,
                  struct ms_error *err) MS_MUST_CHECK;

int ms_plain_store(const struct ms_site *site, struct ms_item_ref item, struct ms_buf *value,
                   const struct ms_precondition *pre, struct ms_error *err) MS_MUST_CHECK;
int ms_plain_remove(const struct ms_site *site, struct ms_item_ref item,
                    struct ms_error *err) MS_MUST_CHECK;
/* to, new_key: of RENAME, which needs the same members for both keys; else NULL, nothing. */
int ms_plain_move(const struct ms_site *site, enum ms_move how, struct ms_item_ref item,
                  const struct ms_site *to, struct ms_view new_key,
                  struct ms_error *err) MS_MUST_CHECK;
int ms_plain_write(const struct ms_site *site, struct ms_item_ref item, uint64_t size_hint,
                   const struct ms_precondition *pre, struct ms_store_writer **out,
                   struct ms_error *err) MS_MUST_CHECK;

#endif
