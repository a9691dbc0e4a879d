/* base/ini.c: what is read, what is refused and on which line. */
#include "base/ini.h"

#include "support/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Notes entries as "section|name|key|value;". */
struct notes {
    char text[1024];
    int stop_at; /* the entry that ends the parse; 0: none */
    int count;
};

static int note(void *ctx, const struct ms_ini_entry *e, struct ms_error *err)
{
    struct notes *n = ctx;
    size_t used = strlen(n->text);
    snprintf(n->text + used, sizeof n->text - used, "%u:%s|%s|%s|%s;", e->line, e->section, e->name,
             e->key ? e->key : "-", e->value ? e->value : "-");
    if (++n->count == n->stop_at)
        return ms_error_set(err, MS_ERR_URL, "stopped");
    return 0;
}

static void reads(void **state)
{
    (void)state;
    struct notes n = {0};
    const char *text =
        "# comment\n; too\n\n[store nas]\r\n url =  file:///srv/a b # not a comment \n"
        "empty =\n[ defaults ]\njobs=4\n[namespace data/x]\nurl = a=b\n[store nas]\n"
        "other = \xc3\xa9";
    assert_int_equal(ms_ini_parse(ms_str(text), "config", note, &n, NULL), 0);
    assert_string_equal(n.text,
                        "4:store|nas|-|-;5:store|nas|url|file:///srv/a b # not a comment;"
                        "6:store|nas|empty|;7:defaults||-|-;8:defaults||jobs|4;"
                        "9:namespace|data/x|-|-;10:namespace|data/x|url|a=b;11:store|nas|-|-;"
                        "12:store|nas|other|\xc3\xa9;");
    assert_int_equal(ms_ini_parse(ms_view(NULL, 0), "config", note, &n, NULL), 0);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *where;
    } bad[] = {
        {"a = 1\n", "c:1: "},
        {"[s]\nnonsense\n", "c:2: "},
        {"[s\n", "c:1: "},
        {"[]\n", "c:1: "},
        {"[s] x\n", "c:1: "},
        {"[s a]b]\n", "c:1: "},
        {"[s]\n= 1\n", "c:2: "},
        {"[s]\na b = 1\n", "c:2: "},
        {"[s]\na = 1\n\na = 2\n", "c:4: "},
        {"[s n]\na = 1\n[s n]\na = 2\n", "c:4: "},
        {"[s]\na = \xff\n", "c:2: "},
        {"[s]\na = \xc3\n", "c:2: "},
        {"[s]\na = \x01\n", "c:2: "},
        {"[s]\na = 1\rb = 2\n", "c:2: "},
        {"[s]\n\xef\xbb\xbf[s]\n", "c:2: "},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct notes n = {0};
        struct ms_error err = {0};
        assert_int_equal(ms_ini_parse(ms_str(bad[i].text), "c", note, &n, &err), MS_ERR_CONFIG);
        assert_memory_equal(err.text, bad[i].where, strlen(bad[i].where));
    }
    struct notes n = {0};
    assert_int_equal(ms_ini_parse(ms_view("[s]\na=\0b\n", 9), "c", note, &n, NULL), MS_ERR_CONFIG);
}

static void long_lines(void **state)
{
    (void)state;
    char text[4200] = "[s]\nk=";
    memset(text + 6, 'x', 4094);
    struct notes n = {0};
    assert_int_equal(ms_ini_parse(ms_str(text), "c", note, &n, NULL), 0);
    text[6 + 4094] = 'x';
    assert_int_equal(ms_ini_parse(ms_str(text), "c", note, &n, NULL), MS_ERR_CONFIG);
}

static void callback_ends_it(void **state)
{
    (void)state;
    struct notes n = {.stop_at = 2};
    struct ms_error err = {0};
    assert_int_equal(ms_ini_parse(ms_str("[a]\nb=1\nc=2\n"), "c", note, &n, &err), MS_ERR_URL);
    assert_string_equal(err.text, "stopped");
    assert_int_equal(n.count, 2);
}

static int count(void *ctx, const struct ms_ini_entry *e, struct ms_error *err)
{
    (void)e;
    (void)err;
    ++*(int *)ctx;
    return 0;
}

static void many_keys(void **state)
{
    (void)state;
    char *text = malloc(1 << 20);
    assert_non_null(text);
    size_t size = (size_t)sprintf(text, "[s]\n");
    for (int i = 0; i < 50000; i++)
        size += (size_t)sprintf(text + size, "k%d=%d\n", i, i);
    int got = 0;
    assert_int_equal(ms_ini_parse(ms_view(text, size), "c", count, &got, NULL), 0);
    assert_int_equal(got, 50001);
    size += (size_t)sprintf(text + size, "k49999=x\n");
    struct ms_error err = {0};
    assert_int_equal(ms_ini_parse(ms_view(text, size), "c", count, &got, &err), MS_ERR_CONFIG);
    assert_non_null(strstr(err.text, "c:50002: "));
    free(text);
}

static void files(void **state)
{
    (void)state;
    char folder[] = "/tmp/mstore-ini-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/config", folder);
    int got = 0;
    struct ms_error err = {0};
    assert_int_equal(ms_ini_parse_file(path, count, &got, &err), MS_ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(ms_ini_parse_file(folder, count, &got, &err), MS_ERR_CONFIG);
    write_file(path, "[a]\nb = c\n", 0644);
    assert_int_equal(ms_ini_parse_file(path, count, &got, &err), 0);
    assert_int_equal(got, 2);
    assert_int_equal(truncate(path, 1024 * 1024 + 1), 0);
    assert_int_equal(ms_ini_parse_file(path, count, &got, &err), MS_ERR_CONFIG);
    assert_non_null(strstr(err.text, "1 MiB"));
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),      cmocka_unit_test(refuses),
        cmocka_unit_test(long_lines), cmocka_unit_test(callback_ends_it),
        cmocka_unit_test(many_keys),  cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
