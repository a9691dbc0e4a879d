/* mstore/seal.h - proof that a text comes from somebody who has the store's key: HMAC-SHA256 (RFC
 * 2104), with a key of its own for each purpose, so that a seal of one kind of text is never good
 * for another. Members may be other people's machines; they never see the key. Any thread.
 */
#ifndef MSTORE_SEAL_H
#define MSTORE_SEAL_H

#include <mstore/base.h>

#define MS_SEAL_SIZE 32
#define MS_SEAL_HEX  64 /* digits */

struct ms_seal_key { /* a secret: wipe it after use */
    uint8_t bytes[MS_SEAL_SIZE];
};

/* 64 hex digits of either case. MS_ERR_INVALID; the message never shows them. */
int ms_seal_key_parse(const char *text, struct ms_seal_key *out,
                      struct ms_error *err) MS_MUST_CHECK;
/* HMAC(HMAC(key, purpose), text). MS_ERR_INTERNAL: OpenSSL cannot. */
int ms_seal_make(const struct ms_seal_key *key, const char *purpose, struct ms_view text,
                 uint8_t out[MS_SEAL_SIZE], struct ms_error *err) MS_MUST_CHECK;
/* In a time that does not depend on where they differ. */
bool ms_seal_equal(const uint8_t a[MS_SEAL_SIZE], const uint8_t b[MS_SEAL_SIZE]);

#endif
