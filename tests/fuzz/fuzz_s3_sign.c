/* Canonicalisation: whatever the path, query and headers, a signature comes out, header lines
 * cannot be forged, and the order of the query does not matter. */
#include "fuzz.h"

#include "backends/s3/sign.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    char *text = malloc(size + 1), *fields[9], *at = text;
    ms_assert(text);
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    for (size_t i = 0; i < 9; i++) {
        fields[i] = at ? at : text + size;
        at = at ? strchr(at, '\n') : NULL;
        if (at)
            *at++ = 0;
    }
    struct ms_s3_pair query[] = {{fields[1], fields[2]}, {fields[3], fields[4]}};
    struct ms_s3_pair turned[] = {query[1], query[0]};
    struct ms_s3_pair headers[] = {
        {"host", "h"}, {"x-amz-date", "20150830T123600Z"}, {"x-a", fields[5]}, {"X-A", fields[6]}};
    struct ms_s3_signing in = {.method = "GET",
                               .path = fields[0],
                               .query = query,
                               .query_count = 2,
                               .headers = headers,
                               .header_count = 4,
                               .payload_hash = "UNSIGNED-PAYLOAD",
                               .date = "20150830T123600Z",
                               .region = fields[7],
                               .service = "s3",
                               .id = "id",
                               .secret = fields[8]};
    struct ms_s3_signature a, b;
    ms_assert(ms_s3_sign(&in, &a, NULL) == 0);
    in.query = turned;
    ms_assert(ms_s3_sign(&in, &b, NULL) == 0);
    ms_assert(strcmp(a.signature, b.signature) == 0 && strlen(a.signature) == 64);
    size_t lines = 0;
    for (const char *p = a.canonical; *p; p++)
        lines += *p == '\n';
    ms_assert(lines == 8); /* method, path, query, three headers, a blank line, names */
    ms_s3_signature_fini(&a);
    ms_s3_signature_fini(&b);
    free(text);
    return 0;
}
