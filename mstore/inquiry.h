/* mstore/inquiry.h - asking all members that a client has at once, whatever layout is in force: for
 * the layouts that lie on them, and for making and ending them. */
#ifndef MSTORE_INQUIRY_H
#define MSTORE_INQUIRY_H

#include "base/fan.h"
#include "mstore/self.h"

/* The newest final layout, and the one proposed to follow it; NULL: none. Owned. */
struct ms_layouts {
    struct ms_layout *final, *proposed;
    /* Only members have it that are gone by it, and all others were asked: what is left of a store
     * that is there no more, or whose members' storage is not. There is no `final` then. */
    struct ms_layout *left;
    uint64_t asked_ns; /* by ms_lease_now; and who answered: only to be compared */
    size_t heard_count;
    const struct ms_member *heard[MS_MEMBERS_MAX];
};
void ms_layouts_free(struct ms_layouts *l);
/* One of each, the newer. Takes from `other`. */
void ms_layouts_merge(struct ms_layouts *l, struct ms_layouts *other);

struct ms_inquiry { /* shared by the legs; the fan's release frees it */
    struct ms_uuid store;
    struct ms_seal_key key;
    size_t count;
    struct ms_member **members;     /* references */
    struct ms_layouts *found;       /* by leg */
    const struct ms_layout *layout; /* what is to be stored, or what the legs go by; borrowed */
    uint64_t epoch;                 /* of what is to be stored */
    bool final;
    struct ms_buf *sealed;
};

/* Of the members given; those that are NULL are left out. */
int ms_inquiry_new(const struct ms_self *self, struct ms_member *const members[], size_t count,
                   struct ms_inquiry **out, struct ms_error *err) MS_MUST_CHECK;
/* Starts a leg for each member. Takes q. */
int ms_inquiry_start(struct ms_inquiry *q, ms_fan_fn fn, struct ms_fan **out,
                     struct ms_error *err) MS_MUST_CHECK;

/* Of the members given (NULL among them: left out) all must succeed; else the first failure of the
 * first member. layout: to be stored, or what the legs go by, or NULL. */
int ms_inquiry_all(struct ms_self *self, struct ms_member *const members[], size_t count,
                   ms_fan_fn fn, const struct ms_layout *layout,
                   struct ms_error *err) MS_MUST_CHECK;
/* Asks all, waits for most of them and a second for the rest. Nothing found: *out is empty; an
 * error then when somebody could not say.
 * rest (may be NULL), for who opens a store: then nobody else is waited for once most members of
 * the layout in force have shown it, none has shown a proposed one, and it is no older than what
 * was seen here. *rest is what goes on, also after an error: to be released, NULL when nothing
 * began. */
int ms_inquiry_layouts(struct ms_self *self, struct ms_layouts *out, struct ms_fan **rest,
                       struct ms_error *err) MS_MUST_CHECK;
/* Stores a layout at a majority of the members given (NULL among them: not to be had), and does not
 * wait long for the others. what: for the sentence. */
int ms_inquiry_publish(struct ms_self *self, const struct ms_layout *layout,
                       struct ms_member *const members[], size_t count, const char *what,
                       struct ms_error *err) MS_MUST_CHECK;

/* The epochs of the newest layouts, in force and proposed, that lie on one member; 0: none. */
int ms_inquiry_latest(struct ms_member *m, const struct ms_uuid *store, uint64_t *final,
                      uint64_t *proposed, struct ms_error *err) MS_MUST_CHECK;

/* One layout of a member, by its epoch and phase. */
int ms_inquiry_load(struct ms_member *m, const struct ms_uuid *store, const struct ms_seal_key *key,
                    uint64_t epoch, bool final, struct ms_layout **out,
                    struct ms_error *err) MS_MUST_CHECK;
/* What that has ended with: what lies there is damaged, or another one, and of no use to anybody.
 */
static inline bool ms_inquiry_is_damage(int code)
{
    return code == MS_ERR_UNTRUSTED || code == MS_ERR_CORRUPT;
}

/* Legs. */
int ms_inquiry_leg_store(void *shared, unsigned leg, struct ms_error *err);

#endif
