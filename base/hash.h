/* base/hash.h - digests by name, from OpenSSL. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <mstore/base.h>

#define MS_HASH_HEX_MAX 129 /* hex of the longest digest, with the NUL */
#define MS_SHA256_HEX   65

struct ms_hash;

/* MS_ERR_INVALID names the algorithm when it is unknown ("sha256" "sha512" "sha3-256" "blake2b512"
 * "sha1" "md5" …; hashlib's "blake2b" and "sha3_256" spellings too). Extendable-output ones are
 * refused. */
int ms_hash_new(const char *algorithm, struct ms_hash **out, struct ms_error *err) MS_MUST_CHECK;
int ms_hash_update(struct ms_hash *h, struct ms_view bytes, struct ms_error *err) MS_MUST_CHECK;
/* hex_size must be large enough: MS_HASH_HEX_MAX always is. */
int ms_hash_hex(struct ms_hash *h, char *hex, size_t hex_size, struct ms_error *err) MS_MUST_CHECK;
void ms_hash_free(struct ms_hash *h);
int ms_sha256_hex(struct ms_view bytes, char hex[MS_SHA256_HEX],
                  struct ms_error *err) MS_MUST_CHECK;

#endif
