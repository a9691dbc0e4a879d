/* server/base64.h - bytes as text (RFC 4648): in the Authorization header, in the file of users, in
 * tokens. */
#ifndef SERVER_BASE64_H
#define SERVER_BASE64_H

#include <mstore/base.h>

/* With the NUL; padding included. */
#define SERVER_BASE64_SIZE(bytes) (((bytes) + 2) / 3 * 4 + 1)

enum server_base64 {
    SERVER_BASE64_PLAIN, /* "+/", padded */
    SERVER_BASE64_BARE,  /* "+/", not padded */
    SERVER_BASE64_URL,   /* "-_", not padded */
};

/* text has room for SERVER_BASE64_SIZE(bytes.size). */
void server_base64_encode(enum server_base64 kind, struct ms_view bytes, char *text);
/* The whole text must be exactly what encoding gives (PLAIN: also without padding). False: it is
 * not, or has more than `room` bytes. */
bool server_base64_decode(enum server_base64 kind, struct ms_view text, uint8_t *bytes, size_t room,
                          size_t *size) MS_MUST_CHECK;

#endif
