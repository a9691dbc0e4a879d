/* Names of an MStore's own objects. Input: a byte; then, when it is even, a name: what is accepted
 * is written the same again. When it is odd, two keys apart by LF: what can be written is read
 * back, and sorts as the keys do. */
#include "fuzz.h"

#include "base/text.h"
#include "mstore/names.h"

static void check_rules(struct ms_view name, const struct ms_uuid *store)
{
    ms_assert(!ms_namespace_fault(name) && name.size <= MS_NAME_MAX &&
              ms_own_reserved(name, store));
    for (size_t start = 0, i = 0; i <= name.size; i++) {
        if (i < name.size && name.data[i] != '/')
            continue;
        ms_assert(i - start >= 3 && i - start <= 143);
        start = i + 1;
    }
}

static void check_name(struct ms_view text)
{
    static struct ms_own_parsed parsed;
    struct ms_name again, folder;
    if (!ms_own_parse(text, &parsed))
        return;
    check_rules(text, &parsed.name.store);
    ms_assert(ms_own_format(&parsed.name, 143, &again, NULL) == 0);
    ms_assert(ms_equal(text, ms_name_view(&again)));
    ms_assert(ms_own_folder(&parsed.name, MS_OWN_OF_KEY, 143, &folder, NULL) == 0);
    ms_assert(ms_starts_with(text, ms_name_view(&folder)));
    char begin[MS_OWN_BEGIN_MAX];
    size_t size, at = folder.size + 1;
    if (parsed.name.kind != MS_OWN_VALUE)
        return;
    ms_assert(ms_own_begin(&parsed.name, begin, &size, NULL) == 0);
    ms_assert(
        ms_starts_with(ms_view(text.data + at, text.size - at), ms_view((uint8_t *)begin, size)));
}

static bool write_key(enum ms_own_kind kind, struct ms_view key, unsigned level,
                      struct ms_name *out)
{
    static struct ms_own_parsed parsed;
    struct ms_error err = {0};
    struct ms_own_name name = {.kind = kind, .key = key, .level = level, .k = 1};
    memset(name.store.bytes, 0xab, sizeof name.store.bytes);
    int code = ms_own_format(&name, 0, out, &err);
    ms_assert(code == (key.size == 0 || key.size > MS_BYTES_KEY_MAX ? MS_ERR_NAME : 0));
    if (code)
        return false;
    check_rules(ms_name_view(out), &name.store);
    ms_assert(ms_own_parse(ms_name_view(out), &parsed));
    ms_assert(ms_equal(parsed.name.key, key) && parsed.name.level == level);
    return true;
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ms_view input = ms_view(data, size);
    unsigned how = fuzz_byte(&input);
    if (how % 2 == 0) {
        check_name(input);
        return 0;
    }
    const uint8_t *lf = input.size ? memchr(input.data, '\n', input.size) : NULL;
    struct ms_view a = ms_view(input.data, lf ? (size_t)(lf - input.data) : input.size);
    struct ms_view b = lf ? ms_view(lf + 1, input.size - a.size - 1) : a;
    struct ms_name x, y;
    unsigned level = (how >> 1) % (MS_OWN_LEVELS_MAX + 1);
    enum ms_own_kind kind = how & 128 ? MS_OWN_VALUE : MS_OWN_OBJECT;
    if (write_key(kind, a, level, &x) && write_key(kind, b, level, &y))
        ms_assert(sign(ms_compare(ms_name_view(&x), ms_name_view(&y))) == sign(ms_compare(a, b)));
    return 0;
}
