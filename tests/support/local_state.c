/* tests/support/local_state.c - see tests/support/local_state.h. */
#include "tests/support/local_state.h"

#include "mstore/state_text.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>

const struct ms_uuid local_store = {
    {0x5d, 0x8e, 1, 2, 3, 4, 0x45, 6, 0x87, 8, 9, 10, 11, 12, 13, 14}};

struct ms_uuid local_member(unsigned i)
{
    struct ms_uuid u = {{0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x41, 0x11, 0x81, 0x11}};
    u.bytes[14] = (uint8_t)(i >> 8);
    u.bytes[15] = (uint8_t)i;
    return u;
}

struct ms_state *local_open(const struct scratch *folder)
{
    struct ms_state *s = NULL;
    struct ms_error err = {0};
    check_ok(ms_state_open(&local_store, folder->path, &s, &err), err);
    return s;
}

void local_save(struct ms_state *s, int64_t wall)
{
    struct ms_error err = {0};
    check_ok(ms_state_save(s, wall, &err), err);
}

char *local_text(const struct ms_state *s)
{
    static char text[1 << 18];
    FILE *file = fopen(ms_state_path(s), "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    assert_true(strlen(text) < sizeof text - 1);
    fclose(file);
    return text;
}

void local_refuse(const char *from, const char *to, const char *text, int wanted)
{
    char changed[4096];
    const char *at = strstr(text, from);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    struct ms_state_content *c = malloc(sizeof *c);
    struct ms_error err = {0};
    assert_non_null(c);
    int code = ms_state_parse(ms_str(changed), "FILE", &local_store, c, &err);
    if (code != wanted)
        fail_msg("%s for %s: %s", to, from, ms_code_name(code));
    if (code)
        assert_int_equal(strncmp(err.text, "FILE", 4), 0);
    assert_int_equal(c->epoch, 77);
    free(c);
}
