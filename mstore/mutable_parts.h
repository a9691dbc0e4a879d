/* mstore/mutable_parts.h - what the files mutable*.c share: settling on the newest version of a
 * key, and putting one above it. */
#ifndef MSTORE_MUTABLE_PARTS_H
#define MSTORE_MUTABLE_PARTS_H

#include "mstore/mutable.h"
#include "mstore/versions.h"

#include "base/text.h"

/* What of the value is wanted: nothing, all, a range (clipped). */
struct ms_want {
    bool data, times;
    int64_t offset;
    uint64_t size;
};
#define MS_WANT_ALL                                                                                \
    (struct ms_want)                                                                               \
    {                                                                                              \
        .data = true, .size = MS_SIZE_TO_END                                                       \
    }

/* What an operation reads: it owns what it has seen. Zero it first. */
struct ms_newest {
    struct ms_versions *seen;
    struct ms_version version;
    bool found;
    struct ms_buf *value; /* what was wanted of it */
};
void ms_newest_end(struct ms_newest *n);

/* A majority's listing. */
int ms_newest_list(const struct ms_site *site, bool times, struct ms_versions **out,
                   struct ms_error *err) MS_MUST_CHECK;
/* The newest version in n->seen that may be complete, made so. One that certainly was not complete
 * when we began, and whose data cannot be had, is passed over: nobody has been shown it. n->found
 * false: no version is there. NOT_FOUND: one vanished. */
int ms_newest_settle(struct ms_newest *n, const struct ms_want *want,
                     struct ms_error *err) MS_MUST_CHECK;
/* Rounds of listing and reading. Zero it first. */
struct ms_rounds {
    unsigned count;
    bool away; /* one was for members that had gone */
};
/* Whether there is to be another, after one that ended with `code`. NOT_FOUND: a version vanished;
 * IO: one that made room between two requests of a load looks damaged. Once, where members were
 * away: who listed a version may have gone since, and others have it; unless the listing itself
 * failed, for which everybody was asked in earnest, or has become too old. */
bool ms_newest_again(struct ms_rounds *r, const struct ms_newest *n, int code);
int ms_newest_busy(struct ms_error *err); /* what to say where it vanished in all of them */
/* The newest, listed and settled, in as many rounds. */
int ms_newest_of(const struct ms_site *site, const struct ms_want *want, struct ms_newest *n,
                 struct ms_error *err) MS_MUST_CHECK;
/* The same for an item with that mark; else MS_ERR_NOT_FOUND. */
int ms_newest_item(const struct ms_site *site, enum ms_own_mark mark, const struct ms_want *want,
                   struct ms_newest *n, struct ms_error *err) MS_MUST_CHECK;
/* What is to be said of it. */
void ms_newest_info(const struct ms_newest *n, struct ms_item_info *out);
void ms_version_tag(const struct ms_version *version, struct ms_tag *tag);
/* Once the answer is known: lets go of what lies below. */
void ms_newest_tidy(struct ms_newest *n);

/* A majority's listing, before a write. */
int ms_mutable_list(const struct ms_site *site, struct ms_versions **out,
                    struct ms_error *err) MS_MUST_CHECK;
/* A version above all that `seen` has. copies: of a value that was read. */
int ms_mutable_next(struct ms_mutable *m, const struct ms_versions *seen, uint64_t size,
                    enum ms_own_mark mark, bool copies, struct ms_version *out,
                    struct ms_error *err) MS_MUST_CHECK;

/* A store under a condition. EXISTS, CONFLICT. */
int ms_mutable_store_if(struct ms_mutable *m, const struct ms_site *site, struct ms_buf *value,
                        const struct ms_store_value_options *options, struct ms_tag *tag,
                        struct ms_error *err) MS_MUST_CHECK;
/* MS_ERR_UNSUPPORTED: too large for a condition. */
int ms_mutable_too_large(const struct ms_site *site, struct ms_error *err) MS_MUST_CHECK;
static inline bool ms_mutable_has_condition(const struct ms_store_value_options *options)
{
    return options && options->precondition.kind != MS_ALWAYS;
}
static inline enum ms_own_mark ms_mutable_mark(bool deleted)
{
    return deleted ? MS_OWN_SOFT_DELETED : MS_OWN_LIVE;
}

/* "config/x", in quotes, for messages. */
struct ms_shown_site {
    char text[2 * MS_SHOW_SIZE + 4];
};
const char *ms_show_site(const struct ms_site *site, struct ms_shown_site *to);
#define MS_SHOW_SITE(site) ms_show_site((site), &(struct ms_shown_site){{0}})
int ms_mutable_not_found(const struct ms_site *site, struct ms_error *err);

#endif
