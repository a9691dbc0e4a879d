/* The head of an answer on a pipe, and the form of names: what is accepted is what it says, and a
 * name comes back from the wire as it went. */
#include "fuzz.h"

#include "backends/rest/wire.h"
#include "base/text.h"

#include <stdlib.h>

static void check_head(struct ms_view input)
{
    struct ms_rest_head head = {0}, again = {0};
    size_t size = ms_rest_head_size(input);
    ms_assert(size <= input.size && (size == 0 || size >= 4));
    if (size == 0 || ms_rest_head_parse(ms_view(input.data, size), &head, NULL))
        return;
    ms_assert(head.status >= 100 && head.status <= 999);
    ms_assert(ms_starts_with(input, ms_str("HTTP/1.")));
    /* parsing knows nothing of what follows, and refuses a head that is cut */
    uint8_t *copy = malloc(size);
    ms_assert(copy);
    memcpy(copy, input.data, size);
    ms_assert(ms_rest_head_parse(ms_view(copy, size), &again, NULL) == 0);
    ms_assert(again.status == head.status && again.length == head.length);
    ms_assert(ms_rest_head_parse(ms_view(copy, size - 3), &again, NULL) != 0 || size < 7);
    free(copy);
}

/* A refusal whose words may be anywhere in the input, or escaped beside it. */
static void check_said(struct ms_view input)
{
    static const char *const types[] = {"text/html", "text/plain", ""};
    char to[16];
    for (size_t i = 0; i < 3; i++) {
        struct ms_view said = ms_rest_said(input, ms_str(types[i]), input, to, sizeof to);
        bool copied = said.data == (const uint8_t *)to;
        ms_assert(said.size <= (copied ? sizeof to : input.size));
        ms_assert(copied || said.size == 0 || memmem(input.data, input.size, said.data, said.size));
    }
}

static void check_name(struct ms_view input)
{
    size_t length = ms_rest_wire_name(NULL, 0, input), size = 0;
    char *wire = malloc(length + 1);
    uint8_t *plain = malloc(length + 1);
    ms_assert(wire && plain && length >= input.size && length <= 3 * input.size);
    ms_assert(ms_rest_wire_name(wire, length + 1, input) == length && strlen(wire) == length);
    for (size_t i = 0; i < length; i++) { /* BorgStore's rule, and safe in a target and in JSON */
        ms_assert(wire[i] > ' ' && wire[i] < 0x7f && !strchr("\"\\?#", wire[i]));
        ms_assert(wire[i] < 'A' || wire[i] > 'Z');
    }
    ms_assert(!strstr(wire, "..") && !ms_ends_with(ms_str(wire), ms_str(".hid")));
    ms_assert(ms_rest_plain_name(ms_view(wire, length), plain, &size));
    ms_assert(ms_equal(ms_view(plain, size), input));
    free(wire);
    free(plain);
}

/* What is taken for a form is the form of what it means. */
static void check_form(struct ms_view input)
{
    uint8_t *plain = malloc(input.size + 1);
    char *wire = malloc(input.size + 1);
    size_t size = 0;
    ms_assert(plain && wire);
    if (ms_rest_plain_name(input, plain, &size)) {
        ms_assert(ms_rest_wire_name(wire, input.size + 1, ms_view(plain, size)) == input.size);
        ms_assert(ms_equal(ms_str(wire), input));
    }
    free(plain);
    free(wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ms_view input = ms_view(data, size);
    check_head(input);
    check_said(input);
    check_name(input);
    check_form(input);
    return 0;
}
