/* base/log.h - one line to whoever listens. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <mstore/base.h>

void ms_log(enum ms_log_level level, const char *fmt, ...) MS_PRINTF(2, 3);
bool ms_log_wants(enum ms_log_level level);

#endif
