/* mstore/inventory.h - what all members have of one namespace, key by key.
 *
 * The members' trees (mstore/tree.h) side by side: each step gives the smallest key that anybody
 * has, and every object that lies under it, whoever holds it. Memory is bounded by pages per member
 * and by what lies under one key; each folder is listed once per member (and per level, where
 * several are configured). The members are read ahead in parallel.
 *
 * A member that fails, from the start or on the way, is left out from then on, and known at once:
 * ms_inventory_missing grows, ms_inventory_error says why. What that means for completeness is the
 * caller's to judge (ms_list_tolerates in mstore/list.h). Entries say what was seen, whoever failed
 * later. To resume: start_after with the last key.
 *
 * One thread at a time. Holds a reference of the roster. */
#ifndef MSTORE_INVENTORY_H
#define MSTORE_INVENTORY_H

#include "mstore/names.h"
#include "mstore/roster.h"

#define MS_INVENTORY_KIND(kind) (1U << (kind)) /* MS_INVENTORY_KIND(MS_OWN_OBJECT) | … */

struct ms_inventory_options {
    struct ms_view space;
    const unsigned *levels; /* all that are configured; copied, like all here */
    size_t level_count;
    unsigned kinds;             /* of objects: MS_INVENTORY_KIND, or-ed; those that have keys */
    struct ms_uuid hints_about; /* with MS_OWN_HINT: this member */
    bool witnesses;             /* ask them too */
    struct ms_view start_after, prefix; /* of keys */
    bool whole_key;                     /* the prefix is the one key that is asked for */
    bool names_only;                    /* sizes and times of objects are not wanted */
};

struct ms_object {           /* one object */
    unsigned member;         /* index in the layout */
    struct ms_own_name name; /* its views: the entry's key, the namespace */
    uint64_t stored_bytes;   /* of the object; 0 with names_only */
    int64_t mtime_ns;
};
struct ms_inventory_entry {
    struct ms_view key;
    const struct ms_object *objects; /* by member, kind, level, name; at least one */
    size_t count;
};

struct ms_inventory;

int ms_inventory_open(struct ms_roster *roster, const struct ms_inventory_options *options,
                      struct ms_inventory **out, struct ms_error *err) MS_MUST_CHECK;
/* The next key; borrowed until the next call. NULL: the end. Fails only for reasons that are no
 * member's: CANCELLED, NO_MEMORY. */
int ms_inventory_next(struct ms_inventory *inv, const struct ms_inventory_entry **out,
                      struct ms_error *err) MS_MUST_CHECK;
/* Members that were to be asked, and those of them that have failed so far. */
size_t ms_inventory_members(const struct ms_inventory *inv);
size_t ms_inventory_missing(const struct ms_inventory *inv);
/* Why the layout's member has failed; NULL: it has not, or was not to be asked. */
const struct ms_error *ms_inventory_error(const struct ms_inventory *inv, size_t member);
/* Names passed over on that member, about: as far as it has been read ahead. *example: one of them
 * ("": none; lives as long as the inventory); may be NULL. */
uint64_t ms_inventory_strangers(const struct ms_inventory *inv, size_t member,
                                const char **example);
uint64_t ms_inventory_all_strangers(const struct ms_inventory *inv);
void ms_inventory_close(struct ms_inventory *inv); /* NULL is safe */

#endif
