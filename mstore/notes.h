/* mstore/notes.h - notes about a member (hints), as they lie on another one: a folder for each
 * member, in it those of namespaces and keys. Storages with folders keep empty ones: these say
 * nothing. */
#ifndef MSTORE_NOTES_H
#define MSTORE_NOTES_H

#include "mstore/member.h"
#include "mstore/names.h"

/* Whether the keeper has a note about the member: a few listings, as far as the first one. */
int ms_notes_any(struct ms_member *keeper, const struct ms_uuid *store, const struct ms_uuid *about,
                 bool *any, struct ms_error *err) MS_MUST_CHECK;
/* After the note of that name was taken away: the folders that it lay in go, up to that of the
 * member, as long as they are empty. */
void ms_notes_prune(struct ms_member *keeper, const struct ms_own_name *note, struct ms_view name);

#endif
