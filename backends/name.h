/* backends/name.h - the rule for backend names, and walking their segments. */
#ifndef BACKENDS_NAME_H
#define BACKENDS_NAME_H

#include <mstore/backend.h>

/* Relative segments joined by '/', none empty, "." or "..", no NUL, each at most name_max bytes,
 * the last not ending in ".tmp". MS_ERR_NAME. */
int ms_name_check(struct ms_view name, unsigned name_max_bytes, struct ms_error *err) MS_MUST_CHECK;
/* What follows the last '/', or all of it. */
struct ms_view ms_name_last(struct ms_view name);
/* What stands before the last '/', or nothing. */
struct ms_view ms_name_parent(struct ms_view name);
/* A last segment that listings never show: ".tmp", ".hid". */
bool ms_name_hidden(struct ms_view segment);

#endif
