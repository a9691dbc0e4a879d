/* server/users.h - who there is: names with passwords hashed by scrypt, and with tokens.
 *
 * A file of lines (docs/formats.md); blank lines and those with '#' first are passed over:
 *
 *     alice:$scrypt$ln=15,r=8,p=1$SALT$HASH      a password; base64 without '=' (16 and 32 bytes)
 *     alice:$token$HASH                          a token: SHA-256 of its text, base64 without '='
 *
 * A name has one password at most and any number of tokens. Neither can be found from the file, but
 * whoever reads it can try passwords: a file that others can read is refused. Immutable once
 * loaded: any thread; counted references.
 */
#ifndef SERVER_USERS_H
#define SERVER_USERS_H

#include <mstore/base.h>

#define SERVER_USER_MAX     64   /* bytes of a name */
#define SERVER_USERS_MAX    4096 /* names */
#define SERVER_PASSWORD_MAX 1024 /* bytes of a password */
#define SERVER_LINE_MAX     512  /* bytes of a line of the file, with the NUL */
#define SERVER_TOKEN_TEXT   48   /* "mst_", 43 characters of base64url, and the NUL */
#define SERVER_SALT_BYTES   16
#define SERVER_HASH_BYTES   32

struct server_users;

/* What one check of a password costs: 128 * r << ln bytes of memory, p times. */
struct server_scrypt {
    unsigned ln, r, p;
};
#define SERVER_SCRYPT_DEFAULT ((struct server_scrypt){15, 8, 1}) /* 32 MiB */

/* MS_ERR_CONFIG names SOURCE:LINE, or the chmod to run. */
int server_users_load(const char *path, struct server_users **out,
                      struct ms_error *err) MS_MUST_CHECK;
int server_users_parse(struct ms_view text, const char *source, struct server_users **out,
                       struct ms_error *err) MS_MUST_CHECK;
/* One user with the password that a file's first line is. */
int server_users_single(const char *name, const char *password_file, struct server_users **out,
                        struct ms_error *err) MS_MUST_CHECK;
/* One user with this password; its bytes are wiped by the caller. */
int server_users_one(const char *name, struct ms_view password, struct server_users **out,
                     struct ms_error *err) MS_MUST_CHECK;
struct server_users *server_users_ref(struct server_users *users);
void server_users_unref(struct server_users *users);
size_t server_users_count(const struct server_users *users); /* names */
/* SERVER_HASH_BYTES that change when the user's password does; zeros when there is none. */
const uint8_t *server_users_mark(const struct server_users *users, struct ms_view name);
/* NULL: there is none of that name. */
const char *server_users_find(const struct server_users *users, struct ms_view name);

/* Whether the password is the user's. Does the same work for a name that is not there; `chance`
 * (secret, the same for the same name) chooses whose work that is. MS_ERR_AUTH: it is not. */
int server_users_password(const struct server_users *users, struct ms_view name,
                          struct ms_view password, uint64_t chance,
                          struct ms_error *err) MS_MUST_CHECK;
/* Whose token it is; NULL: nobody's. Takes as long whoever's it is. */
const char *server_users_token(const struct server_users *users, struct ms_view token);

/* ---- making lines ---- */

/* What is wrong with a name, NULL: nothing. 1..64 of letters, digits and "._@-". */
const char *server_user_fault(struct ms_view name);
/* A line without its end. */
int server_users_line(const char *name, struct ms_view password, struct server_scrypt cost,
                      char line[SERVER_LINE_MAX], struct ms_error *err) MS_MUST_CHECK;
/* A new token and its line. */
int server_users_token_line(const char *name, char token[SERVER_TOKEN_TEXT],
                            char line[SERVER_LINE_MAX], struct ms_error *err) MS_MUST_CHECK;

#endif
