/* mstore/conf.c, conf_edit.c: a client's own file: what is shared, what is its own, who may read
 * it; members are added to it. */
#include "mstore/conf.h"
#include "mstore/conf_edit.h"

#include "base/private_file.h"
#include "base/text.h"
#include "support/check.h"
#include "support/files.h"
#include "support/scratch.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static const char sample[] = "# home\n"
                             "[mstore]\n"
                             "key = " KEY "\n"
                             "[member nas]\n"
                             "url = sftp://me:pa55word@nas/store\n"
                             "weight = 4\n"
                             "zone = home\n"
                             "[member box]\n"
                             "url = file:///srv/box\n"
                             "state = witness\n"
                             "[member cloud]\n"
                             "url = file:///srv/cloud\n"
                             "uuid = 11111111-1111-4111-8111-111111111111\n"
                             "[namespace data]\n"
                             "kind = immutable\n"
                             "redundancy = copies 2\n"
                             "levels = 2\n";

static void parts_are_apart(void **state)
{
    (void)state;
    struct ms_mconf *c = NULL;
    struct ms_error err = {0};
    check_ok(ms_mconf_parse(ms_str(sample), "home.conf", &c, &err), err);
    assert_true(c->has_key);
    assert_int_equal(c->key.bytes[31], 0x1f);
    assert_int_equal(c->secret_line, 3);
    assert_int_equal(c->shared->member_count, 3);
    assert_int_equal(c->shared->epoch, 0);
    assert_true(ms_uuid_is_zero(&c->shared->uuid));
    assert_true(ms_uuid_is_zero(&c->shared->members[0].uuid));
    assert_false(ms_uuid_is_zero(&c->shared->members[2].uuid));
    assert_int_equal(c->shared->members[0].weight, 4);
    assert_string_equal(ms_mconf_url(c, "nas"), "sftp://me:pa55word@nas/store");
    assert_string_equal(ms_mconf_url(c, "cloud"), "file:///srv/cloud");
    assert_null(ms_mconf_url(c, "other"));
    assert_int_equal(c->shared->space_count, 1);
    /* nothing of the client's own reaches the text that members get */
    struct ms_buf *text = NULL;
    check_ok(ms_layout_format(c->shared, &text, &err), err);
    struct ms_view v = ms_buf_view(text);
    assert_null(memmem(v.data, v.size, "pa55", 4));
    assert_null(memmem(v.data, v.size, "://", 3));
    assert_null(memmem(v.data, v.size, "0001020304", 10));
    ms_buf_unref(text);
    ms_mconf_free(c);
    ms_mconf_free(NULL);
}

static void namespaces_may_be_elsewhere(void **state)
{
    (void)state;
    struct ms_mconf *c = NULL;
    struct ms_error err = {0};
    check_ok(ms_mconf_parse(ms_str("[mstore]\nuuid = 5d8e0102-0304-4506-8708-090a0b0c0d0e\n"
                                   "[member a]\nurl = memory:\n"),
                            "home.conf", &c, &err),
             err);
    assert_false(c->has_key);
    assert_int_equal(c->secret_line, 0);
    assert_int_equal(c->shared->space_count, 0);
    assert_false(ms_uuid_is_zero(&c->shared->uuid));
    ms_mconf_free(c);
}

static void bad_files_are_refused(void **state)
{
    (void)state;
#define M "[mstore]\n[member a]\nurl = file:///a\n"
    static const char *const bad[][2] = {
        {"", "home.conf:1: there is no section [mstore]: begin the file with it"},
        {"[mstore]\n", "home.conf:1: there is no [member NAME]: add one for each storage"},
        {"[mstore]\nkey = 1234\n", "home.conf:2: the key is not 64 hex digits: make one with"},
        {"[mstore]\nepoch = 1\n", "home.conf:2: [mstore] has no key \"epoch\"; it has key, uuid"},
        {"[mstore]\nurl = file:///a\n", "home.conf:2: [mstore] has no key \"url\""},
        {"[mstore]\n[member a]\n", "home.conf:2: [member a] has no url: write url = as in file"},
        {"[mstore]\n[member a]\nurl = nowhere\n", "home.conf:3: "},
        {"[mstore]\n[member a]\nkey = " KEY "\n",
         "home.conf:3: a [member] has no key \"key\"; it has url, uuid, weight"},
        {M "[member b]\nurl = file:///a\n",
         "home.conf:5: [member b] has the url of [member a]: copies on one storage are lost "
         "together; give it another, or take the section of one that is gone out"},
        {M "[namespace d]\nkind = plain\nredundancy = copies 2\n",
         "home.conf:6: [namespace d]: redundancy = copies 2 needs 2 active members, and there is "
         "1: add members or ask for less"},
        {M "[namespace d]\nkind = plain\nredundancy = all\ncompress = zstd\n",
         "home.conf:7: [namespace d]: compress does not go with kind = plain"},
        {M "[store x]\n", "home.conf:4: there is no section [store]"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ms_mconf *c = NULL;
        struct ms_error err = {0};
        check_code(ms_mconf_parse(ms_str(bad[i][0]), "home.conf", &c, &err), MS_ERR_CONFIG, err);
        check_text(err, bad[i][1]);
        assert_null(strstr(err.text, "0405060708"));
        assert_null(c);
    }
}

static void secrets_are_the_owners_alone(void **state)
{
    (void)state;
    struct scratch dir;
    char path[128];
    struct ms_mconf *c = NULL;
    struct ms_error err = {0};
    assert_true(scratch_make(&dir));
    snprintf(path, sizeof path, "%s/home.conf", dir.path);
    check_code(ms_mconf_load(path, &c, &err), MS_ERR_NOT_FOUND, err);
    check_text(err, "the store's configuration /");
    static const mode_t open_to_others[] = {0640, 0604, 0620, 0601};
    for (size_t i = 0; i < sizeof open_to_others / sizeof *open_to_others; i++) {
        write_file(path, sample, open_to_others[i]);
        check_code(ms_mconf_load(path, &c, &err), MS_ERR_CONFIG, err);
        check_text(err, ":3: a secret, and others may read the file; run: chmod 600 /");
        assert_null(c);
    }
    write_file(path, sample, 0600);
    check_ok(ms_mconf_load(path, &c, &err), err);
    ms_mconf_free(c);
    c = NULL;
    write_file(path, M "[member b]\nurl = sftp://me:secret@b/x\n", 0644);
    check_code(ms_mconf_load(path, &c, &err), MS_ERR_CONFIG, err);
    check_text(err, ":5: a secret");
    assert_null(strstr(err.text, "me:"));
    write_file(path, M, 0644); /* no secret: no matter */
    check_ok(ms_mconf_load(path, &c, &err), err);
    ms_mconf_free(c);
    scratch_remove(&dir);
}

static void large_files_are_refused(void **state)
{
    (void)state;
    struct scratch dir;
    char path[128];
    struct ms_mconf *c = NULL;
    struct ms_error err = {0};
    assert_true(scratch_make(&dir));
    snprintf(path, sizeof path, "%s/home.conf", dir.path);
    write_file(path, "#", 0600);
    assert_int_equal(truncate(path, (1 << 20) + 1), 0);
    check_code(ms_mconf_load(path, &c, &err), MS_ERR_CONFIG, err);
    check_text(err, "is larger than 1 MiB");
    check_code(ms_mconf_load(dir.path, &c, &err), MS_ERR_IO, err);
    scratch_remove(&dir);
}

static void check_file(const char *path, const char *text)
{
    struct ms_private_file file;
    struct ms_error err = {0};
    check_ok(ms_private_file_read(path, "the file", &file, &err), err);
    assert_true(ms_equal(ms_private_file_view(&file), ms_str(text)));
    ms_private_file_free(&file);
}

static void what_was_added_is_taken_out_alone(void **state)
{
    (void)state;
    static const struct ms_layout_member usb = {.name = "usb", .zone = "usb", .weight = 1},
                                         red = {.name = "red", .zone = "desk", .weight = 2};
    struct scratch dir;
    char path[128], beside[160];
    struct ms_mconf_edit first, second;
    struct ms_error err = {0};
    assert_true(scratch_make(&dir));
    snprintf(path, sizeof path, "%s/home.conf", dir.path);
    snprintf(beside, sizeof beside, "%s.mstore.tmp", path);
    write_file(path, sample, 0600);
    write_file(beside, "half a f", 0400); /* by one who was killed */
    check_ok(ms_mconf_add_member(path, &(struct ms_mconf_member){.as = &usb, .url = "file:///usb"},
                                 &first, &err),
             err);
    assert_int_equal(access(beside, F_OK), -1);
    check_ok(ms_mconf_add_member(path, &(struct ms_mconf_member){.as = &red, .url = "file:///red"},
                                 &second, &err),
             err);
    check_ok(ms_mconf_undo(path, &first, &err), err);
    ms_mconf_edit_fini(&first);
#define RED "\n[member red]\nurl = file:///red\nweight = 2\nzone = desk\n"
    char both[sizeof sample + sizeof RED];
    snprintf(both, sizeof both, "%s%s", sample, RED);
    check_file(path, both);
    write_file(path, sample, 0600); /* its owner has taken it out */
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    check_ok(ms_mconf_undo(path, &second, &err), err);
    ms_mconf_edit_fini(&second);
    check_file(path, sample);
    assert_int_equal(stat(path, &after), 0);
    assert_true(before.st_ino == after.st_ino); /* there was nothing to write */
    scratch_remove(&dir);
}

/* Who is at a place where another was: that one's section is a comment, and all else as it was. */
static void a_section_gives_way(void **state)
{
    (void)state;
    static const struct ms_layout_member two = {
        .name = "box-2", .zone = "box-2", .weight = 1, .state = MS_WITNESS};
    static const char *const others[][2] = {
        /* who gives way, and has another url, or is not there */
        {"nas", "file:///srv/other"},
        {"none", "file:///srv/other"}};
    struct scratch dir;
    char path[128];
    struct ms_mconf_edit edit;
    struct ms_error err = {0};
    struct ms_mconf_member m = {.as = &two, .url = "file:///srv/box"};
    assert_true(scratch_make(&dir));
    snprintf(path, sizeof path, "%s/home.conf", dir.path);
    write_file(path, sample, 0600);
    check_code(ms_mconf_add_member(path, &m, &edit, &err), MS_ERR_CONFIG, err);
    m.gives_way = "cloud";
    check_code(ms_mconf_add_member(path, &m, &edit, &err), MS_ERR_CONFIG, err);
    check_file(path, sample);
    m.gives_way = "box";
    check_ok(ms_mconf_add_member(path, &m, &edit, &err), err);
    char want[sizeof sample + 100];
    const char *at = strstr(sample, "[member box]"), *rest = strstr(sample, "[member cloud]");
    snprintf(want, sizeof want,
             "%.*s# [member box]\n# url = file:///srv/box\n# state = witness\n%s"
             "\n[member box-2]\nurl = file:///srv/box\nstate = witness\n",
             (int)(at - sample), sample, rest);
    check_file(path, want);
    check_ok(ms_mconf_undo(path, &edit, &err), err);
    ms_mconf_edit_fini(&edit);
    check_file(path, sample);
    m.url = "file:///srv/other";
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        m.gives_way = others[i][0];
        check_ok(ms_mconf_add_member(path, &m, &edit, &err), err);
        assert_null(edit.hidden);
        check_ok(ms_mconf_undo(path, &edit, &err), err);
        ms_mconf_edit_fini(&edit);
        check_file(path, sample);
    }
    scratch_remove(&dir);
}

/* A section at the end, without a line's end; comments and empty lines in it stay as they are. */
static void the_last_section_gives_way(void **state)
{
    (void)state;
    static const struct ms_layout_member two = {.name = "b-2", .zone = "b-2", .weight = 1};
    struct scratch dir;
    char path[128];
    struct ms_mconf_edit edit;
    struct ms_error err = {0};
    const struct ms_mconf_member m = {.as = &two, .url = "file:///b", .gives_way = "b"};
#define TEXT_A "[mstore]\r\n[member a]\nurl = file:///a\n"
#define TEXT_B "  [member b]\n; mine\n\n\turl = file:///b"
    assert_true(scratch_make(&dir));
    snprintf(path, sizeof path, "%s/home.conf", dir.path);
    write_file(path, TEXT_A TEXT_B, 0600);
    check_ok(ms_mconf_add_member(path, &m, &edit, &err), err);
    check_file(path, TEXT_A "#   [member b]\n; mine\n\n# \turl = file:///b\n"
                            "\n[member b-2]\nurl = file:///b\n");
    check_ok(ms_mconf_undo(path, &edit, &err), err);
    ms_mconf_edit_fini(&edit);
    check_file(path, TEXT_A TEXT_B);
    scratch_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_apart),
        cmocka_unit_test(namespaces_may_be_elsewhere),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(secrets_are_the_owners_alone),
        cmocka_unit_test(large_files_are_refused),
        cmocka_unit_test(what_was_added_is_taken_out_alone),
        cmocka_unit_test(a_section_gives_way),
        cmocka_unit_test(the_last_section_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
