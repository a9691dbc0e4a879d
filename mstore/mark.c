/* mstore/mark.c - see mstore/mark.h. */
#include "mstore/mark.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/sealed.h"

#include <stdio.h>

#define PURPOSE "mstore member"

static const char head[] = "[member]\nstore = ", between[] = "\nuuid = ";
#define STORE_AT  (sizeof head - 1)
#define UUID_AT   (STORE_AT + MS_UUID_TEXT - 1 + sizeof between - 1)
#define BODY_SIZE (UUID_AT + MS_UUID_TEXT - 1)

int ms_mark_make(const struct ms_uuid *store, const struct ms_uuid *member,
                 const struct ms_seal_key *key, struct ms_buf **out, struct ms_error *err)
{
    char text[BODY_SIZE + 1];
    snprintf(text, sizeof text, "%s%s%s%s", head, MS_UUID_SHOW(store), between,
             MS_UUID_SHOW(member));
    return ms_sealed_make(ms_view(text, BODY_SIZE), PURPOSE, key, out, err);
}

bool ms_mark_named(struct ms_view found, const struct ms_uuid *store, const struct ms_seal_key *key,
                   struct ms_uuid *out)
{
    MS_AUTO_BUF struct ms_buf *right = NULL;
    char text[MS_UUID_TEXT];
    if (found.size <= BODY_SIZE || memcmp(found.data, head, STORE_AT) != 0)
        return false;
    memcpy(text, found.data + UUID_AT, sizeof text - 1);
    text[sizeof text - 1] = 0;
    return ms_uuid_parse(text, "", out, NULL) == 0 &&
           ms_mark_make(store, out, key, &right, NULL) == 0 && ms_equal(ms_buf_view(right), found);
}

int ms_mark_check(struct ms_view found, const struct ms_uuid *store, const struct ms_uuid *member,
                  const struct ms_seal_key *key, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *right = NULL;
    struct ms_uuid other;
    int code = ms_mark_make(store, member, key, &right, err);
    if (code || ms_equal(ms_buf_view(right), found))
        return code;
    if (ms_mark_named(found, store, key, &other))
        return ms_error_set(err, MS_ERR_UNTRUSTED,
                            "the storage is that of member %s, not of this one, %s: were the "
                            "urls or names of two members exchanged in the configuration?",
                            MS_UUID_SHOW(&other), MS_UUID_SHOW(member));
    return ms_error_set(err, MS_ERR_UNTRUSTED,
                        "the storage's mark is damaged, or the key in the configuration is "
                        "another store's: put the right key, or the file mstore-…/member as it "
                        "was, in place, or replace the member");
}
