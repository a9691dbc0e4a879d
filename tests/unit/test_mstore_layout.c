/* mstore/layout*.c, mstore/seal.c: the golden file, every refusal with its line, what may follow
 * what, seals. */
#include "mstore/layout.h"

#include "support/check.h"

#include <stdio.h>
#include <stdlib.h>

#define HEAD                                                                                       \
    "[mstore]\nformat = 1\nuuid = 5d8e0102-0304-4506-8708-090a0b0c0d0e\nepoch = 1\n"               \
    "phase = proposed\n"
#define A     "[member a]\nuuid = 11111111-1111-4111-8111-111111111111\n"
#define B     "[member b]\nuuid = 22222222-2222-4222-8222-222222222222\n"
#define C     "[member c]\nuuid = 33333333-3333-4333-8333-333333333333\n"
#define SPACE "[namespace data]\nkind = immutable\nredundancy = all\n"

static const struct ms_seal_key key = {{0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                        11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                        22, 23, 24, 25, 26, 27, 28, 29, 30, 31}};

static struct ms_layout *parsed(const char *text)
{
    struct ms_layout *l = NULL;
    struct ms_error err = {0};
    check_ok(ms_layout_parse(ms_str(text), "FILE", &l, &err), err);
    return l;
}

static void refused(const char *text, const char *sentence)
{
    struct ms_layout *l = NULL;
    struct ms_error err = {0};
    check_code(ms_layout_parse(ms_str(text), "FILE", &l, &err), MS_ERR_CONFIG, err);
    check_text(err, sentence);
    assert_null(l);
}

static struct ms_view golden(void)
{
    static char text[4096];
    FILE *file = fopen(TEST_DATA "/mstore/layout", "rb");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    assert_in_range(size, 1000, sizeof text - 1);
    return ms_view(text, size);
}

/* ---- text ---- */

static void golden_file_is_read(void **state)
{
    (void)state;
    struct ms_layout *l = NULL;
    struct ms_error err = {0};
    check_ok(ms_layout_open(golden(), "member nas", &key, NULL, 7, &l, &err), err);
    assert_int_equal(l->epoch, 7);
    assert_int_equal(l->phase, MS_LAYOUT_FINAL);
    assert_int_equal(l->member_count, 6);
    const struct ms_layout_member *m = ms_layout_member(l, "desk");
    assert_ptr_equal(m, &l->members[1]);
    assert_ptr_equal(m, ms_layout_member_of(l, &m->uuid));
    assert_int_equal(m->state, MS_DRAINING);
    assert_string_equal(m->zone, "home");
    assert_int_equal(ms_layout_member(l, "s3")->weight, 1000000000);
    assert_null(ms_layout_member(l, "none"));
    const struct ms_layout_space *s = ms_layout_space(l, ms_str("data/sub"));
    assert_string_equal(s->name, "data");
    assert_true(s->verify && s->compress && s->kind == MS_KIND_IMMUTABLE);
    assert_int_equal(s->redundancy, MS_REDUNDANCY_EC);
    assert_int_equal(s->k * 10 + s->m, 21);
    assert_int_equal(s->level_count, 2);
    assert_int_equal(s->levels[1], 2);
    assert_string_equal(ms_layout_space(l, ms_str("database"))->name, "");
    assert_int_equal(ms_layout_space(l, ms_str("config"))->names, MS_NAMES_BYTES);
    struct ms_buf *again = NULL;
    check_ok(ms_layout_seal(l, &key, &again, &err), err);
    assert_int_equal(ms_buf_size(again), golden().size);
    assert_memory_equal(ms_buf_view(again).data, golden().data, golden().size);
    ms_buf_unref(again);
    ms_layout_free(l);
    ms_layout_free(NULL);
}

static void text_becomes_canonical(void **state)
{
    (void)state;
    struct ms_layout *l =
        parsed("# a comment\r\n[namespace z]\nredundancy=none\nkind=plain\n" HEAD
               "[namespace]\nlevels = 0, 3\nkind = mutable\nredundancy = all\n"
               "[member B]\nzone=x\nuuid = 22222222-2222-4222-8222-222222222222\n" A);
    struct ms_buf *text = NULL;
    struct ms_error err = {0};
    check_ok(ms_layout_format(l, &text, &err), err);
    static const char wanted[] =
        "[mstore]\nformat = 1\nuuid = 5d8e0102-0304-4506-8708-090a0b0c0d0e\nepoch = 1\n"
        "phase = proposed\nplacement = rendezvous\n"
        "\n[member B]\nuuid = 22222222-2222-4222-8222-222222222222\nweight = 1\nzone = x\n"
        "state = active\n"
        "\n[member a]\nuuid = 11111111-1111-4111-8111-111111111111\nweight = 1\nzone = a\n"
        "state = active\n"
        "\n[namespace]\nkind = mutable\nredundancy = all\nlevels = 0,3\nverify = none\n"
        "compress = none\nnames = borgstore\n"
        "\n[namespace z]\nkind = plain\nredundancy = none\nlevels = 0\nverify = none\n"
        "compress = none\nnames = borgstore\n";
    assert_int_equal(ms_buf_size(text), sizeof wanted - 1);
    assert_memory_equal(ms_buf_view(text).data, wanted, sizeof wanted - 1);
    ms_buf_unref(text);
    ms_layout_free(l);
}

/* As long as can be: what is reserved for each part is enough. */
static void longest_names_fit(void **state)
{
    (void)state;
    struct ms_layout l = {.epoch = UINT64_MAX - 1};
    struct ms_layout_member *members = calloc(MS_MEMBERS_MAX, sizeof *members);
    struct ms_layout_space *spaces = calloc(MS_LAYOUT_SPACES, sizeof *spaces);
    assert_non_null(members);
    assert_non_null(spaces);
    for (int i = 0; i < MS_MEMBERS_MAX; i++) {
        struct ms_layout_member *m = &members[i];
        memset(m->name, 'm', MS_LAYOUT_NAME_MAX);
        memset(m->zone, 'z', MS_LAYOUT_NAME_MAX);
        snprintf(m->name, sizeof m->name, "%064d", i);
        m->uuid = (struct ms_uuid){{1, (uint8_t)i, (uint8_t)(i >> 8)}};
        m->weight = MS_WEIGHT_MAX;
        m->state = i ? MS_DRAINING : MS_ACTIVE;
    }
    for (int i = 0; i < MS_LAYOUT_SPACES; i++) {
        struct ms_layout_space *s = &spaces[i];
        snprintf(s->name, sizeof s->name, "%0100d", i);
        s->redundancy = MS_REDUNDANCY_ALL;
        s->level_count = MS_LEVELS_MAX;
    }
    l.uuid.bytes[0] = 1;
    l.members = members;
    l.member_count = MS_MEMBERS_MAX;
    l.spaces = spaces;
    l.space_count = MS_LAYOUT_SPACES;
    struct ms_buf *text = NULL;
    struct ms_layout *again = NULL;
    struct ms_error err = {0};
    check_ok(ms_layout_format(&l, &text, &err), err);
    check_ok(ms_layout_parse(ms_buf_view(text), "FILE", &again, &err), err);
    assert_true(ms_layout_equal(&l, again));
    ms_layout_free(again);
    ms_buf_unref(text);
    free(members);
    free(spaces);
}

/* ---- refusals ---- */

static void bad_lines_are_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"[mstore x]\n", "FILE:1: [mstore] has no name: leave \"x\" out"},
        {"[store a]\n", "FILE:1: there is no section [store]; there are [mstore], [member NAME]"},
        {"[mstore]\nformat = 2\n", "FILE:2: format = 2 is not known here, only 1 is"},
        {"[mstore]\nuuid = 5D8E0102-0304-4506-8708-090a0b0c0d0e\n", "FILE:2: uuid \"5D8E"},
        {"[mstore]\nuuid = 00000000-0000-0000-0000-000000000000\n", "is no UUID: write 32"},
        {"[mstore]\nepoch = 0\n", "FILE:2: epoch = 0: give a whole number from 1 to"},
        {"[mstore]\nepoch = x\n", "FILE:2: epoch = x: give"},
        {"[mstore]\nphase = done\n", "FILE:2: phase = done is none of proposed, final"},
        {"[mstore]\nplacement = x\n", "FILE:2: placement = x is none of rendezvous, buckets"},
        {"[mstore]\nkey = secret\n", "FILE:2: [mstore] has no key \"key\"; it has format, uuid"},
        {"[member]\n", "FILE:1: [member] \"\" needs a name of 1 to 64 letters"},
        {"[member a/b]\n", "FILE:1: [member] \"a/b\" needs a name"},
        {"[member a]\n[member a]\n", "FILE:2: [member a] is there already, in line 1"},
        {"[member a]\nurl = file:///x\n", "FILE:2: a [member] has no key \"url\"; it has uuid"},
        {"[member a]\nweight = 0\n", "FILE:2: weight = 0: give a whole number from 1 to 10000"},
        {"[member a]\nweight = 1.5\n", "FILE:2: weight = 1.5: give a whole number"},
        {"[member a]\nbuckets = 257\n", "FILE:2: buckets = 257: give a whole number from 0 to 256"},
        {"[member a]\nzone = a b\n", "FILE:2: zone \"a b\" needs a name"},
        {"[member a]\nstate = dead\n", "FILE:2: state = dead is none of active, draining"},
        {"[namespace a]\n[namespace a]\n", "FILE:2: [namespace a] is there already, in line 1"},
        {"[namespace /a]\n", "FILE:1: [namespace /a]: it starts or ends with '/'"},
        {"[namespace A]\n", "FILE:1: [namespace A]: it is not lower case"},
        {"[namespace a]\nkind = big\n", "FILE:2: kind = big is none of immutable, mutable, plain"},
        {"[namespace a]\nredundancy = copies\n", "FILE:2: redundancy = copies: write all, none"},
        {"[namespace a]\nredundancy = copies 1\n", "copies 1 is no redundancy: write none"},
        {"[namespace a]\nredundancy = copies 256\n", "FILE:2: redundancy = copies 256: write"},
        {"[namespace a]\nredundancy = ec 4\n", "FILE:2: redundancy = ec 4: write all, none"},
        {"[namespace a]\nredundancy = ec 1+2\n", "FILE:2: redundancy = ec 1+2: K is 2 or more"},
        {"[namespace a]\nredundancy = ec 4+0\n", "M is 1 or more"},
        {"[namespace a]\nredundancy = ec 200+56\n", "together they are at most 255"},
        {"[namespace a]\nlevels = 9\n", "FILE:2: levels \"9\": give up to"},
        {"[namespace a]\nverify = md5\n", "FILE:2: verify = md5 is none of none, sha256"},
        {"[namespace a]\ncompress = lz4\n", "FILE:2: compress = lz4 is none of none, zstd"},
        {"[namespace a]\nnames = all\n", "FILE:2: names = all is none of borgstore, bytes"},
        {"[namespace a]\ncache = off\n", "FILE:2: a [namespace] has no key \"cache\"; it has kind"},
        {"[mstore]\nepoch = 1\nepoch = 2\n", "FILE:3: this key was given before"},
        {"nonsense\n", "FILE:1: "},
        {"", "FILE:1: [mstore] has no format = 1: this is no shared layout"},
        {"[mstore]\nformat = 1\n", "FILE:1: [mstore] has no uuid"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(bad[i][0], bad[i][1]);
}

static void bad_combinations_are_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {HEAD, "there is no [member NAME]: add one for each storage"},
        {HEAD "[member a]\n" SPACE, "FILE:6: [member a] has no uuid: take the layout"},
        {HEAD A, "there is no [namespace NAME]: add one"},
        {HEAD A "[member b]\nuuid = 11111111-1111-4111-8111-111111111111\n" SPACE,
         "FILE:8: [member b] has the uuid of [member a]: each member needs its own"},
        {HEAD A "state = readonly\n" SPACE, "FILE:6: no member is active: add one that is"},
        {HEAD A "buckets = 256\n" SPACE, "FILE:6: [member a]: buckets mean nothing without"},
        {HEAD A "[namespace d]\nredundancy = all\n", "FILE:8: [namespace d] has no kind: write"},
        {HEAD A "[namespace]\nkind = plain\n", "FILE:8: [namespace \"\"] has no redundancy: write"},
        {HEAD A "[namespace d]\nkind = plain\nredundancy = all\ncompress = zstd\n",
         "FILE:11: [namespace d]: compress does not go with kind = plain, which keeps values as "
         "they are: remove it or take another kind"},
        {HEAD A B C "[namespace d]\nkind = plain\nredundancy = ec 2+1\n",
         "FILE:14: [namespace d]: ec does not go with kind = plain"},
        {HEAD A "[namespace d]\nkind = mutable\nredundancy = all\nverify = sha256\n",
         "FILE:11: [namespace d]: verify = sha256 does not go with kind = mutable"},
        {HEAD A B C "state = draining\n[namespace d]\nkind = immutable\nredundancy = ec 2+1\n",
         "FILE:15: [namespace d]: redundancy = ec 2+1 needs 3 active members, and there are 2: add "
         "members or ask for less"},
        {HEAD A "[namespace d]\nkind = mutable\nredundancy = copies 2\n",
         "redundancy = copies 2 needs 2 active members, and there is 1"},
        {HEAD A SPACE "names = bytes\n[namespace data/x]\nkind = plain\nredundancy = all\n",
         "FILE:12: [namespace data/x] lies in [namespace data], whose names = bytes reach "
         "everywhere: put it elsewhere"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(bad[i][0], bad[i][1]);
}

#define BUCKETS HEAD "placement = buckets\n"

static void buckets_are_checked(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {BUCKETS A "weight = 2\n",
         "FILE:7: [member a]: weight means nothing with placement = buck"},
        {BUCKETS A "buckets = 42\n",
         "the members have 42 buckets together: give them 256 for each"},
        {BUCKETS A, "the members have 0 buckets together"},
        {BUCKETS A "buckets = 256\n" B "state = witness\nbuckets = 1\n", "a witness holds no data"},
        {BUCKETS A "buckets = 256\n" SPACE, "with placement = buckets every namespace is plain"},
        {BUCKETS A "buckets = 192\n" B "buckets = 64\n[namespace]\nkind = plain\n"
                   "redundancy = copies 2\n",
         "FILE:15: [namespace \"\"]: the members' buckets make one copy: write redundancy = none"},
        {BUCKETS A "buckets = 256\n" B "buckets = 256\n[namespace]\nkind = plain\n"
                   "redundancy = none\n",
         "the members' buckets make 2 copies: write redundancy = copies 2, or all for keys"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(bad[i][0], bad[i][1]);
    struct ms_layout *l =
        parsed(BUCKETS B "buckets = 192\n" A "buckets = 64\n[namespace data]\nkind = plain\n"
                         "redundancy = none\n[namespace]\nkind = plain\nredundancy = all\n");
    struct ms_placement *p = NULL;
    struct ms_error err = {0};
    struct ms_order o;
    check_ok(ms_layout_placement(l, &p, &err), err);
    check_ok(ms_placement_order(p, ms_str("data/c0"), ms_layout_wanted(&l->spaces[1]), &o, &err),
             err);
    assert_int_equal(o.targets, 1);
    assert_string_equal(l->members[o.member[0]].name, "a");
    check_ok(ms_placement_order(p, ms_str("settings"), ms_layout_wanted(&l->spaces[0]), &o, &err),
             err);
    assert_int_equal(o.targets, 2);
    ms_placement_free(p);
    struct ms_buf *text = NULL;
    check_ok(ms_layout_format(l, &text, &err), err);
    assert_non_null(
        memmem(ms_buf_view(text).data, ms_buf_size(text), "\nbuckets = 192\nzone = b\n", 24));
    ms_buf_unref(text);
    ms_layout_free(l);
}

/* ---- what it means ---- */

static void keep_note(void *ctx, const char *sentence)
{
    char *notes = ctx;
    strncat(notes, sentence, 900 - strlen(notes));
    strncat(notes, "\n", 900 - strlen(notes));
}

static void check_tolerance(const char *text, unsigned tolerates, const char *said)
{
    struct ms_layout *l = parsed(text);
    char notes[1024] = "";
    assert_int_equal(ms_layout_tolerates(l, &l->spaces[0]), tolerates);
    ms_layout_notes(l, keep_note, notes);
    if (said ? !strstr(notes, said) : notes[0])
        fail_msg("%s: the notes are: %s", text, notes);
    ms_layout_free(l);
}

static void tolerance_and_notes(void **state)
{
    (void)state;
#define MUTABLE(r) "[namespace d]\nkind = mutable\nredundancy = " r "\n"
#define OTHER(r)   "[namespace d]\nkind = immutable\nredundancy = " r "\n"
    check_tolerance(HEAD A B MUTABLE("all"), 0,
                    "[namespace d] is mutable on two members and tolerates neither being down: add "
                    "a third, or one with state = witness, which needs no room for data\n");
    check_tolerance(HEAD A B C "state = witness\n" MUTABLE("copies 2"), 1, NULL);
    check_tolerance(HEAD A B C MUTABLE("copies 3"), 1, NULL);
    check_tolerance(HEAD A B C MUTABLE("ec 2+1"), 0,
                    "[namespace d] is mutable and tolerates no member being down: a store must "
                    "leave enough for the next loss; use M = 2 or more");
    check_tolerance(HEAD A B C OTHER("ec 2+1"), 1, NULL);
    check_tolerance(HEAD A B OTHER("all"), 1, NULL);
    check_tolerance(HEAD A B C OTHER("all"), 2, NULL);
    check_tolerance(HEAD A B C OTHER("none"), 0, "[namespace d] has no redundancy: what is on a");
    check_tolerance(HEAD A OTHER("all"), 0, "has no redundancy");
    check_tolerance(HEAD A "zone = x\n" B "zone = x\n" C OTHER("ec 2+1"), 1,
                    "[namespace d] tolerates 1 lost members, but 2 of its 3 are in one zone");
}

static void zones_reach_the_placement(void **state)
{
    (void)state;
    struct ms_layout *l = parsed(HEAD A "zone = x\n" B "zone = x\n" C OTHER("copies 2"));
    struct ms_placement *p = NULL;
    struct ms_error err = {0};
    check_ok(ms_layout_placement(l, &p, &err), err);
    for (int k = 0; k < 100; k++) {
        char name[16];
        struct ms_order o;
        snprintf(name, sizeof name, "d/%d", k);
        check_ok(ms_placement_order(p, ms_str(name), 2, &o, &err), err);
        assert_true(o.member[0] == 2 || o.member[1] == 2);
    }
    ms_placement_free(p);
    ms_layout_free(l);
}

/* ---- change ---- */

#define NEXT(epoch, phase)                                                                         \
    "[mstore]\nformat = 1\nuuid = 5d8e0102-0304-4506-8708-090a0b0c0d0e\nepoch = " epoch            \
    "\nphase = " phase "\n"

static void check_follows(const char *now_text, const char *next_text, const char *why)
{
    struct ms_layout *now = parsed(now_text), *next = parsed(next_text);
    struct ms_error err = {0};
    if (why) {
        check_code(ms_layout_follows(now, next, &err), MS_ERR_CONFIG, err);
        check_text(err, why);
    } else {
        check_ok(ms_layout_follows(now, next, &err), err);
    }
    ms_layout_free(now);
    ms_layout_free(next);
}

static void epochs_follow_one_another(void **state)
{
    (void)state;
#define REST    A B SPACE
#define FINAL_1 NEXT("1", "final") REST
    check_follows(FINAL_1, NEXT("2", "proposed") REST, NULL);
    check_follows(NEXT("2", "proposed") REST, NEXT("2", "final") REST, NULL);
    check_follows(FINAL_1, NEXT("2", "final") REST,
                  "layout 2 (final) cannot follow layout 1 (final): a final layout is followed by "
                  "the next number, proposed, and that by itself, final");
    check_follows(FINAL_1, NEXT("3", "proposed") REST, "layout 3 (proposed) cannot follow");
    check_follows(FINAL_1, NEXT("1", "proposed") REST, "cannot follow");
    check_follows(FINAL_1, FINAL_1, "cannot follow");
    check_follows(NEXT("2", "proposed") REST, NEXT("3", "proposed") REST, "cannot follow");
    check_follows(NEXT("2", "proposed") REST, NEXT("2", "final") A "weight = 2\n" B SPACE,
                  "layout 2 differs from the one proposed under that number");
    check_follows(FINAL_1,
                  "[mstore]\nformat = 1\nuuid = 6d8e0102-0304-4506-8708-090a0b0c0d0e\nepoch = 2\n"
                  "phase = proposed\n" REST,
                  "the layout of another store, 6d8e0102-0304-4506-8708-090a0b0c0d0e,");
}

static void members_and_namespaces_follow(void **state)
{
    (void)state;
#define NOW(members)  NEXT("1", "final") members SPACE
#define THEN(members) NEXT("2", "proposed") members SPACE
    check_follows(NOW(A B), THEN(A B C "state = witness\n"), NULL);
    check_follows(NOW(A B), THEN(A), "member b is missing: drain it, then set its state to gone");
    check_follows(NOW(A B), THEN(A B "state = gone\n"), NULL);
    check_follows(NOW(A B "state = gone\n"), THEN(A), NULL);
    check_follows(NOW(A B "state = gone\n"), THEN(A B), "member b is gone and cannot come back");
    check_follows(NOW(A B "state = witness\n"), THEN(A B), "member b cannot stop being a witness");
    check_follows(NOW(A B), THEN(A B "state = witness\n"), "member b cannot begin being a witness");
    check_follows(NOW(A B "state = witness\n"), THEN(A B "state = gone\n"), NULL);
    check_follows(NOW(A B),
                  NEXT("2", "proposed") A B "[namespace x]\nkind = plain\nredundancy = all\n",
                  "namespace \"data\" is missing: its keys could not be read any more");
    check_follows(NOW(A), THEN(A) "[namespace x]\nkind = plain\nredundancy = all\n", NULL);
    check_follows(NOW(A), THEN(A) "[namespace data/x]\nkind = plain\nredundancy = all\n",
                  "keys of namespace \"data/x\" would come under another kind");
    check_follows(NOW(A), THEN(A) "names = bytes\n", "keys of namespace \"data\" would come under");
    check_follows(NOW(A), THEN(A) "[namespace data/x]\nkind = immutable\nredundancy = none\n",
                  NULL);
    check_follows(NOW(A) "[namespace data/x]\nkind = immutable\nredundancy = none\n", THEN(A),
                  NULL);
}

/* ---- seals ---- */

static void open_refused(struct ms_view text, const struct ms_seal_key *with,
                         const struct ms_uuid *uuid, uint64_t epoch, const char *why)
{
    struct ms_layout *l = NULL;
    struct ms_error err = {0};
    check_code(ms_layout_open(text, "member nas", with, uuid, epoch, &l, &err), MS_ERR_UNTRUSTED,
               err);
    check_text(err, why);
    assert_null(l);
}

static void seals_are_checked(void **state)
{
    (void)state;
    struct ms_view good = golden();
    struct ms_seal_key other = key;
    struct ms_layout *l = NULL;
    struct ms_error err = {0};
    other.bytes[31] ^= 1;
    open_refused(good, &other, NULL, 0, "member nas: the layout's seal is wrong");
    open_refused(good, &key, NULL, 8, "layout 7 is older than 8, which was seen before");
    struct ms_uuid store = {{0x5d, 0x8e, 1, 2, 3, 4, 0x45, 6, 0x87, 8, 9, 10, 11, 12, 13, 14}};
    check_ok(ms_layout_open(good, "x", &key, &store, 0, &l, &err), err);
    ms_layout_free(l);
    store.bytes[15] ^= 1;
    open_refused(good, &key, &store, 0, "the layout is of another store, 5d8e0102-");
    char changed[4096];
    for (size_t i = 0; i < good.size; i++) { /* every byte counts */
        memcpy(changed, good.data, good.size);
        changed[i] ^= 1;
        open_refused(ms_view(changed, good.size), &key, NULL, 0, "seal");
        open_refused(ms_view(good.data, i), &key, NULL, 0, "seal");
    }
    open_refused(ms_view(NULL, 0), &key, NULL, 0, "has no seal: it is cut short");
}

static void keys_are_read(void **state)
{
    (void)state;
    struct ms_seal_key k = {{0}};
    struct ms_error err = {0};
    check_ok(ms_seal_key_parse("000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f",
                               &k, &err),
             err);
    assert_memory_equal(k.bytes, key.bytes, sizeof k.bytes);
    static const char *const bad[] = {
        "", "00", "g00102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f",
        "000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f00"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        check_code(ms_seal_key_parse(bad[i], &k, &err), MS_ERR_INVALID, err);
        assert_null(strstr(err.text, "0405"));
    }
    uint8_t a[MS_SEAL_SIZE], b[MS_SEAL_SIZE];
    check_ok(ms_seal_make(&k, "one", ms_str("text"), a, &err), err);
    check_ok(ms_seal_make(&k, "two", ms_str("text"), b, &err), err);
    assert_false(ms_seal_equal(a, b)); /* a seal of one kind is none of another */
    check_ok(ms_seal_make(&k, "one", ms_str("text"), b, &err), err);
    assert_true(ms_seal_equal(a, b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_file_is_read),
        cmocka_unit_test(text_becomes_canonical),
        cmocka_unit_test(longest_names_fit),
        cmocka_unit_test(bad_lines_are_refused),
        cmocka_unit_test(bad_combinations_are_refused),
        cmocka_unit_test(buckets_are_checked),
        cmocka_unit_test(tolerance_and_notes),
        cmocka_unit_test(zones_reach_the_placement),
        cmocka_unit_test(epochs_follow_one_another),
        cmocka_unit_test(members_and_namespaces_follow),
        cmocka_unit_test(seals_are_checked),
        cmocka_unit_test(keys_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
