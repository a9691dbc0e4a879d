/* tests/support/keys.h - mutable keys as one client sees them, on a fresh cluster in a simulation:
 * text in, text out. */
#ifndef SUPPORT_KEYS_H
#define SUPPORT_KEYS_H

#include "base/sim.h"
#include "mstore/mutable.h"
#include "tests/support/cluster.h"

#define SECOND UINT64_C(1000000000)
#define SPACE  "[namespace config]\nkind = mutable\nredundancy = all\n"
#define THREE  CLUSTER_HEAD CLUSTER_A CLUSTER_B CLUSTER_C SPACE
#define PAIR   CLUSTER_HEAD CLUSTER_A CLUSTER_B CLUSTER_W SPACE
#define CODED                                                                                      \
    CLUSTER_HEAD CLUSTER_A CLUSTER_B CLUSTER_C CLUSTER_D                                           \
        "[namespace config]\nkind = mutable\nredundancy = ec 2+2\n"

struct keys {
    const char *layout;
    void (*play)(struct keys *s);
    struct cluster cluster;
    struct client client;
    struct ms_mutable *verbs;
    struct ms_error err;
};

void keys_play(const char *layout, void (*fn)(struct keys *));
int keys_put(struct keys *s, const char *key, const char *value);
int keys_get(struct keys *s, const char *key, bool deleted, char text[64]);
void keys_assert_at(struct keys *s, const char *key, const char *value, int line);
void keys_assert_absent(struct keys *s, const char *key);
int keys_delete(struct keys *s, const char *key);
int keys_move(struct keys *s, enum ms_move how, const char *key, const char *to);
void keys_rest(void);
void keys_assert_objects(struct keys *s, unsigned each);
#define keys_assert(s, key, value) keys_assert_at((s), (key), (value), __LINE__)

#endif
