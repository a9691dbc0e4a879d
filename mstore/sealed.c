/* mstore/sealed.c - see mstore/sealed.h. */
#include "mstore/sealed.h"

#include "base/text.h"

static const char seal_head[] = "\n[seal]\nhmac-sha256 = ";
#define HEAD_SIZE (sizeof seal_head - 1)
#define TAIL_SIZE (HEAD_SIZE + MS_SEAL_HEX + 1)
_Static_assert(TAIL_SIZE == MS_SEALED_MORE, "the seal has another length");

int ms_sealed_make(struct ms_view text, const char *purpose, const struct ms_seal_key *key,
                   struct ms_buf **out, struct ms_error *err)
{
    uint8_t seal[MS_SEAL_SIZE];
    char hex[MS_SEAL_HEX + 1];
    int code = ms_seal_make(key, purpose, text, seal, err);
    if (code)
        return code;
    struct ms_buf *sealed = ms_buf_new(text.size + TAIL_SIZE);
    if (!sealed)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a sealed text");
    char *to = (char *)ms_buf_data(sealed);
    memcpy(to, text.data, text.size);
    memcpy(to + text.size, seal_head, HEAD_SIZE);
    ms_hex_encode(hex, seal, sizeof seal);
    memcpy(to + text.size + HEAD_SIZE, hex, MS_SEAL_HEX);
    to[text.size + HEAD_SIZE + MS_SEAL_HEX] = '\n';
    *out = sealed;
    return 0;
}

/* In the one way it is written: lower-case digits. */
static bool read_seal(const uint8_t *tail, uint8_t seal[MS_SEAL_SIZE])
{
    const char *hex = (const char *)tail + HEAD_SIZE;
    char again[MS_SEAL_HEX + 1];
    if (memcmp(tail, seal_head, HEAD_SIZE) != 0 || tail[TAIL_SIZE - 1] != '\n' ||
        ms_hex_decode(seal, MS_SEAL_SIZE, hex) != 0)
        return false;
    ms_hex_encode(again, seal, MS_SEAL_SIZE);
    return memcmp(hex, again, MS_SEAL_HEX) == 0;
}

int ms_sealed_open(struct ms_view sealed, const char *source, const char *what, const char *purpose,
                   const struct ms_seal_key *key, struct ms_view *text, struct ms_error *err)
{
    uint8_t wanted[MS_SEAL_SIZE], found[MS_SEAL_SIZE];
    const uint8_t *tail = sealed.size < TAIL_SIZE ? NULL : sealed.data + sealed.size - TAIL_SIZE;
    if (!tail || !read_seal(tail, found))
        return ms_error_set(err, MS_ERR_UNTRUSTED,
                            "%s: %s has no seal: it is cut short or not from mstore", source, what);
    struct ms_view body = ms_view(sealed.data, sealed.size - TAIL_SIZE);
    int code = ms_seal_make(key, purpose, body, wanted, err);
    if (code)
        return code;
    if (!ms_seal_equal(wanted, found))
        return ms_error_set(err, MS_ERR_UNTRUSTED,
                            "%s: %s's seal is wrong: it was changed, or the key in the "
                            "configuration is another store's",
                            source, what);
    *text = body;
    return 0;
}
