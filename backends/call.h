/* backends/call.h - the frame around every call of a driver: what the wrappers' files share. */
#ifndef BACKENDS_CALL_H
#define BACKENDS_CALL_H

#include <mstore/backend.h>

enum { MS_BACKEND_CLOSED, MS_BACKEND_OPEN };

struct ms_call {
    struct ms_backend *backend;
    enum ms_verb verb;
    uint64_t begin; /* base/entity.h's unit */
};

/* Everything that may be wrong before the driver is asked: closed, cancelled. Calls that are
 * refused here, or for their arguments, are not counted. */
int ms_call_begin(struct ms_call *call, struct ms_backend *b, enum ms_verb verb,
                  struct ms_error *err) MS_MUST_CHECK;
/* Counts the call and makes its result one that the contract allows. */
int ms_call_end(struct ms_call *call, int code, uint64_t volume_bytes, struct ms_error *err);
/* The same in two halves, for handles whose life is one counted call. */
int ms_call_result(struct ms_backend *b, enum ms_verb verb, int code, struct ms_error *err);
void ms_call_count(struct ms_backend *b, enum ms_verb verb, uint64_t spent, int code,
                   uint64_t volume_bytes);
uint64_t ms_call_now(struct ms_backend *b);
uint64_t ms_call_since(struct ms_backend *b, uint64_t begin);

int ms_call_check_name(const struct ms_backend *b, struct ms_view name,
                       struct ms_error *err) MS_MUST_CHECK;
/* pre may be NULL (always); *out is never. */
int ms_call_check_pre(const struct ms_backend *b, const struct ms_precondition *pre,
                      const struct ms_precondition **out, struct ms_error *err) MS_MUST_CHECK;

#endif
