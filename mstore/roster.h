/* mstore/roster.h - the layout in force and the members it names: an immutable, reference-counted
 * snapshot. A call takes a reference when it begins and keeps to it; what it leaves running (a late
 * copy) holds one of its own. A new layout makes a new roster over the same members. Any thread. */
#ifndef MSTORE_ROSTER_H
#define MSTORE_ROSTER_H

#include "base/entity.h"
#include "mstore/hedge.h"
#include "mstore/layout.h"
#include "mstore/member.h"
#include "store/store.h"
#include "store/namespaces.h"

struct ms_lease;
struct ms_notice;

struct ms_roster {
    /* While a layout is proposed: ms_layout_join of the one in force and that one. */
    struct ms_layout *layout;       /* owned */
    struct ms_placement *placement; /* owned */
    struct ms_namespaces *names;    /* owned: the rules for keys */
    struct ms_member **members;     /* by index of layout->members; NULL: gone, or no URL for it */
    struct ms_store **mirrors;      /* likewise: each member as a Store by itself, for kind plain;
                                       open; owned; NULL where the member is, and for witnesses */
    struct ms_clock *clock;
    struct ms_hedge *hedge;   /* owned: the budget of all calls that began with this roster */
    struct ms_lease *lease;   /* owned: what is known of others' doings (mstore/lease.h) */
    struct ms_notice *notice; /* owned reference; NULL: nobody is told of waits (mstore/notice.h) */
    struct ms_seal_key key;
    struct ms_entity **counts; /* by index of layout->spaces; NULL: not counted */
    /* What is proposed; NULL: nothing (mstore/change.h). */
    struct ms_layout *next;              /* owned */
    struct ms_placement *next_placement; /* owned */
    uint16_t *next_member; /* by index of next's members: that of layout's; UINT16_MAX: gone */
    size_t own_count;      /* of layout's members, those of the layout in force: they come first */
};

/* Takes the layout on success, and a reference of each member. */
int ms_roster_new(struct ms_layout *layout, struct ms_member *const members[],
                  struct ms_clock *clock, const struct ms_seal_key *key, struct ms_roster **out,
                  struct ms_error *err) MS_MUST_CHECK;
/* From now on what its namespaces do is counted as that store's (mstore/stats.h). Before others
 * have it. */
void ms_roster_count_as(struct ms_roster *r, const char *store);
/* The same while a layout `next` is proposed. joined: ms_layout_join of it and the one in force,
 * which has own_count members; members: by its index. Takes both on success. */
int ms_roster_new_joint(struct ms_layout *joined, size_t own_count, struct ms_layout *next,
                        struct ms_member *const members[], struct ms_clock *clock,
                        const struct ms_seal_key *key, struct ms_roster **out,
                        struct ms_error *err) MS_MUST_CHECK;
struct ms_roster *ms_roster_ref(struct ms_roster *r);
void ms_roster_unref(struct ms_roster *r);
/* Waits until nobody but the caller holds a reference: what calls have left running (late copies,
 * repairs) is done. False: the clock passed deadline_ns first, or the current token fired. */
bool ms_roster_quiet(struct ms_roster *r, uint64_t deadline_ns);

/* One key, and everybody it concerns. Views are the caller's. */
struct ms_site {
    struct ms_roster *roster; /* borrowed */
    const struct ms_layout_space *space;
    struct ms_view space_path, key; /* "data", "0123…"; the path may be longer than space->name */
    unsigned level;                 /* of its names: the last configured one */
    bool deleted;                   /* the soft-deleted item of the key is meant */
    struct ms_order order;          /* see mstore/placement.h: indexes of layout members */
    /* While a layout is proposed: `next` is the order in that one. Votes need both; values go where
     * `order` says, and are read wherever they are. */
    bool joint;
    struct ms_order next;
};
/* whole: "data/0123…"; deleted: a soft-deleted item is meant. MS_ERR_NAME, MS_ERR_CONFIG (no
 * namespace for it). */
int ms_site_of(struct ms_roster *r, struct ms_view whole, bool deleted, struct ms_site *out,
               struct ms_error *err) MS_MUST_CHECK;
/* The i-th of the order; NULL: it is not to be had here. */
static inline struct ms_member *ms_site_member(const struct ms_site *s, unsigned i)
{
    return s->roster->members[s->order.member[i]];
}

/* A namespace's figures; NULL: not counted. */
static inline struct ms_entity *ms_roster_counts(const struct ms_roster *r,
                                                 const struct ms_layout_space *space)
{
    return r->counts && space ? r->counts[space - r->layout->spaces] : NULL;
}
static inline void ms_site_count(const struct ms_site *s, enum ms_event event)
{
    ms_entity_count_event(ms_roster_counts(s->roster, s->space), event);
}

/* The same key as the proposed layout has it. */
static inline struct ms_site ms_site_next(const struct ms_site *s)
{
    struct ms_site next = *s;
    next.order = s->next;
    next.joint = false;
    return next;
}

#endif
