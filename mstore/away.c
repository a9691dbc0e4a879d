/* mstore/away.c - see mstore/away.h: names, and one call on each member for each mark. */
#include "mstore/away.h"

#include "base/cleanup.h"
#include "base/fan.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ID_TEXT 33 /* "COUNTER-WRITER" */

bool ms_away_equal(const struct ms_away *a, const struct ms_away *b)
{
    return ms_uuid_equal(&a->member, &b->member) && ms_write_id_compare(&a->id, &b->id) == 0 &&
           a->closing == b->closing;
}

void ms_away_folder(const struct ms_uuid *store, struct ms_name *out)
{
    char hex[MS_UUID_HEX];
    ms_hex_encode(hex, store->bytes, sizeof store->bytes);
    out->size = (size_t)snprintf(out->text, sizeof out->text, "mstore-%s/away", hex);
}

const char *ms_away_format_id(const struct ms_away *mark, char text[MS_AWAY_ID_TEXT])
{
    char hex[MS_UUID_HEX];
    ms_hex_encode(hex, mark->member.bytes, sizeof mark->member.bytes);
    snprintf(text, MS_AWAY_ID_TEXT, "%s.%016" PRIx64 "-%016" PRIx64, hex, mark->id.counter,
             mark->id.writer);
    return text;
}

void ms_away_name(const struct ms_uuid *store, const struct ms_away *mark, struct ms_name *out)
{
    char id[MS_AWAY_ID_TEXT];
    ms_away_folder(store, out);
    out->size += (size_t)snprintf(out->text + out->size, sizeof out->text - out->size, "/%s.%c",
                                  ms_away_format_id(mark, id), mark->closing ? 'c' : 'o');
}

bool ms_away_parse(struct ms_view last, struct ms_away *out)
{
    const size_t hex = 2 * sizeof out->member.bytes;
    char member[MS_UUID_HEX];
    if (last.size != hex + 1 + ID_TEXT + 2 || last.data[hex] != '.' || last.data[hex + 17] != '-' ||
        last.data[hex + 1 + ID_TEXT] != '.')
        return false;
    uint8_t state = last.data[last.size - 1];
    memcpy(member, last.data, hex);
    member[hex] = '\0';
    *out = (struct ms_away){.closing = state == 'c'};
    return (state == 'o' || state == 'c') &&
           !ms_hex_decode(out->member.bytes, sizeof out->member.bytes, member) &&
           ms_hex_number((const char *)last.data + hex + 1, 16, &out->id.counter) &&
           ms_hex_number((const char *)last.data + hex + 18, 16, &out->id.writer);
}

/* ---- how many ---- */

static unsigned count_members(const struct ms_layout *layout)
{
    unsigned count = 0;
    for (size_t i = 0; i < layout->member_count; i++)
        count += layout->members[i].state != MS_GONE;
    return count;
}

unsigned ms_away_majority(const struct ms_layout *layout)
{
    unsigned members = count_members(layout);
    return members == 2 ? 1 : members / 2 + 1;
}

unsigned ms_away_quorum(const struct ms_layout *layout)
{
    return count_members(layout) - ms_away_majority(layout) + 1;
}

/* ---- putting and removing ---- */

struct writing { /* shared with the calls */
    struct ms_roster *roster;
    struct ms_buf *empty; /* NULL: removing */
    size_t count;
    struct ms_away marks[];
};

static void writing_free(void *shared)
{
    struct writing *w = shared;
    ms_buf_unref(w->empty);
    ms_roster_unref(w->roster);
    free(w);
}

/* How long a mark has been closing is told by its object's time: it is not put again. */
static bool closes_already(struct ms_member *m, const struct ms_away *mark,
                           const struct ms_name *name)
{
    struct ms_info info = {0};
    return mark->closing && !ms_member_info(m, ms_name_view(name), &info, NULL) && info.exists;
}

static int write_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct writing *w = shared;
    struct ms_member *m = w->roster->members[leg % w->roster->layout->member_count];
    if (!m)
        return ms_error_set(err, MS_ERR_CONFIG, "nobody said where the member is");
    int code = leg < w->roster->layout->member_count ? 0 : ms_member_insist(m, err);
    for (size_t i = 0; i < w->count && !code; i++) {
        struct ms_name name;
        ms_away_name(&w->roster->layout->uuid, &w->marks[i], &name);
        if (w->empty && closes_already(m, &w->marks[i], &name))
            continue;
        code = w->empty ? ms_member_store(m, ms_name_view(&name), w->empty, NULL, NULL, err)
                        : ms_member_delete(m, ms_name_view(&name), err);
        if (code == MS_ERR_NOT_FOUND)
            code = 0;
    }
    return code;
}

static struct writing *writing_new(struct ms_roster *r, const struct ms_away marks[], size_t count,
                                   bool put)
{
    struct writing *w = calloc(1, sizeof *w + count * sizeof *w->marks);
    if (!w)
        return NULL;
    w->roster = ms_roster_ref(r);
    w->empty = put ? ms_buf_new(0) : NULL;
    w->count = count;
    memcpy(w->marks, marks, count * sizeof *marks);
    if (put && !w->empty) {
        writing_free(w);
        return NULL;
    }
    return w;
}

static int write_all(struct ms_roster *r, const struct ms_away marks[], size_t count, bool put,
                     struct ms_error *err)
{
    unsigned members = (unsigned)r->layout->member_count, good = 0, leg;
    struct ms_error blame = {.code = MS_ERR_CONNECTION};
    struct ms_fan *fan = NULL;
    struct writing *w = writing_new(r, marks, count, put);
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for marks of absence");
    int code = ms_fan_new(2 * members, write_leg, writing_free, w, &fan, err);
    if (code) {
        writing_free(w);
        return code;
    }
    for (unsigned round = 0; round < 2 && good < ms_away_majority(r->layout); round++) {
        for (unsigned i = 0; i < members; i++)
            if (r->layout->members[i].state != MS_GONE && (round == 0 || ms_fan_code(fan, i) != 0))
                ms_fan_start(fan, round * members + i);
        while (good < ms_away_majority(r->layout) && ms_fan_next(fan, r->clock, UINT64_MAX, &leg)) {
            good += ms_fan_code(fan, leg) == 0;
            if (ms_fan_code(fan, leg))
                blame = *ms_fan_error(fan, leg);
        }
    }
    if (good < ms_away_majority(r->layout))
        code = ms_error_set(err, blame.code,
                            "that members missed a change is known to %u members only, %u are "
                            "needed (%s)",
                            good, ms_away_majority(r->layout), blame.text);
    ms_fan_release(fan); /* the rest goes on */
    return code;
}

int ms_away_put(struct ms_roster *r, const struct ms_away marks[], size_t count,
                struct ms_error *err)
{
    return write_all(r, marks, count, true, err);
}

int ms_away_remove(struct ms_roster *r, const struct ms_away marks[], size_t count,
                   struct ms_error *err)
{
    return write_all(r, marks, count, false, err);
}
