/* mstore/layout.c - reading a layout, writing it canonically, and what may follow it (see
 * mstore/layout.h). */
#include "mstore/layout.h"
#include "mstore/layout_parts.h"

#include "base/assert.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void ms_layout_free(struct ms_layout *l)
{
    if (!l)
        return;
    free(l->members);
    free(l->spaces);
    free(l);
}

const struct ms_layout_member *ms_layout_member(const struct ms_layout *l, const char *name)
{
    for (size_t i = 0; i < l->member_count; i++)
        if (strcmp(l->members[i].name, name) == 0)
            return &l->members[i];
    return NULL;
}

const struct ms_layout_member *ms_layout_member_of(const struct ms_layout *l,
                                                   const struct ms_uuid *uuid)
{
    for (size_t i = 0; i < l->member_count; i++)
        if (ms_uuid_equal(&l->members[i].uuid, uuid))
            return &l->members[i];
    return NULL;
}

const struct ms_layout_space *ms_layout_space(const struct ms_layout *l, struct ms_view path)
{
    const struct ms_layout_space *best = NULL;
    size_t best_size = 0;
    for (size_t i = 0; i < l->space_count; i++) {
        struct ms_view name = ms_str(l->spaces[i].name);
        bool leads = name.size == 0 || (ms_starts_with(path, name) &&
                                        (path.size == name.size || path.data[name.size] == '/'));
        if (leads && (!best || name.size > best_size)) {
            best = &l->spaces[i];
            best_size = name.size;
        }
    }
    return best;
}

/* ---- reading ---- */

static int check_head(const struct ms_layout_reader *r, struct ms_error *err)
{
    const char *missing = !r->has_format  ? "format = 1"
                          : !r->has_uuid  ? "uuid"
                          : !r->has_epoch ? "epoch"
                          : !r->has_phase ? "phase"
                                          : NULL;
    if (missing)
        return ms_layout_refuse(r->source, 1, err,
                                "[mstore] has no %s: this is no shared layout; take the layout "
                                "from a member",
                                missing);
    for (size_t i = 0; i < r->layout->member_count; i++)
        if (ms_uuid_is_zero(&r->layout->members[i].uuid))
            return ms_layout_refuse(r->source, r->layout->members[i].line, err,
                                    "[member %s] has no uuid: take the layout from a member",
                                    r->layout->members[i].name);
    return 0;
}

int ms_layout_parse(struct ms_view text, const char *source, struct ms_layout **out,
                    struct ms_error *err)
{
    struct ms_layout *l = calloc(1, sizeof *l);
    if (!l)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the layout");
    struct ms_layout_reader r = {.layout = l, .source = source};
    int code = ms_layout_read(&r, text, err);
    if (!code)
        code = check_head(&r, err);
    if (!code)
        code = ms_layout_check(l, source, err);
    if (code) {
        ms_layout_free(l);
        return code;
    }
    *out = l;
    return 0;
}

/* ---- writing ---- */

/* The longest that the head, a member, a namespace become. */
#define HEAD_MAX   256
#define MEMBER_MAX 512
#define SPACE_MAX  512

struct writer {
    char *text;
    size_t size, room;
};

static void MS_PRINTF(2, 3) add(struct writer *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(w->text + w->size, w->room - w->size, fmt, args);
    va_end(args);
    ms_assert(n >= 0 && (size_t)n < w->room - w->size);
    w->size += (size_t)n;
}

const char *ms_redundancy_format(const struct ms_layout_space *s, char text[MS_REDUNDANCY_TEXT])
{
    const char *word = s->redundancy == MS_REDUNDANCY_ALL ? "all" : "none";
    if (s->redundancy == MS_REDUNDANCY_COPIES)
        snprintf(text, MS_REDUNDANCY_TEXT, "copies %u", s->copies);
    else if (s->redundancy == MS_REDUNDANCY_EC)
        snprintf(text, MS_REDUNDANCY_TEXT, "ec %u+%u", s->k, s->m);
    else
        snprintf(text, MS_REDUNDANCY_TEXT, "%s", word);
    return text;
}

static void add_member(struct writer *w, const struct ms_layout *l,
                       const struct ms_layout_member *m)
{
    add(w, "\n[member %s]\nuuid = %s\n", m->name, MS_UUID_SHOW(&m->uuid));
    if (l->placement == MS_PLACE_BUCKETS)
        add(w, "buckets = %u\n", m->buckets);
    else
        add(w, "weight = %u\n", m->weight);
    add(w, "zone = %s\nstate = %s\n", m->zone, ms_layout_states[m->state]);
}

static void add_space(struct writer *w, const struct ms_layout_space *s)
{
    char redundancy[MS_REDUNDANCY_TEXT];
    add(w, "\n[namespace%s%s]\nkind = %s\nredundancy = %s\nlevels = ", *s->name ? " " : "", s->name,
        ms_layout_kinds[s->kind], ms_redundancy_format(s, redundancy));
    for (size_t i = 0; i < s->level_count; i++)
        add(w, "%s%u", i ? "," : "", s->levels[i]);
    add(w, "\nverify = %s\ncompress = %s\nnames = %s\n", s->verify ? "sha256" : "none",
        s->compress ? "zstd" : "none", s->names == MS_NAMES_BYTES ? "bytes" : "borgstore");
}

int ms_layout_format(const struct ms_layout *l, struct ms_buf **out, struct ms_error *err)
{
    size_t room = HEAD_MAX + l->member_count * MEMBER_MAX + l->space_count * SPACE_MAX;
    struct ms_buf *buf = ms_buf_new(room);
    if (!buf)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the layout");
    struct writer w = {(char *)ms_buf_data(buf), 0, room};
    add(&w, "[mstore]\nformat = 1\nuuid = %s\nepoch = %llu\nphase = %s\nplacement = %s\n",
        MS_UUID_SHOW(&l->uuid), (unsigned long long)l->epoch, ms_layout_phases[l->phase],
        ms_layout_placements[l->placement]);
    for (size_t i = 0; i < l->member_count; i++)
        add_member(&w, l, &l->members[i]);
    for (size_t i = 0; i < l->space_count; i++)
        add_space(&w, &l->spaces[i]);
    ms_buf_truncate(buf, w.size);
    *out = buf;
    return 0;
}
