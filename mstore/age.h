/* mstore/age.h - how long an object has been on a member, by the member's own clock: its time and
 * that of an object that is put now come from the same clock, so one that is wrong by years does no
 * harm. One that is set while the object lies there does; therefore ours must agree.
 *
 * Clocks are used for ageing alone: how long marks are kept that are of no use any more. */
#ifndef MSTORE_AGE_H
#define MSTORE_AGE_H

#include "base/sync.h"
#include "mstore/member.h"
#include "mstore/names.h"
#include "mstore/roster.h"

/* How long tombstones and what is in the trash are kept: longer than any operation may live. */
#define MS_GRACE_NS ((int64_t)7 * 24 * 3600 * 1000000000)
/* Nobody is at work on a key any more that long after his first step: five minutes, and 15 for what
 * takes effect late. */
#define MS_WORK_NS ((int64_t)20 * 60 * 1000000000)

/* Now, by the member's clock: the time of an object that is put beside the named one and taken away
 * again. 0: the member tells no times. */
int ms_age_now(struct ms_member *m, const struct ms_own_name *beside, int64_t *now_ns,
               struct ms_error *err) MS_MUST_CHECK;

struct ms_ages {           /* of all members, asked once each; zero it, and */
    struct ms_mutex mutex; /* init this one */
    struct {
        bool known;
        int64_t ahead_ns; /* of the roster's monotonic clock */
    } member[MS_MEMBERS_MAX];
};
/* The time since_ns (of an object, or in a name) is so long ago, by the member's clock and by ours.
 * False also when nobody can tell. Any thread. */
bool ms_age_is(struct ms_ages *ages, struct ms_roster *roster, unsigned member,
               const struct ms_own_name *beside, int64_t since_ns, int64_t age_ns);
/* The same by the member's clock alone. */
bool ms_age_there(struct ms_ages *ages, struct ms_roster *roster, unsigned member,
                  const struct ms_own_name *beside, int64_t since_ns, int64_t age_ns);

#endif
