/* mstore/ids.h - numbers that nobody else draws: write IDs, writers, proposers. From the system's
 * random numbers, or from a seed for tests and simulations. Any thread. */
#ifndef MSTORE_IDS_H
#define MSTORE_IDS_H

#include <mstore/base.h>

struct ms_ids;

/* Seeded by the system. */
int ms_ids_new(struct ms_ids **out, struct ms_error *err) MS_MUST_CHECK;
int ms_ids_new_seeded(uint64_t seed, struct ms_ids **out, struct ms_error *err) MS_MUST_CHECK;
void ms_ids_free(struct ms_ids *ids);
uint64_t ms_ids_draw(struct ms_ids *ids);

#endif
