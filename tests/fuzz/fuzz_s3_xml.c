/* The XML of S3 answers: never out of bounds, paths stay well-formed, what was escaped is read
 * back. */
#include "fuzz.h"

#include "backends/s3/s3.h"
#include "backends/s3/xml.h"

#include <stdlib.h>

struct seen {
    size_t calls;
};

static int look(void *ctx, const char *path, struct ms_view text, struct ms_error *err)
{
    struct seen *s = ctx;
    (void)err;
    ms_assert(path[0] && path[0] != '/' && path[strlen(path) - 1] != '/');
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < text.size; i++)
        sum = (uint8_t)(sum + text.data[i]);
    return ++s->calls > 100000 ? MS_ERR_CANCELLED : 0;
}

static int same(void *ctx, const char *path, struct ms_view text, struct ms_error *err)
{
    const struct ms_view *wanted = ctx;
    (void)path, (void)err;
    ms_assert(text.size == wanted->size);
    ms_assert(text.size == 0 || memcmp(text.data, wanted->data, text.size) == 0);
    return 0;
}

static void round_trip(struct ms_view text)
{
    char *escaped = ms_xml_escape(text);
    ms_assert(escaped);
    size_t size = strlen(escaped);
    char *xml = malloc(size + 8);
    ms_assert(xml);
    memcpy(xml, "<A>", 3);
    memcpy(xml + 3, escaped, size);
    memcpy(xml + 3 + size, "</A>", 4);
    ms_assert(ms_xml_walk(ms_view(xml, size + 7), same, &text, NULL) == 0);
    free(xml);
    free(escaped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen s = {0};
    struct ms_s3_fault fault;
    (void)ms_xml_walk(ms_view(data, size), look, &s, NULL);
    ms_s3_fault_read(ms_view(data, size), &fault);
    ms_assert(strlen(fault.code) < sizeof fault.code && strlen(fault.region) < sizeof fault.region);
    (void)ms_s3_http_date(ms_view(data, size));
    if (size < 4096 && !memchr(data ? data : (const uint8_t *)"", 0, size))
        round_trip(ms_view(data, size));
    return 0;
}
