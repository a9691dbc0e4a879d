/* backends/registry.h - the drivers that come with mstore. */
#ifndef BACKENDS_REGISTRY_H
#define BACKENDS_REGISTRY_H

#include <mstore/backend.h>

extern const struct ms_backend_type ms_backend_posix;
extern const struct ms_backend_type ms_backend_memory;

#endif
