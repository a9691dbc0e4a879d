/* SIGINT and SIGTERM fire a token, from a thread that waits for them: nothing runs in a handler. */
#include "base/sync.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

static struct ms_cancel *token;

static sigset_t ours(void)
{
    sigset_t set;
    sigemptyset(&set);
    static const int signals[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < 2; i++) {
        struct sigaction old;
        /* what the parent ignores (nohup, a background job) stays ignored */
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaddset(&set, signals[i]);
    }
    return set;
}

static void *wait_for_signals(void *arg)
{
    sigset_t set = *(sigset_t *)arg;
    free(arg);
    int number;
    if (sigwait(&set, &number))
        return NULL;
    ms_cancel_fire(token);
    if (sigwait(&set, &number))
        return NULL;
    /* the default action, so that the exit status tells */
    signal(number, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
    return NULL;
}

int ms_cancel_on_signals(struct ms_cancel *cancel, struct ms_error *err)
{
    sigset_t *set = malloc(sizeof *set);
    if (!set)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to watch for signals");
    *set = ours();
    token = cancel;
    pthread_sigmask(SIG_BLOCK, set, NULL);
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, wait_for_signals, set);
    if (failed) {
        pthread_sigmask(SIG_UNBLOCK, set, NULL);
        free(set);
        return ms_error_errno(err, failed, "cannot start a thread to watch for signals");
    }
    pthread_detach(thread);
    return 0;
}
