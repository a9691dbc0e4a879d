/* store/untracked.h - a Store without a quota: what an earlier session counted for one goes. */
#ifndef STORE_UNTRACKED_H
#define STORE_UNTRACKED_H

#include "store/filter.h"

/* As ms_quota_wrap with no limit. */
int ms_untracked_wrap(struct ms_store *inner, struct ms_store **out,
                      struct ms_error *err) MS_MUST_CHECK;

#endif
