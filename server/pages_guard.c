/* What stands before a page: headers, Host, who asks, and whether an action is really wanted. */
#include "server/pages_parts.h"

#include "base/hash.h"
#include "base/sync.h"
#include "base/text.h"
#include "server/browser.h"
#include "server/counts.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <strings.h>

void page_headers(struct exchange *x)
{
    static const char *const headers[][2] = {
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
         "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Cache-Control", "no-store"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        exchange_header_add(x, headers[i][0], headers[i][1]);
}

/* ---- who asks, and for whom ---- */

bool page_host_is_ours(struct exchange *x)
{
    if (server_host_is_ours(x, server_site_conf(server_caller(x)->site)))
        return true;
    page_fail(x, 421, SERVER_HOST_REFUSED);
    return false;
}

bool page_is_from_here(struct exchange *x)
{
    return (exchange_loopback(x) || exchange_local(x)) && !exchange_header(x, "X-Forwarded-For") &&
           !exchange_header(x, "Forwarded") && !exchange_header(x, "Via");
}

/* Without users everybody may do everything with the stores; then the people of this machine manage
 * them, too. */
bool page_login(struct exchange *x)
{
    const struct server_router *router = exchange_state(x);
    struct server_caller *p = server_caller(x);
    if (server_auth_check(router->auth, p->site, NULL, x, &p->user))
        return false;
    if (!server_site_users(p->site))
        p->user.manages = page_is_from_here(x);
    return true;
}

/* ---- actions ---- */

/* Of this process, made when it is first wanted. */
static int secret_key(uint8_t out[32])
{
    static struct ms_mutex mutex = MS_MUTEX_STATIC;
    static uint8_t key[32];
    static bool made;
    MS_HOLD(&mutex);
    if (!made && RAND_bytes(key, sizeof key) != 1)
        return MS_ERR_INTERNAL;
    made = true;
    memcpy(out, key, sizeof key);
    return 0;
}

int page_token(const char *user, char token[PAGE_TOKEN], struct ms_error *err)
{
    uint8_t key[32], mac[32];
    unsigned size = sizeof mac;
    bool good = secret_key(key) == 0 && HMAC(EVP_sha256(), key, sizeof key, (const uint8_t *)user,
                                             strlen(user), mac, &size);
    OPENSSL_cleanse(key, sizeof key);
    if (!good)
        return ms_error_set(err, MS_ERR_INTERNAL, "no token can be made");
    ms_hex_encode(token, mac, sizeof mac);
    return 0;
}

static bool origin_is_ours(struct exchange *x)
{
    const char *origin = exchange_header(x, "Origin"), *host = exchange_header(x, "Host");
    if (!origin || !host || exchange_header_count(x, "Origin") != 1)
        return false;
    if (!strncmp(origin, "https://", 8)) /* TLS may end before this server */
        return !strcasecmp(origin + 8, host);
    return !exchange_secure(x) && !strncmp(origin, "http://", 7) && !strcasecmp(origin + 7, host);
}

bool page_is_wanted(struct exchange *x)
{
    char token[PAGE_TOKEN];
    const char *given = exchange_header(x, "X-Mstore-Token");
    const char *why = NULL;
    struct ms_error err = {0};
    if (page_token(server_caller(x)->user.name, token, &err)) {
        page_fail_code(x, &err);
        return false;
    }
    if (!origin_is_ours(x))
        why = "the Origin header has to name this server: actions are for its own page";
    else if (!given || strlen(given) != PAGE_TOKEN - 1 ||
             CRYPTO_memcmp(given, token, PAGE_TOKEN - 1) != 0)
        why = "the X-Mstore-Token header has to be the token of /ui/session.json: load the page "
              "again";
    if (why) {
        server_count_refused(SERVER_REFUSED_ORIGIN);
        page_fail(x, 403, why);
    }
    return why == NULL;
}
