/* mstore/mark.h - the mark by which a member's storage is known: the object "mstore-UUID/member".
 *
 *     [member]
 *     store = UUID
 *     uuid = UUID
 *     [seal]
 *     hmac-sha256 = 64 hex digits
 *
 * There is exactly one right text for a member (docs/formats.md). Pure: any thread. */
#ifndef MSTORE_MARK_H
#define MSTORE_MARK_H

#include "mstore/seal.h"
#include "mstore/uuid.h"

int ms_mark_make(const struct ms_uuid *store, const struct ms_uuid *member,
                 const struct ms_seal_key *key, struct ms_buf **out,
                 struct ms_error *err) MS_MUST_CHECK;
/* 0: it is that member's. MS_ERR_UNTRUSTED: another member's, another key's, or damaged. The
 * sentence is about "the storage". */
int ms_mark_check(struct ms_view found, const struct ms_uuid *store, const struct ms_uuid *member,
                  const struct ms_seal_key *key, struct ms_error *err) MS_MUST_CHECK;

/* Whom a mark names. False: it is none of that store and key. */
bool ms_mark_named(struct ms_view found, const struct ms_uuid *store, const struct ms_seal_key *key,
                   struct ms_uuid *out);

#endif
