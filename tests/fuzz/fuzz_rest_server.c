/* What a client of the REST server may send that is not HTTP: a byte that chooses, then
 *   0  the JSON body of a defrag: whatever is taken has good names and numbers
 *   1  a name on the wire, for an MStore: the key it means is shown by a name that means it, too
 *   2  a sentence: nothing of a path is left of it, and it is no longer than there is room
 *   3  a name: what is taken leads out of nothing */
#include "fuzz.h"

#include "backends/name.h"
#include "base/text.h"
#include "mstore/raw_parts.h"
#include "server/rest_parts.h"
#include "store/nesting.h"

static void check_parts(struct ms_view json)
{
    struct rest_parts p;
    if (rest_parts_parse(json, &p, NULL))
        return;
    ms_assert(p.count <= REST_PARTS_MAX);
    for (size_t i = 0; i < p.count; i++) {
        ms_assert(ms_name_check(p.parts[i].name, MS_NAME_MAX, NULL) == 0);
        ms_assert(p.parts[i].offset <= INT64_MAX && p.parts[i].size <= INT64_MAX);
        ms_assert(p.parts[i].name.data[p.parts[i].name.size] == 0);
    }
    rest_parts_fini(&p);
}

static void check_key(struct ms_view name)
{
    static const struct ms_namespace spaces[] = {
        {.name = "", .names = MS_NAMES_BORGSTORE},
        {.name = "data", .levels = {2}, .level_count = 1, .names = MS_NAMES_BORGSTORE},
        {.name = "any", .names = MS_NAMES_BYTES}};
    static struct ms_raw_key key, again;
    struct ms_namespaces *n = NULL;
    struct ms_error err = {0};
    struct ms_name wire;
    if (ms_name_check(name, MS_NAME_MAX, NULL) ||
        ms_namespaces_new(spaces, 3, NULL, NULL, &n, &err))
        return;
    ms_raw_key_of(n, name, &key, &err);
    ms_assert(key.size <= name.size && key.size > 0);
    if (key.valid && ms_raw_name_of(n, ms_raw_key_view(&key), key.deleted, &wire)) {
        ms_raw_key_of(n, ms_name_view(&wire), &again, &err);
        ms_assert(again.valid && again.deleted == key.deleted);
        ms_assert(ms_equal(ms_raw_key_view(&key), ms_raw_key_view(&again)));
    }
    bool nested;
    ms_raw_prefix_of(n, name, &wire, &nested);
    ms_assert(wire.size <= name.size + 1);
    ms_namespaces_unref(n);
}

static void check_scrub(struct ms_view text)
{
    char in[512], out[256];
    size_t size = text.size < sizeof in - 1 ? text.size : sizeof in - 1;
    if (size)
        memcpy(in, text.data, size);
    in[size] = '\0';
    memset(out, 'x', sizeof out);
    rest_scrub(in, "/base", out, sizeof out - 1);
    ms_assert(memchr(out, 0, sizeof out - 1) && out[sizeof out - 1] == 'x');
    ms_assert(strncmp(out, "/base", 5) != 0 && !strstr(out, " /base") && !strstr(out, " file:/"));
}

static void check_name(struct ms_view text)
{
    char name[300];
    size_t size = text.size < sizeof name - 1 ? text.size : sizeof name - 1;
    if (size)
        memcpy(name, text.data, size);
    name[size] = '\0';
    if (rest_check_name(name, NULL) == 0)
        ms_assert(ms_name_check(ms_str(name), MS_NAME_MAX, NULL) == 0 && !strstr(name, ".."));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ms_view input = ms_view(data, size);
    switch (fuzz_byte(&input) % 4) {
    case 0:
        check_parts(input);
        break;
    case 1:
        check_key(input);
        break;
    case 2:
        check_scrub(input);
        break;
    default:
        check_name(input);
    }
    return 0;
}
