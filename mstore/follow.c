/* mstore/follow.c - see mstore/follow.h. */
#include "mstore/follow.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/lease.h"
#include "mstore/mutable_parts.h"
#include "mstore/paxos.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the bytes of a value ---- */

#define LINE 41 /* "WRITER.SIZE.MARK.KKMM\n" */
static const char marks[] = "lds";

void ms_follower_end(struct ms_follower *f)
{
    ms_buf_unref(f->value);
    *f = (struct ms_follower){0};
}

static struct ms_write_id next_of(const struct ms_write_id *version)
{
    struct ms_write_id next = *version;
    next.next++;
    return next;
}

static void write_line(const struct ms_follower *f, char line[LINE + 1])
{
    char size[17] = "----------------";
    if (!f->over)
        snprintf(size, sizeof size, "%016" PRIx64, f->version.size);
    snprintf(line, LINE + 1, "%016" PRIx64 ".%s.%c.%02x%02x\n", f->writer, size,
             f->over ? 'd' : marks[f->version.mark], f->version.k & 0xff, f->version.m & 0xff);
}

int ms_follower_format(const struct ms_follower *f, struct ms_buf **out, struct ms_error *err)
{
    char line[LINE + 1];
    struct ms_view value = f->value ? ms_buf_view(f->value) : ms_view(NULL, 0);
    struct ms_buf *bytes = ms_buf_new(LINE + value.size);
    if (!bytes)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for what is to be agreed on");
    write_line(f, line);
    memcpy(ms_buf_data(bytes), line, LINE);
    if (value.size)
        memcpy(ms_buf_data(bytes) + LINE, value.data, value.size);
    *out = bytes;
    return 0;
}

/* The line says what it says in one way only. */
static bool read_line(const char *line, struct ms_follower *f)
{
    char again[LINE + 1];
    uint64_t k = 0, m = 0;
    const char *mark = line[34] ? strchr(marks, line[34]) : NULL;
    if (!mark || !ms_hex_number(line, 16, &f->writer) || !ms_hex_number(line + 36, 2, &k) ||
        !ms_hex_number(line + 38, 2, &m))
        return false;
    f->over = line[34] == 'd';
    f->version.mark = (enum ms_own_mark)(mark - marks);
    f->version.k = (unsigned)k;
    f->version.m = (unsigned)m;
    if (!f->over && (!ms_hex_number(line + 17, 16, &f->version.size) || k == 0 || k + m > 255))
        return false;
    write_line(f, again);
    return memcmp(line, again, LINE) == 0;
}

int ms_follower_parse(struct ms_view bytes, const struct ms_write_id *version,
                      struct ms_follower *out, struct ms_error *err)
{
    struct ms_follower f = {.version.id = next_of(version)};
    bool good = bytes.size >= LINE && read_line((const char *)bytes.data, &f) &&
                bytes.size - LINE == (f.over ? 0 : f.version.size) && version->next != UINT64_MAX;
    if (!good)
        return ms_error_set(err, MS_ERR_CORRUPT,
                            "what was agreed on is no version of a key: it is from a newer version "
                            "of mstore, or damaged");
    if (!f.over)
        f.value = ms_buf_copy(ms_view(bytes.data + LINE, bytes.size - LINE));
    if (!f.over && !f.value)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    *out = f;
    return 0;
}

/* ---- the agreement ---- */

struct asking {
    const struct ms_versions *seen;
    const struct ms_write_id *version;
    bool passed;
};

/* Under a layout that is over nothing may be proposed: those of the next one would not see it. */
static int may_propose(void *ctx, struct ms_error *err)
{
    const struct asking *a = ctx;
    return ms_lease_still(a->seen->site->roster, err);
}

/* Another's version is there by now, whole: then what is agreed on is past. Leftovers of a write
 * that died say nothing: it may be this agreement's own winner, which is put by whoever learns of
 * it. */
static bool is_past(const struct ms_versions *now, const struct ms_write_id *version)
{
    struct ms_version newer;
    struct ms_write_id looked;
    const struct ms_write_id *below = NULL;
    while (ms_versions_newest(now, below, &newer) && ms_write_id_compare(&newer.id, version) > 0) {
        if (ms_versions_complete(now, &newer))
            return true;
        looked = newer.id;
        below = &looked;
    }
    return false;
}

static int ask_again(void *ctx, struct ms_error *err)
{
    struct asking *a = ctx;
    struct ms_versions *now = NULL;
    int code = ms_newest_list(a->seen->site, false, &now, err);
    if (code)
        return code;
    a->passed = is_past(now, a->version);
    ms_versions_free(now);
    return a->passed ? ms_error_set(err, MS_ERR_CONFLICT, "another version is there by now") : 0;
}

/* Who decides: the voters; both sets of them while a layout is proposed. */
static int agree(struct asking *a, struct ms_ids *ids, struct ms_buf *mine, struct ms_buf **decided,
                 struct ms_error *err)
{
    const struct ms_versions *v = a->seen;
    const struct ms_site *site = v->site;
    struct ms_member *members[MS_MEMBERS_MAX];
    uint8_t sets[MS_MEMBERS_MAX];
    for (unsigned i = 0; i < v->count; i++) {
        members[i] = v->voter[i].member;
        sets[i] = (uint8_t)(v->quorums == 2 ? v->voter[i].in[0] | v->voter[i].in[1] << 1 : 1);
    }
    struct ms_paxos x = {.store = site->roster->layout->uuid,
                         .space = site->space_path,
                         .key = site->key,
                         .level = site->level,
                         .about = a->version,
                         .seal = &site->roster->key,
                         .members = members,
                         .count = v->count,
                         .sets = sets,
                         .may = may_propose,
                         .again = ask_again,
                         .ctx = a,
                         .clock = site->roster->clock,
                         .ids = ids};
    return mine ? ms_paxos_decide(&x, mine, decided, err) : ms_paxos_learn(&x, decided, err);
}

int ms_follow_decide(const struct ms_versions *seen, const struct ms_write_id *version,
                     const struct ms_follower *mine, struct ms_follower *out, bool *passed,
                     struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *proposal = NULL, *decided = NULL;
    struct asking a = {.seen = seen, .version = version};
    struct ms_ids *ids = NULL;
    int code = mine ? ms_follower_format(mine, &proposal, err) : 0;
    if (!code)
        code = ms_ids_new_seeded(ms_lease_draw(seen->site->roster), &ids, err);
    if (!code)
        code = agree(&a, ids, proposal, &decided, err);
    ms_ids_free(ids);
    *passed = code && a.passed;
    return code ? code : ms_follower_parse(ms_buf_view(decided), version, out, err);
}

int ms_follow_put(struct ms_versions *seen, const struct ms_follower *follower,
                  struct ms_error *err)
{
    struct ms_frames frames;
    int code = ms_lease_still(seen->site->roster, err);
    if (!code)
        code = ms_frames_make(&follower->version, seen->site->space->compress,
                              ms_buf_view(follower->value), &frames, err);
    if (code)
        return code;
    code = ms_versions_put(seen, &follower->version, &frames, MS_PUT_NEW, err);
    ms_frames_free(&frames);
    return code;
}

int ms_follow_close(struct ms_versions *seen, const struct ms_version *end, bool *over,
                    struct ms_error *err)
{
    struct ms_frames none = {0};
    struct ms_follower mine = {.over = true}, follower = {0};
    bool passed;
    int code = 0;
    mine.writer = ms_lease_draw(seen->site->roster);
    if (!ms_versions_complete(seen, end))
        code = ms_versions_put(seen, end, &none, MS_PUT_COMPLETE, err);
    if (!code)
        code = ms_follow_decide(seen, &end->id, &mine, &follower, &passed, err);
    if (!code && !follower.over)
        code = ms_follow_put(seen, &follower, err);
    *over = follower.over;
    ms_follower_end(&follower);
    return code;
}
