/* Intents: what is accepted has one text, which is the one that was read. */
#include "fuzz.h"

#include "base/text.h"
#include "mstore/intent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ms_intent intent;
    struct ms_error err = {0};
    struct ms_buf *again = NULL;
    intent = (struct ms_intent){.op = MS_OWN_RENAME, .id = {1, 2}};
    int code = ms_intent_parse(ms_view(data, size), &intent, &err);
    ms_assert(code == 0 || ((code == MS_ERR_FORMAT || code == MS_ERR_UNSUPPORTED) && err.text[0]));
    ms_assert(intent.op == MS_OWN_RENAME && intent.id.counter == 1 && intent.id.writer == 2);
    if (code)
        return 0;
    ms_assert(intent.new_size <= sizeof intent.new_key && size <= MS_INTENT_TEXT_MAX);
    ms_assert(ms_intent_make(&intent, &again, NULL) == 0);
    ms_assert(ms_equal(ms_buf_view(again), ms_view(data, size)));
    ms_buf_unref(again);
    return 0;
}
