/* server/auth.c, server/marks.c: who is let in, how often may be guessed, what is remembered. Time
 * is virtual. */
#include "server/auth.h"
#include "server/base64.h"
#include "server/marks.h"

#include "support/check.h"

#include "base/clock.h"
#include "base/pool.h"

#include <stdio.h>

#define SECOND UINT64_C(1000000000)

struct rig {
    struct ms_clock *clock;
    struct server_auth *auth;
    struct server_users *users;
    char token[SERVER_TOKEN_TEXT];
    struct server_auth_user user;
    unsigned wait;
};

static struct server_users *people(const char *passwords_of_alice, unsigned ln, char *token)
{
    char alice[SERVER_LINE_MAX], bob[SERVER_LINE_MAX], text[2 * SERVER_LINE_MAX + 8];
    struct server_users *users = NULL;
    struct ms_error err = {0};
    check_ok(server_users_line("alice", ms_str(passwords_of_alice),
                               (struct server_scrypt){ln, 8, 1}, alice, &err),
             err);
    check_ok(server_users_token_line("bob", token, bob, &err), err);
    snprintf(text, sizeof text, "%s\n%s\n", alice, bob);
    check_ok(server_users_parse(ms_str(text), "FILE", &users, &err), err);
    return users;
}

static struct rig rig_of(struct server_auth_options options)
{
    struct rig r = {.clock = ms_clock_virtual_new(SECOND)};
    struct ms_error err = {0};
    assert_non_null(r.clock);
    check_ok(server_auth_new(r.clock, &options, &r.auth, &err), err);
    r.users = people("right", 4, r.token);
    return r;
}

static void rig_fini(struct rig *r)
{
    server_auth_free(r->auth);
    server_users_unref(r->users);
    ms_clock_free(r->clock);
}

static void later(struct rig *r, uint64_t ns)
{
    ms_clock_advance(r->clock, ms_clock_now(r->clock) + ns);
}

static enum server_verdict asks(struct rig *r, const char *peer, const char *header)
{
    return server_auth_decide(r->auth, r->users, peer, header, &r->user, &r->wait);
}

static const char *basic(const char *credentials)
{
    static char header[1600];
    char text[1500];
    server_base64_encode(SERVER_BASE64_PLAIN, ms_str(credentials), text);
    snprintf(header, sizeof header, "Basic %s", text);
    return header;
}

static enum server_verdict tries(struct rig *r, const char *peer, const char *credentials)
{
    return asks(r, peer, basic(credentials));
}

/* ---- who ---- */

static void the_right_are_let_in_by_name(void **state)
{
    (void)state;
    struct rig r = rig_of((struct server_auth_options){0});
    char header[100];
    assert_int_equal(tries(&r, "192.0.2.1", "alice:right"), SERVER_WELCOME);
    assert_string_equal(r.user.name, "alice");
    assert_false(r.user.manages);
    snprintf(header, sizeof header, "bearer  %s", r.token);
    assert_int_equal(asks(&r, "192.0.2.1", header), SERVER_WELCOME);
    assert_string_equal(r.user.name, "bob");
    rig_fini(&r);
}

static void all_others_are_not(void **state)
{
    (void)state;
    struct rig r = rig_of((struct server_auth_options){.failures_per_address = 1000});
    static const char *const wrong[] = {
        "alice:wrong",  "alice:",       "alice",        "",          ":",    ":right",
        "Alice:right",  "alice:right ", "nobody:right", "bob:right", "bob:", "al ice:right",
        "alice\n:right"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(tries(&r, "192.0.2.1", wrong[i]), SERVER_UNAUTHORIZED);
        assert_string_equal(r.user.name, "");
    }
    static const char *const headers[] = {"Basic",
                                          "Basic ",
                                          "Basic !!!!",
                                          "Bearer",
                                          "Bearer x",
                                          "Digest YWxpY2U6cmlnaHQ=",
                                          "YWxpY2U6cmlnaHQ=",
                                          "",
                                          "Basic YWxpY2U6cmlnaHQ= x",
                                          "BasicYWxpY2U6cmlnaHQ="};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        assert_int_equal(asks(&r, "192.0.2.1", headers[i]), SERVER_UNAUTHORIZED);
    assert_int_equal(asks(&r, "192.0.2.1", NULL), SERVER_UNAUTHORIZED);
    char long_one[9000];
    memset(long_one, 'A', sizeof long_one);
    memcpy(long_one, "Basic ", 6);
    long_one[sizeof long_one - 1] = '\0';
    assert_int_equal(asks(&r, "192.0.2.1", long_one), SERVER_UNAUTHORIZED);
    rig_fini(&r);
}

/* ---- how often ---- */

static void failures_of_an_address_are_limited(void **state)
{
    (void)state;
    struct rig r = rig_of((struct server_auth_options){.failures_per_address = 3,
                                                       .address_interval_ns = 10 * SECOND});
    for (int i = 0; i < 3; i++)
        assert_int_equal(tries(&r, "192.0.2.1", "alice:wrong"), SERVER_UNAUTHORIZED);
    assert_int_equal(tries(&r, "192.0.2.1", "alice:wrong"), SERVER_TOO_MANY);
    assert_int_equal(r.wait, 10);
    /* the right one too: nothing is checked now */
    assert_int_equal(tries(&r, "192.0.2.1", "alice:right"), SERVER_TOO_MANY);
    assert_string_equal(r.user.name, "");
    assert_int_equal(tries(&r, "::ffff:192.0.2.1", "alice:right"), SERVER_TOO_MANY);
    assert_int_equal(tries(&r, "192.0.2.2", "alice:right"), SERVER_WELCOME);
    later(&r, 4 * SECOND);
    assert_int_equal(tries(&r, "192.0.2.1", "alice:worse"), SERVER_TOO_MANY);
    assert_int_equal(r.wait, 6);
    later(&r, 6 * SECOND);
    assert_int_equal(tries(&r, "192.0.2.1", "alice:worse"), SERVER_UNAUTHORIZED);
    assert_int_equal(tries(&r, "192.0.2.1", "alice:worse"), SERVER_TOO_MANY);
    later(&r, 100 * SECOND); /* full again, and not more than full */
    for (int i = 0; i < 3; i++)
        assert_int_equal(tries(&r, "192.0.2.1", "alice:wrong"), SERVER_UNAUTHORIZED);
    assert_int_equal(tries(&r, "192.0.2.1", "alice:wrong"), SERVER_TOO_MANY);
    rig_fini(&r);
}

static void a_network_of_ipv6_is_one_address(void **state)
{
    (void)state;
    struct rig r = rig_of((struct server_auth_options){.failures_per_address = 2});
    assert_int_equal(tries(&r, "2001:db8:1:2::1", "alice:wrong"), SERVER_UNAUTHORIZED);
    assert_int_equal(tries(&r, "2001:db8:1:2:ffff::2", "alice:wrong"), SERVER_UNAUTHORIZED);
    assert_int_equal(tries(&r, "2001:db8:1:2::3", "alice:wrong"), SERVER_TOO_MANY);
    assert_int_equal(tries(&r, "2001:db8:1:3::1", "alice:wrong"), SERVER_UNAUTHORIZED);
    rig_fini(&r);
}

static void success_costs_nothing_of_the_limit(void **state)
{
    (void)state;
    struct rig r =
        rig_of((struct server_auth_options){.failures_per_address = 2, .remember_ns = 1});
    for (int i = 0; i < 20; i++) {
        assert_int_equal(tries(&r, "192.0.2.1", "alice:right"), SERVER_WELCOME);
        later(&r, 2);
    }
    rig_fini(&r);
}

static void failures_of_a_user_are_limited_wherever_they_come_from(void **state)
{
    (void)state;
    struct rig r = rig_of((struct server_auth_options){
        .failures_per_user = 4, .user_interval_ns = 10 * SECOND, .remember_ns = 1});
    char peer[32];
    assert_int_equal(tries(&r, "198.51.100.1", "alice:right"), SERVER_WELCOME);
    for (int i = 0; i < 4; i++) {
        snprintf(peer, sizeof peer, "192.0.2.%d", i);
        assert_int_equal(tries(&r, peer, "alice:wrong"), SERVER_UNAUTHORIZED);
    }
    assert_int_equal(tries(&r, "192.0.2.99", "alice:wrong"), SERVER_TOO_MANY);
    assert_int_equal(tries(&r, "192.0.2.99", "nobody:wrong"), SERVER_UNAUTHORIZED);
    /* whom this address has had before is not shut out by the others */
    later(&r, 2);
    assert_int_equal(tries(&r, "198.51.100.1", "alice:right"), SERVER_WELCOME);
    rig_fini(&r);
}

static void guessed_tokens_count_as_failures(void **state)
{
    (void)state;
    struct rig r = rig_of((struct server_auth_options){.failures_per_address = 2});
    char header[100];
    snprintf(header, sizeof header, "Bearer %s", r.token);
    assert_int_equal(asks(&r, "192.0.2.1", "Bearer mst_x"), SERVER_UNAUTHORIZED);
    assert_int_equal(asks(&r, "192.0.2.1", "Bearer mst_y"), SERVER_UNAUTHORIZED);
    assert_int_equal(asks(&r, "192.0.2.1", "Bearer mst_z"), SERVER_TOO_MANY);
    assert_int_equal(asks(&r, "192.0.2.1", header), SERVER_WELCOME); /* costs nothing to check */
    rig_fini(&r);
}

/* ---- remembering ---- */

static void a_right_password_is_remembered_for_a_while(void **state)
{
    (void)state;
    struct rig r = rig_of((struct server_auth_options){.failures_per_address = 1,
                                                       .remember_ns = 60 * SECOND,
                                                       .address_interval_ns = 3600 * SECOND});
    assert_int_equal(tries(&r, "192.0.2.1", "alice:right"), SERVER_WELCOME);
    assert_int_equal(tries(&r, "192.0.2.1", "alice:wrong"), SERVER_UNAUTHORIZED);
    /* no more checks from here, but it is known */
    assert_int_equal(tries(&r, "192.0.2.1", "alice:right"), SERVER_WELCOME);
    assert_string_equal(r.user.name, "alice");
    assert_int_equal(tries(&r, "192.0.2.1", "alice:righ"), SERVER_TOO_MANY);
    later(&r, 61 * SECOND);
    assert_int_equal(tries(&r, "192.0.2.1", "alice:right"), SERVER_TOO_MANY);
    rig_fini(&r);
}

static void other_users_forget_what_was_remembered(void **state)
{
    (void)state;
    struct rig r = rig_of((struct server_auth_options){0});
    char token[SERVER_TOKEN_TEXT];
    assert_int_equal(tries(&r, "192.0.2.1", "alice:right"), SERVER_WELCOME);
    struct server_users *old = r.users;
    r.users = people("changed", 4, token);
    assert_int_equal(tries(&r, "192.0.2.1", "alice:right"), SERVER_UNAUTHORIZED);
    assert_int_equal(tries(&r, "192.0.2.1", "alice:changed"), SERVER_WELCOME);
    server_users_unref(old);
    rig_fini(&r);
}

/* ---- at once ---- */

struct crowd {
    struct rig *rig;
    _Atomic unsigned verdicts[4];
    bool same;
};

static int one_of_many(void *arg, size_t index)
{
    struct crowd *c = arg;
    struct server_auth_user user;
    unsigned wait;
    char credentials[40], text[100], header[110], peer[32];
    snprintf(credentials, sizeof credentials, "alice:%s%zu", c->same ? "right" : "wrong",
             c->same ? 0 : index);
    if (c->same)
        credentials[11] = '\0';
    snprintf(peer, sizeof peer, "192.0.2.%zu", index);
    server_base64_encode(SERVER_BASE64_PLAIN, ms_str(credentials), text);
    snprintf(header, sizeof header, "Basic %s", text);
    c->verdicts[server_auth_decide(c->rig->auth, c->rig->users, peer, header, &user, &wait)]++;
    return 0;
}

static void crowd(struct crowd *c, size_t count)
{
    struct ms_error err = {0};
    check_ok(ms_parallel(count, (unsigned)count, one_of_many, c, &err), err);
}

static void only_so_many_checks_wait(void **state)
{
    (void)state;
    struct rig r = rig_of((struct server_auth_options){
        .checks_at_once = 1, .checks_waiting = 2, .failures_per_user = 1000});
    char token[SERVER_TOKEN_TEXT];
    server_users_unref(r.users);
    r.users = people("right", 14, token); /* takes long enough for the others to come */
    struct crowd many = {.rig = &r};
    crowd(&many, 40);
    assert_int_equal(many.verdicts[SERVER_UNAUTHORIZED] + many.verdicts[SERVER_BUSY], 40);
    assert_true(many.verdicts[SERVER_BUSY] >= 1);
    assert_true(many.verdicts[SERVER_UNAUTHORIZED] >= 3);
    rig_fini(&r);
}

static void a_crowd_with_the_right_password_gets_in(void **state)
{
    (void)state;
    struct rig r = rig_of((struct server_auth_options){.checks_at_once = 1});
    struct crowd many = {.rig = &r, .same = true};
    crowd(&many, 40);
    assert_int_equal(many.verdicts[SERVER_WELCOME], 40);
    rig_fini(&r);
}

/* ---- the table ---- */

static void marks_that_end_first_give_way(void **state)
{
    (void)state;
    struct server_marks m;
    struct ms_error err = {0};
    uint8_t key[SERVER_MARK_KEY] = {0};
    check_ok(server_marks_init(&m, 1, &err), err);
    for (uint8_t i = 1; i <= 9; i++) {
        key[8] = i;
        server_marks_set(&m, key, 1000 - i); /* the 8th ends first */
    }
    key[8] = 8;
    assert_int_equal(server_marks_get(&m, key), 0);
    key[8] = 9;
    assert_int_equal(server_marks_get(&m, key), 991);
    server_marks_set(&m, key, 0);
    assert_int_equal(server_marks_get(&m, key), 0);
    key[8] = 1;
    assert_int_equal(server_marks_get(&m, key), 999);
    server_marks_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_are_let_in_by_name),
        cmocka_unit_test(all_others_are_not),
        cmocka_unit_test(failures_of_an_address_are_limited),
        cmocka_unit_test(a_network_of_ipv6_is_one_address),
        cmocka_unit_test(success_costs_nothing_of_the_limit),
        cmocka_unit_test(failures_of_a_user_are_limited_wherever_they_come_from),
        cmocka_unit_test(guessed_tokens_count_as_failures),
        cmocka_unit_test(a_right_password_is_remembered_for_a_while),
        cmocka_unit_test(other_users_forget_what_was_remembered),
        cmocka_unit_test(only_so_many_checks_wait),
        cmocka_unit_test(a_crowd_with_the_right_password_gets_in),
        cmocka_unit_test(marks_that_end_first_give_way),
    };
    return cmocka_run_group_tests_name("server auth", tests, NULL, NULL);
}
