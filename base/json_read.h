/* base/json_read.h - reading JSON (RFC 8259) from memory, strictly, token by token.
 *
 * For text from outside: nothing recurses, depth and lengths are bounded by the text and by
 * MS_JSON_DEPTH, and what is not JSON is MS_ERR_FORMAT with the byte at which it stops being so.
 */
#ifndef BASE_JSON_READ_H
#define BASE_JSON_READ_H

#include <mstore/base.h>

#define MS_JSON_DEPTH 32

enum ms_json_kind {
    MS_JSON_DONE, /* the text ended behind its one value */
    MS_JSON_OBJECT,
    MS_JSON_ARRAY,
    MS_JSON_CLOSE, /* of the innermost object or array */
    MS_JSON_KEY,
    MS_JSON_STRING,
    MS_JSON_NUMBER,
    MS_JSON_TRUE,
    MS_JSON_FALSE,
    MS_JSON_NULL,
};

struct ms_json_token {
    enum ms_json_kind kind;
    struct ms_view text; /* a key or string, decoded; a number as it is written. Borrowed until the
                            next token */
};

struct ms_json_reader {
    const uint8_t *start, *at, *end; /* the rest is the reader's own */
    unsigned depth;
    uint32_t objects; /* a bit per depth: it is an object */
    int wants;
    uint8_t *scratch; /* a string with escapes, decoded */
    size_t room;
};

void ms_json_read_init(struct ms_json_reader *r, struct ms_view text);
void ms_json_read_fini(struct ms_json_reader *r);
/* A lone surrogate \udc80 to \udcff is the byte 0x80 to 0xff that ms_json_string wrote so; other
 * lone ones are refused. A NUL may come out of \u0000. */
int ms_json_next(struct ms_json_reader *r, struct ms_json_token *out,
                 struct ms_error *err) MS_MUST_CHECK;
/* Reads to the end of the value that began with `first`. */
int ms_json_skip(struct ms_json_reader *r, const struct ms_json_token *first,
                 struct ms_error *err) MS_MUST_CHECK;
/* Whole numbers without fraction and exponent. MS_ERR_FORMAT. */
int ms_json_token_u64(const struct ms_json_token *t, uint64_t *out,
                      struct ms_error *err) MS_MUST_CHECK;
int ms_json_token_i64(const struct ms_json_token *t, int64_t *out,
                      struct ms_error *err) MS_MUST_CHECK;

#endif
