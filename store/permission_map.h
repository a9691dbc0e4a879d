/* store/permission_map.h - who may do what where: paths of namespaces and items with letters.
 *
 *     l  list names          w  write what is not there yet
 *     r  read values         W  write, also over what is there          D  delete
 *
 * The nearest ancestor of a path that is in the map decides, even if it denies; a path without one
 * has no permission. Immutable: any thread.
 */
#ifndef STORE_PERMISSION_MAP_H
#define STORE_PERMISSION_MAP_H

#include <mstore/base.h>

enum ms_permission {
    MS_MAY_LIST = 1 << 0,
    MS_MAY_READ = 1 << 1,
    MS_MAY_CREATE = 1 << 2,
    MS_MAY_OVERWRITE = 1 << 3,
    MS_MAY_DELETE = 1 << 4,
};
#define MS_MAY_ALL  31u
#define MS_MAY_TEXT 6 /* "lrwWD" with the NUL */

struct ms_permission_entry {
    char *path; /* "": the root */
    size_t path_size;
    unsigned granted;
};
struct ms_permission_map {
    size_t count;
    struct ms_permission_entry entries[]; /* in the order of the text */
};

/* text: entries PATH:LETTERS with blanks between, PATH in double quotes when it has blanks or is
 * the root (""); or the name of a shortcut. MS_ERR_CONFIG. */
int ms_permission_map_parse(const char *text, struct ms_permission_map **out,
                            struct ms_error *err) MS_MUST_CHECK;
void ms_permission_map_free(struct ms_permission_map *map);
/* The entry that decides about path; NULL: none, nothing is allowed. */
const struct ms_permission_entry *ms_permission_map_find(const struct ms_permission_map *map,
                                                         struct ms_view path);
/* Whether every entry strictly below path grants all of `wanted`. */
bool ms_permission_map_below(const struct ms_permission_map *map, struct ms_view path,
                             unsigned wanted);
const char *ms_permission_letters(unsigned granted, char text[MS_MAY_TEXT]); /* returns text */

#endif
