/* output.h - standard output and error: names shown safely, times, errors of the output itself. */
#ifndef TOOLS_MSTORE_OUTPUT_H
#define TOOLS_MSTORE_OUTPUT_H

#include "base/json.h"

#include <mstore/base.h>
#include <stdio.h>

/* A name on standard output: raw for a program, odd bytes as \xNN on a terminal, where they could
 * do harm. */
void ms_out_name(struct ms_view name);
/* "2026-11-21T05:00:00Z" into buf; "-" for 0, which means unknown. Returns buf. */
#define MS_OUT_TIME_SIZE 40
const char *ms_out_time(char *buf, size_t size, int64_t wall_ns);
/* Shows what was printed so far; that it failed is told by the next two. One thread. */
void ms_out_show(void);
/* MS_CLI_PIPE_CLOSED or MS_CLI_LOCAL as soon as standard output has failed. */
int ms_out_check(struct ms_error *err) MS_MUST_CHECK;
/* Flushes, then the same. */
int ms_out_flush(struct ms_error *err) MS_MUST_CHECK;
/* Begins one JSON value on standard output, with a newline behind it. */
void ms_out_json(struct ms_json *json);

/* ---- files and pipes, with Ctrl-C looked at ------------------------------------------------- */

/* Reads until `size` bytes are there or the input ends. `what` names it in messages. */
int ms_fd_read(int fd, const char *what, uint8_t *into, size_t size, size_t *got,
               struct ms_error *err) MS_MUST_CHECK;
int ms_fd_write(int fd, const char *what, struct ms_view bytes, struct ms_error *err) MS_MUST_CHECK;

#endif
