/* mstore/returning.c - see mstore/returning.h. Each member is asked which folders it has below its
 * notes, one for each member they are about, and whether there is anything in them: storages with
 * real folders keep empty ones. */
#include "mstore/returning.h"

#include "base/fan.h"
#include "base/text.h"
#include "mstore/names.h"

#include <stdio.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000000)

struct look { /* shared with the calls */
    struct ms_roster *roster;
};

static void look_free(void *shared)
{
    struct look *l = shared;
    ms_roster_unref(l->roster);
    free(l);
}

struct reading {
    struct ms_roster *roster;
    struct ms_member *keeper;
    struct ms_name folder;
};

static int found_note(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    (void)ctx;
    (void)entry;
    (void)err;
    return 1;
}

/* One folder: of the member with that UUID. */
static int found_folder(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct reading *r = ctx;
    const struct ms_layout *layout = r->roster->layout;
    struct ms_list_request request = {.limit = 1, .names_only = true};
    for (size_t i = 0; i < layout->member_count; i++) {
        char hex[MS_UUID_HEX];
        ms_hex_encode(hex, layout->members[i].uuid.bytes, sizeof layout->members[i].uuid.bytes);
        struct ms_member *about = r->roster->members[i];
        if (!about || !ms_equal(entry->name, ms_str(hex)) || ms_member_returning(about))
            continue;
        struct ms_name inside = r->folder;
        if (inside.size + 1 + entry->name.size > sizeof inside.text)
            return 0;
        inside.text[inside.size] = '/';
        memcpy(inside.text + inside.size + 1, entry->name.data, entry->name.size);
        inside.size += 1 + entry->name.size;
        int code =
            ms_member_list(r->keeper, ms_name_view(&inside), &request, found_note, NULL, err);
        if (code == 1)
            ms_member_set_returning(about);
        return code == 1 ? 0 : code;
    }
    return 0;
}

static int look_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct look *l = shared;
    struct reading r = {.roster = l->roster, .keeper = l->roster->members[leg]};
    char hex[MS_UUID_HEX], text[64];
    struct ms_list_request request = {.names_only = true};
    if (!r.keeper)
        return ms_error_set(err, MS_ERR_CONNECTION, "nobody said where the member is");
    ms_hex_encode(hex, l->roster->layout->uuid.bytes, sizeof l->roster->layout->uuid.bytes);
    int size = snprintf(text, sizeof text, "mstore-%s/hint", hex);
    memcpy(r.folder.text, text, (size_t)size);
    r.folder.size = (size_t)size;
    return ms_member_list(r.keeper, ms_name_view(&r.folder), &request, found_folder, &r, err);
}

static uint64_t deadline_of(struct ms_roster *roster)
{
    uint64_t longest = SECOND;
    for (size_t i = 0; i < roster->layout->member_count; i++) {
        struct ms_member *m = roster->members[i];
        uint64_t late = m ? 4 * ms_health_late_ns(ms_member_health(m), 0) : 0;
        longest = late > longest ? late : longest;
    }
    return ms_clock_now(roster->clock) + longest;
}

int ms_returning_learn(struct ms_roster *roster, unsigned *answered, struct ms_error *err)
{
    unsigned count = (unsigned)roster->layout->member_count, good = 0, leg;
    struct ms_fan *fan = NULL;
    struct look *l = calloc(1, sizeof *l);
    if (!l)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for looking for notes");
    l->roster = ms_roster_ref(roster);
    int code = ms_fan_new(count, look_leg, look_free, l, &fan, err);
    if (code) {
        look_free(l);
        return code;
    }
    for (unsigned i = 0; i < count; i++)
        if (roster->layout->members[i].state != MS_GONE)
            ms_fan_start(fan, i);
    uint64_t deadline = deadline_of(roster);
    while (ms_fan_next(fan, roster->clock, deadline, &leg))
        good += ms_fan_code(fan, leg) == 0;
    ms_fan_cancel(fan);
    ms_fan_release(fan);
    if (answered)
        *answered = good;
    return 0;
}
