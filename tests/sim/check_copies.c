/* Copies of acknowledged values, counted on the disks: see check_copies.h. */
#include "tests/sim/check_copies.h"

#include <stdio.h>

/* The last acknowledged store, after which, and beside which, nobody can have deleted the key. */
static bool is_stored(const struct sim_history *h, unsigned key)
{
    const struct sim_op *last = NULL;
    for (size_t i = 0; i < h->count; i++)
        if (h->ops[i].key == key && h->ops[i].verb == SIM_STORE && h->ops[i].answer == SIM_DONE)
            last = &h->ops[i];
    for (size_t i = 0; i < h->count && last; i++)
        if (h->ops[i].key == key && h->ops[i].verb == SIM_DELETE &&
            h->ops[i].answer != SIM_NOT_FOUND && h->ops[i].end_seq > last->begin_seq)
            return false;
    return last != NULL;
}

struct counting {
    char part[SIM_KEY_SIZE + 8];
    bool found;
};

static int count_value(void *ctx, struct ms_view name, struct ms_error *err)
{
    struct counting *c = ctx;
    (void)err;
    const char *at = memmem(name.data, name.size, "/val/", 5)
                         ? memmem(name.data, name.size, c->part, strlen(c->part))
                         : NULL;
    if (at && at[strlen(c->part)] == '0') /* not one that is staged */
        c->found = true;
    return 0;
}

void sim_check_copies(struct sim_run *run)
{
    struct sim_world *w = run->world;
    for (unsigned key = 0; key < run->scenario->keys; key++) {
        unsigned copies = 0;
        for (unsigned i = 0; i < w->member_count; i++) {
            struct counting c = {.found = false};
            snprintf(c.part, sizeof c.part, "%s!", run->keys[key]);
            MS_HOLD(&w->members[i].mutex);
            (void)!sim_disk_walk(w->members[i].disk, count_value, &c, NULL);
            copies += c.found;
        }
        if (copies < SIM_COPIES && is_stored(&run->history, key))
            sim_broken(w,
                       "key %u was stored and not deleted since, but only %u of %u copies are left",
                       key, copies, SIM_COPIES);
    }
}
