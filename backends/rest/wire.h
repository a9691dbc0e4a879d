/* backends/rest/wire.h - the bytes of BorgStore's REST protocol v1 that need no connection: names,
 * ranges, heads of answers, listings. No state; any thread. */
#ifndef BACKENDS_REST_WIRE_H
#define BACKENDS_REST_WIRE_H

#include <mstore/backend.h>

#define MS_REST_ACCEPT "application/vnd.x.borgstore.rest.v1"

/* ---- names ----
 *
 * The server takes a path as it is, without percent-decoding, and accepts BorgStore's names alone:
 * ASCII, lower case, no blank, no "..", not ending in ".hid". Those travel as they are. All other
 * bytes travel as %xx (lower-case digits), '%' itself among them, so that every name has exactly
 * one form on the wire and every form is a name that BorgStore accepts. Names of Borg and of our
 * stores contain none of those bytes. */

/* Appends the form of `name`, NUL-terminated. Returns the length it would have, like snprintf. */
size_t ms_rest_wire_name(char *to, size_t room, struct ms_view name);
/* Back, in place into `to` of at least wire.size bytes; false: no name has this form. */
bool ms_rest_plain_name(struct ms_view wire, uint8_t *to, size_t *size);

/* ---- ranges: "bytes=a-b", "bytes=a-", "bytes=-n" ---- */

struct ms_rest_range {
    int64_t offset; /* < 0: so many from the end */
    uint64_t size;  /* MS_SIZE_TO_END */
};
#define MS_REST_RANGE_SIZE 64
/* "bytes=…"; "" when it means all. size > 0, and MS_SIZE_TO_END with a negative offset. */
void ms_rest_range_format(char text[MS_REST_RANGE_SIZE], struct ms_rest_range range);
/* MS_ERR_FORMAT: not one of the three forms. */
int ms_rest_range_parse(struct ms_view text, struct ms_rest_range *out,
                        struct ms_error *err) MS_MUST_CHECK;

/* ---- heads of answers, as a server on a pipe sends them ---- */

struct ms_rest_head {
    int status;
    uint64_t length; /* Content-Length; 0 when absent */
};
#define MS_REST_HEAD_MAX 65536u
/* Bytes up to and with the empty line, 0: it has not come yet. */
size_t ms_rest_head_size(struct ms_view bytes);
/* From a whole head. MS_ERR_PROTOCOL. */
int ms_rest_head_parse(struct ms_view head, struct ms_rest_head *out,
                       struct ms_error *err) MS_MUST_CHECK;

/* ---- failures ---- */

/* Why the server refused, from the status line or, where it has none, from the body: it lies in
 * `head`, in `body` or in `to`. Size 0: it does not say. */
struct ms_view ms_rest_said(struct ms_view head, struct ms_view type, struct ms_view body, char *to,
                            size_t room);

/* ---- numbers ---- */

/* Decimal digits and nothing else. */
bool ms_rest_number(struct ms_view text, uint64_t *out);
/* Seconds "1753000000.123456" in nanoseconds; 0 when it is none. */
int64_t ms_rest_seconds(struct ms_view text);

/* ---- listings: [{"name": …, "size": …, "directory": …, "atime": …}, …] ---- */

struct ms_rest_entry {
    struct ms_view name; /* plain; inside the listing's memory */
    uint64_t size_bytes;
    int64_t atime_ns;
    bool directory;
};
struct ms_rest_listing {
    struct ms_rest_entry *entries; /* sorted by name, no name twice */
    size_t count;
    uint8_t *names;
};
/* Names that are none, temporary or internal are left out. MS_ERR_PROTOCOL, NO_MEMORY. */
int ms_rest_listing_parse(struct ms_view json, struct ms_rest_listing *out,
                          struct ms_error *err) MS_MUST_CHECK;
void ms_rest_listing_fini(struct ms_rest_listing *l);

#endif
