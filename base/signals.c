/* SIGINT and SIGTERM fire a token, from a thread that waits for them: nothing runs in a handler.
 *
 * `guard` holds the token and whether a signal has come since it was set; the thread lives as long
 * as the process and sleeps in sigwait. */
#include "base/cancel.h"

#include <signal.h>

static struct ms_mutex guard = MS_MUTEX_STATIC;
static struct ms_cancel *token; /* a reference of ours */
static bool watching, signalled;

/* What the parent ignores (nohup, a background job) stays ignored. */
static sigset_t signals_to_watch(void)
{
    static const int signals[] = {SIGINT, SIGTERM};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction old;
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaddset(&set, signals[i]);
    }
    return set;
}

/* False: this was not the first signal. */
static bool fire(void)
{
    struct ms_cancel *to_fire;
    {
        MS_HOLD(&guard);
        if (signalled)
            return false;
        signalled = true;
        to_fire = ms_cancel_ref(token);
    }
    ms_cancel_fire(to_fire);
    ms_cancel_free(to_fire);
    return true;
}

static void *wait_for_signals(void *unused)
{
    (void)unused;
    sigset_t set = signals_to_watch();
    int number;
    while (sigwait(&set, &number) == 0) {
        if (fire())
            continue;
        /* the default action, so that the exit status tells */
        signal(number, SIG_DFL);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        raise(number);
    }
    return NULL;
}

static int start_locked(struct ms_error *err)
{
    sigset_t set = signals_to_watch();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, wait_for_signals, NULL);
    if (failed) {
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        return ms_error_errno(err, failed, "cannot start a thread to watch for signals");
    }
    pthread_detach(thread);
    watching = true;
    return 0;
}

int ms_cancel_on_signals(struct ms_cancel *cancel, struct ms_error *err)
{
    MS_HOLD(&guard);
    int code = watching ? 0 : start_locked(err);
    if (code)
        return code;
    ms_cancel_free(token);
    token = ms_cancel_ref(cancel);
    signalled = false;
    return 0;
}
