/* mstore/layout_seal.c - a layout as it lies on members: the canonical text and its seal. Nothing
 * is believed, or even parsed, before the seal has been checked. */
#include "mstore/layout.h"

#include "base/cleanup.h"
#include "mstore/sealed.h"

#define PURPOSE "mstore layout"

int ms_layout_seal(const struct ms_layout *layout, const struct ms_seal_key *key,
                   struct ms_buf **out, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *body = NULL;
    int code = ms_layout_format(layout, &body, err);
    return code ? code : ms_sealed_make(ms_buf_view(body), PURPOSE, key, out, err);
}

int ms_layout_open(struct ms_view sealed, const char *source, const struct ms_seal_key *key,
                   const struct ms_uuid *uuid, uint64_t highest_epoch, struct ms_layout **out,
                   struct ms_error *err)
{
    struct ms_view body = {0};
    struct ms_layout *l = NULL;
    int code = ms_sealed_open(sealed, source, "the layout", PURPOSE, key, &body, err);
    if (!code)
        code = ms_layout_parse(body, source, &l, err);
    if (code)
        return code;
    if (uuid && !ms_uuid_equal(uuid, &l->uuid))
        code = ms_error_set(err, MS_ERR_UNTRUSTED, "%s: the layout is of another store, %s", source,
                            MS_UUID_SHOW(&l->uuid));
    else if (l->epoch < highest_epoch)
        code =
            ms_error_set(err, MS_ERR_UNTRUSTED,
                         "%s: layout %llu is older than %llu, which was seen before: the member "
                         "was away, or somebody set it back",
                         source, (unsigned long long)l->epoch, (unsigned long long)highest_epoch);
    if (code) {
        ms_layout_free(l);
        return code;
    }
    *out = l;
    return 0;
}
