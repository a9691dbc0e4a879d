/* mstore/uuid.c - see mstore/uuid.h. */
#include "mstore/uuid.h"

#include "base/text.h"

static const uint8_t groups[] = {4, 2, 2, 2, 6}; /* bytes between the dashes */

void ms_uuid_new(struct ms_random *random, struct ms_uuid *out)
{
    for (size_t i = 0; i < sizeof out->bytes; i++)
        out->bytes[i] = (uint8_t)(ms_random_u64(random) >> 56);
    out->bytes[6] = (uint8_t)((out->bytes[6] & 0x0f) | 0x40);
    out->bytes[8] = (uint8_t)((out->bytes[8] & 0x3f) | 0x80);
}

bool ms_uuid_is_zero(const struct ms_uuid *uuid)
{
    uint8_t any = 0;
    for (size_t i = 0; i < sizeof uuid->bytes; i++)
        any |= uuid->bytes[i];
    return any == 0;
}

const char *ms_uuid_format(const struct ms_uuid *uuid, char text[MS_UUID_TEXT])
{
    char *at = text;
    size_t byte = 0;
    for (size_t g = 0; g < sizeof groups; g++) {
        if (g)
            *at++ = '-';
        ms_hex_encode(at, uuid->bytes + byte, groups[g]);
        at += 2 * groups[g];
        byte += groups[g];
    }
    return text;
}

int ms_uuid_parse(const char *text, const char *what, struct ms_uuid *out, struct ms_error *err)
{
    struct ms_uuid uuid = {0};
    char again[MS_UUID_TEXT];
    bool good = strlen(text) == MS_UUID_TEXT - 1;
    size_t byte = 0;
    for (size_t g = 0; good && g < sizeof groups; g++) {
        good = ms_hex_decode(uuid.bytes + byte, groups[g], text + 2 * byte + g) == 0;
        byte += groups[g];
    }
    if (!good || strcmp(ms_uuid_format(&uuid, again), text) != 0 || ms_uuid_is_zero(&uuid))
        return ms_error_set(err, MS_ERR_INVALID,
                            "%s \"%s\" is no UUID: write 32 lower-case hex digits as in "
                            "01234567-89ab-4def-8123-456789abcdef",
                            what, MS_SHOW(ms_str(text)));
    *out = uuid;
    return 0;
}
