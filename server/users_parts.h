/* server/users_parts.h - between server/users.c, which asks, and server/users_make.c, which makes
 * hashes and lines. */
#ifndef SERVER_USERS_PARTS_H
#define SERVER_USERS_PARTS_H

#include "server/users.h"

#define SERVER_SCRYPT_BYTES_MAX (UINT64_C(256) << 20)
#define SERVER_SALT_MAX         64

struct server_user {
    char name[SERVER_USER_MAX + 1]; /* zeros behind it */
    bool has_password;
    struct server_scrypt cost;
    uint8_t salt[SERVER_SALT_MAX];
    size_t salt_size;
    uint8_t hash[SERVER_HASH_BYTES];
};

/* What is wrong with a cost, NULL: nothing. */
const char *server_scrypt_fault(struct server_scrypt cost);
static inline uint64_t server_scrypt_bytes(struct server_scrypt cost)
{
    return (UINT64_C(128) * cost.r << cost.ln) + UINT64_C(128) * cost.r * cost.p;
}
/* The hash of a password under a user's cost and salt. */
int server_scrypt(const struct server_user *user, struct ms_view password,
                  uint8_t hash[SERVER_HASH_BYTES], struct ms_error *err) MS_MUST_CHECK;

#endif
