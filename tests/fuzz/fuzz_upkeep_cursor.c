/* Cursors of upkeep: what is accepted is written again as the same line; with one bit changed it is
 * refused. A second try gives the text the check that it lacks, so that what is behind is reached.
 */
#include "fuzz.h"

#include "base/text.h"
#include "mstore/siphash.h"
#include "mstore/upkeep.h"

#include <inttypes.h>
#include <stdio.h>

#define CHECK 17

static void try_text(struct ms_view text)
{
    struct ms_upkeep_cursor c;
    char again[MS_UPKEEP_CURSOR_TEXT];
    if (!ms_upkeep_cursor_parse(text, 3, 0x0123456789abcdef, &c))
        return;
    ms_assert(c.space_size <= sizeof c.space && c.key_size <= sizeof c.key);
    ms_assert(strlen(c.step) > 0 && strlen(c.step) < sizeof c.step);
    ms_upkeep_cursor_format(&c, 3, 0x0123456789abcdef, again);
    ms_assert(strlen(again) == text.size);
    again[c.key_size % text.size] ^= 1;
    ms_assert(!ms_upkeep_cursor_parse(ms_view(again, text.size), 3, 0x0123456789abcdef, &c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[16] = "upkeep";
    static const char head[] = "mstore-upkeep 2 3 0123456789abcdef 0000000000000007 ";
    char text[MS_UPKEEP_CURSOR_TEXT + 64];
    size_t lead = sizeof head - 1;
    try_text(ms_view(data, size));
    if (size > MS_UPKEEP_CURSOR_TEXT - lead)
        return 0;
    memcpy(text, head, lead);
    memcpy(text + lead, data, size);
    snprintf(text + lead + size, CHECK + 1, "%016" PRIx64 "\n",
             ms_siphash(key, ms_view(text, lead + size)));
    try_text(ms_view(text, lead + size + CHECK));
    return 0;
}
