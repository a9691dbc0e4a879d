/* store/quota_backend.h - a backend that keeps the one behind it below a number of bytes: the quota
 * of Stores (store/quota.c) for names that are nested already. Any thread. */
#ifndef STORE_QUOTA_BACKEND_H
#define STORE_QUOTA_BACKEND_H

#include <mstore/backend.h>
#include <mstore/store.h>

/* Takes the backend (closed), also on failure. quota_bytes 0: no limit; what an earlier session
 * counted is removed before the first change. */
int ms_quota_backend_new(struct ms_backend *inner, uint64_t quota_bytes, struct ms_backend **out,
                         struct ms_error *err) MS_MUST_CHECK;
/* Of one that this made, open. */
int ms_quota_backend_get(struct ms_backend *b, struct ms_quota *out,
                         struct ms_error *err) MS_MUST_CHECK;

#endif
