/* tests/support/upkept.h - a fleet with some immutable keys, looked after by mstore/upkeep.h. */
#ifndef SUPPORT_UPKEPT_H
#define SUPPORT_UPKEPT_H

#include "mstore/upkeep.h"
#include "tests/support/fleet.h"

#define UPKEPT_KEYS 40

/* Stores them: each under its digest, from nothing up to 156 KB. */
void upkept_put(struct fleet *f);
/* A new fleet with them, on which nothing runs any more. */
void upkept_fill(struct fleet *f, const char *policy, unsigned members);
/* A run that must not fail; the report is the caller's. */
struct ms_upkeep_report *upkept_run(struct fleet *f, enum ms_upkeep_task task, bool deep, bool dry);
struct ms_upkeep_report *upkept_scrub(struct fleet *f, bool deep);
/* A scrub sees all keys, and finds nothing. */
void upkept_assert_clean(struct fleet *f, bool deep);

#endif
