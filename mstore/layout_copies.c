/* mstore/layout_copies.c - see mstore/layout_copies.h. */
#include "mstore/layout_copies.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/inquiry.h"
#include "mstore/paxos.h"

#include <stdio.h>
#include <stdlib.h>

#define COPIES_MAX    4096 /* of one member; the rest waits for the next run */
#define DECISIONS_MAX 256  /* likewise */
#define EPOCH_HEX     16

struct ms_layout_register ms_layout_register_of(uint64_t epoch)
{
    struct ms_layout_register r;
    snprintf(r.key, sizeof r.key, "%016llx", (unsigned long long)epoch);
    return r;
}

int ms_layout_undecided(struct ms_member *m, const struct ms_uuid *store, struct ms_view key,
                        struct ms_error *err)
{
    uint64_t epoch = 0, final = 0, proposed = 0;
    if (key.size != EPOCH_HEX || !ms_hex_number((const char *)key.data, EPOCH_HEX, &epoch))
        return ms_error_set(err, MS_ERR_INVALID, "no register of a layout");
    int code = ms_inquiry_latest(m, store, &final, &proposed, err);
    if (code || final < epoch)
        return code;
    return ms_error_set(err, MS_ERR_EXISTS, "member %s has layout %llu in force already",
                        ms_member_name(m), (unsigned long long) final);
}

/* ---- bringing ---- */

static struct ms_own_name name_of(const struct ms_roster *r, uint64_t epoch, bool final)
{
    return (struct ms_own_name){
        .kind = MS_OWN_LAYOUT, .store = r->layout->uuid, .epoch = epoch, .final = final};
}

static int put_layout(struct ms_roster *r, struct ms_member *m, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *sealed = NULL;
    const struct ms_own_name own = name_of(r, r->layout->epoch, true);
    struct ms_name name;
    int code = ms_own_format(&own, 0, &name, err);
    if (!code)
        code = ms_layout_seal(r->layout, &r->key, &sealed, err);
    return code ? code : ms_member_store(m, ms_name_view(&name), sealed, NULL, NULL, err);
}

int ms_layout_bring(struct ms_roster *r, unsigned member, bool may_write, bool *lacked,
                    struct ms_error *err)
{
    struct ms_member *m = r->members[member];
    uint64_t final = 0, proposed = 0;
    *lacked = false;
    if (r->next || r->layout->phase != MS_LAYOUT_FINAL)
        return 0;
    int code = ms_inquiry_latest(m, &r->layout->uuid, &final, &proposed, err);
    if (!code && !final) /* an empty mount is no member without a layout */
        code = ms_member_is_there(m, err);
    *lacked = !code && final < r->layout->epoch;
    return *lacked && may_write ? put_layout(r, m, err) : code;
}

/* ---- mending ---- */

int ms_layout_mend(struct ms_roster *r, unsigned member, bool may_write,
                   struct ms_layout_damage *out, struct ms_error *err)
{
    struct ms_member *m = r->members[member];
    struct ms_layout *l = NULL;
    struct ms_error why = {0};
    uint64_t final = 0, proposed = 0;
    *out = (struct ms_layout_damage){0};
    if (r->next || r->layout->phase != MS_LAYOUT_FINAL)
        return 0;
    int code = ms_inquiry_latest(m, &r->layout->uuid, &final, &proposed, err);
    if (code || final < r->layout->epoch)
        return code;
    code = ms_inquiry_load(m, &r->layout->uuid, &r->key, final, true, &l, &why);
    ms_layout_free(l);
    if (!ms_inquiry_is_damage(code))
        return code ? ms_error_set(err, code, "%s", why.text) : 0;
    out->epoch = final;
    if (!may_write || final != r->layout->epoch)
        return 0;
    code = put_layout(r, m, err);
    out->mended = !code;
    return code;
}

/* ---- taking away ---- */

struct copies { /* of one folder of a member: names that end in a layout's or a register's epoch */
    struct ms_name folder;
    struct copy {
        struct ms_name name;
        uint64_t epoch;
        bool final;
        int64_t mtime_ns;
    } * list;
    size_t count;
};

static bool read_copy(const struct ms_own_name *n, struct copy *out)
{
    bool block = n->kind == MS_OWN_BLOCK && !n->of_version && n->key.size == EPOCH_HEX &&
                 ms_equal(n->space, ms_str(MS_LAYOUT_REGISTER));
    out->epoch = n->epoch;
    out->final = n->kind == MS_OWN_LAYOUT && n->final;
    return n->kind == MS_OWN_LAYOUT ||
           (block && ms_hex_number((const char *)n->key.data, EPOCH_HEX, &out->epoch));
}

/* Others' names stay where they are. */
static int take_copy(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct copies *c = ctx;
    struct copy one = {.name = c->folder, .mtime_ns = entry->info.mtime_ns};
    size_t size = one.name.size + 1 + entry->name.size;
    if (entry->info.directory || size > sizeof one.name.text || c->count == COPIES_MAX)
        return 0;
    one.name.text[one.name.size] = '/';
    memcpy(one.name.text + one.name.size + 1, entry->name.data, entry->name.size);
    one.name.size = size;
    MS_AUTO_FREE struct ms_own_parsed *parsed = malloc(sizeof *parsed);
    struct copy *more = reallocarray(c->list, c->count + 1, sizeof *more);
    c->list = more ? more : c->list;
    if (!parsed || !more)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the layouts of a member");
    if (ms_own_parse(ms_name_view(&one.name), parsed) && read_copy(&parsed->name, &one))
        c->list[c->count++] = one;
    return 0;
}

static int list_copies(struct ms_member *m, const struct ms_own_name *own, enum ms_own_depth depth,
                       struct copies *c, struct ms_error *err)
{
    static const struct ms_list_request all = {.names_only = false};
    int code = ms_own_folder(own, depth, 0, &c->folder, err);
    return code ? code : ms_member_list(m, ms_name_view(&c->folder), &all, take_copy, c, err);
}

static int drop_below(struct ms_member *m, const struct copies *c, uint64_t epoch,
                      unsigned *removed, struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < c->count && !code; i++) {
        if (c->list[i].epoch >= epoch)
            continue;
        code = ms_member_delete(m, ms_name_view(&c->list[i].name), err);
        code = code == MS_ERR_NOT_FOUND ? 0 : code;
        *removed += !code;
    }
    return code;
}

static struct ms_own_name block_of(const struct ms_roster *r, const struct ms_layout_register *reg)
{
    return (struct ms_own_name){.kind = MS_OWN_BLOCK,
                                .store = r->layout->uuid,
                                .space = ms_str(MS_LAYOUT_REGISTER),
                                .key = ms_str(reg->key)};
}

/* The blocks of the agreement about one layout. */
static int drop_blocks(struct ms_roster *r, struct ms_member *m, uint64_t epoch, uint64_t newest,
                       unsigned *removed, struct ms_error *err)
{
    const struct ms_layout_register reg = ms_layout_register_of(epoch);
    const struct ms_own_name own = block_of(r, &reg);
    struct copies blocks = {0};
    int code = list_copies(m, &own, MS_OWN_OF_KEY, &blocks, err);
    if (!code)
        code = drop_below(m, &blocks, newest, removed, err);
    if (!code)
        (void)!ms_member_rmdir(m, ms_name_view(&blocks.folder), NULL);
    free(blocks.list);
    return code;
}

struct decisions { /* folders of registers below the newest layout */
    uint64_t newest;
    uint64_t epochs[DECISIONS_MAX];
    size_t count;
};

static int take_decision(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    struct decisions *d = ctx;
    uint64_t epoch;
    (void)err;
    if (entry->name.size == 2 + EPOCH_HEX + 1 && d->count < DECISIONS_MAX &&
        ms_hex_number((const char *)entry->name.data + 2, EPOCH_HEX, &epoch) && epoch < d->newest)
        d->epochs[d->count++] = epoch;
    return 0;
}

static int drop_decisions(struct ms_roster *r, struct ms_member *m, uint64_t newest,
                          unsigned *removed, struct ms_error *err)
{
    static const struct ms_list_request names = {.names_only = true};
    const struct ms_layout_register any = ms_layout_register_of(1);
    const struct ms_own_name own = block_of(r, &any);
    struct decisions d = {.newest = newest};
    struct ms_name folder;
    int code = ms_own_folder(&own, MS_OWN_OF_SPACE, 0, &folder, err);
    if (!code)
        code = ms_member_list(m, ms_name_view(&folder), &names, take_decision, &d, err);
    for (size_t i = 0; i < d.count && !code; i++)
        code = drop_blocks(r, m, d.epochs[i], newest, removed, err);
    return code;
}

static const struct copy *newest_of(const struct copies *c)
{
    const struct copy *newest = NULL;
    for (size_t i = 0; i < c->count; i++)
        if (c->list[i].final && (!newest || c->list[i].epoch > newest->epoch))
            newest = &c->list[i];
    return newest;
}

/* Where a member's time is asked for: beside a key, so that what is left of it goes like a note. */
static bool is_old(struct ms_roster *r, unsigned member, struct ms_ages *ages, int64_t since_ns,
                   int64_t age_ns)
{
    const struct ms_layout_space *space = &r->layout->spaces[0];
    const struct ms_own_name beside = {.kind = MS_OWN_HINT,
                                       .space = ms_str(space->name),
                                       .key = ms_str("00000000000000000000000000000000"),
                                       .level = space->levels[space->level_count - 1]};
    return !age_ns || ms_age_there(ages, r, member, &beside, since_ns, age_ns);
}

int ms_layout_tidy(struct ms_roster *r, unsigned member, struct ms_ages *ages, int64_t age_ns,
                   unsigned *removed, struct ms_error *err)
{
    const struct ms_own_name any = name_of(r, 1, true);
    struct ms_member *m = r->members[member];
    struct copies layouts = {0};
    *removed = 0;
    int code = list_copies(m, &any, MS_OWN_OF_KIND, &layouts, err);
    const struct copy *newest = newest_of(&layouts);
    if (!code && newest && is_old(r, member, ages, newest->mtime_ns, age_ns)) {
        code = drop_decisions(r, m, newest->epoch, removed, err);
        if (!code)
            code = drop_below(m, &layouts, newest->epoch, removed, err);
    }
    free(layouts.list);
    return code;
}
