/* See members.h. */
#include "support/members.h"
#include "support/check.h"

#include "base/pool.h"
#include "base/text.h"
#include "mstore/layout.h"

#include <mstore/emulator.h>

#include <stdio.h>
#include <stdlib.h>

static struct members *here; /* the one that is made */
static struct ms_backend_ops ops[MEMBERS_MOST];
static int (*real_list)(struct ms_backend *b, struct ms_view name,
                        const struct ms_list_request *request, struct ms_lister **out,
                        struct ms_error *err);

/* ---- listings ---- */

struct scripted {
    struct ms_lister base;
    struct ms_lister *inner;
    struct member_script *script;
    size_t given;
    bool breaks;
    struct ms_entry entry;
};

static int say(struct scripted *l, const struct ms_entry **out)
{
    const char *text = l->script->says[l->given];
    *out = NULL;
    if (!text && (!l->script->round || !l->given))
        return 0;
    text = text ? text : l->script->says[--l->given];
    l->given++;
    size_t size = strlen(text);
    bool directory = size && text[size - 1] == '/';
    l->entry = (struct ms_entry){.name = ms_view(text, size - directory),
                                 .info = {.exists = true, .directory = directory}};
    *out = &l->entry;
    return 0;
}

static int scripted_next(struct ms_lister *base, const struct ms_entry **out, struct ms_error *e)
{
    struct scripted *l = (struct scripted *)base;
    if (l->breaks && l->script->says)
        return say(l, out);
    if (l->breaks && l->given == l->script->after)
        return ms_error_set(e, l->script->code, "the line broke");
    l->given++;
    return l->inner->ops->next(l->inner, out, e);
}

static void scripted_close(struct ms_lister *base)
{
    struct scripted *l = (struct scripted *)base;
    atomic_fetch_sub(&l->script->open, 1);
    if (l->inner)
        l->inner->ops->close(l->inner);
    free(l);
}

static bool holds(struct ms_view text, const char *part)
{
    return part && memmem(text.data, text.size, part, strlen(part));
}

static int scripted_list(struct ms_backend *b, struct ms_view name,
                         const struct ms_list_request *request, struct ms_lister **out,
                         struct ms_error *e)
{
    static const struct ms_lister_ops lister_ops = {scripted_next, scripted_close};
    unsigned member = 0;
    while (here->storage[member] != b)
        member++;
    struct member_script *script = &here->script[member];
    bool breaks = holds(name, script->broken) &&
                  (!script->only_whole || ms_ends_with(name, ms_str(script->broken)));
    struct scripted *l = calloc(1, sizeof *l);
    atomic_fetch_add(&script->lists, 1);
    int code = l ? 0 : ms_error_set(e, MS_ERR_NO_MEMORY, "no memory for a test");
    if (!code && !(breaks && script->says))
        code = real_list(b, name, request, &l->inner, e);
    if (code) {
        free(l);
        return code;
    }
    l->base = (struct ms_lister){.ops = &lister_ops, .backend = b};
    l->script = script;
    l->breaks = breaks;
    atomic_fetch_add(&script->open, 1);
    *out = &l->base;
    return 0;
}

/* ---- members ---- */

static const char head[] = "[mstore]\nformat = 1\nuuid = 5d8e0102-0304-4506-8708-090a0b0c0d0e\n"
                           "epoch = 1\nphase = final\n";

static struct ms_layout *layout_of(unsigned count, const char *namespaces)
{
    char text[2048];
    struct ms_error err = {0};
    struct ms_layout *layout = NULL;
    size_t used = (size_t)snprintf(text, sizeof text, "%s", head);
    for (unsigned i = 0; i < count; i++)
        used +=
            (size_t)snprintf(text + used, sizeof text - used,
                             "[member m%u]\nuuid = 11111111-1111-4111-8111-11111111111%u\n", i, i);
    snprintf(text + used, sizeof text - used, "%s", namespaces);
    check_ok(ms_layout_parse(ms_str(text), "LAYOUT", &layout, &err), err);
    return layout;
}

static struct ms_member *make_member(struct members *m, unsigned i, const struct ms_layout *layout,
                                     uint64_t latency_ns, struct ms_clock *clock)
{
    struct ms_backend_env env = {.clock = clock, .seed = 1};
    struct ms_error err = {0};
    struct ms_emulation e;
    ms_emulation_init(&e);
    e.latency_ns = latency_ns;
    check_ok(ms_backend_make("memory:", &env, &m->storage[i], &err), err);
    ops[i] = *m->storage[i]->ops;
    real_list = ops[i].list;
    ops[i].list = scripted_list;
    m->storage[i]->ops = &ops[i];
    check_ok(ms_emulator_new(m->storage[i], &e, &m->emulator[i], &err), err);
    static const struct ms_seal_key key = {{1, 2, 3}};
    const struct ms_member_options options = {.name = layout->members[i].name,
                                              .store = layout->uuid,
                                              .uuid = layout->members[i].uuid,
                                              .key = &key,
                                              .clock = clock,
                                              .seed = 1};
    struct ms_member *member = NULL;
    check_ok(ms_member_new(&options, m->emulator[i], &member, &err), err);
    check_ok(ms_member_create(member, &err), err);
    check_ok(ms_member_open(member, &err), err);
    return member;
}

void members_make(struct members *m, unsigned count, const char *namespaces, uint64_t latency_ns,
                  struct ms_clock *clock)
{
    static const struct ms_seal_key key = {{1, 2, 3}};
    struct ms_member *list[MEMBERS_MOST];
    struct ms_error err = {0};
    memset(m, 0, sizeof *m);
    m->count = count;
    here = m;
    struct ms_layout *layout = layout_of(count, namespaces);
    for (unsigned i = 0; i < count; i++)
        list[i] = make_member(m, i, layout, latency_ns, clock);
    check_ok(ms_roster_new(layout, list, clock, &key, &m->roster, &err), err);
    for (unsigned i = 0; i < count; i++) {
        ms_member_unref(list[i]);
        atomic_store(&m->script[i].lists, 0);
    }
}

void members_put_bytes(struct members *m, unsigned member, struct ms_own_name name,
                       struct ms_view value)
{
    struct ms_name path;
    struct ms_error err = {0};
    struct ms_buf *buf = ms_buf_copy(value);
    name.store = m->roster->layout->uuid;
    check_ok(ms_own_format(&name, 0, &path, &err), err);
    check_ok(ms_backend_store(m->storage[member], ms_name_view(&path), buf, NULL, NULL, &err), err);
    ms_buf_unref(buf);
}

void members_put(struct members *m, unsigned member, struct ms_own_name name, const char *value)
{
    members_put_bytes(m, member, name, ms_str(value));
}

void members_put_name(struct members *m, unsigned member, const char *name)
{
    struct ms_error err = {0};
    struct ms_buf *buf = ms_buf_copy(ms_str("x"));
    check_ok(ms_backend_store(m->storage[member], ms_str(name), buf, NULL, NULL, &err), err);
    ms_buf_unref(buf);
}

struct ms_own_name members_name(enum ms_own_kind kind, const char *key, unsigned level,
                                uint64_t counter)
{
    struct ms_own_name name = {.kind = kind,
                               .space = ms_str("data"),
                               .key = ms_str(key),
                               .level = level,
                               .id = {counter, 1},
                               .size = 5,
                               .mark = MS_OWN_LIVE};
    if (kind == MS_OWN_OBJECT || kind == MS_OWN_VALUE)
        name.k = 1;
    return name;
}

void members_fini(struct members *m)
{
    for (unsigned i = 0; i < m->count; i++)
        assert_int_equal(atomic_load(&m->script[i].open), 0);
    ms_roster_unref(m->roster);
    ms_pool_shutdown(); /* calls that nobody waited for hold the roster, and are made of `ops` */
}
