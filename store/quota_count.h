/* store/quota_count.h - the count of bytes that a Store with a quota keeps on its storage.
 *
 * The internal item "quota.hid" holds the number in ASCII decimal, no newline: BorgStore's file.
 * Several processes may keep it: each adds its change to the number that is there.
 */
#ifndef STORE_QUOTA_COUNT_H
#define STORE_QUOTA_COUNT_H

#include "store/store.h"

/* The number kept; missing or unreadable as a number: counted anew over all items, and kept if
 * the storage lets us. */
int ms_quota_count_open(struct ms_store *inner, uint64_t *out, struct ms_error *err) MS_MUST_CHECK;
/* Adds change to the number kept, never below 0; *out is the result. */
int ms_quota_count_add(struct ms_store *inner, int64_t change, uint64_t *out,
                       struct ms_error *err) MS_MUST_CHECK;
/* Success, too, when there is none. */
int ms_quota_count_remove(struct ms_store *inner, struct ms_error *err) MS_MUST_CHECK;

#endif
