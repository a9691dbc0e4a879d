/* Numbers with units, hex, and text that is safe to show. No state; any thread. */
#include "base/text.h"

#include <ctype.h>
#include <stdio.h>

struct unit {
    const char *name;
    double factor;
};

static const struct unit size_units[] = {
    {"", 1},       {"B", 1},      {"k", 1024},     {"K", 1024},     {"M", 0x1p20},   {"G", 0x1p30},
    {"T", 0x1p40}, {"kB", 1e3},   {"KB", 1e3},     {"MB", 1e6},     {"GB", 1e9},     {"TB", 1e12},
    {"kiB", 1024}, {"KiB", 1024}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}, {NULL, 0},
};

static const struct unit duration_units[] = {
    {"ns", 1},     {"us", 1e3},   {"ms", 1e6},    {"s", 1e9}, {"m", 6e10},
    {"min", 6e10}, {"h", 3.6e12}, {"d", 8.64e13}, {NULL, 0},
};

static const struct unit bandwidth_units[] = {
    {"bit", 1},      {"kbit", 1e3},   {"mbit", 1e6},         {"Mbit", 1e6},         {"gbit", 1e9},
    {"Gbit", 1e9},   {"B/s", 8},      {"kB/s", 8e3},         {"MB/s", 8e6},         {"GB/s", 8e9},
    {"kiB/s", 8192}, {"KiB/s", 8192}, {"MiB/s", 8 * 0x1p20}, {"GiB/s", 8 * 0x1p30}, {NULL, 0},
};

/* Digits with an optional fraction: what strtod takes (signs, exponents, hex, inf, the locale's
 * comma) is more than a person means. Returns what follows, NULL when there is no number. */
static const char *parse_decimal(const char *text, double *out)
{
    const char *at = text;
    double value = 0;
    for (; isdigit((unsigned char)*at); at++)
        value = value * 10 + (*at - '0');
    if (at == text || at - text > 20)
        return NULL;
    if (*at == '.') {
        double place = 0.1;
        const char *fraction = ++at;
        for (; isdigit((unsigned char)*at); at++, place /= 10)
            value += (*at - '0') * place;
        if (at == fraction || at - fraction > 20)
            return NULL;
    }
    *out = value;
    return at;
}

static bool parse_unit(const char *text, const struct unit *units, uint64_t *out)
{
    double value;
    const char *rest = parse_decimal(text, &value);
    if (!rest)
        return false;
    for (const struct unit *u = units; u->name; u++) {
        if (strcmp(rest, u->name) != 0)
            continue;
        value *= u->factor;
        if (value >= 0x1p63)
            return false;
        *out = (uint64_t)(value + 0.5);
        return true;
    }
    return false;
}

int ms_parse_size(const char *text, const char *what, uint64_t *out, struct ms_error *err)
{
    uint64_t exact;
    if (ms_parse_u64(text, what, INT64_MAX, &exact, NULL) == 0) {
        *out = exact;
        return 0;
    }
    if (parse_unit(text, size_units, out))
        return 0;
    return ms_error_set(err, MS_ERR_INVALID,
                        "%s: \"%s\" is no size; write for example 4096, 10k, 1.5MiB or 2GB", what,
                        MS_SHOW(ms_str(text)));
}

int ms_parse_duration(const char *text, const char *what, uint64_t *out_ns, struct ms_error *err)
{
    if (strcmp(text, "0") == 0) {
        *out_ns = 0;
        return 0;
    }
    if (parse_unit(text, duration_units, out_ns))
        return 0;
    return ms_error_set(err, MS_ERR_INVALID,
                        "%s: \"%s\" is no time; write for example 20us, 50ms, 1.5s, 3m, 2h or 7d",
                        what, MS_SHOW(ms_str(text)));
}

int ms_parse_bandwidth(const char *text, const char *what, uint64_t *out_bps, struct ms_error *err)
{
    if (parse_unit(text, bandwidth_units, out_bps))
        return 0;
    return ms_error_set(err, MS_ERR_INVALID,
                        "%s: \"%s\" is no bandwidth; write for example 500kbit, 20mbit or 2.5MB/s",
                        what, MS_SHOW(ms_str(text)));
}

int ms_parse_u64(const char *text, const char *what, uint64_t max, uint64_t *out,
                 struct ms_error *err)
{
    uint64_t value = 0;
    const char *at = text;
    for (; isdigit((unsigned char)*at); at++)
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            break;
    if (at == text || *at || value > max)
        return ms_error_set(err, MS_ERR_INVALID, "%s: \"%s\" is no whole number from 0 to %llu",
                            what, MS_SHOW(ms_str(text)), (unsigned long long)max);
    *out = value;
    return 0;
}

int ms_parse_i64(const char *text, const char *what, int64_t *out, struct ms_error *err)
{
    bool negative = *text == '-';
    uint64_t value;
    if (ms_parse_u64(text + negative, what, INT64_MAX, &value, NULL))
        return ms_error_set(err, MS_ERR_INVALID, "%s: \"%s\" is no whole number", what,
                            MS_SHOW(ms_str(text)));
    *out = negative ? -(int64_t)value : (int64_t)value;
    return 0;
}

int ms_parse_rate(const char *text, const char *what, double *out, struct ms_error *err)
{
    double value;
    const char *rest = parse_decimal(text, &value);
    if (rest && strcmp(rest, "%") == 0) {
        value /= 100;
        rest++;
    }
    if (!rest || *rest || value > 1)
        return ms_error_set(err, MS_ERR_INVALID,
                            "%s: \"%s\" is no share; write for example 0.01 or 1%%", what,
                            MS_SHOW(ms_str(text)));
    *out = value;
    return 0;
}

const char *ms_format_size(char *buf, size_t size, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1023.95 && unit < 6) {
        value /= 1024;
        unit++;
    }
    if (unit == 0)
        snprintf(buf, size, "%llu B", (unsigned long long)bytes);
    else
        snprintf(buf, size, "%.1f %s", value, units[unit]);
    return buf;
}

const char *ms_format_duration(char *buf, size_t size, uint64_t ns)
{
    uint64_t s = ns / 1000000000u;
    if (ns < 1000)
        snprintf(buf, size, "%u ns", (unsigned)ns);
    else if (ns < 1000000)
        snprintf(buf, size, "%.1f us", (double)ns / 1e3);
    else if (ns < 1000000000)
        snprintf(buf, size, "%.1f ms", (double)ns / 1e6);
    else if (s < 60)
        snprintf(buf, size, "%.1f s", (double)ns / 1e9);
    else if (s < 3600)
        snprintf(buf, size, "%um %us", (unsigned)(s / 60), (unsigned)(s % 60));
    else if (s < 86400)
        snprintf(buf, size, "%uh %um", (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
    else
        snprintf(buf, size, "%llud %uh", (unsigned long long)(s / 86400),
                 (unsigned)(s / 3600 % 24));
    return buf;
}

const char *ms_show(char *buf, size_t size, struct ms_view bytes)
{
    static const char cut[] = "\xe2\x80\xa6"; /* … */
    size_t at = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t c = bytes.data[i];
        bool plain = c >= 0x20 && c < 0x7f && c != '\\';
        size_t need = plain ? 1 : 4;
        size_t reserve = i + 1 < bytes.size ? sizeof cut : 1;
        if (at + need + reserve > size) {
            memcpy(buf + at, cut, sizeof cut);
            return buf;
        }
        at += (size_t)snprintf(buf + at, size - at, plain ? "%c" : "\\x%02x", c);
    }
    buf[at] = 0;
    return buf;
}

void ms_hex_encode(char *out, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int ms_hex_decode(uint8_t *out, size_t size, const char *hex)
{
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(hex[2 * i]);
        int low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);
        if (low < 0)
            return MS_ERR_FORMAT;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

int ms_compare(struct ms_view a, struct ms_view b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

bool ms_starts_with(struct ms_view text, struct ms_view prefix)
{
    return prefix.size <= text.size &&
           (prefix.size == 0 || memcmp(text.data, prefix.data, prefix.size) == 0);
}

bool ms_ends_with(struct ms_view text, struct ms_view suffix)
{
    return suffix.size <= text.size &&
           (suffix.size == 0 ||
            memcmp(text.data + text.size - suffix.size, suffix.data, suffix.size) == 0);
}
