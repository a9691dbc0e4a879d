/* tests/fuzz/fuzz.h - what every fuzz target has: one input, properties that must hold. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "base/assert.h"

#include <mstore/base.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte of the input, which is then shorter; 0 when there is none. */
static inline uint8_t fuzz_byte(struct ms_view *input)
{
    if (input->size == 0)
        return 0;
    uint8_t byte = input->data[0];
    *input = ms_view(input->data + 1, input->size - 1);
    return byte;
}

/* A NUL-terminated copy (cut at the first NUL); free it. */
static inline char *fuzz_text(struct ms_view input)
{
    char *text = strndup(input.size ? (const char *)input.data : "", input.size);
    ms_assert(text);
    return text;
}

#endif
