/* Whom the SFTP driver speaks with, and who it says it is: known, unknown and changed hosts,
 * passwords, keys plain and encrypted, the agent, the ssh configuration. */
#include "peers/sftp_rig.h"

#include <libssh/libssh.h>

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

static struct rig rig;

/* A new key as NAME, also encrypted as NAME.locked, its public half as NAME.pub. */
static void make_key(const char *name)
{
    char path[128];
    ssh_key key = NULL;
    assert_int_equal(ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key), SSH_OK);
    assert_int_equal(ssh_pki_export_privkey_file(key, NULL, NULL, NULL, rig_path(&rig, name)),
                     SSH_OK);
    snprintf(path, sizeof path, "%s.locked", name);
    assert_int_equal(
        ssh_pki_export_privkey_file(key, "pass phrase", NULL, NULL, rig_path(&rig, path)), SSH_OK);
    snprintf(path, sizeof path, "%s.pub", name);
    assert_int_equal(ssh_pki_export_pubkey_file(key, rig_path(&rig, path)), SSH_OK);
    ssh_key_free(key);
    assert_int_equal(chmod(rig_path(&rig, name), 0600), 0);
    snprintf(path, sizeof path, "%s.locked", name);
    assert_int_equal(chmod(rig_path(&rig, path), 0600), 0);
}

static void up(enum sftp_login login, const char *secret)
{
    static char file[400];
    struct sftp_setup setup = {.login = login, .secret = login == SFTP_KEY ? file : secret};
    rig_up(&rig, &setup);
    assert_int_equal(mkdir(rig_path(&rig, "store"), 0700), 0);
    unsetenv("SSH_AUTH_SOCK");
    unsetenv("MSTORE_SFTP_PASSWORD");
    unsetenv("MSTORE_SSH_PASSPHRASE");
    setenv("HOME", rig.folder.path, 1); /* no keys of one's own */
    if (login == SFTP_KEY) {            /* there before anybody comes */
        make_key("key");
        snprintf(file, sizeof file, "%s", rig_path(&rig, "key.pub"));
    }
}

/* Opens with these options, once; the sentence is rig.err. */
static int try(const char *options)
{
    ms_backend_free(rig.b);
    rig.b = rig_make(&rig, options);
    ms_sftp_self(rig.b)->policy.attempts = 1;
    rig.err = (struct ms_error){0};
    return ms_backend_open(rig.b, &rig.err);
}

/* The same for an option that names a file in the folder. */
static int try_file(const char *option, const char *name)
{
    char text[600];
    snprintf(text, sizeof text, "%s=%s", option, rig_path(&rig, name));
    return try(text);
}

/* ---- hosts ---- */

static void an_unknown_host_is_refused_or_added(void **state)
{
    (void)state;
    up(SFTP_ANYBODY, NULL);
    check_code(try_file("known_hosts", "none"), MS_ERR_UNTRUSTED, rig.err);
    check_text(rig.err, "is not known: check that its key is SHA256:");
    check_text(rig.err, "ssh-keyscan");
    check_text(rig.err, "accept_new=1");
    assert_false(rig_has(&rig, "none"));
    check_ok(try_file("accept_new=1&known_hosts", "new"), rig.err);
    assert_true(rig_has(&rig, "new"));
    check_ok(try_file("known_hosts", "new"), rig.err); /* from now on */
    check_code(try_file("accept_new=1&known_hosts", "store"), MS_ERR_UNTRUSTED, rig.err);
    check_text(rig.err, "cannot ");
    rig_down(&rig);
}

static void a_changed_key_is_refused(void **state)
{
    (void)state;
    char line[300];
    up(SFTP_ANYBODY, NULL);
    make_key("other");
    FILE *f = fopen(rig_path(&rig, "other.pub"), "r");
    char key[200] = "";
    assert_non_null(f);
    assert_true(fscanf(f, "ssh-ed25519 %199s", key) == 1);
    fclose(f);
    int n = snprintf(line, sizeof line, "[127.0.0.1]:%d ssh-ed25519 %s\n", sftp_peer_port(), key);
    rig_file(&rig, "changed", line, (size_t)n);
    check_code(try_file("known_hosts", "changed"), MS_ERR_UNTRUSTED, rig.err);
    check_text(rig.err, "is not the one that");
    check_text(rig.err, "ssh-keygen -R");
    check_code(try_file("accept_new=1&known_hosts", "changed"), MS_ERR_UNTRUSTED, rig.err);
    rig_down(&rig);
}

/* Wherever it stands, and whatever else stands there. */
static void a_revoked_key_is_refused(void **state)
{
    (void)state;
    char text[1200];
    up(SFTP_ANYBODY, NULL);
    const char *known = sftp_peer_host_key(), *key = strchr(known, ' ');
    assert_non_null(key);
    for (int i = 0; i < 3; i++) {
        const char *other = i ? known : "";
        snprintf(text, sizeof text, "%s\n\t@revoked %s%s\n%s", i == 1 ? other : "",
                 i == 2 ? "other.example" : "*", key, i == 2 ? other : "");
        rig_file(&rig, "revoked", text, strlen(text));
        check_code(try_file("known_hosts", "revoked"), MS_ERR_UNTRUSTED, rig.err);
        check_text(rig.err, "is marked @revoked");
        check_code(try_file("accept_new=1&known_hosts", "revoked"), MS_ERR_UNTRUSTED, rig.err);
    }
    int n =
        snprintf(text, sizeof text, "@revoked * ssh-ed25519 AAAA\n#@revoked *%s\n%s", key, known);
    rig_file(&rig, "revoked", text, (size_t)n);
    check_ok(try_file("known_hosts", "revoked"), rig.err);
    rig_down(&rig);
}

/* ---- passwords ---- */

static void passwords(enum sftp_login login)
{
    up(login, "open sesame");
    setenv("MSTORE_SFTP_PASSWORD", "open sesame", 1);
    check_ok(try(""), rig.err);
    setenv("MSTORE_SFTP_PASSWORD", "guessed", 1);
    check_code(try(""), MS_ERR_AUTH, rig.err);
    check_text(rig.err, "refuses the login of tester: neither a key nor the password is accepted");
    assert_null(strstr(rig.err.text, "guessed"));
    unsetenv("MSTORE_SFTP_PASSWORD");
    check_code(try(""), MS_ERR_AUTH, rig.err);
    check_text(rig.err, "MSTORE_SFTP_PASSWORD");
    rig_down(&rig);
}

static void a_password(void **state)
{
    (void)state;
    passwords(SFTP_PASSWORD);
}

static void a_password_by_question_and_answer(void **state)
{
    (void)state;
    passwords(SFTP_KEYBOARD);
}

/* ---- keys ---- */

static void a_key_of_a_file(void **state)
{
    (void)state;
    up(SFTP_KEY, NULL);
    check_ok(try_file("identity", "key"), rig.err);
    check_code(try_file("identity", "missing"), MS_ERR_AUTH, rig.err);
    check_text(rig.err, "cannot read the key ");
    make_key("other");
    check_code(try_file("identity", "other"), MS_ERR_AUTH, rig.err);
    check_text(rig.err, "the key of ?identity= is not accepted");
    assert_int_equal(chmod(rig_path(&rig, "key"), 0640), 0);
    check_code(try_file("identity", "key"), MS_ERR_AUTH, rig.err);
    check_text(rig.err, "others may read the key ");
    rig_file(&rig, "rubbish", "no key", 6);
    assert_int_equal(chmod(rig_path(&rig, "rubbish"), 0600), 0);
    check_code(try_file("identity", "rubbish"), MS_ERR_AUTH, rig.err);
    check_text(rig.err, "is no private key that libssh can read");
    check_code(try(""), MS_ERR_AUTH, rig.err);
    check_text(rig.err, "no key of ssh-agent or ~/.ssh is accepted");
    rig_down(&rig);
}

static void an_encrypted_key(void **state)
{
    (void)state;
    up(SFTP_KEY, NULL);
    check_code(try_file("identity", "key.locked"), MS_ERR_AUTH, rig.err);
    check_text(rig.err, "is encrypted: give its passphrase in MSTORE_SSH_PASSPHRASE");
    setenv("MSTORE_SSH_PASSPHRASE", "wrong phrase", 1);
    check_code(try_file("identity", "key.locked"), MS_ERR_AUTH, rig.err);
    check_text(rig.err, "the passphrase does not open the key");
    assert_null(strstr(rig.err.text, "wrong phrase"));
    setenv("MSTORE_SSH_PASSPHRASE", "pass phrase", 1);
    check_ok(try_file("identity", "key.locked"), rig.err);
    rig_down(&rig);
}

static pid_t run(char **argv)
{
    extern char **environ;
    pid_t pid = -1;
    return posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) == 0 ? pid : -1;
}

static void keys_of_the_agent(void **state)
{
    (void)state;
    char socket[400], key[400];
    int status = -1;
    up(SFTP_KEY, NULL);
    snprintf(socket, sizeof socket, "%s", rig_path(&rig, "agent"));
    snprintf(key, sizeof key, "%s", rig_path(&rig, "key"));
    pid_t agent =
        run((char *[]){(char[]){"ssh-agent"}, (char[]){"-D"}, (char[]){"-a"}, socket, NULL});
    assert_true(agent > 0);
    for (int i = 0; i < 500 && !rig_has(&rig, "agent"); i++)
        usleep(10000);
    setenv("SSH_AUTH_SOCK", socket, 1);
    check_code(try(""), MS_ERR_AUTH, rig.err); /* it has none yet */
    pid_t add = run((char *[]){(char[]){"ssh-add"}, (char[]){"-q"}, key, NULL});
    assert_int_equal(waitpid(add, &status, 0), add);
    assert_int_equal(status, 0);
    check_ok(try(""), rig.err);
    check_ok(try_file("identity", "key.locked"), rig.err); /* it knows that one */
    kill(agent, SIGTERM);
    waitpid(agent, NULL, 0);
    unsetenv("SSH_AUTH_SOCK");
    rig_down(&rig);
}

/* ---- the ssh configuration ---- */

static int open_alias(const char *user, const char *config)
{
    char url[600];
    ms_backend_free(rig.b);
    snprintf(url, sizeof url, "sftp://%salias/store?timeout=3&ssh_config=%s", user,
             rig_path(&rig, config));
    check_ok(ms_backend_make(url, NULL, &rig.b, &rig.err), rig.err);
    ms_sftp_self(rig.b)->policy.attempts = 1;
    return ms_backend_open(rig.b, &rig.err);
}

static void configure(const char *name, const char *more)
{
    char text[1600];
    int n = snprintf(text, sizeof text,
                     "Host alias\n HostName 127.0.0.1\n Port %d\n User tester\n IdentityFile %s\n"
                     " UserKnownHostsFile %s\n%s",
                     sftp_peer_port(), rig_path(&rig, "key"), rig_path(&rig, "known_hosts"), more);
    rig_file(&rig, name, text, (size_t)n);
}

static void the_configuration_is_honoured(void **state)
{
    (void)state;
    up(SFTP_KEY, NULL);
    configure("config", "");
    check_ok(open_alias("", "config"), rig.err);
    configure("proxied", " ProxyCommand false\n");
    assert_true(open_alias("", "proxied") < 0);
    check_code(open_alias("caf%C3%A9@", "proxied"), MS_ERR_URL, rig.err);
    check_text(rig.err, "letters that a ProxyCommand must not get");
    rig_down(&rig);
}

static void the_one_of_the_home_is_found(void **state)
{
    (void)state;
    char url[100];
    up(SFTP_KEY, NULL);
    assert_int_equal(mkdir(rig_path(&rig, ".ssh"), 0700), 0);
    configure(".ssh/config", "");
    setenv("HOME", rig.folder.path, 1);
    snprintf(url, sizeof url, "sftp://nosuchhost.invalid/store?timeout=3");
    struct ms_backend *b = NULL;
    check_ok(ms_backend_make(url, NULL, &b, &rig.err), rig.err);
    ms_sftp_self(b)->policy.attempts = 1;
    check_code(ms_backend_open(b, &rig.err), MS_ERR_CONNECTION, rig.err);
    check_text(rig.err, "nosuchhost.invalid was not found");
    ms_backend_free(b);
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_host_is_refused_or_added),
        cmocka_unit_test(a_changed_key_is_refused),
        cmocka_unit_test(a_revoked_key_is_refused),
        cmocka_unit_test(a_password),
        cmocka_unit_test(a_password_by_question_and_answer),
        cmocka_unit_test(a_key_of_a_file),
        cmocka_unit_test(an_encrypted_key),
        cmocka_unit_test(keys_of_the_agent),
        cmocka_unit_test(the_configuration_is_honoured),
        cmocka_unit_test(the_one_of_the_home_is_found),
    };
    return sftp_peer_program() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
