/* Where an item of the Store over one backend lies: see single.h. */
#include "store/single.h"

#include "base/entity.h"
#include "base/text.h"

int ms_place_init(struct ms_single *s, struct ms_item_ref item, struct ms_place *place,
                  struct ms_error *err)
{
    *place = (struct ms_place){.internal = item.internal, .deleted = item.deleted};
    place->begin = ms_entity_begin(s->base.clock);
    if (item.internal) {
        place->key.whole = item.key;
        return 0;
    }
    place->namespaces = ms_ns_current_get(&s->namespaces);
    int code = ms_key_parse(place->namespaces, item.key, item.deleted, &place->key, err);
    if (code) {
        ms_namespaces_unref(place->namespaces);
        place->namespaces = NULL;
    }
    return code;
}

int ms_place_fini(struct ms_single *s, struct ms_place *place, enum ms_verb verb, int code,
                  uint64_t volume)
{
    if (place->key.ns && place->key.ns->entity)
        ms_entity_count(place->key.ns->entity, s->base.clock, verb, place->begin, code, volume);
    ms_namespaces_unref(place->namespaces);
    return code;
}

size_t ms_place_levels(const struct ms_place *place)
{
    return place->internal ? 1 : place->key.ns->level_count;
}

void ms_place_name(const struct ms_place *place, size_t i, struct ms_name *out)
{
    if (!place->internal) {
        ms_nest(&place->key, place->key.ns->levels[i], place->deleted, out);
        return;
    }
    out->size = place->key.whole.size < sizeof out->text ? place->key.whole.size : 0;
    memcpy(out->text, place->key.whole.data, out->size);
}

int ms_place_find(struct ms_single *s, const struct ms_place *place, bool sure, size_t *index,
                  bool *exists, struct ms_error *err)
{
    size_t levels = ms_place_levels(place);
    *index = levels - 1;
    *exists = false;
    if (levels == 1 && !sure)
        return 0;
    for (size_t i = 0; i < levels; i++) {
        struct ms_name name;
        struct ms_info info;
        ms_place_name(place, i, &name);
        int code = ms_backend_info(s->backend, ms_name_view(&name), &info, err);
        if (code)
            return code;
        if (info.exists && !info.directory) {
            *index = i;
            *exists = true;
            return 0;
        }
    }
    return 0;
}

int ms_not_found(const struct ms_place *place, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NOT_FOUND, "%s%s not found", MS_SHOW(place->key.whole),
                        place->deleted ? " (deleted)" : "");
}
