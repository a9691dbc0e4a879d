/* Who of this process looks after an MStore by itself. */
#include "server/background_parts.h"

static struct ms_mutex mutex = MS_MUTEX_STATIC;
static struct server_background *keepers; /* guarded by mutex, like their next_keeper */

static bool take(struct server_background *b)
{
    MS_HOLD(&mutex);
    for (const struct server_background *k = keepers; k; k = k->next_keeper)
        if (strcmp(k->uuid, b->uuid) == 0)
            return false;
    b->next_keeper = keepers;
    keepers = b;
    return true;
}

/* The one before may have scrubbed meanwhile. */
bool server_background_keeps(struct server_background *b)
{
    if (b->keeps || !b->uuid[0])
        return b->keeps;
    b->keeps = take(b);
    int64_t scrubbed = b->keeps ? server_scrubbed_read(b, b->uuid) : 0;
    if (scrubbed > b->scrubbed_wall_ns && scrubbed <= ms_clock_wall(b->clock))
        b->scrubbed_wall_ns = scrubbed;
    return b->keeps;
}

void server_background_keeps_no_more(struct server_background *b)
{
    MS_HOLD(&mutex);
    for (struct server_background **at = &keepers; *at; at = &(*at)->next_keeper)
        if (*at == b) {
            *at = b->next_keeper;
            break;
        }
}
