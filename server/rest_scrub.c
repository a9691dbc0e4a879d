/* server/rest_scrub.c - sentences for clients, without where the storage lies. Pure. */
#include "server/rest_parts.h"

#include <stdio.h>
#include <string.h>

#define SHOWN "[STORAGE_BASE]"

static bool ends_word(char c)
{
    return c == '\0' || strchr(" \t\r\n\"'(),;<>", c) != NULL;
}

/* The word begins with the scheme of a driver and ':', and something follows at once. */
static bool is_url(const char *word, size_t size)
{
    for (size_t i = 0;; i++) {
        const struct ms_backend_type *type = ms_backend_type_at(i);
        if (!type)
            return size > 3 && memmem(word, size, "://", 3) != NULL;
        size_t scheme = strlen(type->scheme);
        if (size > scheme + 1 && strncmp(word, type->scheme, scheme) == 0 && word[scheme] == ':')
            return true;
    }
}

/* How much of the text at a word's start is to be hidden. */
static size_t hidden(const char *word, const char *base)
{
    size_t size = 0, of_base = base ? strlen(base) : 0;
    if (of_base && strncmp(word, base, of_base) == 0)
        size = of_base;
    while (!ends_word(word[size]))
        size++;
    if (!of_base || strncmp(word, base, of_base) != 0)
        if (!is_url(word, size) && !(word[0] == '/' && size > 1))
            return 0;
    while (size && strchr(":.!?", word[size - 1])) /* the sentence's own */
        size--;
    return size;
}

void rest_scrub(const char *text, const char *base, char *to, size_t room)
{
    size_t n = 0;
    bool start = true;
    while (*text && n + 1 < room) {
        size_t hide = start ? hidden(text, base) : 0;
        if (hide) {
            int wrote = snprintf(to + n, room - n, "%s", SHOWN);
            n = (size_t)wrote < room - n ? n + (size_t)wrote : room - 1;
            text += hide;
            start = false;
            continue;
        }
        start = ends_word(*text);
        to[n++] = *text++;
    }
    to[n] = '\0';
}
