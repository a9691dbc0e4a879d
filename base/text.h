/* base/text.h - numbers with units, hex, and text that is safe to show. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <mstore/base.h>

/* Whole text must match. MS_ERR_INVALID with a sentence that names `what` and shows what is
 * accepted. size: "0" "4096" "10k" "1.5MiB" "2GB" (k M G T: 1024; kB MB …: 1000; kiB …: 1024). */
int ms_parse_size(const char *text, const char *what, uint64_t *out,
                  struct ms_error *err) MS_MUST_CHECK;
/* "50ms" "1.5s" "20us" "3m" "2h" "7d"; a bare "0". */
int ms_parse_duration(const char *text, const char *what, uint64_t *out_ns,
                      struct ms_error *err) MS_MUST_CHECK;
/* Bits per second: "20mbit" "1gbit" "500kbit" "8000bit", or bytes: "2.5MB/s" "10MiB/s". */
int ms_parse_bandwidth(const char *text, const char *what, uint64_t *out_bps,
                       struct ms_error *err) MS_MUST_CHECK;
int ms_parse_u64(const char *text, const char *what, uint64_t max, uint64_t *out,
                 struct ms_error *err) MS_MUST_CHECK;
int ms_parse_i64(const char *text, const char *what, int64_t *out,
                 struct ms_error *err) MS_MUST_CHECK;
int ms_parse_rate(const char *text, const char *what, double *out,
                  struct ms_error *err) MS_MUST_CHECK; /* "0.01" "1%" */

/* Short forms for people; each writes to buf and returns it. */
const char *ms_format_size(char *buf, size_t size, uint64_t bytes);  /* "1.5 MiB" */
const char *ms_format_duration(char *buf, size_t size, uint64_t ns); /* "1.2 ms", "3m 20s" */
/* Bytes of a name for messages: printable ASCII but '\\' as is, others \xNN; cut with "…" when too
 * long. */
const char *ms_show(char *buf, size_t size, struct ms_view bytes);
#define MS_SHOW_SIZE 160
/* ms_show into a buffer that lives until the end of the full expression's block. */
#define MS_SHOW(view) ms_show((char[MS_SHOW_SIZE]){0}, MS_SHOW_SIZE, (view))

void ms_hex_encode(char *out /* 2*size+1 */, const uint8_t *bytes, size_t size); /* lower case */
int ms_hex_decode(uint8_t *out, size_t size, const char *hex /* 2*size digits */) MS_MUST_CHECK;
int ms_hex_digit(uint8_t c);       /* either case; -1: none */
int ms_hex_digit_lower(uint8_t c); /* for text that has one spelling only */
/* The number that so many digits say, 16 at most, in lower case. False: they are no such digits,
 * what follows the first that is none is not read, and *out is left alone. */
bool ms_hex_number(const char *text, unsigned digits, uint64_t *out) MS_MUST_CHECK;
int ms_compare(struct ms_view a, struct ms_view b); /* bytewise, like memcmp; shorter first */
static inline bool ms_equal(struct ms_view a, struct ms_view b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
bool ms_starts_with(struct ms_view text, struct ms_view prefix);
bool ms_ends_with(struct ms_view text, struct ms_view suffix);
/* False on overflow. */
static inline bool ms_add_size(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}
static inline bool ms_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

#endif
