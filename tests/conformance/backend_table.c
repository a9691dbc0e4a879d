/* The backends that keep the promises. One line each. */
#include "backend_suite.h"

#include "base/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COMMON                                                                                     \
    (MS_CAP_ATOMIC_REPLACE | MS_CAP_IF_ABSENT | MS_CAP_LIST_AFTER_WRITE | MS_CAP_MOVE_IF_ABSENT |  \
     MS_CAP_DIRECTORIES)
#define WHERE   (MS_CAP_HASH | MS_CAP_COPY | MS_CAP_COMPOSE)
#define MEMORY  (COMMON | WHERE | MS_CAP_IF_TAG)
#define POSIX   (COMMON | WHERE | MS_CAP_BATCH)
#define LIMITED (COMMON | MS_CAP_HASH | MS_CAP_COMPOSE | MS_CAP_IF_TAG)
#define OBJECTS                                                                                    \
    (MS_CAP_ATOMIC_REPLACE | MS_CAP_IF_ABSENT | MS_CAP_LIST_AFTER_WRITE | MS_CAP_COPY |            \
     MS_CAP_DELETE_MANY) /* in S3 */
#define SWIFT (MS_CAP_LIST_AFTER_WRITE | MS_CAP_COPY | MS_CAP_DELETE_MANY)
#define REST  (MS_CAP_ATOMIC_REPLACE | WHERE | MS_CAP_LIST_AFTER_WRITE | MS_CAP_DIRECTORIES)
#define LINKS (MS_CAP_IF_ABSENT | MS_CAP_MOVE_IF_ABSENT)
#define SFTP  (MS_CAP_LIST_AFTER_WRITE | MS_CAP_DIRECTORIES) /* whose extensions are for show */
#define SLOW  "emulate.latency=20ms&emulate.jitter=5ms&emulate.bandwidth=800mbit"

const struct candidate candidates[] = {
    {"memory", "memory:", false, MEMORY, true},
    {"memory behind the emulator", "memory:?" SLOW, true, MEMORY, true},
    {"file", "file://%s/store?sync=none", false, POSIX, true},
    {"file, synced", "file://%s/store", false, POSIX, true},
    {"file, walking", "file://%s/store?sync=none&walk=1", false, POSIX, true},
    {"file behind the emulator", "file://%s/store?sync=none&" SLOW, true, POSIX, true},
    {"minimal", "minimal:", false, COMMON | MS_CAP_IF_TAG, false},
    {"limited", "limited:", false, LIMITED, true},
    {"S3 of Ceph", "$MS_TEST_S3_URL", false, OBJECTS, true},
    {"S3 of Ceph behind the emulator", "$MS_TEST_S3_URL?emulate.latency=1ms", false, OBJECTS, true},
    {"rest", "rest:///%s/store", false, REST, true},
    {"rest, several children", "rest:///%s/store?connections=4", false, REST, true},
    {"rest behind the emulator", "rest:///%s/store?" SLOW, true, REST, true},
    {"REST of BorgStore", "$BORGSTORE_SERVER", false, REST, true}, /* see docs/rest.md */
    {"REST of mstore", "$MSTORE_SERVED", false, REST, true},       /* served.sh */
    {"S3 of Ceph over HTTP/2", "$MS_TEST_S3_H2_URL", false, OBJECTS, true},
    {"rest over HTTP/2", "$MS_TEST_REST_H2_URL", false, REST, true},
    {"rest over ssh", "$MS_TEST_REST_SSH_URL", false, REST, true},
    {"S3 of Swift", "$MS_TEST_SWIFT_URL", false, SWIFT, true},
    {"SFTP of OpenSSH", "$MS_TEST_SFTP_URL", false, COMMON | MS_CAP_COPY | MS_CAP_COMPOSE, true},
    {"SFTP of OpenSSH behind the emulator", "$MS_TEST_SFTP_URL?emulate.latency=1ms", false,
     COMMON | MS_CAP_COPY | MS_CAP_COMPOSE, true},
    {"SFTP of rclone", "$MS_TEST_SFTP2_URL", false, SFTP, true, .cuts = true},
    {"minimal behind the emulator", "minimal:?" SLOW, true, COMMON | MS_CAP_IF_TAG, false},
};
const size_t candidate_count = sizeof candidates / sizeof *candidates;

static const struct promise *const promise_lists[] = {
    promises_life,  promises_values, promises_names, promises_ranges, promises_streams,
    promises_batch, promises_list,   promises_where, promises_races,  promises_counts,
};
#define LIST_COUNT (sizeof promise_lists / sizeof *promise_lists)

/* One for all tests of a candidate, so that its URL and with it its statistics are the same. */
char candidate_folder[] = "/tmp/mstore-conformance-XXXXXX";

/* Every promise of one candidate; their names begin with its label. */
static int run(const struct candidate *c)
{
    struct CMUnitTest *tests = NULL;
    size_t count = 0;
    for (size_t i = 0; i < LIST_COUNT; i++)
        for (const struct promise *p = promise_lists[i]; p->test; p++) {
            tests = realloc(tests, (count + 1) * sizeof *tests);
            char *name = NULL;
            assert_non_null(tests);
            assert_true(asprintf(&name, "%s: %s", c->label, p->name) > 0);
            /* cmocka wants the initial state without const; the fixture does not change it */
            union {
                const struct candidate *in;
                void *out;
            } initial = {.in = c};
            tests[count++] =
                (struct CMUnitTest){name, p->test, fixture_setup, fixture_teardown, initial.out};
        }
    int failed = _cmocka_run_group_tests(c->label, tests, count, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)tests[i].name);
    free(tests);
    return failed;
}

/* Which candidates the arguments ask for: see main. */
static bool is_wanted(const struct candidate *c, int argc, char **argv)
{
    bool but = argc > 1 && strcmp(argv[1], "--but") == 0, named = false;
    for (int a = 1 + but; a < argc; a++)
        named = named || strcmp(argv[a], c->label) == 0;
    return argc < 2 || but ? c->url[0] != '$' && !named : named;
}

/* With arguments: only the candidates of these labels, skipped when their server was not started.
 * Without: those that need no server; with "--but LABEL...": all of these but the named. */
int main(int argc, char **argv)
{
    struct ms_error err = {0};
    setenv("MSTORE_REST_SERVER", REST_PEER, 0);
    if (ms_backend_register(&minimal_type, &err) || ms_backend_register(&limited_type, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    if (!mkdtemp(candidate_folder)) {
        perror(candidate_folder);
        return 2;
    }
    int failed = 0;
    bool missing = false, ran = false;
    for (size_t i = 0; i < candidate_count; i++) {
        if (!is_wanted(&candidates[i], argc, argv))
            continue;
        ran = true;
        if (candidate_is_here(&candidates[i])) {
            failed += run(&candidates[i]);
        } else {
            printf("%s: %s is not set\n", candidates[i].label, candidates[i].url);
            missing = true;
        }
    }
    rmdir(candidate_folder);
    ms_pool_shutdown();
    if (!ran)
        fputs("no candidate has such a label\n", stderr);
    return failed || !ran ? 1 : missing ? 77 : 0;
}
