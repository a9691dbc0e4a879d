/* mstore/self_count.h - the MStore's verbs as users call them: each call of ms_self_verbs, with
 * what it took and moved added to the figures of its namespace (mstore/stats.h). */
#ifndef MSTORE_SELF_COUNT_H
#define MSTORE_SELF_COUNT_H

#include "mstore/self.h"

int ms_counted_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                    struct ms_buf **out, struct ms_error *err);
int ms_counted_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                     const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err);
int ms_counted_info(struct ms_store *s, struct ms_item_ref item, struct ms_item_info *out,
                    struct ms_error *err);
int ms_counted_remove(struct ms_store *s, struct ms_item_ref item, struct ms_error *err);
int ms_counted_move(struct ms_store *s, enum ms_move how, struct ms_view key,
                    struct ms_view new_key, bool deleted, const struct ms_precondition *pre,
                    struct ms_error *err);
int ms_counted_hash(struct ms_store *s, struct ms_item_ref item, const char *algorithm, char *hex,
                    size_t hex_size, struct ms_error *err);
int ms_counted_defrag(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                      size_t count, struct ms_view target, const char *algorithm, char *key,
                      size_t key_size, struct ms_error *err);
int ms_counted_list(struct ms_store *s, const char *ns, const struct ms_list_options *options,
                    struct ms_store_lister **out, struct ms_error *err);
int ms_counted_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                     const struct ms_precondition *pre, struct ms_store_writer **out,
                     struct ms_error *err);
int ms_counted_read(struct ms_store *s, struct ms_item_ref item, struct ms_store_reader **out,
                    struct ms_error *err);

#endif
