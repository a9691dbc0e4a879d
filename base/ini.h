/* base/ini.h - INI text: "[section]" or "[section name]", "key = value", '#' or ';' comment lines.
 *
 * A value runs to the end of the line, blanks around it cut; no quoting, no continuation, no inline
 * comments. UTF-8, no NUL, lines up to 4096 bytes; CR LF is accepted. A key before any section, a
 * repeated key in a section, or anything else is MS_ERR_CONFIG naming SOURCE:LINE.
 */
#ifndef BASE_INI_H
#define BASE_INI_H

#include <mstore/base.h>

struct ms_ini_entry {
    const char *section; /* "store" of "[store nas]" */
    const char *name;    /* "nas"; "" when the section has none */
    const char *key;     /* NULL: the section itself begins */
    const char *value;
    unsigned line;
};

/* Calls entry() for each; a code it returns other than 0 ends the parse and is returned. Strings
 * are borrowed for the call. */
int ms_ini_parse(struct ms_view text, const char *source,
                 int (*entry)(void *ctx, const struct ms_ini_entry *e, struct ms_error *err),
                 void *ctx, struct ms_error *err) MS_MUST_CHECK;
/* The same over a file of at most 1 MiB; NOT_FOUND when there is none. */
int ms_ini_parse_file(const char *path,
                      int (*entry)(void *ctx, const struct ms_ini_entry *e, struct ms_error *err),
                      void *ctx, struct ms_error *err) MS_MUST_CHECK;

#endif
