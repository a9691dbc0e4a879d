/* Cancellation tokens: the tree, waking sleepers, and signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cancel.h"
#include "base/pool.h"
#include "base/sim.h"
#include "base/sync.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOUR_NS (3600 * UINT64_C(1000000000))

static struct ms_cancel *token_under(struct ms_cancel *parent)
{
    struct ms_cancel *c = NULL;
    assert_int_equal(ms_cancel_new_under(parent, &c, NULL), 0);
    return c;
}

/* ---- the tree ---- */

static void firing_fires_all_below_and_nothing_else(void **state)
{
    (void)state;
    struct ms_cancel *root = token_under(NULL), *left = token_under(root),
                     *right = token_under(root), *leaf1 = token_under(left),
                     *leaf2 = token_under(left), *other = token_under(right);
    ms_cancel_fire(left);
    assert_true(ms_cancel_fired(left) && ms_cancel_fired(leaf1) && ms_cancel_fired(leaf2));
    assert_false(ms_cancel_fired(root) || ms_cancel_fired(right) || ms_cancel_fired(other));
    ms_cancel_fire(root);
    ms_cancel_fire(root);
    assert_true(ms_cancel_fired(root) && ms_cancel_fired(right) && ms_cancel_fired(other));
    ms_cancel_free(leaf1);
    ms_cancel_free(leaf2);
    ms_cancel_free(other);
    ms_cancel_free(left);
    ms_cancel_free(right);
    ms_cancel_free(root);
}

static void a_token_is_born_fired_under_a_fired_one(void **state)
{
    (void)state;
    struct ms_cancel *root = token_under(NULL);
    ms_cancel_fire(root);
    struct ms_cancel *late = token_under(root);
    assert_true(ms_cancel_fired(late));
    ms_cancel_free(late);
    ms_cancel_free(root);
}

static void a_freed_token_still_joins_its_children_to_its_parent(void **state)
{
    (void)state;
    struct ms_cancel *root = token_under(NULL), *middle = token_under(root),
                     *leaf = token_under(middle);
    ms_cancel_free(middle);
    ms_cancel_fire(root);
    assert_true(ms_cancel_fired(leaf));
    ms_cancel_free(root);
    assert_true(ms_cancel_fired(leaf));
    ms_cancel_free(leaf);
    ms_cancel_free(NULL);
}

static void a_deep_tree_needs_no_deep_stack(void **state)
{
    (void)state;
    struct ms_cancel *root = token_under(NULL), *last = root;
    for (int i = 0; i < 100000; i++) {
        struct ms_cancel *next = token_under(last);
        if (last != root)
            ms_cancel_free(last); /* the next one keeps it */
        last = next;
    }
    ms_cancel_fire(root);
    assert_true(ms_cancel_fired(last));
    ms_cancel_free(last);
    ms_cancel_free(root);
}

/* ---- the current token ---- */

static void the_current_token_is_what_calls_look_at(void **state)
{
    (void)state;
    struct ms_error err = {0};
    assert_null(ms_cancel_current());
    assert_int_equal(ms_check_cancelled(&err), 0);
    struct ms_cancel *c = token_under(NULL);
    assert_null(ms_cancel_swap(c));
    assert_ptr_equal(ms_cancel_current(), c);
    assert_int_equal(ms_check_cancelled(&err), 0);
    assert_int_equal(err.code, 0);
    ms_cancel_fire(c);
    assert_int_equal(ms_check_cancelled(&err), MS_ERR_CANCELLED);
    assert_int_equal(err.code, MS_ERR_CANCELLED);
    assert_string_equal(err.text, "cancelled");
    assert_int_equal(ms_sleep(ms_clock_real(), HOUR_NS, &err), MS_ERR_CANCELLED);
    assert_int_equal(ms_sleep(ms_clock_real(), 0, NULL), MS_ERR_CANCELLED);
    assert_ptr_equal(ms_cancel_swap(NULL), c);
    assert_int_equal(ms_check_cancelled(NULL), 0);
    ms_cancel_free(c);
}

struct sleeper {
    struct ms_cancel *token;
    int code;
};

static void *sleep_under_token(void *arg)
{
    struct sleeper *s = arg;
    ms_cancel_swap(s->token);
    s->code = ms_sleep(ms_clock_real(), HOUR_NS, NULL);
    return NULL;
}

static void firing_wakes_sleeping_threads(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct ms_cancel *root = token_under(NULL);
        struct sleeper sleepers[4];
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) {
            sleepers[i] = (struct sleeper){token_under(i % 2 ? root : NULL), 1};
            if (i % 2 == 0) { /* two on the very token, two on children of it */
                ms_cancel_free(sleepers[i].token);
                sleepers[i].token = ms_cancel_ref(root);
            }
            assert_int_equal(pthread_create(&threads[i], NULL, sleep_under_token, &sleepers[i]), 0);
        }
        ms_cancel_fire(root);
        for (int i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(sleepers[i].code, MS_ERR_CANCELLED);
            ms_cancel_free(sleepers[i].token);
        }
        ms_cancel_free(root);
    }
}

/* ---- in the simulation ---- */

struct nap {
    struct ms_cancel *token;
    uint64_t fire_at, woken_at;
    int code;
    bool own_token, checked;
};

static int nap(void *arg)
{
    struct nap *n = arg;
    struct ms_cancel *before = ms_cancel_swap(n->token);
    n->own_token = before && before != n->token && ms_cancel_current() == n->token;
    n->code = ms_sleep(ms_sim_clock(), HOUR_NS, NULL);
    n->woken_at = ms_clock_now(ms_sim_clock());
    n->checked = ms_check_cancelled(NULL) == MS_ERR_CANCELLED;
    ms_cancel_swap(before);
    return 0;
}

static int fire_later(void *arg)
{
    struct nap *n = arg;
    int code = ms_sleep(ms_sim_clock(), n->fire_at, NULL);
    ms_cancel_fire(n->token);
    return code;
}

static int nap_and_fire(void *arg)
{
    struct nap *n = arg;
    struct ms_cancel *root;
    int code = ms_cancel_new(&root, NULL);
    if (!code)
        code = ms_cancel_new_under(root, &n->token, NULL);
    struct ms_group *g;
    if (!code)
        code = ms_group_new(&g, NULL);
    if (!code)
        code = ms_group_fork(g, nap, NULL, n, NULL);
    if (!code)
        code = ms_group_fork(g, fire_later, NULL, n, NULL);
    if (code)
        return code;
    ms_group_join_all(g, NULL);
    ms_group_release(g);
    ms_cancel_free(n->token);
    ms_cancel_free(root);
    return 0;
}

static void firing_wakes_a_simulated_sleeper(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct nap n = {.fire_at = 5};
        struct ms_sim_options options = {.seed = seed, .max_steps = 10000};
        assert_int_equal(ms_sim_run(&options, nap_and_fire, &n, NULL, NULL), 0);
        assert_int_equal(n.code, MS_ERR_CANCELLED);
        assert_true(n.own_token && n.checked && n.woken_at == 5);
        struct nap too_late = {.fire_at = HOUR_NS + 1};
        assert_int_equal(ms_sim_run(&options, nap_and_fire, &too_late, NULL, NULL), 0);
        assert_int_equal(too_late.code, 0);
        assert_true(!too_late.checked && too_late.woken_at == HOUR_NS);
    }
}

/* ---- signals: each in a child process, before this one has threads ---- */

/* Runs fn in a child and returns its wait status. */
static int status_of(void (*fn)(void))
{
    fflush(NULL); /* the child ends by exit, so that its coverage counts */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        alarm(60);
        fn();
        exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Sends itself a signal and sleeps until the token fires; ends the process when that is wrong. */
static void be_signalled(struct ms_cancel *c, int number)
{
    if (ms_cancel_on_signals(c, NULL))
        exit(2);
    struct ms_cancel *before = ms_cancel_swap(c);
    kill(getpid(), number);
    if (ms_sleep(ms_clock_real(), HOUR_NS, NULL) != MS_ERR_CANCELLED)
        exit(3);
    ms_cancel_swap(before);
}

static struct ms_cancel *token_orexit(void)
{
    struct ms_cancel *c;
    if (ms_cancel_new(&c, NULL))
        exit(4);
    return c;
}

static void stop_at_first(void)
{
    struct ms_cancel *c = token_orexit();
    be_signalled(c, SIGTERM);
    ms_cancel_free(c); /* the watcher has its own reference */
    c = token_orexit();
    be_signalled(c, SIGINT); /* a new token is watched for anew */
    ms_cancel_free(c);
    exit(42);
}

static void end_at_second(void)
{
    be_signalled(token_orexit(), SIGINT);
    kill(getpid(), SIGTERM);
    for (;;)
        pause();
}

static void leave_ignored_alone(void)
{
    signal(SIGINT, SIG_IGN);
    struct ms_cancel *c = token_orexit();
    if (ms_cancel_on_signals(c, NULL))
        exit(2);
    kill(getpid(), SIGINT);
    if (ms_cancel_fired(c))
        exit(5);
    be_signalled(c, SIGTERM); /* had SIGINT counted, this would be the second */
    exit(42);
}

static void a_signal_fires_the_token(void **state)
{
    (void)state;
    int status = status_of(stop_at_first);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

static void a_second_signal_ends_the_process_by_itself(void **state)
{
    (void)state;
    int status = status_of(end_at_second);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
}

static void an_ignored_signal_stays_ignored(void **state)
{
    (void)state;
    int status = status_of(leave_ignored_alone);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_fires_the_token),
        cmocka_unit_test(a_second_signal_ends_the_process_by_itself),
        cmocka_unit_test(an_ignored_signal_stays_ignored),
        cmocka_unit_test(firing_fires_all_below_and_nothing_else),
        cmocka_unit_test(a_token_is_born_fired_under_a_fired_one),
        cmocka_unit_test(a_freed_token_still_joins_its_children_to_its_parent),
        cmocka_unit_test(a_deep_tree_needs_no_deep_stack),
        cmocka_unit_test(the_current_token_is_what_calls_look_at),
        cmocka_unit_test(firing_wakes_sleeping_threads),
        cmocka_unit_test(firing_wakes_a_simulated_sleeper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
