/* mstore/kind_immutable.c - the verbs of kind immutable (mstore/immutable.h) in their table.
 * Whether the live or the soft-deleted item is meant stands in the site. */
#include "mstore/kind.h"

#include "mstore/immutable.h"
#include "mstore/list.h"

static int immutable_load(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                          int64_t offset, uint64_t size, struct ms_buf **out, struct ms_error *err)
{
    (void)self, (void)item;
    return ms_immutable_load(site, offset, size, out, err);
}

static int immutable_store(struct ms_self *self, const struct ms_site *site,
                           struct ms_item_ref item, struct ms_buf *value,
                           const struct ms_precondition *pre, struct ms_tag *tag,
                           struct ms_error *err)
{
    (void)item, (void)tag;
    return ms_immutable_store(site, self->ids, value, pre, err);
}

static int immutable_info(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                          struct ms_item_info *out, struct ms_error *err)
{
    (void)self, (void)item;
    return ms_immutable_info(site, out, err);
}

static int immutable_remove(struct ms_self *self, const struct ms_site *site,
                            struct ms_item_ref item, struct ms_error *err)
{
    (void)item;
    return ms_immutable_delete(site, self->ids, err);
}

static int immutable_move(struct ms_self *self, enum ms_move how, const struct ms_site *site,
                          struct ms_item_ref item, const struct ms_site *to, struct ms_view new_key,
                          struct ms_error *err)
{
    (void)to, (void)new_key;
    if (how == MS_MOVE_SOFT_DELETE)
        return ms_immutable_soft_delete(site, self->ids, err);
    if (how == MS_MOVE_UNDELETE)
        return ms_immutable_undelete(site, self->ids, err);
    return ms_self_must_exist(&self->base, item, err); /* there is one level, the last */
}

static int immutable_hash(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                          const char *algorithm, char *hex, size_t hex_size, struct ms_error *err)
{
    (void)self, (void)item;
    return ms_immutable_hash(site, algorithm, hex, hex_size, err);
}

static int immutable_write(struct ms_self *self, const struct ms_site *site,
                           struct ms_item_ref item, uint64_t size_hint,
                           const struct ms_precondition *pre, struct ms_store_writer **out,
                           struct ms_error *err)
{
    (void)item;
    return ms_immutable_write(site, self->ids, size_hint, pre, out, err);
}

static int immutable_read(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                          struct ms_store_reader **out, struct ms_error *err)
{
    (void)self, (void)item;
    return ms_immutable_read(site, out, err);
}

static int immutable_list(struct ms_roster *roster, const struct ms_layout_space *space,
                          const char *ns, const struct ms_list_options *options,
                          struct ms_store_lister **out, struct ms_error *err)
{
    return ms_list_framed(roster, space, ms_str(ns), options, out, err);
}

const struct ms_kind ms_kind_immutable = {
    .load = immutable_load,
    .store = immutable_store,
    .info = immutable_info,
    .remove = immutable_remove,
    .move = immutable_move,
    .hash = immutable_hash,
    .write = immutable_write,
    .read = immutable_read,
    .list = immutable_list,
};
