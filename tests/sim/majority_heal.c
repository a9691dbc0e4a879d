/* Healing of the register over a majority, and the check of its disks: see majority.h.
 *
 * Heal wants all members. It brings the highest version to each that lacks it, or whose copy is
 * damaged, then removes lower ones. A mark of deletion goes when all have it and no late request
 * can be under way any more; the world knows when that is. */
#include "tests/sim/majority_parts.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- heal ---- */

static unsigned healed_members(const struct majority *m)
{
    return m->flaws & SIM_FLAW_HEAL ? m->count - 1 : m->count;
}

/* A good copy from anywhere. */
static int find_good(const struct majority *m, struct ms_view key, const struct seen *seen,
                     struct ms_buf **out, struct ms_error *err)
{
    int code = MS_ERR_NOT_FOUND;
    for (unsigned i = 0; i < m->count && code; i++)
        if (seen->holds[i])
            code = majority_fetch(m, i, key, seen->best, out, err);
    return code;
}

static int bring_to(const struct majority *m, unsigned member, struct ms_view key,
                    const struct seen *seen, struct ms_buf *value, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *there = NULL;
    int code = seen->holds[member] ? majority_fetch(m, member, key, seen->best, &there, err)
                                   : MS_ERR_NOT_FOUND;
    if (code == MS_ERR_NOT_FOUND || code == MS_ERR_CORRUPT)
        code = majority_send(m, member, key, seen->best, value, err);
    return code;
}

static int drop_lower(const struct majority *m, unsigned member, struct ms_view key,
                      const struct seen *seen, struct ms_error *err)
{
    struct texts versions = {0};
    int code = majority_names(m, member, key, &versions, err);
    for (size_t v = 0; !code && v < versions.count; v++)
        if (strcmp(versions.text[v], seen->best) < 0)
            code = majority_drop(m, member, key, versions.text[v], err);
    return code;
}

static int heal_key(const struct majority *m, struct ms_view key, struct ms_error *err)
{
    struct seen seen;
    MS_AUTO_BUF struct ms_buf *value = NULL;
    int code = majority_look(m, key, &seen, err);
    if (code || !seen.best[0])
        return code;
    if (seen.answered < m->count)
        return ms_error_set(err, MS_ERR_CONNECTION, "not all members answered");
    bool mark = version_deleted(seen.best);
    if (!mark)
        code = find_good(m, key, &seen, &value, err);
    for (unsigned i = 0; !code && i < healed_members(m); i++)
        code = bring_to(m, i, key, &seen, value, err);
    for (unsigned i = 0; !code && !(m->flaws & SIM_FLAW_DEBRIS) && i < m->count; i++)
        code = drop_lower(m, i, key, &seen, err);
    bool old_enough = m->w->calm || m->flaws & SIM_FLAW_GRACE;
    for (unsigned i = 0; !code && mark && old_enough && i < m->count; i++)
        code = majority_drop(m, i, key, seen.best, err);
    return code;
}

int sim_majority_heal(struct sim_world *w, unsigned client, struct ms_store *s,
                      struct ms_error *err)
{
    (void)w, (void)client;
    struct majority all = *majority_of(s), *m = &all;
    all.flaws &= ~(unsigned)SIM_FLAW_READ_ONE; /* a flaw of clients' */
    struct texts *keys = calloc(1, sizeof *keys);
    if (!keys)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to heal");
    int code = majority_keys(m, keys, err);
    for (size_t i = 0; !code && i < keys->count; i++) {
        code = heal_key(m, ms_str(keys->text[i]), err);
        if (code == MS_ERR_NOT_FOUND) /* replaced meanwhile, and healed by somebody else */
            code = 0;
    }
    free(keys);
    return code;
}

/* ---- check ---- */

struct contents {
    char (*name)[NAME_SIZE];
    size_t count;
};

static int take_name(void *ctx, struct ms_view name, struct ms_error *err)
{
    struct contents *c = ctx;
    char(*grown)[NAME_SIZE] = realloc(c->name, (c->count + 1) * sizeof *grown);
    if (!grown || name.size >= NAME_SIZE)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the names of a disk");
    c->name = grown;
    memset(grown[c->count], 0, NAME_SIZE);
    memcpy(grown[c->count++], name.data, name.size);
    return 0;
}

static int check_one_version(const struct contents *c, size_t i, struct ms_error *err)
{
    const char *name = c->name[i], *version = strchr(name, '/');
    size_t key = version ? (size_t)(version - name) : strlen(name);
    if (!version || version_deleted(version + 1))
        return ms_error_set(err, MS_ERR_CORRUPT, "%s is debris", name);
    if (i > 0 && strncmp(c->name[i - 1], name, key + 1) == 0)
        return ms_error_set(err, MS_ERR_CORRUPT, "%s is there beside %s", c->name[i - 1], name);
    return 0;
}

static int compare(const struct contents *a, const struct contents *b, unsigned member,
                   struct ms_error *err)
{
    for (size_t i = 0; i < a->count || i < b->count; i++)
        if (i >= a->count || i >= b->count || strcmp(a->name[i], b->name[i]) != 0)
            return ms_error_set(err, MS_ERR_CORRUPT, "members 0 and %u differ: %s and %s", member,
                                i < a->count ? a->name[i] : "nothing",
                                i < b->count ? b->name[i] : "nothing");
    return 0;
}

int sim_majority_check(struct sim_world *w, struct ms_error *err)
{
    struct contents first = {0};
    int code = sim_disk_walk(w->members[0].disk, take_name, &first, err);
    for (size_t i = 0; !code && i < first.count; i++)
        code = check_one_version(&first, i, err);
    for (unsigned m = 1; !code && m < w->member_count; m++) {
        struct contents other = {0};
        code = sim_disk_walk(w->members[m].disk, take_name, &other, err);
        if (!code)
            code = compare(&first, &other, m, err);
        free(other.name);
    }
    free(first.name);
    return code;
}
