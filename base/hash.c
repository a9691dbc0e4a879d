/* Digests by name, from OpenSSL's providers. One thread at a time per handle. */
#include "base/hash.h"

#include "base/text.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>

struct ms_hash {
    EVP_MD_CTX *ctx;
    size_t digest_size;
};

/* OpenSSL is not to tidy up at exit: a task of the pool that nobody waits for may be at work in it
 * until the process has ended. */
__attribute__((constructor)) static void keep_openssl_to_the_end(void)
{
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}

/* hashlib's spellings in OpenSSL's: "sha3_256" → "sha3-256", "blake2b" → "blake2b512". */
static void openssl_name(char *out, size_t size, const char *algorithm)
{
    if (strcmp(algorithm, "blake2b") == 0)
        algorithm = "blake2b512";
    else if (strcmp(algorithm, "blake2s") == 0)
        algorithm = "blake2s256";
    size_t length = strnlen(algorithm, size - 1);
    for (size_t i = 0; i < length; i++)
        out[i] = algorithm[i] == '_' ? '-' : algorithm[i];
    out[length] = '\0';
}

static int fetch(const char *algorithm, EVP_MD **out, struct ms_error *err)
{
    char name[64];
    openssl_name(name, sizeof name, algorithm);
    ERR_set_mark(); /* a name nobody knows is no news to the program's own use of OpenSSL */
    EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);
    ERR_pop_to_mark();
    if (!md)
        return ms_error_set(err, MS_ERR_INVALID, "unknown hash algorithm \"%s\"",
                            MS_SHOW(ms_str(algorithm)));
    if ((EVP_MD_get_flags(md) & EVP_MD_FLAG_XOF) || EVP_MD_get_size(md) <= 0 ||
        EVP_MD_get_size(md) > (MS_HASH_HEX_MAX - 1) / 2) {
        EVP_MD_free(md);
        return ms_error_set(err, MS_ERR_INVALID, "hash algorithm \"%s\" has no fixed digest size",
                            MS_SHOW(ms_str(algorithm)));
    }
    *out = md;
    return 0;
}

/* Fetching walks OpenSSL's stores each time; SHA-256 is asked for per object, so it is kept. */
static EVP_MD *kept_sha256(struct ms_error *err)
{
    static _Atomic(EVP_MD *) kept;
    EVP_MD *md = atomic_load_explicit(&kept, memory_order_acquire);
    if (md)
        return md;
    EVP_MD *mine;
    if (fetch("sha256", &mine, err) != 0)
        return NULL;
    if (atomic_compare_exchange_strong(&kept, &md, mine))
        return mine;
    EVP_MD_free(mine);
    return md;
}

static int start(EVP_MD *md, struct ms_hash **out, struct ms_error *err)
{
    struct ms_hash *h = malloc(sizeof *h);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!h || !ctx || EVP_DigestInit_ex2(ctx, md, NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        free(h);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a hash");
    }
    *h = (struct ms_hash){ctx, (size_t)EVP_MD_get_size(md)};
    *out = h;
    return 0;
}

int ms_hash_new(const char *algorithm, struct ms_hash **out, struct ms_error *err)
{
    if (strcmp(algorithm, "sha256") == 0) {
        struct ms_error why = {0};
        EVP_MD *md = kept_sha256(&why);
        return md ? start(md, out, err) : ms_error_set(err, why.code, "%s", why.text);
    }
    EVP_MD *md;
    int code = fetch(algorithm, &md, err);
    if (code)
        return code;
    code = start(md, out, err);
    EVP_MD_free(md); /* the context keeps its own reference */
    return code;
}

int ms_hash_update(struct ms_hash *h, struct ms_view bytes, struct ms_error *err)
{
    if (EVP_DigestUpdate(h->ctx, bytes.data, bytes.size) != 1)
        return ms_error_set(err, MS_ERR_INTERNAL, "hashing failed");
    return 0;
}

int ms_hash_hex(struct ms_hash *h, char *hex, size_t hex_size, struct ms_error *err)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (hex_size < 2 * h->digest_size + 1)
        return ms_error_set(err, MS_ERR_INVALID, "%zu bytes are too few for a digest of %zu",
                            hex_size, h->digest_size);
    if (EVP_DigestFinal_ex(h->ctx, digest, NULL) != 1)
        return ms_error_set(err, MS_ERR_INTERNAL, "hashing failed");
    ms_hex_encode(hex, digest, h->digest_size);
    return 0;
}

void ms_hash_free(struct ms_hash *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

int ms_sha256_hex(struct ms_view bytes, char hex[MS_SHA256_HEX], struct ms_error *err)
{
    struct ms_hash *h;
    int code = ms_hash_new("sha256", &h, err);
    if (code)
        return code;
    code = ms_hash_update(h, bytes, err);
    if (!code)
        code = ms_hash_hex(h, hex, MS_SHA256_HEX, err);
    ms_hash_free(h);
    return code;
}
