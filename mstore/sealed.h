/* mstore/sealed.h - a text with its seal at the end, as it lies on members:
 *
 *     TEXT
 *     [seal]
 *     hmac-sha256 = 64 lower-case hex digits
 *
 * over every byte of TEXT. Any thread. */
#ifndef MSTORE_SEALED_H
#define MSTORE_SEALED_H

#include "mstore/seal.h"

#define MS_SEALED_MORE 87 /* bytes that a seal adds */

int ms_sealed_make(struct ms_view text, const char *purpose, const struct ms_seal_key *key,
                   struct ms_buf **out, struct ms_error *err) MS_MUST_CHECK;
/* *text: what is sealed, inside `sealed`. MS_ERR_UNTRUSTED: no seal or a wrong one; the sentence is
 * about `what` ("the layout") from `source`. */
int ms_sealed_open(struct ms_view sealed, const char *source, const char *what, const char *purpose,
                   const struct ms_seal_key *key, struct ms_view *text,
                   struct ms_error *err) MS_MUST_CHECK;

#endif
