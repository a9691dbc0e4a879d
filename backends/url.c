/* URLs: "SCHEME:REST?OPTIONS", see mstore/backend.h. RFC 3986 as far as storage needs it. No state.
 */
#include <mstore/backend.h>

#include "backends/secret.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <ctype.h>
#include <stdio.h>

#define URL_MAX_BYTES 8192
#define OPTIONS_MAX   64

void ms_url_free(struct ms_url *url)
{
    if (!url)
        return;
    for (size_t i = 0; i < url->option_count; i++) {
        free(url->options[i].key);
        free(url->options[i].value);
    }
    free(url->options);
    free(url->scheme);
    free(url->user);
    ms_wipe_free(url->password);
    free(url->host);
    free(url->path);
    ms_wipe_free(url->raw_path);
    free(url);
}

/* Percent-decodes into fresh memory. */
static int decode(struct ms_view part, const char *what, char **out, struct ms_error *err)
{
    char *text = malloc(part.size + 1);
    if (!text)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a URL");
    size_t size = 0;
    for (size_t i = 0; i < part.size; i++) {
        uint8_t byte = part.data[i];
        if (byte == '%') {
            if (part.size - i < 3 || ms_hex_decode(&byte, 1, (const char *)part.data + i + 1)) {
                free(text);
                return ms_error_set(
                    err, MS_ERR_URL,
                    "the URL's %s has a %% without two hex digits; write %%25 for %%", what);
            }
            i += 2;
        }
        if (byte == 0) {
            free(text);
            return ms_error_set(err, MS_ERR_URL, "the URL's %s has a NUL byte", what);
        }
        text[size++] = (char)byte;
    }
    text[size] = 0;
    *out = text;
    return 0;
}

static struct ms_view until(struct ms_view text, char stop)
{
    const uint8_t *end = text.size ? memchr(text.data, stop, text.size) : NULL;
    return ms_view(text.data, end ? (size_t)(end - text.data) : text.size);
}

static struct ms_view after(struct ms_view text, size_t skip)
{
    return skip >= text.size ? ms_view("", 0) : ms_view(text.data + skip, text.size - skip);
}

/* Names of options stand in messages: what looks otherwise may be a part of a secret. */
static bool good_option(struct ms_view key)
{
    for (size_t i = 0; i < key.size; i++)
        if (!isalnum(key.data[i]) && !memchr("._-", key.data[i], 3))
            return false;
    return true;
}

static int parse_option(struct ms_url *url, struct ms_view text, struct ms_error *err)
{
    if (text.size == 0)
        return 0;
    if (url->option_count == OPTIONS_MAX)
        return ms_error_set(err, MS_ERR_URL, "the URL has more than %d options", OPTIONS_MAX);
    struct ms_view key = until(text, '=');
    if (!good_option(key))
        return ms_error_set(err, MS_ERR_URL,
                            "the name of an option in the URL has other characters than letters, "
                            "digits, '.', '_' and '-'; a ? in a login or a path is written %%3F");
    struct ms_url_option *option = &url->options[url->option_count];
    int code = decode(key, "option", &option->key, err);
    if (code)
        return code;
    code = decode(after(text, key.size + 1), "option", &option->value, err);
    if (code) {
        free(option->key);
        return code;
    }
    for (size_t i = 0; i < url->option_count; i++)
        if (strcmp(url->options[i].key, option->key) == 0)
            code = ms_error_set(err, MS_ERR_URL, "the URL has the option \"%s\" twice",
                                MS_SHOW(ms_str(option->key)));
    url->option_count++;
    return code;
}

static int parse_options(struct ms_url *url, struct ms_view text, struct ms_error *err)
{
    url->options = calloc(OPTIONS_MAX, sizeof *url->options);
    if (!url->options)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a URL");
    while (text.size) {
        struct ms_view one = until(text, '&');
        int code = parse_option(url, one, err);
        if (code)
            return code;
        text = after(text, one.size + 1);
    }
    return 0;
}

static int parse_port(struct ms_url *url, struct ms_view text, struct ms_error *err)
{
    char digits[6];
    uint64_t port = 0;
    if (text.size > 0 && text.size <= 5) {
        memcpy(digits, text.data, text.size);
        digits[text.size] = 0;
        if (ms_parse_u64(digits, "port", 65535, &port, NULL))
            port = 0;
    }
    if (port == 0)
        return ms_error_set(err, MS_ERR_URL, "the URL's port is no number from 1 to 65535");
    url->port = (int)port;
    return 0;
}

static int parse_host(struct ms_url *url, struct ms_view text, struct ms_error *err)
{
    struct ms_view host;
    if (text.size && text.data[0] == '[') {
        host = until(text, ']');
        if (host.size == text.size)
            return ms_error_set(err, MS_ERR_URL, "the URL's host has a [ without a ]");
        text = after(text, host.size + 1);
        host = after(host, 1);
    } else {
        host = until(text, ':');
        text = after(text, host.size);
    }
    if (text.size) {
        if (text.data[0] != ':')
            return ms_error_set(err, MS_ERR_URL, "only a port may follow the URL's host");
        int code = parse_port(url, after(text, 1), err);
        if (code)
            return code;
    }
    return host.size ? decode(host, "host", &url->host, err) : 0;
}

/* User or password. In a header or a question of a server the end of a line ends more than that. */
static int decode_login(struct ms_view part, const char *what, char **out, struct ms_error *err)
{
    int code = decode(part, what, out, err);
    if (!code && *out && strpbrk(*out, "\r\n"))
        code = ms_error_set(err, MS_ERR_URL, "the URL's %s has the end of a line in it", what);
    return code;
}

static int parse_authority(struct ms_url *url, struct ms_view text, struct ms_error *err)
{
    const uint8_t *at = text.size ? memrchr(text.data, '@', text.size) : NULL;
    if (at) {
        struct ms_view login = ms_view(text.data, (size_t)(at - text.data));
        struct ms_view user = until(login, ':');
        int code = decode_login(user, "user", &url->user, err);
        if (!code && user.size < login.size)
            code = decode_login(after(login, user.size + 1), "password", &url->password, err);
        if (code)
            return code;
        text = after(text, login.size + 1);
    }
    return parse_host(url, text, err);
}

/* Options whose values are known to be no secrets. */
static bool open_option(const char *key)
{
    return strncmp(key, "emulate.", 8) == 0 || strcmp(key, "sync") == 0;
}

/* How much of an opaque URL's raw path is a login that is not for messages: "KEY:SECRET@", but not
 * "PROFILE@"; nor is what becomes a login when it is decoded. */
static size_t hidden_login(const struct ms_url *url)
{
    struct ms_view raw = ms_str(url->raw_path);
    size_t login = url->authority ? 0 : ms_secret_login(raw);
    struct ms_view behind = after(raw, login);
    bool place = ms_starts_with(behind, ms_str("/")) || ms_starts_with(behind, ms_str("http"));
    if (login && place && !memchr(raw.data, ':', login) && !memchr(raw.data, '%', login))
        return 0; /* else "USER:PASSWORD@HOST" may have been meant */
    if (!login && !url->authority && url->path && ms_secret_login(ms_str(url->path)) &&
        memchr(raw.data, '%', raw.size))
        return raw.size;
    return login;
}

/* The path for messages, malloc'ed. NULL: no memory. */
static char *open_path(const struct ms_url *url)
{
    size_t login = hidden_login(url);
    char *tail = NULL, *text = NULL;
    if (decode(after(ms_str(url->raw_path), login ? login - 1 : 0), "path", &tail, NULL) || !tail)
        return NULL;
    const char *shown = login && *tail != '@' ? "" : tail;
    if (asprintf(&text, "%s%s", login ? "\xe2\x80\xa6" : "", MS_SHOW(ms_str(shown))) < 0)
        text = NULL;
    free(tail);
    return text;
}

/* Into url->safe, cut at a whole character when too long. */
static void keep_safe(struct ms_url *url, const char *text)
{
    size_t size = strlen(text);
    if (size < sizeof url->safe) {
        memcpy(url->safe, text, size + 1);
        return;
    }
    size = sizeof url->safe - 4;
    while (size && ((uint8_t)text[size] & 0xc0) == 0x80)
        size--;
    memcpy(url->safe, text, size);
    memcpy(url->safe + size, "\xe2\x80\xa6", 4);
}

/* What may stand in messages and statistics. */
static int write_safe(struct ms_url *url, struct ms_error *err)
{
    char text[2048];
    size_t at = 0;
    MS_AUTO_FREE char *path = open_path(url);
    if (!path)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a URL");
#define ADD(...)                                                                                   \
    (at += at < sizeof text ? (size_t)snprintf(text + at, sizeof text - at, __VA_ARGS__) : 0)
    ADD("%s:%s", url->scheme, url->authority ? "//" : "");
    if (url->user)
        ADD("%s@", strchr(url->user, ':') ? "\xe2\x80\xa6" : MS_SHOW(ms_str(url->user)));
    if (url->host)
        ADD(strchr(url->host, ':') ? "[%s]" : "%s", MS_SHOW(ms_str(url->host)));
    if (url->port >= 0)
        ADD(":%d", url->port);
    ADD("%s", path);
    for (size_t i = 0; i < url->option_count; i++) {
        const struct ms_url_option *o = &url->options[i];
        ADD("%c%s=%s", i ? '&' : '?', MS_SHOW(ms_str(o->key)),
            open_option(o->key) ? MS_SHOW(ms_str(o->value)) : "\xe2\x80\xa6");
    }
#undef ADD
    keep_safe(url, text);
    return 0;
}

static int no_scheme(struct ms_view text, struct ms_error *err)
{
    /* with an '@' it might hold a password, and so might its options */
    struct ms_view open = until(text, '?');
    const char *shown = memchr(text.data, '@', text.size) ? "\xe2\x80\xa6" : MS_SHOW(open);
    if (text.data[0] == '/')
        return ms_error_set(err, MS_ERR_URL, "\"%s\" is no URL: expected for example file://%s",
                            shown, shown);
    return ms_error_set(err, MS_ERR_URL, "\"%s\" is no URL: expected for example file:///srv/store",
                        shown);
}

static int parse_scheme(struct ms_url *url, struct ms_view *text, struct ms_error *err)
{
    struct ms_view scheme = until(*text, ':');
    bool good =
        scheme.size > 0 && scheme.size < text->size && scheme.size <= 32 && isalpha(scheme.data[0]);
    for (size_t i = 0; good && i < scheme.size; i++)
        good = isalnum(scheme.data[i]) || strchr("+-.", scheme.data[i]);
    if (!good)
        return no_scheme(*text, err);
    url->scheme = strndup((const char *)scheme.data, scheme.size);
    if (!url->scheme)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a URL");
    for (char *c = url->scheme; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    *text = after(*text, scheme.size + 1);
    return 0;
}

static int parse(struct ms_url *url, struct ms_view text, struct ms_error *err)
{
    int code = parse_scheme(url, &text, err);
    if (!code)
        code = ms_secret_check(text, err);
    struct ms_view rest = until(text, '?');
    struct ms_view options = after(text, rest.size + 1);
    if (!code && ms_starts_with(rest, ms_str("//"))) {
        url->authority = true;
        rest = after(rest, 2);
        struct ms_view authority = until(rest, '/');
        code = parse_authority(url, authority, err);
        rest = after(rest, authority.size);
    }
    if (!code)
        code = decode(rest, "path", &url->path, err);
    if (!code && !(url->raw_path = strndup((const char *)rest.data, rest.size)))
        code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a URL");
    if (!code)
        code = parse_options(url, options, err);
    return code;
}

int ms_url_parse(const char *text, struct ms_url **out, struct ms_error *err)
{
    size_t size = strlen(text);
    if (size == 0)
        return ms_error_set(err, MS_ERR_URL,
                            "an empty URL: expected for example file:///srv/store");
    if (size > URL_MAX_BYTES)
        return ms_error_set(err, MS_ERR_URL, "a URL longer than %d bytes", URL_MAX_BYTES);
    struct ms_url *url = calloc(1, sizeof *url);
    if (!url)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a URL");
    url->port = -1;
    int code = parse(url, ms_view(text, size), err);
    if (!code)
        code = write_safe(url, err);
    if (code) {
        ms_url_free(url);
        return code;
    }
    *out = url;
    return 0;
}

const char *ms_url_take(struct ms_url *url, const char *key)
{
    for (size_t i = 0; i < url->option_count; i++) {
        struct ms_url_option *o = &url->options[i];
        if (!o->taken && strcmp(o->key, key) == 0) {
            o->taken = true;
            return o->value;
        }
    }
    return NULL;
}

int ms_url_check_taken(const struct ms_url *url, struct ms_error *err)
{
    for (size_t i = 0; i < url->option_count; i++)
        if (!url->options[i].taken)
            return ms_error_set(err, MS_ERR_URL, "%s: the option \"%s\" is unknown here", url->safe,
                                MS_SHOW(ms_str(url->options[i].key)));
    return 0;
}
