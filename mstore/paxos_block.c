/* mstore/paxos_block.c - the bytes of a block of Disk Paxos: see mstore/paxos.h, docs/formats.md.
 *
 * Everything before the value has a length that follows from the name; what is read is written
 * again and compared, so that each block has one text. */
#include "mstore/paxos.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/sealed.h"

#include <stdio.h>
#include <stdlib.h>

#define PURPOSE "mstore block"
#define FIXED   128 /* characters of a head beside the name, at most */
#define HEAD    (MS_NAME_MAX + FIXED)

/* How far before its end: "SSSSSSSS\n\n", "COUNTER-PROPOSER\nphase = N\nsize = SSSSSSSS\n\n". */
#define SIZE_BACK    10
#define COUNTER_BACK (16 + 1 + 16 + 1 + 10 + 7 + SIZE_BACK)

/* Returns its length. */
static size_t write_head(char *to, struct ms_view name, uint64_t number, uint64_t counter,
                         size_t value)
{
    int n = snprintf(
        to, HEAD, "[block]\nname = %.*s\nballot = %016llx-%016llx\nphase = %u\nsize = %08zx\n\n",
        (int)name.size, (const char *)name.data, (unsigned long long)counter,
        (unsigned long long)(number & ~UINT64_C(1)), (unsigned)(number & 1) + 1, value);
    return n < 0 ? 0 : (size_t)n;
}

int ms_paxos_block_make(const struct ms_paxos_block *block, struct ms_view name,
                        const struct ms_seal_key *seal, struct ms_buf **out, struct ms_error *err)
{
    size_t size = block->value.size;
    if (size > MS_PAXOS_VALUE_MAX || name.size > MS_NAME_MAX)
        return ms_error_set(err, MS_ERR_TOO_LARGE,
                            "%zu bytes are too many to be agreed on: at most %u", size,
                            MS_PAXOS_VALUE_MAX);
    MS_AUTO_FREE char *text = malloc(HEAD + size);
    if (!text)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a block");
    size_t head = write_head(text, name, block->number, block->counter, size);
    if (size)
        memcpy(text + head, block->value.data, size);
    return ms_sealed_make(ms_view(text, head + size), PURPOSE, seal, out, err);
}

/* What differs between blocks of one name: the counter and the value's size. */
static bool read_head(struct ms_view bytes, size_t head, uint64_t *counter, uint64_t *size)
{
    const char *end = (const char *)bytes.data + head;
    return ms_hex_number(end - SIZE_BACK, 8, size) &&
           ms_hex_number(end - COUNTER_BACK, 16, counter);
}

int ms_paxos_block_open(struct ms_view bytes, struct ms_view name, uint64_t number,
                        const struct ms_seal_key *seal, struct ms_paxos_block *out, bool *torn,
                        struct ms_error *err)
{
    char *text = malloc(HEAD);
    uint64_t counter = 0, size = 0;
    struct ms_view body;
    *torn = false;
    if (!text)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a block");
    size_t head = write_head(text, name, number, 0, 0);
    *torn = bytes.size < head;
    bool good = !*torn && read_head(bytes, head, &counter, &size) && size <= MS_PAXOS_VALUE_MAX &&
                write_head(text, name, number, counter, (size_t)size) == head &&
                memcmp(text, bytes.data, head) == 0;
    free(text);
    *torn = *torn || (good && bytes.size < head + size + MS_SEALED_MORE);
    if (*torn)
        return 0;
    if (!good || bytes.size != head + size + MS_SEALED_MORE)
        return ms_error_set(err, MS_ERR_UNTRUSTED,
                            "a block of an agreement is damaged, or not from mstore");
    int code =
        ms_sealed_open(bytes, "a member", "a block of an agreement", PURPOSE, seal, &body, err);
    if (code)
        return code;
    *out = (struct ms_paxos_block){
        .number = number, .counter = counter, .value = ms_view(body.data + head, (size_t)size)};
    return 0;
}
