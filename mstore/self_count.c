/* mstore/self_count.c - see mstore/self_count.h. A stream is one call, as long as its steps took
 * together. */
#include "mstore/self_count.h"

#include <stdlib.h>

/* ---- one call ---- */

struct counted {
    struct ms_roster *roster;
    struct ms_entity *counts; /* NULL: of no namespace */
    struct ms_clock *clock;
    struct ms_view key; /* the caller's */
    uint64_t begin;
};

static struct counted start(struct ms_store *s, struct ms_view key)
{
    struct ms_roster *r = ms_self_roster(ms_self_of(s));
    return (struct counted){.roster = r,
                            .counts = ms_roster_counts(r, ms_layout_space(r->layout, key)),
                            .clock = s->clock,
                            .key = key,
                            .begin = ms_entity_begin(s->clock)};
}

static bool is_away(const struct ms_roster *r, size_t member)
{
    struct ms_member *m = r->members[member];
    return r->layout->members[member].state != MS_GONE &&
           (!m || ms_health_away(ms_member_health(m)));
}

/* Usually nobody is away, and that is quickly seen; else the key's targets are looked at. Of what
 * is about a whole namespace everybody is one. */
static void note_degraded(const struct counted *c, enum ms_verb verb)
{
    struct ms_roster *r = c->roster;
    struct ms_site site;
    bool whole = verb == MS_VERB_LIST || verb == MS_VERB_DEFRAG, any = false, one = false;
    for (size_t i = 0; i < r->layout->member_count && !any; i++)
        any = is_away(r, i);
    if (!any || (!whole && ms_site_of(r, c->key, false, &site, NULL)))
        return;
    for (unsigned i = 0; !whole && i < site.order.targets && !one; i++)
        one = is_away(r, site.order.member[i]);
    if (whole || one)
        ms_entity_count_event(c->counts, MS_EVENT_DEGRADED);
}

static int finish(struct counted *c, enum ms_verb verb, int code, uint64_t volume)
{
    if (c->counts)
        ms_entity_count(c->counts, c->clock, verb, c->begin, code, code ? 0 : volume);
    ms_roster_unref(c->roster);
    return code;
}

static int end(struct counted *c, enum ms_verb verb, int code, uint64_t volume)
{
    if (c->counts)
        note_degraded(c, verb);
    return finish(c, verb, code, volume);
}

int ms_counted_load(struct ms_store *s, struct ms_item_ref item, int64_t offset, uint64_t size,
                    struct ms_buf **out, struct ms_error *err)
{
    struct counted c = start(s, item.key);
    int code = ms_self_verbs.load(s, item, offset, size, out, err);
    return end(&c, MS_VERB_LOAD, code, code ? 0 : ms_buf_size(*out));
}

int ms_counted_store(struct ms_store *s, struct ms_item_ref item, struct ms_buf *value,
                     const struct ms_precondition *pre, struct ms_tag *tag, struct ms_error *err)
{
    struct counted c = start(s, item.key);
    int code = ms_self_verbs.store(s, item, value, pre, tag, err);
    return end(&c, MS_VERB_STORE, code, ms_buf_size(value));
}

int ms_counted_info(struct ms_store *s, struct ms_item_ref item, struct ms_item_info *out,
                    struct ms_error *err)
{
    struct counted c = start(s, item.key);
    return end(&c, MS_VERB_INFO, ms_self_verbs.info(s, item, out, err), 0);
}

int ms_counted_remove(struct ms_store *s, struct ms_item_ref item, struct ms_error *err)
{
    struct counted c = start(s, item.key);
    return end(&c, MS_VERB_DELETE, ms_self_verbs.remove(s, item, err), 0);
}

int ms_counted_move(struct ms_store *s, enum ms_move how, struct ms_view key,
                    struct ms_view new_key, bool deleted, const struct ms_precondition *pre,
                    struct ms_error *err)
{
    struct counted c = start(s, key);
    return end(&c, MS_VERB_MOVE, ms_self_verbs.move(s, how, key, new_key, deleted, pre, err), 0);
}

int ms_counted_hash(struct ms_store *s, struct ms_item_ref item, const char *algorithm, char *hex,
                    size_t hex_size, struct ms_error *err)
{
    struct counted c = start(s, item.key);
    return end(&c, MS_VERB_HASH, ms_self_verbs.hash(s, item, algorithm, hex, hex_size, err), 0);
}

int ms_counted_defrag(struct ms_store *s, const char *ns, const struct ms_defrag_part *parts,
                      size_t count, struct ms_view target, const char *algorithm, char *key,
                      size_t key_size, struct ms_error *err)
{
    struct counted c = start(s, ms_str(ns));
    int code = ms_self_verbs.defrag(s, ns, parts, count, target, algorithm, key, key_size, err);
    return end(&c, MS_VERB_DEFRAG, code, 0);
}

int ms_counted_list(struct ms_store *s, const char *ns, const struct ms_list_options *options,
                    struct ms_store_lister **out, struct ms_error *err)
{
    struct counted c = start(s, ms_str(ns));
    return end(&c, MS_VERB_LIST, ms_self_verbs.list(s, ns, options, out, err), 0);
}

/* ---- streams ---- */

struct stream { /* begin: what its steps have taken so far; atomic: several threads may read */
    struct counted call;
    uint64_t bytes;
    int code;
};

static struct stream stream_of(const struct counted *c, enum ms_verb verb)
{
    if (c->counts)
        note_degraded(c, verb);
    struct stream s = {.call = *c};
    s.call.begin = ms_entity_begin(c->clock) - c->begin;
    return s;
}

static int step(struct stream *s, uint64_t begin, int code, uint64_t bytes)
{
    uint64_t time = ms_entity_begin(s->call.clock) - begin;
    __atomic_fetch_add(&s->call.begin, time, __ATOMIC_RELAXED);
    if (code)
        __atomic_store_n(&s->code, code, __ATOMIC_RELAXED);
    else
        __atomic_fetch_add(&s->bytes, bytes, __ATOMIC_RELAXED);
    return code;
}

static void stream_end(struct stream *s, enum ms_verb verb)
{
    s->call.begin = ms_entity_begin(s->call.clock) - s->call.begin;
    finish(&s->call, verb, s->code, s->bytes);
}

struct counted_writer {
    struct ms_store_writer base;
    struct ms_store_writer *inner;
    struct stream stream;
};

static int writer_append(struct ms_store_writer *base, struct ms_view bytes, struct ms_error *err)
{
    struct counted_writer *w = (struct counted_writer *)base;
    uint64_t begin = ms_entity_begin(w->stream.call.clock);
    return step(&w->stream, begin, w->inner->ops->append(w->inner, bytes, err), bytes.size);
}

static int writer_commit(struct ms_store_writer *base, struct ms_tag *tag, struct ms_error *err)
{
    struct counted_writer *w = (struct counted_writer *)base;
    uint64_t begin = ms_entity_begin(w->stream.call.clock);
    int code = step(&w->stream, begin, w->inner->ops->commit(w->inner, tag, err), 0);
    stream_end(&w->stream, MS_VERB_STORE);
    free(w);
    return code;
}

static void writer_abort(struct ms_store_writer *base)
{
    struct counted_writer *w = (struct counted_writer *)base;
    w->inner->ops->abort(w->inner);
    if (!w->stream.code)
        w->stream.code = MS_ERR_CANCELLED;
    stream_end(&w->stream, MS_VERB_STORE);
    free(w);
}

int ms_counted_write(struct ms_store *s, struct ms_item_ref item, uint64_t size_hint,
                     const struct ms_precondition *pre, struct ms_store_writer **out,
                     struct ms_error *err)
{
    static const struct ms_store_writer_ops ops = {
        .append = writer_append, .commit = writer_commit, .abort = writer_abort};
    struct counted_writer *w = calloc(1, sizeof *w);
    if (!w)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a writer");
    struct counted c = start(s, item.key);
    int code = ms_self_verbs.write(s, item, size_hint, pre, &w->inner, err);
    if (code) {
        free(w);
        return end(&c, MS_VERB_STORE, code, 0);
    }
    w->base.ops = &ops;
    w->stream = stream_of(&c, MS_VERB_STORE);
    *out = &w->base;
    return 0;
}

struct counted_reader {
    struct ms_store_reader base;
    struct ms_store_reader *inner;
    struct stream stream;
};

static int reader_read(struct ms_store_reader *base, uint64_t offset, uint8_t *into, size_t size,
                       size_t *got, struct ms_error *err)
{
    struct counted_reader *r = (struct counted_reader *)base;
    uint64_t begin = ms_entity_begin(r->stream.call.clock);
    int code = r->inner->ops->read(r->inner, offset, into, size, got, err);
    return step(&r->stream, begin, code, code ? 0 : *got);
}

static void reader_close(struct ms_store_reader *base)
{
    struct counted_reader *r = (struct counted_reader *)base;
    r->inner->ops->close(r->inner);
    stream_end(&r->stream, MS_VERB_LOAD);
    free(r);
}

int ms_counted_read(struct ms_store *s, struct ms_item_ref item, struct ms_store_reader **out,
                    struct ms_error *err)
{
    static const struct ms_store_reader_ops ops = {.read = reader_read, .close = reader_close};
    struct counted_reader *r = calloc(1, sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a reader");
    struct counted c = start(s, item.key);
    int code = ms_self_verbs.read(s, item, &r->inner, err);
    if (code) {
        free(r);
        return end(&c, MS_VERB_LOAD, code, 0);
    }
    r->base = (struct ms_store_reader){&ops, r->inner->info};
    r->stream = stream_of(&c, MS_VERB_LOAD);
    *out = &r->base;
    return 0;
}
