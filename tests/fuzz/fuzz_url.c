/* URLs: what is accepted can be put together again from its parts and parses to the same parts. A
 * secret at a place where URLs have one, whatever characters are in it and behind it, is in nothing
 * that is for messages, and is gone once it is masked. */
#include "fuzz.h"

#include "backends/secret.h"
#include "base/text.h"

#include <mstore/backend.h>

#include <stdio.h>
#include <stdlib.h>

static void encode(FILE *file, const char *text, bool slashes)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
            strchr("-._~", *p) || (slashes && *p == '/'))
            fputc(*p, file);
        else
            fprintf(file, "%%%02x", *p);
}

static char *put_together(const struct ms_url *url)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    ms_assert(file);
    fprintf(file, "%s:%s", url->scheme, url->authority ? "//" : "");
    if (url->user)
        encode(file, url->user, false);
    if (url->password)
        fputc(':', file), encode(file, url->password, false);
    if (url->user)
        fputc('@', file);
    if (url->host && strchr(url->host, ':'))
        fputc('[', file), encode(file, url->host, false), fputc(']', file);
    else if (url->host)
        encode(file, url->host, false);
    if (url->port >= 0)
        fprintf(file, ":%d", url->port);
    if (!url->authority && url->path[0] == '/' && url->path[1] == '/') /* no authority, please */
        fputs("%2f", file), encode(file, url->path + 1, true);
    else
        encode(file, url->path, true);
    for (size_t i = 0; i < url->option_count; i++) {
        fputc(i ? '&' : '?', file);
        encode(file, url->options[i].key, false);
        fputc('=', file);
        encode(file, url->options[i].value, false);
    }
    ms_assert(fclose(file) == 0);
    return text;
}

static bool same(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static void check_same(const struct ms_url *a, const struct ms_url *b)
{
    ms_assert(same(a->scheme, b->scheme) && same(a->user, b->user) &&
              same(a->password, b->password) && same(a->host, b->host) && same(a->path, b->path));
    ms_assert(a->authority == b->authority && a->port == b->port);
    ms_assert(a->option_count == b->option_count);
    for (size_t i = 0; i < a->option_count; i++)
        ms_assert(same(a->options[i].key, b->options[i].key) &&
                  same(a->options[i].value, b->options[i].value));
    if (a->authority || !strchr(a->path, '@')) /* else an encoded @ ends no login */
        ms_assert(same(a->safe, b->safe));
}

#define MARK "zQ7ecretQ7z"

static void check_no_mark(const char *text)
{
    if (strstr(text, MARK))
        fprintf(stderr, "a secret is shown: %s\n", text);
    ms_assert(!strstr(text, MARK));
}

/* The secret is the MARK with some of the input on both sides; more of it follows the URL. */
static void check_secret(struct ms_view input)
{
    static const struct {
        const char *begin, *end;
        bool closed; /* nothing may follow: an '@' there would move the end of the login */
    } places[] = {
        {"s3:KEY:", "@https://host:9000/bucket/path", false},
        {"s3:KEY:", "@/bucket/", false},
        {"b2:KEY:", "@/bucket?region=x", false},
        {"sftp://user:", "@host:22/path", false},
        {"https://user:", "@host/path?timeout=5", false},
        {"rest://user:", "@host", true},
        {"s3:https://KEY:", "@host/bucket", true},
        {"s3:/bucket?secret=", "&region=x", true},
        {"s3:KEY:", "@bucket", true},
    };
    size_t place = fuzz_byte(&input) % (sizeof places / sizeof *places);
    size_t left = fuzz_byte(&input) % 24, right = fuzz_byte(&input) % 24;
    char *text = fuzz_text(input);
    size_t size = strlen(text);
    left = left < size ? left : size;
    right = right < size - left ? right : size - left;
    for (char *c = text; *c && strcmp(places[place].end, "@bucket") == 0; c++)
        *c = *c == '@' ? 'a' : *c; /* without a right end another @ may be taken for it */
    char *url;
    ms_assert(asprintf(&url, "%s%.*s" MARK "%.*s%s%s", places[place].begin, (int)left, text,
                       (int)right, text + left, places[place].end,
                       places[place].closed ? "" : text + left + right) >= 0);
    struct ms_url *parsed = NULL;
    struct ms_backend *backend = NULL;
    struct ms_error err = {0};
    bool option = strchr(places[place].begin, '?') != NULL;
    bool split =
        strstr(text, MARK) || (option && (memchr(text, '&', left + right) || strpbrk(text, "%@")));
    if (!split && ms_url_parse(url, &parsed, &err) == 0) {
        check_no_mark(parsed->safe);
        (void)!ms_url_check_taken(parsed, &err);
    }
    if (!split) {
        check_no_mark(err.text);
        err.text[0] = 0;
        if (ms_backend_make(url, NULL, &backend, &err) == 0)
            check_no_mark(backend->url);
        check_no_mark(err.text);
        ms_assert(ms_secret_mask(url));
        check_no_mark(url);
    }
    ms_backend_free(backend);
    ms_url_free(parsed);
    free(url);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_secret(ms_view(data, size));
    char *text = fuzz_text(ms_view(data, size));
    struct ms_url *url = NULL, *again = NULL;
    struct ms_error err = {0};
    int code = ms_url_parse(text, &url, &err);
    ms_assert(code == 0 || (code == MS_ERR_URL && err.text[0] && !url));
    if (code == 0) {
        ms_assert(memchr(url->safe, 0, sizeof(url->safe)));
        char *rebuilt = put_together(url);
        code = ms_url_parse(rebuilt, &again, &err);
        if (strlen(rebuilt) <= 8192) {
            ms_assert(code == 0);
            check_same(url, again);
        }
        free(rebuilt);
        for (size_t i = 0; i < url->option_count; i++)
            ms_assert(same(ms_url_take(url, url->options[i].key), url->options[i].value));
        ms_assert(ms_url_check_taken(url, NULL) == 0);
    }
    ms_url_free(url);
    ms_url_free(again);
    free(text);
    return 0;
}
