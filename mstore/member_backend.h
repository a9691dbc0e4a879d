/* mstore/member_backend.h - a member with the face of a backend: for a Store that keeps a
 * namespace's values on it as they are (kind plain). Opening and closing it do nothing: the member
 * is opened by the first call that needs it. It claims every capability; what the storage lacks,
 * its calls answer with UNSUPPORTED, but for a move only if absent: it is looked first then. Any
 * thread. */
#ifndef MSTORE_MEMBER_BACKEND_H
#define MSTORE_MEMBER_BACKEND_H

#include "mstore/member.h"

/* Holds a reference of m until it is freed. */
int ms_member_backend_new(struct ms_member *m, struct ms_backend **out,
                          struct ms_error *err) MS_MUST_CHECK;

#endif
