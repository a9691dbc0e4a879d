/* mstore/immutable_parts.h - inside of mstore/immutable.h: what its files share. */
#ifndef MSTORE_IMMUTABLE_PARTS_H
#define MSTORE_IMMUTABLE_PARTS_H

#include "mstore/immutable.h"
#include "mstore/value_parts.h"

/* Names follow from the key alone. */
bool ms_immutable_is_direct(const struct ms_site *site);
/* As far as it follows from policy and key. */
int ms_immutable_shape(const struct ms_site *site, struct ms_value_shape *out,
                       struct ms_error *err) MS_MUST_CHECK;
/* Of a new write; size: of the value, or MS_OWN_SIZE_UNKNOWN. */
int ms_immutable_new_shape(const struct ms_site *site, struct ms_ids *ids, uint64_t size,
                           struct ms_value_shape *out, struct ms_error *err) MS_MUST_CHECK;
struct ms_value_rule ms_immutable_rule(const struct ms_site *site);
int ms_immutable_check_pre(const struct ms_precondition *pre, struct ms_error *err) MS_MUST_CHECK;
/* hex: the value's SHA-256. */
int ms_immutable_check_key(const struct ms_site *site, const char *hex,
                           struct ms_error *err) MS_MUST_CHECK;

/* The member (by index of the layout) may have missed something. */
bool ms_immutable_is_returning(const struct ms_site *site, unsigned member);
/* So many members are silent, and so many that have missed something have nothing: a deletion that
 * came late may have taken what a later store had put there, and the rest be at the silent ones. */
bool ms_immutable_hidden(const struct ms_site *site, unsigned silent, unsigned lost);
/* Before a store: that it counts, whatever was deleted. A call only while members have missed
 * something. */
int ms_immutable_revive(const struct ms_site *site, struct ms_error *err) MS_MUST_CHECK;
/* Whether that takes a call; makes none itself. */
int ms_immutable_doubt(const struct ms_site *site, bool *out, struct ms_error *err) MS_MUST_CHECK;

/* The value that the key has before a store (mstore/immutable_rival.c). */
struct ms_immutable_rival {
    char shown[MS_VALUE_SHOWN];     /* the key, for messages */
    struct ms_store_reader *reader; /* NULL: there is none that could be in the way */
    uint64_t compared;              /* bytes */
};
/* After a failure there is nothing to close. CONFLICT: the key has several. */
int ms_immutable_rival_open(const struct ms_site *site, struct ms_immutable_rival *out,
                            struct ms_error *err) MS_MUST_CHECK;
/* The next bytes of what is stored, and that they were all. CONFLICT: they are not the rival's. */
int ms_immutable_rival_compare(struct ms_immutable_rival *r, struct ms_view bytes,
                               struct ms_error *err) MS_MUST_CHECK;
int ms_immutable_rival_end(const struct ms_immutable_rival *r, struct ms_error *err) MS_MUST_CHECK;
/* All bytes of another item that is there. */
int ms_immutable_rival_read(struct ms_immutable_rival *r, const struct ms_site *site,
                            struct ms_error *err) MS_MUST_CHECK;
void ms_immutable_rival_close(struct ms_immutable_rival *r);
/* All of that at once. */
int ms_immutable_no_rival(const struct ms_site *site, struct ms_view value,
                          struct ms_error *err) MS_MUST_CHECK;

/* How much of one write is there at most under the item's own mark: copies, or different shards.
 * What is there under the other mark (ms_value_find) helps to read the item, and does not vouch for
 * it.
 */
unsigned ms_immutable_most(const struct ms_value_finding *f);

/* Where the value is or may be. */
struct ms_immutable_where {
    struct ms_value_shape shape;
    struct ms_value_place *places; /* owned */
    size_t count;
    bool everywhere; /* nobody else could have any */
    char sha256[65]; /* "": not to be checked */
};
void ms_immutable_where_fini(struct ms_immutable_where *w);
/* The first guess: from the key, or from listing some members. NOT_FOUND. */
int ms_immutable_guess(const struct ms_site *site, struct ms_immutable_where *out,
                       struct ms_error *err) MS_MUST_CHECK;
/* After a load failed: places that are known from listing everybody. NOT_FOUND, or the error of a
 * member that may have it. */
int ms_immutable_search(const struct ms_site *site, struct ms_immutable_where *out,
                        struct ms_error *err) MS_MUST_CHECK;
struct ms_value_query ms_immutable_query(const struct ms_immutable_where *w);
/* What a load that ended in `code` is to say: NOT_FOUND where no acknowledged value can be. */
int ms_immutable_verdict(const struct ms_site *site, const struct ms_immutable_where *w, int code,
                         struct ms_error *err) MS_MUST_CHECK;

/* Steps 2 to 4 of a deletion (mstore/immutable_delete.c) that makes the site's item, live or
 * soft-deleted, the other one. found: so much of it (ms_immutable_most) has been seen there; 0: not
 * known. */
int ms_immutable_turn(const struct ms_site *site, struct ms_write_id id, unsigned found,
                      struct ms_error *err) MS_MUST_CHECK;
int ms_immutable_nothing(const struct ms_site *site, struct ms_error *err); /* NOT_FOUND */
/* No complete write was found: NOT_FOUND, or who may have it. */
int ms_immutable_judge(const struct ms_site *site, const struct ms_value_finding *f,
                       struct ms_error *err) MS_MUST_CHECK;
/* 0: what was found counts. NOT_FOUND: it is at members that were away alone, and was deleted
 * meanwhile. */
int ms_immutable_alive(const struct ms_site *site, const struct ms_value_finding *f,
                       struct ms_error *err) MS_MUST_CHECK;
/* The same of what a load got from `w`; without a call unless all of it came from such members. */
int ms_immutable_believe(const struct ms_site *site, const struct ms_immutable_where *w,
                         struct ms_error *err) MS_MUST_CHECK;

#endif
