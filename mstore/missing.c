/* mstore/missing.c - see mstore/missing.h. */
#include "mstore/missing.h"

#include <stdio.h>

bool ms_missing_names(const char *text, const char *member)
{
    text += strncmp(text, "member ", 7) == 0 ? 7 : 0;
    size_t size = strlen(member);
    return strncmp(text, member, size) == 0 && text[size] == ':';
}

void ms_missing_add(struct ms_missing *m, const char *member, const struct ms_error *why)
{
    bool named = ms_missing_names(why->text, member);
    int n = snprintf(m->text + m->used, sizeof m->text - m->used, "%s%s%s%s", m->count ? "; " : "",
                     named ? "" : member, named ? "" : ": ",
                     why->text[0] ? why->text : ms_code_text(why->code));
    if (n > 0)
        m->used = m->used + (size_t)n < sizeof m->text ? m->used + (size_t)n : sizeof m->text - 1;
    if (!m->count++)
        m->code = why->code;
}

const char *ms_missing_listing(char text[MS_MISSING_LISTING], const char *what)
{
    if (!what[0])
        return "listing the store";
    snprintf(text, MS_MISSING_LISTING, "listing \"%s\"", what);
    return text;
}

int ms_missing_error(const struct ms_missing *m, const char *what, size_t members, size_t tolerated,
                     struct ms_error *err)
{
    char text[MS_MISSING_LISTING];
    return ms_error_set(err, m->code,
                        "%s could leave out keys: %zu of %zu members fail where %zu may: %s",
                        ms_missing_listing(text, what), m->count, members, tolerated, m->text);
}
