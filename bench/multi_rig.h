/* bench/multi_rig.h - an MStore to measure: a file with N members, and a way to let one of them
 * die. Errors end the program. */
#ifndef BENCH_MULTI_RIG_H
#define BENCH_MULTI_RIG_H

#include <mstore/mstore.h>
#include <mstore/multi.h>

#define RIG_MEMBERS_MAX 6

struct rig_options {
    const char *name; /* of the file, and of what the members are called */
    unsigned members;
    const char *url;    /* of a member, a format with one %s for its name */
    const char *policy; /* lines of [namespace] */
};

/* Created and open. `folder` holds the file. */
struct ms_store *rig_open(const char *folder, const struct rig_options *options);
/* From now on each call on the memory storage rig:NAME takes three seconds and ends with a
 * time-out; NULL: all live. */
void rig_kill(const char *name);
void rig_register(void);
/* Ends the program when code is not 0. */
void rig_ok(int code, const char *what, const struct ms_error *err);

#endif
