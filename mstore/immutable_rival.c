/* mstore/immutable_rival.c - before a store, and of the soft-deleted item before a soft delete:
 * whether the key has another value already.
 *
 *     a glance      names listed at so many members that one of them has a part of any acknowledged
 *                   value, as long as its targets answer. Nothing: most stores go on from here
 *     a look        everybody is listed: what is less than a value, or was deleted, is in nobody's
 *                   way (a store that was broken off is tried again)
 *     a comparison  the value that is there is read beside the one that is stored. Equal: storing
 *                   again is as good as the first time. Not equal: CONFLICT, before anything of it
 *                   can be seen
 *
 * Only where every write has names of its own: both would lie there whole, and nobody could tell
 * which of them is the key's. Two clients that store different values in the same moment may pass
 * by each other: that is found by heal. */
#include "mstore/immutable_parts.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/value_parts.h"

#include <stdlib.h>

#define COMPARED (64u * 1024) /* bytes at a time */

static int conflict(const struct ms_immutable_rival *r, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_CONFLICT,
                        "%s has another value already, and keeps it, as the namespace is of kind "
                        "immutable: keep such keys in a namespace of kind mutable, or delete it "
                        "first, while no member is away",
                        r->shown);
}

/* So many members that one of them has an object of every acknowledged write. */
static unsigned glance_size(const struct ms_site *site)
{
    unsigned least = site->order.data + 1 - ms_immutable_needs(site);
    return least < site->order.targets ? least : site->order.targets;
}

/* Whether there is a whole value that was not deleted. */
static int look(const struct ms_site *site, bool *there, struct ms_error *err)
{
    struct ms_value_finding f = {0};
    struct ms_error own = {0};
    int code = ms_value_find(site, 0, true, &f, err);
    if (code)
        return code;
    code = f.complete ? ms_immutable_alive(site, &f, &own) : MS_ERR_NOT_FOUND;
    ms_value_finding_fini(&f);
    *there = !code;
    return code && code != MS_ERR_NOT_FOUND ? ms_error_set(err, code, "%s", own.text) : 0;
}

/* What cannot be put together any more is nobody's value. */
static bool is_gone(int code)
{
    return code == MS_ERR_NOT_FOUND || code == MS_ERR_CORRUPT;
}

int ms_immutable_rival_open(const struct ms_site *site, struct ms_immutable_rival *out,
                            struct ms_error *err)
{
    struct ms_error own = {0};
    bool any = false, there = false;
    *out = (struct ms_immutable_rival){0};
    ms_value_shown(site, out->shown);
    if (ms_immutable_is_direct(site))
        return 0;
    int code = ms_value_glance(site, glance_size(site), &any, err);
    if (!code && any)
        code = look(site, &there, err);
    if (code || !there)
        return code;
    code = ms_immutable_read(site, &out->reader, &own);
    if (code == MS_ERR_CONFLICT) /* it has two already */
        return conflict(out, err);
    return code && !is_gone(code) ? ms_error_set(err, code, "%s", own.text) : 0;
}

void ms_immutable_rival_close(struct ms_immutable_rival *r)
{
    if (r->reader)
        r->reader->ops->close(r->reader);
    r->reader = NULL;
}

/* One piece; it may turn out to be gone. */
static int compare(struct ms_immutable_rival *r, struct ms_view piece, struct ms_error *err)
{
    uint8_t bytes[COMPARED];
    struct ms_error own = {0};
    size_t got = 0;
    int code = r->reader->ops->read(r->reader, r->compared, bytes, piece.size, &got, &own);
    if (is_gone(code)) {
        ms_immutable_rival_close(r);
        return 0;
    }
    if (code)
        return ms_error_set(err, code, "%s", own.text);
    r->compared += got;
    return ms_equal(ms_view(bytes, got), piece) ? 0 : conflict(r, err);
}

int ms_immutable_rival_compare(struct ms_immutable_rival *r, struct ms_view bytes,
                               struct ms_error *err)
{
    int code = 0;
    for (size_t at = 0; at < bytes.size && r->reader && !code; at += COMPARED) {
        size_t left = bytes.size - at;
        code = compare(r, ms_view(bytes.data + at, left < COMPARED ? left : COMPARED), err);
    }
    return code;
}

int ms_immutable_rival_end(const struct ms_immutable_rival *r, struct ms_error *err)
{
    bool longer = r->reader && r->reader->info.size_bytes > r->compared;
    return longer ? conflict(r, err) : 0;
}

int ms_immutable_rival_read(struct ms_immutable_rival *r, const struct ms_site *site,
                            struct ms_error *err)
{
    struct ms_store_reader *reader = NULL;
    MS_AUTO_FREE uint8_t *bytes = malloc(COMPARED);
    size_t got = COMPARED;
    int code = bytes ? ms_immutable_read(site, &reader, err)
                     : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for comparing values");
    if (!code && reader->info.size_bytes != r->reader->info.size_bytes)
        code = conflict(r, err);
    for (uint64_t at = 0; got == COMPARED && r->reader && !code; at += got) {
        code = reader->ops->read(reader, at, bytes, COMPARED, &got, err);
        if (!code)
            code = ms_immutable_rival_compare(r, ms_view(bytes, got), err);
    }
    if (reader)
        reader->ops->close(reader);
    return code;
}

int ms_immutable_no_rival(const struct ms_site *site, struct ms_view value, struct ms_error *err)
{
    struct ms_immutable_rival r;
    int code = ms_immutable_rival_open(site, &r, err);
    if (!code && r.reader && r.reader->info.size_bytes != value.size)
        code = conflict(&r, err);
    if (!code)
        code = ms_immutable_rival_compare(&r, value, err);
    ms_immutable_rival_close(&r);
    return code;
}
