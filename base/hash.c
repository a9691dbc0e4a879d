/* Digests by name, from OpenSSL's EVP. A handle belongs to one thread at a time. */
#include "base/hash.h"

#include "base/text.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct ms_hash {
    EVP_MD *md;
    EVP_MD_CTX *ctx;
};

/* hashlib's spellings where OpenSSL has another. */
static const char *openssl_name(const char *algorithm)
{
    static const char *const spellings[][2] = {
        {"blake2b", "blake2b512"},    {"blake2s", "blake2s256"},    {"sha3_224", "sha3-224"},
        {"sha3_256", "sha3-256"},     {"sha3_384", "sha3-384"},     {"sha3_512", "sha3-512"},
        {"sha512_256", "sha512-256"}, {"sha512_224", "sha512-224"},
    };
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        if (strcmp(algorithm, spellings[i][0]) == 0)
            return spellings[i][1];
    return algorithm;
}

int ms_hash_new(const char *algorithm, struct ms_hash **out, struct ms_error *err)
{
    EVP_MD *md = EVP_MD_fetch(NULL, openssl_name(algorithm), NULL);
    if (!md || (EVP_MD_get_flags(md) & EVP_MD_FLAG_XOF)) {
        EVP_MD_free(md);
        return ms_error_set(err, MS_ERR_INVALID,
                            "no hash algorithm \"%s\"; there are for example sha256, sha512, "
                            "sha3-256 and blake2b512",
                            MS_SHOW(ms_str(algorithm)));
    }
    struct ms_hash *h = malloc(sizeof *h);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!h || !ctx || EVP_DigestInit_ex(ctx, md, NULL) != 1) {
        free(h);
        EVP_MD_CTX_free(ctx);
        EVP_MD_free(md);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a %s digest", algorithm);
    }
    *h = (struct ms_hash){md, ctx};
    *out = h;
    return 0;
}

int ms_hash_update(struct ms_hash *h, struct ms_view bytes, struct ms_error *err)
{
    if (bytes.size && EVP_DigestUpdate(h->ctx, bytes.data, bytes.size) != 1)
        return ms_error_set(err, MS_ERR_INTERNAL, "the digest failed");
    return 0;
}

int ms_hash_hex(struct ms_hash *h, char *hex, size_t hex_size, struct ms_error *err)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (hex_size < 2 * (size_t)EVP_MD_get_size(h->md) + 1)
        return ms_error_set(err, MS_ERR_INVALID, "%zu bytes are too few for this digest in hex",
                            hex_size);
    if (EVP_DigestFinal_ex(h->ctx, digest, &size) != 1)
        return ms_error_set(err, MS_ERR_INTERNAL, "the digest failed");
    ms_hex_encode(hex, digest, size);
    return 0;
}

void ms_hash_free(struct ms_hash *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx);
    EVP_MD_free(h->md);
    free(h);
}

int ms_sha256_hex(struct ms_view bytes, char hex[MS_SHA256_HEX], struct ms_error *err)
{
    struct ms_hash *h = NULL;
    int code = ms_hash_new("sha256", &h, err);
    if (!code)
        code = ms_hash_update(h, bytes, err);
    if (!code)
        code = ms_hash_hex(h, hex, MS_SHA256_HEX, err);
    ms_hash_free(h);
    return code;
}
