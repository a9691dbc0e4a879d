/* The SFTP driver before it connects, and what it says of peers that are no SSH server: URLs and
 * options, nothing listening, something else speaking, closing, silent. */
#include "backends/sftp/sftp.h"

#include "support/check.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static struct ms_error err;

static struct ms_backend *make(const char *url, struct ms_clock *clock)
{
    struct ms_backend_env env = {.clock = clock};
    struct ms_backend *b = NULL;
    check_ok(ms_backend_make(url, &env, &b, &err), err);
    return b;
}

static void paths(void **state)
{
    (void)state;
    static const struct {
        const char *url, *root, *prefix;
    } cases[] = {
        {"sftp://h/rel", "rel", "rel/"},
        {"sftp://h/a/b/", "a/b", "a/b/"},
        {"sftp://h//abs/x", "/abs/x", "/abs/x/"},
        {"sftp://h", ".", ""},
        {"sftp://h/", ".", ""},
        {"sftp://h//", "/", "/"},
        {"sftp://h///a//b", "/a/b", "/a/b/"},
        {"sftp://h/a%20b", "a b", "a b/"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ms_backend *b = make(cases[i].url, NULL);
        assert_string_equal(ms_sftp_self(b)->root, cases[i].root);
        assert_string_equal(ms_sftp_self(b)->prefix, cases[i].prefix);
        ms_backend_free(b);
    }
}

static void options(void **state)
{
    (void)state;
    setenv("HOME", "/home/me", 1);
    struct ms_backend *b =
        make("sftp://me:geheim@[::1]:2022/x?identity=~/k&known_hosts=/kh&accept_new=1&"
             "connections=5&timeout=7&ssh_config=none&sync=none&extensions=off",
             NULL);
    const struct ms_sftp *s = ms_sftp_self(b);
    assert_string_equal(s->options.host, "::1");
    assert_string_equal(s->options.user, "me");
    assert_string_equal(s->options.password, "geheim");
    assert_string_equal(s->options.identity, "/home/me/k");
    assert_string_equal(s->options.known_hosts, "/kh");
    assert_string_equal(s->options.ssh_config, "none");
    assert_int_equal(s->options.port, 2022);
    assert_int_equal(s->options.timeout_s, 7);
    assert_int_equal(s->connections, 5);
    assert_true(s->options.accept_new && s->options.no_extensions && !s->sync);
    assert_null(strstr(b->url, "geheim"));
    ms_backend_free(b);
    b = make("sftp://h/x", NULL);
    s = ms_sftp_self(b);
    assert_int_equal(s->connections, 1);
    assert_int_equal(s->options.port, -1);
    assert_true(s->sync && !s->options.accept_new && !s->options.password);
    ms_backend_free(b);
}

static void secrets_of_the_environment(void **state)
{
    (void)state;
    setenv("MSTORE_SFTP_PASSWORD", "from env", 1);
    setenv("MSTORE_SSH_PASSPHRASE", "phrase", 1);
    struct ms_backend *b = make("sftp://h/x", NULL), *other = make("sftp://u:url@h/x", NULL);
    unsetenv("MSTORE_SFTP_PASSWORD");
    unsetenv("MSTORE_SSH_PASSPHRASE");
    assert_string_equal(ms_sftp_self(b)->options.password, "from env");
    assert_string_equal(ms_sftp_self(b)->options.passphrase, "phrase");
    assert_string_equal(ms_sftp_self(other)->options.password, "url");
    ms_backend_free(b);
    ms_backend_free(other);
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *url, *says;
    } cases[] = {
        {"sftp:/x", "has no host"},
        {"sftp:///x", "has no host"},
        {"sftp://-oProxyCommand=id/x", "may not begin with -"},
        {"sftp://-l@h/x", "may not be empty or begin with -"},
        {"sftp://@h/x", "may not be empty"},
        {"sftp://a%24(id)@h/x", "a user may not hold"},
        {"sftp://a%0ab@h/x", "the end of a line in it"},
        {"sftp://h%3bid/x", "a host has only the letters"},
        {"sftp://a%40b/x", "a host has only the letters"},
        {"sftp://h/x?connections=0", "connections is a number from 1 to 16"},
        {"sftp://h/x?connections=17", "connections is a number from 1 to 16"},
        {"sftp://h/x?timeout=soon", "timeout is a number from 1 to 3600"},
        {"sftp://h/x?accept_new=yes", "accept_new is a number from 0 to 1"},
        {"sftp://h/x?identity=", "identity names no file"},
        {"sftp://h/x?sync=full", "sync is data or none"},
        {"sftp://h/x?extensions=few", "extensions is on or off"},
        {"sftp://h/x?nosuch=1", "\"nosuch\" is unknown"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ms_backend *b = NULL;
        int code = ms_backend_make(cases[i].url, NULL, &b, &err);
        if (code != MS_ERR_URL || !strstr(err.text, cases[i].says))
            fail_msg("%s: %s: %s", cases[i].url, ms_code_name(code), err.text);
        assert_null(b);
    }
}

/* ---- peers ---- */

struct peer {
    int listener;
    const char *says; /* NULL: nothing, until the other side goes */
    pthread_t thread;
    char url[128];
};

static void *serve(void *arg)
{
    struct peer *p = arg;
    for (;;) {
        int fd = accept(p->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        char heard[256];
        if (p->says && *p->says)
            (void)!write(fd, p->says, strlen(p->says));
        if (!p->says || *p->says) /* else it hangs up at once */
            while (read(fd, heard, sizeof heard) > 0 && !p->says)
                continue;
        close(fd);
    }
}

static void listen_somewhere(struct peer *p)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    p->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(p->listener >= 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&a, size), 0);
    assert_int_equal(listen(p->listener, 8), 0);
    assert_int_equal(getsockname(p->listener, (struct sockaddr *)&a, &size), 0);
    snprintf(p->url, sizeof p->url, "sftp://u@127.0.0.1:%d/x?ssh_config=none&timeout=1",
             ntohs(a.sin_port));
}

/* Opens the URL once, without another attempt. */
static int open_once(const char *url)
{
    struct ms_clock *clock = ms_clock_virtual_new(0);
    struct ms_backend *b = make(url, clock);
    ms_sftp_self(b)->policy.attempts = 1;
    int code = ms_backend_open(b, &err);
    ms_backend_free(b);
    ms_clock_free(clock);
    return code;
}

static void meets(const char *says, int wanted, const char *text)
{
    struct peer p = {.says = says};
    listen_somewhere(&p);
    assert_int_equal(pthread_create(&p.thread, NULL, serve, &p), 0);
    int code = open_once(p.url);
    shutdown(p.listener, SHUT_RDWR);
    pthread_join(p.thread, NULL);
    close(p.listener);
    if (code != wanted || !strstr(err.text, text))
        fail_msg("\"%s\": %s: %s", says ? says : "(silence)", ms_code_name(code), err.text);
}

static void something_else_speaks(void **state)
{
    (void)state;
    meets("HTTP/1.1 400 Bad Request\r\n\r\n", MS_ERR_PROTOCOL, "does not speak SSH");
    meets("220 mail.example.org ESMTP\r\n", MS_ERR_PROTOCOL, "does not speak SSH");
}

static void it_hangs_up(void **state)
{
    (void)state;
    meets("", MS_ERR_CONNECTION, "127.0.0.1:");
}

static void it_says_nothing(void **state)
{
    (void)state;
    meets(NULL, MS_ERR_TIMEOUT, "does not answer: nothing came for 1 s");
}

static void nothing_listens(void **state)
{
    (void)state;
    struct peer p = {0};
    listen_somewhere(&p);
    close(p.listener);
    check_code(open_once(p.url), MS_ERR_CONNECTION, err);
    check_text(err, "Connection refused");
}

static void a_refused_connection_is_tried_again(void **state)
{
    (void)state;
    struct peer p = {0};
    listen_somewhere(&p);
    close(p.listener);
    struct ms_clock *clock = ms_clock_virtual_new(1);
    struct ms_backend *b = make(p.url, clock);
    check_code(ms_backend_open(b, &err), MS_ERR_CONNECTION, err);
    assert_true(ms_clock_now(clock) > 1); /* it waited in between */
    assert_int_equal(ms_sftp_self(b)->policy.tokens, 480);
    ms_backend_free(b);
    ms_clock_free(clock);
}

static void a_missing_configuration_is_named(void **state)
{
    (void)state;
    int code = open_once("sftp://u@127.0.0.1:1/x?ssh_config=/nonexistent/config");
    assert_true(code < 0 && code != MS_ERR_CONNECTION);
    check_text(err, "/nonexistent/config");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(options),
        cmocka_unit_test(secrets_of_the_environment),
        cmocka_unit_test(refusals),
        cmocka_unit_test(something_else_speaks),
        cmocka_unit_test(it_hangs_up),
        cmocka_unit_test(it_says_nothing),
        cmocka_unit_test(nothing_listens),
        cmocka_unit_test(a_refused_connection_is_tried_again),
        cmocka_unit_test(a_missing_configuration_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
