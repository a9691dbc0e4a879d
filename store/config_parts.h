/* store/config_parts.h - a loaded configuration, for store/config.c and store/config_resolve.c. */
#ifndef STORE_CONFIG_PARTS_H
#define STORE_CONFIG_PARTS_H

#include "store/config.h"

struct ms_config_levels {
    size_t count; /* 0: not set */
    unsigned levels[MS_LEVELS_MAX];
};
struct ms_config_ns { /* [namespace NAME], or a levels.NAME of a store */
    char *name;
    struct ms_config_levels levels;
    bool has_names, has_cache, has_max_age, has_size;
    enum ms_names names;
    enum ms_cache_mode cache;
    uint64_t max_age_ns, size_bytes;
};
struct ms_config_ns_list {
    struct ms_config_ns *entries;
    size_t count;
};
struct ms_config_entry { /* [store NAME] */
    struct ms_config_store shown;
    char *name, *url, *permissions, *cache_url;
    bool has_names;
    enum ms_names names;
    struct ms_config_ns_list levels;
};
struct ms_config {
    char *path;
    struct ms_config_entry *stores;
    size_t store_count;
    struct ms_config_ns_list namespaces;
    unsigned secret_line; /* of the first URL with a password; 0: none */
};

/* The entry of that name, added when there is none; NULL: no memory. */
struct ms_config_ns *ms_config_ns_named(struct ms_config_ns_list *list, struct ms_view name);
const struct ms_config_ns *ms_config_ns_find(const struct ms_config_ns_list *list,
                                             struct ms_view name);
void ms_config_ns_list_free(struct ms_config_ns_list *list);
/* "0,2". The sentence is the end of one that says where. */
int ms_config_parse_levels(const char *text, struct ms_config_levels *out,
                           struct ms_error *err) MS_MUST_CHECK;
/* "" or "a/b". */
int ms_config_check_ns(struct ms_view name, struct ms_error *err) MS_MUST_CHECK;

#endif
