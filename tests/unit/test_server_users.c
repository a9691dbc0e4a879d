/* server/users.c, server/users_make.c, server/base64.c: the file of users, passwords, tokens. */
#include "server/base64.h"
#include "server/users.h"

#include "support/check.h"
#include "support/files.h"
#include "support/scratch.h"

static const struct server_scrypt cheap = {4, 8, 1};

static struct server_users *parsed(const char *text)
{
    struct server_users *users = NULL;
    struct ms_error err = {0};
    check_ok(server_users_parse(ms_str(text), "FILE", &users, &err), err);
    return users;
}

static int asked(const struct server_users *users, const char *name, const char *password)
{
    return server_users_password(users, ms_str(name), ms_str(password), 7, NULL);
}

static void what_others_have_hashed_is_understood(void **state)
{
    (void)state;
    struct server_users *users = NULL;
    struct ms_error err = {0};
    char line[SERVER_LINE_MAX];
    /* RFC 7914's third vector, cut to 32 bytes */
    static const uint8_t rfc[32] = {0x70, 0x23, 0xbd, 0xcb, 0x3a, 0xfd, 0x73, 0x48,
                                    0x46, 0x1c, 0x06, 0xcd, 0x81, 0xfd, 0x38, 0xeb,
                                    0xfd, 0xa8, 0xfb, 0xba, 0x90, 0x4f, 0x8e, 0x3e,
                                    0xa9, 0xb5, 0x43, 0xf6, 0x54, 0x5d, 0xa1, 0xf2};
    char text[SERVER_BASE64_SIZE(32)], salt[SERVER_BASE64_SIZE(14)];
    server_base64_encode(SERVER_BASE64_BARE, ms_view(rfc, 32), text);
    server_base64_encode(SERVER_BASE64_BARE, ms_str("SodiumChloride"), salt);
    snprintf(line, sizeof line, "rfc:$scrypt$ln=14,r=8,p=1$%s$%s\n", salt, text);
    check_ok(server_users_parse(ms_str(line), "FILE", &users, &err), err);
    assert_int_equal(asked(users, "rfc", "pleaseletmein"), 0);
    assert_int_equal(asked(users, "rfc", "pleaseletmeout"), MS_ERR_AUTH);
    assert_int_equal(asked(users, "rfc", ""), MS_ERR_AUTH);
    server_users_unref(users);
}

static void a_line_that_was_made_lets_its_user_in(void **state)
{
    (void)state;
    struct ms_error err = {0};
    char one[SERVER_LINE_MAX], two[SERVER_LINE_MAX], text[2 * SERVER_LINE_MAX + 64];
    check_ok(server_users_line("alice", ms_str("se:cret \xc3\xa4"), cheap, one, &err), err);
    check_ok(server_users_line("bob@home", ms_str("other"), cheap, two, &err), err);
    assert_memory_equal(one, "alice:$scrypt$ln=4,r=8,p=1$", 27);
    assert_null(strstr(one, "se:cret"));
    snprintf(text, sizeof text, "# people\n\n%s \r\n%s", one, two);
    struct server_users *users = parsed(text);
    assert_int_equal(server_users_count(users), 2);
    assert_int_equal(asked(users, "alice", "se:cret \xc3\xa4"), 0);
    assert_int_equal(asked(users, "alice", "other"), MS_ERR_AUTH);
    assert_int_equal(asked(users, "bob@home", "other"), 0);
    assert_int_equal(asked(users, "bob", "other"), MS_ERR_AUTH);
    assert_int_equal(asked(users, "nobody", "other"), MS_ERR_AUTH);
    assert_int_equal(asked(users, "", ""), MS_ERR_AUTH);
    assert_string_equal(server_users_find(users, ms_str("alice")), "alice");
    assert_null(server_users_find(users, ms_str("alic")));
    server_users_unref(users);
    check_ok(server_users_line("alice", ms_str("se:cret \xc3\xa4"), cheap, two, &err), err);
    assert_string_not_equal(one, two); /* another salt */
}

static void tokens_belong_to_their_user(void **state)
{
    (void)state;
    struct ms_error err = {0};
    char first[SERVER_TOKEN_TEXT], second[SERVER_TOKEN_TEXT];
    char one[SERVER_LINE_MAX], two[SERVER_LINE_MAX], text[2 * SERVER_LINE_MAX + 8];
    check_ok(server_users_token_line("alice", first, one, &err), err);
    check_ok(server_users_token_line("bob", second, two, &err), err);
    assert_int_equal(strlen(first), SERVER_TOKEN_TEXT - 1);
    assert_memory_equal(first, "mst_", 4);
    assert_null(strstr(one, first + 4));
    snprintf(text, sizeof text, "%s\n%s\n", one, two);
    struct server_users *users = parsed(text);
    assert_string_equal(server_users_token(users, ms_str(first)), "alice");
    assert_string_equal(server_users_token(users, ms_str(second)), "bob");
    second[20] ^= 1;
    assert_null(server_users_token(users, ms_str(second)));
    assert_null(server_users_token(users, ms_str("")));
    assert_int_equal(asked(users, "alice", first), MS_ERR_AUTH); /* it is no password */
    server_users_unref(users);
}

#define SALT "AAAAAAAAAAAAAAAAAAAAAA"
#define HASH "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void what_is_no_line_is_refused_with_its_number(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } bad[] = {
        {"", "FILE has no user; run: mstore passwd --file FILE NAME"},
        {"# nobody\n", "FILE has no user"},
        {"alice\n", "FILE:1: expected NAME:$scrypt$"},
        {"\n:x\n", "FILE:2: the user's name \"\" must have 1 to 64 characters"},
        {"a b:$token$" HASH, "FILE:1: the user's name \"a b\" must be made of letters"},
        {"alice:secret\n", "FILE:1: behind the name must follow $scrypt$ or $token$"},
        {"alice:x$scrypt$ln=4,r=8,p=1$" SALT "$" HASH, "FILE:1: behind the name must follow"},
        {"alice:$argon2$x\n", "FILE:1: behind the name must follow"},
        {"alice:$token$" HASH "A", "FILE:1: a token must look like"},
        {"alice:$token$AAAA", "FILE:1: a token must look like"},
        {"alice:$scrypt$ln=4,r=8$" SALT "$" HASH, "FILE:1: a password must look like"},
        {"alice:$scrypt$ln=4,r=8,p=1x$" SALT "$" HASH, "FILE:1: a password must look like"},
        {"alice:$scrypt$ln=4,r=8,p=1$" SALT, "FILE:1: a password must look like"},
        {"alice:$scrypt$ln=0,r=8,p=1$" SALT "$" HASH, "FILE:1: the cost of scrypt must be"},
        {"alice:$scrypt$ln=25,r=8,p=1$" SALT "$" HASH, "FILE:1: the cost of scrypt must be"},
        {"alice:$scrypt$ln=4,r=8,p=0$" SALT "$" HASH, "FILE:1: the cost of scrypt must be"},
        {"alice:$scrypt$ln=20,r=8,p=1$" SALT "$" HASH,
         "FILE:1: the cost of scrypt is more than 256 MiB"},
        {"alice:$scrypt$ln=4,r=8,p=1$AAAA$" HASH, "FILE:1: the salt must be 8 to 64 bytes"},
        {"alice:$scrypt$ln=4,r=8,p=1$" SALT "=$" HASH, "FILE:1: the salt must be"},
        {"alice:$scrypt$ln=4,r=8,p=1$" SALT "$AAAA", "FILE:1: the hash must be 32 bytes"},
        {"alice:$scrypt$ln=4,r=8,p=1$" SALT "$" HASH "\nalice:$scrypt$ln=4,r=8,p=1$" SALT "$" HASH,
         "FILE:2: this user has a password already"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct server_users *users = NULL;
        struct ms_error err = {0};
        check_code(server_users_parse(ms_str(bad[i].text), "FILE", &users, &err), MS_ERR_CONFIG,
                   err);
        if (strncmp(err.text, bad[i].sentence, strlen(bad[i].sentence)) != 0)
            fail_msg("%s: %s", bad[i].text, err.text);
        assert_null(users);
    }
}

static void lines_are_made_of_proper_names_and_passwords_alone(void **state)
{
    (void)state;
    char line[SERVER_LINE_MAX], token[SERVER_TOKEN_TEXT], big[SERVER_PASSWORD_MAX + 1];
    struct ms_error err = {0};
    memset(big, 'x', sizeof big);
    check_code(server_users_line("a:b", ms_str("x"), cheap, line, &err), MS_ERR_INVALID, err);
    check_text(err, "the user's name \"a:b\" must be made of");
    check_code(server_users_token_line("", token, line, &err), MS_ERR_INVALID, err);
    check_code(server_users_line("a", ms_str(""), cheap, line, &err), MS_ERR_INVALID, err);
    check_text(err, "the password of a must have 1 to 1024 bytes");
    check_code(server_users_line("a", ms_view(big, sizeof big), cheap, line, &err), MS_ERR_INVALID,
               err);
    check_code(server_users_line("a", ms_str("x"), (struct server_scrypt){20, 8, 1}, line, &err),
               MS_ERR_INVALID, err);
    check_ok(server_users_line("a", ms_view(big, sizeof big - 1), cheap, line, &err), err);
}

static void a_file_that_others_may_read_is_refused(void **state)
{
    (void)state;
    struct scratch scratch;
    struct server_users *users = NULL;
    struct ms_error err = {0};
    char path[128], wanted[200];
    assert_true(scratch_make(&scratch));
    snprintf(path, sizeof path, "%s/users", scratch.path);
    snprintf(wanted, sizeof wanted, "; run: chmod 600 %s", path);
    write_file(path, "a:$token$" HASH "\n", 0640);
    check_code(server_users_load(path, &users, &err), MS_ERR_CONFIG, err);
    check_text(err, wanted);
    write_file(path, "a:$token$" HASH "\n", 0600);
    check_ok(server_users_load(path, &users, &err), err);
    server_users_unref(users);

    write_file(path, "secret\nmore\n", 0644);
    check_code(server_users_single("solo", path, &users, &err), MS_ERR_CONFIG, err);
    check_text(err, wanted);
    assert_null(strstr(err.text, "secret"));
    write_file(path, "secret\r\nmore\n", 0600);
    check_ok(server_users_single("solo", path, &users, &err), err);
    assert_int_equal(asked(users, "solo", "secret"), 0);
    assert_int_equal(asked(users, "solo", "secret\r"), MS_ERR_AUTH);
    server_users_unref(users);
    write_file(path, "\n", 0600);
    check_code(server_users_single("solo", path, &users, &err), MS_ERR_INVALID, err);
    unlink(path);
    check_code(server_users_single("solo", path, &users, &err), MS_ERR_NOT_FOUND, err);
    check_code(server_users_load(path, &users, &err), MS_ERR_NOT_FOUND, err);
    scratch_remove(&scratch);
}

static void base64_takes_what_it_gives_and_nothing_else(void **state)
{
    (void)state;
    static const enum server_base64 kinds[] = {SERVER_BASE64_PLAIN, SERVER_BASE64_BARE,
                                               SERVER_BASE64_URL};
    uint8_t bytes[40], back[40];
    char text[SERVER_BASE64_SIZE(sizeof bytes)];
    size_t size;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 97 + 251);
    for (size_t k = 0; k < 3; k++)
        for (size_t n = 0; n <= sizeof bytes; n++) {
            server_base64_encode(kinds[k], ms_view(bytes, n), text);
            assert_true(server_base64_decode(kinds[k], ms_str(text), back, n, &size));
            assert_int_equal(size, n);
            assert_memory_equal(back, bytes, n);
            assert_false(n && server_base64_decode(kinds[k], ms_str(text), back, n - 1, &size));
        }
    static const char *const bad[] = {"A",   "AA=",  "AAA==", "A===", "=",    "AB",
                                      "AAB", "AA A", "AA\n",  "-_-_", "AAAA="};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(
            server_base64_decode(SERVER_BASE64_PLAIN, ms_str(bad[i]), back, sizeof back, &size));
    assert_false(server_base64_decode(SERVER_BASE64_BARE, ms_str("AA=="), back, 40, &size));
    assert_true(server_base64_decode(SERVER_BASE64_PLAIN, ms_str("AA"), back, 40, &size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_others_have_hashed_is_understood),
        cmocka_unit_test(a_line_that_was_made_lets_its_user_in),
        cmocka_unit_test(tokens_belong_to_their_user),
        cmocka_unit_test(what_is_no_line_is_refused_with_its_number),
        cmocka_unit_test(lines_are_made_of_proper_names_and_passwords_alone),
        cmocka_unit_test(a_file_that_others_may_read_is_refused),
        cmocka_unit_test(base64_takes_what_it_gives_and_nothing_else),
    };
    return cmocka_run_group_tests_name("server users", tests, NULL, NULL);
}
