/* mstore/remember.c - what an MStore keeps in the local state folder (mstore/state.h): so that a
 * dead member does not cost each process a time-out, and an old layout is refused by the next. */
#include "mstore/self.h"

#include "base/log.h"

void ms_self_restore(struct ms_self *self, size_t i, const struct ms_uuid *uuid)
{
    struct ms_health_saved saved;
    if (ms_state_get(self->state, uuid, &saved))
        ms_health_restore(ms_member_health(self->members[i]), &saved,
                          ms_clock_now(self->base.clock), ms_clock_wall(self->base.clock));
}

int ms_self_recall(struct ms_self *self, struct ms_error *err)
{
    ms_state_free(self->state);
    self->state = NULL;
    return ms_state_open(&self->uuid, self->state_folder, &self->state, err);
}

void ms_self_remember(struct ms_self *self, struct ms_roster *roster)
{
    struct ms_error err = {0};
    int64_t wall = ms_clock_wall(self->base.clock);
    for (size_t i = 0; i < roster->layout->member_count; i++) {
        struct ms_health_saved saved;
        if (!roster->members[i])
            continue;
        ms_health_save(ms_member_health(roster->members[i]), ms_clock_now(self->base.clock), wall,
                       &saved);
        ms_state_put(self->state, ms_member_uuid(roster->members[i]), &saved);
    }
    ms_state_raise_epoch(self->state, roster->layout->epoch);
    if (ms_state_save(self->state, wall, &err))
        ms_log(MS_LOG_WARN, "%s: %s", self->base.url, err.text);
}
