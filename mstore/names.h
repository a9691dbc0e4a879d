/* mstore/names.h - the names of an MStore's own objects on its members.
 *
 *     mstore-UUID/member                                   whose storage this is
 *     mstore-UUID/layout/EPOCH.PHASE                       PHASE: p proposed, f final
 *     mstore-UUID/obj/KEYPATH/ID.SIZE.MARK                 a version of a mutable key
 *     mstore-UUID/obj/KEYPATH/ID.SIZE.MARK.KKMMII          a shard; a copy is one with K 1, M 0
 *     mstore-UUID/val/FLATPATH!ID.SIZE.MARK.KKMMII         a shard of an immutable key
 *     mstore-UUID/val/FLATPATH!+ID.SIZE.MARK.KKMMII        staged: see mstore/staged.h
 *     mstore-UUID/tomb/KEYPATH/ID.SIZE.MARK                a tombstone; MARK: see mstore/tombs.h
 *     mstore-UUID/hint/MEMBER/KEYPATH/ID                   MEMBER lacks the write ID
 *     mstore-UUID/intent/KEYPATH/ID.OP                     an operation under way
 *     mstore-UUID/block/KEYPATH/NUMBER                     a block of Disk Paxos
 *     mstore-UUID/block/KEYPATH/ID.NUMBER                  likewise, about what follows a version
 *     mstore-UUID/trash/KEYPATH/TIME.ID.SIZE.MARK.KKMMII   set aside at TIME
 *
 *     KEYPATH  n.NAMESPACE! / k.CHUNK, / k.PIECE+ / k.REST!   namespace and key escaped as in
 *              store/names.h; as many chunks of two characters as there are levels; pieces of 120
 *              characters while more than 120 are left
 *     FLATPATH the same, with pieces of 80 characters, and the object's own part right behind the
 *              last '!' instead of in a folder: one listing of a chunk's folder tells all its keys
 *     ID       COUNTER-WRITER, 16 lower-case hex digits each; COUNTER-WRITER_NEXT, 16 more, for the
 *              NEXT-th of those that follow it directly
 *     SIZE     the value's, 16 hex digits, or 16 '-' where the name must follow from the key alone
 *     MARK     l live, d deleted, s soft-deleted; of tombstones also t (mstore/tombs.h)
 *     KKMMII   K, M and the shard's index, two hex digits each
 *     OP       d delete, s soft delete, u undelete, r rename
 *
 * '!' < '+' < ',' < every character of an escaped key: below one level count, names sort as the
 * namespaces and keys do, and below a key as IDs do: the last name is the
 * newest version. No part has more than 143 bytes (what eCryptfs holds), fewer than three (which a
 * Store takes for nesting), or ends in .tmp, .hid, .del; all obey BorgStore's rule for characters
 * (not for length). Pure: any thread.
 */
#ifndef MSTORE_NAMES_H
#define MSTORE_NAMES_H

#include "mstore/uuid.h"
#include "store/names.h"
#include "store/nesting.h"

#define MS_OWN_SPACE_MAX    100
#define MS_OWN_LEVELS_MAX   MS_LEVELS_MAX
#define MS_OWN_SIZE_UNKNOWN UINT64_MAX

enum ms_own_kind {
    MS_OWN_MEMBER,
    MS_OWN_LAYOUT,
    MS_OWN_OBJECT,
    MS_OWN_TOMBSTONE,
    MS_OWN_HINT,
    MS_OWN_INTENT,
    MS_OWN_BLOCK,
    MS_OWN_TRASH,
    MS_OWN_VALUE,
    MS_OWN_STAGED, /* beside the values of its key, and before them */
};
enum ms_own_mark { MS_OWN_LIVE, MS_OWN_DELETED, MS_OWN_SOFT_DELETED, MS_OWN_TAKEN_BACK };
enum ms_own_op { MS_OWN_DELETE, MS_OWN_SOFT_DELETE, MS_OWN_UNDELETE, MS_OWN_RENAME };

struct ms_write_id { /* order: counter, then writer, then next */
    uint64_t counter, writer;
    uint64_t next; /* of mutable keys: how many stores with a condition came directly after it */
};
struct ms_own_name {
    enum ms_own_kind kind;
    struct ms_uuid store;
    struct ms_view space, key; /* of all but member and layout; key not empty */
    unsigned level;
    struct ms_write_id id; /* block: the version it is about, with of_version */
    uint64_t size;         /* object, value, staged, tombstone, trash; MS_OWN_SIZE_UNKNOWN */
    enum ms_own_mark mark;
    unsigned k, m, index;  /* object, trash, value, staged; k 0: no shard (not of the last two) */
    struct ms_uuid member; /* hint */
    enum ms_own_op op;     /* intent */
    uint64_t time;         /* trash, seconds since 1970 */
    uint64_t number;       /* block */
    bool of_version;       /* block; an id of zeros: about the first version */
    uint64_t epoch;        /* layout */
    bool final;            /* layout */
};
struct ms_own_parsed {
    struct ms_own_name name; /* its views lie in here: do not copy */
    uint8_t space[MS_OWN_SPACE_MAX], key[MS_BYTES_KEY_MAX];
};

int ms_write_id_compare(const struct ms_write_id *a, const struct ms_write_id *b);

/* MS_ERR_NAME: the namespace or key is too long, or its name for a storage whose parts have at most
 * name_max_bytes (0: no limit but MS_NAME_MAX for all of it). */
int ms_own_format(const struct ms_own_name *name, unsigned name_max_bytes, struct ms_name *out,
                  struct ms_error *err) MS_MUST_CHECK;
/* The folder that holds the objects of the name's kind (and member, for hints), of its namespace,
 * of its key; without the final '/'. For kinds that have keys. */
enum ms_own_depth { MS_OWN_OF_KIND, MS_OWN_OF_SPACE, MS_OWN_OF_KEY };
int ms_own_folder(const struct ms_own_name *name, enum ms_own_depth depth, unsigned name_max_bytes,
                  struct ms_name *out, struct ms_error *err) MS_MUST_CHECK;
/* Of a value (MS_OWN_VALUE, MS_OWN_STAGED): MS_OWN_OF_KEY is the folder in which the key's objects
 * lie beside those of others (the chunk's, or the last piece's), and this is how their names in it
 * begin ("k.REST!"): as `start_after` of a listing it leads to the first of them. */
#define MS_OWN_BEGIN_MAX 83
int ms_own_begin(const struct ms_own_name *name, char out[MS_OWN_BEGIN_MAX], size_t *size,
                 struct ms_error *err) MS_MUST_CHECK;
/* Characters of a piece of a key. */
size_t ms_own_piece(enum ms_own_kind kind);
/* Blocks about the version id: how their last parts begin ("ID."); listed after this text they come
 * first. */
#define MS_OWN_ABOUT_MAX 52
size_t ms_own_about(const struct ms_write_id *id, char out[MS_OWN_ABOUT_MAX]);
/* False: not what ms_own_format writes (somebody else's, or a later version's). */
bool ms_own_parse(struct ms_view text, struct ms_own_parsed *out) MS_MUST_CHECK;
/* Begins like the name of an object of this MStore's own: no user's key may. Other MStores' may,
 * which keep theirs in this one. */
bool ms_own_reserved(struct ms_view name, const struct ms_uuid *store);

#endif
