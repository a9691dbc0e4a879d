/* The steps of `mstore check` that try what a storage does (see tools/mstore/check_steps.h). The
 * value goes from VALUE to RENAMED by the rename, and is deleted there. */
#include "tools/mstore/check_steps.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

int ms_check_holds(struct ms_check *c, size_t which, size_t offset, size_t size,
                   struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *got = NULL;
    int code =
        ms_backend_load(c->backend, ms_check_name(c, which), 0, MS_SIZE_TO_END, &got, NULL, err);
    if (code)
        return code;
    struct ms_view wanted = ms_view(ms_buf_view(c->noise).data + offset, size);
    return ms_equal(ms_buf_view(got), wanted)
               ? 0
               : ms_check_wrong(err, "what came back is not what was written");
}

static int store(struct ms_check *c, size_t which, size_t offset, size_t size,
                 const struct ms_precondition *pre, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *value = ms_buf_slice(c->noise, offset, size);
    if (!value)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    return ms_backend_store(c->backend, ms_check_name(c, which), value, pre, NULL, err);
}

int ms_check_write(struct ms_check *c, char *note, struct ms_error *err)
{
    (void)note;
    c->wrote_from_ns = ms_clock_wall(c->clock);
    int code = store(c, MS_CHECK_VALUE, 0, MS_CHECK_VALUE_BYTES, NULL, err);
    c->wrote_until_ns = ms_clock_wall(c->clock);
    return code;
}

int ms_check_info(struct ms_check *c, char *note, struct ms_error *err)
{
    (void)note;
    int code = ms_backend_info(c->backend, ms_check_name(c, MS_CHECK_VALUE), &c->info, err);
    if (!code && !c->info.exists)
        code = ms_check_wrong(err, "the value that was just written is not there");
    else if (!code && (c->info.directory || c->info.size_bytes != MS_CHECK_VALUE_BYTES))
        code = ms_check_wrong(err, "the value that was just written has another size");
    return code;
}

int ms_check_read(struct ms_check *c, char *note, struct ms_error *err)
{
    (void)note;
    return ms_check_holds(c, MS_CHECK_VALUE, 0, MS_CHECK_VALUE_BYTES, err);
}

int ms_check_range(struct ms_check *c, char *note, struct ms_error *err)
{
    (void)note;
    static const struct {
        int64_t offset;
        uint64_t size;
        size_t from, bytes; /* what is to come */
    } ranges[] = {{1000, 50, 1000, 50},
                  {-100, 50, MS_CHECK_VALUE_BYTES - 100, 50},
                  {MS_CHECK_VALUE_BYTES - 10, 100, MS_CHECK_VALUE_BYTES - 10, 10}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        MS_AUTO_BUF struct ms_buf *got = NULL;
        int code = ms_backend_load(c->backend, ms_check_name(c, MS_CHECK_VALUE), ranges[i].offset,
                                   ranges[i].size, &got, NULL, err);
        if (code)
            return code;
        struct ms_view all = ms_buf_view(c->noise);
        if (!ms_equal(ms_buf_view(got), ms_view(all.data + ranges[i].from, ranges[i].bytes)))
            return ms_check_wrong(err, "the wrong bytes came back");
    }
    return 0;
}

int ms_check_list(struct ms_check *c, char *note, struct ms_error *err)
{
    (void)note;
    struct ms_lister *lister = NULL;
    int code = ms_backend_list(c->backend, ms_str(c->folder), NULL, &lister, err);
    struct ms_view wanted = ms_str(c->names[MS_CHECK_VALUE] + strlen(c->folder) + 1);
    const struct ms_entry *entry = NULL;
    bool found = false;
    while (!code && !found) {
        code = ms_lister_next(lister, &entry, err);
        if (code || !entry)
            break;
        found = ms_equal(entry->name, wanted) && !entry->info.directory;
    }
    if (lister)
        ms_lister_close(lister);
    return code || found ? code
                         : ms_check_wrong(err, "the value that was just written is not "
                                               "listed");
}

/* Missing: success with *exists = false. */
static int there(struct ms_check *c, size_t which, bool *exists, struct ms_error *err)
{
    struct ms_info info = {0};
    int code = ms_backend_info(c->backend, ms_check_name(c, which), &info, err);
    *exists = info.exists;
    return code;
}

int ms_check_rename(struct ms_check *c, char *note, struct ms_error *err)
{
    (void)note;
    bool exists = false;
    int code = ms_backend_move(c->backend, ms_check_name(c, MS_CHECK_VALUE),
                               ms_check_name(c, MS_CHECK_RENAMED), NULL, err);
    if (!code)
        code = ms_check_holds(c, MS_CHECK_RENAMED, 0, MS_CHECK_VALUE_BYTES, err);
    if (!code)
        code = there(c, MS_CHECK_VALUE, &exists, err);
    return code || !exists ? code : ms_check_wrong(err, "the old name is still there");
}

/* ---- only-if-absent: several at once, of whom one may win -------------------------------------
 */

struct race {
    struct ms_check *c;
    int codes[MS_CHECK_RACERS];
    struct ms_error errors[MS_CHECK_RACERS];
};

static int race_one(void *arg, size_t index)
{
    struct race *r = arg;
    struct ms_precondition pre = {.kind = MS_IF_ABSENT};
    r->codes[index] = store(r->c, MS_CHECK_RACED, index * MS_CHECK_VALUE_BYTES,
                            MS_CHECK_VALUE_BYTES, &pre, &r->errors[index]);
    return 0;
}

int ms_check_if_absent(struct ms_check *c, char *note, struct ms_error *err)
{
    struct race race = {.c = c};
    for (size_t i = 0; i < MS_CHECK_RACERS; i++)
        race.codes[i] = MS_ERR_CANCELLED;
    int code = ms_parallel(MS_CHECK_RACERS, MS_CHECK_RACERS, race_one, &race, err);
    size_t winner = MS_CHECK_RACERS, winners = 0;
    for (size_t i = 0; i < MS_CHECK_RACERS && !code; i++) {
        if (race.codes[i] == 0) {
            winner = i;
            winners++;
        } else if (race.codes[i] != MS_ERR_EXISTS) {
            code = ms_error_set(err, race.codes[i], "%s", race.errors[i].text);
        }
    }
    if (code)
        return code;
    if (winners == 0)
        return ms_check_wrong(err, "nobody could write a name that was free");
    if (winners > 1)
        return ms_check_wrong(err, "two writers were both told that they were the first");
    code = race_one(&race, 0);
    if (race.codes[0] != MS_ERR_EXISTS)
        return race.codes[0] ? ms_error_set(err, race.codes[0], "%s", race.errors[0].text)
                             : ms_check_wrong(err, "it replaced a value that was there");
    code =
        ms_check_holds(c, MS_CHECK_RACED, winner * MS_CHECK_VALUE_BYTES, MS_CHECK_VALUE_BYTES, err);
    if (!code)
        snprintf(note, MS_CHECK_NOTE_BYTES, "one of %u writers at once got it", MS_CHECK_RACERS);
    return code;
}

int ms_check_delete(struct ms_check *c, char *note, struct ms_error *err)
{
    (void)note;
    bool exists = false;
    /* where it is when renaming failed or is not supported */
    int code = there(c, MS_CHECK_RENAMED, &exists, err);
    size_t which = exists ? MS_CHECK_RENAMED : MS_CHECK_VALUE;
    if (!code)
        code = ms_backend_delete(c->backend, ms_check_name(c, which), err);
    if (!code)
        code = there(c, which, &exists, err);
    return code || !exists ? code : ms_check_wrong(err, "it is still there");
}
