/* store/options.h - a caller's option structs, which may be older and shorter than ours, completed.
 */
#ifndef STORE_OPTIONS_H
#define STORE_OPTIONS_H

#include <mstore/store.h>

#include "base/assert.h"

/* What the caller's struct has beyond our size is from a newer header and not looked at. */
#define MS_COMPLETE(type, init, options)                                                           \
    ({                                                                                             \
        struct type complete_ = init;                                                              \
        if (options) {                                                                             \
            ms_assert((options)->struct_size >= sizeof(size_t));                                   \
            memcpy(&complete_, (options),                                                          \
                   (options)->struct_size < sizeof complete_ ? (options)->struct_size              \
                                                             : sizeof complete_);                  \
            complete_.struct_size = sizeof complete_;                                              \
        }                                                                                          \
        complete_;                                                                                 \
    })

static inline struct ms_load_options ms_load_options(const struct ms_load_options *options)
{
    return MS_COMPLETE(ms_load_options, MS_LOAD_OPTIONS_INIT, options);
}

static inline struct ms_store_value_options
ms_store_value_options(const struct ms_store_value_options *options)
{
    return MS_COMPLETE(ms_store_value_options, MS_STORE_VALUE_OPTIONS_INIT, options);
}

static inline struct ms_list_options ms_list_options(const struct ms_list_options *options)
{
    return MS_COMPLETE(ms_list_options, MS_LIST_OPTIONS_INIT, options);
}

static inline struct ms_store_options ms_store_options(const struct ms_store_options *options)
{
    return MS_COMPLETE(ms_store_options, MS_STORE_OPTIONS_INIT, options);
}

#endif
