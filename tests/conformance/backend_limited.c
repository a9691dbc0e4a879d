/* A backend in memory behind what keeps a quota, without a limit (and so without a count beside the
 * values): its handles, the Store with the backend's names and the filter of Stores keep the
 * backend's promises. What a limit changes is in tests/unit/test_store_quota_backend.c. */
#include "backend_suite.h"

#include "store/quota_backend.h"

static int limited_make(struct ms_url *url, const struct ms_backend_env *env,
                        struct ms_backend **out, struct ms_error *err)
{
    struct ms_backend *inner;
    (void)url;
    int code = ms_backend_make("memory:", env, &inner, err);
    return code ? code : ms_quota_backend_new(inner, 0, out, err);
}

const struct ms_backend_type limited_type = {
    .scheme = "limited", .usage = "limited:", .make = limited_make};
