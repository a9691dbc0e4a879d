/* mstore/remember.c - what an MStore keeps in the local state folder (mstore/state.h): so that a
 * dead member does not cost each process a time-out, an old layout is refused by the next, and what
 * all clients know by now is not waited for again. A member whose storage could not be made has no
 * breaker to be kept: to ask it costs nothing, and once its url is put right it is there. */
#include "mstore/self.h"

#include "base/clock.h"
#include "base/log.h"
#include "mstore/lease.h"

#include <stdio.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

void ms_self_restore(struct ms_self *self, size_t i, const struct ms_uuid *uuid)
{
    struct ms_health_saved saved;
    if (!ms_member_unmade(self->members[i]) && ms_state_get(self->state, uuid, &saved))
        ms_health_restore(ms_member_health(self->members[i]), &saved,
                          ms_clock_now(self->base.clock), ms_clock_wall(self->base.clock));
}

int ms_self_recall(struct ms_self *self, struct ms_error *err)
{
    ms_state_free(self->state);
    self->state = NULL;
    return ms_state_open(&self->uuid, self->state_folder, &self->state, err);
}

/* False: it cannot be told, so nothing is kept that holds for this boot. */
static bool find_boot(const struct ms_self *self, struct ms_boot *out)
{
    char text[MS_UUID_TEXT] = "";
    out->began_wall_ns = ms_clock_wall(self->base.clock) - (int64_t)ms_clock_boot(self->base.clock);
    if (self->base.clock != ms_clock_real())
        out->id = self->boot;
    else {
        FILE *file = fopen(BOOT_ID, "re");
        bool read = file && fgets(text, sizeof text, file);
        if (file)
            fclose(file);
        if (!read || ms_uuid_parse(text, "boot", &out->id, NULL))
            return false;
    }
    return out->began_wall_ns >= 0 && !ms_uuid_is_zero(&out->id);
}

/* Whose the marks are; false: those of nobody. While a layout is proposed majorities are others. */
static bool find_marks(const struct ms_self *self, const struct ms_roster *roster,
                       struct ms_state_marks *out)
{
    out->epoch = roster->layout->epoch;
    out->count = 0;
    return !roster->next && find_boot(self, &out->boot);
}

void ms_self_recall_marks(struct ms_self *self, struct ms_roster *roster)
{
    struct ms_state_marks marks;
    if (find_marks(self, roster, &marks)) {
        ms_state_marks(self->state, &marks);
        ms_lease_recall(roster, marks.list, marks.count);
    }
}

static void remember_marks(struct ms_self *self, struct ms_roster *roster)
{
    struct ms_state_marks marks;
    if (!find_marks(self, roster, &marks))
        return;
    marks.count = ms_lease_known(roster, marks.list);
    ms_state_put_marks(self->state, &marks);
}

void ms_self_remember(struct ms_self *self, struct ms_roster *roster)
{
    struct ms_error err = {0};
    int64_t wall = ms_clock_wall(self->base.clock);
    for (size_t i = 0; i < roster->layout->member_count; i++) {
        struct ms_health_saved saved;
        if (!roster->members[i] || ms_member_unmade(roster->members[i]))
            continue;
        ms_health_save(ms_member_health(roster->members[i]), ms_clock_now(self->base.clock), wall,
                       &saved);
        ms_state_put(self->state, ms_member_uuid(roster->members[i]), &saved);
    }
    remember_marks(self, roster);
    ms_state_raise_epoch(self->state, roster->layout->epoch);
    if (ms_state_save(self->state, wall, &err))
        ms_log(MS_LOG_WARN, "%s: %s", self->base.url, err.text);
}
