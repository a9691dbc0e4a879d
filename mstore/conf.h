/* mstore/conf.h - a client's own file of an MStore (home.conf): what it shares with others, and
 * what is its own: the URLs of members and the key.
 *
 *     [mstore]                         [member nas]                  [namespace data]
 *     key = 64 hex digits              url = sftp://me@nas/store     kind = immutable
 *     uuid = …                         weight = 4                    redundancy = ec 4+2
 *     placement = rendezvous           zone = home                   levels = 2
 *
 * [namespace] sections may be missing once the store exists: members hold the layout then. A file
 * with a secret in it (the key, a password in a URL) that others have any right to is refused.
 * Immutable once loaded: any thread.
 */
#ifndef MSTORE_CONF_H
#define MSTORE_CONF_H

#include "mstore/layout.h"

struct ms_mconf {
    /* Epoch 0, proposed; UUIDs are zero where the file has none; no spaces when it has none. */
    struct ms_layout *shared;
    char **urls; /* of shared->members, by index; secrets */
    bool has_key;
    struct ms_seal_key key;
    unsigned secret_line; /* of the first secret; 0: none */
};

/* MS_ERR_CONFIG: "SOURCE:LINE: …", one sentence, never a secret. Checks all that ms_layout_check
 * does when there are namespaces. */
int ms_mconf_parse(struct ms_view text, const char *source, struct ms_mconf **out,
                   struct ms_error *err) MS_MUST_CHECK;
/* The same from a file; also refuses one with secrets that others have any right to. */
int ms_mconf_load(const char *path, struct ms_mconf **out, struct ms_error *err) MS_MUST_CHECK;
/* Whether a store may be made of it: MS_ERR_CONFIG: a member is gone before it was there, or within
 * another. */
int ms_mconf_check_new(const struct ms_mconf *conf, const char *source,
                       struct ms_error *err) MS_MUST_CHECK;
/* Whether a member may be at that url: MS_ERR_CONFIG: it lies within another one's storage, or that
 * in its. By how the urls are written. */
int ms_mconf_check_apart(const struct ms_mconf *conf, const char *name, const char *url,
                         struct ms_error *err) MS_MUST_CHECK;
void ms_mconf_free(struct ms_mconf *conf); /* wipes secrets */
/* Whether a member's url, or a command's argument, is such a file's path ("home.conf") and no URL:
 * a store of many members. */
bool ms_mconf_is_path(const char *url);
struct ms_backend;
/* The storage, closed, of the member of that name, by the file at path as it is now; NOT_FOUND: it
 * has none. For who looks at it beneath the store. */
int ms_mconf_backend(const char *path, const char *member, struct ms_backend **out,
                     struct ms_error *err) MS_MUST_CHECK;
/* Whether the storage of every member can be made, by the file at path: there is a driver for each
 * url, and stores within the store fit. None is asked. */
int ms_mconf_try(const char *path, struct ms_error *err) MS_MUST_CHECK;
/* The URL of the member of that name; NULL: the file has none. */
const char *ms_mconf_url(const struct ms_mconf *conf, const char *member);

#endif
