/* store/nesting.h - from a key to the backend's name of it.
 *
 *     borgstore, 2 levels:  data/0123abcd      data/01/23/0123abcd      deleted:
 * data/01/23/0123abcd.del data/abc           data/ab/c/abc            (an empty or "." chunk makes
 *                           data/a             data/a/a                  no directory)
 *     bytes, 2 levels:      data/é             data/+~c/+3~/~c3~a9      (always so many
 * directories) data/a             data/+a/+/a
 *
 * In the bytes profile a directory of the nesting starts with '+', and an escaped key longer than
 * MS_SEGMENT_MAX is cut: every piece but the last is a directory and ends in '+'. So no directory
 * is ever in a key's way, and directories of the nesting, bounded in number, sort before all else.
 *
 * Pure functions: any thread.
 */
#ifndef STORE_NESTING_H
#define STORE_NESTING_H

#include "store/namespaces.h"

#define MS_SEGMENT_MAX 200 /* of an escaped key, without its '+' */

struct ms_name {
    size_t size;
    char text[MS_NAME_MAX];
};
static inline struct ms_view ms_name_view(const struct ms_name *name)
{
    return ms_view(name->text, name->size);
}

/* k must have passed ms_key_parse (or be as valid). */
void ms_nest(const struct ms_key *k, unsigned level, bool deleted, struct ms_name *out);
/* What BorgStore's rule for the length counts: also the '/' of an empty chunk. */
size_t ms_nested_size(const struct ms_key *k, unsigned level, bool deleted);

#endif
