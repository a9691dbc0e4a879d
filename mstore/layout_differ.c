/* mstore/layout_differ.c - what a client's own file says of namespaces, held against the layout in
 * force (see mstore/layout.h). No state. */
#include "mstore/layout_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct telling {
    const struct ms_layout_space *mine, *theirs;
    void (*tell)(void *ctx, const char *sentence);
    void *ctx;
};

static void say(const struct telling *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void say(const struct telling *t, const char *fmt, ...)
{
    char sentence[800];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    t->tell(t->ctx, sentence);
}

static const char *blank(const struct ms_layout_space *s)
{
    return *s->name ? " " : "";
}

static void compare(const struct telling *t, const char *key, const char *mine, const char *theirs)
{
    if (strcmp(mine, theirs) != 0)
        say(t,
            "[namespace%s%s] has %s = %s in the store and %s = %s in this file: the store's holds, "
            "for changing policies is not there yet",
            blank(t->mine), t->mine->name, key, theirs, key, mine);
}

#define LEVELS_TEXT (MS_LEVELS_MAX * 12)

static const char *levels(const struct ms_layout_space *s, char text[LEVELS_TEXT])
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < s->level_count; i++)
        used +=
            (size_t)snprintf(text + used, LEVELS_TEXT - used, "%s%u", i ? "," : "", s->levels[i]);
    return text;
}

static const char *names(const struct ms_layout_space *s)
{
    return s->names == MS_NAMES_BYTES ? "bytes" : "borgstore";
}

static void compare_all(const struct telling *t)
{
    const struct ms_layout_space *a = t->mine, *b = t->theirs;
    char mine[MS_REDUNDANCY_TEXT], theirs[MS_REDUNDANCY_TEXT];
    char my_levels[LEVELS_TEXT], their_levels[LEVELS_TEXT];
    compare(t, "kind", ms_layout_kinds[a->kind], ms_layout_kinds[b->kind]);
    compare(t, "redundancy", ms_redundancy_format(a, mine), ms_redundancy_format(b, theirs));
    compare(t, "levels", levels(a, my_levels), levels(b, their_levels));
    compare(t, "verify", a->verify ? "sha256" : "none", b->verify ? "sha256" : "none");
    compare(t, "compress", a->compress ? "zstd" : "none", b->compress ? "zstd" : "none");
    compare(t, "names", names(a), names(b));
}

static void is_missing(const struct telling *t)
{
    char redundancy[MS_REDUNDANCY_TEXT];
    if (!t->theirs)
        say(t,
            "the store has no [namespace%s%s], and nothing is stored under that name: adding one "
            "is not there yet",
            blank(t->mine), t->mine->name);
    else
        say(t,
            "the store has no [namespace%s%s]: such keys are kept as [namespace%s%s] says in the "
            "store (kind = %s, redundancy = %s), for adding one is not there yet",
            blank(t->mine), t->mine->name, blank(t->theirs), t->theirs->name,
            ms_layout_kinds[t->theirs->kind], ms_redundancy_format(t->theirs, redundancy));
}

void ms_layout_differences(const struct ms_layout *file, const struct ms_layout *in_force,
                           void (*tell)(void *ctx, const char *sentence), void *ctx)
{
    for (size_t i = 0; i < file->space_count; i++) {
        const struct ms_layout_space *mine = &file->spaces[i];
        struct telling t = {mine, ms_layout_space(in_force, ms_str(mine->name)), tell, ctx};
        if (t.theirs && strcmp(t.theirs->name, mine->name) == 0)
            compare_all(&t);
        else
            is_missing(&t);
    }
}
