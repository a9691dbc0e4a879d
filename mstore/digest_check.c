/* mstore/digest_check.c - see mstore/digest_check.h. */
#include "mstore/digest_check.h"

#include "base/hash.h"
#include "base/sync.h"
#include "base/text.h"

#include <stdlib.h>

int ms_digest_fits_key(struct ms_view key, const char *hex, struct ms_error *err)
{
    if (ms_equal(key, ms_str(hex)))
        return 0;
    return ms_error_set(err, MS_ERR_INVALID,
                        "the key %s is not the value's SHA-256, %s: the namespace keeps each value "
                        "under its digest (verify = sha256)",
                        MS_SHOW(key), hex);
}

struct ms_digest_check {
    char digest[MS_SHA256_HEX]; /* "": of no value */
    uint64_t size;
    struct ms_mutex mutex; /* of what follows */
    struct ms_hash *hash;
    uint64_t taken;
    bool wrong;
};

int ms_digest_check_new(struct ms_view digest, uint64_t size, struct ms_digest_check **out,
                        struct ms_error *err)
{
    struct ms_digest_check *c = calloc(1, sizeof *c);
    if (!c)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for hashing a value");
    int code = ms_hash_new("sha256", &c->hash, err);
    if (code) {
        free(c);
        return code;
    }
    if (digest.size < sizeof c->digest)
        memcpy(c->digest, digest.data, digest.size);
    c->size = size;
    ms_mutex_init(&c->mutex);
    *out = c;
    return 0;
}

/* All of it has come. */
static int compare_locked(struct ms_digest_check *c, struct ms_error *err)
{
    char hex[MS_HASH_HEX_MAX];
    int code = ms_hash_hex(c->hash, hex, sizeof hex, err);
    if (!code)
        c->wrong = strcmp(hex, c->digest) != 0;
    return code;
}

int ms_digest_check_take(struct ms_digest_check *c, uint64_t offset, struct ms_view bytes,
                         struct ms_error *err)
{
    int code = 0;
    MS_HOLD(&c->mutex);
    if (offset <= c->taken && bytes.size > c->taken - offset) {
        size_t known = (size_t)(c->taken - offset);
        code = ms_hash_update(c->hash, ms_view(bytes.data + known, bytes.size - known), err);
        c->taken = offset + bytes.size;
        if (!code && c->taken == c->size)
            code = compare_locked(c, err);
    }
    if (!code && c->wrong)
        code = ms_error_set(err, MS_ERR_CORRUPT,
                            "what was read is damaged: its SHA-256 is not the key (verify = "
                            "sha256); run heal --deep");
    return code;
}

void ms_digest_check_free(struct ms_digest_check *c)
{
    if (!c)
        return;
    ms_hash_free(c->hash);
    ms_mutex_fini(&c->mutex);
    free(c);
}
