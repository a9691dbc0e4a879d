/* mstore/member.h - one member, as the rest of the room sees it: calls on its storage, each timed,
 * judged by its health, and made only once the storage has proven to be this member's.
 *
 * A member is opened by the first call that needs it. Its storage must carry its mark (the object
 * "mstore-UUID/member", sealed): an empty or another storage at its URL (a mount that is missing, a
 * disk in the wrong slot) is recognised and never written to. After it did not answer for a while
 * the mark is looked at again.
 *
 * Names are the backend's own (mstore/names.h, store/nesting.h). Calls mean what those of
 * mstore/backend.h mean, and may come from many threads. Errors begin with the member's name. */
#ifndef MSTORE_MEMBER_H
#define MSTORE_MEMBER_H

#include "mstore/health.h"
#include "mstore/seal.h"
#include "mstore/uuid.h"

#include <mstore/backend.h>

struct ms_member;

struct ms_member_options {
    const char *name; /* for messages; copied */
    struct ms_uuid store;
    struct ms_uuid uuid;           /* zero: not known yet */
    const struct ms_seal_key *key; /* of the mark; copied */
    struct ms_clock *clock;
    uint64_t seed;
    const char *counted_as; /* the store's URL in the statistics; NULL: calls are not counted */
    bool keeps_values;      /* the values beside its own objects may be older than the store */
};

/* Owns backend (closed) on success. One reference. */
int ms_member_new(const struct ms_member_options *options, struct ms_backend *backend,
                  struct ms_member **out, struct ms_error *err) MS_MUST_CHECK;
/* References are counted: what is left running by a call holds one. The last one closes the storage
 * and frees it. */
struct ms_member *ms_member_ref(struct ms_member *m);
void ms_member_unref(struct ms_member *m);
const char *ms_member_name(const struct ms_member *m);
const struct ms_uuid *ms_member_uuid(const struct ms_member *m);
/* Why its storage could not be made (mstore/no_backend.h). Borrowed; NULL: it could. */
const struct ms_error *ms_member_unmade(const struct ms_member *m);
struct ms_health *ms_member_health(struct ms_member *m);
/* It has been away, as far as anybody here knows: it did not answer for a while since it was made
 * or settled, somebody said so, or there are marks of it (mstore/away.h). Then it may have missed
 * deletions. */
bool ms_member_returning(const struct ms_member *m);
void ms_member_set_returning(struct ms_member *m);
/* What it missed has been made up for, as far as its notes say: marks of it stay. */
void ms_member_settle(struct ms_member *m);
/* Whether there are marks of it, as enough members say. If not, the absences until the question was
 * asked (ms_member_absences) have made it miss nothing. */
uint64_t ms_member_absences(const struct ms_member *m);
void ms_member_set_marked(struct ms_member *m, bool marked, uint64_t absences);
/* For messages: no secrets. */
const char *ms_member_url(const struct ms_member *m);
struct ms_clock *ms_member_clock(const struct ms_member *m);

/* For a member whose UUID is not known until the layout has been read from it: until then its mark
 * is not looked at. Calls that began before may still be under way. */
void ms_member_identify(struct ms_member *m, const struct ms_uuid *store,
                        const struct ms_uuid *uuid);
/* Forgets that it was sick, for somebody who is about to put that right. */
void ms_member_forgive(struct ms_member *m);
/* For a call that cannot do without this member (its majority needs it): 0: the member answers,
 * also if it did not a moment ago; its breaker keeps the next call from nobody. One caller at a
 * time looks, the others wait for what it finds. An error when it does not answer, or did not a
 * moment ago (ms_health_demand). */
int ms_member_insist(struct ms_member *m, struct ms_error *err) MS_MUST_CHECK;

/* ---- making and ending: one caller at a time ---- */

struct ms_layout; /* mstore/layout.h */
/* Whether ms_member_create would take the storage. Changes nothing. STORE_EXISTS: it carries
 * another mark of the same store, or holds another store, or anything else unless the member keeps
 * values. */
int ms_member_look(struct ms_member *m, struct ms_error *err) MS_MUST_CHECK;
/* Makes the storage this member's: creates it unless it is there, looks as above, puts the mark. */
int ms_member_create(struct ms_member *m, struct ms_error *err) MS_MUST_CHECK;
/* Looks at the mark again, once others have put theirs. STORE_EXISTS: one of them put it here. */
int ms_member_prove(struct ms_member *m, struct ms_error *err) MS_MUST_CHECK;
/* Takes away the mark that this process put. */
void ms_member_withdraw(struct ms_member *m);
/* After that of all who may share it: the storage, when this process made it and nothing is in it.
 */
void ms_member_unmake(struct ms_member *m);
/* The member that the mark on the storage names, whoever that is. */
int ms_member_owner(struct ms_member *m, struct ms_uuid *out, struct ms_error *err) MS_MUST_CHECK;
/* Whether ms_member_destroy may be called: the storage answers, is this member's, and what lies in
 * it is the store's: its own folder, and the folders of the layout's plain namespaces (with a plain
 * root: anything). EXISTS: something else is there; CONNECTION: no storage of this member. */
int ms_member_may_end(struct ms_member *m, const struct ms_layout *layout,
                      struct ms_error *err) MS_MUST_CHECK;
/* Removes the storage with all it holds; where the member keeps values, only the store's own
 * folder. again: it was begun before, when all members might be ended: the storage may be gone, or
 * have lost its mark. */
int ms_member_destroy(struct ms_member *m, const struct ms_layout *layout, bool again,
                      struct ms_error *err) MS_MUST_CHECK;
/* Removes the storage of a member that is gone, when it has its mark and nothing but what the store
 * has left: its own folder, and empty ones. EXISTS: something else is there. */
int ms_member_destroy_left(struct ms_member *m, struct ms_error *err) MS_MUST_CHECK;
/* Opens it now and looks at the mark. NO_STORE: none there (nothing is, or nothing of this store);
 * UNTRUSTED: another member's, or a wrong seal. */
int ms_member_open(struct ms_member *m, struct ms_error *err) MS_MUST_CHECK;
/* Of an open member; until then none are known. */
void ms_member_capabilities(struct ms_member *m, struct ms_capabilities *out);

int ms_member_info(struct ms_member *m, struct ms_view name, struct ms_info *out,
                   struct ms_error *err) MS_MUST_CHECK;
int ms_member_load(struct ms_member *m, struct ms_view name, int64_t offset, uint64_t size,
                   struct ms_buf **out, struct ms_info *info, struct ms_error *err) MS_MUST_CHECK;
int ms_member_store(struct ms_member *m, struct ms_view name, struct ms_buf *value,
                    const struct ms_precondition *pre, struct ms_tag *tag,
                    struct ms_error *err) MS_MUST_CHECK;
/* The member has said that it did not, and will not, do it. */
bool ms_member_refused(int code);
/* As a store without condition. *maybe: it failed, but may still take effect, also much later. */
int ms_member_put(struct ms_member *m, struct ms_view name, struct ms_buf *value, bool *maybe,
                  struct ms_error *err) MS_MUST_CHECK;
int ms_member_delete(struct ms_member *m, struct ms_view name, struct ms_error *err) MS_MUST_CHECK;
int ms_member_delete_many(struct ms_member *m, struct ms_deletion *items, size_t count,
                          struct ms_error *err) MS_MUST_CHECK;
int ms_member_mkdir(struct ms_member *m, struct ms_view name, struct ms_error *err) MS_MUST_CHECK;
int ms_member_rmdir(struct ms_member *m, struct ms_view name, struct ms_error *err) MS_MUST_CHECK;
int ms_member_move(struct ms_member *m, struct ms_view from, struct ms_view to,
                   const struct ms_precondition *pre, struct ms_error *err) MS_MUST_CHECK;
int ms_member_hash(struct ms_member *m, struct ms_view name, const char *algorithm, char *hex,
                   size_t hex_size, struct ms_error *err) MS_MUST_CHECK;
int ms_member_usage(struct ms_member *m, uint64_t *total_bytes, uint64_t *free_bytes,
                    struct ms_error *err) MS_MUST_CHECK;
int ms_member_sweep(struct ms_member *m, uint64_t age_ns, uint64_t *removed,
                    struct ms_error *err) MS_MUST_CHECK;
/* All entries of one folder, in order; a missing folder has none. fn's result other than 0 ends
 * it and is returned; the entry is borrowed. */
typedef int (*ms_member_entry)(void *ctx, const struct ms_entry *entry, struct ms_error *err);
int ms_member_list(struct ms_member *m, struct ms_view folder,
                   const struct ms_list_request *request, ms_member_entry fn, void *ctx,
                   struct ms_error *err) MS_MUST_CHECK;

/* Streams. The handles are the backend's. For the member's health each append, read, commit is a
 * call; in the statistics a stream is one. NULL after commit and abort. */
struct ms_member_spent { /* so far; atomic: several threads may read */
    uint64_t time, bytes;
    int code;
};
struct ms_member_writer {
    struct ms_member *member;
    struct ms_writer *writer;
    struct ms_member_spent spent;
};
int ms_member_write(struct ms_member *m, struct ms_view name, uint64_t size_hint,
                    const struct ms_precondition *pre, struct ms_member_writer *out,
                    struct ms_error *err) MS_MUST_CHECK;
int ms_member_append(struct ms_member_writer *w, struct ms_view bytes,
                     struct ms_error *err) MS_MUST_CHECK;
int ms_member_commit(struct ms_member_writer *w, struct ms_tag *tag /* may be NULL */,
                     struct ms_error *err) MS_MUST_CHECK;
void ms_member_abort(struct ms_member_writer *w);
struct ms_member_reader {
    struct ms_member *member;
    struct ms_reader *reader;
    struct ms_member_spent spent;
};
int ms_member_read(struct ms_member *m, struct ms_view name, struct ms_member_reader *out,
                   struct ms_error *err) MS_MUST_CHECK;
/* As ms_reader_read. */
int ms_member_read_at(struct ms_member_reader *r, uint64_t offset, uint8_t *into, size_t size,
                      size_t *got, struct ms_error *err) MS_MUST_CHECK;
void ms_member_read_close(struct ms_member_reader *r);
/* Where nothing is listed the storage may be another one, or have lost its mount while it was in
 * use: that is no answer. NO_STORE: its mark is not there any more. */
int ms_member_is_there(struct ms_member *m, struct ms_error *err) MS_MUST_CHECK;
/* A streaming listing: as ms_backend_list, but a missing folder is empty. */
struct ms_member_lister {
    struct ms_member *member;
    struct ms_lister *lister; /* NULL: empty */
};
int ms_member_list_open(struct ms_member *m, struct ms_view folder,
                        const struct ms_list_request *request, struct ms_member_lister *out,
                        struct ms_error *err) MS_MUST_CHECK;
int ms_member_list_next(struct ms_member_lister *l, const struct ms_entry **out,
                        struct ms_error *err) MS_MUST_CHECK;
void ms_member_list_close(struct ms_member_lister *l);

#endif
