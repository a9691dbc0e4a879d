/* mstore/layout_read.c - the lines of a layout (see mstore/layout_parts.h). What a single line can
 * say wrong is refused here; what concerns several is left to ms_layout_check. */
#include "mstore/layout_parts.h"

#include "base/text.h"
#include "store/config_parts.h"
#include "store/names.h"

#include <stdlib.h>

const char *const ms_layout_states[] = {"active", "draining", "readonly", "witness", "gone"};
const char *const ms_layout_kinds[] = {"immutable", "mutable", "plain"};
const char *const ms_layout_phases[] = {"proposed", "final"};
const char *const ms_layout_placements[] = {"rendezvous", "buckets"};

/* ---- values ---- */

/* One of `count` words; `all` lists them for the message. */
static int choose(const struct ms_ini_entry *e, const char *const *words, unsigned count,
                  const char *all, unsigned *out, struct ms_error *err)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(e->value, words[i]) == 0) {
            *out = i;
            return 0;
        }
    }
    return ms_error_set(err, MS_ERR_CONFIG, "%s = %s is none of %s", e->key,
                        MS_SHOW(ms_str(e->value)), all);
}

static int number(const struct ms_ini_entry *e, uint64_t least, uint64_t most, uint64_t *out,
                  struct ms_error *err)
{
    uint64_t n = 0;
    if (ms_parse_u64(e->value, e->key, most, &n, NULL) != 0 || n < least)
        return ms_error_set(err, MS_ERR_CONFIG, "%s = %s: give a whole number from %llu to %llu",
                            e->key, MS_SHOW(ms_str(e->value)), (unsigned long long)least,
                            (unsigned long long)most);
    *out = n;
    return 0;
}

/* A member's or zone's name: letters, digits, '.', '_', '-'. */
static int check_name(const char *what, const char *name, struct ms_error *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t size = strlen(name);
    if (size == 0 || size > MS_LAYOUT_NAME_MAX || name[strspn(name, allowed)])
        return ms_error_set(err, MS_ERR_CONFIG,
                            "%s \"%s\" needs a name of 1 to %d letters, digits, '.', '_' and '-'",
                            what, MS_SHOW(ms_str(name)), MS_LAYOUT_NAME_MAX);
    return 0;
}

/* "4+2" */
static bool parse_shards(const char *text, unsigned *k, unsigned *m)
{
    char first[8];
    uint64_t a, b;
    const char *plus = strchr(text, '+');
    if (!plus || (size_t)(plus - text) >= sizeof first)
        return false;
    memcpy(first, text, (size_t)(plus - text));
    first[plus - text] = '\0';
    if (ms_parse_u64(first, "K", MS_SHARDS_MAX, &a, NULL) != 0 ||
        ms_parse_u64(plus + 1, "M", MS_SHARDS_MAX, &b, NULL) != 0)
        return false;
    *k = (unsigned)a;
    *m = (unsigned)b;
    return true;
}

static int set_redundancy(struct ms_layout_space *s, const struct ms_ini_entry *e,
                          struct ms_error *err)
{
    const char *v = e->value;
    uint64_t n;
    s->redundancy_line = e->line;
    if (strcmp(v, "all") == 0) {
        s->redundancy = MS_REDUNDANCY_ALL;
    } else if (strcmp(v, "none") == 0) {
        s->redundancy = MS_REDUNDANCY_NONE;
    } else if (strncmp(v, "copies ", 7) == 0 &&
               ms_parse_u64(v + 7, "copies", MS_SHARDS_MAX, &n, NULL) == 0) {
        if (n < 2)
            return ms_error_set(err, MS_ERR_CONFIG,
                                "redundancy = copies %u is no redundancy: write none if that is "
                                "what you want",
                                (unsigned)n);
        s->redundancy = MS_REDUNDANCY_COPIES;
        s->copies = (unsigned)n;
    } else if (strncmp(v, "ec ", 3) == 0 && parse_shards(v + 3, &s->k, &s->m)) {
        if (s->k < 2 || s->m < 1 || s->k + s->m > MS_SHARDS_MAX)
            return ms_error_set(err, MS_ERR_CONFIG,
                                "redundancy = ec %u+%u: K is 2 or more, M is 1 or more, and "
                                "together they are at most %d",
                                s->k, s->m, MS_SHARDS_MAX);
        s->redundancy = MS_REDUNDANCY_EC;
    } else {
        return ms_error_set(err, MS_ERR_CONFIG,
                            "redundancy = %s: write all, none, copies N or ec K+M, as in copies 3 "
                            "or ec 4+2",
                            MS_SHOW(ms_str(v)));
    }
    return 0;
}

/* ---- keys ---- */

static int mstore_key(struct ms_layout_reader *r, const struct ms_ini_entry *e,
                      struct ms_error *err)
{
    struct ms_layout *l = r->layout;
    unsigned choice = 0;
    int code;
    bool shared = !r->own_key;
    if (strcmp(e->key, "uuid") == 0) {
        r->has_uuid = true;
        return ms_uuid_parse(e->value, "uuid", &l->uuid, err);
    }
    if (strcmp(e->key, "placement") == 0) {
        code = choose(e, ms_layout_placements, 2, "rendezvous, buckets", &choice, err);
        l->placement = (enum ms_placement_kind)choice;
        return code;
    }
    if (shared && strcmp(e->key, "format") == 0) {
        r->has_format = true;
        if (strcmp(e->value, "1") != 0)
            return ms_error_set(err, MS_ERR_CONFIG,
                                "format = %s is not known here, only 1 is: use a newer mstore",
                                MS_SHOW(ms_str(e->value)));
        return 0;
    }
    if (shared && strcmp(e->key, "epoch") == 0) {
        r->has_epoch = true;
        return number(e, 1, UINT64_MAX - 1, &l->epoch, err);
    }
    if (shared && strcmp(e->key, "phase") == 0) {
        r->has_phase = true;
        code = choose(e, ms_layout_phases, 2, "proposed, final", &choice, err);
        l->phase = (enum ms_layout_phase)choice;
        return code;
    }
    return ms_error_set(
        err, MS_ERR_CONFIG, "[mstore] has no key \"%s\"; it has %s", MS_SHOW(ms_str(e->key)),
        shared ? "format, uuid, epoch, phase and placement" : "key, uuid and placement");
}

static int member_key(struct ms_layout_reader *r, struct ms_layout_member *m,
                      const struct ms_ini_entry *e, struct ms_error *err)
{
    uint64_t n = 0;
    unsigned choice = 0;
    int code;
    if (strcmp(e->key, "uuid") == 0)
        return ms_uuid_parse(e->value, "uuid", &m->uuid, err);
    if (strcmp(e->key, "weight") == 0) {
        code = number(e, 1, MS_WEIGHT_MAX, &n, err);
        m->weight = (uint32_t)n;
        m->has_weight = true;
        return code;
    }
    if (strcmp(e->key, "buckets") == 0) {
        code = number(e, 0, MS_BUCKETS, &n, err);
        m->buckets = (uint32_t)n;
        m->has_buckets = true;
        return code;
    }
    if (strcmp(e->key, "zone") == 0) {
        code = check_name("zone", e->value, err);
        if (!code)
            memcpy(m->zone, e->value, strlen(e->value) + 1);
        return code;
    }
    if (strcmp(e->key, "state") == 0) {
        code = choose(e, ms_layout_states, 5, "active, draining, readonly, witness, gone", &choice,
                      err);
        m->state = (enum ms_member_state)choice;
        return code;
    }
    return ms_error_set(err, MS_ERR_CONFIG,
                        "a [member] has no key \"%s\"; it has %suuid, weight, buckets, zone and "
                        "state",
                        MS_SHOW(ms_str(e->key)), r->own_key ? "url, " : "");
}

static int set_levels(struct ms_layout_space *s, const char *value, struct ms_error *err)
{
    struct ms_config_levels levels;
    int code = ms_config_parse_levels(value, &levels, err);
    if (code)
        return code;
    memcpy(s->levels, levels.levels, levels.count * sizeof *s->levels);
    s->level_count = levels.count;
    return 0;
}

static int space_key(struct ms_layout_space *s, const struct ms_ini_entry *e, struct ms_error *err)
{
    static const char *const verify[] = {"none", "sha256"}, *const compress[] = {"none", "zstd"},
                             *const names[] = {"borgstore", "bytes"};
    unsigned choice = 0;
    int code;
    if (strcmp(e->key, "kind") == 0) {
        code = choose(e, ms_layout_kinds, 3, "immutable, mutable, plain", &choice, err);
        s->kind = (enum ms_layout_kind)choice;
        s->has_kind = true;
    } else if (strcmp(e->key, "redundancy") == 0) {
        code = set_redundancy(s, e, err);
    } else if (strcmp(e->key, "levels") == 0) {
        code = set_levels(s, e->value, err);
    } else if (strcmp(e->key, "verify") == 0) {
        code = choose(e, verify, 2, "none, sha256", &choice, err);
        s->verify = choice;
        s->verify_line = e->line;
    } else if (strcmp(e->key, "compress") == 0) {
        code = choose(e, compress, 2, "none, zstd", &choice, err);
        s->compress = choice;
        s->compress_line = e->line;
    } else if (strcmp(e->key, "names") == 0) {
        code = choose(e, names, 2, "borgstore, bytes", &choice, err);
        s->names = choice ? MS_NAMES_BYTES : MS_NAMES_BORGSTORE;
    } else {
        code = ms_error_set(err, MS_ERR_CONFIG,
                            "a [namespace] has no key \"%s\"; it has kind, redundancy, levels, "
                            "verify, compress and names",
                            MS_SHOW(ms_str(e->key)));
    }
    return code;
}

/* ---- sections ---- */

static int begin_member(struct ms_layout *l, const struct ms_ini_entry *e, struct ms_error *err)
{
    int code = check_name("[member]", e->name, err);
    if (code)
        return code;
    const struct ms_layout_member *old = ms_layout_member(l, e->name);
    if (old)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "[member %s] is there already, in line %u: give this one another name",
                            e->name, old->line);
    if (l->member_count == MS_MEMBERS_MAX)
        return ms_error_set(err, MS_ERR_CONFIG, "there are more than %d members: leave some out",
                            MS_MEMBERS_MAX);
    struct ms_layout_member *more =
        reallocarray(l->members, l->member_count + 1, sizeof *l->members);
    if (!more)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the layout");
    l->members = more;
    struct ms_layout_member *m = &more[l->member_count++];
    *m = (struct ms_layout_member){.weight = 1, .line = e->line};
    memcpy(m->name, e->name, strlen(e->name) + 1);
    memcpy(m->zone, m->name, sizeof m->zone);
    return 0;
}

static int check_space_name(const char *name, struct ms_error *err)
{
    const char *fault = *name ? ms_namespace_fault(ms_str(name)) : NULL;
    if (!fault && strlen(name) > MS_LAYOUT_SPACE_MAX)
        fault = "it is longer than 100 characters";
    if (fault)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "[namespace %s]: %s: use lower-case letters and digits, as in data",
                            MS_SHOW(ms_str(name)), fault);
    return 0;
}

static int begin_space(struct ms_layout *l, const struct ms_ini_entry *e, struct ms_error *err)
{
    int code = check_space_name(e->name, err);
    if (code)
        return code;
    for (size_t i = 0; i < l->space_count; i++)
        if (strcmp(l->spaces[i].name, e->name) == 0)
            return ms_error_set(err, MS_ERR_CONFIG,
                                "[namespace %s] is there already, in line %u: put its keys there",
                                e->name, l->spaces[i].line);
    if (l->space_count == MS_LAYOUT_SPACES)
        return ms_error_set(err, MS_ERR_CONFIG, "there are more than %d namespaces: leave some out",
                            MS_LAYOUT_SPACES);
    struct ms_layout_space *more = reallocarray(l->spaces, l->space_count + 1, sizeof *l->spaces);
    if (!more)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the layout");
    l->spaces = more;
    struct ms_layout_space *s = &more[l->space_count++];
    *s = (struct ms_layout_space){.level_count = 1, .line = e->line};
    memcpy(s->name, e->name, strlen(e->name) + 1);
    return 0;
}

static int begin(struct ms_layout_reader *r, const struct ms_ini_entry *e, struct ms_error *err)
{
    if (strcmp(e->section, "member") == 0)
        return begin_member(r->layout, e, err);
    if (strcmp(e->section, "namespace") == 0)
        return begin_space(r->layout, e, err);
    if (strcmp(e->section, "mstore") != 0)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "there is no section [%s]; there are [mstore], [member NAME] and "
                            "[namespace NAME]",
                            MS_SHOW(ms_str(e->section)));
    if (*e->name)
        return ms_error_set(err, MS_ERR_CONFIG, "[mstore] has no name: leave \"%s\" out",
                            MS_SHOW(ms_str(e->name)));
    r->has_mstore = true;
    return 0;
}

static int one_key(struct ms_layout_reader *r, const struct ms_ini_entry *e, struct ms_error *err)
{
    struct ms_layout *l = r->layout;
    bool taken = false;
    if (strcmp(e->section, "namespace") == 0)
        return space_key(&l->spaces[l->space_count - 1], e, err);
    bool member = strcmp(e->section, "member") == 0;
    if (r->own_key) {
        int code = r->own_key(r->ctx, e, member ? l->member_count - 1 : SIZE_MAX, &taken, err);
        if (code || taken)
            return code;
    }
    return member ? member_key(r, &l->members[l->member_count - 1], e, err) : mstore_key(r, e, err);
}

static int one_entry(void *ctx, const struct ms_ini_entry *e, struct ms_error *err)
{
    struct ms_layout_reader *r = ctx;
    struct ms_error own = {0};
    int code = e->key ? one_key(r, e, &own) : begin(r, e, &own);
    if (code == 0 || code == MS_ERR_NO_MEMORY)
        return code ? ms_error_set(err, code, "%s", own.text) : 0;
    return ms_layout_refuse(r->source, e->line, err, "%s", own.text);
}

static int by_name(const void *a, const void *b)
{
    const struct ms_layout_space *x = a, *y = b;
    return strcmp(x->name, y->name);
}

int ms_layout_read(struct ms_layout_reader *r, struct ms_view text, struct ms_error *err)
{
    int code = ms_ini_parse(text, r->source, one_entry, r, err);
    if (code)
        return code;
    if (r->layout->space_count > 1)
        qsort(r->layout->spaces, r->layout->space_count, sizeof *r->layout->spaces, by_name);
    return 0;
}
