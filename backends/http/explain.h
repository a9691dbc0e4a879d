/* backends/http/explain.h - what libcurl says of a failure, as an error of ours. */
#ifndef BACKENDS_HTTP_EXPLAIN_H
#define BACKENDS_HTTP_EXPLAIN_H

#include "backends/http/http.h"

#include <curl/curl.h>

/* detail: libcurl's error buffer, may be ""; ca_file NULL: the system's. Returns the code. */
int ms_http_explain(const char *host, const char *ca_file, CURLcode result, const char *detail,
                    struct ms_error *err);

#endif
