/* Layouts: what is accepted has one canonical text, which parses to an equal layout and gives a
 * placement; a seal made over it opens again, and no other text with that seal does. */
#include "fuzz.h"

#include "base/text.h"
#include "mstore/layout.h"

#include <stdlib.h>

static void ignore(void *ctx, const char *sentence)
{
    (void)ctx;
    ms_assert(sentence[0]);
}

static void check_placement(const struct ms_layout *l)
{
    struct ms_placement *p = NULL;
    static struct ms_order order;
    ms_assert(ms_layout_placement(l, &p, NULL) == 0);
    for (size_t i = 0; i < l->space_count; i++) {
        const struct ms_layout_space *s = &l->spaces[i];
        ms_assert(ms_placement_order(p, ms_str("data/ab12"), ms_layout_wanted(s), &order, NULL) ==
                  0);
        ms_assert(order.targets + order.witnesses <= l->member_count);
        if (l->placement == MS_PLACE_RENDEZVOUS)
            ms_assert(order.targets == ms_layout_targets(l, s) &&
                      order.targets > ms_layout_tolerates(l, s));
    }
    ms_placement_free(p);
}

static void check_seal(const struct ms_layout *l)
{
    static const struct ms_seal_key key = {{1}};
    struct ms_buf *sealed = NULL;
    struct ms_layout *again = NULL;
    ms_assert(ms_layout_seal(l, &key, &sealed, NULL) == 0);
    ms_assert(ms_layout_open(ms_buf_view(sealed), "FILE", &key, &l->uuid, l->epoch, &again, NULL) ==
              0);
    ms_assert(ms_layout_equal(l, again) && l->phase == again->phase);
    ms_layout_free(again);
    ms_buf_data(sealed)[l->epoch % ms_buf_size(sealed)] ^= 1;
    ms_assert(ms_layout_open(ms_buf_view(sealed), "FILE", &key, NULL, 0, &again, NULL) ==
              MS_ERR_UNTRUSTED);
    ms_buf_unref(sealed);
}

static void check_canonical(const struct ms_layout *l)
{
    struct ms_buf *once = NULL, *twice = NULL;
    struct ms_layout *again = NULL;
    ms_assert(ms_layout_format(l, &once, NULL) == 0);
    ms_assert(ms_layout_parse(ms_buf_view(once), "FILE", &again, NULL) == 0);
    ms_assert(ms_layout_equal(l, again) && l->phase == again->phase);
    ms_assert(ms_layout_format(again, &twice, NULL) == 0);
    ms_assert(ms_equal(ms_buf_view(once), ms_buf_view(twice)));
    ms_buf_unref(once);
    ms_buf_unref(twice);
    ms_layout_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ms_layout *l = NULL;
    struct ms_error err = {0};
    static const struct ms_seal_key zero;
    int code = ms_layout_open(ms_view(data, size), "FILE", &zero, NULL, 0, &l, &err);
    ms_assert(code == MS_ERR_UNTRUSTED && !l);
    code = ms_layout_parse(ms_view(data, size), "FILE", &l, &err);
    ms_assert(code == 0 || (code == MS_ERR_CONFIG && strncmp(err.text, "FILE:", 5) == 0));
    if (code)
        return 0;
    ms_layout_notes(l, ignore, NULL);
    check_canonical(l);
    check_placement(l);
    check_seal(l);
    ms_layout_free(l);
    return 0;
}
