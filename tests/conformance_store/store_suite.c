/* store_suite.c - runs every test over every kind of Store. */
#include "store_suite.h"

#include "base/pool.h"

#include <string.h>
#include <sys/stat.h>

struct fixture fx;
struct ms_error err;

struct ms_namespace fixture_namespace(void)
{
    struct ms_namespace ns = {.name = "data",
                              .level_count = fx.kind->level_count,
                              .names = fx.kind->names,
                              .cache = fx.kind->cache,
                              .cache_size_bytes = 64u << 20};
    memcpy(ns.levels, fx.kind->levels, sizeof ns.levels);
    return ns;
}

/* Another MStore, which is the first member of home.conf. */
static void write_inner(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/inner.conf", fx.folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "[mstore]\nkey = %064d\n", 8);
    for (int i = 1; i <= 3; i++)
        fprintf(f, "[member i%d]\nurl = file://%s/inner%d?sync=none\n", i, fx.folder, i);
    fprintf(f, "[namespace]\nnames = bytes\n%s", fx.kind->inner);
    fchmod(fileno(f), 0600);
    fclose(f);
}

static struct ms_store *fixture_mstore(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/home.conf", fx.folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    if (fx.kind->inner)
        write_inner();
    fprintf(f, "[mstore]\nkey = %064d\n", 7);
    if (fx.kind->inner)
        fprintf(f, "[member m1]\nurl = inner.conf\n");
    for (int i = fx.kind->inner ? 2 : 1; i <= 3; i++)
        fprintf(f, "[member m%d]\nurl = file://%s/store%d?sync=none\n", i, fx.folder, i);
    fprintf(f, "[namespace data]\n%s", fx.kind->policy);
    fchmod(fileno(f), 0600);
    fclose(f);
    struct ms_mstore_options o = MS_MSTORE_OPTIONS_INIT;
    o.ignore_environment = true;
    o.seed = 7;
    o.state_folder = "";
    struct ms_store *s = NULL;
    OK(ms_mstore_new(path, &o, &s, &err));
    return s;
}

struct ms_store *fixture_store(void)
{
    if (fx.kind->policy)
        return fixture_mstore();
    struct ms_namespace ns = fixture_namespace();
    struct ms_store_options o = MS_STORE_OPTIONS_INIT;
    o.namespaces = &ns;
    o.namespace_count = 1;
    o.permissions = fx.kind->permissions;
    o.quota_bytes = fx.kind->quota_bytes;
    o.ignore_environment = true;
    o.seed = 7;
    char url[256], cache[128];
    const char *place = strstr(fx.kind->url, "%s");
    if (place)
        snprintf(url, sizeof url, "%.*s%s%s", (int)(place - fx.kind->url), fx.kind->url, fx.folder,
                 place + 2);
    else
        snprintf(url, sizeof url, "%s", fx.kind->url);
    snprintf(cache, sizeof cache, "file://%s/cache?sync=none", fx.folder);
    if (ns.cache != MS_CACHE_OFF)
        o.cache_url = cache;
    struct ms_store *s = NULL;
    OK(ms_store_new(url, &o, &s, &err));
    return s;
}

static void no_log(void *ctx, enum ms_log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line; /* that a policy has no redundancy */
}

int setup(void **state)
{
    ms_log_to(no_log, NULL, MS_LOG_WARN);
    (void)state;
    strcpy(fx.folder, "/tmp/mstore-store.XXXXXX");
    assert_non_null(mkdtemp(fx.folder));
    fx.store = fixture_store();
    OK(ms_store_create(fx.store, &err));
    OK(ms_store_open(fx.store, &err));
    return 0;
}

int teardown(void **state)
{
    (void)state;
    ms_store_free(fx.store);
    fx.store = NULL;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", fx.folder);
    return system(command);
}

struct ms_view key(const char *name)
{
    static char ring[16][160];
    static unsigned at;
    char *text = ring[at++ % 16];
    snprintf(text, sizeof ring[0], "data/%s", name);
    return ms_str(text);
}

static int put_with(const char *name, const char *value, enum ms_precondition_kind kind)
{
    struct ms_buf_borrowed place;
    struct ms_store_value_options o = MS_STORE_VALUE_OPTIONS_INIT;
    o.precondition.kind = kind;
    return ms_store_store(fx.store, key(name), ms_buf_borrow(&place, ms_str(value)), &o, NULL,
                          &err);
}

int put(const char *name, const char *value)
{
    return put_with(name, value, MS_ALWAYS);
}

int put_if_absent(const char *name, const char *value)
{
    return put_with(name, value, MS_IF_ABSENT);
}

bool can_if_absent(void)
{
    struct ms_capabilities can;
    ms_store_capabilities(fx.store, &can);
    return can.flags & MS_CAP_IF_ABSENT;
}

bool is_immutable(void)
{
    return fx.kind->policy && strstr(fx.kind->policy, "= immutable");
}

bool is_mutable(void)
{
    return fx.kind->policy && strstr(fx.kind->policy, "= mutable");
}

void check_value(const char *name, const char *value, bool deleted)
{
    struct ms_load_options o = MS_LOAD_OPTIONS_INIT;
    o.deleted = deleted;
    struct ms_buf *buf = NULL;
    OK(ms_store_load(fx.store, key(name), &o, &buf, &err));
    if (ms_buf_size(buf) != strlen(value) ||
        memcmp(ms_buf_view(buf).data, value, strlen(value)) != 0)
        fail_msg("[%s] %s is \"%.*s\", not \"%s\"", fx.kind->label, name, (int)ms_buf_size(buf),
                 (const char *)ms_buf_view(buf).data, value);
    ms_buf_unref(buf);
}

void check_gone(const char *name, bool deleted)
{
    struct ms_load_options o = MS_LOAD_OPTIONS_INIT;
    o.deleted = deleted;
    struct ms_buf *buf = NULL;
    CODE(ms_store_load(fx.store, key(name), &o, &buf, &err), MS_ERR_NOT_FOUND);
    struct ms_item_info info;
    OK(ms_store_info(fx.store, key(name), deleted, &info, &err));
    assert_false(info.exists);
}

const char *listed(enum ms_list_deleted deleted)
{
    static char text[8192];
    struct ms_list_options o = MS_LIST_OPTIONS_INIT;
    o.deleted = deleted;
    struct ms_store_lister *l = NULL;
    OK(ms_store_list(fx.store, "data", &o, &l, &err));
    const struct ms_item *item;
    size_t at = 0;
    text[0] = 0;
    for (;;) {
        OK(ms_store_lister_next(l, &item, &err));
        if (!item)
            break;
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s%s", at ? " " : "",
                               (int)item->key.size, (const char *)item->key.data,
                               item->deleted ? "~" : "");
    }
    assert_int_equal(ms_store_lister_skipped(l), 0);
    ms_store_lister_close(l);
    return text;
}

static int run(const char *part, const struct CMUnitTest *tests, size_t count)
{
    char group[160];
    snprintf(group, sizeof group, "%s: %s", fx.kind->label, part);
    return _cmocka_run_group_tests(group, tests, count, NULL, NULL);
}

/* which: "single", "many" (members), or a label; NULL: all. */
static bool chosen(const struct kind *k, const char *which)
{
    return !which || strcmp(which, k->policy ? "many" : "single") == 0 ||
           strcmp(which, k->label) == 0;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (size_t i = 0; i < kind_count; i++) {
        fx.kind = &kinds[i];
        if (!chosen(fx.kind, argc > 1 ? argv[1] : NULL))
            continue;
        failed += run("values", value_tests, value_test_count);
        failed += run("moves", move_tests, move_test_count);
        failed += run("many", many_tests, many_test_count);
        failed += run("large", large_tests, large_test_count);
        failed += run("races", race_tests, race_test_count);
    }
    ms_pool_shutdown();
    return failed != 0;
}
