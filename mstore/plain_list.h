/* mstore/plain_list.h - listing what mirrors keep: merged, complete or an error. */
#ifndef MSTORE_PLAIN_LIST_H
#define MSTORE_PLAIN_LIST_H

#include "mstore/merge.h"
#include "mstore/roster.h"

/* As ms_store_list. Objects of any MStore's own are left out. Members that have missed something
 * (mstore/plain_hint.h) count as missing. */
int ms_plain_list(struct ms_roster *r, const char *ns, const struct ms_list_options *options,
                  struct ms_store_lister **out, struct ms_error *err) MS_MUST_CHECK;
/* The mirror at that index of the layout, or why it is not to be had; one that lists nothing must
 * show its member's mark: an empty mount is not an empty store. */
void ms_plain_list_source(const struct ms_roster *r, size_t index, struct ms_merge_source *out);

#endif
