/* mstore/layout.h - the layout that all clients of an MStore share: its members and the policies of
 * its namespaces, as INI text with an epoch. docs/formats.md has the bytes.
 *
 * URLs and secrets are not in it: they are each client's own (mstore/conf.h). A layout is a value,
 * immutable once read: any thread.
 */
#ifndef MSTORE_LAYOUT_H
#define MSTORE_LAYOUT_H

#include "mstore/placement.h"
#include "mstore/seal.h"

#include <mstore/store.h>

#define MS_LAYOUT_NAME_MAX  64  /* of a member or zone */
#define MS_LAYOUT_SPACE_MAX 100 /* of a namespace */
#define MS_LAYOUT_SPACES    256 /* namespaces */
#define MS_SHARDS_MAX       255 /* K + M */

struct ms_layout_member {
    char name[MS_LAYOUT_NAME_MAX + 1];
    char zone[MS_LAYOUT_NAME_MAX + 1]; /* its own name when none was given */
    struct ms_uuid uuid;               /* zero: not made yet (a local file before `create`) */
    uint32_t weight, buckets;          /* weight: 1 when none was given */
    bool has_weight, has_buckets;
    enum ms_member_state state;
    unsigned line; /* of the section in the text it came from; 0: none */
};

/* immutable: the key determines the value; mutable: any key, overwritable; plain: bytes exactly as
 * BorgStore keeps them. */
enum ms_layout_kind { MS_KIND_IMMUTABLE, MS_KIND_MUTABLE, MS_KIND_PLAIN };
enum ms_redundancy {
    MS_REDUNDANCY_ALL,
    MS_REDUNDANCY_COPIES,
    MS_REDUNDANCY_EC,
    MS_REDUNDANCY_NONE
};

struct ms_layout_space {                /* a namespace */
    char name[MS_LAYOUT_SPACE_MAX + 1]; /* "": the root and whatever nothing else matches */
    enum ms_layout_kind kind;
    enum ms_redundancy redundancy;
    unsigned copies, k, m; /* of `copies N`, of `ec K+M` */
    unsigned levels[MS_LEVELS_MAX];
    size_t level_count; /* at least 1 */
    bool verify;        /* sha256: the key is the value's digest */
    bool compress;      /* zstd */
    enum ms_names names;
    unsigned line, redundancy_line, verify_line, compress_line;
    bool has_kind;
};

enum ms_layout_phase { MS_LAYOUT_PROPOSED, MS_LAYOUT_FINAL };

struct ms_layout {
    struct ms_uuid uuid; /* of the store; zero: not made yet */
    uint64_t epoch;      /* from 1; 0: a local file's */
    enum ms_layout_phase phase;
    enum ms_placement_kind placement;
    struct ms_layout_member *members; /* in the order of the text: `buckets` depends on it */
    size_t member_count;
    struct ms_layout_space *spaces; /* by name */
    size_t space_count;
};

void ms_layout_free(struct ms_layout *layout);
/* NULL: none. */
const struct ms_layout_member *ms_layout_member(const struct ms_layout *layout, const char *name);
const struct ms_layout_member *ms_layout_member_of(const struct ms_layout *layout,
                                                   const struct ms_uuid *uuid);
/* The longest name that is the path ("data/sub") or leads to it; NULL: none. */
const struct ms_layout_space *ms_layout_space(const struct ms_layout *layout, struct ms_view path);

/* ---- text ---- */

/* Reads and checks. MS_ERR_CONFIG: "SOURCE:LINE: …", one sentence with what to do. */
int ms_layout_parse(struct ms_view text, const char *source, struct ms_layout **out,
                    struct ms_error *err) MS_MUST_CHECK;
/* What ms_layout_parse checks once all lines are read, for a layout made otherwise too (source
 * NULL: sentences without SOURCE:LINE). */
int ms_layout_check(const struct ms_layout *layout, const char *source,
                    struct ms_error *err) MS_MUST_CHECK;
/* MS_ERR_UNSUPPORTED: values of a namespace could not be written by this build, which lacks a
 * library; the sentence says which. */
int ms_layout_check_build(const struct ms_layout *layout, struct ms_error *err) MS_MUST_CHECK;
/* The canonical text: equal layouts have equal bytes, and it parses to an equal layout. */
int ms_layout_format(const struct ms_layout *layout, struct ms_buf **out,
                     struct ms_error *err) MS_MUST_CHECK;
/* "all", "copies 3", "ec 4+2", "none" */
#define MS_REDUNDANCY_TEXT 32
const char *ms_redundancy_format(const struct ms_layout_space *space,
                                 char text[MS_REDUNDANCY_TEXT]);

/* What is allowed but deserves a word, as whole sentences: a mutable namespace that tolerates no
 * lost member, one without redundancy, fewer zones than copies. */
void ms_layout_notes(const struct ms_layout *layout, void (*note)(void *ctx, const char *sentence),
                     void *ctx);
/* Where the namespaces that a client's own file has are not those of the layout in force, one
 * sentence each. Those that the file leaves out are no difference. */
void ms_layout_differences(const struct ms_layout *file, const struct ms_layout *in_force,
                           void (*tell)(void *ctx, const char *sentence), void *ctx);
/* How many members may be lost at once, for each namespace's kind (docs/mstore.md). */
unsigned ms_layout_tolerates(const struct ms_layout *layout, const struct ms_layout_space *space);
/* Members that a value of the namespace goes to. */
unsigned ms_layout_targets(const struct ms_layout *layout, const struct ms_layout_space *space);
/* What to ask ms_placement_order for. */
unsigned ms_layout_wanted(const struct ms_layout_space *space);
int ms_layout_placement(const struct ms_layout *layout, struct ms_placement **out,
                        struct ms_error *err) MS_MUST_CHECK;

/* ---- change ---- */

/* The same but for the phase (and where they were read from). */
bool ms_layout_equal(const struct ms_layout *a, const struct ms_layout *b);
/* Whether `next` may come after `now`: a final layout is followed by a proposed one of the next
 * epoch, that by itself made final. Members that are gone stay so, a witness stays one, UUIDs are
 * never given to another, none disappears before it is gone, and no key comes under another kind
 * or rule for names. MS_ERR_CONFIG. */
int ms_layout_follows(const struct ms_layout *now, const struct ms_layout *next,
                      struct ms_error *err) MS_MUST_CHECK;

/* A copy, with room for one more member; NULL: no memory. */
struct ms_layout *ms_layout_copy(const struct ms_layout *layout);
/* `now` with the members at its end that only `next`, which follows it, has: readonly, so that what
 * clients who are further put there is read, and nothing is written yet. NULL: no memory. */
struct ms_layout *ms_layout_join(const struct ms_layout *now, const struct ms_layout *next);

/* ---- as it lies on members ---- */

/* The canonical text and its seal. */
int ms_layout_seal(const struct ms_layout *layout, const struct ms_seal_key *key,
                   struct ms_buf **out, struct ms_error *err) MS_MUST_CHECK;
/* Checks the seal, then reads. MS_ERR_UNTRUSTED: no seal or a wrong one, another store's (uuid may
 * be NULL: any), or an epoch below highest_epoch, the highest this client has seen. */
int ms_layout_open(struct ms_view sealed, const char *source, const struct ms_seal_key *key,
                   const struct ms_uuid *uuid, uint64_t highest_epoch, struct ms_layout **out,
                   struct ms_error *err) MS_MUST_CHECK;

#endif
