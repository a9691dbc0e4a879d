/* SHA-256 by OpenSSL, cut to 16 bytes: see checksum.h. The algorithm is fetched once a handle. */
#include "mstore/checksum.h"

#include <openssl/evp.h>
#include <stdlib.h>

struct ms_checksum {
    EVP_MD_CTX *ctx;
    EVP_MD *md;
};

int ms_checksum_new(struct ms_checksum **out, struct ms_error *err)
{
    struct ms_checksum *c = malloc(sizeof *c);
    if (!c)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a checksum");
    *c = (struct ms_checksum){EVP_MD_CTX_new(), EVP_MD_fetch(NULL, "SHA256", NULL)};
    if (!c->ctx || !c->md) {
        bool provider = c->ctx;
        ms_checksum_free(c);
        return provider ? ms_error_set(err, MS_ERR_UNSUPPORTED,
                                       "OpenSSL offers no SHA-256: check its configuration")
                        : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a checksum");
    }
    *out = c;
    return 0;
}

void ms_checksum_free(struct ms_checksum *c)
{
    if (!c)
        return;
    EVP_MD_CTX_free(c->ctx);
    EVP_MD_free(c->md);
    free(c);
}

static int failed(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_INTERNAL, "OpenSSL's SHA-256 failed");
}

int ms_checksum_begin(struct ms_checksum *c, struct ms_error *err)
{
    return EVP_DigestInit_ex2(c->ctx, c->md, NULL) == 1 ? 0 : failed(err);
}

int ms_checksum_add(struct ms_checksum *c, struct ms_view part, struct ms_error *err)
{
    return part.size == 0 || EVP_DigestUpdate(c->ctx, part.data, part.size) == 1 ? 0 : failed(err);
}

int ms_checksum_end(struct ms_checksum *c, uint8_t out[MS_CHECKSUM_SIZE], struct ms_error *err)
{
    uint8_t whole[EVP_MAX_MD_SIZE];
    if (EVP_DigestFinal_ex(c->ctx, whole, NULL) != 1)
        return failed(err);
    memcpy(out, whole, MS_CHECKSUM_SIZE);
    return 0;
}

int ms_checksum_of(struct ms_checksum *c, const struct ms_view parts[], size_t count,
                   uint8_t out[MS_CHECKSUM_SIZE], struct ms_error *err)
{
    int code = ms_checksum_begin(c, err);
    for (size_t i = 0; i < count && code == 0; i++)
        code = ms_checksum_add(c, parts[i], err);
    return code ? code : ms_checksum_end(c, out, err);
}
