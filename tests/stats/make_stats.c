/* Makes the files that the tests of mstore-stats read: counts like a process that uses two stores,
 * by a virtual clock so that every figure is known; then
 *   make_stats save FILE...   saves the figures, the same moment in each FILE
 *   make_stats mstore FILE... the same, and those of a store of many members
 *   make_stats run            says its pid, counts on, ends with its standard input
 *   make_stats hostile        names that try to break out of every format */
#include "base/clock.h"
#include "base/entity.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct ms_clock *clock;

static void count(struct ms_entity *e, enum ms_verb verb, uint64_t took_ns, int code,
                  uint64_t bytes)
{
    uint64_t begin = ms_entity_begin(clock);
    ms_clock_advance(clock, ms_clock_now(clock) + took_ns);
    ms_entity_count(e, clock, verb, begin, code, bytes);
}

static void count_store(const char *store)
{
    struct ms_entity *data = ms_entity_get(MS_STATS_NAMESPACE, store, "data");
    struct ms_entity *meta = ms_entity_get(MS_STATS_NAMESPACE, store, "meta");
    struct ms_entity *backend = ms_entity_get(MS_STATS_BACKEND, store, "");
    struct ms_entity *cache = ms_entity_get(MS_STATS_CACHE, store, "data");
    for (unsigned i = 0; i < 100; i++) {
        count(data, MS_VERB_LOAD, 100000 + 20000 * i, 0, 4096);
        count(backend, MS_VERB_LOAD, 90000 + 20000 * i, 0, 4096);
    }
    for (unsigned i = 0; i < 10; i++)
        count(data, MS_VERB_STORE, 5000000, i ? 0 : MS_ERR_NO_SPACE, 1000000);
    count(meta, MS_VERB_INFO, 2000, 0, 0);
    count(meta, MS_VERB_DELETE, 3000, MS_ERR_NOT_FOUND, 0);
    count(cache, MS_VERB_LOAD, 1000, 0, 4096);
    ms_entity_count_retry(backend, MS_VERB_LOAD);
    ms_entity_count_emulated(backend, MS_VERB_LOAD, 50000000);
    ms_entity_count_moved(backend, 409600, 123);
    for (int i = 0; i < 3; i++)
        ms_entity_count_cache(cache, MS_CACHE_HIT);
    ms_entity_count_cache(cache, MS_CACHE_MISS);
}

/* A store of many members: 7 loads while one of two is away. */
static void count_mstore(const char *store)
{
    struct ms_entity *data = ms_entity_get(MS_STATS_NAMESPACE, store, "data");
    struct ms_entity *nas = ms_entity_get(MS_STATS_MEMBER, store, "nas");
    struct ms_entity *usb = ms_entity_get(MS_STATS_MEMBER, store, "usb");
    for (int i = 0; i < 7; i++) {
        count(data, MS_VERB_LOAD, 1000000, 0, 500);
        count(nas, MS_VERB_LOAD, 900000, 0, 564);
        ms_entity_count_event(data, MS_EVENT_DEGRADED);
    }
    count(usb, MS_VERB_OTHER, 5000000, MS_ERR_TIMEOUT, 0);
    ms_entity_count_event(usb, MS_EVENT_BREAKER_OPENED);
    ms_entity_count_event(data, MS_EVENT_HEDGE);
}

static int save(char **paths)
{
    struct ms_stats_snapshot *s;
    struct ms_error err = {0};
    int code = ms_stats_take(&s, &err);
    for (; !code && *paths; paths++)
        code = ms_stats_save(s, *paths, &err);
    if (code)
        fprintf(stderr, "%s\n", err.text);
    else
        ms_stats_free(s);
    return code != 0;
}

static int run(void)
{
    struct ms_entity *e = ms_entity_get(MS_STATS_NAMESPACE, "memory:one", "data");
    printf("%d\n", (int)getpid());
    fflush(stdout);
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(&input, 1, 5) == 0) {
        ms_entity_count(e, NULL, MS_VERB_LOAD, ms_entity_begin(NULL), 0, 100000);
        ms_entity_count(e, NULL, MS_VERB_STORE, ms_entity_begin(NULL), 0, 30000);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2 || !(clock = ms_clock_virtual_new(1000000000)))
        return 2;
    if (strcmp(argv[1], "hostile") == 0) {
        count_store("</td><script>alert(1)</script>\"'&\\\n\033[31m\xff\xc3\xa9");
        return save(argv + 2);
    }
    count_store("file:///srv/store");
    count_store("sftp://user@host/backup");
    if (strcmp(argv[1], "mstore") == 0)
        count_mstore("home.conf");
    if (strcmp(argv[1], "save") == 0 || strcmp(argv[1], "mstore") == 0)
        return save(argv + 2);
    return strcmp(argv[1], "run") == 0 ? run() : 2;
}
