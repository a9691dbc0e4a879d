/* mstore/upkeep_marks.c - believing members again that have missed something (mstore/away.h): the
 * first and the last step of a run that looks after everything. */
#include "mstore/upkeep_parts.h"

#include "base/sync.h"
#include "mstore/away.h"
#include "mstore/lease.h"

#include <stdlib.h>

/* Only a run that sees all keys, and may repair, makes up for what was missed. */
static bool is_thorough(const struct ms_upkeep *u)
{
    return ms_upkeep_may_write(u) && !u->options.space && !u->options.sample_ppm;
}

/* With too few members the marks stay, and the rest of the run goes on. */
static int unless_cancelled(struct ms_upkeep *u, int code, struct ms_error *err)
{
    if (code)
        u->ripe_count = 0;
    return code ? ms_check_cancelled(err) : 0;
}

int ms_upkeep_close_marks(struct ms_upkeep *u, const struct ms_paths *paths, struct ms_error *err)
{
    struct ms_roster *r = u->roster;
    int code = 0;
    (void)paths;
    if (!is_thorough(u))
        return 0;
    u->ripe = calloc(r->layout->member_count * MS_AWAY_MAX + 1, sizeof *u->ripe);
    if (!u->ripe)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for marks of absence");
    /* Who died while he put a mark may have left it on one member only. */
    (void)!ms_lease_poll_all(r, MS_NEWS_AWAY, NULL);
    for (size_t i = 0; i < r->layout->member_count && !code; i++) {
        size_t count = 0;
        if (!r->members[i] || !ms_member_returning(r->members[i]))
            continue;
        code =
            ms_away_ripe(r, (unsigned)i, MS_AWAY_GRACE_NS, u->ripe + u->ripe_count, &count, NULL);
        u->ripe_count += count;
        if (!code)
            code = ms_away_close(r, (unsigned)i, NULL);
    }
    return unless_cancelled(u, code, err);
}

void ms_upkeep_unsettled(struct ms_upkeep *u)
{
    MS_HOLD(&u->mutex);
    u->unsettled = true;
}

int ms_upkeep_settle_marks(struct ms_upkeep *u, const struct ms_paths *paths, struct ms_error *err)
{
    (void)paths;
    if (!is_thorough(u) || !u->whole || u->report->resumed || u->unsettled)
        return 0;
    return unless_cancelled(u, ms_away_settle(u->roster, u->ripe, u->ripe_count, NULL), err);
}
