/* server/http_tls.h - inside of TLS: the context that connections are made from. */
#ifndef SERVER_HTTP_TLS_H
#define SERVER_HTTP_TLS_H

#include "server/http_io.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

struct http_tls {
    SSL_CTX *context;
    atomic_uint refs;
};

#endif
