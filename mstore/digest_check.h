/* mstore/digest_check.h - whether a value that passes in a stream is the one whose SHA-256 is the
 * key (verify = sha256). Counts are the bytes that come one after the other from the first one on;
 * who reads elsewhere, or with several threads at once, reads ranges, which nothing can be held
 * against. Any thread. */
#ifndef MSTORE_DIGEST_CHECK_H
#define MSTORE_DIGEST_CHECK_H

#include <mstore/base.h>

/* Of a value that is to be stored: INVALID when its digest (lower-case hex) is not the key. */
int ms_digest_fits_key(struct ms_view key, const char *hex, struct ms_error *err) MS_MUST_CHECK;

struct ms_digest_check;

/* Of a value of `size` bytes, more than none. The digest (lower-case hex) is copied. */
int ms_digest_check_new(struct ms_view digest, uint64_t size, struct ms_digest_check **out,
                        struct ms_error *err) MS_MUST_CHECK;
/* Bytes that were read at `offset`, before they are given out. CORRUPT with the last one when the
 * whole has another digest, and from then on. */
int ms_digest_check_take(struct ms_digest_check *c, uint64_t offset, struct ms_view bytes,
                         struct ms_error *err) MS_MUST_CHECK;
void ms_digest_check_free(struct ms_digest_check *c);

#endif
