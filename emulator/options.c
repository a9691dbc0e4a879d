/* emulator/options.c - emulator settings out of URL options and the environment.
 *
 * A bad value is one sentence that names the option and shows what it takes: MS_ERR_URL for an
 * option, MS_ERR_CONFIG for a variable. Numbers in the environment are BorgStore's: plain decimal
 * numbers, microseconds and bits per second.
 */
#include "emulator/emulator.h"

#include "base/text.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#define FAULTS_MAX 64
#define FIELDS_MAX 4

/* What an option was that did not parse. */
static int bad(struct ms_error *err, const char *key, const char *value, const char *accepted)
{
    return ms_error_set(err, MS_ERR_URL, "URL option %s=%s is not %s", key, MS_SHOW(ms_str(value)),
                        accepted);
}

/* The sentence of base/text.h names the option already; the code becomes the URL's. */
static int as_url(int rc, struct ms_error *err)
{
    if (rc == MS_ERR_INVALID && err)
        err->code = MS_ERR_URL;
    return rc == MS_ERR_INVALID ? MS_ERR_URL : rc;
}

static int take_duration(struct ms_url *url, const char *key, uint64_t *out, bool *any,
                         struct ms_error *err)
{
    const char *value = ms_url_take(url, key);
    *any |= value != NULL;
    return value ? as_url(ms_parse_duration(value, key, out, err), err) : 0;
}

static int take_bandwidth(struct ms_url *url, const char *key, uint64_t *out, bool *any,
                          struct ms_error *err)
{
    const char *value = ms_url_take(url, key);
    *any |= value != NULL;
    return value ? as_url(ms_parse_bandwidth(value, key, out, err), err) : 0;
}

static int take_rate(struct ms_url *url, const char *key, double *out, bool *any,
                     struct ms_error *err)
{
    const char *value = ms_url_take(url, key);
    *any |= value != NULL;
    return value ? as_url(ms_parse_rate(value, key, out, err), err) : 0;
}

static int take_distribution(struct ms_url *url, enum ms_distribution *out, bool *any,
                             struct ms_error *err)
{
    static const char *const names[] = {
        [MS_UNIFORM] = "uniform", [MS_NORMAL] = "normal", [MS_EXPONENTIAL] = "exponential"};
    const char *value = ms_url_take(url, "emulate.distribution");
    if (!value)
        return 0;
    *any = true;
    for (int i = 0; i < 3; i++)
        if (strcmp(value, names[i]) == 0) {
            *out = (enum ms_distribution)i;
            return 0;
        }
    return bad(err, "emulate.distribution", value, "uniform, normal or exponential");
}

static int take_seed(struct ms_url *url, uint64_t *out, bool *any, struct ms_error *err)
{
    const char *value = ms_url_take(url, "emulate.seed");
    *any |= value != NULL;
    return value ? as_url(ms_parse_u64(value, "emulate.seed", UINT64_MAX, out, err), err) : 0;
}

static int take_bandwidths(struct ms_url *url, struct ms_emulation *e, bool *any,
                           struct ms_error *err)
{
    uint64_t both = UINT64_MAX;
    int rc = take_bandwidth(url, "emulate.bandwidth", &both, any, err);
    if (rc == 0 && both != UINT64_MAX)
        e->up_bps = e->down_bps = both;
    if (rc == 0)
        rc = take_bandwidth(url, "emulate.up", &e->up_bps, any, err);
    return rc < 0 ? rc : take_bandwidth(url, "emulate.down", &e->down_bps, any, err);
}

/* "FROM-UNTIL" */
static int take_gone(struct ms_url *url, struct ms_emulation *e, bool *any, struct ms_error *err)
{
    const char *key = "emulate.gone", *value = ms_url_take(url, key);
    char from[24];
    uint64_t first, until;
    if (!value)
        return 0;
    *any = true;
    const char *dash = strchr(value, '-');
    if (!dash || (size_t)(dash - value) >= sizeof from)
        return bad(err, key, value, "FROM-UNTIL (numbers of calls, like 10-20)");
    memcpy(from, value, (size_t)(dash - value));
    from[dash - value] = '\0';
    if (ms_parse_u64(from, key, UINT64_MAX, &first, NULL) < 0 ||
        ms_parse_u64(dash + 1, key, UINT64_MAX, &until, NULL) < 0 || first < 1 || until < first)
        return bad(err, key, value, "FROM-UNTIL (numbers of calls, like 10-20)");
    e->gone_from = first;
    e->gone_until = until;
    return 0;
}

/* ---- faults: VERB:…[:…] ---- */

static bool verb_of(const char *text, int *out)
{
    for (int verb = 0; verb < MS_VERB_COUNT; verb++)
        if (strcmp(text, ms_verb_name(verb)) == 0) {
            *out = verb;
            return true;
        }
    *out = MS_VERB_COUNT;
    return strcmp(text, "any") == 0;
}

static bool code_of(const char *text, int *out)
{
    static const int codes[] = {
#define MS_X(name, number, class_, sentence) MS_ERR_##name,
        MS_ERRORS(MS_X)
#undef MS_X
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcasecmp(text, ms_code_name(codes[i])) == 0) {
            *out = codes[i];
            return true;
        }
    return false;
}

/* Cuts text (which it writes to) at the colons; 0 when there are too many. */
static size_t split(char *text, char *fields[FIELDS_MAX])
{
    size_t count = 0;
    for (char *next = text; next; count++) {
        if (count == FIELDS_MAX)
            return 0;
        fields[count] = next;
        next = strchr(next, ':');
        if (next)
            *next++ = '\0';
    }
    return count;
}

static bool parse_nth(const char *text, struct ms_fault *f)
{
    return ms_parse_u64(text, "", UINT64_MAX, &f->nth, NULL) == 0 && f->nth > 0;
}

/* VERB:RATE[:CODE] */
static bool parse_error(char **field, size_t count, struct ms_fault *f)
{
    f->kind = MS_FAULT_RATE;
    return (count == 2 || count == 3) && ms_parse_rate(field[1], "", &f->rate, NULL) == 0 &&
           (count == 2 || code_of(field[2], &f->code));
}

/* VERB:N[:before|after[:CODE]] */
static bool parse_fail(char **field, size_t count, struct ms_fault *f)
{
    f->kind = MS_FAULT_NTH;
    f->after = count > 2 && strcmp(field[2], "after") == 0;
    return count >= 2 && parse_nth(field[1], f) &&
           (count == 2 || f->after || strcmp(field[2], "before") == 0) &&
           (count < 4 || code_of(field[3], &f->code));
}

/* VERB:N */
static bool parse_hang(char **field, size_t count, struct ms_fault *f)
{
    f->kind = MS_FAULT_HANG;
    return count == 2 && parse_nth(field[1], f);
}

struct fault_option {
    const char *key, *accepted;
    bool (*parse)(char **field, size_t count, struct ms_fault *f);
};
static const struct fault_option fault_options[] = {
    {"emulate.error", "VERB:RATE[:CODE], like load:1% or store:0.5:NO_SPACE", parse_error},
    {"emulate.fail", "VERB:N[:before|after[:CODE]], like store:3:after", parse_fail},
    {"emulate.hang", "VERB:N, like load:2", parse_hang},
};

static int parse_fault(const struct fault_option *option, const char *value, size_t size,
                       struct ms_fault *out, struct ms_error *err)
{
    char text[128], *field[FIELDS_MAX];
    *out = (struct ms_fault){0};
    size_t count = 0;
    if (size < sizeof text) {
        memcpy(text, value, size);
        text[size] = '\0';
        count = split(text, field);
    }
    if (count == 0 || !verb_of(field[0], &out->verb) || !option->parse(field, count, out))
        return bad(err, option->key, value, option->accepted);
    return 0;
}

/* Several faults of one option stand with commas between. */
static int parse_list(const struct fault_option *option, const char *value,
                      struct ms_fault faults[FAULTS_MAX], size_t *count, struct ms_error *err)
{
    for (;;) {
        size_t size = strcspn(value, ",");
        if (*count == FAULTS_MAX)
            return ms_error_set(err, MS_ERR_URL, "%s: more than %d faults in one URL", option->key,
                                FAULTS_MAX);
        int rc = parse_fault(option, value, size, &faults[(*count)++], err);
        if (rc < 0 || !value[size])
            return rc;
        value += size + 1;
    }
}

static int take_faults(struct ms_url *url, struct ms_emulation *e, bool *any, struct ms_error *err)
{
    struct ms_fault faults[FAULTS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < sizeof fault_options / sizeof *fault_options; i++) {
        const char *value = ms_url_take(url, fault_options[i].key);
        int rc = value ? parse_list(&fault_options[i], value, faults, &count, err) : 0;
        if (rc < 0)
            return rc;
    }
    if (count == 0)
        return 0;
    *any = true;
    struct ms_fault *kept = malloc(count * sizeof *kept);
    if (!kept)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for %zu faults", count);
    memcpy(kept, faults, count * sizeof *kept);
    e->faults = kept;
    e->fault_count = count;
    return 0;
}

int ms_emulation_from_url(struct ms_url *url, struct ms_emulation *e, bool *any,
                          struct ms_error *err)
{
    int rc = take_duration(url, "emulate.latency", &e->latency_ns, any, err);
    if (rc == 0)
        rc = take_duration(url, "emulate.jitter", &e->jitter_ns, any, err);
    if (rc == 0)
        rc = take_distribution(url, &e->distribution, any, err);
    if (rc == 0)
        rc = take_bandwidths(url, e, any, err);
    if (rc == 0)
        rc = take_seed(url, &e->seed, any, err);
    if (rc == 0)
        rc = take_rate(url, "emulate.torn", &e->torn_rate, any, err);
    if (rc == 0)
        rc = take_rate(url, "emulate.flip", &e->flip_rate, any, err);
    if (rc == 0)
        rc = take_gone(url, e, any, err);
    return rc < 0 ? rc : take_faults(url, e, any, err);
}

/* ---- environment ---- */

/* A decimal number as BorgStore takes it ("50000", "0.5", "1e6"), times `scale`; unset, empty and
 * 0 leave *out alone. */
static int from_variable(const char *name, double scale, const char *unit, uint64_t *out, bool *any,
                         struct ms_error *err)
{
    const char *value = getenv(name);
    if (!value || !*value)
        return 0;
    char *end;
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* "1.5" in every country */
    if (!c)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a locale");
    double number = strtod_l(value, &end, c) * scale;
    freelocale(c);
    if (*end || !isfinite(number) || number < 0 || number > 1e18)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "environment variable %s=%s is not a number of %s, like 50000", name,
                            MS_SHOW(ms_str(value)), unit);
    if (number > 0) {
        *out = (uint64_t)(number + 0.5);
        *any = true;
    }
    return 0;
}

int ms_emulation_from_environment(struct ms_emulation *e, bool *any, struct ms_error *err)
{
    int rc = from_variable("MSTORE_LATENCY", 1e3, "microseconds", &e->latency_ns, any, err);
    uint64_t bps = 0;
    if (rc == 0)
        rc = from_variable("MSTORE_BANDWIDTH", 1, "bits per second", &bps, any, err);
    if (rc == 0 && bps)
        e->up_bps = e->down_bps = bps;
    return rc;
}
