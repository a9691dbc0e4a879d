/* mstore/kind.h - what the three kinds of namespaces have in common: one table of verbs each, in
 * kind_plain.c, kind_immutable.c, kind_mutable.c. The verbs mean what those of ms_store_ops mean;
 * the site is that of the item's key.
 */
#ifndef MSTORE_KIND_H
#define MSTORE_KIND_H

#include "mstore/self.h"

struct ms_kind {
    int (*load)(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                int64_t offset, uint64_t size, struct ms_buf **out, struct ms_error *err);
    int (*store)(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                 struct ms_buf *value, const struct ms_precondition *pre, struct ms_tag *tag,
                 struct ms_error *err);
    int (*info)(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                struct ms_item_info *out, struct ms_error *err);
    int (*remove)(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                  struct ms_error *err);
    /* to: of the new key, of the same kind and members; NULL unless it is a RENAME (which kind
     * immutable does not get: it is carried). */
    int (*move)(struct ms_self *self, enum ms_move how, const struct ms_site *site,
                struct ms_item_ref item, const struct ms_site *to, struct ms_view new_key,
                struct ms_error *err);
    int (*hash)(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                const char *algorithm, char *hex, size_t hex_size, struct ms_error *err);
    int (*write)(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                 uint64_t size_hint, const struct ms_precondition *pre,
                 struct ms_store_writer **out, struct ms_error *err);
    int (*read)(struct ms_self *self, const struct ms_site *site, struct ms_item_ref item,
                struct ms_store_reader **out, struct ms_error *err);
    int (*list)(struct ms_roster *roster, const struct ms_layout_space *space, const char *ns,
                const struct ms_list_options *options, struct ms_store_lister **out,
                struct ms_error *err);
};

extern const struct ms_kind ms_kind_plain, ms_kind_immutable, ms_kind_mutable;

static inline const struct ms_kind *ms_kind_of(const struct ms_layout_space *space)
{
    return space->kind == MS_KIND_PLAIN     ? &ms_kind_plain
           : space->kind == MS_KIND_MUTABLE ? &ms_kind_mutable
                                            : &ms_kind_immutable;
}

/* A rename of an item whose new key is elsewhere or of another kind: the new one is there, by the
 * store's own verbs, before the old one goes (self_move.c). */
int ms_self_carry(struct ms_store *s, struct ms_item_ref from, struct ms_item_ref to,
                  struct ms_error *err) MS_MUST_CHECK;
/* The move once more, without an intent: what heal does of one that was broken off. */
int ms_self_move_on(struct ms_store *s, enum ms_move how, struct ms_item_ref from,
                    struct ms_item_ref to, struct ms_error *err) MS_MUST_CHECK;
/* NOT_FOUND unless the item is there. */
int ms_self_must_exist(struct ms_store *s, struct ms_item_ref item,
                       struct ms_error *err) MS_MUST_CHECK;
int ms_self_not_found(struct ms_item_ref item, struct ms_error *err);

/* A call under way: the roster it began with, and its key's site. */
struct ms_at {
    struct ms_roster *roster;
    struct ms_site site;
};
/* The roster is held even when it fails. */
int ms_self_enter(struct ms_store *s, struct ms_item_ref item, struct ms_at *at,
                  struct ms_error *err) MS_MUST_CHECK;
static inline void ms_self_leave(struct ms_at *at)
{
    ms_roster_unref(at->roster);
}
#define MS_AUTO_AT __attribute__((cleanup(ms_self_leave)))

/* Slot of self_move.c. */
int ms_self_move(struct ms_store *s, enum ms_move how, struct ms_view key, struct ms_view new_key,
                 bool deleted, const struct ms_precondition *pre, struct ms_error *err);

#endif
