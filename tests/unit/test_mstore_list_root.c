/* Listings of an MStore's root: all its namespaces in one order, framed and plain; complete or an
 * error. */
#include "mstore/list.h"
#include "base/text.h"
#include "support/check.h"
#include "support/drain_list.h"

#include <stdlib.h>

static struct ms_error err;
static const struct ms_list_options all = MS_LIST_OPTIONS_INIT;

#define SPACES                                                                                     \
    "[namespace]\nkind = mutable\nredundancy = all\nlevels = 1\n"                                  \
    "[namespace data]\nkind = immutable\nredundancy = all\nlevels = 2\n"                           \
    "[namespace plain]\nkind = plain\nredundancy = all\n"

struct plain { /* stands for the listing of plain namespaces */
    struct ms_store_lister base;
    struct ms_list_options options;
    unsigned at;
    struct ms_item item;
};
static int plain_open;

static int plain_next(struct ms_store_lister *base, const struct ms_item **out, struct ms_error *e)
{
    static const char *const keys[] = {"plain/1", "plain/2"};
    struct plain *p = (struct plain *)base;
    (void)e;
    *out = NULL;
    while (p->at < 2 && !*out) {
        struct ms_view key = ms_str(keys[p->at++]);
        p->item = (struct ms_item){.key = key, .info = {.exists = true, .size_bytes = p->at}};
        if (ms_starts_with(key, p->options.prefix) && ms_compare(key, p->options.start_after) > 0)
            *out = &p->item;
    }
    return 0;
}

static void plain_close(struct ms_store_lister *base)
{
    plain_open--;
    free(base);
}

static int open_root(struct members *m, const struct ms_list_options *o,
                     struct ms_store_lister **out)
{
    static const struct ms_store_lister_ops ops = {plain_next, plain_close};
    struct plain *p = calloc(1, sizeof *p);
    if (!p)
        return ms_error_set(&err, MS_ERR_NO_MEMORY, "no memory for a test");
    *p = (struct plain){.base = {.ops = &ops}, .options = *o};
    plain_open++;
    return ms_list_root(m->roster, o, &p->base, out, &err);
}

static void check_root(struct members *m, const struct ms_list_options *o, const char *wanted)
{
    struct ms_store_lister *l = NULL;
    const struct ms_item *item;
    char text[2048];
    check_ok(open_root(m, o, &l), err);
    check_ok(drain_list(l, text, sizeof text, &err), err);
    check_ok(ms_store_lister_next(l, &item, &err), err); /* and stays so */
    assert_null(item);
    ms_store_lister_close(l);
    assert_string_equal(text, wanted);
    assert_int_equal(plain_open, 0);
}

static void put_at(struct members *m, unsigned member, const char *space, const char *key,
                   bool immutable)
{
    struct ms_own_name name =
        members_name(immutable ? MS_OWN_VALUE : MS_OWN_OBJECT, key, immutable ? 2 : 1, 1);
    name.space = ms_str(space);
    members_put(m, member, name, "x");
}

static void make_spaces(struct members *m)
{
    members_make(m, 3, SPACES, 0, ms_clock_real());
    put_at(m, 0, "", "b", false);
    put_at(m, 1, "", "zz", false);
    put_at(m, 2, "data-x", "k", false);
    put_at(m, 2, "data", "k1", true);
    put_at(m, 1, "data", "zz", true);
    put_at(m, 1, "data/sub", "k0", true);
    put_at(m, 2, "plain", "not-so", true); /* no framed one */
}

static void the_root_has_all_namespaces(void **state)
{
    struct members m;
    struct ms_list_options o = all;
    (void)state;
    make_spaces(&m);
    check_root(&m, &o,
               "b=5 data-x/k=5 data/k1=5 data/sub/k0=5 data/zz=5 plain/1=1 plain/2=2 zz=5 ");
    o.limit = 3;
    check_root(&m, &o, "b=5 data-x/k=5 data/k1=5 ");
    o.start_after = ms_str("data/k1");
    check_root(&m, &o, "data/sub/k0=5 data/zz=5 plain/1=1 ");
    o = all;
    o.prefix = ms_str("data/s");
    check_root(&m, &o, "data/sub/k0=5 ");
    o.prefix = ms_str("data");
    check_root(&m, &o, "data-x/k=5 data/k1=5 data/sub/k0=5 data/zz=5 ");
    o = all;
    o.delimiter = '/';
    check_root(&m, &o, "b=5 data-x/ data/ plain/ zz=5 ");
    o.start_after = ms_str("data/");
    for (unsigned i = 0; i < 3; i++)
        atomic_store(&m.script[i].lists, 0);
    check_root(&m, &o, "plain/ zz=5 ");
    assert_int_equal(atomic_load(&m.script[2].lists), 2 + 1); /* obj/, val/, and "" there */
    members_fini(&m);
}

static void the_root_is_complete_or_an_error(void **state)
{
    struct members m;
    struct ms_store_lister *l = NULL;
    char text[512];
    (void)state;
    make_spaces(&m);
    m.script[0].broken = "/obj";
    m.script[0].only_whole = true;
    m.script[0].code = MS_ERR_IO;
    check_root(&m, &all,
               "b=5 data-x/k=5 data/k1=5 data/sub/k0=5 data/zz=5 plain/1=1 plain/2=2 zz=5 ");
    m.script[1].broken = "/obj";
    m.script[1].only_whole = true;
    m.script[1].code = MS_ERR_IO;
    check_code(open_root(&m, &all, &l), MS_ERR_IO, err);
    check_text(err, "2 of 3 members fail where 1 may: member m0: the line broke; member m1: ");
    assert_int_equal(plain_open, 0);
    m.script[0].broken = NULL;
    m.script[1].broken = m.script[2].broken = "n.data!"; /* on the way */
    m.script[2].code = MS_ERR_IO;
    check_ok(open_root(&m, &all, &l), err);
    check_code(drain_list(l, text, sizeof text, &err), MS_ERR_IO, err);
    assert_string_equal(text, "b=5 data-x/k=5 ");
    ms_store_lister_close(l);
    assert_int_equal(plain_open, 0);
    members_fini(&m);
}

static void allocation_k_fails_in_the_root(void **state)
{
    struct members m;
    struct ms_list_options o = all;
    (void)state;
    make_spaces(&m);
    o.delimiter = '/';
    o.limit = 4;
    drain_without_memory(open_root, &m, &o, "b=5 data-x/ data/ plain/ ", &err);
    assert_int_equal(plain_open, 0);
    members_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_has_all_namespaces),
        cmocka_unit_test(the_root_is_complete_or_an_error),
        cmocka_unit_test(allocation_k_fails_in_the_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
