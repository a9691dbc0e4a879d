/* mstore/notes.h - notes about a member (hints), as they lie on another one: a folder for each
 * member, in it those of namespaces and keys. Storages with folders keep empty ones: these say
 * nothing. */
#ifndef MSTORE_NOTES_H
#define MSTORE_NOTES_H

#include "mstore/member.h"
#include "mstore/names.h"

/* IDs of notes about an immutable key that are of no write: the member lacks something and a put of
 * it may still come (it was not waited for); only the latter, what it lacked was made up for. */
#define MS_NOTE_PENDING ((struct ms_write_id){.counter = 0, .writer = 2})
#define MS_NOTE_OF_LATE ((struct ms_write_id){.counter = 0, .writer = 1})

/* Whether the keeper has a note of something that the member lacks: a few listings, as far as the
 * first one. */
int ms_notes_any(struct ms_member *keeper, const struct ms_uuid *store, const struct ms_uuid *about,
                 bool *any, struct ms_error *err) MS_MUST_CHECK;
/* How many it has: each key's have a folder, which costs a listing, several at once. After `most`
 * of them, or some hundred folders more than that, it ends. */
struct ms_notes_count {
    uint64_t notes; /* `most` at most; when it fails, those seen before */
    bool more;      /* there are others, or it was not looked into all folders */
};
int ms_notes_count(struct ms_member *keeper, const struct ms_uuid *store,
                   const struct ms_uuid *about, uint64_t most, struct ms_notes_count *out,
                   struct ms_error *err) MS_MUST_CHECK;
/* After the note of that name was taken away: the folders that it lay in go, up to that of the
 * member, as long as they are empty. */
void ms_notes_prune(struct ms_member *keeper, const struct ms_own_name *note, struct ms_view name);

#endif
