/* Plain keys of an MStore: see plain.h. */
#include "tests/sim/plain.h"
#include "tests/sim/whole.h"

#include "mstore/self.h"

#include "base/text.h"

#define THREE                                                                                      \
    "[mstore]\nkey = 0000000000000000000000000000000000000000000000000000000000004712\n"           \
    "[member m0]\nurl = memory:sim0\n[member m1]\nurl = memory:sim1\n"                             \
    "[member m2]\nurl = memory:sim2\n"
#define POLICY "[namespace files]\nkind = plain\nredundancy = "

static const char *const conf_text[] = {
    [SIM_PLAIN_ALL] = THREE POLICY "all\n",
    [SIM_PLAIN_COPIES] = THREE "[member m3]\nurl = memory:sim3\n" POLICY "copies 2\n",
};

int sim_plain_create(struct sim_world *w, unsigned client, enum sim_plain_kind kind,
                     struct ms_error *err)
{
    return sim_whole_create(w, client, conf_text[kind], err);
}

/* ---- flawed clients ---- */

static struct ms_store_ops forgetful_ops;
static struct sim_world *forgetful_world; /* one simulation at a time in a process */
static const char *forgotten_part;

static int drop(void *ctx, struct ms_view name, struct ms_error *err)
{
    (void)err;
    if (memmem(name.data, name.size, forgotten_part, strlen(forgotten_part)))
        (void)!ms_backend_delete(ctx, name, NULL);
    return 0;
}

static void forget(void)
{
    for (unsigned i = 0; i < forgetful_world->member_count; i++) {
        MS_HOLD(&forgetful_world->members[i].mutex);
        struct ms_backend *disk = forgetful_world->members[i].disk;
        (void)!sim_disk_walk(disk, drop, disk, NULL);
    }
}

static int forgetful_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                           const struct ms_precondition *pre, struct ms_tag *tag,
                           struct ms_error *err)
{
    int code = ms_self_ops.store(s, item, value, pre, tag, err);
    forget();
    return code;
}

static int forgetful_remove(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    int code = ms_self_ops.remove(s, item, err);
    forget();
    return code;
}

int sim_plain_open(struct sim_world *w, unsigned client, enum sim_plain_kind kind,
                   const char *forgotten, struct ms_store **out, struct ms_error *err)
{
    if (!forgotten)
        return sim_whole_open(w, client, conf_text[kind], NULL, out, err);
    forgetful_world = w;
    forgotten_part = forgotten;
    forgetful_ops = ms_self_ops;
    forgetful_ops.store = forgetful_store;
    forgetful_ops.remove = forgetful_remove;
    return sim_whole_open(w, client, conf_text[kind], &forgetful_ops, out, err);
}
