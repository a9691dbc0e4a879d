/* mstore/placement.h - which members a key belongs to.
 *
 * `rendezvous`: weighted rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to
 * increase hit rates", 1998; weights by the logarithm method of Schindelhauer and Schomaker,
 * "Weighted distributed hash tables", 2005). For each member u = hash(key, member) / 2^64, and
 * members are ranked by -log(u) / weight, smallest first. The hash is SipHash-2-4: of the key's
 * placement part under the store's UUID, then of that under the member's UUID, so that the members
 * of a nested store are chosen independently of the outer one's. All arithmetic is in whole numbers
 * (mstore/log2.h): every machine gets the same order, for ever (golden vectors in the tests).
 *
 * Zones: first the best member of each zone, then the second best of each, and so on; within such a
 * round by rank. So no zone holds two copies while another that could hold one has none, and with
 * Z zones of enough members at most ceil(N / Z) of N copies are in one.
 *
 * `buckets`: the map of 256 buckets of BorgStore's former MStore (docs/formats.md).
 *
 * Adding, removing or reweighting one member replaces at most one member in the targets of any key.
 * Immutable once made: any thread.
 */
#ifndef MSTORE_PLACEMENT_H
#define MSTORE_PLACEMENT_H

#include "mstore/uuid.h"

#define MS_MEMBERS_MAX 512
#define MS_WEIGHT_MAX  1000000000u
#define MS_BUCKETS     256u

/*               new data   its copies count   read   versions and marks
 *   active         yes            yes          yes          yes
 *   draining       no             no           yes          no
 *   readonly       no             yes          yes          no
 *   witness        no             -            -            yes
 *   gone           no             no           no           no            */
enum ms_member_state { MS_ACTIVE, MS_DRAINING, MS_READONLY, MS_WITNESS, MS_GONE };

enum ms_placement_kind { MS_PLACE_RENDEZVOUS, MS_PLACE_BUCKETS };

struct ms_placement_member {
    struct ms_uuid uuid;
    unsigned zone;    /* equal numbers: the same zone */
    uint32_t weight;  /* rendezvous: 1..MS_WEIGHT_MAX; not looked at for witnesses */
    uint32_t buckets; /* buckets: 0..256 */
    enum ms_member_state state;
};

struct ms_placement;

/* Every member that a key may concern, as indexes into the array given to ms_placement_new:
 *
 *     member[0 .. targets)             where a new value's copies or shards go, best first
 *     member[targets .. data)          where else to look, and where to write when a target fails;
 *                                      readonly and draining members are among these
 *     member[data .. data + witnesses) witnesses, best first
 *
 * Members that are gone are not in it. */
struct ms_order {
    unsigned targets, data, witnesses;
    uint16_t member[MS_MEMBERS_MAX];
};

bool ms_order_has_target(const struct ms_order *order, unsigned member);

#define MS_EVERY_MEMBER UINT32_MAX

/* Copies the members. MS_ERR_CONFIG: too many of them, a weight or buckets out of range, buckets
 * whose sum is no positive multiple of 256, a UUID twice. */
int ms_placement_new(enum ms_placement_kind kind, const struct ms_uuid *store,
                     const struct ms_placement_member *members, size_t count,
                     struct ms_placement **out, struct ms_error *err) MS_MUST_CHECK;
void ms_placement_free(struct ms_placement *p);

/* The order for a key, with `wanted` targets (fewer when fewer members are active). In `buckets`
 * MS_EVERY_MEMBER asks for all stores (the former kind `generic`), any other number for those that
 * the bucket of the key is mapped to (`hex-hash`): then MS_ERR_NAME when the key does not begin
 * with two hex digits. */
int ms_placement_order(const struct ms_placement *p, struct ms_view key, unsigned wanted,
                       struct ms_order *out, struct ms_error *err) MS_MUST_CHECK;

/* What of a key decides: what follows its last '/', without one ".del". */
struct ms_view ms_placement_part(struct ms_view key);

#endif
