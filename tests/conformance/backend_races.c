/* Promises among threads: exactly one winner, whole values only, one version per reader. */
#include "backend_suite.h"

#include "base/pool.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define RACERS 8
#define ROUNDS 12

struct race {
    struct fixture *f;
    int how; /* which call races */
    int round;
    atomic_int won, lost, other;
    atomic_int winner;
    atomic_int bad; /* 0, or a code that nobody should see */
};

static void race_name(const struct race *r, char name[32])
{
    snprintf(name, 32, "race/%d-%d", r->how, r->round);
}

/* A value that tells who wrote it: a digit, many times over. */
static struct ms_buf *racer_value(size_t racer)
{
    struct ms_buf *value = ms_buf_new(1000 + racer * 100);
    if (value)
        memset(ms_buf_data(value), '0' + (int)racer, ms_buf_size(value));
    return value;
}

static int enter_by_writer(struct race *r, struct ms_view name, struct ms_buf *value)
{
    struct ms_writer *w = NULL;
    int code = ms_backend_write(r->f->b, name, 0, &if_absent, &w, NULL);
    if (code)
        return code;
    code = ms_writer_append(w, ms_buf_view(value), NULL);
    if (code) {
        ms_writer_abort(w);
        return code;
    }
    return ms_writer_commit(w, NULL, NULL);
}

static int enter_by_move(struct race *r, struct ms_view name, struct ms_buf *value, size_t racer)
{
    char source[32];
    snprintf(source, sizeof source, "source/%zu", racer);
    int code = ms_backend_store(r->f->b, ms_str(source), value, NULL, NULL, NULL);
    return code ? code : ms_backend_move(r->f->b, ms_str(source), name, &if_absent, NULL);
}

static int enter_race(void *arg, size_t racer)
{
    struct race *r = arg;
    char name[32];
    race_name(r, name);
    struct ms_buf *value = racer_value(racer);
    int code = MS_ERR_NO_MEMORY;
    if (value && r->how == 0)
        code = ms_backend_store(r->f->b, ms_str(name), value, &if_absent, NULL, NULL);
    else if (value && r->how == 1)
        code = enter_by_writer(r, ms_str(name), value);
    else if (value)
        code = enter_by_move(r, ms_str(name), value, racer);
    ms_buf_unref(value);
    if (code == 0) {
        atomic_fetch_add(&r->won, 1);
        atomic_store(&r->winner, (int)racer);
    } else if (code == MS_ERR_EXISTS) {
        atomic_fetch_add(&r->lost, 1);
    } else {
        atomic_store(&r->bad, code);
    }
    return 0;
}

static void race_for_absence(struct fixture *f, int how)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct race r = {.f = f, .how = how, .round = round};
        OK(ms_parallel(RACERS, RACERS, enter_race, &r, &f->err));
        assert_string_equal(ms_code_name(atomic_load(&r.bad)), "OK");
        assert_int_equal(atomic_load(&r.won), 1);
        assert_int_equal(atomic_load(&r.lost), RACERS - 1);
        struct ms_buf *wanted = racer_value((size_t)atomic_load(&r.winner));
        char name[32];
        race_name(&r, name);
        holds_value(f, name, ms_buf_view(wanted));
        ms_buf_unref(wanted);
    }
}

static void one_store_wins(void **state)
{
    struct fixture *f = fixture(state);
    if (CAN(f, MS_CAP_IF_ABSENT))
        race_for_absence(f, 0);
}

static void one_writer_wins(void **state)
{
    struct fixture *f = fixture(state);
    if (CAN(f, MS_CAP_IF_ABSENT))
        race_for_absence(f, 1);
}

static void one_move_wins(void **state)
{
    struct fixture *f = fixture(state);
    if (CAN(f, MS_CAP_MOVE_IF_ABSENT))
        race_for_absence(f, 2);
}

/* ---- a counter that nobody may lose an increment of ---- */

static int increment(void *arg, size_t racer)
{
    struct race *r = arg;
    (void)racer;
    for (int done = 0; done < 5;) {
        struct ms_buf *value = NULL;
        struct ms_info info;
        int code =
            ms_backend_load(r->f->b, ms_str("counter"), 0, MS_SIZE_TO_END, &value, &info, NULL);
        if (code)
            return code;
        char text[16] = "";
        memcpy(text, ms_buf_view(value).data, ms_buf_size(value) < 15 ? ms_buf_size(value) : 15);
        ms_buf_unref(value);
        snprintf(text, sizeof text, "%d", atoi(text) + 1);
        struct ms_precondition pre = {.kind = MS_IF_TAG, .tag = info.tag};
        struct ms_buf_borrowed place;
        code = ms_backend_store(r->f->b, ms_str("counter"), ms_buf_borrow(&place, ms_str(text)),
                                &pre, NULL, NULL);
        if (code && code != MS_ERR_CONFLICT)
            return code;
        done += code == 0;
    }
    return 0;
}

static void tags_guard_a_counter(void **state)
{
    struct fixture *f = fixture(state);
    if (!CAN(f, MS_CAP_IF_TAG))
        return;
    struct race r = {.f = f};
    OK(put(f, "counter", "0"));
    OK(ms_parallel(RACERS, RACERS, increment, &r, &f->err));
    holds_text(f, "counter", "40");
}

/* ---- whole values only ---- */

#define SPINS 60

static bool whole(const struct race *r, struct ms_view bytes)
{
    if (bytes.size == 0)
        return false;
    size_t racer = (size_t)(bytes.data[0] - '0'), size = 1000 + racer * 100;
    bool cut = r->f->candidate->cuts && bytes.size >= 1000 && bytes.size < size;
    if (racer >= RACERS || (bytes.size != size && !cut))
        return false;
    for (size_t i = 1; i < bytes.size; i++)
        if (bytes.data[i] != bytes.data[0])
            return false;
    return true;
}

static int replace(struct race *r, size_t racer)
{
    struct ms_buf *value = racer_value(racer);
    int code = value ? 0 : MS_ERR_NO_MEMORY;
    for (int i = 0; i < SPINS && code == 0; i++)
        code = ms_backend_store(r->f->b, ms_str("hot/v"), value, NULL, NULL, NULL);
    ms_buf_unref(value);
    return code;
}

static int load_whole(struct race *r)
{
    struct ms_buf *value = NULL;
    struct ms_info info;
    int code = ms_backend_load(r->f->b, ms_str("hot/v"), 0, MS_SIZE_TO_END, &value, &info, NULL);
    if (code)
        return code;
    if (!whole(r, ms_buf_view(value)) || info.size_bytes != ms_buf_size(value))
        atomic_fetch_add(&r->other, 1);
    ms_buf_unref(value);
    return 0;
}

/* In two steps, between which the value is surely replaced. */
static int read_whole(struct race *r)
{
    struct ms_reader *reader = NULL;
    uint8_t bytes[2000];
    size_t first = 0, second = 0;
    int code = ms_backend_read(r->f->b, ms_str("hot/v"), &reader, NULL);
    if (code)
        return code;
    code = ms_reader_read(reader, 0, bytes, 300, &first, NULL);
    if (code == 0)
        code = ms_reader_read(reader, 300, bytes + 300, 1700, &second, NULL);
    ms_reader_close(reader);
    if (code == 0 && !whole(r, ms_view(bytes, first + second)))
        atomic_fetch_add(&r->other, 1);
    return code == MS_ERR_CONFLICT ? 0 : code; /* said so, instead of mixing */
}

static int spin(void *arg, size_t index)
{
    struct race *r = arg;
    int code = 0;
    if (index < 3)
        code = replace(r, index);
    else
        for (int i = 0; i < SPINS && code == 0; i++)
            code = index % 2 ? load_whole(r) : read_whole(r);
    if (code == MS_ERR_NOT_FOUND && !CAN(r->f, MS_CAP_ATOMIC_REPLACE))
        code = 0; /* in between; half a value it may not give either */
    if (code)
        atomic_store(&r->bad, code);
    return 0;
}

static void readers_see_whole_values(void **state)
{
    struct fixture *f = fixture(state);
    struct race r = {.f = f};
    struct ms_buf *value = racer_value(0);
    OK(ms_backend_store(f->b, ms_str("hot/v"), value, NULL, NULL, &f->err));
    ms_buf_unref(value);
    OK(ms_parallel(RACERS, RACERS, spin, &r, &f->err));
    assert_string_equal(ms_code_name(atomic_load(&r.bad)), "OK");
    assert_int_equal(atomic_load(&r.other), 0);
    lists(f, "hot", "v");
}

/* ---- directories come and go under stores ---- */

/* Others may have been faster, or have put something into it. */
static int remove_folder(struct ms_backend *b)
{
    int code = ms_backend_rmdir(b, ms_str("churn/d"), NULL);
    return code == MS_ERR_NOT_FOUND || code == MS_ERR_EXISTS ? 0 : code;
}

static int churn(void *arg, size_t index)
{
    struct race *r = arg;
    char name[32];
    for (int i = 0; i < SPINS; i++) {
        int code;
        if (index < 4) {
            struct ms_buf_borrowed place;
            snprintf(name, sizeof name, "churn/d/%zu", index);
            code = ms_backend_store(r->f->b, ms_str(name), ms_buf_borrow(&place, ms_str("x")), NULL,
                                    NULL, NULL);
            if (code == 0)
                code = ms_backend_delete(r->f->b, ms_str(name), NULL);
        } else {
            code = remove_folder(r->f->b);
        }
        if (code)
            atomic_store(&r->bad, code);
    }
    return 0;
}

static void stores_survive_vanishing_directories(void **state)
{
    struct fixture *f = fixture(state);
    struct race r = {.f = f};
    OK(ms_parallel(6, 6, churn, &r, &f->err));
    assert_string_equal(ms_code_name(atomic_load(&r.bad)), "OK");
}

/* Values go into a folder that others keep removing, and out again. */
static int churn_by_moving(void *arg, size_t index)
{
    struct race *r = arg;
    char home[32], away[32];
    snprintf(home, sizeof home, "home/%zu", index);
    snprintf(away, sizeof away, "churn/d/%zu", index);
    for (int i = 0; i < SPINS; i++) {
        int code;
        if (index < 3) {
            code = ms_backend_move(r->f->b, ms_str(home), ms_str(away), NULL, NULL);
            if (code == 0)
                code = ms_backend_move(r->f->b, ms_str(away), ms_str(home), NULL, NULL);
        } else {
            code = remove_folder(r->f->b);
        }
        if (code)
            atomic_store(&r->bad, code);
    }
    return 0;
}

static void moves_survive_vanishing_directories(void **state)
{
    struct fixture *f = fixture(state);
    struct race r = {.f = f};
    OK(put(f, "home/0", "x"));
    OK(put(f, "home/1", "x"));
    OK(put(f, "home/2", "x"));
    OK(ms_parallel(6, 6, churn_by_moving, &r, &f->err));
    assert_string_equal(ms_code_name(atomic_load(&r.bad)), "OK");
    lists(f, "home", "0|1|2");
}

const struct promise promises_races[] = {
    {"of racing stores one wins", one_store_wins},
    {"of racing writers one wins", one_writer_wins},
    {"of racing moves one wins", one_move_wins},
    {"tags guard a counter", tags_guard_a_counter},
    {"readers see whole values", readers_see_whole_values},
    {"stores survive vanishing directories", stores_survive_vanishing_directories},
    {"moves survive vanishing directories", moves_survive_vanishing_directories},
    {0},
};
