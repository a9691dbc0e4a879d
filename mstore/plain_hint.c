/* mstore/plain_hint.c - see mstore/plain_hint.h: one round over all members for reading or writing
 * the notes of one key (mstore/plain_judge.c judges them). */
#include "mstore/plain_hint.h"

#include "base/cleanup.h"
#include "base/fan.h"
#include "mstore/away.h"
#include "mstore/lease.h"
#include "mstore/siphash.h"
#include "mstore/value_parts.h"

#include <stdlib.h>

#define NOTES_MAX 4096 /* of one key that are looked at on one member */
#define LOOKS     6    /* at notes that others are replacing */

/* ---- one round over all members ---- */

struct notes {
    struct ms_plain_note *all;
    size_t count;
    unsigned silent; /* so many members did not say which they have */
    uint64_t print;  /* who answered, and which of them each has */
};
struct round { /* shared with the calls */
    struct ms_value_home home;
    int (*call)(struct round *r, unsigned leg, struct ms_member *m, struct ms_error *err);
    bool about[MS_MEMBERS_MAX]; /* reading: these members' notes */
    struct notes *read;         /* by leg */
    unsigned legs;
    struct notes put, old;      /* writing: what is put, then what is removed */
    bool there[MS_MEMBERS_MAX]; /* who has what is to be put */
};

static void round_free(void *shared)
{
    struct round *r = shared;
    for (unsigned i = 0; r->read && i < r->legs; i++)
        free(r->read[i].all);
    free(r->read);
    free(r->put.all);
    free(r->old.all);
    ms_value_home_fini(&r->home);
    free(r);
}

static int round_new(const struct ms_site *site, struct round **out, struct ms_error *err)
{
    struct round *r = calloc(1, sizeof *r);
    unsigned legs = 2 * (unsigned)site->roster->layout->member_count;
    int code = r ? ms_value_home_init(&r->home, site, NULL, err) : MS_ERR_NO_MEMORY;
    if (r && !code) {
        r->legs = legs;
        r->read = calloc(legs + 1, sizeof *r->read);
    }
    if (r && !code && r->read) {
        *out = r;
        return 0;
    }
    if (r)
        round_free(r);
    return code == MS_ERR_NAME
               ? code
               : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for notes of a key");
}

static int round_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct round *r = shared;
    struct ms_member *m = NULL;
    unsigned members = r->legs / 2;
    int code = ms_value_member(&r->home.site, leg % members, &m, err);
    if (!code && leg >= members)
        code = ms_member_insist(m, err);
    return code ? code : r->call(r, leg, m, err);
}

struct asked { /* how a round went */
    struct ms_fan *fan;
    bool good[2 * MS_MEMBERS_MAX]; /* by leg */
    bool done[MS_MEMBERS_MAX];     /* by member */
    unsigned count;
    struct ms_error blame;
};

/* Those whose breaker kept the call are asked in earnest when too few have answered. `all`: waits
 * for everybody. Takes r; the fan is the caller's to release. */
static int ask(struct round *r, const bool spared[], unsigned need, bool all, struct asked *out,
               struct ms_error *err)
{
    const struct ms_layout *layout = r->home.site.roster->layout;
    struct ms_clock *clock = r->home.site.roster->clock;
    unsigned members = (unsigned)layout->member_count, leg;
    int code = ms_fan_new(r->legs, round_leg, round_free, r, &out->fan, err);
    if (code) {
        round_free(r);
        return code;
    }
    for (unsigned turn = 0; turn < 2 && out->count < need && !ms_check_cancelled(NULL); turn++) {
        for (unsigned i = 0; i < members; i++)
            if (layout->members[i].state != MS_GONE && !(spared && spared[i]) && !out->done[i])
                ms_fan_start(out->fan, turn * members + i);
        while (members && (all || out->count < need) &&
               ms_fan_next(out->fan, clock, UINT64_MAX, &leg)) {
            out->good[leg] = ms_fan_code(out->fan, leg) == 0;
            out->count += out->good[leg] && !out->done[leg % members];
            out->done[leg % members] |= out->good[leg];
            if (!out->good[leg] && turn == 0)
                ms_value_blame(&out->blame, ms_fan_error(out->fan, leg));
        }
    }
    return ms_check_cancelled(err);
}

/* ---- reading ---- */

static struct ms_own_name note_name(const struct ms_site *site, unsigned member)
{
    return (struct ms_own_name){.kind = MS_OWN_HINT,
                                .store = site->roster->layout->uuid,
                                .space = site->space_path,
                                .key = site->key,
                                .level = site->level,
                                .member = site->roster->layout->members[member].uuid};
}

static bool has_note(const struct notes *n, unsigned member, const struct ms_write_id *id)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->all[i].member == member && ms_write_id_compare(&n->all[i].id, id) == 0)
            return true;
    return false;
}

static int add_note(struct notes *n, unsigned member, const struct ms_write_id *id,
                    struct ms_error *err)
{
    if (has_note(n, member, id))
        return 0;
    struct ms_plain_note *more = reallocarray(n->all, n->count + 1, sizeof *more);
    if (!more)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for notes of a key");
    n->all = more;
    more[n->count++] = (struct ms_plain_note){.member = (uint16_t)member, .id = *id};
    return 0;
}

struct reading {
    struct notes *into;
    unsigned member;
    struct ms_name name; /* the folder, then the name */
    size_t folder;
};

static int read_note(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct reading *r = ctx;
    struct ms_own_parsed parsed;
    if (r->into->count >= NOTES_MAX || entry->name.size >= sizeof r->name.text - r->folder)
        return 0;
    memcpy(r->name.text + r->folder, entry->name.data, entry->name.size);
    r->name.size = r->folder + entry->name.size;
    return ms_own_parse(ms_name_view(&r->name), &parsed)
               ? add_note(r->into, r->member, &parsed.name.id, err)
               : 0;
}

/* A member that has none must show its mark: an empty mount has not answered. */
static int read_leg(struct round *r, unsigned leg, struct ms_member *m, struct ms_error *err)
{
    static const struct ms_list_request request = {.names_only = true};
    int code = 0;
    for (unsigned i = 0; i < r->legs / 2 && !code; i++) {
        struct ms_own_name own = note_name(&r->home.site, i);
        struct reading reading = {.into = &r->read[leg], .member = i};
        if (!r->about[i])
            continue;
        code = ms_own_folder(&own, MS_OWN_OF_KEY, 0, &reading.name, err);
        struct ms_name folder = reading.name;
        if (!code) {
            reading.name.text[reading.name.size] = '/';
            reading.folder = reading.name.size + 1;
            code = ms_member_list(m, ms_name_view(&folder), &request, read_note, &reading, err);
        }
    }
    return code || r->read[leg].count ? code : ms_member_is_there(m, err);
}

static bool is_pair(const struct ms_layout *layout)
{
    return ms_away_majority(layout) == 1;
}

/* Whoever has missed the newer change is behind whether he has missed the older one or not. */
static bool is_outdone(const struct ms_plain_note *older, const struct notes *by)
{
    for (size_t i = 0; i < by->count; i++) {
        const struct ms_plain_note *n = &by->all[i];
        bool covers = n->id.counter >= older->id.counter;
        for (int deleted = 0; deleted < 2; deleted++)
            covers = covers && (!ms_plain_note_concerns(&older->id, deleted) ||
                                ms_plain_note_concerns(&n->id, deleted));
        if (n->member == older->member && covers &&
            (!ms_plain_note_late(&older->id) || ms_plain_note_late(&n->id)))
            return true;
    }
    return false;
}

static void count_holders(struct notes *all, const struct round *r, const bool good[])
{
    for (size_t i = 0; i < all->count; i++)
        for (unsigned leg = 0; leg < r->legs; leg++) {
            struct ms_plain_note *note = &all->all[i];
            bool has = good[leg] && has_note(&r->read[leg], note->member, &note->id);
            note->held += has;
            note->replaced += good[leg] && !has && is_outdone(note, &r->read[leg]);
        }
}

static uint64_t print_of(const struct round *r, const bool good[])
{
    static const uint8_t key[16] = {0};
    uint64_t sum = 0;
    for (unsigned leg = 0; leg < r->legs; leg++)
        for (size_t i = 0; good[leg] && i <= r->read[leg].count; i++) {
            uint64_t words[4] = {leg % (r->legs / 2)}; /* then a note, at last none */
            if (i < r->read[leg].count) {
                const struct ms_plain_note *note = &r->read[leg].all[i];
                words[1] = note->member + 1u;
                words[2] = note->id.counter;
                words[3] = note->id.writer;
            }
            sum += ms_siphash(key, ms_view(words, sizeof words));
        }
    return sum;
}

/* All notes of the key about these members, from so many (`need`) that none is overlooked that a
 * majority holds; with `all` from everybody who answers. */
static int read_notes(const struct ms_site *site, const bool about[], unsigned need, bool all,
                      struct notes *out, struct ms_error *err)
{
    const struct ms_layout *layout = site->roster->layout;
    struct round *r = NULL;
    struct asked asked = {.count = 0};
    int code = round_new(site, &r, err);
    if (code)
        return code;
    r->call = read_leg;
    memcpy(r->about, about, layout->member_count * sizeof *about);
    code = ask(r, NULL, need, all || is_pair(layout), &asked, err);
    if (!code && asked.count < need)
        code = ms_error_set(err, asked.blame.code ? asked.blame.code : MS_ERR_CONNECTION,
                            "what mirrors have missed is known from %u members, %u are needed (%s)",
                            asked.count, need, asked.blame.text);
    for (unsigned leg = 0; leg < 2 * layout->member_count && !code; leg++)
        for (size_t i = 0; asked.good[leg] && i < r->read[leg].count && !code; i++)
            code = add_note(out, r->read[leg].all[i].member, &r->read[leg].all[i].id, err);
    if (!code)
        count_holders(out, r, asked.good);
    if (!code)
        out->print = print_of(r, asked.good);
    out->silent = ms_away_quorum(layout) + ms_away_majority(layout) - 1 - asked.count;
    if (asked.fan)
        ms_fan_cancel(asked.fan);
    ms_fan_release(asked.fan);
    return code;
}

static bool is_unsure(const struct ms_site *site, const struct ms_plain_standing *s)
{
    bool any = false;
    for (size_t i = 0; i < site->roster->layout->member_count; i++)
        any |= s->unsure[i];
    return any;
}

/* Some may have been removed from the one member before it was asked, from the other one after. */
static bool is_torn(const struct ms_site *site, const struct notes *n)
{
    unsigned majority = ms_away_majority(site->roster->layout);
    bool torn = false;
    for (size_t i = 0; i < n->count; i++)
        torn |= n->all[i].replaced && n->all[i].held < majority &&
                n->all[i].held + n->all[i].replaced + n->silent >= majority;
    return torn;
}

/* Two looks in a row have shown the same: all of it was there between them, so where a note was
 * removed in favour of a newer one a majority has that. */
static void take_as_it_is(struct notes *n)
{
    for (size_t i = 0; i < n->count; i++)
        n->all[i].replaced = 0;
}

int ms_plain_behind(const struct ms_site *site, bool deleted, bool everybody,
                    struct ms_plain_standing *out, struct ms_error *err)
{
    const struct ms_roster *r = site->roster;
    bool about[MS_MEMBERS_MAX] = {0}, again = true;
    uint64_t print = 0;
    int code = 0;
    for (size_t i = 0; i < r->layout->member_count; i++)
        about[i] = everybody || (r->members[i] && ms_member_returning(r->members[i]));
    for (unsigned look = everybody; look < LOOKS && !code && again; look++) {
        struct notes notes = {0};
        code = read_notes(site, about, ms_away_quorum(r->layout), look > 0, &notes, err);
        if (!code && look && notes.print == print)
            take_as_it_is(&notes);
        if (!code)
            ms_plain_judge(notes.all, notes.count, notes.silent, site, deleted, out);
        again = !code && (look ? (everybody || is_unsure(site, out)) && is_torn(site, &notes)
                               : is_unsure(site, out));
        print = look ? notes.print : 0;
        free(notes.all);
    }
    return code || !out->nobody
               ? code
               : ms_error_set(err, MS_ERR_CONNECTION,
                              "which mirrors have missed the last change cannot be told while "
                              "members do not answer, or while it is being changed");
}

/* ---- writing ---- */

static int note_call(const struct round *r, struct ms_member *m, const struct ms_plain_note *note,
                     bool put, struct ms_error *err)
{
    struct ms_own_name own = note_name(&r->home.site, note->member);
    struct ms_name name;
    own.id = note->id;
    int code = ms_own_format(&own, 0, &name, err);
    if (code)
        return code;
    if (!put) {
        code = ms_member_delete(m, ms_name_view(&name), err);
        return code == MS_ERR_NOT_FOUND ? 0 : code;
    }
    MS_AUTO_BUF struct ms_buf *empty = ms_buf_new(0);
    return empty ? ms_member_store(m, ms_name_view(&name), empty, NULL, NULL, err)
                 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a note");
}

/* What is put comes first: who has neither would say that the older change was not acknowledged. */
static int write_leg(struct round *r, unsigned leg, struct ms_member *m, struct ms_error *err)
{
    bool there = r->there[leg % (r->legs / 2)];
    int code = 0;
    for (size_t i = 0; i < r->put.count && !code && !there; i++)
        code = note_call(r, m, &r->put.all[i], true, err);
    for (size_t i = 0; i < r->old.count && !code; i++)
        code = note_call(r, m, &r->old.all[i], false, err);
    return code;
}

/* put: what is noted of the change; old: what says nothing more beside it. */
static int choose_notes(const struct ms_site *site, const struct ms_plain_missed *change,
                        const struct notes *known, struct notes *put, struct notes *old,
                        struct ms_error *err)
{
    struct ms_write_id id = {.counter = 1};
    uint64_t chance = ms_lease_draw(site->roster) << 8;
    int code = 0;
    for (size_t i = 0; i < known->count; i++)
        if (known->all[i].id.counter >= id.counter && known->all[i].id.counter < UINT64_MAX)
            id.counter = known->all[i].id.counter + 1;
    for (unsigned i = 0; i < site->roster->layout->member_count && !code; i++) {
        id.writer = chance | ms_plain_note_byte(change->op, site->deleted, change->late[i]);
        if (change->missed[i])
            code = add_note(put, i, &id, err);
    }
    for (size_t i = 0; i < known->count && !code; i++)
        if (is_outdone(&known->all[i], put))
            code = add_note(old, known->all[i].member, &known->all[i].id, err);
    return code;
}

static int copy_notes(const struct notes *from, struct notes *out, struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < from->count && !code; i++)
        code = add_note(out, from->all[i].member, &from->all[i].id, err);
    return code;
}

/* On a majority, the rest goes on. there: who has what is to be put, before and afterwards. */
static int write_round(const struct ms_site *site, const struct ms_plain_missed *change,
                       const struct notes *put, const struct notes *old, bool there[MS_MEMBERS_MAX],
                       struct ms_error *err)
{
    unsigned need = ms_away_majority(site->roster->layout);
    struct round *r = NULL;
    struct asked asked = {.count = 0};
    int code = round_new(site, &r, err);
    if (code)
        return code;
    r->call = write_leg;
    memcpy(r->there, there, sizeof r->there);
    code = copy_notes(put, &r->put, err);
    if (!code)
        code = copy_notes(old, &r->old, err);
    if (code) {
        round_free(r);
        return code;
    }
    code = ask(r, change->missed, need, false, &asked, err);
    if (!code && asked.count < need)
        code = ms_error_set(err, asked.blame.code ? asked.blame.code : MS_ERR_CONNECTION,
                            "that mirrors missed a change is noted on %u members, %u are needed "
                            "(%s): it may have been done or not",
                            asked.count, need, asked.blame.text);
    memcpy(there, asked.done, sizeof asked.done);
    ms_fan_release(asked.fan);
    return code;
}

/* Older notes go only once a majority has the newer ones: else nobody could tell any more whether
 * the older change was acknowledged. What stays goes with a later change. */
static int write_notes(const struct ms_site *site, const struct ms_plain_missed *change,
                       const struct notes *known, struct ms_error *err)
{
    struct notes put = {0}, old = {0};
    bool there[MS_MEMBERS_MAX] = {0};
    int code = choose_notes(site, change, known, &put, &old, err);
    if (!code)
        code = write_round(site, change, &put, &(struct notes){0}, there, err);
    if (!code && old.count)
        (void)!write_round(site, change, &put, &old, there, NULL);
    free(put.all);
    free(old.all);
    return code;
}

int ms_plain_note(const struct ms_site *site, const struct ms_plain_missed *change,
                  struct ms_error *err)
{
    struct ms_roster *r = site->roster;
    bool about[MS_MEMBERS_MAX] = {0};
    struct notes known = {0};
    for (size_t i = 0; i < r->layout->member_count; i++)
        about[i] = true; /* a note may outlive its mark, and then says who did a change */
    unsigned need = is_pair(r->layout) ? 1 : ms_away_quorum(r->layout); /* as for the change */
    int code = read_notes(site, about, need, false, &known, err);
    if (!code)
        code = write_notes(site, change, &known, err);
    free(known.all);
    return code ? code : ms_lease_disbelieve(r, change->missed, NULL, NULL, err);
}
