/* Certificate and key, checked before anybody connects. */
#include "server/http_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <unistd.h>

/* What OpenSSL says of a file is many lines; one sentence is enough. */
static int bad_file(struct ms_error *err, const char *what, const char *path)
{
    unsigned long number = ERR_peek_error();
    const char *reason = ERR_reason_error_string(number);
    ms_error_set(err, MS_ERR_CONFIG, "cannot use %s as the %s: %s", path, what,
                 reason ? reason : "it is not PEM");
    ERR_clear_error();
    return MS_ERR_CONFIG;
}

static int load_files(SSL_CTX *context, const char *cert, const char *key, struct ms_error *err)
{
    const char *files[] = {cert, key};
    for (size_t i = 0; i < 2; i++)
        if (access(files[i], R_OK) != 0)
            return ms_error_set(err, MS_ERR_CONFIG, "cannot read the TLS %s %s: %s",
                                i == 0 ? "certificate" : "key", files[i], strerror(errno));
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        return bad_file(err, "TLS certificate (PEM)", cert);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return bad_file(err, "TLS key of that certificate (PEM)", key);
    if (SSL_CTX_check_private_key(context) != 1)
        return ms_error_set(err, MS_ERR_CONFIG, "the TLS key %s does not belong to %s", key, cert);
    return 0;
}

/* A key with a passphrase is refused instead of asking on the terminal. */
static int no_passphrase(char *into, int size, int writing, void *unused)
{
    (void)into, (void)size, (void)writing, (void)unused;
    return -1;
}

int http_tls_new(const char *cert, const char *key, struct http_tls **out, struct ms_error *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    struct http_tls *tls = calloc(1, sizeof *tls);
    if (!context || !tls) {
        SSL_CTX_free(context);
        free(tls);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for TLS");
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    int code = load_files(context, cert, key, err);
    if (code) {
        SSL_CTX_free(context);
        free(tls);
        return code;
    }
    tls->context = context;
    tls->refs = 1;
    *out = tls;
    return 0;
}

struct http_tls *http_tls_ref(struct http_tls *tls)
{
    atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
    return tls;
}

void http_tls_unref(struct http_tls *tls)
{
    if (!tls || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}
