/* server/marks.c - see server/marks.h. A bucket is the moment at which it will be full again: one
 * number says how many may be taken now. */
#include "server/marks.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define PLACES 8

int server_marks_init(struct server_marks *m, size_t sets, struct ms_error *err)
{
    m->sets = sets;
    m->at = calloc(sets * PLACES, sizeof *m->at);
    return m->at ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for limits of logins");
}

void server_marks_fini(struct server_marks *m)
{
    free(m->at);
    m->at = NULL;
}

static struct server_mark *set_of(const struct server_marks *m, const uint8_t *key)
{
    uint64_t number;
    memcpy(&number, key, sizeof number);
    return &m->at[(size_t)(number & (m->sets - 1)) * PLACES];
}

static struct server_mark *find(const struct server_marks *m, const uint8_t *key)
{
    struct server_mark *set = set_of(m, key), *found = NULL;
    for (size_t i = 0; i < PLACES; i++)
        if (CRYPTO_memcmp(set[i].key, key, SERVER_MARK_KEY) == 0 && set[i].until_ns)
            found = &set[i];
    return found;
}

uint64_t server_marks_get(const struct server_marks *m, const uint8_t key[SERVER_MARK_KEY])
{
    const struct server_mark *mark = find(m, key);
    return mark ? mark->until_ns : 0;
}

void server_marks_set(struct server_marks *m, const uint8_t key[SERVER_MARK_KEY], uint64_t until_ns)
{
    struct server_mark *mark = find(m, key);
    if (!mark && !until_ns)
        return;
    if (!mark) {
        mark = set_of(m, key);
        for (size_t i = 1, first = 0; i < PLACES; i++)
            if (set_of(m, key)[i].until_ns < set_of(m, key)[first].until_ns)
                mark = &set_of(m, key)[first = i];
    }
    memcpy(mark->key, key, SERVER_MARK_KEY);
    mark->until_ns = until_ns;
}

/* ---- buckets ---- */

uint64_t server_bucket_wait(const struct server_marks *m, struct server_bucket b,
                            const uint8_t key[SERVER_MARK_KEY], uint64_t now_ns)
{
    uint64_t full = server_marks_get(m, key), most = now_ns + (b.burst - 1) * b.interval_ns;
    return full > most ? full - most : 0;
}

void server_bucket_take(struct server_marks *m, struct server_bucket b,
                        const uint8_t key[SERVER_MARK_KEY], uint64_t now_ns)
{
    uint64_t full = server_marks_get(m, key);
    server_marks_set(m, key, (full > now_ns ? full : now_ns) + b.interval_ns);
}

void server_bucket_give_back(struct server_marks *m, struct server_bucket b,
                             const uint8_t key[SERVER_MARK_KEY])
{
    uint64_t full = server_marks_get(m, key);
    if (full)
        server_marks_set(m, key, full > b.interval_ns ? full - b.interval_ns : 0);
}
