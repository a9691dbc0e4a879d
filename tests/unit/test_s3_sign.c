/* Signature V4 against the published vectors: every case's canonical request, string to sign and
 * signature. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backends/s3/sign.h"
#include "base/text.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static char *slurp(const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s/%s", TEST_DATA "/aws-signing-test-suite", folder, name);
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("%s cannot be read", path);
    char *text = calloc(1, 16384);
    assert_non_null(text);
    size_t size = fread(text, 1, 16383, f);
    fclose(f);
    while (size && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        text[--size] = 0;
    return text;
}

struct request {
    char *text;
    char *method, *path, *body;
    struct ms_s3_pair query[16], headers[24];
    size_t query_count, header_count;
};

static void decode(char *text)
{
    char *to = text;
    for (; *text; text++) {
        uint8_t byte = (uint8_t)*text;
        if (byte == '%' && ms_hex_decode(&byte, 1, text + 1) == 0)
            text += 2;
        *to++ = (char)byte;
    }
    *to = 0;
}

static void parse_query(struct request *r, char *text)
{
    for (char *pair; text && *text && (pair = strsep(&text, "&"));) {
        char *value = strchr(pair, '=');
        if (value)
            *value++ = 0;
        else
            value = pair + strlen(pair);
        decode(pair);
        decode(value);
        r->query[r->query_count++] = (struct ms_s3_pair){pair, value};
    }
}

static void parse_headers(struct request *r, char *text)
{
    while (text && *text && *text != '\n') {
        char *line = text, *end = strchr(text, '\n');
        while (end && (end[1] == ' ' || end[1] == '\t')) /* folded */
            end = strchr(end + 1, '\n');
        if (end)
            *end = 0;
        char *colon = strchr(line, ':');
        assert_non_null(colon);
        *colon = 0;
        r->headers[r->header_count++] = (struct ms_s3_pair){line, colon + 1};
        text = end ? end + 1 : NULL;
    }
    r->body = text && *text == '\n' ? text + 1 : NULL;
}

static void parse(const char *folder, struct request *r)
{
    *r = (struct request){.text = slurp(folder, "request.txt")};
    char *rest = r->text, *line = strsep(&rest, "\n");
    r->method = strsep(&line, " ");
    char *version = strstr(line, " HTTP/1.1");
    assert_non_null(version);
    *version = 0;
    r->path = strsep(&line, "?");
    decode(r->path);
    parse_query(r, line);
    parse_headers(r, rest);
}

/* The signed headers of the expected result say what the signer has to add. */
static bool has_line(const char *canonical, const char *name, char value[512])
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\n%s:", name);
    const char *at = strstr(canonical, wanted);
    if (!at)
        return false;
    at += strlen(wanted);
    snprintf(value, 512, "%.*s", (int)strcspn(at, "\n"), at);
    return true;
}

static bool given(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return true;
    return false;
}

static void check(const char *folder)
{
    static const char *const added[] = {"x-amz-date", "x-amz-security-token",
                                        "x-amz-content-sha256"};
    struct request r;
    parse(folder, &r);
    char *canonical = slurp(folder, "header-canonical-request.txt");
    char *to_sign = slurp(folder, "header-string-to-sign.txt");
    char *signature = slurp(folder, "header-signature.txt");
    char values[3][512], hash[65];
    for (size_t i = 0; i < 3; i++)
        if (!given(&r, added[i]) && has_line(canonical, added[i], values[i]))
            r.headers[r.header_count++] = (struct ms_s3_pair){added[i], values[i]};
    snprintf(hash, sizeof hash, "%s", strrchr(canonical, '\n') + 1);
    struct ms_s3_signing in = {.method = r.method,
                               .path = r.path,
                               .query = r.query,
                               .query_count = r.query_count,
                               .headers = r.headers,
                               .header_count = r.header_count,
                               .payload_hash = hash,
                               .date = "20150830T123600Z",
                               .region = "us-east-1",
                               .service = "service",
                               .id = "AKIDEXAMPLE",
                               .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};
    struct ms_s3_signature out;
    struct ms_error err = {0};
    assert_int_equal(ms_s3_sign(&in, &out, &err), 0);
    if (strcmp(out.canonical, canonical) || strcmp(out.to_sign, to_sign) ||
        strcmp(out.signature, signature))
        fail_msg("%s:\n%s\ninstead of\n%s", folder, out.canonical, canonical);
    assert_non_null(strstr(out.authorization, signature));
    ms_s3_signature_fini(&out);
    free(canonical);
    free(to_sign);
    free(signature);
    free(r.text);
}

static void signs_as_published(void **state)
{
    (void)state;
    DIR *dir = opendir(TEST_DATA "/aws-signing-test-suite");
    assert_non_null(dir);
    size_t count = 0;
    for (struct dirent *e; (e = readdir(dir));)
        if (strncmp(e->d_name, "get-", 4) == 0 || strncmp(e->d_name, "post-", 5) == 0) {
            check(e->d_name);
            count++;
        }
    closedir(dir);
    assert_true(count >= 28);
}

static void dates(void **state)
{
    (void)state;
    char date[MS_S3_DATE_SIZE];
    ms_s3_date(1440938160, date);
    assert_string_equal(date, "20150830T123600Z");
    ms_s3_date(INT64_MAX, date); /* no nonsense from a nonsensical clock */
    assert_int_equal(strlen(date), MS_S3_DATE_SIZE - 1);
}

static void refuses_too_much(void **state)
{
    (void)state;
    struct ms_s3_pair many[40];
    for (size_t i = 0; i < 40; i++)
        many[i] = (struct ms_s3_pair){"a", "b"};
    struct ms_s3_signing in = {.method = "GET",
                               .path = "/",
                               .headers = many,
                               .header_count = 40,
                               .payload_hash = "",
                               .date = "20150830T123600Z",
                               .region = "r",
                               .service = "s3",
                               .id = "i",
                               .secret = "s"};
    struct ms_s3_signature out;
    struct ms_error err = {0};
    assert_int_equal(ms_s3_sign(&in, &out, &err), MS_ERR_INVALID);
    assert_null(ms_s3_query(many, 40));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_as_published),
        cmocka_unit_test(dates),
        cmocka_unit_test(refuses_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
