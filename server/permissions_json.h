/* server/permissions_json.h - permissions as BorgStore's server takes them, as a map's text:
 *
 *     {"": "lr", "data": "lrw"}   ->   "":lr "data":lrw
 */
#ifndef SERVER_PERMISSIONS_JSON_H
#define SERVER_PERMISSIONS_JSON_H

#include <mstore/base.h>

/* text: JSON when it begins with '{', else a shortcut or a map already. What comes out (malloc'ed)
 * has been checked: it is a map's text that store/permission_map.h takes. MS_ERR_CONFIG. */
int server_permissions_text(const char *text, char **out, struct ms_error *err) MS_MUST_CHECK;

#endif
