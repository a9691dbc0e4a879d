/* mstore/kind_mutable.c - the verbs of kind mutable (mstore/mutable.h) in their table. */
#include "mstore/kind.h"

#include "mstore/gather.h"
#include "mstore/list.h"

static int mutable_load(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                        int64_t offset, uint64_t size, struct ms_buf **out, struct ms_error *err)
{
    struct ms_load_options o = MS_LOAD_OPTIONS_INIT;
    o.offset = offset;
    o.size = size;
    o.deleted = item.deleted;
    return ms_mutable_load(self->mutable, site, &o, out, err);
}

static int mutable_store(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                         struct ms_buf *value, const struct ms_precondition *pre,
                         struct ms_tag *tag, struct ms_error *err)
{
    struct ms_store_value_options o = MS_STORE_VALUE_OPTIONS_INIT;
    o.deleted = item.deleted;
    o.precondition = *pre;
    return ms_mutable_store(self->mutable, site, value, &o, tag, err);
}

static int mutable_info(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                        struct ms_item_info *out, struct ms_error *err)
{
    return ms_mutable_info(self->mutable, site, item.deleted, out, err);
}

static int mutable_remove(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                          struct ms_error *err)
{
    return ms_mutable_delete(self->mutable, site, item.deleted, err);
}

static int mutable_move(struct ms_self *self, enum ms_move how, const struct ms_site *site,
                        struct ms_item_ref item, const struct ms_site *to, struct ms_view new_key,
                        struct ms_error *err)
{
    (void)new_key;
    int code = ms_mutable_move(self->mutable, how, site, to, item.deleted, err);
    /* a live key has no soft-deleted item beside it that could be in somebody's way */
    return code == MS_ERR_EXISTS && how == MS_MOVE_UNDELETE ? ms_self_not_found(item, err) : code;
}

static int mutable_hash(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                        const char *algorithm, char *hex, size_t hex_size, struct ms_error *err)
{
    (void)self;
    return ms_mutable_hash(site, item.deleted, algorithm, hex, hex_size, err);
}

static int mutable_write(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                         uint64_t size_hint, const struct ms_precondition *pre,
                         struct ms_store_writer **out, struct ms_error *err)
{
    (void)site; /* of now; the commit is under the layout of then */
    return ms_gather_write(&self->base, item, size_hint, pre, out, err);
}

static int mutable_read(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                        struct ms_store_reader **out, struct ms_error *err)
{
    (void)self;
    return ms_mutable_read(site, item.deleted, out, err);
}

static int mutable_list(struct ms_roster *roster, const struct ms_layout_space *space,
                        const char *ns, const struct ms_list_options *options,
                        struct ms_store_lister **out, struct ms_error *err)
{
    return ms_list_framed(roster, space, ms_str(ns), options, out, err);
}

const struct ms_kind ms_kind_mutable = {
    .load = mutable_load,
    .store = mutable_store,
    .info = mutable_info,
    .remove = mutable_remove,
    .move = mutable_move,
    .hash = mutable_hash,
    .write = mutable_write,
    .read = mutable_read,
    .list = mutable_list,
};
