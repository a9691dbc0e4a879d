/* server/users_make.c - scrypt, and the lines of the file of users (see server/users.h). */
#include "server/users_parts.h"

#include "server/base64.h"

#include "base/private_file.h"
#include "base/text.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>

int server_scrypt(const struct server_user *user, struct ms_view password,
                  uint8_t hash[SERVER_HASH_BYTES], struct ms_error *err)
{
    if (EVP_PBE_scrypt(password.size ? (const char *)password.data : "", password.size, user->salt,
                       user->salt_size, UINT64_C(1) << user->cost.ln, user->cost.r, user->cost.p,
                       2 * SERVER_SCRYPT_BYTES_MAX, hash, SERVER_HASH_BYTES) == 1)
        return 0;
    return ms_error_set(err, MS_ERR_NO_MEMORY, "scrypt failed; it needs %llu MiB of memory",
                        (unsigned long long)(server_scrypt_bytes(user->cost) >> 20));
}

static int check_name(const char *name, struct ms_error *err)
{
    const char *fault = server_user_fault(ms_str(name));
    if (!fault)
        return 0;
    return ms_error_set(err, MS_ERR_INVALID, "the user's name \"%s\" %s", MS_SHOW(ms_str(name)),
                        fault);
}

static int check_password(const char *name, struct ms_view password, struct ms_error *err)
{
    if (password.size && password.size <= SERVER_PASSWORD_MAX)
        return 0;
    return ms_error_set(err, MS_ERR_INVALID, "the password of %s must have 1 to %d bytes", name,
                        SERVER_PASSWORD_MAX);
}

int server_users_line(const char *name, struct ms_view password, struct server_scrypt cost,
                      char line[SERVER_LINE_MAX], struct ms_error *err)
{
    int code = check_name(name, err);
    if (!code)
        code = check_password(name, password, err);
    if (code)
        return code;
    const char *fault = server_scrypt_fault(cost);
    if (fault)
        return ms_error_set(err, MS_ERR_INVALID, "%s", fault);
    struct server_user user = {.cost = cost, .salt_size = SERVER_SALT_BYTES};
    if (RAND_bytes(user.salt, SERVER_SALT_BYTES) != 1)
        return ms_error_set(err, MS_ERR_INTERNAL, "no random numbers for a salt");
    code = server_scrypt(&user, password, user.hash, err);
    if (code)
        return code;
    char salt[SERVER_BASE64_SIZE(SERVER_SALT_BYTES)], hash[SERVER_BASE64_SIZE(SERVER_HASH_BYTES)];
    server_base64_encode(SERVER_BASE64_BARE, ms_view(user.salt, user.salt_size), salt);
    server_base64_encode(SERVER_BASE64_BARE, ms_view(user.hash, sizeof user.hash), hash);
    snprintf(line, SERVER_LINE_MAX, "%s:$scrypt$ln=%u,r=%u,p=%u$%s$%s", name, cost.ln, cost.r,
             cost.p, salt, hash);
    return 0;
}

int server_users_token_line(const char *name, char token[SERVER_TOKEN_TEXT],
                            char line[SERVER_LINE_MAX], struct ms_error *err)
{
    int code = check_name(name, err);
    if (code)
        return code;
    uint8_t bytes[SERVER_HASH_BYTES], hash[EVP_MAX_MD_SIZE];
    char text[SERVER_BASE64_SIZE(SERVER_HASH_BYTES)];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return ms_error_set(err, MS_ERR_INTERNAL, "no random numbers for a token");
    server_base64_encode(SERVER_BASE64_URL, ms_view(bytes, sizeof bytes), text);
    snprintf(token, SERVER_TOKEN_TEXT, "mst_%.43s", text);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(text, sizeof text);
    if (EVP_Digest(token, strlen(token), hash, NULL, EVP_sha256(), NULL) != 1)
        return ms_error_set(err, MS_ERR_INTERNAL, "SHA-256 failed");
    server_base64_encode(SERVER_BASE64_BARE, ms_view(hash, SERVER_HASH_BYTES), text);
    snprintf(line, SERVER_LINE_MAX, "%s:$token$%s", name, text);
    return 0;
}

/* ---- a single user ---- */

int server_users_one(const char *name, struct ms_view password, struct server_users **out,
                     struct ms_error *err)
{
    char line[SERVER_LINE_MAX];
    int code = server_users_line(name, password, SERVER_SCRYPT_DEFAULT, line, err);
    if (!code)
        code = server_users_parse(ms_str(line), "the single user", out, err);
    return code;
}

int server_users_single(const char *name, const char *password_file, struct server_users **out,
                        struct ms_error *err)
{
    struct ms_private_file file;
    int code = ms_private_file_read(password_file, "the password file", &file, err);
    if (code)
        return code;
    struct ms_view text = ms_private_file_view(&file);
    const uint8_t *end = text.size ? memchr(text.data, '\n', text.size) : NULL;
    if (end)
        text.size = (size_t)(end - text.data);
    if (text.size && text.data[text.size - 1] == '\r')
        text.size--;
    code = ms_private_file_check(&file, password_file, 1, "it holds a password", err);
    if (!code)
        code = server_users_one(name, text, out, err);
    ms_private_file_free(&file);
    return code;
}
