/* verify = sha256 in streams: what is damaged on one member is read from another one, or, where it
 * is too long to be held in memory, the last read fails. */
#include "mstore/digest_check.h"
#include "mstore/held.h"
#include "mstore/immutable_parts.h"
#include "mstore/plain.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/pool.h"
#include "base/text.h"
#include "tests/support/check.h"
#include "tests/support/fleet.h"

#include <stdio.h>
#include <stdlib.h>

#define POLICY "redundancy = all\nverify = sha256\n"
#define PIECE  ((size_t)1 << 20)
#define LONG   (MS_HELD_MAX + 1)

struct item {
    struct fleet f;
    char key[MS_SHA256_HEX], whole[80], name[80];
    struct ms_buf *value;
    struct ms_site site;
    struct ms_item_ref ref;
};

static void make(struct item *i, const char *kind, size_t size)
{
    fleet_make(&i->f, &(struct fleet_options){.members = 3, .kind = kind, .policy = POLICY});
    i->value = fleet_value(size, 3);
    fleet_digest(i->value, i->key);
    snprintf(i->whole, sizeof i->whole, "data/%s", i->key);
    snprintf(i->name, sizeof i->name, "data/%.2s/%s", i->key, i->key);
    i->site = fleet_site(&i->f, i->key);
    i->ref = (struct ms_item_ref){.key = ms_str(i->whole)};
}

static void end(struct item *i)
{
    ms_pool_shutdown();
    ms_buf_unref(i->value);
    fleet_free(&i->f);
}

/* From the beginning to the end. *at: so much was read, all of it as it was stored. */
static int read_all(const struct item *i, struct ms_store_reader *r, uint64_t *at,
                    struct ms_error *err)
{
    MS_AUTO_FREE uint8_t *bytes = malloc(PIECE);
    const uint8_t *stored = ms_buf_view(i->value).data;
    size_t got = 1, size = ms_buf_size(i->value);
    int code = 0;
    assert_non_null(bytes);
    for (*at = 0; !code && got; *at += code ? 0 : got) {
        code = r->ops->read(r, *at, bytes, PIECE, &got, err);
        if (!code)
            assert_true(*at + got <= size && memcmp(bytes, stored + *at, got) == 0);
    }
    return code;
}

static void assert_whole(const struct item *i, struct ms_store_reader *r)
{
    struct ms_error err = {0};
    uint64_t size;
    check_ok(read_all(i, r, &size, &err), err);
    assert_int_equal(size, ms_buf_size(i->value));
    assert_int_equal(r->info.size_bytes, size);
    r->ops->close(r);
}

/* All but the last piece comes; the last one, however often it is asked for, does not. */
static void assert_fails_at_the_end(const struct item *i, struct ms_store_reader *r)
{
    struct ms_error err = {0};
    uint8_t byte;
    size_t got;
    uint64_t at;
    check_code(read_all(i, r, &at, &err), MS_ERR_CORRUPT, err);
    check_text(err, "SHA-256 is not the key");
    assert_int_equal(at, (LONG - 1) / PIECE * PIECE);
    check_code(r->ops->read(r, LONG - 1, &byte, 1, &got, &err), MS_ERR_CORRUPT, err);
    r->ops->close(r);
}

typedef int (*load_fn)(const struct item *i, int64_t offset, uint64_t size, struct ms_buf **out,
                       struct ms_error *err);

/* Ranges that are longer than the value hold all of it. `first` of three: what is damaged may be
 * put right by then. */
static void assert_loads(const struct item *i, load_fn load, unsigned first)
{
    struct ms_error err = {0};
    size_t size = ms_buf_size(i->value);
    const struct {
        int64_t offset;
        uint64_t size;
    } ranges[] = {{0, MS_SIZE_TO_END}, {0, size + 1}, {-(int64_t)size - 1, MS_SIZE_TO_END}};
    for (unsigned n = 0; n < 3; n++) {
        MS_AUTO_BUF struct ms_buf *loaded = NULL;
        unsigned k = (n + first) % 3;
        check_ok(load(i, ranges[k].offset, ranges[k].size, &loaded, &err), err);
        assert_true(ms_equal(ms_buf_view(loaded), ms_buf_view(i->value)));
    }
}

/* ---- plain ---- */

static void lay(struct item *i, unsigned member, struct ms_buf *value)
{
    struct ms_error err = {0};
    check_ok(ms_backend_store(i->f.storage[member], ms_str(i->name), value, NULL, NULL, &err), err);
}

static void make_plain(struct item *i, size_t size)
{
    make(i, "plain", size);
    for (unsigned m = 0; m < 3; m++)
        lay(i, m, i->value);
}

static int open_plain(const struct item *i, struct ms_store_reader **out, struct ms_error *err)
{
    return ms_plain_read(&i->site, i->ref, out, err);
}

static int load_plain(const struct item *i, int64_t offset, uint64_t size, struct ms_buf **out,
                      struct ms_error *err)
{
    return ms_plain_load(&i->site, i->ref, offset, size, out, err);
}

/* The value with its last byte changed, cut to `size`. */
static struct ms_buf *damaged(const struct item *i, size_t size)
{
    struct ms_buf *bad = ms_buf_copy(ms_view(ms_buf_view(i->value).data, size));
    assert_non_null(bad);
    if (size)
        ms_buf_data(bad)[size - 1] ^= 1;
    return bad;
}

/* Two members of three have it wrong: the third one's comes, whoever is asked first. */
static void another_mirror(size_t size, size_t bad_size)
{
    for (unsigned good = 0; good < 3; good++) {
        struct item i;
        struct ms_error err = {0};
        struct ms_store_reader *r = NULL;
        make_plain(&i, size);
        MS_AUTO_BUF struct ms_buf *bad = damaged(&i, bad_size);
        for (unsigned m = 0; m < 3; m++)
            if (m != good)
                lay(&i, m, bad);
        check_ok(open_plain(&i, &r, &err), err);
        assert_whole(&i, r);
        assert_loads(&i, load_plain, good);
        end(&i);
    }
}

static void a_damaged_mirror_is_passed_over(void **state)
{
    (void)state;
    another_mirror(6, 6);
    another_mirror(6, 5);
    another_mirror(6, 0);
    another_mirror(3 * PIECE + 7, 3 * PIECE + 7);
    another_mirror(LONG, LONG - 1); /* what is damaged is short enough */
}

static void no_mirror_has_it_right(void **state)
{
    (void)state;
    struct item i;
    struct ms_error err = {0};
    struct ms_store_reader *r = NULL;
    make_plain(&i, 6);
    MS_AUTO_BUF struct ms_buf *bad = damaged(&i, 6);
    for (unsigned m = 0; m < 3; m++)
        lay(&i, m, bad);
    check_code(open_plain(&i, &r, &err), MS_ERR_CORRUPT, err);
    check_text(err, "is damaged: its digest is another");
    end(&i);
}

static void a_long_value_fails_at_its_end(void **state)
{
    (void)state;
    struct item i;
    struct ms_error err = {0};
    struct ms_store_reader *r = NULL;
    uint8_t byte;
    size_t got;
    make_plain(&i, LONG);
    check_ok(open_plain(&i, &r, &err), err);
    assert_whole(&i, r);
    MS_AUTO_BUF struct ms_buf *bad = damaged(&i, LONG);
    for (unsigned m = 0; m < 3; m++)
        lay(&i, m, bad);
    check_ok(open_plain(&i, &r, &err), err);
    assert_fails_at_the_end(&i, r);
    check_ok(open_plain(&i, &r, &err), err); /* a range */
    check_ok(r->ops->read(r, LONG - 1, &byte, 1, &got, &err), err);
    r->ops->close(r);
    end(&i);
}

/* ---- immutable ---- */

struct frames {
    struct ms_buf *bytes;
    struct ms_name name;
};

static void remember(void *ctx, struct ms_backend *storage, struct ms_view name)
{
    struct frames *f = ctx;
    struct ms_error err = {0};
    assert_null(f->bytes);
    check_ok(ms_backend_load(storage, name, 0, MS_SIZE_TO_END, &f->bytes, NULL, &err), err);
    memcpy(f->name.text, name.data, name.size);
    f->name.size = name.size;
}

/* Frames of another value, all their checksums right. */
static void forge(struct item *i)
{
    struct ms_value_rule rule = ms_immutable_rule(&i->site);
    struct ms_value_shape shape;
    struct ms_error err = {0};
    MS_AUTO_BUF struct ms_buf *bad = damaged(i, ms_buf_size(i->value));
    check_ok(ms_immutable_new_shape(&i->site, i->f.ids, ms_buf_size(bad), &shape, &err), err);
    check_ok(ms_value_store(&i->site, &shape, &rule, bad, NULL, &err), err);
    ms_pool_shutdown();
}

static int load_immutable(const struct item *i, int64_t offset, uint64_t size, struct ms_buf **out,
                          struct ms_error *err)
{
    return ms_immutable_load(&i->site, offset, size, out, err);
}

static void a_forged_copy_is_passed_over(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 9; round++) {
        unsigned good = round % 3;
        struct item i;
        struct frames frames = {.bytes = NULL};
        struct ms_error err = {0};
        struct ms_store_reader *r = NULL;
        make(&i, "immutable", 3 * PIECE + 7);
        fleet_put(&i.f, i.key, i.value);
        ms_pool_shutdown();
        fleet_each(&i.f, good, "val", remember, &frames);
        for (unsigned m = 0; m < 3; m++)
            fleet_wipe(&i.f, m, "val");
        forge(&i);
        check_ok(ms_backend_store(i.f.storage[good], ms_name_view(&frames.name), frames.bytes, NULL,
                                  NULL, &err),
                 err);
        assert_loads(&i, load_immutable, round / 3);
        check_ok(ms_immutable_read(&i.site, &r, &err), err);
        assert_whole(&i, r);
        ms_buf_unref(frames.bytes);
        end(&i);
    }
}

static void a_long_forged_value_fails_at_its_end(void **state)
{
    (void)state;
    struct item i;
    struct ms_error err = {0};
    struct ms_store_reader *r = NULL;
    make(&i, "immutable", LONG);
    forge(&i);
    check_ok(ms_immutable_read(&i.site, &r, &err), err);
    assert_fails_at_the_end(&i, r);
    end(&i);
}

/* ---- the bytes that count ---- */

static void pieces_count_where_they_go_on(void **state)
{
    (void)state;
    char hex[MS_SHA256_HEX];
    struct ms_error err = {0};
    struct ms_digest_check *c = NULL;
    struct ms_view abc = ms_str("abcdef");
    check_ok(ms_sha256_hex(abc, hex, &err), err);
    for (unsigned wrong = 0; wrong < 2; wrong++) {
        check_ok(ms_digest_check_new(ms_str(hex), 6, &c, &err), err);
        check_ok(ms_digest_check_take(c, 3, ms_str("xyz"), &err), err); /* elsewhere */
        check_ok(ms_digest_check_take(c, 0, ms_view(abc.data, 4), &err), err);
        check_ok(ms_digest_check_take(c, 0, ms_str("xy"), &err), err); /* once more */
        check_ok(ms_digest_check_take(c, 4, ms_str(""), &err), err);
        int code = ms_digest_check_take(c, 2, ms_str(wrong ? "cdeg" : "cdef"), &err);
        check_code(code, wrong ? MS_ERR_CORRUPT : 0, err);
        code = ms_digest_check_take(c, 0, ms_str("a"), &err);
        check_code(code, wrong ? MS_ERR_CORRUPT : 0, err);
        ms_digest_check_free(c);
    }
}

/* Under another key nothing is stored, whole or in a stream. */
static void a_wrong_key_is_refused(void **state)
{
    (void)state;
    struct item i;
    struct ms_error err = {0};
    struct ms_store_writer *w;
    struct ms_tag tag;
    const struct ms_precondition always = {.kind = MS_ALWAYS};
    struct ms_buf *other = fleet_value(1000, 4);
    make(&i, "plain", 1000);
    assert_int_equal(ms_plain_store(&i.site, i.ref, other, &always, &err), MS_ERR_INVALID);
    assert_non_null(strstr(err.text, "is not the value's SHA-256"));
    for (unsigned right = 0; right < 2; right++) {
        check_ok(ms_plain_write(&i.site, i.ref, 1000, &always, &w, &err), err);
        check_ok(w->ops->append(w, ms_buf_view(right ? i.value : other), &err), err);
        assert_int_equal(w->ops->commit(w, &tag, &err), right ? 0 : MS_ERR_INVALID);
        for (unsigned m = 0; m < 3; m++) {
            struct ms_info info;
            check_ok(ms_backend_info(i.f.storage[m], ms_str(i.name), &info, &err), err);
            assert_int_equal(info.exists, right);
        }
    }
    check_ok(ms_plain_store(&i.site, i.ref, i.value, &always, &err), err);
    ms_buf_unref(other);
    end(&i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_key_is_refused),
        cmocka_unit_test(a_damaged_mirror_is_passed_over),
        cmocka_unit_test(no_mirror_has_it_right),
        cmocka_unit_test(a_long_value_fails_at_its_end),
        cmocka_unit_test(a_forged_copy_is_passed_over),
        cmocka_unit_test(a_long_forged_value_fails_at_its_end),
        cmocka_unit_test(pieces_count_where_they_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
