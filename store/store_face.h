/* store/store_face.h - what backends over a Store have in common: values and streams by key.
 *
 * `b` is the backend that messages name and handles belong to. Any thread. */
#ifndef STORE_STORE_FACE_H
#define STORE_STORE_FACE_H

#include <mstore/backend.h>
#include <mstore/store.h>

struct ms_info ms_face_info(const struct ms_item_info *item);
/* As the slot `load`; info may be NULL. */
int ms_face_load(struct ms_store *s, struct ms_view key, bool deleted, int64_t offset,
                 uint64_t size, struct ms_buf **out, struct ms_info *info,
                 struct ms_error *err) MS_MUST_CHECK;
int ms_face_write(struct ms_backend *b, struct ms_store *s, struct ms_view key, uint64_t size_hint,
                  const struct ms_store_value_options *options, struct ms_writer **out,
                  struct ms_error *err) MS_MUST_CHECK;
int ms_face_read(struct ms_backend *b, struct ms_store *s, struct ms_view key, bool deleted,
                 struct ms_reader **out, struct ms_error *err) MS_MUST_CHECK;

#endif
