/* mstore/layout_seal.c - a layout as it lies on members: the canonical text, then
 *
 *     [seal]
 *     hmac-sha256 = 64 lower-case hex digits
 *
 * over every byte above. Nothing is believed, or even parsed, before the seal has been checked. */
#include "mstore/layout.h"

#include "base/cleanup.h"
#include "base/text.h"

#define PURPOSE "mstore layout"

static const char seal_head[] = "\n[seal]\nhmac-sha256 = ";
#define HEAD_SIZE (sizeof seal_head - 1)
#define TAIL_SIZE (HEAD_SIZE + MS_SEAL_HEX + 1)

int ms_layout_seal(const struct ms_layout *layout, const struct ms_seal_key *key,
                   struct ms_buf **out, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *body = NULL;
    uint8_t seal[MS_SEAL_SIZE];
    int code = ms_layout_format(layout, &body, err);
    if (!code)
        code = ms_seal_make(key, PURPOSE, ms_buf_view(body), seal, err);
    if (code)
        return code;
    size_t size = ms_buf_size(body);
    struct ms_buf *sealed = ms_buf_new(size + TAIL_SIZE);
    if (!sealed)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the layout");
    char *text = (char *)ms_buf_data(sealed), hex[MS_SEAL_HEX + 1];
    memcpy(text, ms_buf_view(body).data, size);
    memcpy(text + size, seal_head, HEAD_SIZE);
    ms_hex_encode(hex, seal, sizeof seal);
    memcpy(text + size + HEAD_SIZE, hex, MS_SEAL_HEX);
    text[size + HEAD_SIZE + MS_SEAL_HEX] = '\n';
    *out = sealed;
    return 0;
}

static int check_seal(struct ms_view sealed, const char *source, const struct ms_seal_key *key,
                      struct ms_view *body, struct ms_error *err)
{
    uint8_t wanted[MS_SEAL_SIZE], found[MS_SEAL_SIZE];
    const uint8_t *tail = sealed.size < TAIL_SIZE ? NULL : sealed.data + sealed.size - TAIL_SIZE;
    if (!tail || memcmp(tail, seal_head, HEAD_SIZE) != 0 || tail[TAIL_SIZE - 1] != '\n' ||
        ms_hex_decode(found, sizeof found, (const char *)tail + HEAD_SIZE) != 0)
        return ms_error_set(err, MS_ERR_UNTRUSTED,
                            "%s: the layout has no seal: it is cut short or not from mstore",
                            source);
    *body = ms_view(sealed.data, sealed.size - TAIL_SIZE);
    int code = ms_seal_make(key, PURPOSE, *body, wanted, err);
    if (code)
        return code;
    if (!ms_seal_equal(wanted, found))
        return ms_error_set(err, MS_ERR_UNTRUSTED,
                            "%s: the layout's seal is wrong: it was changed, or the key in the "
                            "configuration is another store's",
                            source);
    return 0;
}

int ms_layout_open(struct ms_view sealed, const char *source, const struct ms_seal_key *key,
                   const struct ms_uuid *uuid, uint64_t highest_epoch, struct ms_layout **out,
                   struct ms_error *err)
{
    struct ms_view body = {0};
    struct ms_layout *l = NULL;
    int code = check_seal(sealed, source, key, &body, err);
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
