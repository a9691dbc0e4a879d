/* mstore/plain_judge.c - see mstore/plain_hint.h: what a note says, and who is behind by those of a
 * key. */
#include "mstore/plain_hint.h"

#include "mstore/away.h"

/* ---- what a note says ---- */

uint8_t ms_plain_note_byte(enum ms_plain_op op, bool deleted, bool late)
{
    return (uint8_t)((unsigned)op << 4 | (unsigned)late << 1 | (unsigned)deleted);
}

static enum ms_plain_op op_of(const struct ms_write_id *id)
{
    return (enum ms_plain_op)(id->writer >> 4 & 15);
}

bool ms_plain_note_late(const struct ms_write_id *id)
{
    return id->writer & 2;
}

struct ms_write_id ms_plain_note_of_nothing(struct ms_write_id id)
{
    id.writer |= 15 << 4;
    return id;
}

static bool same_change(const struct ms_write_id *a, const struct ms_write_id *b)
{
    return a->counter == b->counter && a->writer >> 8 == b->writer >> 8;
}

bool ms_plain_note_concerns(const struct ms_write_id *id, bool deleted)
{
    enum ms_plain_op op = op_of(id);
    if (op > MS_PLAIN_RENAMED_TO)
        return false;
    return op == MS_PLAIN_SOFT_DELETE || op == MS_PLAIN_UNDELETE || (id->writer & 1) == deleted;
}

/* The item is not there after it. */
static bool removes(const struct ms_write_id *id, bool deleted)
{
    switch (op_of(id)) {
    case MS_PLAIN_DELETE:
    case MS_PLAIN_RENAMED:
        return true;
    case MS_PLAIN_SOFT_DELETE:
        return !deleted;
    case MS_PLAIN_UNDELETE:
        return deleted;
    case MS_PLAIN_STORE:
    case MS_PLAIN_RENAMED_TO:
    default:
        return false;
    }
}

/* ---- who is behind ---- */

struct known {
    const struct ms_plain_note *all;
    size_t count;
    unsigned silent, majority;
};

static bool has_missed(const struct known *n, unsigned member, const struct ms_write_id *change)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->all[i].member == member && same_change(&n->all[i].id, change))
            return true;
    return false;
}

/* A store goes to targets alone; all else to everybody who may have the key. */
static bool was_asked(const struct ms_write_id *change, bool target)
{
    return target || op_of(change) != MS_PLAIN_STORE;
}

enum answer { NO, MAYBE, YES };

static bool may_be_acknowledged(const struct known *n, const struct ms_plain_note *note, bool is)
{
    return is ? note->held + note->replaced + n->silent >= n->majority : note->held < n->majority;
}

/* One that was acknowledged is later than one that was not. */
static enum answer is_later(const struct known *n, const struct ms_plain_note *a,
                            const struct ms_plain_note *b)
{
    bool by_counter = a->id.counter > b->id.counter, can[2] = {false};
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            if (may_be_acknowledged(n, a, i) && may_be_acknowledged(n, b, j))
                can[i == j ? by_counter : i] = true;
    return !can[true] ? NO : can[false] ? MAYBE : YES;
}

/* Whoever did a later change has the item right, whatever he had before: who was behind is not
 * asked to move it (leave_out in mstore/plain_change.c). */
static enum answer is_made_up_for(const struct known *n, const struct ms_plain_note *note,
                                  bool target, bool deleted)
{
    enum answer best = NO;
    for (size_t i = 0; i < n->count && best != YES; i++) {
        const struct ms_write_id *change = &n->all[i].id;
        if (!ms_plain_note_concerns(change, deleted) || !was_asked(change, target) ||
            has_missed(n, note->member, change))
            continue;
        enum answer later = is_later(n, &n->all[i], note);
        best = later > best ? later : best;
    }
    return best;
}

enum standing { RIGHT, PERHAPS, UNSURE, BEHIND };

static enum standing standing_of(const struct known *n, unsigned member, bool target, bool deleted)
{
    enum standing worst = RIGHT;
    for (size_t i = 0; i < n->count; i++) {
        const struct ms_plain_note *note = &n->all[i];
        if (note->member != member || !ms_plain_note_concerns(&note->id, deleted))
            continue;
        enum answer made_up = is_made_up_for(n, note, target, deleted);
        if (made_up == NO)
            return BEHIND;
        if (made_up == MAYBE)
            worst = UNSURE;
        else if (ms_plain_note_late(&note->id) && worst == RIGHT)
            worst = PERHAPS;
    }
    return worst;
}

/* It is at most behind by changes that surely were not acknowledged. */
static bool has_acknowledged(const struct known *n, unsigned member, bool deleted)
{
    bool has = true;
    for (size_t i = 0; i < n->count && has; i++) {
        const struct ms_plain_note *note = &n->all[i];
        has = note->member != member || !ms_plain_note_concerns(&note->id, deleted) ||
              !may_be_acknowledged(n, note, true) || is_made_up_for(n, note, true, deleted) == YES;
    }
    return has;
}

/* The newest change did it, or each that may be the newest. One that surely was not acknowledged
 * does not tell: what was stored after it, and missed by nobody, is not noted. */
static bool is_removed(const struct known *n, bool deleted)
{
    bool any = false;
    for (size_t i = 0; i < n->count; i++) {
        bool newest = ms_plain_note_concerns(&n->all[i].id, deleted) &&
                      may_be_acknowledged(n, &n->all[i], true);
        for (size_t j = 0; j < n->count && newest; j++)
            newest = !ms_plain_note_concerns(&n->all[j].id, deleted) ||
                     is_later(n, &n->all[j], &n->all[i]) != YES;
        if (newest && !removes(&n->all[i].id, deleted))
            return false;
        any |= newest;
    }
    return any;
}

void ms_plain_judge(const struct ms_plain_note notes[], size_t count, unsigned silent,
                    const struct ms_site *site, bool deleted, struct ms_plain_standing *out)
{
    const struct known n = {notes, count, silent, ms_away_majority(site->roster->layout)};
    size_t members = site->roster->layout->member_count;
    enum standing best = BEHIND;
    out->missed = false;
    for (unsigned i = 0; i < site->order.targets; i++) {
        enum standing s = standing_of(&n, site->order.member[i], true, deleted);
        best = s < best ? s : best;
        out->missed |= s != RIGHT;
    }
    for (unsigned i = 0; i < members; i++) {
        bool target = ms_order_has_target(&site->order, i);
        enum standing s = standing_of(&n, i, target, deleted);
        out->behind[i] = s > best;
        out->acknowledged[i] = target && has_acknowledged(&n, i, deleted);
        out->spoiled[i] = s == PERHAPS;
        out->unsure[i] = s == UNSURE;
    }
    out->nobody = best == UNSURE;
    out->removed = is_removed(&n, deleted);
}
