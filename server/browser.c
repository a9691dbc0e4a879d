/* server/browser.c - see server/browser.h. */
#include "server/browser.h"

#include "server/counts.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* "name:port", "[v6]:port" without the port and the brackets; false: neither, or too long. */
static bool host_name(const char *text, char *name, size_t size)
{
    bool bracket = *text == '[';
    const char *end = bracket ? strchr(text, ']') : strrchr(text, ':');
    const char *from = bracket ? text + 1 : text;
    size_t length = end ? (size_t)(end - from) : strlen(from);
    if (bracket && (!end || (end[1] && end[1] != ':')))
        return false;
    if (length >= size)
        return false;
    memcpy(name, from, length);
    name[length] = '\0';
    return true;
}

static bool is_address(const char *name)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static bool is_named(const struct server_words *words, const char *name)
{
    for (size_t i = 0; i < words->count; i++) {
        char host[256];
        if (!strcasecmp(words->at[i], name) ||
            (host_name(words->at[i], host, sizeof host) && !strcasecmp(host, name)))
            return true;
    }
    return false;
}

bool server_host_is_ours(const struct exchange *x, const struct server_conf *conf)
{
    const char *host = exchange_header(x, "Host");
    char name[256];
    if (!host || exchange_secure(x))
        return true;
    if (exchange_header_count(x, "Host") == 1 && host_name(host, name, sizeof name) &&
        (is_address(name) || !strcasecmp(name, "localhost") || is_named(&conf->listen, name) ||
         is_named(&conf->host_names, name)))
        return true;
    server_count_refused(SERVER_REFUSED_HOST);
    return false;
}

static bool refuse(struct exchange *x, int status, const char *why)
{
    exchange_set_reason(x, why);
    exchange_reply_text(x, status, why);
    return true;
}

bool server_refuses_browser(struct exchange *x, const struct server_conf *conf, bool anyone)
{
    if (exchange_header(x, "Origin") || exchange_header(x, "Sec-Fetch-Site")) {
        server_count_refused(SERVER_REFUSED_ORIGIN);
        return refuse(x, 403, "this protocol is for programs, not for pages in a browser");
    }
    return anyone && !exchange_local(x) && !server_host_is_ours(x, conf) &&
           refuse(x, 421, SERVER_HOST_REFUSED);
}
