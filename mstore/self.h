/* mstore/self.h - the MStore behind struct ms_store: what its files share.
 *
 *     self.c       the table of verbs; each goes to the kind of the key's namespace (kind.h)
 *     self_move.c  moves
 *     self_count.c the same, each call counted
 *     founding.c   create and open
 *     inquiry.c    asking all members for the layouts on them
 *     adopt.c      taking over a layout: who the members are, the roster made of it
 *     from_file.c  from a configuration file to a closed MStore
 *     remember.c   what is kept in the local state folder
 *     gather.c     streams of kind mutable on their way in
 *
 * Kinds: plain.h, immutable.h, mutable.h.
 */
#ifndef MSTORE_SELF_H
#define MSTORE_SELF_H

#include "base/fan.h"
#include "base/sync.h"
#include "mstore/conf.h"
#include "mstore/ids.h"
#include "mstore/mutable.h"
#include "mstore/notice.h"
#include "mstore/roster.h"
#include "mstore/state.h"
#include "store/store.h"

/* The storage of a member of that name, which was not there when the MStore was made: at that url,
 * or (NULL) the one that the client has for it. NOT_FOUND: it has none. */
typedef int (*ms_self_find_fn)(void *ctx, const char *name, const char *url,
                               struct ms_backend **out, struct ms_error *err);

struct ms_self {
    struct ms_store base;
    struct ms_mconf *conf; /* owned */
    /* Those of the file, by its order; then those found in it later (adopt.c). Owned references. */
    struct ms_member **members; /* room for MS_MEMBERS_MAX */
    size_t member_count;
    struct ms_uuid uuid;
    struct ms_ids *ids; /* owned, like the next */
    struct ms_mutable *mutable;
    struct ms_state *state; /* NULL: closed */
    char *state_folder;
    struct ms_fan *asking; /* opening's questions to members that it did not wait for; or NULL */
    ms_self_find_fn find_member; /* NULL: none are found later */
    void *find_ctx;
    void (*find_free)(void *ctx);
    uint64_t seed, lease_ns;  /* 0: MS_LEASE_NS */
    struct ms_uuid boot;      /* as in the options */
    struct ms_notice *notice; /* owned reference; NULL: nobody wants to know */
    struct ms_mutex mutex;    /* of what follows, held for a pointer's copy only */
    struct ms_cond renewed;
    bool renewing;            /* somebody is taking over another layout */
    struct ms_roster *roster; /* NULL: closed */
};

static inline struct ms_self *ms_self_of(struct ms_store *s)
{
    return (struct ms_self *)s;
}
extern const struct ms_store_ops ms_self_ops;
/* Stores bytes of a file under a key of kind mutable (mstore/mutable.h): what a stream commits. */
int ms_self_store_file(struct ms_store *s, struct ms_item_ref item, int file, uint64_t size,
                       const struct ms_precondition *pre, struct ms_tag *tag,
                       struct ms_error *err) MS_MUST_CHECK;
/* The calls on items and listings alone, not counted: for verbs that are made of others. */
extern const struct ms_store_ops ms_self_verbs;

struct ms_self_options {
    struct ms_clock *clock;
    uint64_t seed;
    bool deterministic; /* write ids come from the seed, too: for simulations */
    unsigned jobs;
    const char *name;         /* for messages: the file's */
    const char *state_folder; /* NULL: the user's; "": none */
    struct ms_uuid boot;      /* the machine's, for a clock that is not the real one; 0: unknown */
    uint64_t lease_ns;        /* 0: MS_LEASE_NS */
    ms_notice_fn waiting;     /* NULL: nobody is told of waits */
    void *waiting_ctx;
    ms_self_find_fn find_member;
    void *find_ctx;
    void (*find_free)(void *ctx); /* when the MStore goes, or was not made */
};
/* Takes conf and the backends (by index of its members), also on failure. */
int ms_self_new(struct ms_mconf *conf, struct ms_backend *backends[],
                const struct ms_self_options *options, struct ms_store **out,
                struct ms_error *err) MS_MUST_CHECK;

/* A new reference of the roster in force. */
struct ms_roster *ms_self_roster(struct ms_self *self);

/* ---- which layout is in force: adopt.c ---- */

struct ms_layouts; /* mstore/inquiry.h */
/* Tells the members who they are. list (may be NULL): those of the layout, by its index; those
 * without a URL here are missing. */
int ms_self_match(struct ms_self *self, const struct ms_layout *layout, struct ms_member **list,
                  struct ms_error *err) MS_MUST_CHECK;
/* Cancels what opening still asks. */
void ms_self_stop_asking(struct ms_self *self);
/* Takes what is newer than the roster in force, and makes one of it. */
int ms_self_adopt(struct ms_self *self, struct ms_layouts *found,
                  struct ms_error *err) MS_MUST_CHECK;
/* Asks the members what is in force, and adopts it. */
int ms_self_renew(struct ms_self *self, struct ms_error *err) MS_MUST_CHECK;
/* The roster for an operation that begins now: the newest that the lease (mstore/lease.h) knows of.
 * A reference, also on failure. */
int ms_self_current(struct ms_self *self, struct ms_roster **out,
                    struct ms_error *err) MS_MUST_CHECK;
/* Whether what was done under that roster may be acknowledged now. */
int ms_self_still(struct ms_self *self, struct ms_roster *roster,
                  struct ms_error *err) MS_MUST_CHECK;
/* The UUID of a member that the file does not pin: it follows from the key and the name. */
int ms_self_member_uuid(const struct ms_self *self, const char *name, struct ms_uuid *out,
                        struct ms_error *err) MS_MUST_CHECK;
/* What needs all members of the file, or the one of that name (NULL: any), does not begin without
 * one whose storage could not be made. 0, or why. */
int ms_self_check_made(const struct ms_self *self, const char *name,
                       struct ms_error *err) MS_MUST_CHECK;
/* A member that is to be added, by the file's name; makes it if need be. MS_ERR_CONFIG: no URL. */
int ms_self_find_member(struct ms_self *self, const char *name, struct ms_member **out,
                        struct ms_error *err) MS_MUST_CHECK;

/* A member of that name at that url, which nobody else gets to know. A reference. */
int ms_self_try_member(struct ms_self *self, const char *name, const char *url,
                       struct ms_member **out, struct ms_error *err) MS_MUST_CHECK;

/* What outlives the process: the members' breakers, the layout's epoch, marks of absence
 * (remember.c). */
int ms_self_recall(struct ms_self *self, struct ms_error *err) MS_MUST_CHECK;
void ms_self_restore(struct ms_self *self, size_t member, const struct ms_uuid *uuid);
/* Before the roster's lease is first used. */
void ms_self_recall_marks(struct ms_self *self, struct ms_roster *roster);
void ms_self_remember(struct ms_self *self, struct ms_roster *roster);

/* Slots: founding.c, defrag.c. */
int ms_self_create(struct ms_store *s, struct ms_error *err);
int ms_self_open(struct ms_store *s, struct ms_error *err);
int ms_self_destroy(struct ms_store *s, struct ms_error *err);
int ms_self_defrag(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                   size_t count, struct ms_view target, const char *algorithm, char *key,
                   size_t key_size, struct ms_error *err);

static inline void ms_roster_cleanup(struct ms_roster **r)
{
    ms_roster_unref(*r);
}
#define MS_AUTO_ROSTER __attribute__((cleanup(ms_roster_cleanup)))

#endif
