/* mstore/pages.c - see mstore/pages.h. Two buffers: the front one is being used, the back one is
 * being filled by a task or empty. The task is the only one to touch the source, the back buffer
 * and `last` until it is joined. */
#include "mstore/pages.h"

#include "base/assert.h"
#include "base/pool.h"

#include <stdlib.h>

#define RECORDS_FIRST 16
#define RECORDS_MOST  512
#define BYTES_MOST    65536        /* a page is closed behind the record that reaches this */
#define QUICK_NS      (300 * 1000) /* less than this is not worth another thread */
#define STRAY_MOST    4096         /* out of order in a row */

struct head { /* of a record in a page; then the body, then the key */
    size_t key_size;
    size_t whole;
};

struct page {
    uint8_t *bytes;
    size_t room, used;
    size_t count;
    uint64_t skipped; /* when it was full */
    uint64_t took_ns;
    bool last; /* nothing comes behind it */
    int code;
    struct ms_error err;
};

struct ms_pages {
    struct ms_pages_source source;
    struct ms_clock *clock;
    struct page front, back;
    struct page kept; /* one record: the last one read */
    size_t at;        /* in front */
    size_t wanted;    /* records of the next page */
    uint64_t strays;
    struct ms_group *group; /* NULL: no task */
};

int ms_pages_new(const struct ms_pages_source *source, struct ms_clock *clock,
                 struct ms_pages **out, struct ms_error *err)
{
    struct ms_pages *p = calloc(1, sizeof *p);
    if (!p)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    p->source = *source;
    p->clock = clock;
    p->wanted = RECORDS_FIRST;
    *out = p;
    return 0;
}

/* ---- filling a page ---- */

static bool put(struct page *page, const struct ms_record *r, size_t body_size)
{
    size_t whole = (sizeof(struct head) + body_size + r->key.size + 15) & ~(size_t)15;
    if (page->room - page->used < whole) {
        size_t room = page->room + page->room / 2 + whole;
        uint8_t *bytes = realloc(page->bytes, room);
        if (!bytes)
            return false;
        page->bytes = bytes;
        page->room = room;
    }
    uint8_t *at = page->bytes + page->used;
    const struct head head = {r->key.size, whole};
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, r->body, body_size);
    if (r->key.size)
        memcpy(at + sizeof head + body_size, r->key.data, r->key.size);
    page->used += whole;
    page->count++;
    return true;
}

static struct ms_record record_at(const struct page *page, size_t at, size_t body_size)
{
    const uint8_t *head = page->bytes + at;
    size_t key_size;
    memcpy(&key_size, head, sizeof key_size);
    return (struct ms_record){.key = ms_view(head + sizeof(struct head) + body_size, key_size),
                              .body = head + sizeof(struct head)};
}

/* Keeps the record to compare the next one with. */
static bool keep(struct ms_pages *p, const struct ms_record *r)
{
    p->kept.used = 0;
    return put(&p->kept, r, p->source.body_size);
}

static bool in_order(const struct ms_pages *p, const struct ms_record *r)
{
    if (!p->kept.used)
        return true;
    struct ms_record before = record_at(&p->kept, 0, p->source.body_size);
    return p->source.compare(&before, r) < 0;
}

/* The next record that is behind the one before. */
static int next_in_order(struct ms_pages *p, struct ms_record *r, struct ms_error *err)
{
    for (unsigned row = 0; row < STRAY_MOST; row++) {
        *r = (struct ms_record){0};
        int code = p->source.next(p->source.ctx, r, err);
        if (code || !r->body || in_order(p, r))
            return code;
        p->strays++;
    }
    return ms_error_set(err, MS_ERR_PROTOCOL,
                        "the storage lists its names in no order, or again and again; check it");
}

static int fill_records(struct ms_pages *p, struct page *page, struct ms_error *err)
{
    while (page->count < p->wanted && page->used < BYTES_MOST) {
        struct ms_record r;
        int code = next_in_order(p, &r, err);
        if (code)
            return code;
        page->last = !r.body;
        if (page->last)
            return 0;
        if (!put(page, &r, p->source.body_size) || !keep(p, &r))
            return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a listing");
    }
    return 0;
}

static void fill(struct ms_pages *p, struct page *page)
{
    uint64_t begin = ms_clock_now(p->clock);
    page->used = page->count = 0;
    page->code = fill_records(p, page, &page->err);
    page->skipped = p->strays + (p->source.skipped ? p->source.skipped(p->source.ctx) : 0);
    page->took_ns = ms_clock_now(p->clock) - begin;
    p->wanted = 2 * p->wanted < RECORDS_MOST ? 2 * p->wanted : RECORDS_MOST;
}

/* ---- turning over ---- */

static int fill_back(void *arg)
{
    struct ms_pages *p = arg;
    fill(p, &p->back);
    return 0;
}

void ms_pages_start(struct ms_pages *p)
{
    if (p->group || p->front.last || p->front.code)
        return;
    p->back.used = p->back.count = 0;
    p->back.code = MS_ERR_CANCELLED; /* unless the task runs */
    struct ms_error *text = &p->back.err;
    ms_error_set(text, MS_ERR_CANCELLED, "the listing was cancelled");
    if (ms_group_new(&p->group, NULL))
        return; /* read when it is needed, then */
    if (ms_group_fork(p->group, fill_back, NULL, p, NULL)) {
        ms_group_release(p->group);
        p->group = NULL;
    }
}

/* The next page becomes the front one. */
static void turn(struct ms_pages *p)
{
    if (p->group) {
        ms_group_join_all(p->group, NULL);
        ms_group_release(p->group);
        p->group = NULL;
        struct page full = p->back;
        p->back = p->front;
        p->front = full;
    } else {
        fill(p, &p->front);
    }
    p->at = 0;
    if (p->front.took_ns > QUICK_NS)
        ms_pages_start(p);
}

int ms_pages_first(struct ms_pages *p, struct ms_record *out, struct ms_error *err)
{
    while (p->at == p->front.used && !p->front.last && !p->front.code)
        turn(p);
    if (p->at < p->front.used) {
        *out = record_at(&p->front, p->at, p->source.body_size);
        return 0;
    }
    *out = (struct ms_record){0};
    if (p->front.code && err)
        *err = p->front.err;
    return p->front.code;
}

void ms_pages_pop(struct ms_pages *p)
{
    ms_assert(p->at < p->front.used);
    struct head head;
    memcpy(&head, p->front.bytes + p->at, sizeof head);
    p->at += head.whole;
}

uint64_t ms_pages_skipped(const struct ms_pages *p)
{
    return p->front.skipped;
}

uint64_t ms_pages_took_ns(const struct ms_pages *p)
{
    return p->front.took_ns;
}

void ms_pages_free(struct ms_pages *p)
{
    if (!p)
        return;
    if (p->group) {
        ms_group_cancel(p->group);
        ms_group_join_all(p->group, NULL);
        ms_group_release(p->group);
    }
    free(p->front.bytes);
    free(p->back.bytes);
    free(p->kept.bytes);
    free(p);
}
