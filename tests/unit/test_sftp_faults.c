/* The SFTP driver against a server that errs: statuses of every kind, answers that are damaged,
 * lost, late or to nobody, for each request of each verb. */
#include "peers/sftp_rig.h"

#include <pthread.h>

static const struct sftp_setup anybody = {.login = SFTP_ANYBODY};
static const struct ms_precondition if_absent = {.kind = MS_IF_ABSENT};
static struct rig rig;

/* ---- verbs: each runs on a store with the values "a" ("first") and "b", the folder "d" ---- */

static int verb_load(struct ms_error *err)
{
    struct ms_buf *value = NULL;
    int code = ms_backend_load(rig.b, ms_str("a"), 0, MS_SIZE_TO_END, &value, NULL, err);
    if (!code)
        assert_memory_equal(ms_buf_view(value).data, "first", 5);
    ms_buf_unref(value);
    return code;
}

static int verb_read(struct ms_error *err)
{
    struct ms_reader *r = NULL;
    uint8_t bytes[9];
    size_t got = 0;
    int code = ms_backend_read(rig.b, ms_str("a"), &r, err);
    if (code)
        return code;
    code = ms_reader_read(r, 0, bytes, 9, &got, err);
    ms_reader_close(r);
    return code;
}

static int verb_info(struct ms_error *err)
{
    struct ms_info info;
    return ms_backend_info(rig.b, ms_str("a"), &info, err);
}

static int verb_store(struct ms_error *err)
{
    struct ms_buf_borrowed place;
    return ms_backend_store(rig.b, ms_str("a"), ms_buf_borrow(&place, ms_str("second")), NULL, NULL,
                            err);
}

static int verb_store_new(struct ms_error *err)
{
    struct ms_buf_borrowed place;
    return ms_backend_store(rig.b, ms_str("new"), ms_buf_borrow(&place, ms_str("second")),
                            &if_absent, NULL, err);
}

static int verb_store_below(struct ms_error *err)
{
    struct ms_buf_borrowed place;
    return ms_backend_store(rig.b, ms_str("x/y/new"), ms_buf_borrow(&place, ms_str("second")), NULL,
                            NULL, err);
}

static int verb_remove(struct ms_error *err)
{
    return ms_backend_delete(rig.b, ms_str("a"), err);
}

static int verb_move(struct ms_error *err)
{
    return ms_backend_move(rig.b, ms_str("a"), ms_str("b"), NULL, err);
}

static int verb_list(struct ms_error *err)
{
    struct ms_lister *l = NULL;
    int code = ms_backend_list(rig.b, ms_str(""), NULL, &l, err);
    ms_lister_close(l);
    return code;
}

static int verb_mkdir(struct ms_error *err)
{
    return ms_backend_mkdir(rig.b, ms_str("new/dir"), err);
}

static int verb_rmdir(struct ms_error *err)
{
    return ms_backend_rmdir(rig.b, ms_str("d"), err);
}

static int verb_copy(struct ms_error *err)
{
    return ms_backend_copy(rig.b, ms_str("a"), ms_str("new"), NULL, err);
}

static int verb_usage(struct ms_error *err)
{
    uint64_t total, left;
    return ms_backend_usage(rig.b, &total, &left, err);
}

static int verb_sweep(struct ms_error *err)
{
    uint64_t removed;
    return ms_backend_sweep(rig.b, 0, &removed, err);
}

/* What a verb asks for, and what it leaves: a file that is there then, and what it holds. */
static const struct step {
    const char *name;
    int (*run)(struct ms_error *err);
    int type;
    const char *extension;
    bool soft; /* a refusal of this one is no failure of the verb, or has another meaning there */
    const char *there, *holds, *gone;
} steps[] = {
    {"load: open", verb_load, MS_FXP_OPEN, NULL, false, "a", "first", NULL},
    {"load: fstat", verb_load, MS_FXP_FSTAT, NULL, false, "a", "first", NULL},
    {"load: read", verb_load, MS_FXP_READ, NULL, false, "a", "first", NULL},
    {"read: open", verb_read, MS_FXP_OPEN, NULL, false, "a", "first", NULL},
    {"read: fstat", verb_read, MS_FXP_FSTAT, NULL, false, "a", "first", NULL},
    {"info: lstat", verb_info, MS_FXP_LSTAT, NULL, false, "a", "first", NULL},
    {"store: open", verb_store, MS_FXP_OPEN, NULL, false, "a", "second", NULL},
    {"store: write", verb_store, MS_FXP_WRITE, NULL, false, "a", "second", NULL},
    {"store: fsync", verb_store, MS_FXP_EXTENDED, "fsync@openssh.com", false, "a", "second", NULL},
    {"store: close", verb_store, MS_FXP_CLOSE, NULL, false, "a", "second", NULL},
    {"store: rename", verb_store, MS_FXP_EXTENDED, "posix-rename@openssh.com", false, "a", "second",
     NULL},
    {"new: link", verb_store_new, MS_FXP_EXTENDED, "hardlink@openssh.com", false, "new", "second",
     NULL},
    {"new: remove", verb_store_new, MS_FXP_REMOVE, NULL, true, "new", "second", NULL},
    {"below: mkdir", verb_store_below, MS_FXP_MKDIR, NULL, false, "x/y/new", "second", NULL},
    {"below: stat", verb_store_below, MS_FXP_STAT, NULL, false, "x/y/new", "second", NULL},
    {"delete: remove", verb_remove, MS_FXP_REMOVE, NULL, false, "b", "other", "a"},
    {"move: lstat", verb_move, MS_FXP_LSTAT, NULL, false, "b", "first", "a"},
    {"move: rename", verb_move, MS_FXP_EXTENDED, "posix-rename@openssh.com", false, "b", "first",
     "a"},
    {"list: opendir", verb_list, MS_FXP_OPENDIR, NULL, false, "a", "first", NULL},
    {"list: readdir", verb_list, MS_FXP_READDIR, NULL, false, "a", "first", NULL},
    {"mkdir: mkdir", verb_mkdir, MS_FXP_MKDIR, NULL, false, "new/dir", NULL, NULL},
    {"mkdir: stat", verb_mkdir, MS_FXP_STAT, NULL, false, "new/dir", NULL, NULL},
    {"rmdir: rmdir", verb_rmdir, MS_FXP_RMDIR, NULL, true, "a", "first", "d"},
    {"copy: open", verb_copy, MS_FXP_OPEN, NULL, false, "new", "first", NULL},
    {"copy: fstat", verb_copy, MS_FXP_FSTAT, NULL, false, "new", "first", NULL},
    {"copy: copy", verb_copy, MS_FXP_EXTENDED, "copy-data", false, "new", "first", NULL},
    {"copy: lstat", verb_copy, MS_FXP_LSTAT, NULL, false, "new", "first", NULL},
    {"usage: statvfs", verb_usage, MS_FXP_EXTENDED, "statvfs@openssh.com", true, "a", "first",
     NULL},
    {"sweep: opendir", verb_sweep, MS_FXP_OPENDIR, NULL, false, "a", "first", "old.tmp"},
    {"sweep: remove", verb_sweep, MS_FXP_REMOVE, NULL, false, "a", "first", "old.tmp"},
};
#define STEPS (sizeof steps / sizeof *steps)

static void prepare(void)
{
    sftp_peer_rules(NULL, 0);
    (void)verb_info(&rig.err); /* what was asked for without waiting is done then */
    scratch_empty(rig_path(&rig, "store"));
    rig_file(&rig, "store/a", "first", 5);
    rig_file(&rig, "store/b", "other", 5);
    rig_file(&rig, "store/old.tmp", "", 0);
    assert_int_equal(mkdir(rig_path(&rig, "store/d"), 0700), 0);
    rig.err = (struct ms_error){0};
}

static void err_at(const struct step *s, enum sftp_act act, uint32_t value, unsigned times)
{
    struct sftp_rule rule = {
        .type = s->type, .extension = s->extension, .times = times, .act = act, .value = value};
    prepare();
    sftp_peer_rules(&rule, 1);
}

/* The verb has done its work, once. */
static void check_done(const struct step *s)
{
    char path[64], text[16] = "";
    snprintf(path, sizeof path, "store/%s", s->there);
    if (!rig_has(&rig, path))
        fail_msg("%s: %s is not there", s->name, s->there);
    FILE *f = s->holds ? fopen(rig_path(&rig, path), "r") : NULL;
    if (f) {
        assert_true(fgets(text, sizeof text, f) != NULL);
        fclose(f);
        if (strcmp(text, s->holds) != 0)
            fail_msg("%s: %s holds \"%s\" instead of \"%s\"", s->name, s->there, text, s->holds);
    }
    snprintf(path, sizeof path, "store/%s", s->gone ? s->gone : "nothing");
    if (rig_has(&rig, path))
        fail_msg("%s: %s is still there", s->name, s->gone);
}

static void hit(const struct step *s, const char *what)
{
    if (sftp_peer_hits() == 0)
        fail_msg("%s: %s: the verb never asked for that", s->name, what);
}

/* ---- statuses ---- */

static void a_refusal_has_its_code_and_a_sentence(void **state)
{
    (void)state;
    static const uint32_t statuses[] = {MS_FX_PERMISSION_DENIED, MS_FX_BAD_MESSAGE, 14, 15, 16, 99,
                                        MS_FX_OP_UNSUPPORTED};
    rig_up(&rig, &anybody);
    rig_open(&rig, "");
    for (size_t i = 0; i < STEPS; i++)
        for (size_t j = 0; j < sizeof statuses / sizeof *statuses; j++) {
            err_at(&steps[i], SFTP_STATUS, statuses[j], 0);
            int wanted = ms_sftp_status_code(statuses[j]), code = steps[i].run(&rig.err);
            hit(&steps[i], "status");
            if (steps[i].soft && (code == 0 || statuses[j] == 99))
                continue;
            if (code != wanted || rig.err.code != wanted || strlen(rig.err.text) < 10)
                fail_msg("%s, status %u: %s: %s", steps[i].name, statuses[j], ms_code_name(code),
                         rig.err.text);
        }
    assert_int_equal(sftp_peer_connections(), 2); /* create's and open's */
    rig_down(&rig);
}

static void what_others_removed_is_not_found(void **state)
{
    (void)state;
    rig_up(&rig, &anybody);
    rig_open(&rig, "");
    err_at(&steps[1], SFTP_STATUS, MS_FX_NO_SUCH_FILE, 0);
    check_code(verb_load(&rig.err), MS_ERR_NOT_FOUND, rig.err);
    prepare();
    const struct sftp_rule gone[] = {{.type = MS_FXP_REMOVE, .value = MS_FX_NO_SUCH_FILE},
                                     {.type = MS_FXP_RMDIR, .value = MS_FX_NO_SUCH_FILE}};
    sftp_peer_rules(gone, 2);
    check_code(verb_remove(&rig.err), MS_ERR_NOT_FOUND, rig.err);
    check_code(verb_rmdir(&rig.err), MS_ERR_NOT_FOUND, rig.err);
    uint64_t removed = 9; /* somebody else swept */
    check_ok(ms_backend_sweep(rig.b, 0, &removed, &rig.err), rig.err);
    assert_int_equal(removed, 0);
    const struct sftp_rule failing = {.type = MS_FXP_REMOVE, .value = MS_FX_FAILURE};
    sftp_peer_rules(&failing, 1);
    check_code(verb_remove(&rig.err), MS_ERR_IO, rig.err);
    check_text(rig.err, "cannot delete a on sftp://");
    check_text(rig.err, "FAILURE, as told");
    rig_down(&rig);
}

/* ---- damage ---- */

static void damage_is_a_protocol_error_and_ends_nothing(void **state)
{
    (void)state;
    static const struct {
        enum sftp_act act;
        uint32_t value;
    } damages[] = {{SFTP_TYPE, MS_FXP_EXTENDED_REPLY}, {SFTP_TYPE, 250}, {SFTP_CUT_BODY, 2}};
    rig_up(&rig, &anybody);
    rig_open(&rig, "");
    for (size_t i = 0; i < STEPS; i++)
        for (size_t j = 0; j < sizeof damages / sizeof *damages; j++) {
            err_at(&steps[i], damages[j].act, damages[j].value, 0);
            int code = steps[i].run(&rig.err);
            hit(&steps[i], "damage");
            bool other = steps[i].soft || damages[j].act == SFTP_CUT_BODY; /* of what is unused */
            if (!(code == 0 && other) && code != MS_ERR_PROTOCOL)
                fail_msg("%s, damage %zu: %s: %s", steps[i].name, j, ms_code_name(code),
                         rig.err.text);
            if (code)
                check_text(rig.err, "damaged answer");
        }
    rig_down(&rig);
}

static void a_server_out_of_step_is_left(void **state)
{
    (void)state;
    static const struct {
        enum sftp_act act;
        const char *says;
    } cases[] = {{SFTP_OTHER_ID, "answers a request that was never made"},
                 {SFTP_HUGE, "a packet of 2147483647 bytes"},
                 {SFTP_TINY, "a packet of 3 bytes"}};
    rig_up(&rig, &anybody);
    rig_open(&rig, "");
    for (size_t i = 0; i < 3; i++) {
        err_at(&steps[5], cases[i].act, 0, 1);
        unsigned before = sftp_peer_connections();
        check_code(verb_info(&rig.err), MS_ERR_PROTOCOL, rig.err);
        check_text(rig.err, cases[i].says);
        check_ok(verb_info(&rig.err), rig.err); /* on a new connection */
        assert_int_equal(sftp_peer_connections(), before + 1);
    }
    rig_down(&rig);
}

/* What is being sent must not be freed by whoever waits for the answer. */
static void an_answer_before_the_request_is_whole_is_refused(void **state)
{
    (void)state;
    const size_t size = (size_t)6 << 20;
    uint8_t *bytes = calloc(1, size);
    assert_non_null(bytes);
    rig_up(&rig, &anybody);
    rig_open(&rig, "");
    const struct sftp_rule early = {.type = MS_FXP_WRITE, .times = 1, .act = SFTP_EARLY};
    sftp_peer_rules(&early, 1);
    check_code(rig_put(&rig, "v", ms_view(bytes, size), NULL), MS_ERR_PROTOCOL, rig.err);
    assert_int_equal(sftp_peer_hits(), 1);
    check_text(rig.err, "answers a request that was never made");
    assert_false(rig_has(&rig, "store/v"));
    check_ok(rig_put(&rig, "v", ms_view(bytes, size), NULL), rig.err); /* a new connection */
    rig_down(&rig);
    free(bytes);
}

/* ---- loss ---- */

static void what_a_loss_leaves_open_is_resolved(enum sftp_act act)
{
    rig_up(&rig, &anybody);
    rig_open(&rig, "");
    for (size_t i = 0; i < STEPS; i++) {
        if (i % 24 == 23) { /* the peer takes so many connections */
            rig_down(&rig);
            rig_up(&rig, &anybody);
            rig_open(&rig, "");
        }
        err_at(&steps[i], act, 0, 1);
        check_ok(steps[i].run(&rig.err), rig.err);
        hit(&steps[i], "loss");
        if (rig.err.code)
            fail_msg("%s succeeds with an error: %s", steps[i].name, rig.err.text);
        check_done(&steps[i]);
        uint64_t removed;
        check_ok(ms_backend_sweep(rig.b, 0, &removed, &rig.err), rig.err);
        assert_int_equal(rig_temporaries(&rig), 0);
    }
    rig_down(&rig);
}

static void a_loss_before_the_request(void **state)
{
    (void)state;
    what_a_loss_leaves_open_is_resolved(SFTP_CUT);
}

static void a_loss_before_the_answer(void **state)
{
    (void)state;
    what_a_loss_leaves_open_is_resolved(SFTP_CUT_AFTER);
}

static void a_loss_within_the_answer(void **state)
{
    (void)state;
    what_a_loss_leaves_open_is_resolved(SFTP_CUT_IN);
}

static void a_taken_name_stays_taken_after_a_loss(void **state)
{
    (void)state;
    rig_up(&rig, &anybody);
    rig_open(&rig, "");
    prepare();
    const struct sftp_rule rule = {.type = MS_FXP_EXTENDED,
                                   .extension = "hardlink@openssh.com",
                                   .times = 1,
                                   .act = SFTP_CUT_AFTER};
    sftp_peer_rules(&rule, 1);
    check_code(rig_put(&rig, "a", ms_str("mine!"), &if_absent), MS_ERR_EXISTS, rig.err);
    rig_holds(&rig, "a", ms_str("first")); /* as long as ours, and as old */
    check_code(ms_backend_move(rig.b, ms_str("b"), ms_str("a"), &if_absent, &rig.err),
               MS_ERR_EXISTS, rig.err);
    rig_down(&rig);
}

/* Somebody writes under the name again as soon as the value is moved away. */
static void *write_again(void *arg)
{
    char path[600];
    snprintf(path, sizeof path, "%s/b", (const char *)arg);
    while (access(path, F_OK) == 0)
        usleep(500);
    FILE *file = fopen(path, "w");
    if (file) {
        fputs("of somebody else", file);
        fclose(file);
    }
    return NULL;
}

static void a_lost_move_takes_no_other_value(void **state)
{
    char folder[500];
    pthread_t other;
    (void)state;
    rig_up(&rig, &anybody);
    rig_open(&rig, "");
    prepare();
    snprintf(folder, sizeof folder, "%s", rig_path(&rig, "store"));
    const struct sftp_rule rule = {.type = MS_FXP_EXTENDED,
                                   .extension = "posix-rename@openssh.com",
                                   .times = 1,
                                   .act = SFTP_CUT_AFTER};
    sftp_peer_rules(&rule, 1);
    assert_int_equal(pthread_create(&other, NULL, write_again, folder), 0);
    check_ok(ms_backend_move(rig.b, ms_str("b"), ms_str("moved"), NULL, &rig.err), rig.err);
    pthread_join(other, NULL);
    rig_holds(&rig, "moved", ms_str("other"));
    rig_holds(&rig, "b", ms_str("of somebody else"));
    rig_down(&rig);
}

static void a_line_that_stays_broken_is_given_up(void **state)
{
    (void)state;
    rig_up(&rig, &anybody);
    rig_open(&rig, "");
    err_at(&steps[5], SFTP_CUT, 0, 0);
    unsigned before = sftp_peer_connections();
    check_code(verb_info(&rig.err), MS_ERR_CONNECTION, rig.err);
    assert_int_equal(sftp_peer_connections(), before + 4); /* five attempts */
    rig_down(&rig);
}

/* ---- stalls ---- */

static void silence_is_a_time_out(void **state)
{
    (void)state;
    rig_up(&rig, &anybody);
    rig_open(&rig, "timeout=1");
    ms_sftp_self(rig.b)->policy.attempts = 1;
    err_at(&steps[5], SFTP_SWALLOW, 0, 1);
    uint64_t start = ms_clock_now(ms_clock_real());
    check_code(verb_info(&rig.err), MS_ERR_TIMEOUT, rig.err);
    uint64_t took = ms_clock_now(ms_clock_real()) - start;
    check_text(rig.err, "has not answered for 1 s");
    assert_true(took >= 900000000 && took < 5000000000);
    ms_sftp_self(rig.b)->policy.attempts = 5;
    err_at(&steps[5], SFTP_SWALLOW, 0, 1);
    check_ok(verb_info(&rig.err), rig.err);
    rig_down(&rig);
}

/* ---- streams ---- */

static void a_stream_ends_with_its_connection(void **state)
{
    (void)state;
    static uint8_t bytes[300000];
    struct ms_writer *w = NULL;
    struct ms_reader *r = NULL;
    size_t got;
    rig_up(&rig, &anybody);
    rig_open(&rig, "");
    prepare();
    rig_file(&rig, "store/long", (const char *)bytes, sizeof bytes);
    const struct sftp_rule cuts[] = {{.type = MS_FXP_WRITE, .times = 1, .act = SFTP_CUT},
                                     {.type = MS_FXP_READ, .times = 1, .act = SFTP_CUT}};
    sftp_peer_rules(cuts, 2);
    check_ok(ms_backend_write(rig.b, ms_str("new"), 0, NULL, &w, &rig.err), rig.err);
    check_ok(ms_writer_append(w, ms_view(bytes, sizeof bytes), &rig.err), rig.err);
    check_code(ms_writer_commit(w, NULL, &rig.err), MS_ERR_CONNECTION, rig.err);
    assert_false(rig_has(&rig, "store/new"));
    check_ok(ms_backend_read(rig.b, ms_str("long"), &r, &rig.err), rig.err);
    check_code(ms_reader_read(r, 0, bytes, 1000, &got, &rig.err), MS_ERR_CONNECTION, rig.err);
    check_code(ms_reader_read(r, 5, bytes, 1000, &got, &rig.err), MS_ERR_CONNECTION, rig.err);
    ms_reader_close(r);
    check_ok(verb_load(&rig.err), rig.err);
    rig_down(&rig);
}

static void a_file_cut_short_is_a_conflict(void **state)
{
    (void)state;
    static uint8_t bytes[600000];
    struct ms_reader *r = NULL;
    struct ms_buf *value = NULL;
    size_t got;
    rig_up(&rig, &anybody);
    rig_open(&rig, "");
    prepare();
    rig_file(&rig, "store/long", (const char *)bytes, sizeof bytes);
    check_ok(ms_backend_read(rig.b, ms_str("long"), &r, &rig.err), rig.err);
    check_ok(ms_reader_read(r, 0, bytes, 1000, &got, &rig.err), rig.err);
    assert_int_equal(truncate(rig_path(&rig, "store/long"), 280000), 0);
    check_code(ms_reader_read(r, 500000, bytes, 1000, &got, &rig.err), MS_ERR_CONFLICT, rig.err);
    check_text(rig.err, "long was cut short");
    ms_reader_close(r);
    const struct sftp_rule eof = {
        .type = MS_FXP_READ, .skip = 1, .act = SFTP_STATUS, .value = MS_FX_EOF};
    sftp_peer_rules(&eof, 1);
    check_code(ms_backend_load(rig.b, ms_str("long"), 0, MS_SIZE_TO_END, &value, NULL, &rig.err),
               MS_ERR_CONFLICT, rig.err);
    rig_down(&rig);
}

static void a_part_that_changes_is_a_conflict(void **state)
{
    (void)state;
    rig_up(&rig, &anybody);
    rig_open(&rig, "");
    prepare();
    const struct sftp_rule nothing = {
        .type = MS_FXP_EXTENDED, .extension = "copy-data", .act = SFTP_STATUS, .value = MS_FX_OK};
    sftp_peer_rules(&nothing, 1);
    check_code(verb_copy(&rig.err), MS_ERR_CONFLICT, rig.err);
    assert_false(rig_has(&rig, "store/new"));
    sftp_peer_rules(NULL, 0);
    check_ok(verb_info(&rig.err), rig.err);     /* the removal was asked for before */
    assert_int_equal(rig_temporaries(&rig), 1); /* "old.tmp" */
    rig_down(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_has_its_code_and_a_sentence),
        cmocka_unit_test(what_others_removed_is_not_found),
        cmocka_unit_test(damage_is_a_protocol_error_and_ends_nothing),
        cmocka_unit_test(a_server_out_of_step_is_left),
        cmocka_unit_test(an_answer_before_the_request_is_whole_is_refused),
        cmocka_unit_test(a_loss_before_the_request),
        cmocka_unit_test(a_loss_before_the_answer),
        cmocka_unit_test(a_loss_within_the_answer),
        cmocka_unit_test(a_taken_name_stays_taken_after_a_loss),
        cmocka_unit_test(a_lost_move_takes_no_other_value),
        cmocka_unit_test(a_line_that_stays_broken_is_given_up),
        cmocka_unit_test(silence_is_a_time_out),
        cmocka_unit_test(a_stream_ends_with_its_connection),
        cmocka_unit_test(a_file_cut_short_is_a_conflict),
        cmocka_unit_test(a_part_that_changes_is_a_conflict),
    };
    return sftp_peer_program() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
