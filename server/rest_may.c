/* server/rest_may.c - the letters that each request needs.
 *
 *     create  w or W on the root     info    l or r         delete  D
 *     destroy D on the root          load    r              move    D on the old name, and on the
 *     mkdir   w                      hash    r                      new one what store needs
 *     rmdir   w or D                 store   W; w when      defrag  r on the parts, W on the target
 *     list    l                              it is new
 */
#include "server/rest_parts.h"

#include "base/text.h"
#include "server/face.h"

#include <string.h>

static int deny(const char *deed, const char *name, unsigned needs, struct ms_error *err)
{
    char text[MS_MAY_TEXT];
    ms_permission_letters(needs, text);
    return ms_error_set(err, MS_ERR_PERMISSION, "Permission denied: %s %s needs %s%s", deed,
                        *name ? MS_SHOW(ms_str(name)) : "the store", text[1] ? "one of " : "",
                        text);
}

int rest_may(const struct rest_call *c, const char *deed, const char *name, unsigned any,
             struct ms_error *err)
{
    return server_served_granted(c->served, ms_str(name)) & any ? 0 : deny(deed, name, any, err);
}

int rest_may_store(const struct rest_call *c, const char *deed, const char *name, bool *only_new,
                   struct ms_error *err)
{
    unsigned may = server_served_granted(c->served, ms_str(name));
    *only_new = !(may & MS_MAY_OVERWRITE);
    return may & (MS_MAY_CREATE | MS_MAY_OVERWRITE)
               ? 0
               : deny(deed, name, MS_MAY_CREATE | MS_MAY_OVERWRITE, err);
}

int rest_only_new(struct rest_call *c, const char *name, enum ms_capability by,
                  struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_info info;
    *pre = (struct ms_precondition){.kind = MS_ALWAYS};
    if (!c->only_new)
        return 0;
    if (c->store->flags & by)
        pre->kind = MS_IF_ABSENT;
    else if (!c->claim) {
        int code = rest_store_claim(c->store, ms_str(name), &c->claim, err);
        if (code)
            return code;
    }
    int code = ms_backend_info(c->b, ms_str(name), &info, err);
    if (!code && info.exists && !info.directory)
        code = deny("overwriting", name, MS_MAY_OVERWRITE, err);
    return code;
}

int rest_only_new_result(const struct rest_call *c, const char *name, int code,
                         struct ms_error *err)
{
    struct ms_info info;
    if (!c->only_new || code != MS_ERR_EXISTS)
        return code;
    bool directory =
        !ms_backend_info(c->b, ms_str(name), &info, NULL) && (!info.exists || info.directory);
    return directory ? code : deny("overwriting", name, MS_MAY_OVERWRITE, err);
}
