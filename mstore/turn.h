/* mstore/turn.h - one caller after the other, for what takes calls from any thread but does one at
 * a time; nothing is held while it works. */
#ifndef MSTORE_TURN_H
#define MSTORE_TURN_H

#include "base/sync.h"

struct ms_turn {
    struct ms_mutex mutex; /* of `busy` */
    struct ms_cond idle;
    bool busy;
};

static inline void ms_turn_init(struct ms_turn *t)
{
    ms_mutex_init(&t->mutex);
    ms_cond_init(&t->idle);
    t->busy = false;
}

static inline void ms_turn_fini(struct ms_turn *t)
{
    ms_cond_fini(&t->idle);
    ms_mutex_fini(&t->mutex);
}

static inline void ms_turn_enter(struct ms_turn *t)
{
    MS_HOLD(&t->mutex);
    while (t->busy)
        ms_cond_wait(&t->idle, &t->mutex);
    t->busy = true;
}

static inline void ms_turn_leave(struct ms_turn *t)
{
    MS_HOLD(&t->mutex);
    t->busy = false;
    ms_cond_signal(&t->idle);
}

#endif
