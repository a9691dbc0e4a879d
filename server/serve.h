/* server/serve.h - `mstore serve`: all that the command line calls. */
#ifndef SERVER_SERVE_H
#define SERVER_SERVE_H

#include "server/users.h" /* what `mstore passwd` makes lines with */

#include <mstore/base.h>

/* As a line of the configuration file: section "server" or "serve" (server/serve_conf.h). */
struct serve_setting {
    const char *section, *key, *value;
};

struct serve_options {
    const char *config;                   /* a file with [server] and [serve NAME]; NULL: none */
    const char *store;                    /* one store, when there is no such file */
    const struct serve_setting *settings; /* count the same as, and more than, the file's */
    size_t setting_count;
    bool stdio;      /* plain HTTP on stdin and stdout until end of input */
    bool activation; /* the sockets that systemd hands over, from descriptor 3 on */
    /* Once for each address, bound; secure: with TLS. May be NULL. */
    void (*ready)(void *ctx, const char *address, bool secure);
    void *ctx;
};

/* Serves until the current token fires (or stdin ends), then finishes what is under way. */
int serve_run(const struct serve_options *options, struct ms_error *err) MS_MUST_CHECK;

#endif
