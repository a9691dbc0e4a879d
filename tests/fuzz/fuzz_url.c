/* URLs: what is accepted can be put together again from its parts and parses to the same parts; no
 * password is in what is for messages. */
#include "fuzz.h"

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
    ms_assert(same(a->safe, b->safe));
}

/* A password of some length that is nowhere else in the URL. */
static void check_secret(const struct ms_url *url)
{
    const char *p = url->password;
    if (!p || strlen(p) < 4 || strlen(p) > 40 || strstr(url->path, p) || strstr(url->scheme, p) ||
        (url->user && strstr(url->user, p)) || (url->host && strstr(url->host, p)) ||
        url->option_count || strpbrk(p, "/:@[]") || url->port >= 0)
        return;
    ms_assert(!strstr(url->safe, p));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(ms_view(data, size));
    struct ms_url *url = NULL, *again = NULL;
    struct ms_error err = {0};
    int code = ms_url_parse(text, &url, &err);
    ms_assert(code == 0 || (code == MS_ERR_URL && err.text[0] && !url));
    if (code == 0) {
        ms_assert(memchr(url->safe, 0, sizeof(url->safe)));
        check_secret(url);
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
