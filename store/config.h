/* store/config.h - the configuration file of the command line (and later of the server).
 *
 * INI text (base/ini.h), by default $XDG_CONFIG_HOME/mstore/config or ~/.config/mstore/config;
 * $MSTORE_CONFIG names another. docs/config.md lists the keys:
 *
 *     [store nas]                      [namespace data]
 *     url = file:///srv/nas            levels = 2
 *     permissions = "":lr data:lrw     names = borgstore
 *     quota = 100GiB                   cache = writethrough
 *     cache = file:///var/cache/nas    cache-size = 2GiB
 *     jobs = 8                         cache-max-age = 7d
 *     names = bytes
 *     levels = 0
 *     levels.data = 0,2
 *
 * Immutable once loaded: any thread.
 */
#ifndef STORE_CONFIG_H
#define STORE_CONFIG_H

#include <mstore/store.h>

struct ms_config;

struct ms_config_store {
    const char *name, *url;  /* url: or the path of the file of a store of many, "/etc/home.conf" */
    const char *permissions; /* NULL: all */
    const char *cache_url;   /* NULL: none */
    uint64_t quota_bytes;    /* 0: none */
    unsigned jobs;           /* 0: the backend's best */
    unsigned line;           /* where it begins in the file */
};

/* path NULL: $MSTORE_CONFIG, else the default file, which may be missing (an empty configuration).
 * MS_ERR_CONFIG names FILE:LINE, also when a password is in a file that others may read;
 * MS_ERR_NOT_FOUND: a file that was named is not there. */
int ms_config_load(const char *path, struct ms_config **out, struct ms_error *err) MS_MUST_CHECK;
/* The same from text; `source` stands in messages. */
int ms_config_parse(struct ms_view text, const char *source, struct ms_config **out,
                    struct ms_error *err) MS_MUST_CHECK;
void ms_config_free(struct ms_config *config);
/* The file it came from, or would have come from; "" when there is no home folder. */
const char *ms_config_path(const struct ms_config *config);
/* NULL: no such store. */
const struct ms_config_store *ms_config_find(const struct ms_config *config, const char *name);
const struct ms_config_store *ms_config_store_at(const struct ms_config *config,
                                                 size_t index); /* NULL after the last */

/* Ready for ms_store_new(target->url, &target->options, …); owns all that options point to. */
struct ms_config_target {
    const char *url;
    struct ms_store_options options;
};
/* store: a URL (anything with a ':') or the name of a configured store. levels: "data=2",
 * "data=0,2", "=1" or "1" (root), as from --levels; they win over the file, a store's own levels
 * over its [namespace]. The configured namespaces apply to URLs too. */
int ms_config_resolve(const struct ms_config *config, const char *store, const char *const *levels,
                      size_t level_count, struct ms_config_target **out,
                      struct ms_error *err) MS_MUST_CHECK;
void ms_config_target_free(struct ms_config_target *target);

#endif
