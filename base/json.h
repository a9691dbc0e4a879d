/* base/json.h - writing JSON: commas, escapes and nesting kept right. Reading it: json_read.h. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <mstore/base.h>
#include <stdio.h>

struct ms_json {
    FILE *file;
    unsigned depth;
    uint64_t has_items; /* a bit per depth: a comma is due */
    bool after_key;
    bool lines; /* JSON Lines: a newline after each top-level value */
};
void ms_json_init(struct ms_json *j, FILE *file);
void ms_json_object(struct ms_json *j);
void ms_json_array(struct ms_json *j);
void ms_json_end(struct ms_json *j, char closing); /* '}' or ']' */
void ms_json_key(struct ms_json *j, const char *key);
void ms_json_string(
    struct ms_json *j,
    struct ms_view bytes); /* bytes that are not UTF-8: U+DC80+byte, as Python's surrogateescape */
void ms_json_text(struct ms_json *j, const char *text);
void ms_json_u64(struct ms_json *j, uint64_t value);
void ms_json_i64(struct ms_json *j, int64_t value);
void ms_json_double(struct ms_json *j, double value);
void ms_json_bool(struct ms_json *j, bool value);
void ms_json_null(struct ms_json *j);

/* A key and its value. */
void ms_json_put_text(struct ms_json *j, const char *key, const char *text); /* NULL: null */
void ms_json_put_u64(struct ms_json *j, const char *key, uint64_t value);
void ms_json_put_size(struct ms_json *j, const char *key, uint64_t size); /* UINT64_MAX: null */
void ms_json_put_bool(struct ms_json *j, const char *key, bool value);

#endif
