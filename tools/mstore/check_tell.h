/* check_tell.h - what `mstore check` says, of one storage (cmd_check.c) and of a store of many
 * (check_many.c). */
#ifndef TOOLS_MSTORE_CHECK_TELL_H
#define TOOLS_MSTORE_CHECK_TELL_H

#include "base/json.h"
#include "tools/mstore/check.h"
#include "tools/mstore/cli.h"

struct ms_check_tally {
    size_t failures;
    int code;        /* of the first one */
    char first[160]; /* its step */
};

/* One line; nothing for what was skipped. */
void ms_check_print(const struct ms_check_result *r);
/* One object of the list "checks". */
void ms_check_json_result(struct ms_json *j, const struct ms_check_result *r);
/* All fields of one storage, behind each other. */
void ms_check_json(struct ms_json *j, const struct ms_check *c);
/* Counts it when it failed; who: "" or in front of the step's name. */
void ms_check_count(struct ms_check_tally *t, const char *who, const struct ms_check_result *r);
void ms_check_count_all(struct ms_check_tally *t, const char *who, const struct ms_check *c);
/* Nothing failed, or an error whose code is the exit status to be: that of the first failure. */
int ms_check_judge(const struct ms_check_tally *t, struct ms_error *err) MS_MUST_CHECK;
/* Tries out one storage; takes it. hint: what stands behind "mstore create"; NULL: its URL. c is
 * filled in also when the result is an error (cancelled, no memory). */
int ms_check_storage(struct ms_cli *cli, struct ms_backend *backend, const char *hint,
                     struct ms_check *c, struct ms_error *err) MS_MUST_CHECK;

/* A store of many: path is its file. */
int ms_check_many(struct ms_cli *cli, const char *path, struct ms_error *err) MS_MUST_CHECK;

#endif
