/* mstore/kind_plain.c - the verbs of kind plain (mstore/plain.h) in their table. */
#include "mstore/kind.h"

#include "base/text.h"
#include "mstore/plain.h"
#include "mstore/plain_list.h"

static int plain_load(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                      int64_t offset, uint64_t size, struct ms_buf **out, struct ms_error *err)
{
    (void)self;
    return ms_plain_load(site, item, offset, size, out, err);
}

static int plain_store(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                       struct ms_buf *value, const struct ms_precondition *pre, struct ms_tag *tag,
                       struct ms_error *err)
{
    (void)self, (void)tag;
    return ms_plain_store(site, item, value, pre, err);
}

static int plain_info(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                      struct ms_item_info *out, struct ms_error *err)
{
    (void)self;
    return ms_plain_info(site, item, out, err);
}

static int plain_remove(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                        struct ms_error *err)
{
    (void)self;
    return ms_plain_remove(site, item, err);
}

static int plain_move(struct ms_self *self, enum ms_move how, const struct ms_site *site,
                      struct ms_item_ref item, const struct ms_site *to, struct ms_view new_key,
                      struct ms_error *err)
{
    (void)self;
    return ms_plain_move(site, how, item, to, to ? new_key : ms_str(""), err);
}

static int plain_hash(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                      const char *algorithm, char *hex, size_t hex_size, struct ms_error *err)
{
    (void)self;
    return ms_plain_hash(site, item, algorithm, hex, hex_size, err);
}

static int plain_write(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                       uint64_t size_hint, const struct ms_precondition *pre,
                       struct ms_store_writer **out, struct ms_error *err)
{
    (void)self;
    return ms_plain_write(site, item, size_hint, pre, out, err);
}

static int plain_read(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                      struct ms_store_reader **out, struct ms_error *err)
{
    (void)self;
    return ms_plain_read(site, item, out, err);
}

static int plain_list(struct ms_roster *roster, const struct ms_layout_space *space, const char *ns,
                      const struct ms_list_options *options, struct ms_store_lister **out,
                      struct ms_error *err)
{
    (void)space;
    return ms_plain_list(roster, ns, options, out, err);
}

const struct ms_kind ms_kind_plain = {
    .load = plain_load,
    .store = plain_store,
    .info = plain_info,
    .remove = plain_remove,
    .move = plain_move,
    .hash = plain_hash,
    .write = plain_write,
    .read = plain_read,
    .list = plain_list,
};
