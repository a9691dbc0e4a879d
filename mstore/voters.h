/* mstore/voters.h - one call on each of a key's voters (its targets, and one witness when those are
 * even in number), at once, until enough have answered well. Any two majorities have a voter in
 * common; whoever reads `ms_voters_meeting` of them meets every majority. Any thread. */
#ifndef MSTORE_VOTERS_H
#define MSTORE_VOTERS_H

#include "mstore/roster.h"

struct ms_voters { /* one round; embed it first: the calls share what is around it */
    /* One call, from any thread. */
    int (*call)(struct ms_voters *v, const struct ms_site *site, unsigned leg, struct ms_member *m,
                struct ms_error *err);
    void (*free)(struct ms_voters *v); /* when the last call has ended; frees itself */
    /* A call has succeeded: told in the caller's thread. May be NULL. */
    void (*good)(struct ms_voters *v, unsigned leg);
    bool reads;                  /* a call that is left behind is of no use to anybody */
    struct ms_voters_home *home; /* ms_voters_ask's own */
};

unsigned ms_voters_count(const struct ms_site *site);
/* By its number: targets, then the witness. The layout's index. */
unsigned ms_voters_member(const struct ms_site *site, unsigned i);
static inline unsigned ms_voters_majority(const struct ms_site *site)
{
    return ms_voters_count(site) / 2 + 1;
}
/* So many of them have one of every majority among them. */
static inline unsigned ms_voters_meeting(const struct ms_site *site)
{
    return ms_voters_count(site) - ms_voters_majority(site) + 1;
}
/* Calls all of them and returns when `need` have succeeded; the others have patience_ns more, then
 * they are left behind. Takes v, also on failure. what: "a deletion", for the sentence. */
int ms_voters_ask(const struct ms_site *site, struct ms_voters *v, unsigned need,
                  uint64_t patience_ns, const char *what, struct ms_error *err) MS_MUST_CHECK;

#endif
