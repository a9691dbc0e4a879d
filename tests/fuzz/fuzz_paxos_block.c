/* Blocks of Disk Paxos: what is accepted is written again with the same bytes; each of its
 * beginnings is torn, and with one bit changed it is refused or torn, never believed. */
#include "fuzz.h"

#include "base/text.h"
#include "mstore/paxos.h"

#define NAME                                                                                       \
    "mstore-5d8e01020304450687"                                                                    \
    "08090a0b0c0d0e/block/n.mstore-2dlayout!/k.0000000000000002!/000000000000"

static const struct ms_seal_key seal = {{9, 8, 7}};

static void check_accepted(struct ms_view bytes, struct ms_view name,
                           const struct ms_paxos_block *b)
{
    struct ms_buf *again = NULL;
    struct ms_paxos_block got;
    bool torn;
    ms_assert(b->value.size <= MS_PAXOS_VALUE_MAX);
    ms_assert(ms_paxos_block_make(b, name, &seal, &again, NULL) == 0);
    ms_assert(ms_equal(ms_buf_view(again), bytes));
    ms_assert(ms_paxos_block_open(ms_view(bytes.data, bytes.size - 1 - b->counter % bytes.size / 2),
                                  name, b->number, &seal, &got, &torn, NULL) == 0 &&
              torn);
    ms_buf_data(again)[b->counter % bytes.size] ^= 1;
    int code = ms_paxos_block_open(ms_buf_view(again), name, b->number, &seal, &got, &torn, NULL);
    ms_assert(code == MS_ERR_UNTRUSTED || torn);
    ms_buf_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {NAME "8af2", NAME "8af3"};
    for (uint64_t i = 0; i < 2; i++) {
        struct ms_paxos_block block;
        bool torn;
        int code = ms_paxos_block_open(ms_view(data, size), ms_str(names[i]), 0x8af2 + i, &seal,
                                       &block, &torn, NULL);
        ms_assert(code == 0 || code == MS_ERR_UNTRUSTED);
        if (!code && !torn)
            check_accepted(ms_view(data, size), ms_str(names[i]), &block);
    }
    return 0;
}
