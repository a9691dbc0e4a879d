/* store/permissions.c: every verb with every set of letters, and what reaches the Store behind. */
#include "store/filter.h"
#include "store/permission_map.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- a Store that notes what reaches it and answers as told ---- */

struct spy {
    struct ms_store store;
    atomic_uint calls;
    pthread_mutex_t lock;        /* of sent: many at once come from several threads */
    struct ms_precondition sent; /* of the last store, move, write */
    int answer;
    const char *const *listed; /* keys, NULL-terminated */
};

static int note(struct ms_store *s, struct ms_error *err)
{
    struct spy *spy = (struct spy *)s;
    spy->calls++;
    return spy->answer ? ms_error_set(err, spy->answer, "the storage says so") : 0;
}

static int note_pre(struct ms_store *s, const struct ms_precondition *pre, struct ms_error *err)
{
    struct spy *spy = (struct spy *)s;
    pthread_mutex_lock(&spy->lock);
    spy->sent = *pre;
    pthread_mutex_unlock(&spy->lock);
    return note(s, err);
}

static int spy_sweep(struct ms_store *s, uint64_t age, uint64_t *removed, struct ms_error *err)
{
    (void)age;
    *removed = 0;
    return note(s, err);
}

static void spy_free(struct ms_store *s)
{
    (void)s;
}

static int spy_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                    struct ms_buf **out, struct ms_error *err)
{
    (void)item, (void)offset, (void)size;
    int code = note(s, err);
    if (!code)
        *out = ms_buf_copy(ms_str("x"));
    return code;
}

static int spy_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                     const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    (void)item, (void)value, (void)tag;
    return note_pre(s, pre, err);
}

static int spy_info(struct ms_store *s, struct ms_item_ref item, struct ms_item_info *out,
                    struct ms_error *err)
{
    (void)item;
    *out = (struct ms_item_info){0};
    return note(s, err);
}

static int spy_delete(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    (void)item;
    return note(s, err);
}

static int spy_move(struct ms_store *s, enum ms_move how, struct ms_view key,
                    struct ms_view new_key, bool deleted, const struct ms_precondition *pre,
                    struct ms_error *err)
{
    (void)how, (void)key, (void)new_key, (void)deleted;
    return note_pre(s, pre, err);
}

static int spy_hash(struct ms_store *s, struct ms_item_ref item, const char *algorithm, char *hex,
                    size_t hex_size, struct ms_error *err)
{
    (void)item, (void)algorithm, (void)hex, (void)hex_size;
    return note(s, err);
}

static int spy_defrag(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                      size_t count, struct ms_view target, const char *algorithm, char *key,
                      size_t key_size, struct ms_error *err)
{
    (void)ns, (void)parts, (void)count, (void)target, (void)algorithm, (void)key, (void)key_size;
    return note(s, err);
}

struct spy_writer {
    struct ms_store_writer base;
    struct spy *spy;
};

static int spy_append(struct ms_store_writer *w, struct ms_view bytes, struct ms_error *err)
{
    (void)w, (void)bytes, (void)err;
    return 0;
}

static int spy_commit(struct ms_store_writer *w, struct ms_tag *tag, struct ms_error *err)
{
    struct spy *spy = ((struct spy_writer *)w)->spy;
    (void)tag;
    free(w);
    return spy->answer ? ms_error_set(err, spy->answer, "the storage says so") : 0;
}

static void spy_abort(struct ms_store_writer *w)
{
    free(w);
}

static int spy_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                     const struct ms_precondition *pre, struct ms_store_writer **out,
                     struct ms_error *err)
{
    static const struct ms_store_writer_ops ops = {spy_append, spy_commit, spy_abort};
    (void)item, (void)size_hint, (void)err;
    struct spy *spy = (struct spy *)s;
    spy->calls++;
    spy->sent = *pre;
    struct spy_writer *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->base.ops = &ops;
    w->spy = spy;
    *out = &w->base;
    return 0;
}

static int spy_read(struct ms_store *s, struct ms_item_ref item, struct ms_store_reader **out,
                    struct ms_error *err)
{
    (void)item;
    *out = NULL;
    return note(s, err);
}

struct spy_lister {
    struct ms_store_lister base;
    const char *const *keys;
    struct ms_item item;
};

static int spy_next(struct ms_store_lister *l, const struct ms_item **out, struct ms_error *err)
{
    struct spy_lister *lister = (struct spy_lister *)l;
    (void)err;
    if (!*lister->keys) {
        *out = NULL;
        return 0;
    }
    lister->item.key = ms_str(*lister->keys++);
    lister->item.group = lister->item.key.data[lister->item.key.size - 1] == '/';
    l->skipped++;
    *out = &lister->item;
    return 0;
}

static void spy_close_lister(struct ms_store_lister *l)
{
    free(l);
}

static int spy_list(struct ms_store *s, const char *ns, const struct ms_list_options *options,
                    struct ms_store_lister **out, struct ms_error *err)
{
    static const struct ms_store_lister_ops ops = {spy_next, spy_close_lister};
    static const char *const none[] = {NULL};
    (void)ns, (void)options;
    struct spy *spy = (struct spy *)s;
    int code = note(s, err);
    if (code)
        return code;
    struct spy_lister *l = calloc(1, sizeof(*l));
    assert_non_null(l);
    l->base.ops = &ops;
    l->keys = spy->listed ? spy->listed : none;
    *out = &l->base;
    return 0;
}

static const struct ms_store_ops spy_ops = {
    .create = note,
    .destroy = note,
    .open = note,
    .close = note,
    .free = spy_free,
    .load = spy_load,
    .store = spy_store,
    .info = spy_info,
    .remove = spy_delete,
    .move = spy_move,
    .hash = spy_hash,
    .defrag = spy_defrag,
    .write = spy_write,
    .read = spy_read,
    .list = spy_list,
    .sweep = spy_sweep,
};

static struct ms_store *wrapped(struct spy *spy, const char *map)
{
    struct ms_store *s = NULL;
    struct ms_error err = {0};
    *spy =
        (struct spy){.store = {.ops = &spy_ops, .url = "spy:"}, .lock = PTHREAD_MUTEX_INITIALIZER};
    if (ms_permissions_wrap(&spy->store, map, &s, &err))
        fail_msg("%s: %s", map, err.text);
    return s;
}

/* ---- the verbs, on data/x ---- */

enum verb {
    CREATE,
    DESTROY,
    SWEEP,
    LIST,
    INFO,
    LOAD,
    READ,
    HASH,
    STORE,
    WRITE,
    STORE_MANY,
    DELETE,
    SOFT_DELETE,
    UNDELETE,
    CHANGE_LEVEL,
    RENAME,
    DEFRAG,
    DEFRAG_UNNAMED,
    VERBS
};
static const char *const verb_names[VERBS] = {
    "create",      "destroy",  "sweep",        "list",   "info",       "load",
    "read",        "hash",     "store",        "write",  "store_many", "delete",
    "soft delete", "undelete", "change level", "rename", "defrag",     "defrag unnamed"};

static int do_write(struct ms_store *s, struct ms_item_ref item, const struct ms_precondition *pre,
                    struct ms_error *err)
{
    struct ms_store_writer *w;
    struct ms_tag tag;
    int code = s->ops->write(s, item, 0, pre, &w, err);
    if (!code)
        code = w->ops->append(w, ms_str("x"), err);
    return code ? code : w->ops->commit(w, &tag, err);
}

static int do_store_many(struct ms_store *s, struct ms_item_ref item,
                         const struct ms_precondition *pre, struct ms_error *err)
{
    struct ms_many one = {.key = item.key, .precondition = *pre, .code = 77};
    one.value = ms_buf_copy(ms_str("x"));
    int code = s->ops->store_many(s, &one, 1, 1, err);
    assert_int_equal(one.code, code);
    assert_int_equal(one.precondition.kind, pre->kind); /* the caller's, as it was */
    if (code)
        assert_string_equal(one.error, err->text);
    ms_buf_unref(one.value);
    free(one.error);
    return code;
}

static int do_list(struct ms_store *s, struct ms_error *err)
{
    struct ms_list_options all = MS_LIST_OPTIONS_INIT;
    struct ms_store_lister *l;
    int code = s->ops->list(s, "data", &all, &l, err);
    if (!code)
        l->ops->close(l);
    return code;
}

static int do_load(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    struct ms_buf *value = NULL;
    int code = s->ops->load(s, item, 0, MS_SIZE_TO_END, &value, err);
    ms_buf_unref(value);
    return code;
}

static int do_store(struct ms_store *s, struct ms_item_ref item, const struct ms_precondition *pre,
                    struct ms_error *err)
{
    struct ms_tag tag;
    struct ms_buf_borrowed place;
    return s->ops->store(s, item, ms_buf_borrow(&place, ms_str("x")), pre, &tag, err);
}

static int perform(struct ms_store *s, enum verb verb, const struct ms_precondition *pre,
                   struct ms_error *err)
{
    struct ms_item_ref item = {.key = ms_str("data/x")};
    struct ms_defrag_part part = {ms_str("y"), 0, 1};
    struct ms_store_reader *reader;
    struct ms_item_info info;
    uint64_t removed;
    char text[200];
    switch (verb) {
    case CREATE:
        return s->ops->create(s, err);
    case DESTROY:
        return s->ops->destroy(s, err);
    case SWEEP:
        return s->ops->sweep(s, 0, &removed, err);
    case LIST:
        return do_list(s, err);
    case INFO:
        return s->ops->info(s, item, &info, err);
    case LOAD:
        return do_load(s, item, err);
    case READ:
        return s->ops->read(s, item, &reader, err);
    case HASH:
        return s->ops->hash(s, item, "sha256", text, sizeof(text), err);
    case STORE:
        return do_store(s, item, pre, err);
    case WRITE:
        return do_write(s, item, pre, err);
    case STORE_MANY:
        return do_store_many(s, item, pre, err);
    case DELETE:
        return s->ops->remove(s, item, err);
    case SOFT_DELETE:
    case UNDELETE:
    case CHANGE_LEVEL:
        return s->ops->move(s, MS_MOVE_SOFT_DELETE + (verb - SOFT_DELETE), item.key,
                            ms_view(NULL, 0), false, pre, err);
    case RENAME:
        return s->ops->move(s, MS_MOVE_RENAME, item.key, ms_str("data/z"), false, pre, err);
    case DEFRAG:
        return s->ops->defrag(s, "data", &part, 1, ms_str("z"), NULL, text, sizeof(text), err);
    case DEFRAG_UNNAMED:
        return s->ops->defrag(s, "data", &part, 1, ms_view(NULL, 0), "sha256", text, sizeof(text),
                              err);
    case VERBS:
        break;
    }
    fail();
    return -1;
}

static bool is_write(enum verb verb)
{
    return verb == STORE || verb == WRITE || verb == STORE_MANY ||
           (verb >= SOFT_DELETE && verb <= RENAME);
}

static bool expected(enum verb verb, unsigned may)
{
    bool r = may & MS_MAY_READ, W = may & MS_MAY_OVERWRITE, D = may & MS_MAY_DELETE;
    bool l = may & MS_MAY_LIST, writes = W || may & MS_MAY_CREATE;
    switch (verb) {
    case CREATE:
    case STORE:
    case WRITE:
    case STORE_MANY:
        return writes;
    case DESTROY:
    case SWEEP:
    case DELETE:
        return D;
    case LIST:
        return l;
    case INFO:
        return l || r;
    case LOAD:
    case READ:
    case HASH:
        return r;
    case SOFT_DELETE:
    case UNDELETE:
    case CHANGE_LEVEL:
    case RENAME:
        return D && writes;
    case DEFRAG:
    case DEFRAG_UNNAMED:
        return W && r;
    case VERBS:
        break;
    }
    return false;
}

static void check_verb(enum verb verb, unsigned may)
{
    char letters[MS_MAY_TEXT], map[64];
    struct spy spy;
    struct ms_error err = {0};
    ms_permission_letters(may, letters);
    /* what the root has must not matter to data, nor data's to the root */
    snprintf(map, sizeof(map), "\"\":%s data:%s", verb <= SWEEP ? letters : "lrwWD",
             verb <= SWEEP ? "lrwWD" : letters);
    struct ms_store *s = wrapped(&spy, map);
    struct ms_precondition always = {0};
    int code = perform(s, verb, &always, &err);
    int want = expected(verb, may) ? 0 : MS_ERR_PERMISSION;
    if (code != want || spy.calls != (want == 0))
        fail_msg("%s with %s: %s, %u calls: %s", verb_names[verb], map, ms_code_name(code),
                 spy.calls, err.text);
    enum ms_precondition_kind kind = may & MS_MAY_OVERWRITE ? MS_ALWAYS : MS_IF_ABSENT;
    if (want == 0 && is_write(verb) && spy.sent.kind != kind)
        fail_msg("%s with %s: sent precondition %d", verb_names[verb], map, (int)spy.sent.kind);
    if (s != &spy.store)
        s->ops->free(s);
}

static void every_verb_with_every_set_of_letters(void **state)
{
    (void)state;
    for (enum verb verb = CREATE; verb < VERBS; verb++)
        for (unsigned may = 0; may <= MS_MAY_ALL; may++)
            check_verb(verb, may);
}

static void a_value_that_is_there_needs_W(void **state)
{
    (void)state;
    static const enum verb verbs[] = {STORE, WRITE, STORE_MANY, RENAME, SOFT_DELETE, CHANGE_LEVEL};
    struct spy spy;
    struct ms_store *s = wrapped(&spy, "data:lrwD");
    spy.answer = MS_ERR_EXISTS;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
        struct ms_error err = {0};
        struct ms_precondition pre = {0};
        const char *key = verbs[i] == RENAME ? "data/z" : "data/x";
        char wanted[128];
        assert_int_equal(perform(s, verbs[i], &pre, &err), MS_ERR_PERMISSION);
        snprintf(wanted, sizeof(wanted), "overwriting %s needs W; \"data\" allows only lrwD", key);
        assert_string_equal(err.text, wanted);
        /* who asked for it himself gets his own answer */
        pre.kind = MS_IF_ABSENT;
        assert_int_equal(perform(s, verbs[i], &pre, &err), MS_ERR_EXISTS);
    }
    struct ms_precondition pre = {0};
    assert_int_equal(perform(s, UNDELETE, &pre, NULL), MS_ERR_EXISTS);
    assert_int_equal(spy.sent.kind, MS_IF_ABSENT);
    /* other failures stay what they are */
    spy.answer = MS_ERR_NO_SPACE;
    assert_int_equal(perform(s, STORE, &pre, NULL), MS_ERR_NO_SPACE);
    s->ops->free(s);
}

static void a_tag_means_overwriting(void **state)
{
    (void)state;
    struct spy spy;
    struct ms_store *s = wrapped(&spy, "data:lrw");
    struct ms_precondition pre = {MS_IF_TAG, {"t"}};
    assert_int_equal(perform(s, STORE, &pre, NULL), MS_ERR_PERMISSION);
    assert_int_equal(spy.calls, 0);
    s->ops->free(s);
    s = wrapped(&spy, "data:lrW");
    assert_int_equal(perform(s, STORE, &pre, NULL), 0);
    assert_int_equal(spy.sent.kind, MS_IF_TAG);
    assert_string_equal(spy.sent.tag.text, "t");
    s->ops->free(s);
}

static void store_many_judges_each(void **state)
{
    (void)state;
    struct spy spy;
    struct ms_error err = {0};
    struct ms_store *s = wrapped(&spy, "data:W locks:r new:w");
    struct ms_buf *value = ms_buf_copy(ms_str("x"));
    struct ms_many items[] = {{.key = ms_str("data/1"), .value = value},
                              {.key = ms_str("locks/1"), .value = value},
                              {.key = ms_str("new/1"), .value = value},
                              {.key = ms_str("elsewhere"), .value = value}};
    assert_int_equal(s->ops->store_many(s, items, 4, 2, &err), MS_ERR_PERMISSION);
    assert_string_equal(err.text, "storing locks/1 needs w or W; \"locks\" allows only r");
    assert_int_equal(spy.calls, 2);
    assert_int_equal(items[0].code, 0);
    assert_null(items[0].error);
    assert_int_equal(items[1].code, MS_ERR_PERMISSION);
    assert_int_equal(items[2].code, 0);
    assert_string_equal(items[3].error, "storing elsewhere needs w or W; nothing is allowed there");
    for (size_t i = 0; i < 4; i++)
        free(items[i].error);
    ms_buf_unref(value);
    s->ops->free(s);
}

static void the_nearest_entry_decides(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        unsigned granted;
    } cases[] = {
        {"", MS_MAY_LIST},
        {"x", MS_MAY_LIST},
        {"data", MS_MAY_READ},
        {"data/x", MS_MAY_READ},
        {"database/x", MS_MAY_LIST}, /* not below data */
        {"data/sub", 0},             /* denies, though data allows */
        {"data/sub/x", 0},
        {"data/subway", MS_MAY_READ},
        {"data/sub/x/y", MS_MAY_DELETE},
        {"data/sub/x/y/z", MS_MAY_DELETE},
    };
    struct ms_permission_map *map;
    assert_int_equal(ms_permission_map_parse("data/sub/x/y:D data:r \"\":l data/sub:", &map, NULL),
                     0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct ms_permission_entry *e = ms_permission_map_find(map, ms_str(cases[i].path));
        if (!e || e->granted != cases[i].granted)
            fail_msg("%s", cases[i].path);
    }
    assert_false(ms_permission_map_below(map, ms_str("data"), MS_MAY_DELETE));
    assert_true(ms_permission_map_below(map, ms_str("data/sub"), MS_MAY_DELETE));
    assert_true(ms_permission_map_below(map, ms_str("dat"), MS_MAY_ALL));
    assert_false(ms_permission_map_below(map, ms_str(""), MS_MAY_READ));
    ms_permission_map_free(map);
    ms_permission_map_free(NULL);
    assert_int_equal(ms_permission_map_parse("data:r", &map, NULL), 0);
    assert_null(ms_permission_map_find(map, ms_str("other/x")));
    ms_permission_map_free(map);
}

static void shortcuts(void **state)
{
    (void)state;
    static const struct {
        const char *name, *path, *letters;
    } cases[] = {
        {"borgbackup-no-delete", "x", "lr"},
        {"borgbackup-no-delete", "archives/x", "lrw"},
        {"borgbackup-no-delete", "cache/x", "lrwWD"},
        {"borgbackup-no-delete", "config/x", "lrW"},
        {"borgbackup-no-delete", "data/x", "lrw"},
        {"borgbackup-no-delete", "keys/x", "lr"},
        {"borgbackup-no-delete", "locks/x", "lrwD"},
        {"borgbackup-write-only", "x", "l"},
        {"borgbackup-write-only", "archives/x", "lw"},
        {"borgbackup-write-only", "data/x", "lw"},
        {"borgbackup-write-only", "config/x", "lrW"},
        {"borgbackup-write-only", "keys/x", "lr"},
        {"borgbackup-read-only", "data/x", "lr"},
        {"borgbackup-read-only", "locks/x", "lrwD"},
        {"borgbackup-all", "data/x", "lrwWD"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct ms_permission_map *map;
        char letters[MS_MAY_TEXT];
        assert_int_equal(ms_permission_map_parse(cases[i].name, &map, NULL), 0);
        const struct ms_permission_entry *e = ms_permission_map_find(map, ms_str(cases[i].path));
        assert_non_null(e);
        assert_string_equal(ms_permission_letters(e->granted, letters), cases[i].letters);
        ms_permission_map_free(map);
    }
    struct spy spy;
    assert_ptr_equal(wrapped(&spy, "borgbackup-all"), &spy.store); /* nothing to check: no filter */
}

static void bad_maps_are_explained(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } bad[] = {
        {"", "permissions: empty; leave them out"},
        {" \n", "permissions: empty; leave them out"},
        {"borgbackup-none", "permissions: \"borgbackup-none\" is neither PATH:LETTERS"},
        {"data:lrx", "permissions of \"data\": 'x' is not one of l (list), r (read)"},
        {"data:lr data:w", "permissions: \"data\" is given twice"},
        {":lr", "permissions: the root is written \"\", as in \"\":lr"},
        {"/data:lr", "permissions: the path \"/data\" must not begin or end with '/'"},
        {"data/:lr", "permissions: the path \"data/\" must not begin or end with '/'"},
        {"a//b:lr", "permissions: the path \"a//b\" must not have an empty segment"},
        {"\"data:lr", "permissions: a '\"' is not closed"},
        {"\"data\" :lr", "permissions: ':' and letters of lrwWD must follow \"data\""},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct spy spy = {.store = {.ops = &spy_ops}};
        struct ms_store *s = NULL;
        struct ms_error err = {0};
        int code = ms_permissions_wrap(&spy.store, bad[i].text, &s, &err);
        if (code != MS_ERR_CONFIG || strncmp(err.text, bad[i].sentence, strlen(bad[i].sentence)))
            fail_msg("%s: %s: %s", bad[i].text, ms_code_name(code), err.text);
        assert_null(s);
    }
    struct ms_permission_map *map;
    assert_int_equal(ms_permission_map_parse("\"a b\":l\n\tc:d:r", &map, NULL), 0);
    assert_int_equal(map->count, 2);
    assert_string_equal(map->entries[0].path, "a b");
    assert_string_equal(map->entries[1].path, "c:d");
    ms_permission_map_free(map);
}

/* ---- listing over entries below ---- */

static int list_all(struct ms_store *s, const char *ns, unsigned *count, uint64_t *skipped,
                    struct ms_error *err)
{
    struct ms_list_options all = MS_LIST_OPTIONS_INIT;
    struct ms_store_lister *l;
    const struct ms_item *item;
    int code = s->ops->list(s, ns, &all, &l, err);
    if (code)
        return code;
    for (*count = 0; (code = l->ops->next(l, &item, err)) == 0 && item;)
        ++*count;
    *skipped = l->skipped;
    l->ops->close(l);
    return code;
}

static void a_listing_meets_what_it_may_not_show(void **state)
{
    (void)state;
    static const char *const keys[] = {"a/1", "data/1", "data/2", NULL};
    static const char *const groups[] = {"a/", "data/", NULL};
    struct spy spy;
    struct ms_error err = {0};
    unsigned count;
    uint64_t skipped;
    struct ms_store *s = wrapped(&spy, "\"\":lr data:r");
    spy.listed = keys;
    assert_int_equal(list_all(s, "", &count, &skipped, &err), MS_ERR_PERMISSION);
    assert_string_equal(err.text, "listing data/1 needs l; \"data\" allows only r");
    assert_int_equal(count, 1);
    assert_int_equal(skipped, 2); /* what the lister below says */
    spy.listed = groups;
    assert_int_equal(list_all(s, "", &count, &skipped, &err), MS_ERR_PERMISSION);
    assert_string_equal(err.text, "listing data needs l; \"data\" allows only r");
    assert_int_equal(list_all(s, "data", &count, &skipped, &err), MS_ERR_PERMISSION);
    s->ops->free(s);
    s = wrapped(&spy, "\"\":lr data:l");
    spy.listed = keys;
    assert_int_equal(list_all(s, "", &count, &skipped, &err), 0);
    assert_int_equal(count, 3);
    s->ops->free(s);
}

static void internal_items_are_not_judged(void **state)
{
    (void)state;
    struct spy spy;
    struct ms_store *s = wrapped(&spy, "\"\":");
    struct ms_item_ref item = {.key = ms_str("quota.hid"), .internal = true};
    struct ms_precondition pre = {0};
    struct ms_item_info info;
    assert_int_equal(do_load(s, item, NULL), 0);
    assert_int_equal(do_store(s, item, &pre, NULL), 0);
    assert_int_equal(spy.sent.kind, MS_ALWAYS);
    assert_int_equal(s->ops->info(s, item, &info, NULL), 0);
    assert_int_equal(s->ops->remove(s, item, NULL), 0);
    assert_int_equal(s->ops->open(s, NULL), 0); /* and anyone may open */
    assert_int_equal(s->ops->close(s, NULL), 0);
    s->ops->free(s);
}

static void unnamed_defrag_needs_all_below(void **state)
{
    (void)state;
    struct spy spy;
    struct ms_error err = {0};
    struct ms_precondition pre = {0};
    struct ms_store *s = wrapped(&spy, "data:rW data/abcd:r");
    assert_int_equal(perform(s, DEFRAG_UNNAMED, &pre, &err), MS_ERR_PERMISSION);
    assert_string_equal(err.text, "defrag into data needs W on all of it when no target is named");
    assert_int_equal(perform(s, DEFRAG, &pre, &err), 0);
    s->ops->free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verb_with_every_set_of_letters),
        cmocka_unit_test(a_value_that_is_there_needs_W),
        cmocka_unit_test(a_tag_means_overwriting),
        cmocka_unit_test(store_many_judges_each),
        cmocka_unit_test(the_nearest_entry_decides),
        cmocka_unit_test(shortcuts),
        cmocka_unit_test(bad_maps_are_explained),
        cmocka_unit_test(a_listing_meets_what_it_may_not_show),
        cmocka_unit_test(internal_items_are_not_judged),
        cmocka_unit_test(unnamed_defrag_needs_all_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
