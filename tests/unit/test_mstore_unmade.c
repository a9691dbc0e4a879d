/* mstore/from_file.c, mstore/no_backend.c: a member whose url says something that is not to be had.
 * The store works without it as long as the others are a majority; what needs all of them says why
 * it does not begin, and so does a file that puts stores together in a way that cannot be. */
#include "support/check.h"
#include "support/scratch.h"

#include "base/cleanup.h"

#include <mstore/multi.h>

#define SPACE                                                                                      \
    "[namespace]\nkind = mutable\nredundancy = all\nnames = bytes\n" /* may be within another */
#define NOWHERE "nowhere.conf: No such file or directory"

static struct scratch scratch;
static struct ms_error err;

static int setup(void **state)
{
    (void)state;
    err = (struct ms_error){0};
    return scratch_make(&scratch) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(&scratch);
    return 0;
}

static void path_of(const char *name, char out[200])
{
    snprintf(out, 200, "%s/%s", scratch.path, name);
}

/* NAME.conf with members m0, m1 …; a url NULL: a folder of that name. */
static void configure(const char *name, int key, const char *const *urls, unsigned count)
{
    char path[200], file[64];
    snprintf(file, sizeof file, "%s.conf", name);
    path_of(file, path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "[mstore]\nkey = %064d\n", key);
    for (unsigned i = 0; i < count; i++) {
        fprintf(f, "[member m%u]\nurl = ", i);
        if (urls[i])
            fprintf(f, "%s\n", urls[i]);
        else
            fprintf(f, "file://%s/%s-m%u?sync=none\n", scratch.path, name, i);
    }
    fputs(SPACE, f);
    assert_int_equal(fchmod(fileno(f), 0600), 0);
    fclose(f);
}

static int make(const char *file, struct ms_store **out)
{
    struct ms_mstore_options o = MS_MSTORE_OPTIONS_INIT;
    char path[200];
    path_of(file, path);
    o.ignore_environment = true;
    o.state_folder = "";
    return ms_mstore_new(path, &o, out, &err);
}

static struct ms_store *made(const char *file)
{
    struct ms_store *s = NULL;
    check_ok(make(file, &s), err);
    return s;
}

static void create(const char *name, int key, const char *const *urls, unsigned count)
{
    char file[64];
    snprintf(file, sizeof file, "%s.conf", name);
    configure(name, key, urls, count);
    struct ms_store *s = made(file);
    check_ok(ms_store_create(s, &err), err);
    ms_store_free(s);
}

static void expect_loaded(struct ms_store *s, const char *text)
{
    MS_AUTO_BUF struct ms_buf *got = NULL;
    check_ok(ms_store_load(s, ms_str("key"), NULL, &got, &err), err);
    assert_int_equal(ms_buf_size(got), strlen(text));
    assert_memory_equal(ms_buf_view(got).data, text, strlen(text));
}

static void put_value(struct ms_store *s, const char *text)
{
    struct ms_buf_borrowed b;
    check_ok(ms_store_store(s, ms_str("key"), ms_buf_borrow(&b, ms_str(text)), NULL, NULL, &err),
             err);
}

static bool exists(const char *name)
{
    char path[200];
    path_of(name, path);
    return access(path, F_OK) == 0;
}

/* ---- the others serve ---- */

/* trouble: a part of the sentence. */
static void expect_status(struct ms_store *s, int code, const char *trouble)
{
    struct ms_mstore_status *status = NULL;
    check_ok(ms_mstore_status(s, &status, &err), err);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(status->members[i].code, i == 2 ? code : 0);
    const char *sentence = status->members[2].trouble;
    assert_non_null(strstr(sentence, trouble));
    assert_null(strstr(sentence, "HUNTER2"));
    assert_int_equal(strncmp(sentence, "member m2: ", 11) == 0, code != 0);
    assert_int_equal(sentence[0] == 0, code == 0);
    ms_mstore_status_free(status);
}

static void the_others_serve(void **state)
{
    (void)state;
    char option[200];
    snprintf(option, sizeof option, "file://%s/home-m2?nonsense=HUNTER2", scratch.path);
    const struct {
        const char *url, *value, *trouble;
        int code;
    } bad[] = {{"nowhere.conf", "value 0", NOWHERE, MS_ERR_CONFIG},
               {option, "value 1", "the option \"nonsense\" is unknown here", MS_ERR_URL}};
    create("home", 7, (const char *const[]){NULL, NULL, NULL}, 3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        configure("home", 7, (const char *const[]){NULL, NULL, bad[i].url}, 3);
        struct ms_store *s = made("home.conf");
        check_ok(ms_store_open(s, &err), err);
        put_value(s, bad[i].value);
        expect_loaded(s, bad[i].value);
        expect_status(s, bad[i].code, bad[i].trouble);
        expect_status(s, bad[i].code, bad[i].trouble); /* the breaker is open by now */
        ms_store_free(s);
    }
    configure("home", 7, (const char *const[]){NULL, NULL, NULL}, 3);
    struct ms_store *s = made("home.conf");
    check_ok(ms_store_open(s, &err), err);
    expect_status(s, 0, "");
    expect_loaded(s, "value 1");
    ms_store_free(s);
}

/* ---- what needs all of them ---- */

#define REFUSES(call)                                                                              \
    do {                                                                                           \
        check_code(call, MS_ERR_CONFIG, err);                                                      \
        check_text(err, "member m2: the store's configuration ");                                  \
        check_text(err, NOWHERE);                                                                  \
    } while (0)

static void what_needs_all_is_refused(void **state)
{
    (void)state;
    struct ms_membership_options o = MS_MEMBERSHIP_OPTIONS_INIT;
    struct ms_membership result = {0};
    char url[200];
    snprintf(url, sizeof url, "file://%s/other?sync=none", scratch.path);
    o.url = url;
    const char *const urls[] = {NULL, NULL, "nowhere.conf"};
    configure("home", 7, urls, 3);
    struct ms_store *s = made("home.conf");
    REFUSES(ms_store_create(s, &err));
    assert_false(exists("home-m0"));
    ms_store_free(s);

    create("home", 7, (const char *const[]){NULL, NULL, NULL}, 3);
    configure("home", 7, urls, 3);
    s = made("home.conf");
    REFUSES(ms_store_destroy(s, &err));
    check_ok(ms_store_open(s, &err), err);
    REFUSES(ms_mstore_add(s, "m3", &o, &result, &err));
    REFUSES(ms_mstore_replace(s, "m2", &o, &result, &err));
    ms_membership_fini(&result);
    assert_false(exists("other"));
    put_value(s, "is there still");
    expect_loaded(s, "is there still");
    ms_store_free(s);
}

static void without_a_majority_there_is_none(void **state)
{
    (void)state;
    struct ms_store *s = NULL;
    configure("home", 7, (const char *const[]){NULL, "nowhere.conf", "neither.conf"}, 3);
    check_code(make("home.conf", &s), MS_ERR_NOT_FOUND, err);
    check_text(err, "member m1: the store's configuration ");
    check_text(err, NOWHERE);
    configure("home", 7, (const char *const[]){NULL, "nowhere.conf"}, 2);
    check_code(make("home.conf", &s), MS_ERR_NOT_FOUND, err);
    assert_null(s);
}

/* Whatever the others could do. */
static void what_cannot_be_is_no_missing_member(void **state)
{
    (void)state;
    struct ms_store *s = NULL;
    configure("self", 1, (const char *const[]){NULL, NULL, "self.conf"}, 3);
    check_code(make("self.conf", &s), MS_ERR_CONFIG, err);
    check_text(err, "cannot be a member of itself");
    configure("one", 2, (const char *const[]){NULL, NULL, "two.conf"}, 3);
    configure("two", 3, (const char *const[]){"nowhere.conf", NULL, NULL, NULL, "one.conf"}, 5);
    check_code(make("one.conf", &s), MS_ERR_CONFIG, err);
    check_text(err, "cannot be a member of itself");
    check_code(make("two.conf", &s), MS_ERR_CONFIG, err);
    configure("inner", 2, (const char *const[]){NULL}, 1);
    configure("outer", 2, (const char *const[]){NULL, NULL, "inner.conf"}, 3);
    check_code(make("outer.conf", &s), MS_ERR_CONFIG, err);
    check_text(err, "have the same key");
    assert_null(s);
}

/* One of a store that is a member has it likewise. */
static void a_member_of_a_member_may_be_missing(void **state)
{
    (void)state;
    configure("inner", 2, (const char *const[]){NULL, NULL, NULL}, 3);
    configure("outer", 3, (const char *const[]){NULL, NULL, "inner.conf"}, 3);
    struct ms_store *s = made("outer.conf");
    check_ok(ms_store_create(s, &err), err); /* the inner one, too */
    ms_store_free(s);
    configure("inner", 2, (const char *const[]){NULL, "nowhere.conf", NULL}, 3);
    s = made("outer.conf");
    check_ok(ms_store_open(s, &err), err);
    put_value(s, "value");
    expect_loaded(s, "value");
    expect_status(s, 0, "");
    ms_store_free(s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_others_serve),
        TEST(what_needs_all_is_refused),
        TEST(without_a_majority_there_is_none),
        TEST(what_cannot_be_is_no_missing_member),
        TEST(a_member_of_a_member_may_be_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
