/* mstore/missing.h - which members a listing has to do without, in one sentence. One thread. */
#ifndef MSTORE_MISSING_H
#define MSTORE_MISSING_H

#include <mstore/base.h>

struct ms_missing { /* zero it */
    size_t count, used;
    int code;       /* of the first */
    char text[400]; /* "nas: connection failed; disk: …", cut when longer */
};

/* The sentence begins with the member's name already: "member nas: …" or "nas: …". */
bool ms_missing_names(const char *text, const char *member);
void ms_missing_add(struct ms_missing *m, const char *member, const struct ms_error *why);
/* What is listed: a namespace, or "" of all that is in the root. */
#define MS_MISSING_LISTING 160
const char *ms_missing_listing(char text[MS_MISSING_LISTING], const char *what);
/* "listing \"data\" could leave out keys, …: nas: …; disk: …"; `tolerated`: members that may be
 * missing. Returns the code. */
int ms_missing_error(const struct ms_missing *m, const char *what, size_t members, size_t tolerated,
                     struct ms_error *err);
/* Not a member's fault: the caller has cancelled, or there is no memory here. */
static inline bool ms_missing_none(int code)
{
    return code == MS_ERR_CANCELLED || code == MS_ERR_NO_MEMORY;
}

#endif
