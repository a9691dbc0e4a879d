/* mstore/value_reader.c - a value in a stream: windows of whole rows, each loaded as a range of the
 * one write that the reader saw first, the next one ahead of a reader that goes straight on. */
#include "mstore/value_parts.h"

#include "base/assert.h"
#include "base/cleanup.h"

#include <stdlib.h>

#define WINDOW (4u << 20)

struct window { /* shared with its call */
    struct ms_value_home home;
    struct ms_value_info pin;
    struct ms_value_place *places;
    size_t count;
    uint64_t number, offset, size;
    struct ms_buf *bytes;
};

struct ms_value_reader {
    struct ms_value_home home;
    struct ms_value_place *places;
    size_t count;
    struct ms_value_info info;
    uint64_t window_size;
    struct ms_buf *now; /* window number `number` */
    uint64_t number;
    struct ms_fan *fan; /* of the one ahead; NULL: none */
    struct window *ahead;
};

static void window_free(void *shared)
{
    struct window *w = shared;
    ms_buf_unref(w->bytes);
    ms_value_home_fini(&w->home);
    free(w->places);
    free(w);
}

static int load_leg(void *shared, unsigned leg, struct ms_error *err)
{
    struct window *w = shared;
    (void)leg;
    struct ms_value_query query = {.shape = &w->home.shape, .places = w->places, .count = w->count};
    return ms_value_load_pinned(&w->home.site, &query, &w->pin, (int64_t)w->offset, w->size,
                                &w->bytes, NULL, err);
}

static int window_new(const struct ms_value_reader *r, uint64_t number, struct window **out,
                      struct ms_error *err)
{
    struct window *w = calloc(1, sizeof *w);
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for reading a value");
    w->places = calloc(r->count + 1, sizeof *w->places);
    int code = w->places ? ms_value_home_init(&w->home, &r->home.site, &r->home.shape, err)
                         : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for reading a value");
    if (code) {
        free(w->places);
        free(w);
        return code;
    }
    ms_assert(w->places);
    memcpy(w->places, r->places, r->count * sizeof *w->places);
    w->count = r->count;
    w->pin = r->info;
    w->number = number;
    w->offset = number * r->window_size;
    w->size = r->window_size;
    *out = w;
    return 0;
}

static void drop_ahead(struct ms_value_reader *r)
{
    if (!r->fan)
        return;
    ms_fan_cancel(r->fan);
    ms_fan_release(r->fan);
    r->fan = NULL;
    r->ahead = NULL;
}

static int start_ahead(struct ms_value_reader *r, uint64_t number, struct ms_error *err)
{
    struct window *w = NULL;
    drop_ahead(r);
    int code = window_new(r, number, &w, err);
    if (!code)
        code = ms_fan_new(1, load_leg, window_free, w, &r->fan, err);
    if (code) {
        if (w)
            window_free(w);
        return code;
    }
    r->ahead = w;
    ms_fan_start(r->fan, 0);
    return 0;
}

/* Members that failed once are not asked for the next window, unless too few are left. */
static void learn(struct ms_value_reader *r, int code)
{
    for (size_t i = 0; i < r->count; i++)
        r->places[i].state = code ? MS_PLACE_UNKNOWN : r->ahead->places[i].state;
}

static int finish_ahead(struct ms_value_reader *r, struct ms_error *err)
{
    unsigned leg;
    while (!ms_fan_next(r->fan, r->home.site.roster->clock, UINT64_MAX, &leg))
        continue;
    int code = ms_fan_code(r->fan, 0);
    learn(r, code);
    if (code) {
        ms_error_set(err, code, "%s", ms_fan_error(r->fan, 0)->text);
    } else {
        ms_buf_unref(r->now);
        r->now = MS_TAKE(r->ahead->bytes);
        r->number = r->ahead->number;
    }
    drop_ahead(r);
    return code;
}

static int want_window(struct ms_value_reader *r, uint64_t number, struct ms_error *err)
{
    bool straight_on = number == (r->now ? r->number + 1 : 0);
    if (r->now && r->number == number)
        return 0;
    for (int attempt = 0;; attempt++) {
        int code = r->fan && r->ahead->number == number ? 0 : start_ahead(r, number, err);
        if (!code)
            code = finish_ahead(r, err);
        if (code && (attempt || ms_code_class(code) == MS_CLASS_PERMANENT))
            return code;
        if (!code)
            break;
    }
    if (straight_on && (number + 1) * r->window_size < r->info.size)
        (void)!start_ahead(r, number + 1, NULL);
    return 0;
}

int ms_value_reader_new(const struct ms_site *site, const struct ms_value_query *query,
                        struct ms_value_reader **out, struct ms_error *err)
{
    struct ms_value_reader *r = calloc(1, sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for reading a value");
    r->places = calloc(query->count + 1, sizeof *r->places);
    int code = r->places ? ms_value_home_init(&r->home, site, query->shape, err)
                         : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for reading a value");
    if (!code)
        code = ms_value_load(site, query, 0, 0, NULL, &r->info, err);
    if (code) {
        ms_value_reader_close(r);
        return code;
    }
    memcpy(r->places, query->places, query->count * sizeof *r->places);
    r->count = query->count;
    uint64_t row = (uint64_t)query->shape->k * r->info.header.block_size;
    r->window_size = row > WINDOW ? row : WINDOW / row * row;
    *out = r;
    return 0;
}

const struct ms_value_info *ms_value_reader_info(const struct ms_value_reader *r)
{
    return &r->info;
}

int ms_value_reader_read(struct ms_value_reader *r, uint64_t offset, uint8_t *into, size_t size,
                         size_t *got, struct ms_error *err)
{
    size_t done = 0;
    while (done < size && offset < r->info.size) {
        int code = want_window(r, offset / r->window_size, err);
        if (code)
            return code;
        uint64_t within = offset - r->number * r->window_size;
        size_t part = ms_buf_size(r->now) - within;
        part = part < size - done ? part : size - done;
        memcpy(into + done, ms_buf_view(r->now).data + within, part);
        done += part;
        offset += part;
    }
    *got = done;
    return 0;
}

void ms_value_reader_close(struct ms_value_reader *r)
{
    if (!r)
        return;
    drop_ahead(r);
    ms_buf_unref(r->now);
    ms_value_home_fini(&r->home);
    free(r->places);
    free(r);
}
