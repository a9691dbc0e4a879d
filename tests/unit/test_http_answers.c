/* What the HTTP client makes of answers that are too long, broken off, never come, or are fine; a
 * server of ours gives one canned answer to each connection. */
#include "support/check.h"

#include "backends/http/http.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct rig {
    int listener, port;
    pthread_t thread;
    const char *answer; /* NULL: none ever comes */
    size_t size;
    char seen[4096]; /* head of the request */
    struct ms_http *http;
    struct ms_error err;
};

static void *serve(void *arg)
{
    struct rig *rig = arg;
    int fd = accept(rig->listener, NULL, NULL);
    size_t at = 0;
    while (fd >= 0 && at + 1 < sizeof rig->seen && !strstr(rig->seen, "\r\n\r\n")) {
        ssize_t n = read(fd, rig->seen + at, sizeof rig->seen - 1 - at);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    size_t sent = 0;
    while (rig->answer && sent < rig->size) {
        ssize_t n = send(fd, rig->answer + sent, rig->size - sent, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    char sink[4096];
    if (rig->answer)
        shutdown(fd, SHUT_WR);
    while (read(fd, sink, sizeof sink) > 0) {
    }
    close(fd);
    return NULL;
}

static void start(struct rig *rig, const char *answer, size_t size, struct ms_http_options *o)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    *rig = (struct rig){.answer = answer, .size = size};
    rig->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(rig->listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(rig->listener, 4), 0);
    assert_int_equal(getsockname(rig->listener, (struct sockaddr *)&address, &length), 0);
    rig->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&rig->thread, NULL, serve, rig), 0);
    o->host = "the server";
    check_ok(ms_http_new(o, &rig->http, &rig->err), rig->err);
}

/* One request; what it needs not is 0. */
static int ask(struct rig *rig, struct ms_http_request *r, struct ms_http_answer *a)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/x", rig->port);
    r->method = r->method ? r->method : "GET";
    r->url = r->url ? r->url : url;
    int code = ms_http_do(rig->http, r, a, &rig->err);
    r->url = NULL;
    ms_http_free(rig->http); /* its connection with it */
    pthread_join(rig->thread, NULL);
    close(rig->listener);
    return code;
}

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

static char *long_text(const char *before, size_t count, const char *after, size_t *size)
{
    size_t from = strlen(before);
    *size = from + count + strlen(after);
    char *text = malloc(*size + 1);
    assert_non_null(text);
    memcpy(text, before, from);
    memset(text + from, 'x', count);
    memcpy(text + from + count, after, strlen(after) + 1);
    return text;
}

static void refuses_what_is_too_long(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        size_t count;
        const char *after;
        size_t into_size; /* 0: into a buffer of at most 1000 bytes */
    } cases[] = {
        {OK_HEAD "X: ", 70000, "\r\n\r\n", 0},
        {OK_HEAD "Content-Length: 1001\r\n\r\n", 1001, "", 0},
        {OK_HEAD "\r\n", 300000, "", 0},
        {OK_HEAD "Content-Length: 11\r\n\r\n", 11, "", 10},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig rig;
        uint8_t into[16];
        size_t size;
        char *text = long_text(cases[i].before, cases[i].count, cases[i].after, &size);
        struct ms_http_answer a = {0};
        struct ms_http_request r = {.body_max_bytes = 1000, .into_size = cases[i].into_size};
        r.into = cases[i].into_size ? into : NULL;
        start(&rig, text, size, &(struct ms_http_options){0});
        check_code(ask(&rig, &r, &a), MS_ERR_PROTOCOL, rig.err);
        check_text(rig.err, "longer than it may be");
        assert_true(a.sent);
        free(text);
    }
}

/* Without a length, so that the buffer grows; and a NUL in the head hides nothing. */
static void takes_an_answer_of_unknown_length(void **state)
{
    (void)state;
    struct rig rig;
    size_t size;
    char *text = long_text(OK_HEAD "X: a0b\r\nY: c\r\n\r\n", 500000, "", &size);
    *strstr(text, "0b") = 0;
    struct ms_http_answer a = {0};
    struct ms_http_request r = {.body_max_bytes = 500001};
    start(&rig, text, size, &(struct ms_http_options){0});
    int code = ask(&rig, &r, &a);
    if (code) { /* a newer libcurl refuses the NUL itself */
        assert_true(code == MS_ERR_PROTOCOL || code == MS_ERR_CONNECTION);
        free(text);
        return;
    }
    assert_int_equal(a.body_size, 500000);
    assert_int_equal(ms_buf_size(a.body), 500000);
    assert_int_equal(ms_buf_view(a.body).data[499999], 'x');
    assert_int_equal(ms_http_header(&a, "y").size, 1);
    ms_http_answer_fini(&a);
    free(text);
}

static void broken_off_is_no_answer(void **state)
{
    (void)state;
    static const char *const answers[] = {
        OK_HEAD "Content-Length: 5\r\n\r\n1234",
        OK_HEAD "Content-Length: 0\r\nX: 1",
        "",
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct rig rig;
        struct ms_http_answer a = {0};
        struct ms_http_request r = {0};
        start(&rig, answers[i], strlen(answers[i]), &(struct ms_http_options){0});
        check_code(ask(&rig, &r, &a), MS_ERR_CONNECTION, rig.err);
        check_text(rig.err, "the server");
        assert_true(a.sent);
    }
}

static void waits_no_longer_than_told(void **state)
{
    (void)state;
    struct rig rig;
    struct ms_http_answer a = {0};
    struct ms_http_request r = {0};
    start(&rig, NULL, 0, &(struct ms_http_options){.stall_timeout_s = 1});
    check_code(ask(&rig, &r, &a), MS_ERR_TIMEOUT, rig.err);
    check_text(rig.err, "the server does not answer in time");
}

/* A login, a type of one's own, an address that is told instead of asked for. */
static void sends_what_it_is_told(void **state)
{
    (void)state;
    struct rig rig;
    struct ms_http_answer a = {0};
    char url[64], resolve[64];
    struct ms_http_request r = {.method = "PUT",
                                .url = url,
                                .headers = {"X-Own: 7"},
                                .body = ms_str("body"),
                                .has_body = true};
    struct ms_http_options o = {.user = "me", .password = "top", .resolve = resolve};
    snprintf(resolve, sizeof resolve, "store.example:1:127.0.0.1");
    start(&rig, OK_HEAD "Content-Length: 0\r\n\r\n", strlen(OK_HEAD) + 21, &o);
    ms_http_free(rig.http); /* another client, now that the port is known */
    snprintf(resolve, sizeof resolve, "store.example:%d:127.0.0.1", rig.port);
    o.host = "store.example";
    check_ok(ms_http_new(&o, &rig.http, &rig.err), rig.err);
    snprintf(url, sizeof url, "http://store.example:%d/x", rig.port);
    check_ok(ask(&rig, &r, &a), rig.err);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(rig.seen, "PUT /x HTTP/1.1\r\n"));
    assert_non_null(strstr(rig.seen, "Authorization: Basic bWU6dG9w\r\n"));
    assert_non_null(strstr(rig.seen, "X-Own: 7\r\n"));
    assert_non_null(strstr(rig.seen, "Content-Length: 4\r\n"));
    assert_null(strcasestr(rig.seen, "Content-Type:"));
    assert_null(strcasestr(rig.seen, "Expect:"));
    ms_http_answer_fini(&a);
}

static void names_hosts_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        int code;
        const char *word;
    } cases[] = {
        {"http://nobody.invalid/x", MS_ERR_CONNECTION, "the server"},
        {"http://127.0.0.1:port/x", MS_ERR_URL, "malformed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ms_http *http = NULL;
        struct ms_error err = {0};
        struct ms_http_answer a = {0};
        struct ms_http_request r = {.method = "GET", .url = cases[i].url};
        const struct ms_http_options o = {.host = "the server"};
        check_ok(ms_http_new(&o, &http, &err), err);
        check_code(ms_http_do(http, &r, &a, &err), cases[i].code, err);
        check_text(err, cases[i].word);
        assert_false(a.sent);
        ms_http_free(http);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_too_long),
        cmocka_unit_test(takes_an_answer_of_unknown_length),
        cmocka_unit_test(broken_off_is_no_answer),
        cmocka_unit_test(waits_no_longer_than_told),
        cmocka_unit_test(sends_what_it_is_told),
        cmocka_unit_test(names_hosts_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
