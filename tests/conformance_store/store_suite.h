/* store_suite.h - what the files of the Store suite share. */
#ifndef STORE_SUITE_H
#define STORE_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mstore/mstore.h>

#include <stdio.h>
#include <stdlib.h>

/* One kind of Store: how to make a closed one on fresh storage. */
struct kind {
    const char *label;
    const char *url; /* "%s" stands for a folder of the test's own */
    unsigned levels[MS_LEVELS_MAX];
    size_t level_count;
    enum ms_names names;
    enum ms_cache_mode cache;
    const char *permissions;
    uint64_t quota_bytes;
    const char *policy; /* an MStore of three members, file://%s/store1 and so on: the lines of its
                           [namespace data] */
    const char *inner;  /* NULL, or its first member is another MStore: lines of that one's */
};
extern const struct kind kinds[];
extern const size_t kind_count;

/* The Store under test, created and open, while a test runs. */
struct fixture {
    const struct kind *kind;
    struct ms_store *store;
    char folder[64];
};
extern struct fixture fx;
extern struct ms_error err;

struct ms_store *
fixture_store(void); /* another closed handle on the same storage; not for memory: */
struct ms_namespace fixture_namespace(void);

/* Shorter forms. A key is "data/" and what is given. */
#define OK(call)                                                                                   \
    do {                                                                                           \
        int code_ = (call);                                                                        \
        if (code_)                                                                                 \
            fail_msg("[%s] %s: %s", fx.kind->label, #call, err.text);                              \
    } while (0)
#define CODE(call, expected)                                                                       \
    do {                                                                                           \
        int code_ = (call);                                                                        \
        if (code_ != (expected))                                                                   \
            fail_msg("[%s] %s: %s, not %s: %s", fx.kind->label, #call, ms_code_name(code_),        \
                     ms_code_name(expected), err.text);                                            \
    } while (0)
struct ms_view key(const char *name); /* in a ring of static buffers */
int put(const char *name, const char *value);
int put_if_absent(const char *name, const char *value);
bool can_if_absent(void);
/* Kind immutable of an MStore: a key has one value for ever. */
bool is_immutable(void);
/* Kind mutable: a key is live or soft-deleted, never both. */
bool is_mutable(void);
void check_value(const char *name, const char *value, bool deleted);
void check_gone(const char *name, bool deleted);
/* The keys of a listing, joined by blanks; deleted ones with a '~' behind. */
const char *listed(enum ms_list_deleted deleted);

extern const struct CMUnitTest value_tests[], move_tests[], many_tests[], large_tests[],
    race_tests[];
extern const size_t value_test_count, move_test_count, many_test_count, large_test_count,
    race_test_count;
int setup(void **state);
int teardown(void **state);
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
