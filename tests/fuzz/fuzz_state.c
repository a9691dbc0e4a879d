/* The local state file: what is read is within bounds, is written so that it reads as the same, and
 * an epoch that carries its check is found in any damage. */
#include "fuzz.h"

#include "mstore/state_text.h"

#include <stdlib.h>

static const struct ms_uuid store = {
    {0x5d, 0x8e, 1, 2, 3, 4, 0x45, 6, 0x87, 8, 9, 10, 11, 12, 13, 14}};

static void check_records(const struct ms_state_content *c)
{
    ms_assert(c->count <= MS_STATE_MEMBERS);
    for (size_t i = 0; i < c->count; i++) {
        const struct ms_health_saved *s = &c->records[i].saved;
        ms_assert(s->state <= MS_HEALTH_HALF_OPEN && s->changed_wall_ns > 0);
        ms_assert(s->since_wall_ns >= 0 && s->next_wall_ns >= 0 && s->last_wall_ns >= 0);
        ms_assert(s->failures <= MS_STATE_FAILURES_MAX && s->last_code <= 0);
        ms_assert(!c->records[i].changed && !ms_uuid_is_zero(&c->records[i].member));
    }
}

static void check_marks(const struct ms_state_content *c)
{
    ms_assert(c->marks.count <= MS_AWAY_KEPT && !c->marks.changed);
    for (size_t i = 0; i < c->marks.count; i++) {
        const struct ms_away_known *k = &c->marks.list[i];
        ms_assert(!k->mark.closing && k->since_ns > 0 && k->since_ns <= INT64_MAX);
        ms_assert(k->seen_ns > 0 && k->seen_ns <= INT64_MAX);
    }
    struct ms_state_marks joined = c->marks;
    (void)ms_state_marks_join(&joined, &c->marks);
    ms_assert(joined.count <= c->marks.count && (joined.count > 0) == (c->marks.count > 0));
}

static struct ms_buf *written(const struct ms_state_content *c)
{
    struct ms_buf *text = NULL;
    ms_assert(ms_state_format(c, &store, &text, NULL) == 0);
    return text;
}

/* The same bytes, after reading them again. */
static void check_again(const struct ms_state_content *c)
{
    struct ms_state_content *again = malloc(sizeof *again);
    struct ms_buf *text = written(c);
    ms_assert(again && ms_state_parse(ms_buf_view(text), "FILE", &store, again, NULL) == 0);
    struct ms_buf *same = written(again);
    struct ms_view a = ms_buf_view(text), b = ms_buf_view(same);
    ms_assert(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
    ms_buf_unref(text);
    ms_buf_unref(same);
    free(again);
}

/* A pause that is restored ends, whatever the file says. */
static void check_restored(const struct ms_state_content *c, int64_t wall_ns)
{
    for (size_t i = 0; i < c->count; i++) {
        struct ms_health *h = NULL;
        struct ms_health_view v;
        bool probe;
        ms_assert(ms_health_new(i, &h, NULL) == 0);
        ms_assert(ms_health_restore(h, &c->records[i].saved, 1000, wall_ns));
        ms_health_view(h, 1000, wall_ns, &v);
        ms_assert(v.next_ns <= UINT64_C(300000000000));
        ms_assert(ms_health_admit(h, "m", 1000 + v.next_ns, &probe, NULL) == 0);
        ms_health_free(h);
    }
}

/* Whatever stands around it. */
static void check_epoch(const uint8_t *data, size_t size)
{
    struct ms_state_content *c = malloc(sizeof *c);
    char line[] = "\nepoch = 7 030b12f225c22700\n";
    struct ms_buf *text = ms_buf_new(size + strlen(line));
    ms_assert(c && text);
    if (size)
        memcpy(ms_buf_data(text), data, size);
    memcpy(ms_buf_data(text) + size, line, strlen(line));
    ms_assert(ms_state_parse(ms_buf_view(text), "FILE", &store, c, NULL) != 0 || c->epoch > 0);
    ms_assert(c->epoch >= 7);
    ms_buf_unref(text);
    free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ms_state_content *c = malloc(sizeof *c);
    struct ms_error err = {0};
    ms_assert(c);
    int code = ms_state_parse(ms_view(data, size), "FILE", &store, c, &err);
    ms_assert(code == 0 ||
              ((code == MS_ERR_CONFIG || code == MS_ERR_UNSUPPORTED) && c->count == 0 &&
               c->marks.count == 0 && strncmp(err.text, "FILE", 4) == 0));
    check_records(c);
    check_marks(c);
    if (code == 0) {
        check_again(c);
        check_restored(c, INT64_C(1700000000000000000));
        check_restored(c, size ? data[size - 1] : 0);
    }
    check_epoch(data, size);
    free(c);
    return 0;
}
