/* Signature V4: canonical request, string to sign, derived key, signature; see sign.h. */
#include "backends/s3/sign.h"

#include "backends/http/http.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/text.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <time.h>

#define PAIRS_MAX 32

void ms_s3_date(int64_t seconds, char date[MS_S3_DATE_SIZE])
{
    time_t when = (time_t)seconds;
    struct tm tm = {0};
    gmtime_r(&when, &tm);
    if (tm.tm_year < 0 || tm.tm_year > 8099)
        tm = (struct tm){.tm_year = 70, .tm_mday = 1};
    strftime(date, MS_S3_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

static char *encoded(const char *text, bool keep_slash)
{
    size_t size = ms_http_encode(NULL, 0, ms_str(text), keep_slash);
    char *out = malloc(size + 1);
    if (out)
        ms_http_encode(out, size + 1, ms_str(text), keep_slash);
    return out;
}

/* ---- query ---- */

struct encoded_pair {
    char *name, *value;
};

static int by_name_then_value(const void *a, const void *b)
{
    const struct encoded_pair *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    return order ? order : strcmp(left->value, right->value);
}

static char *join_query(const struct encoded_pair *pairs, size_t count)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    for (size_t i = 0; i < count; i++)
        fprintf(f, "%s%s=%s", i ? "&" : "", pairs[i].name, pairs[i].value);
    bool good = !ferror(f);
    if (fclose(f) != 0 || !good) {
        free(text);
        return NULL;
    }
    return text;
}

char *ms_s3_query(const struct ms_s3_pair *query, size_t count)
{
    struct encoded_pair pairs[PAIRS_MAX] = {{0}};
    bool good = count <= PAIRS_MAX;
    for (size_t i = 0; good && i < count; i++) {
        pairs[i].name = encoded(query[i].name, false);
        pairs[i].value = encoded(query[i].value, false);
        good = pairs[i].name && pairs[i].value;
    }
    char *text = NULL;
    if (good) {
        qsort(pairs, count, sizeof *pairs, by_name_then_value);
        text = join_query(pairs, count);
    }
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        free(pairs[i].name);
        free(pairs[i].value);
    }
    return text;
}

/* ---- headers ---- */

/* Those of one name stay in the order they came in. */
struct header {
    const struct ms_s3_pair *pair;
    size_t place;
};

static int by_lower_name(const void *a, const void *b)
{
    const struct header *left = a, *right = b;
    int order = strcasecmp(left->pair->name, right->pair->name);
    return order ? order : (left->place > right->place) - (left->place < right->place);
}

static void print_lower(FILE *f, const char *name)
{
    for (; *name; name++)
        fputc(tolower((unsigned char)*name), f);
}

/* Blanks around it cut, runs of them made one. */
static void print_value(FILE *f, const char *value)
{
    size_t size = strlen(value);
    while (size && isspace((unsigned char)value[size - 1]))
        size--;
    size_t at = 0;
    while (at < size && isspace((unsigned char)value[at]))
        at++;
    for (; at < size; at++) {
        bool blank = isspace((unsigned char)value[at]);
        if (!blank || !isspace((unsigned char)value[at - 1]))
            fputc(blank ? ' ' : value[at], f);
    }
}

static size_t sort_headers(const struct ms_s3_signing *in, struct header sorted[PAIRS_MAX])
{
    for (size_t i = 0; i < in->header_count; i++)
        sorted[i] = (struct header){&in->headers[i], i};
    qsort(sorted, in->header_count, sizeof *sorted, by_lower_name);
    return in->header_count;
}

static bool same_as_before(const struct header *sorted, size_t i)
{
    return i > 0 && strcasecmp(sorted[i].pair->name, sorted[i - 1].pair->name) == 0;
}

static void print_headers(FILE *f, const struct header *sorted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (same_as_before(sorted, i)) {
            fputc(',', f);
        } else {
            if (i)
                fputc('\n', f);
            print_lower(f, sorted[i].pair->name);
            fputc(':', f);
        }
        print_value(f, sorted[i].pair->value);
    }
    if (count)
        fputc('\n', f);
}

static void print_names(FILE *f, const struct header *sorted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (same_as_before(sorted, i))
            continue;
        if (i)
            fputc(';', f);
        print_lower(f, sorted[i].pair->name);
    }
}

/* ---- the four steps ---- */

static void print_canonical(FILE *f, const struct ms_s3_signing *in, const char *path,
                            const char *query)
{
    struct header sorted[PAIRS_MAX];
    size_t count = sort_headers(in, sorted);
    fprintf(f, "%s\n%s\n%s\n", in->method, path, query);
    print_headers(f, sorted, count);
    fputc('\n', f);
    print_names(f, sorted, count);
    fprintf(f, "\n%s", in->payload_hash);
}

static char *canonical_request(const struct ms_s3_signing *in)
{
    MS_AUTO_FREE char *path = encoded(in->path, true);
    MS_AUTO_FREE char *query = ms_s3_query(in->query, in->query_count);
    char *text = NULL;
    size_t size = 0;
    FILE *f = path && query ? open_memstream(&text, &size) : NULL;
    if (!f)
        return NULL;
    print_canonical(f, in, path, query);
    bool good = !ferror(f);
    if (fclose(f) != 0 || !good) {
        free(text);
        return NULL;
    }
    return text;
}

static char *string_to_sign(const struct ms_s3_signing *in, const char *canonical)
{
    char hash[MS_SHA256_HEX], *text = NULL;
    if (ms_sha256_hex(ms_str(canonical), hash, NULL))
        return NULL;
    if (asprintf(&text, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s", in->date, in->date,
                 in->region, in->service, hash) < 0)
        return NULL;
    return text;
}

static bool hmac(const void *key, size_t key_size, const char *text, uint8_t out[32])
{
    unsigned size = 32;
    return HMAC(EVP_sha256(), key, (int)key_size, (const uint8_t *)text, strlen(text), out,
                &size) != NULL;
}

static bool compute(const struct ms_s3_signing *in, const char *to_sign, char signature[65])
{
    size_t size = strlen(in->secret) + 5;
    char *first = malloc(size), day[9];
    if (!first)
        return false;
    snprintf(first, size, "AWS4%s", in->secret);
    snprintf(day, sizeof day, "%.8s", in->date);
    uint8_t key[32];
    bool good = hmac(first, size - 1, day, key) && hmac(key, 32, in->region, key) &&
                hmac(key, 32, in->service, key) && hmac(key, 32, "aws4_request", key) &&
                hmac(key, 32, to_sign, key);
    if (good)
        ms_hex_encode(signature, key, 32);
    OPENSSL_cleanse(first, size);
    OPENSSL_cleanse(key, sizeof key);
    free(first);
    return good;
}

static char *authorization(const struct ms_s3_signing *in, const char *signature)
{
    struct header sorted[PAIRS_MAX];
    size_t count = sort_headers(in, sorted), size = 0;
    char *text = NULL;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    fprintf(f, "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=", in->id,
            in->date, in->region, in->service);
    print_names(f, sorted, count);
    fprintf(f, ", Signature=%s", signature);
    bool good = !ferror(f);
    if (fclose(f) != 0 || !good) {
        free(text);
        return NULL;
    }
    return text;
}

void ms_s3_signature_fini(struct ms_s3_signature *s)
{
    free(s->canonical);
    free(s->to_sign);
    free(s->authorization);
    *s = (struct ms_s3_signature){0};
}

int ms_s3_sign(const struct ms_s3_signing *in, struct ms_s3_signature *out, struct ms_error *err)
{
    if (in->query_count > PAIRS_MAX || in->header_count > PAIRS_MAX ||
        strlen(in->date) != MS_S3_DATE_SIZE - 1)
        return ms_error_set(err, MS_ERR_INVALID, "a request that cannot be signed");
    struct ms_s3_signature s = {0};
    s.canonical = canonical_request(in);
    s.to_sign = s.canonical ? string_to_sign(in, s.canonical) : NULL;
    if (s.to_sign && compute(in, s.to_sign, s.signature))
        s.authorization = authorization(in, s.signature);
    if (!s.authorization) {
        ms_s3_signature_fini(&s);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to sign a request");
    }
    *out = s;
    return 0;
}
