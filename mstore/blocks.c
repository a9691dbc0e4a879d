/* mstore/blocks.c - see mstore/blocks.h.
 *
 * A block about version X is of no use when nobody who is still at work can have seen X as the
 * newest: since the grace period
 *   - most voters have had something higher; or
 *   - an agreement about something higher was begun, which was complete then: an hour after that
 *     block, so that the key was not forgotten in between (nothing of an earlier life comes so
 *     late); or
 *   - the key has been forgotten: nothing is there, and X is not "no version".
 * All by the clock of the member that holds what tells it (mstore/age.h). */
#include "mstore/blocks.h"

#include "base/text.h"
#include "mstore/age.h"

#include <stdlib.h>

#define HOUR_NS ((int64_t)3600 * 1000000000)

void ms_blocks_end(struct ms_blocks *b)
{
    free(b->list);
    *b = (struct ms_blocks){0};
}

/* ---- listing ---- */

static struct ms_own_name name_in(const struct ms_site *site)
{
    return (struct ms_own_name){.kind = MS_OWN_BLOCK,
                                .store = site->roster->layout->uuid,
                                .space = site->space_path,
                                .key = site->key,
                                .level = site->level,
                                .of_version = true};
}

struct lister {
    struct ms_blocks *blocks;
    unsigned member;
    struct ms_name folder;
    struct ms_own_parsed *parsed;
};

static int add(struct ms_blocks *b, const struct ms_block_at *one, struct ms_error *err)
{
    if (b->count == b->room) {
        size_t room = b->room ? 2 * b->room : 16;
        struct ms_block_at *more = realloc(b->list, room * sizeof *more);
        if (!more)
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for blocks of agreements");
        b->list = more;
        b->room = room;
    }
    b->list[b->count++] = *one;
    return 0;
}

/* Names that are no blocks about versions are others'. */
static int take_entry(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct lister *l = ctx;
    struct ms_name name = l->folder;
    size_t size = name.size + 1 + entry->name.size;
    if (entry->info.directory || size > sizeof name.text)
        return 0;
    name.text[name.size] = '/';
    memcpy(name.text + name.size + 1, entry->name.data, entry->name.size);
    name.size = size;
    if (!ms_own_parse(ms_name_view(&name), l->parsed) || !l->parsed->name.of_version)
        return 0;
    const struct ms_block_at one = {.member = l->member,
                                    .about = l->parsed->name.id,
                                    .number = l->parsed->name.number,
                                    .mtime_ns = entry->info.mtime_ns};
    return add(l->blocks, &one, err);
}

static int list_at(const struct ms_site *site, unsigned i, struct lister *l, struct ms_error *err)
{
    struct ms_member *m = ms_site_member(site, i);
    struct ms_list_request all = {0};
    size_t before = l->blocks->count;
    l->member = site->order.member[i];
    if (!m)
        return ms_error_set(err, MS_ERR_CONFIG, "member %s has no url in the configuration",
                            site->roster->layout->members[l->member].name);
    int code = ms_member_list(m, ms_name_view(&l->folder), &all, take_entry, l, err);
    return code || l->blocks->count > before ? code : ms_member_is_there(m, err);
}

int ms_blocks_list(const struct ms_site *site, struct ms_blocks *out, struct ms_error *err)
{
    const struct ms_own_name own = name_in(site);
    struct lister l = {.blocks = out, .parsed = malloc(sizeof *l.parsed)};
    int code = l.parsed ? ms_own_folder(&own, MS_OWN_OF_KEY, 0, &l.folder, err)
                        : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    for (unsigned i = 0; i < site->order.data + site->order.witnesses && !code; i++)
        code = list_at(site, i, &l, err);
    free(l.parsed);
    if (code)
        ms_blocks_end(out);
    return code;
}

bool ms_blocks_about(const struct ms_blocks *b, const struct ms_write_id *version)
{
    for (size_t i = 0; i < b->count; i++)
        if (ms_write_id_compare(&b->list[i].about, version) == 0)
            return true;
    return false;
}

/* ---- taking away ---- */

static int drop(const struct ms_site *site, const struct ms_block_at *one, struct ms_error *err)
{
    struct ms_own_name own = name_in(site);
    struct ms_member *m = site->roster->members[one->member];
    struct ms_name name;
    own.id = one->about;
    own.number = one->number;
    int code = ms_own_format(&own, 0, &name, err);
    if (!code)
        code = ms_member_delete(m, ms_name_view(&name), err);
    return code == MS_ERR_NOT_FOUND ? 0 : code;
}

/* Of all members that had blocks; only empty ones go. */
static void drop_folders(const struct ms_site *site, const struct ms_blocks *b)
{
    const struct ms_own_name own = name_in(site);
    struct ms_name folder;
    if (ms_own_folder(&own, MS_OWN_OF_KEY, 0, &folder, NULL))
        return;
    for (size_t i = 0; i < b->count; i++)
        if (i == 0 || b->list[i].member != b->list[i - 1].member)
            (void)!ms_member_rmdir(site->roster->members[b->list[i].member], ms_name_view(&folder),
                                   NULL);
}

int ms_blocks_drop_below(const struct ms_site *site, const struct ms_blocks *b,
                         const struct ms_write_id *version, struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < b->count && !code; i++)
        if (ms_write_id_compare(&b->list[i].about, version) < 0)
            code = drop(site, &b->list[i], err);
    if (!code)
        drop_folders(site, b);
    return code;
}

/* ---- what is of no use ---- */

struct tidying {
    const struct ms_site *site;
    const struct ms_blocks *blocks;
    struct ms_ages *ages;
    struct ms_versions *seen;
    bool forgotten; /* every voter has answered, and nothing is there */
};

static bool is_old(const struct tidying *t, unsigned member, int64_t since_ns)
{
    struct ms_own_name own = name_in(t->site);
    return ms_age_is(t->ages, t->site->roster, member, &own, since_ns, MS_GRACE_NS);
}

static bool has_old_above(const struct tidying *t, unsigned voter, const struct ms_write_id *id)
{
    const struct ms_voter *one = &t->seen->voter[voter];
    for (size_t h = 0; h < one->count; h++)
        if (ms_write_id_compare(&one->held[h].version.id, id) > 0 &&
            !ms_version_is_end(&one->held[h].version) &&
            is_old(t, one->index, one->held[h].mtime_ns))
            return true;
    return false;
}

static bool most_have_above(const struct tidying *t, const struct ms_write_id *id)
{
    unsigned have[2] = {0};
    for (unsigned i = 0; i < t->seen->count; i++)
        if (has_old_above(t, i, id))
            for (unsigned q = 0; q < t->seen->quorums; q++)
                have[q] += t->seen->voter[i].in[q];
    bool most = true;
    for (unsigned q = 0; q < t->seen->quorums; q++)
        most = most && have[q] >= t->seen->quorum[q].majority;
    return most;
}

static bool agreed_above(const struct tidying *t, const struct ms_block_at *one)
{
    for (size_t i = 0; i < t->blocks->count; i++) {
        const struct ms_block_at *other = &t->blocks->list[i];
        if (other->member == one->member && ms_write_id_compare(&other->about, &one->about) > 0 &&
            other->mtime_ns - one->mtime_ns >= HOUR_NS && is_old(t, other->member, other->mtime_ns))
            return true;
    }
    return false;
}

/* "No version" may come again when a key was forgotten, others do not. */
static bool is_useless(const struct tidying *t, const struct ms_block_at *one)
{
    bool first = !one->about.counter && !one->about.writer && !one->about.next;
    return is_old(t, one->member, one->mtime_ns) &&
           (most_have_above(t, &one->about) || agreed_above(t, one) || (!first && t->forgotten));
}

static bool all_empty(const struct ms_versions *v)
{
    bool empty = true;
    for (unsigned i = 0; i < v->count; i++)
        empty = empty && v->voter[i].answered && v->voter[i].count == 0;
    return empty;
}

unsigned ms_blocks_tidy(const struct ms_site *site, const struct ms_blocks *b, struct ms_ages *ages)
{
    struct tidying t = {.site = site, .blocks = b, .ages = ages};
    unsigned dropped = 0;
    if (!b->count || ms_versions_new(site, &t.seen, NULL))
        return 0;
    t.seen->times = true;
    if (!ms_versions_list(t.seen, t.seen->count, NULL)) {
        t.forgotten = all_empty(t.seen);
        bool *useless = calloc(b->count, sizeof *useless); /* judged before anything goes */
        for (size_t i = 0; useless && i < b->count; i++)
            useless[i] = is_useless(&t, &b->list[i]);
        for (size_t i = 0; useless && i < b->count; i++)
            dropped += useless[i] && !drop(site, &b->list[i], NULL);
        free(useless);
    }
    ms_versions_free(t.seen);
    if (dropped)
        drop_folders(site, b);
    return dropped;
}
