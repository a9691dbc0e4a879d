/* Mutexes and conditions with both executors, and the mistakes that are asserted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/pool.h"
#include "base/sim.h"
#include "base/sync.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a bounded queue: producers and consumers, which needs all of it to work ---- */

#define ITEMS 200

struct queue {
    struct ms_mutex mutex;
    struct ms_cond not_empty, not_full;
    unsigned items[4], count, produced, consumed, sum;
    bool broadcast;
};

static void tell(const struct queue *q, struct ms_cond *c)
{
    if (q->broadcast)
        ms_cond_broadcast(c);
    else
        ms_cond_signal(c);
}

static int produce(void *arg)
{
    struct queue *q = arg;
    MS_HOLD(&q->mutex);
    while (q->produced < ITEMS) {
        while (q->count == 4)
            ms_cond_wait(&q->not_full, &q->mutex);
        if (q->produced == ITEMS)
            break;
        q->items[q->count++] = ++q->produced;
        tell(q, &q->not_empty);
    }
    ms_cond_broadcast(&q->not_full); /* the other producers are to see the end */
    return 0;
}

static int consume(void *arg)
{
    struct queue *q = arg;
    MS_HOLD(&q->mutex);
    while (q->consumed < ITEMS) {
        while (q->count == 0 && q->consumed < ITEMS)
            ms_cond_wait(&q->not_empty, &q->mutex);
        if (q->count == 0)
            break;
        q->sum += q->items[--q->count];
        q->consumed++;
        tell(q, &q->not_full);
    }
    ms_cond_broadcast(&q->not_empty);
    return 0;
}

static int run_queue(void *arg)
{
    struct queue *q = arg;
    ms_mutex_init(&q->mutex);
    ms_cond_init(&q->not_empty);
    ms_cond_init(&q->not_full);
    struct ms_group *g;
    int code = ms_group_new(&g, NULL);
    for (int i = 0; i < 6 && !code; i++)
        code = ms_group_fork(g, i < 3 ? produce : consume, NULL, q, NULL);
    if (code)
        return code;
    ms_group_join_all(g, NULL);
    ms_group_release(g);
    ms_cond_fini(&q->not_full);
    ms_cond_fini(&q->not_empty);
    ms_mutex_fini(&q->mutex);
    return 0;
}

static void a_queue_works_between_threads(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct queue q = {.broadcast = i % 2};
        assert_int_equal(run_queue(&q), 0);
        assert_int_equal(q.consumed, ITEMS);
        assert_int_equal(q.sum, ITEMS * (ITEMS + 1) / 2);
    }
    ms_pool_shutdown();
}

static void a_queue_works_in_every_simulated_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct queue q = {.broadcast = seed % 2};
        struct ms_sim_options options = {.seed = seed, .max_steps = 1000000};
        struct ms_error err = {0};
        int code = ms_sim_run(&options, run_queue, &q, NULL, &err);
        if (code)
            print_message("%s\n", err.text);
        assert_int_equal(code, 0);
        assert_int_equal(q.sum, ITEMS * (ITEMS + 1) / 2);
    }
}

/* ---- waiting with a deadline ---- */

static void a_wait_ends_at_its_deadline(void **state)
{
    (void)state;
    struct ms_mutex mutex;
    struct ms_cond cond;
    ms_mutex_init(&mutex);
    ms_cond_init(&cond);
    uint64_t soon = ms_clock_now(ms_clock_real()) + 2000000;
    ms_mutex_lock(&mutex);
    while (ms_cond_wait_until(&cond, &mutex, ms_clock_real(), soon))
        ;
    assert_true(ms_clock_now(ms_clock_real()) >= soon);
    assert_false(ms_cond_wait_until(&cond, &mutex, ms_clock_real(), 0));
    struct ms_clock *clock = ms_clock_virtual_new(0);
    assert_non_null(clock);
    assert_false(ms_cond_wait_until(&cond, &mutex, clock, UINT64_MAX - 1));
    assert_true(ms_clock_now(clock) == UINT64_MAX - 1);
    ms_clock_free(clock);
    ms_mutex_unlock(&mutex);
    ms_cond_fini(&cond);
    ms_mutex_fini(&mutex);
}

struct rendezvous {
    struct ms_mutex mutex;
    struct ms_cond cond;
    bool waiting, told;
};

static void *tell_when_waiting(void *arg)
{
    struct rendezvous *r = arg;
    for (bool told = false; !told;) {
        MS_HOLD(&r->mutex);
        told = r->told = r->waiting;
        ms_cond_signal(&r->cond);
    }
    return NULL;
}

static void a_signal_ends_a_wait_before_its_deadline(void **state)
{
    (void)state;
    struct rendezvous r = {0};
    ms_mutex_init(&r.mutex);
    ms_cond_init(&r.cond);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, tell_when_waiting, &r), 0);
    ms_mutex_lock(&r.mutex);
    r.waiting = true;
    uint64_t far = ms_clock_now(ms_clock_real()) + 3600 * UINT64_C(1000000000);
    while (!r.told)
        assert_true(ms_cond_wait_until(&r.cond, &r.mutex, ms_clock_real(), far));
    ms_mutex_unlock(&r.mutex);
    pthread_join(thread, NULL);
    ms_cond_fini(&r.cond);
    ms_mutex_fini(&r.mutex);
}

static int sleep_for_ever(void *unused)
{
    (void)unused;
    return ms_sleep(ms_sim_clock(), UINT64_MAX, NULL);
}

static void a_sleep_without_end_is_a_deadlock(void **state)
{
    (void)state;
    struct ms_sim_options options = {.seed = 1, .start_ns = 1};
    struct ms_error err = {0};
    assert_int_equal(ms_sim_run(&options, sleep_for_ever, NULL, NULL, &err), MS_ERR_INTERNAL);
    assert_string_equal(err.text,
                        "simulation of seed 1: deadlock at 1 ns: task 0 waits for a condition");
}

/* ---- mistakes end the process, with a sentence ---- */

static struct ms_mutex static_mutex = MS_MUTEX_STATIC;
static struct ms_mutex mutex_of_threads;
static struct ms_cond cond_of_threads;
static struct ms_mutex *left_over;

static int yield_with_a_static_mutex(void *unused)
{
    (void)unused;
    MS_HOLD(&static_mutex);
    ms_yield();
    return 0;
}

static int wait_as_a_thread(void *unused)
{
    (void)unused;
    MS_HOLD(&mutex_of_threads);
    ms_cond_wait(&cond_of_threads, &mutex_of_threads);
    return 0;
}

static int sleep_in_real_time(void *unused)
{
    (void)unused;
    return ms_sleep(ms_clock_real(), UINT64_C(3600000000000), NULL);
}

static int lock_twice(void *arg)
{
    ms_mutex_init(arg);
    ms_mutex_lock(arg);
    ms_mutex_lock(arg);
    return 0;
}

static int unlock_only(void *arg)
{
    ms_mutex_init(arg);
    ms_mutex_unlock(arg);
    return 0;
}

static int end_with_a_mutex(void *arg)
{
    ms_mutex_init(arg);
    ms_mutex_lock(arg);
    return 0;
}

static int leave_a_mutex(void *arg)
{
    ms_mutex_init(arg);
    left_over = arg;
    return 0;
}

static int use_a_left_over(void)
{
    struct ms_mutex mutex;
    struct ms_sim_options options = {.seed = 1};
    if (ms_sim_run(&options, leave_a_mutex, &mutex, NULL, NULL))
        return 1;
    ms_mutex_lock(left_over);
    return 0;
}

/* Simulates fn (NULL: use_a_left_over) in a child and returns what it said before it aborted. */
static void assert_aborts(int (*fn)(void *), const char *sentence)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL);
        alarm(60);
        dup2(ends[1], STDERR_FILENO);
        struct ms_mutex mutex;
        struct ms_sim_options options = {.seed = 1};
        int code = fn ? ms_sim_run(&options, fn, &mutex, NULL, NULL) : use_a_left_over();
        _exit(code ? 1 : 0);
    }
    close(ends[1]);
    char said[4096] = "";
    FILE *file = fdopen(ends[0], "r");
    assert_non_null(file);
    size_t size = fread(said, 1, sizeof said - 1, file);
    said[size] = '\0';
    fclose(file);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!strstr(said, sentence))
        print_message("expected \"%s\", got: %s\n", sentence, said);
    assert_non_null(strstr(said, sentence));
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void mistakes_are_asserted(void **state)
{
    (void)state;
    ms_mutex_init(&mutex_of_threads);
    ms_cond_init(&cond_of_threads);
    assert_aborts(yield_with_a_static_mutex,
                  "a threads' mutex is held where a simulation switches");
    assert_aborts(wait_as_a_thread, "c->simulated || !ms_sim_active()");
    assert_aborts(sleep_in_real_time, "clock->kind == MS_CLOCK_SIMULATED");
    assert_aborts(lock_twice, "m->owner != s->current");
    assert_aborts(unlock_only, "m->owner == s->current");
    assert_aborts(end_with_a_mutex, "a task ends with a mutex held");
    assert_aborts(NULL, "an object made in a simulation is used outside it");
    ms_cond_fini(&cond_of_threads);
    ms_mutex_fini(&mutex_of_threads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_asserted),
        cmocka_unit_test(a_queue_works_between_threads),
        cmocka_unit_test(a_queue_works_in_every_simulated_order),
        cmocka_unit_test(a_wait_ends_at_its_deadline),
        cmocka_unit_test(a_signal_ends_a_wait_before_its_deadline),
        cmocka_unit_test(a_sleep_without_end_is_a_deadlock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
