/* mstore/mutable_cond.c - see mstore/mutable_parts.h: stores with a condition. The newest version
 * is read; where the condition holds, the voters agree on what follows it (mstore/follow.h).
 * Whoever finds that another came first puts the other's version, and looks again. */
#include "mstore/follow.h"
#include "mstore/mutable_parts.h"

#include "base/cleanup.h"

#define ROUNDS 64 /* each time somebody else's version came first */

struct conditional {
    struct ms_mutable *m;
    const struct ms_site *site;
    struct ms_buf *value;
    const struct ms_store_value_options *options;
    struct ms_version stored; /* out */
};

static enum ms_own_mark mark_of(const struct conditional *c)
{
    return ms_mutable_mark(c->options->deleted);
}

static int check_condition(const struct conditional *c, const struct ms_newest *n,
                           struct ms_error *err)
{
    const struct ms_precondition *pre = &c->options->precondition;
    bool there = n->found && n->version.mark == mark_of(c);
    struct ms_tag tag = {""};
    if (pre->kind == MS_IF_ABSENT)
        return there ? ms_error_set(err, MS_ERR_EXISTS, "%s already exists", MS_SHOW_SITE(c->site))
                     : 0;
    if (there)
        ms_version_tag(&n->version, &tag);
    if (there && strcmp(tag.text, pre->tag.text) == 0)
        return 0;
    return ms_error_set(err, MS_ERR_CONFLICT, "%s %s: load it again", MS_SHOW_SITE(c->site),
                        there ? "has been changed" : "is gone");
}

/* One that is new, whatever it will be called. */
static int propose(const struct conditional *c, const struct ms_versions *seen,
                   struct ms_follower *out, struct ms_error *err)
{
    int code =
        ms_mutable_next(c->m, seen, ms_buf_size(c->value), mark_of(c), false, &out->version, err);
    out->writer = out->version.id.writer;
    out->value = c->value;
    return code;
}

/* What follows that version is ours, or another's; either is put. *again: another's; or nothing, it
 * is forgotten (*over); or something else has come meanwhile. */
static int follow(struct conditional *c, struct ms_versions *seen,
                  const struct ms_write_id *version, bool *again, bool *over, struct ms_error *err)
{
    struct ms_follower mine = {0}, follower = {0};
    bool passed = false;
    int code = propose(c, seen, &mine, err);
    if (!code)
        code = ms_follow_decide(seen, version, &mine, &follower, &passed, err);
    *over = !code && follower.over;
    *again = passed || (!code && follower.writer != mine.writer);
    if (!code && !follower.over)
        code = ms_follow_put(seen, &follower, err);
    if (!code && !*again)
        c->stored = follower.version;
    ms_follower_end(&follower);
    return passed ? 0 : code;
}

/* The key has no version. Where a deletion of it is just being forgotten, nothing may follow that
 * any more before something follows nothing. */
static int follow_nothing(struct conditional *c, struct ms_versions *seen, bool *again,
                          struct ms_error *err)
{
    static const struct ms_write_id nothing = {0};
    struct ms_version end;
    bool over = true;
    int code = 0;
    if (ms_versions_end(seen, &end))
        code = ms_follow_close(seen, &end, &over, err);
    *again = !over;
    return code || *again ? code : follow(c, seen, &nothing, again, &over, err);
}

static int attempt(struct conditional *c, struct ms_newest *n, bool *again, struct ms_error *err)
{
    bool over = false;
    *again = false;
    if (!n->found)
        return follow_nothing(c, n->seen, again, err);
    int code = follow(c, n->seen, &n->version.id, again, &over, err);
    return !code && over ? follow(c, n->seen, &(struct ms_write_id){0}, again, &over, err) : code;
}

static int store_once(struct conditional *c, struct ms_newest *n, bool *again, struct ms_error *err)
{
    *again = false;
    int code = ms_newest_of(c->site, &(struct ms_want){0}, n, err);
    if (code)
        return ms_error_prefix(err, code, "nothing was changed");
    code = check_condition(c, n, err);
    if (code) {
        ms_newest_tidy(n);
        return code;
    }
    code = attempt(c, n, again, err);
    return code ? ms_error_prefix(err, code, "%s: it may have been stored or not (load it to see)",
                                  MS_SHOW_SITE(c->site))
                : 0;
}

int ms_mutable_store_if(struct ms_mutable *m, const struct ms_site *site, struct ms_buf *value,
                        const struct ms_store_value_options *options, struct ms_tag *tag,
                        struct ms_error *err)
{
    struct conditional c = {.m = m, .site = site, .value = value, .options = options};
    struct ms_newest n = {0};
    bool again = true;
    int code = 0;
    if (ms_buf_size(value) > MS_FOLLOW_VALUE_MAX)
        return ms_mutable_too_large(site, err);
    for (unsigned round = 0; round < ROUNDS && again && !code; round++) {
        ms_newest_end(&n);
        code = store_once(&c, &n, &again, err);
    }
    if (!code && again)
        code = ms_error_set(err, MS_ERR_BUSY, "%s: others store it all the time: try again later",
                            MS_SHOW_SITE(site));
    if (!code) {
        ms_versions_sweep(n.seen, &c.stored, false);
        if (tag)
            ms_version_tag(&c.stored, tag);
    }
    ms_newest_end(&n);
    return code;
}

int ms_mutable_too_large(const struct ms_site *site, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_UNSUPPORTED,
                        "%s: a value of more than 8 MiB cannot be stored under a condition, since "
                        "the members have to agree on it; store it without one",
                        MS_SHOW_SITE(site));
}

/* ---- for who comes afterwards ---- */

/* *more: something followed, and is put. */
static int follow_up(struct ms_newest *n, bool *more, struct ms_error *err)
{
    struct ms_follower follower = {0};
    struct ms_write_id about = {0};
    struct ms_version end;
    bool passed;
    if (n->found)
        about = n->version.id;
    else if (ms_versions_end(n->seen, &end))
        about = end.id;
    int code = ms_follow_decide(n->seen, &about, NULL, &follower, &passed, err);
    *more = !code && !follower.over;
    if (*more)
        code = ms_follow_put(n->seen, &follower, err);
    ms_follower_end(&follower);
    return code == MS_ERR_NOT_FOUND ? 0 : code;
}

int ms_mutable_follow_up(const struct ms_site *site, struct ms_error *err)
{
    struct ms_newest n = {0};
    bool more = true;
    int code = 0;
    for (unsigned round = 0; round < ROUNDS && more && !code; round++) {
        ms_newest_end(&n);
        code = ms_newest_of(site, &(struct ms_want){0}, &n, err);
        if (!code)
            code = follow_up(&n, &more, err);
    }
    ms_newest_end(&n);
    return code;
}
