/* server/serve_conf.c, serve_conf_check.c, permissions_json.c: what may be written, and each thing
 * that may not. */
#include "server/permissions_json.h"
#include "server/serve_conf.h"

#include "support/check.h"
#include "support/files.h"
#include "support/scratch.h"

static int parse(const char *text, struct server_conf **out, struct ms_error *err)
{
    struct server_conf *conf = NULL;
    int code = server_conf_parse(ms_str(text), "FILE", &conf, err);
    if (!code)
        code = server_conf_check(conf, err);
    if (code)
        server_conf_free(conf);
    else
        *out = conf;
    return code;
}

static void all_keys_are_understood(void **state)
{
    (void)state;
    struct server_conf *c = NULL;
    struct ms_error err = {0};
    check_ok(parse("[store x]\nurl = memory:\n"
                   "[server]\n"
                   "listen = 127.0.0.1:5618, [::1]:5618 unix:/run/m.sock 192.0.2.1:443\n"
                   "tls-cert = c.pem\ntls-key = k.pem\nusers = people\nmanagers = alice bob\n"
                   "audit-log = /var/log/a\naudit-format = json\ninsecure = no\nmetrics = users\n"
                   "connections = 10\nconnections-per-address = 5\nrequests = 7\n"
                   "header-size = 8KiB\nbody-size = 1GiB\nheader-timeout = 5s\n"
                   "idle-timeout = 1m\nbody-timeout = 20s\nstop-timeout = 3s\nleast-rate = 8kbit\n"
                   "login-failures = 4\nlogin-interval = 1s\nlogin-checks = 3\n"
                   "login-remember = 5m\nscrub = 7d\nbandwidth = 10MiB/s\nheal = no\n"
                   "[serve nas]\nstore = x\npath = /borg/nas\nuser = alice carol\n"
                   "permissions = borgbackup-no-delete\nquota = 2GiB\n"
                   "[serve two]\nstore = memory:\nuser = *\n",
                   &c, &err),
             err);
    assert_int_equal(c->listen.count, 4);
    assert_string_equal(c->listen.at[1], "[::1]:5618");
    assert_string_equal(c->tls_cert, "c.pem");
    assert_string_equal(c->users_file, "people");
    assert_string_equal(c->managers.at[1], "bob");
    assert_string_equal(c->audit_log, "/var/log/a");
    assert_true(c->audit_json && !c->insecure && c->no_heal);
    assert_int_equal(c->metrics, SERVER_METRICS_USERS);
    assert_int_equal(c->limits.connections, 10);
    assert_int_equal(c->limits.header_bytes, 8192);
    assert_int_equal(c->limits.stop_timeout_ns, 3000000000);
    assert_int_equal(c->limits.least_bps, 8000);
    assert_int_equal(c->limits.auth_checks, 3);
    assert_int_equal(c->scrub_interval_ns, UINT64_C(7) * 86400 * 1000000000);
    assert_int_equal(c->upkeep_bandwidth_bps, 8 * (10 << 20));
    assert_int_equal(c->serve_count, 2);
    assert_string_equal(c->serves[0].path, "/borg/nas");
    assert_string_equal(c->serves[0].users.at[1], "carol");
    assert_string_equal(c->serves[0].permissions, "borgbackup-no-delete");
    assert_int_equal(c->serves[0].quota_bytes, UINT64_C(2) << 30);
    assert_string_equal(c->serves[1].path, "/two");
    assert_int_equal(c->serves[1].users.count, 0);
    assert_false(c->serves[1].anyone);
    server_conf_free(c);
}

#define N "[serve n]\nstore = memory:\n"

static const struct {
    const char *text, *sentence;
} bad[] = {
    {"", "FILE: there is nothing to serve: a [serve NAME] is missing"},
    {"[server x]\n", "FILE:1: [server] has no name behind it"},
    {"[serve]\n", "FILE:1: what is served needs a name, as in [serve nas]"},
    {"[serve a b]\n", "FILE:1: the name \"a b\" of a [serve] must be made of letters"},
    {N "[serve n]\n", "FILE:3: [serve n] is there already, in line 1"},
    {"[serve n]\n", "FILE:1: [serve n] lacks its store"},
    {"[serve n]\nstore =\n", "FILE:2: store needs a value"},
    {N "stores = x\n", "FILE:3: [serve] has no key \"stores\"; it has store, path, user, "
                       "permissions, quota"},
    {"[server]\nport = 1\n", "FILE:2: [server] has no key \"port\"; it has listen, tls-cert, "},
    {N "path = nas\n", "FILE:3: the path \"nas\" must begin with '/'"},
    {N "path = /a/\n", "FILE:3: the path \"/a/\" must not end with '/' or have an empty part"},
    {N "path = //a\n", "FILE:3: the path \"//a\" must not end with"},
    {N "path = /a/../b\n", "FILE:3: the path \"/a/../b\" must not have a part of dots alone"},
    {N "path = /.\n", "FILE:3: the path \"/.\" must not have a part of dots"},
    {N "path = /a%2fb\n", "FILE:3: the path \"/a%2fb\" must be made of letters"},
    {N "path = /ui/x\n", "FILE:3: the path \"/ui/x\" is a page of the server's own"},
    {N "path = /metrics\n", "FILE:3: the path \"/metrics\" is a page"},
    {N "[serve m]\nstore = memory:\npath = /n\n", "FILE:3: [serve m] has the path of [serve n]"},
    {N "quota = much\n", "FILE:3: quota"},
    {N "quota = 0\n", "FILE:3: quota = 0 is too small"},
    {N "permissions = none\n", "FILE:3: permissions: \"none\" is neither"},
    {N "permissions = {\"\": 1}\n", "FILE:3: permissions: JSON must be one object of strings"},
    {N "permissions = {\"a\": \"lx\"}\n", "FILE:3: permissions: \"lx\" must be letters of lrwWD"},
    {N "permissions = {\"a\": \"l\"\n", "FILE:3: permissions: "},
    {N "permissions = {\"a\\\"\": \"l\"}\n", "FILE:3: permissions: \"a\"\" cannot be a path"},
    {N "permissions = {\"/a\": \"l\"}\n", "FILE:3: permissions: the path \"/a\" must not begin"},
    {N "user = alice\n", "FILE:1: [serve n] names users, but [server] has no users file"},
    {N "user = al:ice\n", "FILE:3: the user's name \"al:ice\" must be made of letters"},
    {N "user = alice anyone\n", "FILE:3: \"anyone\" must stand alone"},
    {N "user = ,\n", "FILE:3: user needs a value"},
    {"[server]\nconnections = 0\n", "FILE:2: connections = 0 is too small"},
    {"[server]\nconnections = 2000000\n", "FILE:2: connections = 2000000 is too large"},
    {"[server]\nheader-size = 10\n", "FILE:2: header-size = 10 is too small"},
    {"[server]\nidle-timeout = soon\n", "FILE:2: idle-timeout"},
    {"[server]\nbandwidth = fast\n", "FILE:2: bandwidth"},
    {"[server]\nscrub = 0\n", "FILE:2: scrub = 0 is too small"},
    {"[server]\nheal = maybe\n", "FILE:2: heal must be yes or no"},
    {"[server]\ninsecure = 1\n", "FILE:2: insecure must be no or yes"},
    {"[server]\nmetrics = open\n", "FILE:2: metrics must be loopback, users or all"},
    {"[server]\naudit-format = xml\n", "FILE:2: audit-format must be text or json"},
    {"[server]\ntls-cert = c\n" N, "FILE: the certificate lacks its key (tls-key)"},
    {"[server]\ntls-key = c\n" N, "FILE: the key lacks its certificate (tls-cert)"},
    {"[server]\nuser = a\nusers = f\n" N, "FILE: give either a user or a file of users, not both"},
    {"[server]\nuser = a\n" N, "FILE: the user lacks a password file"},
    {"[server]\npassword-file = a\n" N, "FILE: the password file lacks its user"},
    {"[server]\nuser = a:b\npassword-file = f\n" N, "FILE: the user's name \"a:b\" must be made"},
    {"[server]\nmanagers = a\n" N, "FILE: there are managers, but no users"},
    {"[server]\nlisten = 5618\n" N, "FILE: listen \"5618\" must be HOST:PORT, [IPV6]:PORT or"},
    {"[server]\nlisten = ::1:5618\n" N, "FILE: listen \"::1:5618\" must be"},
    {"[server]\nlisten = [::1:5618\n" N, "FILE: listen \"[::1:5618\" must be"},
    {"[server]\nlisten = a:99999\n" N, "FILE: listen \"a:99999\" must be"},
    {"[server]\nlisten = a:x\n" N, "FILE: listen \"a:x\" must be"},
    {"[server]\nlisten = :1\n" N, "FILE: listen \":1\" must be"},
    {"[server]\nlisten = unix:\n" N, "FILE: listen \"unix:\" must be"},
    {"[server]\nlisten = 0.0.0.0:1\n" N,
     "FILE: others could read and change what goes over 0.0.0.0:1, because there is no TLS"},
    {"[server]\nlisten = 128.0.0.1:1\nusers = f\n" N, "FILE: others could read and change what"},
    {"[server]\nlisten = [::]:1\ntls-cert = c\ntls-key = k\n" N,
     "FILE: everybody who reaches [::]:1 could use \"n\", because no user is asked for"},
    {"[server]\nlisten = h:1\ntls-cert = c\ntls-key = k\nusers = f\n" N "user = anyone\n",
     "FILE: everybody who reaches h:1 could use \"n\""},
    {"[server]\nlisten = 127.1.1.1:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 a:1 "
     "a:1\n" N,
     "FILE: there are more than 16 addresses to listen on"},
};

static void each_mistake_is_named_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct server_conf *c = NULL;
        struct ms_error err = {0};
        int code = parse(bad[i].text, &c, &err);
        if (code != MS_ERR_CONFIG || strncmp(err.text, bad[i].sentence, strlen(bad[i].sentence)))
            fail_msg("%s: %s: %s", bad[i].text, ms_code_name(code), err.text);
        assert_null(c);
    }
}

static void what_stays_on_this_machine_may_be_open(void **state)
{
    (void)state;
    static const char *const fine[] = {
        N,
        "[server]\nlisten = 127.0.0.1:0 127.9.9.9:1 localhost:2 [::1]:3 unix:/x\n" N,
        "[server]\ninsecure = yes\nlisten = 0.0.0.0:1\n" N,
        "[server]\nlisten = 0.0.0.0:1\ntls-cert = c\ntls-key = k\nusers = f\n" N,
        "[server]\nuser = a\npassword-file = f\n" N "user = a\n",
        N "path = /\n[serve m]\nstore = memory:\npath = /m/x.y~-_\n",
        N "permissions = {\"\": \"lr\", \"data\": \"lrw\"}\n",
    };
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        struct server_conf *c = NULL;
        struct ms_error err = {0};
        check_ok(parse(fine[i], &c, &err), err);
        server_conf_free(c);
    }
}

static void permissions_of_json_become_a_map(void **state)
{
    (void)state;
    char *map = NULL;
    struct ms_error err = {0};
    check_ok(
        server_permissions_text("{\"\": \"lr\", \"a b\": \"lrwWD\", \"x/y\": \"\"}", &map, &err),
        err);
    assert_string_equal(map, "\"\":lr \"a b\":lrwWD \"x/y\": ");
    free(map);
    check_ok(server_permissions_text("data:lr", &map, &err), err);
    assert_string_equal(map, "data:lr");
    free(map);
}

static void a_file_holds_stores_and_what_is_served(void **state)
{
    (void)state;
    struct scratch scratch;
    struct server_conf *c = NULL;
    struct ms_error err = {0};
    char path[128];
    assert_true(scratch_make(&scratch));
    snprintf(path, sizeof path, "%s/config", scratch.path);
    write_file(path, "[store nas]\nurl = memory:\n[serve nas]\nstore = nas\n", 0644);
    check_ok(server_conf_load(path, &c, &err), err);
    assert_non_null(c->stores);
    assert_string_equal(c->source, path);
    server_conf_free(c);
    c = NULL;
    write_file(path, "[store nas]\n[serve nas]\nstore = nas\n", 0644);
    check_code(server_conf_load(path, &c, &err), MS_ERR_CONFIG, err);
    check_text(err, ":1: [store nas] has no url");
    write_file(path, "[serve nas]\nstore = sftp://me:hunter2@host/x\n", 0644);
    check_code(server_conf_load(path, &c, &err), MS_ERR_CONFIG, err);
    check_text(
        err,
        "/config:1: the store's URL holds a secret, and others may read the file; run: chmod 600");
    assert_null(strstr(err.text, "hunter2"));
    write_file(path, "[serve nas]\nstore = sftp://me:hunter2@host/x\n", 0600);
    check_ok(server_conf_load(path, &c, &err), err);
    server_conf_free(c);
    unlink(path);
    check_code(server_conf_load(path, &c, &err), MS_ERR_NOT_FOUND, err);
    scratch_remove(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_keys_are_understood),
        cmocka_unit_test(each_mistake_is_named_with_its_place),
        cmocka_unit_test(what_stays_on_this_machine_may_be_open),
        cmocka_unit_test(permissions_of_json_become_a_map),
        cmocka_unit_test(a_file_holds_stores_and_what_is_served),
    };
    return cmocka_run_group_tests_name("server conf", tests, NULL, NULL);
}
