/* store/flat_store.h - a backend with the face of a Store whose keys are the backend's names: so
 * that filters for Stores serve where names are nested already. No namespaces, no soft delete (it
 * is in the names), no rule for names but the backend's. Any thread. */
#ifndef STORE_FLAT_STORE_H
#define STORE_FLAT_STORE_H

#include <mstore/backend.h>
#include <mstore/store.h>

/* Takes the backend (closed) on success. */
int ms_flat_store_new(struct ms_backend *backend, struct ms_store **out,
                      struct ms_error *err) MS_MUST_CHECK;

#endif
