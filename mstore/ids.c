/* mstore/ids.c - see mstore/ids.h: a generator with 256 bits of state behind a mutex. */
#include "mstore/ids.h"

#include "base/sync.h"

#include <openssl/rand.h>
#include <stdlib.h>

struct ms_ids {
    struct ms_mutex mutex;
    struct ms_random random;
};

int ms_ids_new_seeded(uint64_t seed, struct ms_ids **out, struct ms_error *err)
{
    struct ms_ids *ids = calloc(1, sizeof *ids);
    if (!ids)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for random numbers");
    ms_mutex_init(&ids->mutex);
    ms_random_seed(&ids->random, seed);
    *out = ids;
    return 0;
}

int ms_ids_new(struct ms_ids **out, struct ms_error *err)
{
    struct ms_ids *ids = NULL;
    int code = ms_ids_new_seeded(1, &ids, err);
    if (code)
        return code;
    if (RAND_bytes((unsigned char *)ids->random.state, sizeof ids->random.state) != 1) {
        ms_ids_free(ids);
        return ms_error_set(err, MS_ERR_INTERNAL, "the system gives no random numbers");
    }
    *out = ids;
    return 0;
}

void ms_ids_free(struct ms_ids *ids)
{
    if (!ids)
        return;
    ms_mutex_fini(&ids->mutex);
    free(ids);
}

uint64_t ms_ids_draw(struct ms_ids *ids)
{
    MS_HOLD(&ids->mutex);
    return ms_random_u64(&ids->random);
}
