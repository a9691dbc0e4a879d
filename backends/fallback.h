/* backends/fallback.h - what serves where a driver leaves an optional slot NULL: the same promises,
 * with more round trips. Arguments are checked before. */
#ifndef BACKENDS_FALLBACK_H
#define BACKENDS_FALLBACK_H

#include <mstore/backend.h>

int ms_fallback_write(struct ms_backend *b, struct ms_view name, uint64_t size_hint,
                      const struct ms_precondition *pre, struct ms_writer **out,
                      struct ms_error *err);
int ms_fallback_read(struct ms_backend *b, struct ms_view name, struct ms_reader **out,
                     struct ms_error *err);
int ms_fallback_batch(struct ms_backend *b, struct ms_batch **out, struct ms_error *err);
int ms_fallback_hash(struct ms_backend *b, struct ms_view name, const char *algorithm, char *hex,
                     size_t hex_size, struct ms_error *err);
int ms_fallback_compose(struct ms_backend *b, const struct ms_part *parts, size_t count,
                        struct ms_view to, const struct ms_precondition *pre, struct ms_error *err);
int ms_fallback_copy(struct ms_backend *b, struct ms_view from, struct ms_view to,
                     const struct ms_precondition *pre, struct ms_error *err);
int ms_fallback_remove_many(struct ms_backend *b, struct ms_deletion *const *items, size_t count,
                            struct ms_error *err);

#endif
