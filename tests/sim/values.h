/* tests/sim/values.h - values that say themselves what they are.
 *
 * A value is a row of 8-byte words, little-endian: its id (4 bytes), its key's number (2), the
 * word's number (2). So every byte of a value is known from key, id and place, and a piece of a
 * value that holds one whole word tells which value it is a piece of. The size follows from key and
 * id too. Ids begin at 1; 0 stands for "no value".
 */
#ifndef TESTS_SIM_VALUES_H
#define TESTS_SIM_VALUES_H

#include <mstore/base.h>

#define SIM_VALUE_MIN 16
#define SIM_VALUE_MAX (256u << 10)

/* SIM_VALUE_MIN..max. */
size_t sim_value_size(unsigned key, uint32_t id, size_t max);
struct ms_buf *sim_value_make(unsigned key, uint32_t id, size_t max); /* NULL: no memory */
/* bytes: what a load of the value from `offset` gave. *id becomes its id, 0 when the piece is too
 * short to tell. False: these are bytes of no value of that key; `why` gets a sentence. */
bool sim_value_check(unsigned key, size_t max, struct ms_view bytes, uint64_t offset, uint32_t *id,
                     char *why, size_t why_size);
/* splitmix64's finisher: a number that looks random for each pair. */
uint64_t sim_mix(uint64_t a, uint64_t b);

#endif
