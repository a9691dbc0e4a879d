/* Finding secrets in the text of a URL (see backends/secret.h). */
#include "backends/secret.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

static const uint8_t *first(struct ms_view text, char wanted)
{
    return text.size ? memchr(text.data, wanted, text.size) : NULL;
}

static const uint8_t *last(struct ms_view text, char wanted)
{
    return text.size ? memrchr(text.data, wanted, text.size) : NULL;
}

static struct ms_view cut(struct ms_view text, const uint8_t *end)
{
    return end ? ms_view(text.data, (size_t)(end - text.data)) : text;
}

static struct ms_view from(struct ms_view text, const uint8_t *begin)
{
    return ms_view(begin, text.size - (size_t)(begin - text.data));
}

static bool has_http(struct ms_view text)
{
    return ms_starts_with(text, ms_str("https://")) || ms_starts_with(text, ms_str("http://"));
}

size_t ms_secret_login(struct ms_view rest)
{
    if (ms_starts_with(rest, ms_str("/")) || has_http(rest))
        return 0;
    size_t any = 0, good = 0;
    for (size_t i = 0; i < rest.size; i++) {
        if (rest.data[i] != '@')
            continue;
        struct ms_view behind = from(rest, rest.data + i + 1);
        any = i + 1;
        if (ms_starts_with(behind, ms_str("/")) || has_http(behind))
            good = any;
    }
    return good ? good : any;
}

/* What is before the first '/' or '?' behind "//", as in "//USER:PASSWORD@HOST:PORT/…"; with
 * `whole` all behind "//". False: there is no "//" at the start. */
static bool find_authority(struct ms_view rest, struct ms_view *authority, struct ms_view *whole)
{
    size_t skip = ms_starts_with(rest, ms_str("//"))         ? 2
                  : ms_starts_with(rest, ms_str("http://"))  ? 7
                  : ms_starts_with(rest, ms_str("https://")) ? 8
                                                             : 0;
    if (!skip)
        return false;
    *whole = from(rest, rest.data + skip);
    *authority = cut(*whole, first(*whole, '/'));
    *authority = cut(*authority, first(*authority, '?'));
    return true;
}

/* The ':' of "USER:PASSWORD@", or one that could be it; NULL: none. */
static const uint8_t *login_colon(struct ms_view authority)
{
    const uint8_t *at = last(authority, '@');
    return first(cut(authority, at), ':');
}

/* From which byte to which the secret of the login may reach. */
static bool find_login_secret(struct ms_view rest, const uint8_t **begin, const uint8_t **end)
{
    struct ms_view authority, whole;
    const uint8_t *colon;
    if (find_authority(rest, &authority, &whole)) {
        colon = login_colon(authority);
        *end = last(whole, '@');
    } else {
        size_t login = ms_secret_login(rest);
        colon = first(ms_view(rest.data, login), ':');
        *end = rest.data + login - (login > 0);
    }
    *begin = colon ? colon + 1 : NULL;
    return colon && *end && *begin < *end;
}

static bool secret_name(struct ms_view key)
{
    static const char *const names[] = {"password", "passphrase", "secret", "token", "key"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t size = strlen(names[i]);
        for (size_t at = 0; at + size <= key.size; at++)
            if (strncasecmp((const char *)key.data + at, names[i], size) == 0)
                return true;
    }
    return false;
}

static bool overwrite(const uint8_t *begin, const uint8_t *end)
{
    memset((void *)(uintptr_t)begin, 'x', (size_t)(end - begin));
    return end > begin;
}

static bool mask_options(struct ms_view rest)
{
    bool found = false;
    const uint8_t *mark = first(rest, '?');
    while (mark) {
        struct ms_view behind = from(rest, mark + 1);
        struct ms_view option = cut(behind, first(behind, '&'));
        const uint8_t *equals = first(option, '=');
        if (equals && secret_name(cut(option, equals)))
            found |= overwrite(equals + 1, option.data + option.size);
        mark = first(behind, '&');
    }
    return found;
}

bool ms_secret_mask(char *url)
{
    const char *colon = strchr(url, ':');
    struct ms_view rest = ms_str(colon ? colon + 1 : url);
    const uint8_t *begin = NULL, *end = NULL;
    bool login = colon && find_login_secret(rest, &begin, &end); /* before an @ is overwritten */
    bool found = mask_options(rest);
    return (login && overwrite(begin, end)) || found;
}

int ms_secret_check(struct ms_view rest, struct ms_error *err)
{
    struct ms_view authority, whole, options = ms_view("", 0);
    const uint8_t *mark = first(rest, '?');
    if (mark)
        options = from(rest, mark);
    if (first(options, '@') && first(cut(rest, mark), ':'))
        return ms_error_set(err, MS_ERR_URL,
                            "the URL has an @ behind a ?: in a login a ? is written %%3F, and "
                            "behind it an @ is written %%40");
    if (!find_authority(rest, &authority, &whole) || !login_colon(authority))
        return 0;
    if (has_http(rest) && first(whole, '@'))
        return ms_error_set(err, MS_ERR_URL,
                            "the URL has a login behind http:// or https://: it stands before "
                            "that, as in s3:KEY:SECRET@https://HOST/BUCKET");
    if (first(from(whole, authority.data + authority.size), '@'))
        return ms_error_set(err, MS_ERR_URL,
                            "the URL has an @ in its path: in a password a / is written %%2F, and "
                            "in a path behind a password or a port an @ is written %%40");
    return 0;
}
