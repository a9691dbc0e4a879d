/* mstore/pages.h - sorted records of one member, read ahead of whoever merges them.
 *
 * Records are pulled from a source and kept a page at a time: at most two pages of some hundred
 * records for each source, however many it has. Where pages come slowly the next one is read by a
 * task while the one before is used, so that a merge of N members waits for the slowest, not for
 * all of them one by one. Pages begin small and double: who wants ten records reads few more.
 *
 * What a source gives must increase strictly. What does not (a hostile or broken storage) is
 * counted and left out; many such in a row end the source with PROTOCOL, so a listing that goes
 * round ends.
 *
 * One thread at a time; the source is used by one thread at a time, which may be a task's. */
#ifndef MSTORE_PAGES_H
#define MSTORE_PAGES_H

#include <mstore/base.h>

struct ms_record {
    struct ms_view key; /* of any length */
    const void *body;   /* body_size bytes; NULL: no record, the end */
};

struct ms_pages_source {
    /* The next record, borrowed until the next call. */
    int (*next)(void *ctx, struct ms_record *out, struct ms_error *err);
    /* < 0, 0, > 0. */
    int (*compare)(const struct ms_record *a, const struct ms_record *b);
    /* What `next` passed over so far; NULL: never anything. */
    uint64_t (*skipped)(void *ctx);
    void *ctx;
    size_t body_size;
};

struct ms_pages;

/* Nothing is read yet. The source must live until ms_pages_free. */
int ms_pages_new(const struct ms_pages_source *source, struct ms_clock *clock,
                 struct ms_pages **out, struct ms_error *err) MS_MUST_CHECK;
/* Begins to read the first page in a task: start all, then look at any. */
void ms_pages_start(struct ms_pages *p);
/* The first record, borrowed until it is popped; body NULL: the end. Waits for it. An error comes
 * when all that was read before it is popped, and stays. */
int ms_pages_first(struct ms_pages *p, struct ms_record *out, struct ms_error *err) MS_MUST_CHECK;
void ms_pages_pop(struct ms_pages *p);
/* Records left out so far, those that `skipped` told and those out of order. */
uint64_t ms_pages_skipped(const struct ms_pages *p);
/* How long reading the page that is in use took. */
uint64_t ms_pages_took_ns(const struct ms_pages *p);
/* Waits for the task, cancelled; then the source is nobody's. NULL is safe. */
void ms_pages_free(struct ms_pages *p);

#endif
