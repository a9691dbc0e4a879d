/* mstore/immutable_where.c - how an immutable key's objects are named and where they may be. */
#include "mstore/digest_check.h"
#include "mstore/immutable_parts.h"

#include "base/hash.h"
#include "base/text.h"
#include "mstore/lease.h"
#include "mstore/value_parts.h"

#include <stdlib.h>

bool ms_immutable_is_direct(const struct ms_site *site)
{
    return site->space->verify || site->space->redundancy != MS_REDUNDANCY_EC;
}

unsigned ms_immutable_needs(const struct ms_site *site)
{
    const struct ms_layout_space *space = site->space;
    unsigned most = site->order.targets / 2 + 1, shards = space->k + space->m / 2;
    return space->redundancy == MS_REDUNDANCY_EC && shards > most ? shards : most;
}

struct ms_value_rule ms_immutable_rule(const struct ms_site *site)
{
    return (struct ms_value_rule){
        .need = ms_immutable_needs(site), .substitutes = true, .hints = true};
}

/* Same key, same bytes: the write ID is that of the key. */
static int id_of_key(const struct ms_site *site, struct ms_value_shape *shape, struct ms_error *err)
{
    char hex[MS_SHA256_HEX];
    uint8_t digest[32];
    int code = ms_sha256_hex(site->key, hex, err);
    if (!code)
        code = ms_hex_decode(digest, sizeof digest, hex);
    if (code)
        return code;
    memcpy(shape->write_id, digest, sizeof shape->write_id);
    shape->has_write_id = true;
    return 0;
}

int ms_immutable_shape(const struct ms_site *site, struct ms_value_shape *out, struct ms_error *err)
{
    const struct ms_layout_space *space = site->space;
    bool coded = space->redundancy == MS_REDUNDANCY_EC;
    *out = (struct ms_value_shape){.kind = MS_OWN_VALUE,
                                   .named_size = MS_OWN_SIZE_UNKNOWN,
                                   .mark = ms_value_mark(site),
                                   .k = coded ? space->k : 1,
                                   .m = coded ? space->m : 0,
                                   .zstd = space->compress};
    return space->verify ? id_of_key(site, out, err) : 0;
}

int ms_immutable_new_shape(const struct ms_site *site, struct ms_ids *ids, uint64_t size,
                           struct ms_value_shape *out, struct ms_error *err)
{
    int code = ms_immutable_shape(site, out, err);
    if (code || out->has_write_id)
        return code;
    struct ms_write_id zero = {0};
    out->id = (struct ms_write_id){ms_ids_draw(ids), ms_ids_draw(ids)};
    ms_value_id_of_name(out);
    if (ms_immutable_is_direct(site))
        out->id = zero;
    else
        out->named_size = size;
    return 0;
}

int ms_immutable_check_pre(const struct ms_precondition *pre, struct ms_error *err)
{
    if (!pre || pre->kind == MS_ALWAYS)
        return 0;
    return ms_error_set(
        err, MS_ERR_UNSUPPORTED,
        "in a namespace of kind immutable the key determines the value, and storing "
        "it again changes nothing: store without a condition");
}

int ms_immutable_check_key(const struct ms_site *site, const char *hex, struct ms_error *err)
{
    return site->space->verify ? ms_digest_fits_key(site->key, hex, err) : 0;
}

/* ---- where -------------------------------------------------------------------------------- */

void ms_immutable_where_fini(struct ms_immutable_where *w)
{
    free(w->places);
    w->places = NULL;
    w->count = 0;
}

struct ms_value_query ms_immutable_query(const struct ms_immutable_where *w)
{
    return (struct ms_value_query){.shape = &w->shape,
                                   .places = w->places,
                                   .count = w->count,
                                   .sha256 = w->sha256[0] ? w->sha256 : NULL};
}

static void set_digest(const struct ms_site *site, struct ms_immutable_where *w)
{
    w->sha256[0] = '\0';
    if (!site->space->verify || site->key.size != sizeof w->sha256 - 1)
        return;
    memcpy(w->sha256, site->key.data, site->key.size);
    w->sha256[site->key.size] = '\0';
}

/* Targets before others; members that were away, and may have missed a deletion, behind the rest.
 */
static uint8_t turn_of(const struct ms_site *site, unsigned i)
{
    struct ms_member *m = ms_site_member(site, i);
    return (uint8_t)((i < site->order.targets ? 0 : MS_TURN_OTHERS) +
                     (m && ms_member_returning(m) ? 1 : 0));
}

/* Copies: everybody, targets first. Shards: target i has shard i. */
static int guess_from_key(const struct ms_site *site, struct ms_immutable_where *w,
                          struct ms_error *err)
{
    bool copies = ms_value_is_copy(&w->shape);
    unsigned count = copies ? site->order.data : ms_value_objects(site, &w->shape);
    if (count > site->order.data)
        count = site->order.data;
    w->places = calloc(count + 1, sizeof *w->places);
    if (!w->places)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for loading a value");
    for (unsigned i = 0; i < count; i++)
        w->places[i] = (struct ms_value_place){.member = site->order.member[i],
                                               .shard = (uint8_t)(copies ? 0 : i),
                                               .turn = turn_of(site, i)};
    w->count = count;
    w->everywhere = copies;
    return 0;
}

int ms_immutable_nothing(const struct ms_site *site, struct ms_error *err)
{
    char shown[MS_VALUE_SHOWN];
    return ms_error_set(err, MS_ERR_NOT_FOUND, "%s: there is no such value",
                        ms_value_shown(site, shown));
}

/* No complete write was found. */
int ms_immutable_judge(const struct ms_site *site, const struct ms_value_finding *f,
                       struct ms_error *err)
{
    char shown[MS_VALUE_SHOWN];
    unsigned silent = site->order.data - f->answered;
    unsigned best = 0, lost = 0;
    for (size_t i = 0; i < f->count; i++)
        best = f->writes[i].distinct > best ? f->writes[i].distinct : best;
    for (unsigned i = 0; i < site->order.data; i++)
        lost += f->has_answered[i] && ms_immutable_is_returning(site, site->order.member[i]);
    if (best + silent < ms_immutable_needs(site) && !ms_immutable_hidden(site, silent, best + lost))
        return ms_immutable_nothing(site, err);
    return ms_error_set(err, f->why.code ? f->why.code : MS_ERR_CORRUPT,
                        "%s: %u of its shards are there, and %u members did not answer (%s)",
                        ms_value_shown(site, shown), best, silent, f->why.text);
}

/* Takes over the places of the write that is to be loaded. */
static int take_write(const struct ms_site *site, struct ms_value_finding *f,
                      struct ms_immutable_where *w, struct ms_error *err)
{
    struct ms_value_shape shape;
    int code = ms_immutable_shape(site, &shape, err);
    if (code)
        return code;
    struct ms_value_write *best = &f->writes[0];
    for (size_t i = 1; i < f->complete; i++)
        if (f->writes[i].shape.named_size != best->shape.named_size &&
            f->writes[i].shape.named_size != MS_OWN_SIZE_UNKNOWN &&
            best->shape.named_size != MS_OWN_SIZE_UNKNOWN)
            return ms_error_set(err, MS_ERR_CONFLICT,
                                "values of different sizes were stored under the key %s, which "
                                "never happens where the key determines the value: heal the store",
                                MS_SHOW(site->key));
    w->shape = best->shape;
    w->shape.zstd = shape.zstd;
    if (!w->shape.has_write_id && shape.has_write_id) {
        memcpy(w->shape.write_id, shape.write_id, sizeof shape.write_id);
        w->shape.has_write_id = true;
    }
    w->places = best->places;
    w->count = best->count;
    best->places = NULL;
    best->count = 0;
    for (size_t i = 0; i < w->count; i++)
        w->places[i].turn = 0;
    return 0;
}

static int find(const struct ms_site *site, bool everywhere, struct ms_immutable_where *w,
                struct ms_error *err)
{
    struct ms_value_finding f = {0};
    int code = ms_value_find(site, site->space->k, everywhere, &f, err);
    if (code)
        return code;
    w->everywhere = everywhere || !f.complete;
    code = f.complete ? ms_immutable_alive(site, &f, err) : ms_immutable_judge(site, &f, err);
    if (code && f.complete && f.asked < site->order.data) { /* some cannot tell: ask all */
        ms_value_finding_fini(&f);
        return find(site, true, w, err);
    }
    if (!code)
        code = take_write(site, &f, w, err);
    ms_value_finding_fini(&f);
    return code;
}

int ms_immutable_guess(const struct ms_site *site, struct ms_immutable_where *out,
                       struct ms_error *err)
{
    *out = (struct ms_immutable_where){0};
    set_digest(site, out);
    int code = ms_lease_trust(site->roster, MS_NEWS_AWAY, err);
    if (!code)
        code = ms_immutable_shape(site, &out->shape, err);
    if (code)
        return code;
    return ms_immutable_is_direct(site) ? guess_from_key(site, out, err)
                                        : find(site, false, out, err);
}

int ms_immutable_search(const struct ms_site *site, struct ms_immutable_where *out,
                        struct ms_error *err)
{
    *out = (struct ms_immutable_where){0};
    set_digest(site, out);
    return find(site, true, out, err);
}

int ms_immutable_verdict(const struct ms_site *site, const struct ms_immutable_where *w, int code,
                         struct ms_error *err)
{
    unsigned silent = 0, there = 0, lost = 0;
    for (size_t i = 0; i < w->count; i++) {
        enum ms_place_state state = w->places[i].state;
        silent += state == MS_PLACE_FAILED || state == MS_PLACE_UNKNOWN;
        there += state == MS_PLACE_GOOD || state == MS_PLACE_DAMAGED;
        lost += state == MS_PLACE_ABSENT && ms_immutable_is_returning(site, w->places[i].member);
    }
    bool elsewhere = code && ms_code_class(code) != MS_CLASS_PERMANENT;
    if (elsewhere && !there && w->everywhere && silent < ms_immutable_needs(site) &&
        !ms_immutable_hidden(site, silent, lost))
        return ms_immutable_nothing(site, err);
    return code;
}
