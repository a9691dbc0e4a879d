/* The checked call that deletes many: what is wrong with one name keeps the driver from that one
 * only, and each is counted as the delete it is.
 *
 * Any thread; the items belong to the caller. */
#include "backends/call.h"
#include "backends/fallback.h"

#include "base/cleanup.h"
#include "base/text.h"

/* As items come to the driver: no success, and no sentence. */
static bool untried(const struct ms_deletion *item)
{
    return item->result.code == MS_ERR_CANCELLED && !item->result.text[0];
}

static void set_untried(struct ms_deletion *items, size_t count, const struct ms_error *result)
{
    for (size_t i = 0; i < count; i++)
        if (untried(&items[i]))
            items[i].result = *result;
}

/* The items whose names are good; the others get their result. */
static size_t choose(struct ms_backend *b, struct ms_deletion *items, size_t count,
                     struct ms_deletion **chosen)
{
    size_t good = 0;
    for (size_t i = 0; i < count; i++) {
        struct ms_error err = {0};
        if (ms_call_check_name(b, items[i].name, &err))
            items[i].result = err;
        else
            chosen[good++] = &items[i];
    }
    return good;
}

/* Results that the contract allows, counted; the time is that of the call, in equal parts. */
static void settle(struct ms_backend *b, struct ms_deletion *const *items, size_t count,
                   uint64_t spent)
{
    for (size_t i = 0; i < count; i++) {
        struct ms_error *result = &items[i]->result;
        if (untried(items[i]))
            ms_error_set(result, MS_ERR_INTERNAL, "%s: the driver says nothing of %s", b->url,
                         MS_SHOW(items[i]->name));
        result->code = ms_call_result(b, MS_VERB_DELETE, result->code, result);
        ms_call_count(b, MS_VERB_DELETE, spent / count, result->code, 0);
    }
}

/* Through the frame: `call` has begun. */
static int run(struct ms_call *call, struct ms_deletion *items, size_t count, struct ms_error *err)
{
    struct ms_backend *b = call->backend;
    MS_AUTO_FREE struct ms_deletion **chosen = malloc(count * sizeof(*chosen));
    if (!chosen)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to delete %zu values", count);
    size_t good = choose(b, items, count, chosen);
    if (good == 0)
        return 0;
    int code = b->ops->remove_many ? b->ops->remove_many(b, chosen, good, err)
                                   : ms_fallback_remove_many(b, chosen, good, err);
    code = ms_call_result(b, MS_VERB_DELETE, code, err);
    if (code)
        set_untried(items, count, err);
    settle(b, chosen, good, ms_call_since(b, call->begin));
    return code;
}

int ms_backend_delete_many(struct ms_backend *b, struct ms_deletion *items, size_t count,
                           struct ms_error *err)
{
    struct ms_call call;
    struct ms_error own = {0};
    for (size_t i = 0; i < count; i++)
        items[i].result = (struct ms_error){.code = MS_ERR_CANCELLED};
    int code = ms_call_begin(&call, b, MS_VERB_DELETE, &own);
    if (!code && count)
        code = run(&call, items, count, &own);
    if (!code)
        return 0;
    set_untried(items, count, &own);
    if (err)
        *err = own;
    return code;
}
