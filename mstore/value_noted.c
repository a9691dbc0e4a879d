/* mstore/value_noted.c - which members lack something of a key, as the notes about it say. So many
 * are asked that one of them has what is noted on a majority. */
#include "mstore/away.h"
#include "mstore/value_parts.h"

#include <stdlib.h>

struct looking { /* shared with the calls */
    struct ms_value_home home;
    bool *found; /* by leg, then by member they are about */
};

static void looking_free(void *shared)
{
    struct looking *l = shared;
    ms_value_home_fini(&l->home);
    free(l->found);
    free(l);
}

static int found_one(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    (void)err;
    *(bool *)ctx |= !entry->info.directory;
    return 0;
}

static int look_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct looking *l = shared;
    const struct ms_site *site = &l->home.site;
    const struct ms_layout *layout = site->roster->layout;
    struct ms_list_request request = {.names_only = true};
    struct ms_member *keeper = NULL;
    int code = ms_value_member(site, leg, &keeper, err);
    for (size_t i = 0; i < layout->member_count && !code; i++) {
        struct ms_member *about = site->roster->members[i];
        if (!about || !ms_member_returning(about))
            continue;
        struct ms_own_name hint = {.kind = MS_OWN_HINT,
                                   .store = layout->uuid,
                                   .space = site->space_path,
                                   .key = site->key,
                                   .level = site->level,
                                   .member = layout->members[i].uuid};
        struct ms_name folder;
        code = ms_own_folder(&hint, MS_OWN_OF_KEY, 0, &folder, err);
        if (!code)
            code = ms_member_list(keeper, ms_name_view(&folder), &request, found_one,
                                  &l->found[leg * layout->member_count + i], err);
    }
    return code;
}

static int looking_new(const struct ms_site *site, struct looking **out, struct ms_error *err)
{
    struct looking *l = calloc(1, sizeof *l);
    size_t members = site->roster->layout->member_count;
    if (l)
        l->found = calloc(members * members + 1, sizeof *l->found);
    int code = l && l->found ? ms_value_home_init(&l->home, site, NULL, err)
                             : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for notes of a key");
    if (code) {
        if (l)
            free(l->found);
        free(l);
        return code;
    }
    *out = l;
    return 0;
}

int ms_value_noted(const struct ms_site *site, bool noted[MS_MEMBERS_MAX], struct ms_error *err)
{
    const struct ms_layout *layout = site->roster->layout;
    unsigned members = (unsigned)layout->member_count, good = 0, leg;
    struct ms_error blame = {.code = MS_ERR_CONNECTION};
    struct looking *l = NULL;
    struct ms_fan *fan = NULL;
    int code = looking_new(site, &l, err);
    if (code)
        return code;
    code = ms_fan_new(members, look_leg, looking_free, l, &fan, err);
    if (code) {
        looking_free(l);
        return code;
    }
    for (unsigned i = 0; i < members; i++)
        if (layout->members[i].state != MS_GONE)
            ms_fan_start(fan, i);
    while (good < ms_away_quorum(layout) &&
           ms_fan_next(fan, site->roster->clock, UINT64_MAX, &leg)) {
        if (ms_fan_code(fan, leg))
            blame = *ms_fan_error(fan, leg);
        else
            good++;
        for (unsigned i = 0; i < members && !ms_fan_code(fan, leg); i++)
            noted[i] |= l->found[leg * members + i];
    }
    if (good < ms_away_quorum(layout))
        code = ms_error_set(err, blame.code,
                            "what others have noted is known from %u members, %u are needed (%s)",
                            good, ms_away_quorum(layout), blame.text);
    ms_fan_cancel(fan);
    ms_fan_release(fan);
    return code;
}
