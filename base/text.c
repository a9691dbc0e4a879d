/* Numbers with units, hex, and text that is safe to show. Exact integer arithmetic, independent of
 * the locale. No state; any thread. */
#include "base/text.h"

#include <stdio.h>

/* WHOLE.FRACTION with the fraction as `part` of `scale`. */
struct number {
    uint64_t whole, part, scale;
};

#define FRACTION_DIGITS_MAX 18

/* Returns what follows the number, NULL when there is none or it does not fit. */
static const char *read_number(const char *text, struct number *out)
{
    struct number n = {.scale = 1};
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(n.whole, 10, &n.whole) ||
            __builtin_add_overflow(n.whole, (uint64_t)(*p - '0'), &n.whole))
            return NULL;
    if (p == text)
        return NULL;
    if (*p == '.') {
        const char *first = ++p;
        for (; *p >= '0' && *p <= '9'; p++) {
            if (p - first == FRACTION_DIGITS_MAX)
                return NULL;
            n.part = n.part * 10 + (uint64_t)(*p - '0');
            n.scale *= 10;
        }
        if (p == first)
            return NULL;
    }
    *out = n;
    return p;
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* text as a number with one of the units; rounded down; a fraction of the smallest unit is refused.
 * False: not so, or too large. */
static bool read_with_unit(const char *text, const struct unit *units, size_t count, uint64_t *out)
{
    struct number n;
    const char *rest = read_number(text, &n);
    if (!rest)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rest, units[i].name) != 0)
            continue;
        if (units[i].factor == 1 && n.scale != 1)
            return false;
        unsigned __int128 value = (unsigned __int128)n.whole * units[i].factor +
                                  (unsigned __int128)n.part * units[i].factor / n.scale;
        if (value > UINT64_MAX)
            return false;
        *out = (uint64_t)value;
        return true;
    }
    return false;
}

static int refuse(const char *text, const char *what, const char *accepted, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_INVALID, "%s \"%s\" is not %s", what, MS_SHOW(ms_str(text)),
                        accepted);
}

#define KI 1024ull
#define K  1000ull

int ms_parse_size(const char *text, const char *what, uint64_t *out, struct ms_error *err)
{
    static const struct unit units[] = {
        {"", 1},
        {"B", 1},
        {"k", KI},
        {"K", KI},
        {"M", KI * KI},
        {"G", KI * KI * KI},
        {"T", KI * KI * KI * KI},
        {"kiB", KI},
        {"KiB", KI},
        {"MiB", KI * KI},
        {"GiB", KI * KI * KI},
        {"TiB", KI * KI * KI * KI},
        {"kB", K},
        {"KB", K},
        {"MB", K * K},
        {"GB", K * K * K},
        {"TB", K * K * K * K},
    };
    if (read_with_unit(text, units, sizeof units / sizeof *units, out))
        return 0;
    return refuse(text, what, "a size like 4096, 10k, 1.5MiB or 2GB", err);
}

int ms_parse_duration(const char *text, const char *what, uint64_t *out_ns, struct ms_error *err)
{
    static const struct unit units[] = {
        {"ns", 1},
        {"us", K},
        {"µs", K},
        {"ms", K * K},
        {"s", K * K * K},
        {"m", 60 * K * K * K},
        {"min", 60 * K * K * K},
        {"h", 3600 * K * K * K},
        {"d", 86400 * K * K * K},
    };
    if (strcmp(text, "0") == 0) {
        *out_ns = 0;
        return 0;
    }
    if (read_with_unit(text, units, sizeof units / sizeof *units, out_ns))
        return 0;
    return refuse(text, what, "a duration like 50ms, 1.5s, 20us, 3m, 2h or 7d", err);
}

int ms_parse_bandwidth(const char *text, const char *what, uint64_t *out_bps, struct ms_error *err)
{
    static const struct unit units[] = {
        {"bit", 1},
        {"kbit", K},
        {"Kbit", K},
        {"mbit", K * K},
        {"Mbit", K * K},
        {"gbit", K * K * K},
        {"Gbit", K * K * K},
        {"B/s", 8},
        {"kB/s", 8 * K},
        {"KB/s", 8 * K},
        {"MB/s", 8 * K * K},
        {"GB/s", 8 * K * K * K},
        {"kiB/s", 8 * KI},
        {"KiB/s", 8 * KI},
        {"MiB/s", 8 * KI * KI},
        {"GiB/s", 8 * KI * KI * KI},
    };
    if (strcmp(text, "0") == 0) {
        *out_bps = 0;
        return 0;
    }
    if (read_with_unit(text, units, sizeof units / sizeof *units, out_bps))
        return 0;
    return refuse(text, what, "a bandwidth like 20mbit, 1gbit, 500kbit, 2.5MB/s or 10MiB/s", err);
}

int ms_parse_u64(const char *text, const char *what, uint64_t max, uint64_t *out,
                 struct ms_error *err)
{
    struct number n;
    const char *rest = read_number(text, &n);
    if (rest && *rest == '\0' && n.scale == 1 && n.whole <= max) {
        *out = n.whole;
        return 0;
    }
    char accepted[64];
    snprintf(accepted, sizeof accepted, "a whole number from 0 to %llu", (unsigned long long)max);
    return refuse(text, what, accepted, err);
}

int ms_parse_i64(const char *text, const char *what, int64_t *out, struct ms_error *err)
{
    bool negative = *text == '-';
    struct number n;
    const char *rest = read_number(text + negative, &n);
    uint64_t limit = (uint64_t)INT64_MAX + negative;
    if (!rest || *rest != '\0' || n.scale != 1 || n.whole > limit)
        return refuse(text, what, "a whole number", err);
    *out = (int64_t)(negative ? 0 - n.whole : n.whole);
    return 0;
}

int ms_parse_rate(const char *text, const char *what, double *out, struct ms_error *err)
{
    struct number n;
    const char *rest = read_number(text, &n);
    if (rest && (*rest == '\0' || strcmp(rest, "%") == 0)) {
        double value = (double)n.whole + (double)n.part / (double)n.scale;
        if (*rest == '%')
            value /= 100;
        if (value <= 1) {
            *out = value;
            return 0;
        }
    }
    return refuse(text, what, "a rate from 0 to 1 like 0.01 or 1%", err);
}

/* ---- for people --------------------------------------------------------------------------- */

/* value / unit with one decimal, rounded. */
static uint64_t tenths(uint64_t value, uint64_t unit)
{
    return (uint64_t)(((unsigned __int128)value * 10 + unit / 2) / unit);
}

const char *ms_format_size(char *buf, size_t size, uint64_t bytes)
{
    static const char *const names[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < KI) {
        snprintf(buf, size, "%u B", (unsigned)bytes);
        return buf;
    }
    unsigned i = 0;
    uint64_t unit = KI;
    while (i + 1 < sizeof names / sizeof *names && tenths(bytes, unit) >= 10240) {
        unit *= KI;
        i++;
    }
    uint64_t t = tenths(bytes, unit);
    snprintf(buf, size, "%u.%u %s", (unsigned)(t / 10), (unsigned)(t % 10), names[i]);
    return buf;
}

const char *ms_format_duration(char *buf, size_t size, uint64_t ns)
{
    static const char *const names[] = {"us", "ms", "s"};
    if (ns < K) {
        snprintf(buf, size, "%u ns", (unsigned)ns);
        return buf;
    }
    uint64_t unit = K;
    for (unsigned i = 0; i < 3; i++, unit *= K) {
        uint64_t t = tenths(ns, unit);
        if (t < (i < 2 ? 10000u : 600u)) {
            snprintf(buf, size, "%u.%u %s", (unsigned)(t / 10), (unsigned)(t % 10), names[i]);
            return buf;
        }
    }
    uint64_t s = ns / (K * K * K) + (ns % (K * K * K) >= K * K * K / 2);
    if (s < 3600)
        snprintf(buf, size, "%um %us", (unsigned)(s / 60), (unsigned)(s % 60));
    else if (s < 86400)
        snprintf(buf, size, "%uh %um", (unsigned)(s / 3600), (unsigned)(s % 3600 / 60));
    else
        snprintf(buf, size, "%llud %uh", (unsigned long long)(s / 86400),
                 (unsigned)(s % 86400 / 3600));
    return buf;
}

static size_t show_byte(char out[5], uint8_t byte)
{
    if (byte >= 0x20 && byte < 0x7f && byte != '\\') { /* one reading only */
        out[0] = (char)byte;
        return 1;
    }
    return (size_t)snprintf(out, 5, "\\x%02x", byte);
}

const char *ms_show(char *buf, size_t size, struct ms_view bytes)
{
    static const char dots[] = "…";
    if (size == 0)
        return buf;
    size_t used = 0, cut = 0; /* cut: the last place where the dots still fit */
    for (size_t i = 0; i < bytes.size; i++) {
        char shown[5];
        size_t length = show_byte(shown, bytes.data[i]);
        if (used + sizeof dots <= size)
            cut = used;
        if (used + length >= size) {
            if (size >= sizeof dots)
                memcpy(buf + cut, dots, sizeof dots);
            else
                buf[0] = '\0';
            return buf;
        }
        memcpy(buf + used, shown, length);
        used += length;
    }
    buf[used] = '\0';
    return buf;
}

/* ---- bytes -------------------------------------------------------------------------------- */

void ms_hex_encode(char *out, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * size] = '\0';
}

int ms_hex_digit_lower(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int ms_hex_digit(uint8_t c)
{
    return ms_hex_digit_lower(c >= 'A' && c <= 'F' ? c | 0x20 : c);
}

int ms_hex_decode(uint8_t *out, size_t size, const char *hex)
{
    for (size_t i = 0; i < 2 * size; i++)
        if (ms_hex_digit((uint8_t)hex[i]) < 0) /* a NUL too: nothing is read beyond it */
            return MS_ERR_FORMAT;
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(ms_hex_digit((uint8_t)hex[2 * i]) << 4 |
                           ms_hex_digit((uint8_t)hex[2 * i + 1]));
    return 0;
}

bool ms_hex_number(const char *text, unsigned digits, uint64_t *out)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < digits; i++) {
        int digit = ms_hex_digit_lower((uint8_t)text[i]);
        if (digit < 0)
            return false;
        n = n << 4 | (uint64_t)digit;
    }
    *out = n;
    return true;
}

int ms_compare(struct ms_view a, struct ms_view b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    if (order)
        return order;
    return (a.size > b.size) - (a.size < b.size);
}

bool ms_starts_with(struct ms_view text, struct ms_view prefix)
{
    return text.size >= prefix.size &&
           (prefix.size == 0 || memcmp(text.data, prefix.data, prefix.size) == 0);
}

bool ms_ends_with(struct ms_view text, struct ms_view suffix)
{
    return text.size >= suffix.size &&
           (suffix.size == 0 ||
            memcmp(text.data + (text.size - suffix.size), suffix.data, suffix.size) == 0);
}
