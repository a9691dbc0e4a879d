/* The task of one store: look, decide, run, wait; and what others ask of it. */
#include "server/background_parts.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND       UINT64_C(1000000000)
#define LOOK_DEFAULT (15 * SECOND)
#define WATCHED      (4 * SECOND) /* between looks while somebody watches */
#define JOBS_DEFAULT 4

static const char *const works[] = {[SERVER_WORK_SCRUB] = "scrub", [SERVER_WORK_HEAL] = "heal"};

const char *server_work_name(enum server_work work)
{
    return works[work];
}

enum server_work server_work_of(const char *name)
{
    int w = 0;
    while (w < SERVER_WORK_COUNT && strcmp(name, works[w]) != 0)
        w++;
    return (enum server_work)w;
}

/* ---- looking at the members ---- */

/* A Store over one storage: whether it answers at all. */
static int look_single(struct server_background *b, struct ms_error *err)
{
    uint64_t total, unused;
    int code = ms_store_usage(b->store, &total, &unused, err);
    return code == MS_ERR_UNSUPPORTED || code == MS_ERR_PERMISSION ? 0 : code;
}

static bool somebody_can_be_healed(const struct ms_mstore_status *status)
{
    for (size_t i = 0; status && i < status->member_count; i++)
        if (status->members[i].behind && !status->members[i].code)
            return true;
    return false;
}

static void look(struct server_background *b)
{
    struct ms_mstore_status *status = NULL, *before = NULL;
    struct ms_error err = {0};
    int code = b->look.upkeep ? ms_mstore_status(b->store, &status, &err) : look_single(b, &err);
    if (code == MS_ERR_CANCELLED)
        return;
    if (!code && b->look.upkeep && !b->scrubbed_wall_ns)
        server_background_first_look(b, status);
    if (!somebody_can_be_healed(status) && !b->heal_found)
        b->heal_pause_ns = b->heal_after_ns = 0;
    MS_HOLD(&b->mutex);
    b->look.asked = true;
    b->look.code = code;
    snprintf(b->sentence, sizeof b->sentence, "%s", err.text);
    b->look.looked_wall_ns = ms_clock_wall(b->clock);
    if (status) {
        before = b->status;
        b->status = status;
    }
    ms_mstore_status_free(before);
}

/* ---- what is to be done ---- */

static bool was_asked(struct server_background *b, enum server_work *work, char who[SERVER_WHO])
{
    MS_HOLD(&b->mutex);
    if (!b->asked || b->ending)
        return false;
    *work = b->asked_work;
    memcpy(who, b->asked_by, SERVER_WHO);
    return true;
}

/* The status is the task's own to read: nobody else changes it. */
static bool is_due(struct server_background *b, enum server_work *work, char who[SERVER_WHO])
{
    uint64_t now = ms_clock_now(b->clock);
    bool keeps = server_background_keeps(b);
    bool behind = keeps && somebody_can_be_healed(b->status);
    if (b->options.heal && (behind || b->heal_found) && now >= b->heal_after_ns) {
        *work = SERVER_WORK_HEAL;
        snprintf(who, SERVER_WHO, "%s", behind ? SERVER_BY_HINTS : SERVER_BY_SCRUB);
        return true;
    }
    int64_t next = keeps ? server_background_next_scrub(b) : 0;
    if (next && ms_clock_wall(b->clock) >= next && now >= b->scrub_after_ns) {
        *work = SERVER_WORK_SCRUB;
        snprintf(who, SERVER_WHO, SERVER_BY_SCHEDULE);
        return true;
    }
    return false;
}

/* True: there was something to do. */
static bool work_once(struct server_background *b)
{
    enum server_work work;
    char who[SERVER_WHO];
    if (was_asked(b, &work, who)) {
        server_background_run(b, work, who, false);
        return true;
    }
    if (!b->look.upkeep || !is_due(b, &work, who))
        return false;
    server_background_run(b, work, who, work == SERVER_WORK_SCRUB && b->options.scrub_deep);
    return true;
}

/* ---- the task ---- */

/* Until it is time to look again, or somebody wants something. False: it is to end. */
static bool rest(struct server_background *b)
{
    uint64_t until = ms_clock_now(b->clock) + b->options.look_every_ns;
    MS_HOLD(&b->mutex);
    b->look.next_scrub_wall_ns = server_background_next_scrub(b);
    while (!b->ending && !b->asked && !b->wake)
        if (!ms_cond_wait_until(&b->changed, &b->mutex, b->clock, until))
            break;
    b->wake = false;
    return !b->ending;
}

/* With the options of now. */
static bool goes_on(struct server_background *b)
{
    MS_HOLD(&b->mutex);
    b->options = b->wanted;
    return !b->ending;
}

static int task(void *arg)
{
    struct server_background *b = arg;
    do {
        look(b);
        while (goes_on(b) && work_once(b))
            look(b);
    } while (rest(b));
    return 0;
}

/* ---- life ---- */

static void free_all(struct server_background *b)
{
    ms_mstore_status_free(b->status);
    ms_mutex_fini(&b->mutex);
    ms_cond_fini(&b->changed);
    free(b->state_folder);
    free(b);
}

static struct server_background_options filled_in(const struct server_background_options *options)
{
    struct server_background_options o =
        options ? *options : (struct server_background_options){.heal = true};
    if (!o.look_every_ns)
        o.look_every_ns = LOOK_DEFAULT;
    if (!o.jobs)
        o.jobs = JOBS_DEFAULT;
    return o;
}

int server_background_new(const char *name, struct ms_store *store,
                          const struct server_background_options *options,
                          struct server_background **out, struct ms_error *err)
{
    struct server_background *b = calloc(1, sizeof *b);
    if (!b)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the background work of %s", name);
    snprintf(b->name, sizeof b->name, "%s", name);
    b->store = store;
    ms_mutex_init(&b->mutex);
    ms_cond_init(&b->changed);
    b->wanted = b->options = filled_in(options);
    b->clock = b->options.clock ? b->options.clock : ms_clock_real();
    b->state_folder = b->options.state_folder ? strdup(b->options.state_folder) : NULL;
    b->look.upkeep = ms_store_is_mstore(store);
    b->look.fraction = -1;
    int code = b->options.state_folder && !b->state_folder
                   ? ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a folder's name")
                   : ms_group_new(&b->group, err);
    if (!code && (code = ms_group_fork(b->group, task, NULL, b, err)))
        ms_group_release(b->group);
    if (code)
        free_all(b);
    else
        *out = b;
    return code;
}

void server_background_free(struct server_background *b)
{
    struct ms_join join;
    if (!b)
        return;
    ms_mutex_lock(&b->mutex);
    b->ending = true;
    ms_cond_broadcast(&b->changed);
    ms_mutex_unlock(&b->mutex);
    ms_group_cancel(b->group);
    ms_group_join_all(b->group, &join);
    ms_group_release(b->group);
    server_background_keeps_no_more(b);
    free_all(b);
}

/* ---- what others ask ---- */

void server_background_set(struct server_background *b,
                           const struct server_background_options *options)
{
    MS_HOLD(&b->mutex);
    b->wanted = filled_in(options);
    b->wake = true;
    ms_cond_broadcast(&b->changed);
}

int server_background_start(struct server_background *b, enum server_work work, const char *who,
                            struct ms_error *err)
{
    if (!b->look.upkeep)
        return ms_error_set(err, MS_ERR_UNSUPPORTED,
                            "%s is a store over one storage, which has nothing to scrub or heal",
                            b->name);
    MS_HOLD(&b->mutex);
    if (b->asked || b->look.running)
        return ms_error_set(err, MS_ERR_BUSY,
                            "a %s of %s is under way, one at a time: wait for it or stop it",
                            works[b->asked ? b->asked_work : b->look.work], b->name);
    b->asked = true;
    b->asked_work = work;
    snprintf(b->asked_by, sizeof b->asked_by, "%s", who);
    ms_cond_broadcast(&b->changed);
    return 0;
}

int server_background_stop(struct server_background *b, struct ms_error *err)
{
    MS_HOLD(&b->mutex);
    if (!b->asked && !b->look.running)
        return ms_error_set(err, MS_ERR_NOT_FOUND, "nothing is under way in %s", b->name);
    b->asked = false;
    b->stopped = b->look.running;
    if (b->run_cancel)
        ms_cancel_fire(b->run_cancel);
    return 0;
}

void server_background_wake(struct server_background *b)
{
    MS_HOLD(&b->mutex);
    b->wake = true;
    ms_cond_broadcast(&b->changed);
}

void server_background_watch(struct server_background *b)
{
    int64_t now = ms_clock_wall(b->clock);
    MS_HOLD(&b->mutex);
    if (b->wake || !b->look.asked || now - b->look.looked_wall_ns < (int64_t)WATCHED)
        return;
    b->wake = true;
    ms_cond_broadcast(&b->changed);
}

void server_background_view(struct server_background *b,
                            void (*fn)(void *ctx, const struct server_look *look), void *ctx)
{
    MS_HOLD(&b->mutex);
    struct server_look view = b->look;
    view.status = b->status;
    view.sentence = b->sentence;
    view.asked_by = b->running_by;
    fn(ctx, &view);
}
