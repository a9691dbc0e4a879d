/* backends/registry.h - the drivers that come with mstore. */
#ifndef BACKENDS_REGISTRY_H
#define BACKENDS_REGISTRY_H

#include <mstore/backend.h>

extern const struct ms_backend_type ms_backend_posix;
extern const struct ms_backend_type ms_backend_memory;
extern const struct ms_backend_type ms_backend_s3;
extern const struct ms_backend_type ms_backend_b2;
extern const struct ms_backend_type ms_backend_http;
extern const struct ms_backend_type ms_backend_https;
extern const struct ms_backend_type ms_backend_rest;
extern const struct ms_backend_type ms_backend_sftp;

#endif
