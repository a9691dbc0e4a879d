/* tests/proxy/client.h - a cutproxy of the test's own, told what to do over its control channel.
 *
 * It ends when the test ends, whichever way. CUTPROXY in the environment is its path. */
#ifndef PROXY_CLIENT_H
#define PROXY_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct proxy_client {
    pid_t pid;
    FILE *to, *from;
    int port;
};

struct proxy_state {
    int acted;
    unsigned long long up, down; /* bytes since the last rule */
    unsigned long connections;
};

/* "HOST:PORT", and further arguments ended by NULL (or NULL). False: says why on standard error. */
bool proxy_start(struct proxy_client *p, const char *target, const char *const *options);
void proxy_stop(struct proxy_client *p);
/* Sends one line and waits for the answer; false unless it is "ok". */
bool proxy_tell(struct proxy_client *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool proxy_ask(struct proxy_client *p, struct proxy_state *out);
/* Where each piece that went "up" or "down" began since the last rule; returns how many, at most
 * `room`. */
size_t proxy_trace(struct proxy_client *p, const char *direction, uint64_t *begins, size_t room);

#endif
