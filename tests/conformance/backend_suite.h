/* backend_suite.h - the suite of promises that every backend keeps: what its files share.
 *
 * A new backend adds one line to the table in backend_table.c. The tests know ms_backend_* only;
 * where storages differ they ask `can` (a promise is kept, or refused as UNSUPPORTED, never half
 * kept).
 */
#ifndef BACKEND_SUITE_H
#define BACKEND_SUITE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mstore/mstore.h>

/* One backend under test. */
struct candidate {
    const char *label; /* stands in the names of its tests */
    const char *url; /* "%s" becomes a temporary folder, emptied after each test; "$NAME?OPTIONS" a
                        store below the URL in that variable of the environment, destroyed after
                        each test */
    bool virtual_clock;  /* runs on one: emulated delays take no time */
    unsigned flags;      /* enum ms_capability it must report, exactly */
    bool stores_streams; /* values beyond 64 MiB go through its writer */
    bool cuts; /* what is read while others replace it may be cut to the length of another version,
                  and nothing that the server says shows it */
};
extern const struct candidate candidates[];
extern const size_t candidate_count;

struct promise {
    const char *name;
    void (*test)(void **state);
};
/* One list per file, ended by {0}. */
extern const struct promise promises_life[], promises_values[], promises_names[], promises_ranges[],
    promises_streams[], promises_batch[], promises_list[], promises_where[], promises_races[],
    promises_counts[];

/* What each test gets: an open, empty backend of its own. */
struct fixture {
    const struct candidate *candidate;
    char url[1024];
    struct ms_clock *clock;
    struct ms_backend *b;
    struct ms_capabilities can;
    struct ms_error err;
};
extern char candidate_folder[]; /* of the candidate that runs */
/* Whether it can run here: what stands behind it was started. */
bool candidate_is_here(const struct candidate *c);
int fixture_setup(void **state); /* *state is the candidate */
int fixture_teardown(void **state);
/* A second handle, closed. */
struct ms_backend *fixture_another(struct fixture *f);
static inline struct fixture *fixture(void **state)
{
    return (struct fixture *)*state;
}

/* ---- asserting: `f` is the fixture in scope; every call under test gets &f->err ---- */

void check_ok(struct fixture *f, int code, const char *what, const char *file, int line);
/* Also that the error carries the code and a sentence. */
void check_fails(struct fixture *f, int code, int wanted, const char *what, const char *file,
                 int line);
#define OK(call)            check_ok(f, (call), #call, __FILE__, __LINE__)
#define FAILS(wanted, call) check_fails(f, (call), (wanted), #call, __FILE__, __LINE__)
#define CAN(f, cap)         (((f)->can.flags & (cap)) != 0)

extern const struct ms_precondition if_absent;

/* Short forms. */
int put(struct fixture *f, const char *name, const char *value);
int put_bytes(struct fixture *f, const char *name, struct ms_view value,
              const struct ms_precondition *pre, struct ms_tag *tag);
void holds_value(struct fixture *f, const char *name, struct ms_view value);
void holds_text(struct fixture *f, const char *name, const char *value);
void is_missing(struct fixture *f, const char *name);
/* The names below a directory, joined by '|', directories with a '/' behind. */
void lists(struct fixture *f, const char *name, const char *wanted);
/* Bytes that differ everywhere, from a seed; malloc'ed. */
uint8_t *pattern(size_t size, uint64_t seed);
bool is_pattern(struct ms_view bytes, size_t size, uint64_t seed);

/* backend_minimal.c: a driver without optional slots, over a backend in memory. */
extern const struct ms_backend_type minimal_type;
/* backend_limited.c: a backend in memory behind a quota. */
extern const struct ms_backend_type limited_type;

#endif
