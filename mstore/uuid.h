/* mstore/uuid.h - UUIDs of stores and members: 16 bytes, written 8-4-4-4-12 in lower-case hex.
 *
 * Pure: any thread.
 */
#ifndef MSTORE_UUID_H
#define MSTORE_UUID_H

#include <mstore/base.h>

#define MS_UUID_TEXT 37 /* with the NUL */
#define MS_UUID_HEX  33 /* without dashes, with the NUL */

struct ms_uuid {
    uint8_t bytes[16];
};

/* A random one (version 4). */
void ms_uuid_new(struct ms_random *random, struct ms_uuid *out);
static inline bool ms_uuid_equal(const struct ms_uuid *a, const struct ms_uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
bool ms_uuid_is_zero(const struct ms_uuid *uuid);
/* Writes the text and returns it. */
const char *ms_uuid_format(const struct ms_uuid *uuid, char text[MS_UUID_TEXT]);
#define MS_UUID_SHOW(uuid) ms_uuid_format((uuid), (char[MS_UUID_TEXT]){0})
/* Exactly that text, lower case, not all zero. MS_ERR_INVALID names `what`. */
int ms_uuid_parse(const char *text, const char *what, struct ms_uuid *out,
                  struct ms_error *err) MS_MUST_CHECK;

#endif
