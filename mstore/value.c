/* mstore/value.c - what all parts of mstore/value.h need: names, members, sentences. */
#include "mstore/value_parts.h"

#include "base/text.h"

#include <stdio.h>

void ms_value_id_of_name(struct ms_value_shape *shape)
{
    uint64_t writer = shape->id.writer ^ shape->id.next * UINT64_C(0x9e3779b97f4a7c15);
    for (unsigned i = 0; i < 8; i++) {
        shape->write_id[i] = (uint8_t)(shape->id.counter >> (56 - 8 * i));
        shape->write_id[8 + i] = (uint8_t)(writer >> (56 - 8 * i));
    }
    shape->has_write_id = true;
}

struct ms_value_shape ms_value_place_shape(const struct ms_value_shape *shape,
                                           const struct ms_value_place *place)
{
    struct ms_value_shape own = *shape;
    if (place->other)
        own.mark = own.mark == MS_OWN_LIVE ? MS_OWN_SOFT_DELETED : MS_OWN_LIVE;
    return own;
}

int ms_value_name(const struct ms_site *site, const struct ms_value_shape *shape, unsigned shard,
                  struct ms_name *out, struct ms_error *err)
{
    struct ms_own_name name = {
        .kind = shape->kind,
        .store = site->roster->layout->uuid,
        .space = site->space_path,
        .key = site->key,
        .level = site->level,
        .id = shape->id,
        .size = shape->named_size,
        .mark = shape->mark,
    };
    if (shard != MS_VALUE_MARK) {
        name.k = shape->k;
        name.m = shape->m;
        name.index = shard;
    }
    return ms_own_format(&name, 0, out, err);
}

int ms_value_home_init(struct ms_value_home *home, const struct ms_site *site,
                       const struct ms_value_shape *shape, struct ms_error *err)
{
    if (site->space_path.size > sizeof home->space || site->key.size > sizeof home->key)
        return ms_error_set(err, MS_ERR_NAME, "the key \"%s\" is too long", MS_SHOW(site->key));
    home->site = *site;
    if (shape)
        home->shape = *shape;
    memcpy(home->space, site->space_path.data, site->space_path.size);
    memcpy(home->key, site->key.data, site->key.size);
    home->site.space_path.data = home->space;
    home->site.key.data = home->key;
    home->site.roster = ms_roster_ref(site->roster);
    return 0;
}

void ms_value_home_fini(struct ms_value_home *home)
{
    ms_roster_unref(home->site.roster);
    home->site.roster = NULL;
}

int ms_value_member(const struct ms_site *site, unsigned index, struct ms_member **out,
                    struct ms_error *err)
{
    struct ms_member *m = site->roster->members[index];
    if (!m)
        return ms_error_set(err, MS_ERR_CONNECTION,
                            "member %s: nobody said where it is; add its URL to the store's file",
                            site->roster->layout->members[index].name);
    *out = m;
    return 0;
}

const char *ms_value_shown(const struct ms_site *site, char text[MS_VALUE_SHOWN])
{
    char space[48], key[100];
    ms_show(space, sizeof space, site->space_path);
    ms_show(key, sizeof key, site->key);
    snprintf(text, MS_VALUE_SHOWN, "%s%s%s", space, space[0] ? "/" : "", key);
    return text;
}

void ms_value_blame(struct ms_error *sum, const struct ms_error *err)
{
    size_t used = strlen(sum->text);
    if (!sum->code)
        sum->code = err->code;
    snprintf(sum->text + used, sizeof sum->text - used, "%s%s", used ? "; " : "", err->text);
}

unsigned ms_value_objects(const struct ms_site *site, const struct ms_value_shape *shape)
{
    return ms_value_is_copy(shape) ? site->order.targets : ms_value_shards(shape);
}

struct ms_stripe_range ms_value_clip(int64_t offset, uint64_t size, uint64_t length)
{
    uint64_t from = (uint64_t)offset;
    if (offset < 0) {
        uint64_t back = -(uint64_t)offset;
        from = back > length ? 0 : length - back;
    }
    if (from > length)
        from = length;
    return (struct ms_stripe_range){from, size < length - from ? size : length - from};
}
