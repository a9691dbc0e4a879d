/* What a "rest:" URL starts: words, quoting, what is refused; and that a path survives the shell at
 * the other end. */
#include "peers/rest_rig.h"

#include "backends/rest/stdio.h"

static void words(const char *url, const char *wanted)
{
    struct ms_url *parsed = NULL;
    struct ms_error err = {0};
    char **command = NULL, got[2048] = "";
    size_t at = 0;
    check_ok(ms_url_parse(url, &parsed, &err), err);
    check_ok(ms_rest_command(parsed, &command, &err), err);
    for (size_t i = 0; command[i]; i++)
        at += (size_t)snprintf(got + at, sizeof got - at, "%s%s", i ? "|" : "", command[i]);
    assert_string_equal(got, wanted);
    ms_rest_command_free(command);
    ms_url_free(parsed);
}

static void refused(const char *url, int code, const char *why)
{
    struct ms_url *parsed = NULL;
    struct ms_error err = {0};
    char **command = NULL;
    check_ok(ms_url_parse(url, &parsed, &err), err);
    check_code(ms_rest_command(parsed, &command, &err), code, err);
    check_text(err, why);
    assert_null(command);
    ms_url_free(parsed);
}

#define SSH    "ssh|-o|ServerAliveInterval=30|-o|ServerAliveCountMax=3|"
#define BEHIND "borgstore-server-rest|--stdio|--backend|"

static void clear_environment(void)
{
    unsetenv("BORGSTORE_RSH");
    unsetenv("MSTORE_REST_SERVER");
    unsetenv("BORGSTORE_REST_SERVER");
}

static void ssh_gets_its_words(void **state)
{
    (void)state;
    clear_environment();
    words("rest://host/rel/path", SSH "--|host|" BEHIND "FILE:rel/path");
    words("rest://me@host:2222//abs", SSH "-p|2222|--|me@host|" BEHIND "FILE:/abs");
    words("rest://me@[::1]:22/~/x", SSH "-p|22|--|me@::1|" BEHIND "'FILE:~/x'");
    words("rest://h/it's%20$HOME;x", SSH "--|h|" BEHIND "'FILE:it'\\''s $HOME;x'");
    words("rest://h/a%0Ab", SSH "--|h|" BEHIND "'FILE:a\nb'");
}

static void a_remote_shell_of_ones_own(void **state)
{
    (void)state;
    clear_environment();
    setenv("BORGSTORE_RSH", " ssh  -i 'my key' -o\t\"User Known\\\"Hosts\" a\\ b ''", 1);
    words("rest://me@host:2222//abs",
          "ssh|-i|my key|-o|User Known\"Hosts|a b||me@host|" BEHIND "FILE:/abs");
    setenv("BORGSTORE_RSH", "ssh 'open", 1);
    refused("rest://host/x", MS_ERR_CONFIG, "BORGSTORE_RSH has a quote that does not end");
    setenv("BORGSTORE_RSH", "", 1);
    words("rest://host/x", SSH "--|host|" BEHIND "FILE:x");
    clear_environment();
}

static void a_local_server_of_ones_own(void **state)
{
    (void)state;
    clear_environment();
    words("rest:///rel", BEHIND "FILE:rel");
    words("rest:////abs/it's", BEHIND "FILE:/abs/it's"); /* no shell, no quotes */
    setenv("BORGSTORE_REST_SERVER", "borg server", 1);
    words("rest:///rel", "borg|server|--stdio|--backend|FILE:rel");
    setenv("MSTORE_REST_SERVER", "mine", 1);
    words("rest:///rel", "mine|--stdio|--backend|FILE:rel");
    clear_environment();
}

static void what_ssh_would_misunderstand_is_refused(void **state)
{
    (void)state;
    clear_environment();
    refused("rest://-oProxyCommand=x/p", MS_ERR_URL, "begins with '-'");
    refused("rest://-l@host/p", MS_ERR_URL, "begins with '-'");
    refused("rest://a%20b/p", MS_ERR_URL, "blank");
    refused("rest://a%40b@c/p", MS_ERR_URL, "blank or '@'");
    refused("rest://me:secret@host/p", MS_ERR_URL, "ssh takes no password");
    refused("rest://host", MS_ERR_URL, "expected rest://");
    refused("rest://host/", MS_ERR_URL, "expected rest://");
    refused("rest:/path", MS_ERR_URL, "expected rest://");
    refused("rest://:22/path", MS_ERR_URL, "without a host");
}

static void refused_url(const char *url, const char *why)
{
    struct ms_backend *b = NULL;
    struct ms_error err = {0};
    check_code(ms_backend_make(url, NULL, &b, &err), MS_ERR_URL, err);
    check_text(err, why);
    assert_null(b);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    refused_url("rest:///x?connections=0", "at least 1");
    refused_url("rest:///x?connections=65", "connections");
    refused_url("rest:///x?ca=/x", "unknown");
    refused_url("http://h/?timeout=10ms", "from 1s");
    refused_url("http://h/?timeout=soon", "timeout");
    refused_url("http://h/?retries=-1", "retries");
    refused_url("http://h/?connections=2", "unknown");
    refused_url("http://h/?insecure=1", "unknown");
    refused_url("https://h/?insecure=2", "insecure");
    refused_url("http:///x", "expected http://");
    refused_url("http://a%20b/x", "no host has");
    refused_url("https://h%0d%0ax/", "no host has");
    refused_url("http://-h/x", "a host may not begin with -");
    refused_url("https://-oProxyCommand=x/", "a host may not begin with -");
}

/* A stand-in for ssh: drops the host and hands the rest to a shell, joined by blanks, as sshd
 * does. */
static void a_path_survives_the_shell_over_there(void **state)
{
    (void)state;
    struct rig rig;
    char command[1024], url[512], path[512];
    rig_start(&rig, true, "", "");
    unsetenv("MSTORE_REST_SERVER");
    assert_int_equal(mkdir(rig_path(&rig, "bin"), 0700), 0);
    assert_int_equal(symlink(REST_PEER, rig_path(&rig, "bin/borgstore-server-rest")), 0);
    snprintf(command, sizeof command, "env \"PATH=%s/bin:%s\" sh -c 'shift; eval \"$*\"' rsh",
             rig.folder.path, getenv("PATH"));
    setenv("BORGSTORE_RSH", command, 1);
    snprintf(url, sizeof url, "rest://me@far//%s/it's%%20a%%20$HOME%%20%%22dir%%22;%%20%%23",
             rig.folder.path);
    ms_backend_free(rig.b);
    check_ok(ms_backend_make(url, NULL, &rig.b, &rig.err), rig.err);
    check_ok(ms_backend_create(rig.b, &rig.err), rig.err);
    check_ok(ms_backend_open(rig.b, &rig.err), rig.err);
    check_ok(rig_put(&rig, "v", "over there"), rig.err);
    rig_holds(&rig, "v", "over there");
    snprintf(path, sizeof path, "%s/it's a $HOME \"dir\"; #/v", rig.folder.path);
    assert_int_equal(access(path, R_OK), 0);
    clear_environment();
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ssh_gets_its_words),
        cmocka_unit_test(a_remote_shell_of_ones_own),
        cmocka_unit_test(a_local_server_of_ones_own),
        cmocka_unit_test(what_ssh_would_misunderstand_is_refused),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(a_path_survives_the_shell_over_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
