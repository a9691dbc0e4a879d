/* store/names.h - what a key may be, in one place: the same rules on write and on list.
 *
 * Two profiles. `borgstore`: BorgStore's rule for names, a little stricter (docs/store.md).
 * `bytes`: any 1..1024 bytes, kept under an escape that sorts as the bytes do:
 *
 *     byte          stored as        so that, in ASCII order,
 *     '0'..'9'      itself           '-' < '0'..'9' < '_' < 'a'..'z' < '~'
 *     'a'..'z'      itself
 *     0x00..0x2f    "-XX"            XX: two lower-case hex digits
 *     0x3a..0x60    "_XX"
 *     0x7b..0xff    "~XX"
 *
 * Pure functions: any thread.
 */
#ifndef STORE_NAMES_H
#define STORE_NAMES_H

#include <mstore/base.h>

#define MS_BORGSTORE_NAME_MAX 100 /* nested, with ".del" */
#define MS_BYTES_KEY_MAX      1024
#define MS_ESCAPED_MAX        (3 * MS_BYTES_KEY_MAX)
#define MS_DEL_SUFFIX         ".del"
#define MS_DEL_SIZE           4

/* Why NAME ("a/b/key") breaks BorgStore's rule, as the end of a sentence; NULL: it does not. The
 * length is not looked at: it depends on the nesting. */
const char *ms_borgstore_fault(struct ms_view name);
/* The same for the path of a namespace: its last segment may end in ".del". */
const char *ms_namespace_fault(struct ms_view name);

/* Writes at most 3 * key.size bytes, returns how many. */
size_t ms_escape(struct ms_view key, char *out);
/* The bytes behind an escaped text: into `out`, at most text.size of them. False: not what
 * ms_escape writes. */
bool ms_unescape(struct ms_view text, uint8_t *out, size_t *size);

#endif
