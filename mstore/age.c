/* mstore/age.c - see mstore/age.h. */
#include "mstore/age.h"

#include "mstore/notes.h"

int ms_age_now(struct ms_member *m, const struct ms_own_name *beside, int64_t *now_ns,
               struct ms_error *err)
{
    struct ms_own_name own = {.kind = MS_OWN_HINT, /* whoever finds it looks at the key again */
                              .store = beside->store,
                              .space = beside->space,
                              .key = beside->key,
                              .level = beside->level,
                              .id = beside->id,
                              .member = *ms_member_uuid(m)};
    struct ms_name name;
    struct ms_info info = {0};
    struct ms_buf *empty = ms_buf_new(0);
    if (!empty)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a member's time");
    int code = ms_own_format(&own, 0, &name, err);
    if (!code)
        code = ms_member_store(m, ms_name_view(&name), empty, NULL, NULL, err);
    if (!code)
        code = ms_member_info(m, ms_name_view(&name), &info, err);
    if (!code)
        code = ms_member_delete(m, ms_name_view(&name), err);
    if (!code) /* an empty folder would look as if something were noted about it */
        ms_notes_prune(m, &own, ms_name_view(&name));
    ms_buf_unref(empty);
    *now_ns = info.mtime_ns;
    return code;
}

static bool known(struct ms_ages *ages, unsigned member, int64_t *ahead_ns)
{
    MS_HOLD(&ages->mutex);
    *ahead_ns = ages->member[member].ahead_ns;
    return ages->member[member].known;
}

static bool learn(struct ms_ages *ages, struct ms_roster *roster, unsigned member,
                  const struct ms_own_name *beside, int64_t *ahead_ns)
{
    struct ms_own_name own = *beside;
    int64_t theirs = 0;
    own.store = roster->layout->uuid;
    if (!roster->members[member] || ms_age_now(roster->members[member], &own, &theirs, NULL) ||
        theirs <= 0)
        return false;
    *ahead_ns = theirs - (int64_t)ms_clock_now(roster->clock);
    MS_HOLD(&ages->mutex);
    ages->member[member].ahead_ns = *ahead_ns;
    ages->member[member].known = true;
    return true;
}

bool ms_age_is(struct ms_ages *ages, struct ms_roster *roster, unsigned member,
               const struct ms_own_name *beside, int64_t since_ns, int64_t age_ns)
{
    return ms_clock_wall(roster->clock) - since_ns >= age_ns &&
           ms_age_there(ages, roster, member, beside, since_ns, age_ns);
}

bool ms_age_there(struct ms_ages *ages, struct ms_roster *roster, unsigned member,
                  const struct ms_own_name *beside, int64_t since_ns, int64_t age_ns)
{
    int64_t ahead_ns = 0;
    if (since_ns <= 0)
        return false;
    if (!known(ages, member, &ahead_ns) && !learn(ages, roster, member, beside, &ahead_ns))
        return false;
    return (int64_t)ms_clock_now(roster->clock) + ahead_ns - since_ns >= age_ns;
}
