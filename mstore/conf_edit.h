/* mstore/conf_edit.h - adding a member to a client's own file, while others may read it: the file
 * is replaced whole, with the rights it had, and keeps every byte that was there. */
#ifndef MSTORE_CONF_EDIT_H
#define MSTORE_CONF_EDIT_H

#include "mstore/conf.h"

struct ms_mconf_edit {     /* what was there before; to be put back when nothing comes of it */
    struct ms_buf *before; /* NULL: nothing was changed */
};

/* Appends [member NAME] with its URL, and what the layout's member says of weight, zone, state.
 * Nothing is done when the file has that member with that URL. MS_ERR_CONFIG: it has another, or
 * the file with it would not be accepted. */
int ms_mconf_add_member(const char *path, const struct ms_layout_member *member, const char *url,
                        struct ms_mconf_edit *edit, struct ms_error *err) MS_MUST_CHECK;
/* Puts back what was there. */
int ms_mconf_undo(const char *path, struct ms_mconf_edit *edit, struct ms_error *err) MS_MUST_CHECK;
void ms_mconf_edit_fini(struct ms_mconf_edit *edit);

#endif
