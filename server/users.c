/* server/users.c - the file of users, and whether a password or a token is one of theirs (see
 * server/users.h; making lines: users_make.c). */
#include "server/users_parts.h"

#include "server/base64.h"

#include "base/cleanup.h"
#include "base/private_file.h"
#include "base/text.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>

struct token {
    uint8_t hash[SERVER_HASH_BYTES];
    size_t user;
};

struct server_users {
    _Atomic size_t refs;
    struct server_user *users;
    size_t count, passwords;
    struct token *tokens;
    size_t token_count;
};

/* ---- names ---- */

const char *server_user_fault(struct ms_view name)
{
    if (!name.size || name.size > SERVER_USER_MAX)
        return "must have 1 to 64 characters";
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool alphanumeric =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && !(c && strchr("._@-", c)))
            return "must be made of letters, digits and \"._@-\"";
    }
    return NULL;
}

/* Every name is looked at whole, so that time does not tell which there are. */
static struct server_user *find(const struct server_users *users, struct ms_view name)
{
    char wanted[SERVER_USER_MAX + 1] = {0};
    if (!name.size || name.size > SERVER_USER_MAX)
        return NULL;
    memcpy(wanted, name.data, name.size);
    struct server_user *found = NULL;
    for (size_t i = 0; i < users->count; i++)
        if (CRYPTO_memcmp(users->users[i].name, wanted, sizeof wanted) == 0)
            found = &users->users[i];
    return found;
}

const char *server_users_find(const struct server_users *users, struct ms_view name)
{
    const struct server_user *user = find(users, name);
    return user ? user->name : NULL;
}

const uint8_t *server_users_mark(const struct server_users *users, struct ms_view name)
{
    static const uint8_t none[SERVER_HASH_BYTES];
    const struct server_user *user = find(users, name);
    return user ? user->hash : none; /* salted, so no two are alike */
}

size_t server_users_count(const struct server_users *users)
{
    return users->count;
}

/* ---- parsing ---- */

struct parsing {
    struct server_users *users;
    const char *source;
    unsigned line;
    struct ms_error *err;
};

static int refuse(const struct parsing *p, const char *what)
{
    return ms_error_set(p->err, MS_ERR_CONFIG, "%s:%u: %s", p->source, p->line, what);
}

static int no_memory(const struct parsing *p)
{
    return ms_error_set(p->err, MS_ERR_NO_MEMORY, "no memory for the users of %s", p->source);
}

/* The text up to `end`, which *rest then stands behind; false: there is no `end`. */
static bool cut(struct ms_view *rest, char end, struct ms_view *part)
{
    const uint8_t *at = rest->size ? memchr(rest->data, end, rest->size) : NULL;
    if (!at)
        return false;
    *part = ms_view(rest->data, (size_t)(at - rest->data));
    *rest = ms_view(at + 1, rest->size - part->size - 1);
    return true;
}

static bool hash_of(struct ms_view text, uint8_t hash[SERVER_HASH_BYTES])
{
    size_t size;
    return server_base64_decode(SERVER_BASE64_BARE, text, hash, SERVER_HASH_BYTES, &size) &&
           size == SERVER_HASH_BYTES;
}

static bool number_of(struct ms_view text, const char *name, unsigned *out)
{
    size_t length = strlen(name);
    if (text.size <= length || text.size > length + 3 || memcmp(text.data, name, length) != 0)
        return false;
    *out = 0;
    for (size_t i = length; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *out = 10 * *out + (text.data[i] - '0');
    }
    return true;
}

static bool cost_of(struct ms_view text, struct server_scrypt *cost)
{
    struct ms_view ln, r;
    return cut(&text, ',', &ln) && cut(&text, ',', &r) && number_of(ln, "ln=", &cost->ln) &&
           number_of(r, "r=", &cost->r) && number_of(text, "p=", &cost->p);
}

const char *server_scrypt_fault(struct server_scrypt cost)
{
    if (cost.ln < 1 || cost.ln > 24 || cost.r < 1 || cost.r > 64 || cost.p < 1 || cost.p > 16)
        return "the cost of scrypt must be ln=1..24, r=1..64, p=1..16";
    if (server_scrypt_bytes(cost) > SERVER_SCRYPT_BYTES_MAX)
        return "the cost of scrypt is more than 256 MiB: lower ln or r";
    return NULL;
}

/* "ln=15,r=8,p=1$SALT$HASH" */
static int parse_password(struct parsing *p, struct server_user *user, struct ms_view rest)
{
    struct ms_view cost, salt;
    if (user->has_password)
        return refuse(p, "this user has a password already");
    if (!cut(&rest, '$', &cost) || !cut(&rest, '$', &salt) || !cost_of(cost, &user->cost))
        return refuse(p, "a password must look like NAME:$scrypt$ln=15,r=8,p=1$SALT$HASH; mstore "
                         "passwd makes such lines");
    const char *fault = server_scrypt_fault(user->cost);
    if (fault)
        return refuse(p, fault);
    if (!server_base64_decode(SERVER_BASE64_BARE, salt, user->salt, sizeof user->salt,
                              &user->salt_size) ||
        user->salt_size < 8)
        return refuse(p, "the salt must be 8 to 64 bytes in base64 without '='");
    if (!hash_of(rest, user->hash))
        return refuse(p, "the hash must be 32 bytes in base64 without '='");
    user->has_password = true;
    p->users->passwords++;
    return 0;
}

static int parse_token(struct parsing *p, const struct server_user *user, struct ms_view rest)
{
    struct server_users *users = p->users;
    struct token token = {.user = (size_t)(user - users->users)};
    if (!hash_of(rest, token.hash))
        return refuse(p, "a token must look like NAME:$token$HASH with 32 bytes in base64 without "
                         "'='; mstore passwd --token makes such lines");
    struct token *more = reallocarray(users->tokens, users->token_count + 1, sizeof *more);
    if (!more)
        return no_memory(p);
    users->tokens = more;
    more[users->token_count++] = token;
    return 0;
}

static struct server_user *find_or_add(struct server_users *users, struct ms_view name)
{
    struct server_user *user = find(users, name);
    if (user)
        return user;
    struct server_user *more = reallocarray(users->users, users->count + 1, sizeof *more);
    if (!more)
        return NULL;
    users->users = more;
    user = &more[users->count++];
    *user = (struct server_user){0};
    memcpy(user->name, name.data, name.size);
    return user;
}

static int parse_line(struct parsing *p, struct ms_view line)
{
    struct ms_view name, none, scheme;
    if (!line.size || line.data[0] == '#')
        return 0;
    if (!cut(&line, ':', &name))
        return refuse(p, "expected NAME:$scrypt$… or NAME:$token$…");
    const char *fault = server_user_fault(name);
    if (fault)
        return ms_error_set(p->err, MS_ERR_CONFIG, "%s:%u: the user's name \"%s\" %s", p->source,
                            p->line, MS_SHOW(name), fault);
    bool cuts = cut(&line, '$', &none) && !none.size && cut(&line, '$', &scheme);
    bool scrypt = cuts && ms_equal(scheme, ms_str("scrypt"));
    if (!scrypt && !(cuts && ms_equal(scheme, ms_str("token"))))
        return refuse(p, "behind the name must follow $scrypt$ or $token$; mstore passwd makes "
                         "such lines (a plain password has no place here)");
    if (p->users->count == SERVER_USERS_MAX && !find(p->users, name))
        return refuse(p, "there are more than 4096 users");
    struct server_user *user = find_or_add(p->users, name);
    if (!user)
        return no_memory(p);
    return scrypt ? parse_password(p, user, line) : parse_token(p, user, line);
}

static struct ms_view trimmed(struct ms_view line)
{
    while (line.size && strchr(" \t\r", line.data[line.size - 1]) && line.data[line.size - 1])
        line.size--;
    return line;
}

int server_users_parse(struct ms_view text, const char *source, struct server_users **out,
                       struct ms_error *err)
{
    struct server_users *users = calloc(1, sizeof *users);
    struct parsing p = {.users = users, .source = source, .err = err};
    if (!users)
        return no_memory(&p);
    users->refs = 1;
    int code = 0;
    while (text.size && !code) {
        struct ms_view line = text;
        if (!cut(&text, '\n', &line))
            text = ms_view(NULL, 0);
        p.line++;
        code = parse_line(&p, trimmed(line));
    }
    if (!code && !users->count)
        code = ms_error_set(err, MS_ERR_CONFIG, "%s has no user; run: mstore passwd --file %s NAME",
                            source, source);
    if (code) {
        server_users_unref(users);
        return code;
    }
    *out = users;
    return 0;
}

int server_users_load(const char *path, struct server_users **out, struct ms_error *err)
{
    struct ms_private_file file;
    int code = ms_private_file_read(path, "the users", &file, err);
    if (code)
        return code;
    code = file.others ? ms_error_set(err, MS_ERR_CONFIG,
                                      "others may read the users' hashes in %s; run: chmod 600 %s",
                                      path, path)
                       : server_users_parse(ms_private_file_view(&file), path, out, err);
    ms_private_file_free(&file);
    return code;
}

struct server_users *server_users_ref(struct server_users *users)
{
    if (users)
        atomic_fetch_add(&users->refs, 1);
    return users;
}

void server_users_unref(struct server_users *users)
{
    if (!users || atomic_fetch_sub(&users->refs, 1) != 1)
        return;
    free(users->users);
    free(users->tokens);
    free(users);
}

/* ---- asking ---- */

/* Whose work is done for a name that is not there: some user's, always the same for the same name,
 * so that time tells no more of it than of any user. */
static struct server_user stand_in(const struct server_users *users, uint64_t chance)
{
    struct server_user nobody = {.cost = SERVER_SCRYPT_DEFAULT, .salt_size = SERVER_SALT_BYTES};
    uint64_t wanted = users->passwords ? chance % users->passwords : 0;
    for (size_t i = 0; i < users->count; i++)
        if (users->users[i].has_password && wanted-- == 0)
            return users->users[i];
    return nobody;
}

int server_users_password(const struct server_users *users, struct ms_view name,
                          struct ms_view password, uint64_t chance, struct ms_error *err)
{
    if (password.size > SERVER_PASSWORD_MAX)
        return ms_error_set(err, MS_ERR_AUTH, "the password is too long");
    const struct server_user *found = find(users, name);
    struct server_user user = stand_in(users, chance);
    bool there = found && found->has_password;
    if (there)
        user = *found;
    uint8_t hash[SERVER_HASH_BYTES];
    int code = server_scrypt(&user, password, hash, err);
    bool same = code == 0 && CRYPTO_memcmp(hash, user.hash, sizeof hash) == 0;
    OPENSSL_cleanse(hash, sizeof hash);
    if (code)
        return code;
    return same && there ? 0 : ms_error_set(err, MS_ERR_AUTH, "wrong user or password");
}

const char *server_users_token(const struct server_users *users, struct ms_view token)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned size;
    if (EVP_Digest(token.data, token.size, hash, &size, EVP_sha256(), NULL) != 1)
        return NULL;
    const char *name = NULL;
    for (size_t i = 0; i < users->token_count; i++)
        if (CRYPTO_memcmp(users->tokens[i].hash, hash, SERVER_HASH_BYTES) == 0)
            name = users->users[users->tokens[i].user].name;
    OPENSSL_cleanse(hash, sizeof hash);
    return name;
}
