/* server/auth.c - decides by the Authorization header (see server/auth.h; answering is
 * auth_check.c).
 *
 * Keys of the tables are MACs under a random key of this process, over what they stand for: nothing
 * in memory tells a password, and nobody can aim at a place of the tables. What is remembered is
 * bound to the hash in the users' file, so that it is forgotten when that changes. */
#include "server/auth.h"

#include "server/base64.h"
#include "server/marks.h"

#include "base/sync.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <strings.h>

#define SETS        1024
#define SECOND      UINT64_C(1000000000)
#define FAMILIAR_NS (24 * 3600 * SECOND)
#define CREDENTIALS (SERVER_USER_MAX + 1 + SERVER_PASSWORD_MAX)
#define HEADER_MAX  (SERVER_BASE64_SIZE(CREDENTIALS) + 16)
#define TOKEN_MAX   256

struct server_auth {
    struct ms_clock *clock;
    uint8_t key[32];
    struct ms_mutex mutex; /* guards all below */
    struct ms_cond free;
    struct server_auth_options options;
    struct server_marks limits, remembered;
    unsigned checking, waiting;
};

/* What a request says of who it is. */
struct claim {
    struct ms_view name, password;
    uint8_t address[SERVER_MARK_KEY], user[SERVER_MARK_KEY];
    uint8_t familiar[SERVER_MARK_KEY]; /* this user from this address */
    uint8_t right[SERVER_MARK_KEY];    /* this password of this user */
    uint64_t chance;
};

static struct server_auth_options completed(const struct server_auth_options *given)
{
    struct server_auth_options o = given ? *given : (struct server_auth_options){0};
#define DEFAULT(field, value) o.field = o.field ? o.field : (value)
    DEFAULT(failures_per_address, 20);
    DEFAULT(failures_per_user, 50);
    DEFAULT(address_interval_ns, 6 * SECOND);
    DEFAULT(user_interval_ns, 6 * SECOND);
    DEFAULT(checks_at_once, 2);
    DEFAULT(checks_waiting, 64);
    DEFAULT(remember_ns, 120 * SECOND);
#undef DEFAULT
    return o;
}

int server_auth_new(struct ms_clock *clock, const struct server_auth_options *options,
                    struct server_auth **out, struct ms_error *err)
{
    struct server_auth *a = calloc(1, sizeof *a);
    if (!a)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for logins");
    a->clock = clock;
    a->options = completed(options);
    ms_mutex_init(&a->mutex);
    ms_cond_init(&a->free);
    int code = server_marks_init(&a->limits, SETS, err);
    if (!code)
        code = server_marks_init(&a->remembered, SETS, err);
    if (!code && RAND_bytes(a->key, sizeof a->key) != 1)
        code = ms_error_set(err, MS_ERR_INTERNAL, "no random numbers for a key");
    if (code) {
        server_auth_free(a);
        return code;
    }
    *out = a;
    return 0;
}

void server_auth_set(struct server_auth *a, const struct server_auth_options *options)
{
    MS_HOLD(&a->mutex);
    a->options = completed(options);
    ms_cond_broadcast(&a->free); /* there may be room for more checks */
}

void server_auth_free(struct server_auth *a)
{
    if (!a)
        return;
    server_marks_fini(&a->limits);
    server_marks_fini(&a->remembered);
    ms_cond_fini(&a->free);
    ms_mutex_fini(&a->mutex);
    OPENSSL_cleanse(a, sizeof *a);
    free(a);
}

/* ---- keys ---- */

struct text {
    uint8_t bytes[CREDENTIALS + EVP_MAX_MD_SIZE + 64];
    size_t size;
};

/* Each part with its size before it, so that no two sets of parts are alike. */
static void add_part(struct text *t, struct ms_view part)
{
    if (part.size > sizeof t->bytes - t->size - 2) /* longer than anything that can be right */
        part.size = sizeof t->bytes - t->size - 2;
    t->bytes[t->size++] = (uint8_t)(part.size >> 8);
    t->bytes[t->size++] = (uint8_t)part.size;
    if (part.size)
        memcpy(t->bytes + t->size, part.data, part.size);
    t->size += part.size;
}

static bool mac(const struct server_auth *a, const struct ms_view *parts, size_t count,
                uint8_t key[SERVER_MARK_KEY])
{
    struct text text = {.size = 0};
    uint8_t whole[EVP_MAX_MD_SIZE];
    unsigned size;
    for (size_t i = 0; i < count; i++)
        add_part(&text, parts[i]);
    bool ok = HMAC(EVP_sha256(), a->key, sizeof a->key, text.bytes, text.size, whole, &size);
    OPENSSL_cleanse(&text, sizeof text);
    memcpy(key, whole, SERVER_MARK_KEY);
    return ok;
}

/* The part of an address that one stranger has: of IPv6 the first 64 bits. */
static struct ms_view network_of(const char *peer, uint8_t bytes[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (inet_pton(AF_INET, peer, bytes) == 1)
        return ms_view(bytes, 4);
    if (inet_pton(AF_INET6, peer, bytes) == 1)
        return memcmp(bytes, mapped, sizeof mapped) == 0 ? ms_view(bytes + 12, 4)
                                                         : ms_view(bytes, 8);
    return ms_str(peer);
}

static bool claim_address(const struct server_auth *a, struct claim *c, const char *peer)
{
    uint8_t bytes[16];
    return mac(a, (struct ms_view[]){ms_str("address"), network_of(peer, bytes)}, 2, c->address);
}

static bool claim_keys(const struct server_auth *a, const struct server_users *users,
                       struct claim *c)
{
    struct ms_view address = ms_view(c->address, sizeof c->address);
    struct ms_view mark = ms_view(server_users_mark(users, c->name), SERVER_HASH_BYTES);
    bool ok = mac(a, (struct ms_view[]){ms_str("user"), c->name}, 2, c->user) &&
              mac(a, (struct ms_view[]){ms_str("familiar"), c->name, address}, 3, c->familiar) &&
              mac(a, (struct ms_view[]){ms_str("right"), mark, c->name, c->password}, 4, c->right);
    memcpy(&c->chance, c->user, sizeof c->chance);
    return ok;
}

/* ---- limits ---- */

static struct server_bucket per_address(const struct server_auth *a)
{
    return (struct server_bucket){a->options.failures_per_address, a->options.address_interval_ns};
}

static struct server_bucket per_user(const struct server_auth *a)
{
    return (struct server_bucket){a->options.failures_per_user, a->options.user_interval_ns};
}

static bool marked(const struct server_auth *a, const uint8_t key[SERVER_MARK_KEY])
{
    return server_marks_get(&a->remembered, key) > ms_clock_now(a->clock);
}

/* Takes the failure that this may become before it is known. Who was right from this address before
 * is not shut out by strangers who try that name. Returns how long to wait, 0: taken. */
static uint64_t take_failure(struct server_auth *a, const struct claim *c, bool *of_user)
{
    MS_HOLD(&a->mutex);
    uint64_t now = ms_clock_now(a->clock), wait, user_wait = 0;
    *of_user = c->name.size && !marked(a, c->familiar);
    wait = server_bucket_wait(&a->limits, per_address(a), c->address, now);
    if (*of_user)
        user_wait = server_bucket_wait(&a->limits, per_user(a), c->user, now);
    if (wait || user_wait)
        return wait > user_wait ? wait : user_wait;
    server_bucket_take(&a->limits, per_address(a), c->address, now);
    if (*of_user)
        server_bucket_take(&a->limits, per_user(a), c->user, now);
    return 0;
}

static void give_back(struct server_auth *a, const struct claim *c, bool of_user)
{
    MS_HOLD(&a->mutex);
    server_bucket_give_back(&a->limits, per_address(a), c->address);
    if (of_user)
        server_bucket_give_back(&a->limits, per_user(a), c->user);
}

static unsigned seconds(uint64_t ns)
{
    uint64_t s = (ns + SECOND - 1) / SECOND;
    return s > 86400 ? 86400 : s ? (unsigned)s : 1;
}

/* ---- checking a password ---- */

static bool is_remembered(struct server_auth *a, const struct claim *c)
{
    MS_HOLD(&a->mutex);
    return marked(a, c->right);
}

static void remember(struct server_auth *a, const struct claim *c)
{
    MS_HOLD(&a->mutex);
    uint64_t now = ms_clock_now(a->clock);
    server_marks_set(&a->remembered, c->right, now + a->options.remember_ns);
    server_marks_set(&a->remembered, c->familiar, now + FAMILIAR_NS);
}

static bool enter(struct server_auth *a)
{
    MS_HOLD(&a->mutex);
    if (a->checking >= a->options.checks_at_once && a->waiting >= a->options.checks_waiting)
        return false;
    a->waiting++;
    while (a->checking >= a->options.checks_at_once)
        ms_cond_wait(&a->free, &a->mutex);
    a->waiting--;
    a->checking++;
    return true;
}

static void leave(struct server_auth *a)
{
    MS_HOLD(&a->mutex);
    a->checking--;
    ms_cond_signal(&a->free);
}

/* Many requests of one client come at once: the first of them does the work. */
static enum server_verdict check_password(struct server_auth *a, const struct server_users *users,
                                          const struct claim *c)
{
    if (!enter(a))
        return SERVER_BUSY;
    int code = 0;
    if (!is_remembered(a, c)) {
        code = server_users_password(users, c->name, c->password, c->chance, NULL);
        if (!code)
            remember(a, c);
    }
    leave(a);
    return !code ? SERVER_WELCOME : code == MS_ERR_AUTH ? SERVER_UNAUTHORIZED : SERVER_BUSY;
}

static enum server_verdict by_password(struct server_auth *a, const struct server_users *users,
                                       struct claim *c, unsigned *retry_after_s)
{
    if (!claim_keys(a, users, c))
        return SERVER_BUSY;
    if (is_remembered(a, c))
        return SERVER_WELCOME;
    bool of_user;
    uint64_t wait = take_failure(a, c, &of_user);
    if (wait) {
        *retry_after_s = seconds(wait);
        return SERVER_TOO_MANY;
    }
    enum server_verdict verdict = check_password(a, users, c);
    if (verdict != SERVER_UNAUTHORIZED)
        give_back(a, c, of_user);
    return verdict;
}

/* ---- the header ---- */

static bool has_scheme(const char *header, const char *scheme, struct ms_view *rest)
{
    size_t length = strlen(scheme);
    if (strncasecmp(header, scheme, length) != 0 || header[length] != ' ')
        return false;
    header += length;
    while (*header == ' ')
        header++;
    *rest = ms_str(header);
    return true;
}

/* A NUL is in no password: scrypt's HMAC takes "password" with some behind it for the same. */
static bool split(struct claim *c, const uint8_t *decoded, size_t size)
{
    const uint8_t *colon = size ? memchr(decoded, ':', size) : NULL;
    if (!colon || memchr(decoded, '\0', size))
        return false;
    c->name = ms_view(decoded, (size_t)(colon - decoded));
    c->password = ms_view(colon + 1, size - c->name.size - 1);
    return server_user_fault(c->name) == NULL;
}

static enum server_verdict by_basic(struct server_auth *a, const struct server_users *users,
                                    const struct claim *address, struct ms_view text,
                                    struct server_auth_user *user, unsigned *retry_after_s)
{
    uint8_t decoded[CREDENTIALS];
    size_t size;
    struct claim c = *address;
    enum server_verdict verdict = SERVER_UNAUTHORIZED; /* of what cannot be right: at no cost */
    if (server_base64_decode(SERVER_BASE64_PLAIN, text, decoded, sizeof decoded, &size) &&
        split(&c, decoded, size))
        verdict = by_password(a, users, &c, retry_after_s);
    const char *name = verdict == SERVER_WELCOME ? server_users_find(users, c.name) : NULL;
    if (verdict == SERVER_WELCOME && !name)
        verdict = SERVER_UNAUTHORIZED;
    if (name)
        memcpy(user->name, name, strlen(name) + 1);
    OPENSSL_cleanse(decoded, sizeof decoded);
    return verdict;
}

static enum server_verdict by_token(struct server_auth *a, const struct server_users *users,
                                    const struct claim *c, struct ms_view token,
                                    struct server_auth_user *user, unsigned *retry_after_s)
{
    bool of_user;
    const char *name = token.size <= TOKEN_MAX ? server_users_token(users, token) : NULL;
    uint64_t wait = name ? 0 : take_failure(a, c, &of_user);
    if (name)
        memcpy(user->name, name, strlen(name) + 1);
    if (wait)
        *retry_after_s = seconds(wait);
    return name ? SERVER_WELCOME : wait ? SERVER_TOO_MANY : SERVER_UNAUTHORIZED;
}

enum server_verdict server_auth_decide(struct server_auth *a, const struct server_users *users,
                                       const char *peer, const char *authorization,
                                       struct server_auth_user *user, unsigned *retry_after_s)
{
    struct claim claim = {0};
    struct ms_view rest;
    *user = (struct server_auth_user){0};
    *retry_after_s = 1;
    if (!authorization || strlen(authorization) > HEADER_MAX)
        return SERVER_UNAUTHORIZED;
    if (!claim_address(a, &claim, peer))
        return SERVER_BUSY;
    if (has_scheme(authorization, "Basic", &rest))
        return by_basic(a, users, &claim, rest, user, retry_after_s);
    if (has_scheme(authorization, "Bearer", &rest))
        return by_token(a, users, &claim, rest, user, retry_after_s);
    return SERVER_UNAUTHORIZED;
}
