/* store/config.c, store/config_resolve.c: what the file may say, what comes out for a STORE. */
#include "store/config.h"

#include "support/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char sample[] = "[namespace]\n"
                             "levels = 1\n"
                             "[namespace data]\n"
                             "levels = 0,2\n"
                             "cache = writethrough\n"
                             "cache-size = 2GiB\n"
                             "cache-max-age = 7d\n"
                             "[namespace data/sub]\n"
                             "names = bytes\n"
                             "[store nas]\n"
                             "url = file:///srv/nas?sync=data\n"
                             "permissions = \"\":lr data:lrw\n"
                             "quota = 100GiB\n"
                             "cache = file:///var/cache/nas\n"
                             "jobs = 8\n"
                             "levels.data = 2\n"
                             "[store plain]\n"
                             "url = memory:\n"
                             "names = bytes\n";

static struct ms_config *parsed(const char *text)
{
    struct ms_config *config = NULL;
    struct ms_error err = {0};
    int code = ms_config_parse(ms_str(text), "FILE", &config, &err);
    if (code)
        fail_msg("%s", err.text);
    return config;
}

static const struct ms_namespace *ns_of(const struct ms_config_target *t, const char *name)
{
    for (size_t i = 0; i < t->options.namespace_count; i++)
        if (strcmp(t->options.namespaces[i].name, name) == 0)
            return &t->options.namespaces[i];
    fail_msg("no namespace %s", name);
    return NULL;
}

static void stores_are_found(void **state)
{
    (void)state;
    struct ms_config *c = parsed(sample);
    const struct ms_config_store *s = ms_config_find(c, "nas");
    assert_non_null(s);
    assert_string_equal(s->url, "file:///srv/nas?sync=data");
    assert_string_equal(s->permissions, "\"\":lr data:lrw");
    assert_string_equal(s->cache_url, "file:///var/cache/nas");
    assert_int_equal(s->quota_bytes, 100ull << 30);
    assert_int_equal(s->jobs, 8);
    assert_int_equal(s->line, 10);
    assert_null(ms_config_find(c, "other"));
    assert_ptr_equal(ms_config_store_at(c, 0), s);
    assert_string_equal(ms_config_store_at(c, 1)->name, "plain");
    assert_null(ms_config_store_at(c, 2));
    assert_string_equal(ms_config_path(c), "FILE");
    ms_config_free(c);
    ms_config_free(NULL);
}

static void settings_come_from_the_nearest_place(void **state)
{
    (void)state;
    struct ms_config *c = parsed(sample);
    struct ms_config_target *t;
    const char *line[] = {"locks=3", "archives=0, 1"};
    assert_int_equal(ms_config_resolve(c, "nas", line, 2, &t, NULL), 0);
    assert_string_equal(t->url, "file:///srv/nas?sync=data");
    assert_int_equal(t->options.struct_size, sizeof(struct ms_store_options));
    assert_int_equal(t->options.quota_bytes, 100ull << 30);
    assert_int_equal(t->options.jobs, 8);
    assert_string_equal(t->options.cache_url, "file:///var/cache/nas");
    assert_string_equal(t->options.permissions, "\"\":lr data:lrw");
    assert_int_equal(t->options.namespace_count, 5);

    const struct ms_namespace *root = ns_of(t, "");
    assert_int_equal(root->level_count, 1);
    assert_int_equal(root->levels[0], 1);
    assert_int_equal(root->cache, MS_CACHE_OFF);
    const struct ms_namespace *data = ns_of(t, "data"); /* the store's own levels */
    assert_int_equal(data->level_count, 1);
    assert_int_equal(data->levels[0], 2);
    assert_int_equal(data->names, MS_NAMES_BORGSTORE);
    const struct ms_namespace *sub = ns_of(t, "data/sub"); /* what it does not say: data's */
    assert_int_equal(sub->levels[0], 2);
    assert_int_equal(sub->names, MS_NAMES_BYTES);
    assert_int_equal(sub->cache, MS_CACHE_WRITETHROUGH);
    assert_int_equal(sub->cache_size_bytes, 2ull << 30);
    assert_int_equal(sub->cache_max_age_ns, 7 * 86400 * 1000000000ull);
    assert_int_equal(ns_of(t, "locks")->levels[0], 3);
    const struct ms_namespace *archives = ns_of(t, "archives");
    assert_int_equal(archives->level_count, 2);
    assert_int_equal(archives->levels[1], 1);
    ms_config_target_free(t);
    ms_config_target_free(NULL);
    ms_config_free(c);
}

static void urls_take_namespaces_but_no_cache(void **state)
{
    (void)state;
    struct ms_config *c = parsed(sample);
    struct ms_config_target *t;
    const char *line[] = {"2"};
    assert_int_equal(ms_config_resolve(c, "file:///tmp/x", line, 1, &t, NULL), 0);
    assert_string_equal(t->url, "file:///tmp/x");
    assert_null(t->options.permissions);
    assert_null(t->options.cache_url);
    assert_int_equal(t->options.quota_bytes, 0);
    assert_int_equal(ns_of(t, "")->levels[0], 2);
    assert_int_equal(ns_of(t, "data")->level_count, 2); /* more exact than the root's override */
    assert_int_equal(ns_of(t, "data")->cache, MS_CACHE_OFF);
    ms_config_target_free(t);
    assert_int_equal(ms_config_resolve(c, "plain", NULL, 0, &t, NULL), 0);
    assert_int_equal(ns_of(t, "")->names, MS_NAMES_BORGSTORE); /* it has namespaces below */
    assert_int_equal(ns_of(t, "data")->names, MS_NAMES_BYTES);
    assert_int_equal(ns_of(t, "data")->cache, MS_CACHE_OFF);
    ms_config_target_free(t);
    ms_config_free(c);
}

static void an_empty_file_makes_everything_flat(void **state)
{
    (void)state;
    struct ms_config *c = parsed("");
    struct ms_config_target *t;
    assert_int_equal(ms_config_resolve(c, "memory:", NULL, 0, &t, NULL), 0);
    assert_int_equal(t->options.namespace_count, 1);
    assert_string_equal(t->options.namespaces[0].name, "");
    assert_int_equal(t->options.namespaces[0].level_count, 0);
    ms_config_target_free(t);
    ms_config_free(c);
}

static void what_comes_out_makes_a_store(void **state)
{
    (void)state;
    struct ms_config *c = parsed("[store a]\nurl = memory:\nnames = bytes\n"
                                 "[store b]\nurl = memory:\npermissions = borgbackup-no-delete\n"
                                 "cache = memory:\nquota = 1k\nlevels.x/y = 0,1\n");
    for (int with = 0; with < 2; with++) { /* without and with another namespace */
        const char *levels[] = {"data=2"};
        const struct ms_config_store *configured;
        for (size_t i = 0; (configured = ms_config_store_at(c, i)); i++) {
            struct ms_config_target *t;
            struct ms_store *s;
            struct ms_error err = {0};
            assert_int_equal(ms_config_resolve(c, configured->name, levels, (size_t)with, &t, NULL),
                             0);
            if (i == 0)
                assert_int_equal(ns_of(t, "")->names, with ? MS_NAMES_BORGSTORE : MS_NAMES_BYTES);
            if (ms_store_new(t->url, &t->options, &s, &err))
                fail_msg("%s", err.text);
            ms_store_free(s);
            ms_config_target_free(t);
        }
    }
    ms_config_free(c);
}

static void bad_arguments_are_explained(void **state)
{
    (void)state;
    struct ms_config *c = parsed(sample);
    struct ms_config_target *t = NULL;
    struct ms_error err = {0};
    assert_int_equal(ms_config_resolve(c, "nass", NULL, 0, &t, &err), MS_ERR_CONFIG);
    assert_string_equal(err.text, "there is no store \"nass\": give a URL, as in "
                                  "file:///srv/store, or add [store nass] to FILE");
    static const char *const bad[] = {"data=",  "data=9",  "data=1,", "data=,1",
                                      "data=x", "/d=1",    "d//e=1",  "data=1 2",
                                      "",       "data=-1", "data=11", "data=0,0,0,0,0,0,0,0,0"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        err = (struct ms_error){0};
        if (ms_config_resolve(c, "nas", &bad[i], 1, &t, &err) != MS_ERR_CONFIG)
            fail_msg("accepted: %s", bad[i]);
        assert_true(err.text[0]);
    }
    assert_null(t);
    ms_config_free(c);
}

static void refused_with_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } bad[] = {
        {"[store a]\n", "FILE:1: [store a] has no url"},
        {"[store a]\nurl = nonsense\n", "FILE:2: "},
        {"[store a]\nurl =\n", "FILE:2: an empty URL"},
        {"[store a]\nurl = memory:\ncache = x\n", "FILE:3: "},
        {"[store a]\nurl = memory:\nquota = many\n", "FILE:3: quota"},
        {"[store a]\nurl = memory:\njobs = 4097\n", "FILE:3: jobs"},
        {"[store a]\nurl = memory:\nnames = utf8\n",
         "FILE:3: names \"utf8\" is neither borgstore nor bytes"},
        {"[store a]\nurl = memory:\npermissions = data:x\n", "FILE:3: permissions of \"data\""},
        {"[store a]\nurl = memory:\nlevels.data = 9\n", "FILE:3: levels \"9\""},
        {"[store a]\nurl = memory:\nlevels./x = 1\n", "FILE:3: the namespace \"/x\""},
        {"[store a]\nurl = memory:\ncolour = red\n",
         "FILE:3: a [store] has no key \"colour\"; it has url, "},
        {"[store a]\nurl = memory:\n[store a]\n", "FILE:3: [store a] is there already, in line 1"},
        {"[store]\n", "FILE:1: a store needs a name"},
        {"[store a:b]\n", "FILE:1: the store's name \"a:b\""},
        {"[namespace d]\nlevel = 1\n", "FILE:2: a [namespace] has no key \"level\"; it has "},
        {"[namespace d]\ncache = on\n",
         "FILE:2: cache \"on\" is none of off, mirror, writethrough"},
        {"[namespace d]\ncache-size = -1\n", "FILE:2: cache-size"},
        {"[namespace d]\ncache-max-age = soon\n", "FILE:2: cache-max-age"},
        {"[namespace d]\n[namespace d]\n", "FILE:2: [namespace d] is there twice"},
        {"[namespace d/]\n", "FILE:1: the namespace \"d/\""},
        {"[stores a]\n", "FILE:1: there is no section [stores]"},
        {"url = memory:\n", "FILE:1: "},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct ms_config *c = NULL;
        struct ms_error err = {0};
        int code = ms_config_parse(ms_str(bad[i].text), "FILE", &c, &err);
        if (code != MS_ERR_CONFIG || strncmp(err.text, bad[i].sentence, strlen(bad[i].sentence)))
            fail_msg("%s: %s: %s", bad[i].text, ms_code_name(code), err.text);
        assert_null(c);
    }
}

/* ---- files ---- */

static void passwords_need_a_private_file(void **state)
{
    const char *folder = *state;
    char path[512], wanted[1600];
    snprintf(path, sizeof(path), "%s/config", folder);
    static const char *const secret[] = {
        "[store a]\nurl = sftp://me:hunter2@host/x\n",
        "[store a]\nurl = memory:\ncache = https://u:hunter2@host/x\n",
        "[store a]\nurl = s3:me:hunter2@https://host/bucket/x\n",
        "[store a]\nurl = file:///x?password=hunter2\n",
        "[store a]\nurl = s3:work:hunter2/a+b@c@/bucket/x\n",
        "[store a]\nurl = sftp://me@host/x?passphrase=hunter2\n",
    };
    for (size_t i = 0; i < sizeof(secret) / sizeof(*secret); i++) {
        struct ms_config *c = NULL;
        struct ms_error err = {0};
        write_file(path, secret[i], 0640);
        assert_int_equal(ms_config_load(path, &c, &err), MS_ERR_CONFIG);
        snprintf(wanted, sizeof(wanted),
                 "%s:%d: a password, and others may read the file; run: chmod 600 %s", path,
                 i == 1 ? 3 : 2, path);
        assert_string_equal(err.text, wanted);
        assert_null(strstr(err.text, "hunter2"));
        write_file(path, secret[i], 0600);
        assert_int_equal(ms_config_load(path, &c, NULL), 0);
        ms_config_free(c);
    }
    static const char open[] =
        "[store a]\nurl = sftp://me@host/a:b@c\n[store b]\nurl = file:///a:b@c\n"
        "[store c]\nurl = s3:work@https://host:9000/bucket/a@b\n";
    struct ms_config *c = NULL;
    write_file(path, open, 0644);
    assert_int_equal(ms_config_load(path, &c, NULL), 0);
    ms_config_free(c);
    unlink(path);
}

static void the_environment_says_where(void **state)
{
    const char *folder = *state;
    char path[512], nested[600];
    struct ms_config *c = NULL;
    struct ms_error err = {0};
    unsetenv("MSTORE_CONFIG");
    setenv("HOME", folder, 1);
    unsetenv("XDG_CONFIG_HOME");
    assert_int_equal(ms_config_load(NULL, &c, &err), 0); /* missing: empty */
    snprintf(path, sizeof(path), "%s/.config/mstore/config", folder);
    assert_string_equal(ms_config_path(c), path);
    assert_null(ms_config_store_at(c, 0));
    ms_config_free(c);

    setenv("XDG_CONFIG_HOME", folder, 1);
    snprintf(path, sizeof(path), "%s/mstore", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(nested, sizeof(nested), "%s/config", path);
    write_file(nested, "[store x]\nurl = memory:\n", 0644);
    assert_int_equal(ms_config_load(NULL, &c, &err), 0);
    assert_non_null(ms_config_find(c, "x"));
    ms_config_free(c);
    write_file(nested, "[store x]\n", 0644); /* an existing one counts */
    assert_int_equal(ms_config_load(NULL, &c, &err), MS_ERR_CONFIG);
    unlink(nested);
    rmdir(path);

    snprintf(path, sizeof(path), "%s/named", folder);
    setenv("MSTORE_CONFIG", path, 1);
    assert_int_equal(ms_config_load(NULL, &c, &err), MS_ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, path));
    write_file(path, "[store y]\nurl = memory:\n", 0644);
    assert_int_equal(ms_config_load(NULL, &c, &err), 0);
    assert_non_null(ms_config_find(c, "y"));
    ms_config_free(c);
    assert_int_equal(ms_config_load("/nonexistent/config", &c, &err), MS_ERR_NOT_FOUND);
    unlink(path);
    unsetenv("MSTORE_CONFIG");
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("HOME");
    assert_int_equal(ms_config_load(NULL, &c, &err), 0);
    assert_string_equal(ms_config_path(c), "");
    ms_config_free(c);
}

static int make_folder(void **state)
{
    static char folder[] = "/tmp/mstore-config-XXXXXX";
    strcpy(folder + sizeof(folder) - 7, "XXXXXX");
    *state = mkdtemp(folder);
    return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
    return rmdir(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_are_found),
        cmocka_unit_test(settings_come_from_the_nearest_place),
        cmocka_unit_test(urls_take_namespaces_but_no_cache),
        cmocka_unit_test(an_empty_file_makes_everything_flat),
        cmocka_unit_test(what_comes_out_makes_a_store),
        cmocka_unit_test(bad_arguments_are_explained),
        cmocka_unit_test(refused_with_file_and_line),
        cmocka_unit_test_setup_teardown(passwords_need_a_private_file, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_environment_says_where, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
