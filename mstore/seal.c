/* mstore/seal.c - see mstore/seal.h. */
#include "mstore/seal.h"

#include "base/text.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

int ms_seal_key_parse(const char *text, struct ms_seal_key *out, struct ms_error *err)
{
    char lower[MS_SEAL_HEX + 1];
    struct ms_seal_key key;
    bool good = strlen(text) == MS_SEAL_HEX;
    for (size_t i = 0; good && i <= MS_SEAL_HEX; i++)
        lower[i] = (char)(text[i] >= 'A' && text[i] <= 'F' ? text[i] - 'A' + 'a' : text[i]);
    good = good && ms_hex_decode(key.bytes, sizeof key.bytes, lower) == 0;
    if (good)
        *out = key;
    explicit_bzero(lower, sizeof lower);
    explicit_bzero(&key, sizeof key);
    return good ? 0
                : ms_error_set(err, MS_ERR_INVALID,
                               "the key is not 64 hex digits: make one with openssl rand -hex 32");
}

int ms_seal_make(const struct ms_seal_key *key, const char *purpose, struct ms_view text,
                 uint8_t out[MS_SEAL_SIZE], struct ms_error *err)
{
    uint8_t own[MS_SEAL_SIZE], made[MS_SEAL_SIZE];
    struct ms_view p = ms_str(purpose);
    bool good = HMAC(EVP_sha256(), key->bytes, sizeof key->bytes, p.data, p.size, own, NULL) &&
                HMAC(EVP_sha256(), own, sizeof own, text.data ? text.data : (const uint8_t *)"",
                     text.size, made, NULL);
    explicit_bzero(own, sizeof own);
    if (!good)
        return ms_error_set(err, MS_ERR_INTERNAL, "OpenSSL cannot make an HMAC-SHA256");
    memcpy(out, made, sizeof made);
    return 0;
}

bool ms_seal_equal(const uint8_t a[MS_SEAL_SIZE], const uint8_t b[MS_SEAL_SIZE])
{
    return CRYPTO_memcmp(a, b, MS_SEAL_SIZE) == 0;
}
