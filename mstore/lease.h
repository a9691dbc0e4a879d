/* mstore/lease.h - what a client knows of others' doings, and for how long it may believe it.
 *
 * Nobody tells a client that another one deleted a key while a member was away, or that the layout
 * changes. So it asks all members for news, and believes what it heard for MS_LEASE_NS from the
 * moment it began to ask. Whoever makes others' knowledge outdated leaves word on a majority of the
 * members first, and goes on only when everybody's knowledge from before that has run out. After
 * Gray and Cheriton, "Leases" (SOSP 1989), with storages that cannot call back.
 *
 *     news           the layout's epochs (names below mstore-UUID/layout), and marks that say a
 *                    member must not be believed (mstore/away.h)
 *     answered       by so many members that every majority has one among them
 *     term           10 s, by a clock that goes on while the machine sleeps; who waits, waits a
 *                    tenth longer, for clocks that run at different speeds
 *
 * A lease is renewed in the background when half of it is over, as long as operations ask for it.
 * Where too few members answer for several seconds, each asked in earnest, operations go on without
 * (`lost`): better the value on the last member than none. Then a deletion that this member missed
 * is not known here.
 *
 * One for each roster, made and freed with it. Any thread. */
#ifndef MSTORE_LEASE_H
#define MSTORE_LEASE_H

#include "mstore/away.h"

#define MS_LEASE_NS (UINT64_C(10) * 1000000000)

struct ms_lease;

enum { MS_NEWS_LAYOUT = 1, MS_NEWS_AWAY = 2, MS_NEWS_ALL = 3 };

int ms_lease_new(struct ms_lease **out, struct ms_error *err) MS_MUST_CHECK;
void ms_lease_free(struct ms_lease *l);
/* Before its first use. seed: of the ids of marks, which nobody else may draw; term_ns 0: the
 * usual. */
void ms_lease_configure(struct ms_lease *l, uint64_t seed, uint64_t term_ns);

/* 0: what was heard of these parts may be believed by an operation that begins now. Asks first if
 * need be. Else who did not answer. */
int ms_lease_trust(struct ms_roster *r, unsigned parts, struct ms_error *err) MS_MUST_CHECK;
/* The same, but never goes on without: for what must not be done under an outdated layout. */
int ms_lease_insist(struct ms_roster *r, unsigned parts, struct ms_error *err) MS_MUST_CHECK;
/* Asks now, whatever is known; for who opens a store. A failure means that too few answered. */
int ms_lease_poll(struct ms_roster *r, unsigned parts, struct ms_error *err) MS_MUST_CHECK;
/* The same, and waits a moment for the rest of the members once enough have answered: for who must
 * see what one of them alone knows. */
int ms_lease_poll_all(struct ms_roster *r, unsigned parts, struct ms_error *err) MS_MUST_CHECK;
/* Whether what was heard still holds: for an operation's end. No call. */
bool ms_lease_holds(struct ms_roster *r, unsigned parts);
/* The same at the end of an operation that began while it did: asks once more if need be. BUSY: the
 * layout was changed meanwhile. */
int ms_lease_still(struct ms_roster *r, struct ms_error *err) MS_MUST_CHECK;
/* A newer layout than the roster's is known of. */
bool ms_lease_outdated(struct ms_roster *r);
/* A random number that nobody else draws. */
uint64_t ms_lease_draw(struct ms_roster *r);
/* The newest layout that any member has shown: epoch 0: none. */
void ms_lease_layout(struct ms_roster *r, uint64_t *epoch, bool *final);

/* What has just been heard of layouts otherwise, asked for at began_ns and answered by enough. */
void ms_lease_heard(struct ms_roster *r, uint64_t began_ns, uint64_t epoch, bool final);
/* Puts the marks that are known once more, so that they are on a majority also where there are new
 * members. */
int ms_lease_pass_on(struct ms_roster *r, struct ms_error *err) MS_MUST_CHECK;

/* The lease's time, and a wait until nobody believes any more what he heard before since_ns of it
 * (when word of the change was on a majority). what: for who waits. MS_ERR_CANCELLED. */
uint64_t ms_lease_now(struct ms_roster *r);
int ms_lease_outlast(struct ms_roster *r, uint64_t since_ns, const char *what,
                     struct ms_error *err) MS_MUST_CHECK;

/* A change has missed members, or may still reach them late: when it returns 0 everybody knows not
 * to believe them without asking others, until they are settled (mstore/away.h). missed: by index
 * of the layout's members. Waits only when that is news: where a mark has been there for long
 * enough nothing is asked. `done` (may be NULL) is asked now and then during the wait: true ends it
 * early. What is to be made up for must be noted before. */
int ms_lease_disbelieve(struct ms_roster *r, const bool missed[], bool (*done)(void *ctx),
                        void *ctx, struct ms_error *err) MS_MUST_CHECK;

/* What outlives the process (mstore/state.h): the marks that may be relied on now, with their ages;
 * and those of a process before this one, on the same boot of the machine and under the same
 * layout, for the next poll. Their ages count for those marks that members still show. */
size_t ms_lease_known(struct ms_roster *r, struct ms_away_known out[MS_AWAY_KEPT]);
void ms_lease_recall(struct ms_roster *r, const struct ms_away_known past[], size_t count);

/* The end of a store is near: cancels what is asked in the background. */
void ms_lease_stop(struct ms_roster *r);

#endif
