/* mstore/layout_check.c - what several lines of a layout say together (see mstore/layout.h). */
#include "mstore/layout_parts.h"

#include "base/text.h"
#include "mstore/erasure.h"
#include "mstore/frame.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int ms_layout_refuse(const char *source, unsigned line, struct ms_error *err, const char *fmt, ...)
{
    char sentence[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    if (!source)
        return ms_error_set(err, MS_ERR_CONFIG, "%s", sentence);
    return ms_error_set(err, MS_ERR_CONFIG, "%s:%u: %s", source, line, sentence);
}

static unsigned count_state(const struct ms_layout *l, enum ms_member_state state)
{
    unsigned count = 0;
    for (size_t i = 0; i < l->member_count; i++)
        count += l->members[i].state == state;
    return count;
}

unsigned ms_layout_wanted(const struct ms_layout_space *s)
{
    switch (s->redundancy) {
    case MS_REDUNDANCY_ALL:
        return MS_EVERY_MEMBER;
    case MS_REDUNDANCY_COPIES:
        return s->copies;
    case MS_REDUNDANCY_EC:
        return s->k + s->m;
    case MS_REDUNDANCY_NONE:
    default:
        return 1;
    }
}

unsigned ms_layout_targets(const struct ms_layout *l, const struct ms_layout_space *s)
{
    unsigned active = count_state(l, MS_ACTIVE), wanted = ms_layout_wanted(s);
    return wanted < active ? wanted : active;
}

/* Of a mutable namespace: targets, and one witness when they are even in number. */
static unsigned voters(const struct ms_layout *l, const struct ms_layout_space *s)
{
    unsigned targets = ms_layout_targets(l, s);
    return targets + (targets % 2 == 0 && count_state(l, MS_WITNESS) > 0);
}

unsigned ms_layout_tolerates(const struct ms_layout *l, const struct ms_layout_space *s)
{
    unsigned targets = ms_layout_targets(l, s);
    unsigned spare = targets ? targets - 1 : 0;
    if (s->redundancy == MS_REDUNDANCY_EC) /* stores must leave enough to read: see versions.h */
        spare = s->kind == MS_KIND_MUTABLE ? s->m / 2 : s->m;
    if (s->kind != MS_KIND_MUTABLE)
        return spare;
    unsigned votes = voters(l, s);
    unsigned minority = votes ? (votes - 1) / 2 : 0;
    return minority < spare ? minority : spare;
}

int ms_layout_placement(const struct ms_layout *l, struct ms_placement **out, struct ms_error *err)
{
    struct ms_placement_member *members = calloc(l->member_count + 1, sizeof *members);
    if (!members)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the placement");
    for (size_t i = 0; i < l->member_count; i++) {
        const struct ms_layout_member *m = &l->members[i];
        unsigned zone = 0; /* the first member of the same zone */
        while (strcmp(l->members[zone].zone, m->zone) != 0)
            zone++;
        members[i] = (struct ms_placement_member){m->uuid, zone, m->weight, m->buckets, m->state};
    }
    int code = ms_placement_new(l->placement, &l->uuid, members, l->member_count, out, err);
    free(members);
    return code;
}

/* ---- members ---- */

static int check_member(const struct ms_layout *l, size_t i, const char *source,
                        struct ms_error *err)
{
    const struct ms_layout_member *m = &l->members[i];
    bool buckets = l->placement == MS_PLACE_BUCKETS;
    if (buckets && m->has_weight)
        return ms_layout_refuse(source, m->line, err,
                                "[member %s]: weight means nothing with placement = buckets: "
                                "give it buckets instead",
                                m->name);
    if (!buckets && m->has_buckets)
        return ms_layout_refuse(source, m->line, err,
                                "[member %s]: buckets mean nothing without placement = buckets in "
                                "[mstore]: give it a weight instead",
                                m->name);
    if (buckets && m->state == MS_WITNESS && m->buckets)
        return ms_layout_refuse(source, m->line, err,
                                "[member %s]: a witness holds no data: leave its buckets out",
                                m->name);
    if (ms_uuid_is_zero(&m->uuid))
        return 0;
    for (size_t k = 0; k < i; k++)
        if (ms_uuid_equal(&l->members[k].uuid, &m->uuid))
            return ms_layout_refuse(source, m->line, err,
                                    "[member %s] has the uuid of [member %s]: each member needs "
                                    "its own",
                                    m->name, l->members[k].name);
    return 0;
}

static unsigned bucket_sum(const struct ms_layout *l)
{
    unsigned sum = 0;
    for (size_t i = 0; i < l->member_count; i++)
        sum += l->members[i].buckets;
    return sum;
}

static int check_members(const struct ms_layout *l, const char *source, struct ms_error *err)
{
    int code = 0;
    if (l->member_count == 0)
        return ms_layout_refuse(source, 1, err,
                                "there is no [member NAME]: add one for each storage");
    for (size_t i = 0; i < l->member_count && !code; i++)
        code = check_member(l, i, source, err);
    if (code)
        return code;
    unsigned sum = bucket_sum(l), line = l->members[0].line;
    if (l->placement == MS_PLACE_BUCKETS && (sum == 0 || sum % MS_BUCKETS))
        return ms_layout_refuse(source, line, err,
                                "the members have %u buckets together: give them 256 for each "
                                "copy, as in 192 and 64",
                                sum);
    if (count_state(l, MS_ACTIVE) == 0)
        return ms_layout_refuse(source, line, err, "no member is active: add one that is");
    return 0;
}

/* ---- namespaces ---- */

static const char *called(const struct ms_layout_space *s)
{
    return *s->name ? s->name : "\"\"";
}

static int check_plain(const struct ms_layout_space *s, const char *source, struct ms_error *err)
{
    if (s->compress)
        return ms_layout_refuse(source, s->compress_line, err,
                                "[namespace %s]: compress does not go with kind = plain, which "
                                "keeps values as they are: remove it or take another kind",
                                called(s));
    if (s->redundancy == MS_REDUNDANCY_EC)
        return ms_layout_refuse(source, s->redundancy_line, err,
                                "[namespace %s]: ec does not go with kind = plain, which keeps "
                                "whole values: write copies N or take another kind",
                                called(s));
    return 0;
}

static int check_buckets(const struct ms_layout *l, const struct ms_layout_space *s,
                         const char *source, struct ms_error *err)
{
    unsigned copies = bucket_sum(l) / MS_BUCKETS;
    if (s->kind != MS_KIND_PLAIN)
        return ms_layout_refuse(source, s->line, err,
                                "[namespace %s]: with placement = buckets every namespace is "
                                "plain: write kind = plain",
                                called(s));
    if (s->redundancy == MS_REDUNDANCY_ALL || ms_layout_wanted(s) == copies)
        return 0;
    if (copies == 1)
        return ms_layout_refuse(source, s->redundancy_line, err,
                                "[namespace %s]: the members' buckets make one copy: write "
                                "redundancy = none, or all for keys that are no hex digests",
                                called(s));
    return ms_layout_refuse(source, s->redundancy_line, err,
                            "[namespace %s]: the members' buckets make %u copies: write "
                            "redundancy = copies %u, or all for keys that are no hex digests",
                            called(s), copies, copies);
}

static int check_room(const struct ms_layout *l, const struct ms_layout_space *s,
                      const char *source, struct ms_error *err)
{
    unsigned active = count_state(l, MS_ACTIVE), wanted = ms_layout_wanted(s);
    char text[MS_REDUNDANCY_TEXT];
    if (s->redundancy == MS_REDUNDANCY_ALL || wanted <= active)
        return 0;
    return ms_layout_refuse(source, s->redundancy_line, err,
                            "[namespace %s]: redundancy = %s needs %u active members, and there "
                            "%s %u: add members or ask for less",
                            called(s), ms_redundancy_format(s, text), wanted,
                            active == 1 ? "is" : "are", active);
}

/* Any bytes would reach into the namespaces below. */
static int check_names(const struct ms_layout *l, const struct ms_layout_space *s,
                       const char *source, struct ms_error *err)
{
    size_t size = strlen(s->name);
    if (s->names != MS_NAMES_BYTES)
        return 0;
    for (size_t i = 0; i < l->space_count; i++) {
        const struct ms_layout_space *in = &l->spaces[i];
        if (in != s && strncmp(in->name, s->name, size) == 0 &&
            (size == 0 || in->name[size] == '/'))
            return ms_layout_refuse(source, in->line, err,
                                    "[namespace %s] lies in [namespace %s], whose names = bytes "
                                    "reach everywhere: put it elsewhere",
                                    in->name, called(s));
    }
    return 0;
}

static int check_space(const struct ms_layout *l, const struct ms_layout_space *s,
                       const char *source, struct ms_error *err)
{
    if (!s->has_kind)
        return ms_layout_refuse(source, s->line, err,
                                "[namespace %s] has no kind: write kind = immutable, mutable or "
                                "plain",
                                called(s));
    if (!s->redundancy_line)
        return ms_layout_refuse(source, s->line, err,
                                "[namespace %s] has no redundancy: write redundancy = all, "
                                "copies N, ec K+M or none",
                                called(s));
    if (s->verify && s->kind == MS_KIND_MUTABLE)
        return ms_layout_refuse(source, s->verify_line, err,
                                "[namespace %s]: verify = sha256 does not go with kind = mutable, "
                                "whose keys do not determine values: remove it",
                                called(s));
    int code = s->kind == MS_KIND_PLAIN ? check_plain(s, source, err) : 0;
    if (!code && l->placement == MS_PLACE_BUCKETS)
        code = check_buckets(l, s, source, err);
    if (!code)
        code = check_room(l, s, source, err);
    return code ? code : check_names(l, s, source, err);
}

int ms_layout_check(const struct ms_layout *l, const char *source, struct ms_error *err)
{
    int code = check_members(l, source, err);
    if (!code && l->space_count == 0)
        code = ms_layout_refuse(source, 1, err,
                                "there is no [namespace NAME]: add one, [namespace] for all keys");
    for (size_t i = 0; i < l->space_count && !code; i++)
        code = check_space(l, &l->spaces[i], source, err);
    return code;
}

/* ---- what this build can do ---- */

static int ignore(void *ctx, struct ms_view piece, struct ms_error *err)
{
    (void)ctx, (void)piece, (void)err;
    return 0;
}

static int try_space(const struct ms_layout_space *s, struct ms_error *err)
{
    struct ms_frame_header header = {.k = 1, .block_size = MS_FRAME_BLOCK_MIN, .zstd = s->compress};
    struct ms_frame_encoder *encoder = NULL;
    struct ms_erasure *erasure = NULL;
    int code = 0;
    if (s->redundancy == MS_REDUNDANCY_EC)
        code = ms_erasure_new(s->k, s->m, &erasure, err);
    if (!code && s->compress)
        code = ms_frame_encoder_new(&header, 0, ignore, NULL, &encoder, err);
    ms_frame_encoder_free(encoder);
    ms_erasure_free(erasure);
    return code ? ms_error_prefix(err, code, "[namespace %s]", called(s)) : 0;
}

int ms_layout_check_build(const struct ms_layout *l, struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < l->space_count && !code; i++)
        code = try_space(&l->spaces[i], err);
    return code;
}

/* ---- notes ---- */

static unsigned active_zones(const struct ms_layout *l)
{
    unsigned zones = 0;
    for (size_t i = 0; i < l->member_count; i++) {
        bool first = l->members[i].state == MS_ACTIVE;
        for (size_t k = 0; k < i && first; k++)
            first = l->members[k].state != MS_ACTIVE ||
                    strcmp(l->members[k].zone, l->members[i].zone) != 0;
        zones += first;
    }
    return zones;
}

static void note_space(const struct ms_layout *l, const struct ms_layout_space *s,
                       void (*note)(void *ctx, const char *sentence), void *ctx)
{
    char text[512];
    unsigned targets = ms_layout_targets(l, s), zones = active_zones(l);
    unsigned tolerates = ms_layout_tolerates(l, s);
    if (s->redundancy == MS_REDUNDANCY_NONE || targets < 2)
        snprintf(text, sizeof text,
                 "[namespace %s] has no redundancy: what is on a lost member is lost", called(s));
    else if (tolerates == 0 && s->redundancy == MS_REDUNDANCY_EC)
        snprintf(text, sizeof text,
                 "[namespace %s] is mutable and tolerates no member being down: a store must leave "
                 "enough for the next loss; use M = 2 or more",
                 called(s));
    else if (tolerates == 0)
        snprintf(text, sizeof text,
                 "[namespace %s] is mutable on two members and tolerates neither being down: add "
                 "a third, or one with state = witness, which needs no room for data",
                 called(s));
    else if (zones < l->member_count && zones <= targets && zones > 1 &&
             (targets + zones - 1) / zones > tolerates)
        snprintf(text, sizeof text,
                 "[namespace %s] tolerates %u lost members, but %u of its %u are in one zone: a "
                 "lost zone may be too much; add zones",
                 called(s), tolerates, (targets + zones - 1) / zones, targets);
    else
        return;
    note(ctx, text);
}

void ms_layout_notes(const struct ms_layout *l, void (*note)(void *ctx, const char *sentence),
                     void *ctx)
{
    for (size_t i = 0; i < l->space_count; i++)
        note_space(l, &l->spaces[i], note, ctx);
}
