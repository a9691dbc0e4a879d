/* mstore/list_sizes.c - how large a value is whose name does not say so: see mstore/list.h. */
#include "mstore/list_parts.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "mstore/frame.h"

bool ms_list_plain_payload(uint64_t stored_bytes, uint64_t *out)
{
    const struct ms_frame_header h = {.block_size = MS_FRAME_BLOCK_DEFAULT, .k = 1};
    uint64_t low = 0, high = stored_bytes;
    if (stored_bytes > INT64_MAX / 2)
        return false;    /* hostile */
    while (low < high) { /* the size grows with the payload */
        uint64_t middle = low + (high - low) / 2;
        if (ms_frame_plain_size(&h, middle) < stored_bytes)
            low = middle + 1;
        else
            high = middle;
    }
    *out = low;
    return ms_frame_plain_size(&h, low) == stored_bytes;
}

bool ms_list_known_size(const struct ms_layout_space *space, const struct ms_verdict *verdict,
                        uint64_t *out)
{
    *out = verdict->size;
    if (verdict->size != MS_OWN_SIZE_UNKNOWN)
        return true;
    const struct ms_object *o = &verdict->ask[0];
    bool plain = !space->compress && o->name.k == 1 && o->name.m == 0;
    for (size_t i = 1; i < verdict->asks; i++) /* damaged or different: ask */
        plain = plain && verdict->ask[i].stored_bytes == o->stored_bytes;
    return plain && ms_list_plain_payload(o->stored_bytes, out);
}

/* ---- asking ---- */

static int load(struct ms_member *m, const struct ms_own_name *name, int64_t offset, uint64_t size,
                struct ms_buf **out, struct ms_error *err)
{
    struct ms_name path;
    int code = ms_own_format(name, 0, &path, err);
    return code ? code : ms_member_load(m, ms_name_view(&path), offset, size, out, NULL, err);
}

static int ask_one(struct ms_member *m, const struct ms_own_name *name, uint64_t *out,
                   struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *start = NULL, *end = NULL;
    struct ms_frame_header header;
    struct ms_frame_trailer trailer;
    int code = load(m, name, 0, MS_FRAME_HEADER_MAX, &start, err);
    if (!code)
        code = ms_frame_header_parse(ms_buf_view(start), &header, err);
    if (!code && (header.k != name->k || header.m != name->m || header.shard != name->index))
        code = ms_error_set(err, MS_ERR_CORRUPT, "the frame is another shard than its name says");
    if (code)
        return code;
    *out = header.value_length;
    if (header.value_length != MS_FRAME_LENGTH_LATER)
        return 0;
    code = load(m, name, -(int64_t)MS_FRAME_TRAILER, MS_SIZE_TO_END, &end, err);
    if (!code)
        code = ms_frame_trailer_parse(&header, ms_buf_view(end), &trailer, err);
    if (!code)
        *out = trailer.value_length;
    return code;
}

/* Whom to ask first. */
static size_t fastest(const struct ms_roster *roster, const struct ms_verdict *verdict)
{
    uint64_t best_ns = UINT64_MAX;
    size_t best = 0;
    for (size_t i = 0; i < verdict->asks; i++) {
        struct ms_health *h = ms_member_health(roster->members[verdict->ask[i].member]);
        uint64_t expected_ns = ms_health_expected_ns(h, MS_FRAME_HEADER_MAX);
        if (expected_ns < best_ns) {
            best_ns = expected_ns;
            best = i;
        }
    }
    return best;
}

int ms_list_ask_size(struct ms_roster *roster, struct ms_view space_path, struct ms_view key,
                     const struct ms_verdict *verdict, uint64_t *out, struct ms_error *err)
{
    struct ms_error why = {0}, first = {0};
    size_t begin = fastest(roster, verdict);
    for (size_t i = 0; i < verdict->asks; i++) {
        const struct ms_object *o = &verdict->ask[(begin + i) % verdict->asks];
        struct ms_own_name name = o->name;
        name.store = roster->layout->uuid;
        name.space = space_path;
        name.key = key;
        if (!ask_one(roster->members[o->member], &name, out, &why))
            return 0;
        if (!first.code || first.code == MS_ERR_NOT_FOUND)
            first = why; /* gone everywhere, or what is wrong where it is not */
    }
    if (first.code == MS_ERR_NOT_FOUND || first.code == MS_ERR_CANCELLED) {
        if (err)
            *err = first;
        return first.code;
    }
    return ms_error_set(err, first.code,
                        "the size of \"%s\" cannot be read (list names alone, or heal): %s",
                        MS_SHOW(key), first.text);
}
