/* mstore/store_backend.h - a Store with the face of a backend: so that a store of many members can
 * be a member of another.
 *
 * What the outer one calls a name is one key in the inner one's root namespace, with the byte 1
 * where the name has '/': folders then sort among other names as backends list them, and nothing of
 * the outer one's looks like the inner one's own. The inner store must take any bytes as keys and
 * let them be overwritten: its [namespace] is of kind mutable or plain with names = bytes.
 *
 * Directories are what names have in common; there are no empty ones. Any thread. */
#ifndef MSTORE_STORE_BACKEND_H
#define MSTORE_STORE_BACKEND_H

#include <mstore/backend.h>
#include <mstore/store.h>

/* Says whether the store, open or not, can be used so; NULL: any can. */
typedef int (*ms_store_fits)(struct ms_store *store, struct ms_error *err);

/* Takes the store (closed), also on failure. Creating, opening and destroying the backend does so
 * with the store. */
int ms_store_backend_new(struct ms_store *store, ms_store_fits fits, struct ms_backend **out,
                         struct ms_error *err) MS_MUST_CHECK;

#endif
