/* mstore/conf_edit.h - adding a member to a client's own file, while others may read it or add
 * theirs: the file is replaced whole, with the rights it had, and keeps every line that was there.
 * Who is killed meanwhile may leave FILE.mstore.tmp behind, which the next one removes. */
#ifndef MSTORE_CONF_EDIT_H
#define MSTORE_CONF_EDIT_H

#include "mstore/conf.h"

struct ms_mconf_member { /* who is to be in the file; borrowed */
    const struct ms_layout_member *as;
    const char *url;
    /* Whose storage was at the url before: its section becomes a comment. NULL: nobody's. */
    const char *gives_way;
};

struct ms_mconf_edit {           /* what was changed; to be undone when nothing comes of it */
    struct ms_buf *added;        /* NULL: nothing was changed */
    struct ms_buf *hidden, *was; /* the section that gave way, now and before; NULL: none */
};

/* Appends [member NAME] with its URL, and what the layout's member says of weight, zone, state.
 * Nothing is done when the file has that member with that URL. MS_ERR_CONFIG: it has another, or
 * the file with it would not be accepted. */
int ms_mconf_add_member(const char *path, const struct ms_mconf_member *member,
                        struct ms_mconf_edit *edit, struct ms_error *err) MS_MUST_CHECK;
/* Whether it would be added; the file stays as it is. */
int ms_mconf_try_member(const char *path, const struct ms_mconf_member *member,
                        struct ms_error *err) MS_MUST_CHECK;
/* Undoes that, and nothing else that has come since. */
int ms_mconf_undo(const char *path, struct ms_mconf_edit *edit, struct ms_error *err) MS_MUST_CHECK;
void ms_mconf_edit_fini(struct ms_mconf_edit *edit);

#endif
