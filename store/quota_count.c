/* store/quota_count.c - the stored count of a Store with a quota (see its header). No state. */
#include "store/quota_count.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

#define ADD_ATTEMPTS 10
#define TEXT_MAX     100

static const struct ms_item_ref *count_item(void)
{
    static const char name[] = "quota.hid";
    static const struct ms_item_ref item = {.key = {(const uint8_t *)name, sizeof(name) - 1},
                                            .internal = true};
    return &item;
}

/* Digits, with blanks around them as Python's int() takes them. */
static bool parse_count(struct ms_view text, uint64_t *out)
{
    char digits[TEXT_MAX + 1];
    while (text.size && strchr(" \t\r\n", text.data[text.size - 1]))
        text.size--;
    while (text.size && text.data[0] && strchr(" \t\r\n", text.data[0]))
        text = ms_view(text.data + 1, text.size - 1);
    if (text.size == 0 || text.size > TEXT_MAX)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    memcpy(digits, text.data, text.size);
    digits[text.size] = '\0';
    return ms_parse_u64(digits, "count", UINT64_MAX, out, NULL) == 0;
}

/* *valid false: there is none, or none that is a number. */
static int read_count(struct ms_store *inner, uint64_t *out, bool *valid, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *text = NULL;
    struct ms_error own = {0};
    int code = inner->ops->load(inner, *count_item(), 0, TEXT_MAX + 1, &text, &own);
    *valid = code == 0 && parse_count(ms_buf_view(text), out);
    if (code == 0 || code == MS_ERR_NOT_FOUND)
        return 0;
    return ms_error_set(err, code, "reading the quota's count: %s", own.text);
}

static int write_count(struct ms_store *inner, uint64_t value, const struct ms_precondition *pre,
                       struct ms_error *err)
{
    char text[24];
    int size = snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    struct ms_buf_borrowed place;
    struct ms_tag tag;
    int code = inner->ops->store(
        inner, *count_item(), ms_buf_borrow(&place, ms_view(text, (size_t)size)), pre, &tag, err);
    return code ? ms_error_prefix(err, code, "writing the quota's count") : 0;
}

/* Sizes of all items, live and deleted. */
static int count_all(struct ms_store *inner, uint64_t *out, struct ms_error *err)
{
    struct ms_list_options all = MS_LIST_OPTIONS_INIT;
    all.deleted = MS_LIST_BOTH;
    struct ms_store_lister *lister;
    uint64_t sum = 0;
    int code = inner->ops->list(inner, "", &all, &lister, err);
    if (code)
        return ms_error_prefix(err, code, "counting for the quota");
    const struct ms_item *item;
    while ((code = lister->ops->next(lister, &item, err)) == 0 && item)
        if (!ms_add_size(sum, item->info.size_bytes, &sum))
            sum = UINT64_MAX;
    lister->ops->close(lister);
    if (code)
        return ms_error_prefix(err, code, "counting for the quota");
    *out = sum;
    return 0;
}

int ms_quota_count_open(struct ms_store *inner, uint64_t *out, struct ms_error *err)
{
    bool valid;
    int code = read_count(inner, out, &valid, err);
    if (code || valid)
        return code;
    code = count_all(inner, out, err);
    if (code)
        return code;
    struct ms_error own = {0};
    const struct ms_precondition always = {0};
    if (write_count(inner, *out, &always, &own))
        ms_log(MS_LOG_WARN, "%s: %s", inner->url, own.text);
    return 0;
}

/* One attempt: CONFLICT when somebody else wrote between our reading and writing. */
static int add_once(struct ms_store *inner, int64_t change, bool by_tag, uint64_t *out,
                    struct ms_error *err)
{
    struct ms_precondition pre = {.kind = MS_ALWAYS};
    if (by_tag) {
        struct ms_item_info info;
        int code = inner->ops->info(inner, *count_item(), &info, err);
        if (code)
            return code;
        if (info.exists && info.tag.text[0])
            pre = (struct ms_precondition){MS_IF_TAG, info.tag};
    }
    uint64_t value;
    bool valid;
    int code = read_count(inner, &value, &valid, err);
    if (code)
        return code;
    if (!valid) { /* the truth, the change included */
        code = count_all(inner, &value, err);
        change = 0;
    }
    if (code)
        return code;
    if (change < 0)
        value = value < -(uint64_t)change ? 0 : value - -(uint64_t)change;
    else if (!ms_add_size(value, (uint64_t)change, &value))
        value = UINT64_MAX;
    code = write_count(inner, value, &pre, err);
    if (!code)
        *out = value;
    return code;
}

int ms_quota_count_add(struct ms_store *inner, int64_t change, uint64_t *out, struct ms_error *err)
{
    struct ms_capabilities can;
    inner->ops->capabilities(inner, &can);
    bool by_tag = can.flags & MS_CAP_IF_TAG;
    int code = MS_ERR_CONFLICT;
    for (int i = 0; i < ADD_ATTEMPTS && code == MS_ERR_CONFLICT; i++)
        code = add_once(inner, change, by_tag, out, err);
    return code;
}

int ms_quota_count_remove(struct ms_store *inner, struct ms_error *err)
{
    int code = inner->ops->remove(inner, *count_item(), err);
    return code == MS_ERR_NOT_FOUND ? 0 : code;
}
