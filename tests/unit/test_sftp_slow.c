/* The SFTP driver over a line that is slow or falls silent: what moves is waited for, though one
 * packet takes longer than the time-out; what does not is given up within it. */
#include "peers/sftp_rig.h"
#include "proxy/client.h"

#define SECOND UINT64_C(1000000000)

static const struct sftp_setup anybody = {.login = SFTP_ANYBODY};
static uint8_t value[100000];

struct line {
    struct rig rig;
    struct proxy_client proxy;
};

/* A store behind a proxy; the time-out is a second. */
static void line_up(struct line *l, const char *const *options)
{
    char url[1024], target[32];
    struct ms_backend_env env = {.seed = 1};
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)(i * 2654435761u >> 24);
    rig_up(&l->rig, &anybody);
    snprintf(target, sizeof target, "127.0.0.1:%d", sftp_peer_port());
    assert_true(proxy_start(&l->proxy, target, options));
    env.clock = l->rig.clock;
    snprintf(
        url, sizeof url,
        "sftp://tester@127.0.0.1:%d/store?ssh_config=none&accept_new=1&known_hosts=%s&timeout=1",
        l->proxy.port, rig_path(&l->rig, "known_proxy"));
    check_ok(ms_backend_make(url, &env, &l->rig.b, &l->rig.err), l->rig.err);
    check_ok(ms_backend_create(l->rig.b, &l->rig.err), l->rig.err);
    check_ok(ms_backend_open(l->rig.b, &l->rig.err), l->rig.err);
}

static void line_down(struct line *l)
{
    ms_backend_free(l->rig.b);
    l->rig.b = NULL;
    proxy_stop(&l->proxy);
    rig_down(&l->rig);
}

/* One packet of 100 kB takes twice the time-out, either way; there is no second connection. */
static void a_slow_line_is_waited_for(void **state)
{
    (void)state;
    static const char *const slow[] = {"--rate", "50000", NULL};
    struct line l;
    line_up(&l, slow);
    ms_sftp_self(l.rig.b)->policy.attempts = 1;
    unsigned connections = sftp_peer_connections();
    uint64_t begun = ms_clock_now(ms_clock_real());
    check_ok(rig_put(&l.rig, "a", ms_view(value, sizeof value), NULL), l.rig.err);
    assert_true(ms_clock_now(ms_clock_real()) - begun > SECOND * 3 / 2);
    rig_holds(&l.rig, "a", ms_view(value, sizeof value));
    assert_true(ms_clock_now(ms_clock_real()) - begun > 3 * SECOND);
    assert_int_equal(sftp_peer_connections(), connections);
    line_down(&l);
}

/* The line takes a part of a packet and then nothing more: a time-out; and on a new line the value
 * is stored whole. */
static void a_line_that_falls_silent_is_given_up(void **state)
{
    (void)state;
    static const char *const ways[] = {"up", "down"};
    struct line l;
    line_up(&l, NULL);
    for (int i = 0; i < 2; i++) {
        ms_sftp_self(l.rig.b)->policy.attempts = 1;
        check_ok(rig_put(&l.rig, "a", ms_view(value, sizeof value), NULL), l.rig.err);
        assert_true(proxy_tell(&l.proxy, "stall 50000 %s", ways[i]));
        uint64_t begun = ms_clock_now(ms_clock_real());
        struct ms_buf *got = NULL;
        int code =
            i ? ms_backend_load(l.rig.b, ms_str("a"), 0, MS_SIZE_TO_END, &got, NULL, &l.rig.err)
              : rig_put(&l.rig, "a", ms_view(value, sizeof value), NULL);
        uint64_t took = ms_clock_now(ms_clock_real()) - begun;
        check_code(code, MS_ERR_TIMEOUT, l.rig.err);
        check_text(l.rig.err, "has not answered for 1 s");
        assert_true(took > SECOND * 9 / 10 && took < 8 * SECOND);
        ms_sftp_self(l.rig.b)->policy.attempts = 5;
        assert_true(proxy_tell(&l.proxy, "stall 50000 %s", ways[i]));
        check_ok(rig_put(&l.rig, "b", ms_view(value, sizeof value), NULL), l.rig.err);
        rig_holds(&l.rig, "b", ms_view(value, sizeof value));
    }
    line_down(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_line_is_waited_for),
        cmocka_unit_test(a_line_that_falls_silent_is_given_up),
    };
    if (!sftp_peer_program()) {
        puts("no sftp-server here");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
