/* server/marks.h - a table of fixed size from secret keys to moments: who is limited until when,
 * what is remembered until when.
 *
 * A key has 8 places where it may be. When all are taken, the mark that ends first gives way: of
 * limits the one that limits least. Not locked: the owner's mutex guards it.
 */
#ifndef SERVER_MARKS_H
#define SERVER_MARKS_H

#include <mstore/base.h>

#define SERVER_MARK_KEY 16 /* bytes: of a MAC, so that nobody chooses where they fall */

struct server_mark {
    uint8_t key[SERVER_MARK_KEY];
    uint64_t until_ns; /* 0: free */
};

struct server_marks {
    struct server_mark *at;
    size_t sets; /* a power of two */
};

int server_marks_init(struct server_marks *m, size_t sets, struct ms_error *err) MS_MUST_CHECK;
void server_marks_fini(struct server_marks *m);
/* Until when; 0: there is no such mark. */
uint64_t server_marks_get(const struct server_marks *m, const uint8_t key[SERVER_MARK_KEY]);
/* until 0 takes the mark away. */
void server_marks_set(struct server_marks *m, const uint8_t key[SERVER_MARK_KEY],
                      uint64_t until_ns);

/* ---- token buckets: `burst` at once, and one more every interval ---- */

struct server_bucket {
    unsigned burst;
    uint64_t interval_ns;
};
/* How long until one may be taken; 0: now. */
uint64_t server_bucket_wait(const struct server_marks *m, struct server_bucket b,
                            const uint8_t key[SERVER_MARK_KEY], uint64_t now_ns);
void server_bucket_take(struct server_marks *m, struct server_bucket b,
                        const uint8_t key[SERVER_MARK_KEY], uint64_t now_ns);
void server_bucket_give_back(struct server_marks *m, struct server_bucket b,
                             const uint8_t key[SERVER_MARK_KEY]);

#endif
