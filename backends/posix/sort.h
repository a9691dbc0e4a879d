/* backends/posix/sort.h - sorting any number of names in bounded memory.
 *
 * Names are gathered in at most 16 MiB; what is more goes, as sorted runs, to an unlinked temporary
 * file and is merged while the caller takes one name after the other. One thread. */
#ifndef BACKENDS_POSIX_SORT_H
#define BACKENDS_POSIX_SORT_H

#include <mstore/base.h>

struct ms_sorter;

/* limit: only so many of the smallest names are wanted; 0: all. */
int ms_sorter_new(uint64_t limit, size_t memory_bytes, struct ms_sorter **out,
                  struct ms_error *err) MS_MUST_CHECK;
#define MS_SORTER_BYTES ((size_t)16 << 20)
/* name: 1..255 bytes; kind comes back with it. */
int ms_sorter_add(struct ms_sorter *s, struct ms_view name, uint8_t kind,
                  struct ms_error *err) MS_MUST_CHECK;
/* No more additions. */
int ms_sorter_finish(struct ms_sorter *s, struct ms_error *err) MS_MUST_CHECK;
/* The next name in bytewise order, without repetitions; size 0 at the end. Borrowed until the next
 * call. */
int ms_sorter_next(struct ms_sorter *s, struct ms_view *name, uint8_t *kind,
                   struct ms_error *err) MS_MUST_CHECK;
size_t ms_sorter_runs(const struct ms_sorter *s); /* in the temporary file */
void ms_sorter_free(struct ms_sorter *s);

#endif
