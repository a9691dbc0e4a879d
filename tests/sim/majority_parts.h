/* tests/sim/majority_parts.h - what the files of the register over a majority share. */
#ifndef TESTS_SIM_MAJORITY_PARTS_H
#define TESTS_SIM_MAJORITY_PARTS_H

#include "tests/sim/majority.h"

#include "store/store.h"

#define VERSION_SIZE  48 /* with the NUL */
#define NAME_SIZE     96
#define KEYS_MOST     64
#define VERSIONS_MOST 128

struct majority {
    struct ms_store base;
    struct sim_world *w;
    struct ms_backend *members[SIM_MEMBERS_MAX];
    unsigned count, client, flaws;
    unsigned writes; /* so far: part of the writer's name */
};

static inline struct majority *majority_of(struct ms_store *s)
{
    return (struct majority *)s;
}

static inline unsigned majority_quorum(const struct majority *m)
{
    return m->count / 2 + 1;
}

/* The highest version of a key that the members which answered list. */
struct seen {
    char best[VERSION_SIZE]; /* "": none */
    bool holds[SIM_MEMBERS_MAX];
    unsigned holders, answered;
};

struct texts { /* names in a directory */
    char text[VERSIONS_MOST][VERSION_SIZE];
    size_t count;
};

static inline bool version_deleted(const char *version)
{
    return version[18] == 'x';
}
uint64_t version_size(const char *version);

/* Names in a directory of a member; a missing one is empty. */
int majority_names(const struct majority *m, unsigned member, struct ms_view directory,
                   struct texts *out, struct ms_error *err) MS_MUST_CHECK;
/* Asks all members, or the first that answers (SIM_FLAW_READ_ONE); fewer than needed: CONNECTION.
 */
int majority_look(const struct majority *m, struct ms_view key, struct seen *out,
                  struct ms_error *err) MS_MUST_CHECK;
/* The highest version, and its bytes unless it is a mark, once a majority has it. Nothing or a
 * mark: *value stays NULL. */
int majority_settle(const struct majority *m, struct ms_view key, struct seen *out,
                    struct ms_buf **value, struct ms_error *err) MS_MUST_CHECK;
/* A version above that one; value NULL: a mark of deletion. */
int majority_put(struct majority *m, struct ms_view key, const struct seen *above,
                 struct ms_buf *value, struct ms_error *err) MS_MUST_CHECK;
/* All keys that a majority lists, sorted. */
int majority_keys(const struct majority *m, struct texts *out, struct ms_error *err) MS_MUST_CHECK;
/* The bytes at one member, verified. */
int majority_fetch(const struct majority *m, unsigned member, struct ms_view key,
                   const char *version, struct ms_buf **out, struct ms_error *err) MS_MUST_CHECK;
/* Puts a version at one member. value NULL: a mark. */
int majority_send(const struct majority *m, unsigned member, struct ms_view key,
                  const char *version, struct ms_buf *value, struct ms_error *err) MS_MUST_CHECK;
int majority_drop(const struct majority *m, unsigned member, struct ms_view key,
                  const char *version, struct ms_error *err) MS_MUST_CHECK;

#endif
