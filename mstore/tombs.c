/* mstore/tombs.c - see mstore/tombs.h. One call on each voter, at once; those not needed are left
 * behind. */
#include "mstore/tombs.h"

#include "base/text.h"
#include "mstore/voters.h"

#include <stdlib.h>

struct round { /* shared with the calls */
    struct ms_voters base;
    struct ms_write_id id;
    enum ms_own_mark mark;
    struct ms_buf *empty;                 /* NULL: looking */
    struct ms_tomb found[MS_MEMBERS_MAX]; /* by voter */
    struct ms_tomb *newest;               /* the caller's, of those that it has waited for */
};

static void round_free(struct ms_voters *base)
{
    struct round *r = (struct round *)base;
    ms_buf_unref(r->empty);
    free(r);
}

struct ms_own_name ms_tombs_name(const struct ms_site *site, struct ms_write_id id)
{
    return (struct ms_own_name){.kind = MS_OWN_TOMBSTONE,
                                .store = site->roster->layout->uuid,
                                .space = site->space_path,
                                .key = site->key,
                                .level = site->level,
                                .id = id,
                                .size = MS_OWN_SIZE_UNKNOWN,
                                .mark = ms_tombs_mark(site)};
}

struct reading {
    enum ms_own_mark mark;
    struct ms_own_parsed parsed;
    struct ms_name whole;
    size_t folder;
    struct ms_tomb *newest;
};

static int read_entry(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct reading *r = ctx;
    (void)err;
    if (r->folder + entry->name.size > sizeof r->whole.text)
        return 0;
    memcpy(r->whole.text + r->folder, entry->name.data, entry->name.size);
    r->whole.size = r->folder + entry->name.size;
    if (!ms_own_parse(ms_name_view(&r->whole), &r->parsed))
        return 0;
    if (r->parsed.name.id.counter > r->newest->last)
        r->newest->last = r->parsed.name.id.counter;
    enum ms_own_mark mark = r->parsed.name.mark;
    if (ms_tombs_is_soft(mark) == ms_tombs_is_soft(r->mark)) /* in order: the last is the newest */
        *r->newest =
            (struct ms_tomb){!ms_tombs_takes_back(mark), r->parsed.name.id, r->newest->last};
    return 0;
}

static int look_at(const struct ms_site *site, struct ms_member *m, struct ms_tomb *out,
                   struct ms_error *err)
{
    struct ms_own_name name = ms_tombs_name(site, (struct ms_write_id){0});
    struct reading *r = calloc(1, sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for looking at a tombstone");
    int code = ms_own_folder(&name, MS_OWN_OF_KEY, 0, &r->whole, err);
    if (!code) {
        struct ms_list_request request = {.names_only = true};
        struct ms_name folder = r->whole;
        r->whole.text[r->whole.size] = '/';
        r->folder = r->whole.size + 1;
        r->newest = out;
        r->mark = name.mark;
        code = ms_member_list(m, ms_name_view(&folder), &request, read_entry, r, err);
    }
    free(r);
    return code;
}

static int look_leg(struct ms_voters *base, const struct ms_site *site, unsigned leg,
                    struct ms_member *m, struct ms_error *err)
{
    return look_at(site, m, &((struct round *)base)->found[leg], err);
}

static int put_leg(struct ms_voters *base, const struct ms_site *site, unsigned leg,
                   struct ms_member *m, struct ms_error *err)
{
    struct round *r = (struct round *)base;
    struct ms_own_name own = ms_tombs_name(site, r->id);
    struct ms_name name;
    (void)leg;
    own.mark = r->mark;
    int code = ms_own_format(&own, 0, &name, err);
    return code ? code : ms_member_store(m, ms_name_view(&name), r->empty, NULL, NULL, err);
}

/* Of one ID the one that takes it back counts. */
static bool is_newer(const struct ms_tomb *a, const struct ms_tomb *b)
{
    int order = ms_write_id_compare(&a->id, &b->id);
    return order ? order > 0 : a->id.counter && !a->there;
}

static void take_newer(struct ms_tomb *newest, const struct ms_tomb *one)
{
    uint64_t last = newest->last > one->last ? newest->last : one->last;
    if (is_newer(one, newest))
        *newest = *one;
    newest->last = last;
}

static void look_good(struct ms_voters *base, unsigned leg)
{
    struct round *r = (struct round *)base;
    take_newer(r->newest, &r->found[leg]);
}

static struct round *round_new(struct ms_error *err)
{
    struct round *r = calloc(1, sizeof *r);
    if (!r)
        ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a tombstone");
    else
        r->base.free = round_free;
    return r;
}

static int look_once(const struct ms_site *site, bool all, struct ms_tomb *out,
                     struct ms_error *err)
{
    struct ms_tomb newest = {0};
    struct round *r = round_new(err);
    if (!r)
        return MS_ERR_NO_MEMORY;
    r->base.call = look_leg;
    r->base.good = look_good;
    r->base.reads = true;
    r->newest = &newest;
    unsigned need = all ? ms_voters_count(site) : ms_voters_meeting(site);
    int code = ms_voters_ask(site, &r->base, need, 0, "looking for a tombstone", err);
    if (!code)
        *out = newest;
    return code;
}

/* While a layout is proposed others may have put one by either. */
static int look(const struct ms_site *site, bool all, struct ms_tomb *out, struct ms_error *err)
{
    struct ms_tomb other = {0};
    int code = look_once(site, all, out, err);
    if (code || !site->joint)
        return code;
    struct ms_site next = ms_site_next(site);
    code = look_once(&next, all, &other, err);
    if (!code)
        take_newer(out, &other);
    return code;
}

int ms_tombs_look(const struct ms_site *site, struct ms_tomb *out, struct ms_error *err)
{
    return look(site, false, out, err);
}

static int put_once(const struct ms_site *site, struct ms_write_id id, enum ms_own_mark mark,
                    struct ms_error *err)
{
    struct round *r = round_new(err);
    if (!r)
        return MS_ERR_NO_MEMORY;
    r->base.call = put_leg;
    r->id = id;
    r->mark = mark;
    r->empty = ms_buf_new(0);
    if (!r->empty) {
        round_free(&r->base);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a tombstone");
    }
    return ms_voters_ask(site, &r->base, ms_voters_majority(site), 0, "a deletion", err);
}

static int put(const struct ms_site *site, struct ms_write_id id, enum ms_own_mark mark,
               struct ms_error *err)
{
    int code = put_once(site, id, mark, err);
    if (code || !site->joint)
        return code;
    struct ms_site next = ms_site_next(site);
    return put_once(&next, id, mark, err);
}

int ms_tombs_put(const struct ms_site *site, struct ms_write_id id, struct ms_error *err)
{
    return put(site, id, ms_tombs_mark(site), err);
}

static int take_back(const struct ms_site *site, struct ms_write_id id, struct ms_error *err)
{
    return put(site, id, site->deleted ? MS_OWN_TAKEN_BACK : MS_OWN_LIVE, err);
}

int ms_tombs_supersede(const struct ms_site *site, uint64_t before, struct ms_error *err)
{
    struct ms_tomb tomb = {0};
    int code = ms_tombs_look(site, &tomb, err);
    return code || !tomb.there || tomb.id.counter >= before ? code : take_back(site, tomb.id, err);
}

int ms_tombs_settle(const struct ms_site *site, struct ms_error *err)
{
    struct ms_tomb tomb = {0};
    int code = look(site, false, &tomb, err);
    if (!code && tomb.there)
        code = look(site, true, &tomb, err);
    return code || tomb.there || !tomb.id.counter ? code : take_back(site, tomb.id, err);
}

void ms_tombs_late(const struct ms_site *site, struct ms_member *member, struct ms_view name)
{
    struct ms_tomb tomb = {0};
    if (ms_tombs_look(site, &tomb, NULL) == 0 && tomb.there)
        (void)!ms_member_delete(member, name, NULL);
}
