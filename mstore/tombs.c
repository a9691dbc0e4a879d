/* mstore/tombs.c - see mstore/tombs.h. One call on each voter, at once; those not needed are left
 * behind. */
#include "mstore/tombs.h"

#include "base/text.h"
#include "mstore/value_parts.h"

#include <stdlib.h>

struct round { /* shared with the calls */
    struct ms_value_home home;
    struct ms_write_id id;
    struct ms_buf *empty;                 /* NULL: looking */
    struct ms_tomb found[MS_MEMBERS_MAX]; /* by voter */
};

static void round_free(void *shared)
{
    struct round *r = shared;
    ms_buf_unref(r->empty);
    ms_value_home_fini(&r->home);
    free(r);
}

static unsigned count_voters(const struct ms_site *site)
{
    return site->order.targets + (site->order.targets % 2 == 0 && site->order.witnesses);
}

/* Targets, then the witness. */
static unsigned voter(const struct ms_site *site, unsigned i)
{
    return site->order.member[i < site->order.targets ? i : site->order.data];
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
                                .mark = MS_OWN_DELETED};
}

struct reading {
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
    if (ms_own_parse(ms_name_view(&r->whole), &r->parsed)) /* in order: the last is the newest */
        *r->newest = (struct ms_tomb){true, r->parsed.name.id};
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
        code = ms_member_list(m, ms_name_view(&folder), &request, read_entry, r, err);
    }
    free(r);
    return code;
}

static int voter_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct round *r = shared;
    struct ms_member *m = NULL;
    struct ms_name name;
    int code = ms_value_member(&r->home.site, voter(&r->home.site, leg), &m, err);
    if (!code && !r->empty)
        return look_at(&r->home.site, m, &r->found[leg], err);
    struct ms_own_name own = ms_tombs_name(&r->home.site, r->id);
    if (!code)
        code = ms_own_format(&own, 0, &name, err);
    return code ? code : ms_member_store(m, ms_name_view(&name), r->empty, NULL, NULL, err);
}

/* Calls all voters until `need` have answered well; newest may be NULL. */
static int ask_voters(struct round *r, unsigned need, const char *what, struct ms_tomb *newest,
                      struct ms_error *err)
{
    const struct ms_site *site = &r->home.site;
    struct ms_fan *fan = NULL;
    struct ms_error blame = {0};
    char shown[MS_VALUE_SHOWN];
    unsigned good = 0, leg;
    int code = ms_fan_new(count_voters(site), voter_leg, round_free, r, &fan, err);
    if (code) {
        round_free(r);
        return code;
    }
    for (unsigned i = 0; i < count_voters(site); i++)
        ms_fan_start(fan, i);
    while (good < need && ms_fan_next(fan, site->roster->clock, UINT64_MAX, &leg)) {
        if (ms_fan_code(fan, leg)) {
            ms_value_blame(&blame, ms_fan_error(fan, leg));
            continue;
        }
        good++;
        const struct ms_tomb *one = &r->found[leg];
        if (newest && one->there &&
            (!newest->there || ms_write_id_compare(&one->id, &newest->id) > 0))
            *newest = *one;
    }
    if (good < need)
        code = ms_error_set(err, blame.code, "%s: %s needs %u of %u members, %u did it: %s",
                            ms_value_shown(site, shown), what, need, count_voters(site), good,
                            blame.text);
    ms_fan_release(fan);
    return code;
}

static int round_new(const struct ms_site *site, struct round **out, struct ms_error *err)
{
    struct round *r = calloc(1, sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a tombstone");
    int code = ms_value_home_init(&r->home, site, NULL, err);
    if (code) {
        free(r);
        return code;
    }
    *out = r;
    return 0;
}

static int look_once(const struct ms_site *site, struct ms_tomb *out, struct ms_error *err)
{
    struct round *r = NULL;
    struct ms_tomb newest = {0};
    unsigned voters = count_voters(site), majority = voters / 2 + 1;
    int code = round_new(site, &r, err);
    if (!code)
        code = ask_voters(r, voters - majority + 1, "looking for a tombstone", &newest, err);
    if (!code)
        *out = newest;
    return code;
}

/* While a layout is proposed others may have put one by either. */
int ms_tombs_look(const struct ms_site *site, struct ms_tomb *out, struct ms_error *err)
{
    struct ms_tomb other = {0};
    int code = look_once(site, out, err);
    if (code || !site->joint)
        return code;
    struct ms_site next = ms_site_next(site);
    code = look_once(&next, &other, err);
    if (!code && other.there && (!out->there || ms_write_id_compare(&other.id, &out->id) > 0))
        *out = other;
    return code;
}

static int put_once(const struct ms_site *site, struct ms_write_id id, struct ms_error *err)
{
    struct round *r = NULL;
    int code = round_new(site, &r, err);
    if (code)
        return code;
    r->id = id;
    r->empty = ms_buf_new(0);
    if (!r->empty) {
        round_free(r);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a tombstone");
    }
    return ask_voters(r, count_voters(site) / 2 + 1, "a deletion", NULL, err);
}

int ms_tombs_put(const struct ms_site *site, struct ms_write_id id, struct ms_error *err)
{
    int code = put_once(site, id, err);
    if (code || !site->joint)
        return code;
    struct ms_site next = ms_site_next(site);
    return put_once(&next, id, err);
}

void ms_tombs_late(const struct ms_site *site, struct ms_member *member, struct ms_view name)
{
    struct ms_tomb tomb = {0};
    if (ms_tombs_look(site, &tomb, NULL) == 0 && tomb.there)
        (void)!ms_member_delete(member, name, NULL);
}
