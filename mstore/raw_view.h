/* mstore/raw_view.h - an MStore with the face of a backend that speaks wire names: those that a
 * BorgStore client makes of its keys, nested and with ".del" behind what is soft-deleted.
 *
 *     wire name                        item of the MStore
 *     data/01/23/0123abcd              data/0123abcd          (so at any depth: data/01/0123abcd)
 *     data/01/23/0123abcd.del          data/0123abcd, soft-deleted
 *
 * In a namespace with names = borgstore, directories in front of a key that are its nesting are
 * left out, however many levels the client nests; a listing shows the levels of the MStore's own
 * layout. The Store refuses unconfigured namespaces with names as short as a nesting directory, so
 * nothing else is folded together; in the root a key is nested only when the layout has levels
 * there. With names = bytes a name is the key as it is, its '/' included.
 *
 * Moves: what differs in the ".del" alone is a soft delete or an undelete (EXISTS when a live item
 * has the name), in the nesting alone a change of level, in the key a rename. From a live item
 * to another soft-deleted one or back: UNSUPPORTED.
 *
 * Directories are what names have in common, and configured namespaces; those of the nesting are
 * always there, and listed when something is in them. One that was made, or that
 * had something in it, is remembered besides, in this process only and up to RAW_DIRECTORIES of
 * them; by that it is refused to store a value over a directory or below a value as far as this
 * process knows of it. Internal items ("quota.hid") are kept in memory. Any thread. */
#ifndef MSTORE_RAW_VIEW_H
#define MSTORE_RAW_VIEW_H

#include <mstore/backend.h>
#include <mstore/store.h>

/* Takes the MStore (closed), also on failure. Creating, opening and destroying the backend does so
 * with it. */
int ms_raw_view_new(struct ms_store *store, struct ms_backend **out,
                    struct ms_error *err) MS_MUST_CHECK;
/* Over one that is open, and stays the caller's and open as long as the backend is: which is opened
 * and closed by itself, and neither creates nor destroys. */
int ms_raw_view_over(struct ms_store *store, struct ms_backend **out,
                     struct ms_error *err) MS_MUST_CHECK;

#endif
