/* mstore/plain_list.h - listing what mirrors keep: merged, complete or an error. */
#ifndef MSTORE_PLAIN_LIST_H
#define MSTORE_PLAIN_LIST_H

#include "mstore/roster.h"

/* As ms_store_list. Objects of any MStore's own are left out. */
int ms_plain_list(struct ms_roster *r, const char *ns, const struct ms_list_options *options,
                  struct ms_store_lister **out, struct ms_error *err) MS_MUST_CHECK;

#endif
