/* mstore/plain_stream.c - large values on mirrors: a writer on every target, a reader that goes on
 * at another member when one fails. */
#include "mstore/digest_check.h"
#include "mstore/held.h"
#include "mstore/plain_parts.h"
#include "mstore/value_parts.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/pool.h"
#include "base/sync.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

/* For notes; a key that no note can have goes without as long as none is needed. */
static int keep_site(struct ms_value_home *home, const struct ms_site *site, struct ms_error *err)
{
    int code = ms_value_home_init(home, site, NULL, err);
    return code == MS_ERR_NAME ? 0 : code;
}

static int no_note(struct ms_view key, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NAME, "%s is too long for a note of who has missed it",
                        MS_SHOW(key));
}

/* ---- writing ---- */

struct target {
    struct ms_store_writer *writer; /* NULL: given up, or done */
    struct ms_error trouble;
    bool done;
};

struct plain_writer {
    struct ms_store_writer base;
    struct ms_value_home home; /* the key's site */
    struct ms_roster *roster;
    struct ms_buf *key;
    unsigned quorum, count, wanted; /* targets: to be had here, and all */
    uint16_t *member;
    struct target *targets;
    struct ms_hash *hash; /* verify = sha256; else NULL */
    /* of the call under way */
    struct ms_view bytes;
    struct ms_store_value_options options;
    uint64_t size_hint;
};

static int begin_one(void *arg, size_t i)
{
    struct plain_writer *w = arg;
    struct target *t = &w->targets[i];
    if (ms_store_write(w->roster->mirrors[w->member[i]], ms_buf_view(w->key), w->size_hint,
                       &w->options, &t->writer, &t->trouble))
        t->writer = NULL;
    return 0;
}

static int append_one(void *arg, size_t i)
{
    struct plain_writer *w = arg;
    struct target *t = &w->targets[i];
    if (t->writer && ms_store_writer_append(t->writer, w->bytes, &t->trouble)) {
        ms_store_writer_abort(t->writer);
        t->writer = NULL;
    }
    return 0;
}

static int commit_one(void *arg, size_t i)
{
    struct plain_writer *w = arg;
    struct target *t = &w->targets[i];
    if (t->writer)
        t->done = !ms_store_writer_commit(t->writer, NULL, &t->trouble);
    t->writer = NULL;
    return 0;
}

/* 0 while `enough` have not failed. */
static int check(const struct plain_writer *w, bool at_end, struct ms_error *err)
{
    char why[400] = "";
    unsigned good = 0, code = MS_ERR_CONFIG;
    size_t size = 0;
    for (unsigned i = 0; i < w->count; i++) {
        const struct target *t = &w->targets[i];
        good += at_end ? t->done : t->writer != NULL;
        if (!t->trouble.code || size >= sizeof why)
            continue;
        size += (size_t)snprintf(why + size, sizeof why - size, "%s%s", size ? "; " : ": ",
                                 t->trouble.text);
        code = (unsigned)t->trouble.code;
    }
    if (good >= w->quorum)
        return 0;
    return ms_error_set(err, (int)code, "%s can be written to %u members, %u are needed%s",
                        MS_SHOW(ms_buf_view(w->key)), good, w->quorum, why);
}

static int on_all(struct plain_writer *w, int (*fn)(void *arg, size_t i), bool at_end,
                  struct ms_error *err)
{
    int code = ms_parallel(w->count, w->count, fn, w, err);
    return code ? code : check(w, at_end, err);
}

static void writer_free(struct plain_writer *w)
{
    for (unsigned i = 0; w->targets && i < w->count; i++)
        ms_store_writer_abort(w->targets[i].writer);
    ms_hash_free(w->hash);
    ms_value_home_fini(&w->home);
    ms_buf_unref(w->key);
    ms_roster_unref(w->roster);
    free(w->member);
    free(w->targets);
    free(w);
}

static int writer_append(struct ms_store_writer *base, struct ms_view bytes, struct ms_error *err)
{
    struct plain_writer *w = (struct plain_writer *)base;
    w->bytes = bytes;
    int code = w->hash ? ms_hash_update(w->hash, bytes, err) : 0;
    return code ? code : on_all(w, append_one, false, err);
}

/* Targets that do not have it now, those of which there is no URL here among them. */
static int note_missed(const struct plain_writer *w, struct ms_error *err)
{
    const struct ms_site *site = &w->home.site;
    const struct ms_item_ref item = {.key = ms_buf_view(w->key), .deleted = w->options.deleted};
    const bool asked[MS_MEMBERS_MAX] = {0};
    struct ms_plain_missed change = {.op = MS_PLAIN_STORE};
    unsigned done = 0;
    int code = 0;
    for (unsigned i = 0; i < site->order.targets; i++)
        change.missed[site->order.member[i]] = true;
    for (unsigned i = 0; i < w->count; i++) {
        change.missed[w->member[i]] = !w->targets[i].done;
        change.late[w->member[i]] = ms_plain_may_come_late(w->targets[i].trouble.code);
        done += w->targets[i].done;
    }
    if (site->roster)
        code = ms_plain_clear(site, item, asked, &change, err);
    if (code || (done == w->wanted && !ms_plain_is_missed(&change)))
        return code;
    return site->roster ? ms_plain_note(site, &change, err) : no_note(ms_buf_view(w->key), err);
}

static int check_digest(const struct plain_writer *w, struct ms_error *err)
{
    char hex[MS_HASH_HEX_MAX];
    int code = w->hash ? ms_hash_hex(w->hash, hex, sizeof hex, err) : 0;
    return code || !w->hash ? code
                            : ms_digest_fits_key(ms_placement_part(ms_buf_view(w->key)), hex, err);
}

static int writer_commit(struct ms_store_writer *base, struct ms_tag *tag, struct ms_error *err)
{
    struct plain_writer *w = (struct plain_writer *)base;
    *tag = (struct ms_tag){""};
    int code = check_digest(w, err);
    if (!code)
        code = on_all(w, commit_one, true, err);
    if (!code)
        code = note_missed(w, err);
    writer_free(w);
    return code;
}

static void writer_abort(struct ms_store_writer *base)
{
    writer_free((struct plain_writer *)base);
}

static const struct ms_store_writer_ops writer_ops = {
    .append = writer_append, .commit = writer_commit, .abort = writer_abort};

/* Takes whom to write to out of a call. */
static int writer_new(const struct ms_site *site, struct ms_item_ref item,
                      struct plain_writer **out, struct ms_error *err)
{
    struct ms_plain_call *call;
    int code = ms_plain_call_new(site, item, false, &call, err);
    if (code)
        return code;
    struct plain_writer *w = calloc(1, sizeof *w);
    struct target *targets = calloc(call->targets + 1u, sizeof *targets);
    code = w && targets ? keep_site(&w->home, site, err)
                        : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a writer");
    if (code || !w) {
        free(w);
        free(targets);
        ms_plain_call_free(call);
        return code;
    }
    w->base.ops = &writer_ops;
    w->targets = targets;
    w->count = call->targets;
    w->wanted = site->order.targets;
    w->quorum = ms_plain_quorum(w->wanted);
    w->roster = MS_TAKE(call->roster);
    w->key = MS_TAKE(call->key);
    w->member = MS_TAKE(call->member);
    ms_plain_call_free(call);
    *out = w;
    return 0;
}

int ms_plain_write(const struct ms_site *site, struct ms_item_ref item, uint64_t size_hint,
                   const struct ms_precondition *pre, struct ms_store_writer **out,
                   struct ms_error *err)
{
    struct plain_writer *w = NULL;
    int code = ms_plain_no_condition(pre, err);
    if (!code)
        code = writer_new(site, item, &w, err);
    if (code)
        return code;
    w->options = (struct ms_store_value_options)MS_STORE_VALUE_OPTIONS_INIT;
    w->options.deleted = item.deleted;
    w->size_hint = size_hint;
    code = site->space->verify ? ms_hash_new("sha256", &w->hash, err) : 0;
    if (!code)
        code = on_all(w, begin_one, false, err);
    if (code) {
        writer_free(w);
        return code;
    }
    *out = &w->base;
    return 0;
}

/* ---- reading ---- */

struct plain_reader {
    struct ms_store_reader base;
    struct ms_value_home home;  /* the key's site */
    struct ms_plain_call *call; /* whom to ask, in order */
    struct ms_mutex mutex;      /* of what follows */
    unsigned next;              /* member not yet tried */
    bool lacking;               /* a target that has missed nothing does not have it */
    struct open_mirror *now;    /* counted: reads of other threads may still use the one before */
    bool verify;                /* sha256 */
    struct ms_buf *held;        /* all of it, held against the key; NULL: */
    struct ms_digest_check *check; /* of one that passes in a stream; NULL: not to be checked */
};

struct open_mirror {
    struct ms_store_reader *reader;
    unsigned refs; /* under the mutex */
};

static struct open_mirror *take(struct plain_reader *r)
{
    MS_HOLD(&r->mutex);
    if (r->now)
        r->now->refs++;
    return r->now;
}

static void give(struct plain_reader *r, struct open_mirror *o)
{
    bool last;
    {
        MS_HOLD(&r->mutex);
        last = --o->refs == 0;
    }
    if (last) {
        ms_store_reader_close(o->reader);
        free(o);
    }
}

/* The leg to ask as number n: targets first, then those that have missed nothing. */
static unsigned leg_of(const struct ms_plain_call *c, unsigned n)
{
    unsigned doubted_homes = c->targets - c->homes;
    if (n < c->homes || n >= c->believed + doubted_homes)
        return n;
    return n < c->targets ? c->believed + n - c->homes : n - doubted_homes;
}

static unsigned draw(struct plain_reader *r)
{
    const struct ms_plain_call *c = r->call;
    MS_HOLD(&r->mutex);
    return r->next < c->count ? leg_of(c, r->next++) : c->count;
}

static int not_believed(const struct plain_reader *r, unsigned leg, const char *why,
                        struct ms_error *err)
{
    const struct ms_plain_call *c = r->call;
    return ms_error_set(err, MS_ERR_CONFLICT, "%s: %s %s", MS_SHOW(ms_buf_view(c->key)),
                        ms_store_url(c->roster->mirrors[c->member[leg]]), why);
}

static bool is_lacking(struct plain_reader *r)
{
    MS_HOLD(&r->mutex);
    return r->lacking;
}

/* Members that have missed something come last, and count where no note says that they are behind
 * with the key. Those that are no targets: as in mstore/plain_read.c. *sure: that it does not have
 * the item could be believed. */
static int may_believe(struct plain_reader *r, unsigned leg, bool *sure, struct ms_error *err)
{
    const struct ms_plain_call *c = r->call;
    bool home = leg < c->homes || (leg >= c->believed && leg < c->believed + c->targets - c->homes);
    *sure = home;
    if (leg < c->homes || (leg < c->believed && is_lacking(r)))
        return 0;
    if (!r->home.site.roster)
        return no_note(ms_buf_view(c->key), err);
    struct ms_plain_standing standing;
    int code = ms_plain_behind(&r->home.site, c->deleted, false, &standing, err);
    if (code)
        return code;
    *sure = home && !standing.spoiled[c->member[leg]];
    if (standing.behind[c->member[leg]])
        return not_believed(r, leg, "has missed changes of it, heal", err);
    if (!home && !standing.missed && !is_lacking(r))
        return not_believed(r, leg, "may have an old one, and no other member answers", err);
    return 0;
}

static void heard(struct plain_reader *r, bool sure, int code)
{
    MS_HOLD(&r->mutex);
    r->lacking |= sure && code == MS_ERR_NOT_FOUND;
}

/* verify = sha256: what is not too long is read at once, so that another member can still be asked
 * for what is damaged on this one. */
static int hold(struct plain_reader *r, unsigned leg, struct ms_store_reader *from,
                struct ms_error *err)
{
    const struct ms_plain_call *c = r->call;
    struct ms_store *mirror = c->roster->mirrors[c->member[leg]];
    uint64_t size = ms_store_reader_info(from)->size_bytes;
    size_t got = 0;
    if (!r->verify || size > MS_HELD_MAX)
        return 0;
    MS_AUTO_BUF struct ms_buf *value = ms_buf_new((size_t)size);
    if (!value)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    int code =
        size ? ms_store_reader_read(from, 0, ms_buf_data(value), (size_t)size, &got, err) : 0;
    if (!code)
        code = ms_plain_verify(ms_buf_view(c->key), ms_view(ms_buf_view(value).data, got), mirror,
                               err);
    if (!code)
        r->held = MS_TAKE(value);
    return code;
}

static int open_on(struct plain_reader *r, unsigned leg, bool first, struct ms_store_reader **out,
                   struct ms_error *err)
{
    struct ms_plain_call *c = r->call;
    struct ms_store *mirror = c->roster->mirrors[c->member[leg]];
    int code = ms_store_read(mirror, ms_buf_view(c->key), c->deleted, out, err);
    if (code)
        return code;
    if (first)
        code = hold(r, leg, *out, err);
    else if (ms_store_reader_info(*out)->size_bytes != r->base.info.size_bytes)
        code = ms_error_set(err, MS_ERR_CONFLICT, "%s has another size on %s",
                            MS_SHOW(ms_buf_view(c->key)), ms_store_url(mirror));
    if (code)
        ms_store_reader_close(MS_TAKE(*out));
    return code;
}

/* Opens the value on the next member that has it (of the same size, when one was open before). */
static int open_next(struct plain_reader *r, bool first, struct open_mirror **out,
                     struct ms_error *err)
{
    struct ms_plain_call *c = r->call;
    struct open_mirror *o = calloc(1, sizeof *o);
    int code = MS_ERR_NOT_FOUND;
    if (!o)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a reader");
    for (unsigned i; code && (i = draw(r)) < c->count;) {
        struct ms_error why = {0};
        bool sure = false;
        int one = may_believe(r, i, &sure, &why);
        if (!one)
            one = open_on(r, i, first, &o->reader, &why);
        heard(r, sure, one);
        if (one != MS_ERR_NOT_FOUND)
            code = one ? ms_error_set(err, one, "%s", why.text) : 0;
    }
    if (code) {
        free(o);
        return code;
    }
    o->refs = 2; /* the reader's and the caller's */
    *out = o;
    return 0;
}

/* Puts a new one in the place of `old`, unless somebody else has. */
static int replace(struct plain_reader *r, struct open_mirror *old, struct ms_error *err)
{
    struct open_mirror *newer = NULL;
    int code = open_next(r, false, &newer, err);
    if (code)
        return code;
    bool used;
    {
        MS_HOLD(&r->mutex);
        used = r->now == old;
        if (used)
            r->now = newer;
    }
    give(r, newer);              /* the caller's */
    give(r, used ? old : newer); /* the reader's of whichever is no longer in use */
    return 0;
}

static int read_mirror(struct plain_reader *r, uint64_t offset, uint8_t *into, size_t size,
                       size_t *got, struct ms_error *err)
{
    for (;;) {
        struct open_mirror *o = take(r);
        struct ms_error why = {0};
        int code = ms_store_reader_read(o->reader, offset, into, size, got, &why);
        if (!code || code == MS_ERR_CANCELLED) {
            give(r, o);
            return code ? ms_error_set(err, code, "%s", why.text) : 0;
        }
        int other = replace(r, o, NULL);
        give(r, o);
        if (other)
            return ms_error_set(err, code, "%s", why.text);
    }
}

static int reader_read(struct ms_store_reader *base, uint64_t offset, uint8_t *into, size_t size,
                       size_t *got, struct ms_error *err)
{
    struct plain_reader *r = (struct plain_reader *)base;
    if (r->held) {
        *got = ms_held_read(ms_buf_view(r->held), offset, into, size);
        return 0;
    }
    int code = read_mirror(r, offset, into, size, got, err);
    return code || !r->check ? code
                             : ms_digest_check_take(r->check, offset, ms_view(into, *got), err);
}

static void reader_close(struct ms_store_reader *base)
{
    struct plain_reader *r = (struct plain_reader *)base;
    if (r->now)
        give(r, r->now);
    ms_buf_unref(r->held);
    ms_digest_check_free(r->check);
    ms_mutex_fini(&r->mutex);
    ms_value_home_fini(&r->home);
    ms_plain_call_free(r->call);
    free(r);
}

static const struct ms_store_reader_ops reader_ops = {.read = reader_read, .close = reader_close};

/* When no member gave it: the words of a load. Of what is damaged *err tells already. */
static int explain(const struct ms_site *site, struct ms_item_ref item, int code,
                   struct ms_error *err)
{
    struct ms_item_info info;
    if (code == MS_ERR_CORRUPT)
        return code;
    int known = ms_plain_info(site, item, &info, err);
    if (known)
        return known;
    if (!info.exists)
        return ms_error_set(err, MS_ERR_NOT_FOUND, "%s does not exist", MS_SHOW(item.key));
    return ms_error_set(err, code == MS_ERR_NOT_FOUND ? MS_ERR_CONFLICT : code,
                        "%s could not be opened on any member that has it", MS_SHOW(item.key));
}

int ms_plain_read(const struct ms_site *site, struct ms_item_ref item, struct ms_store_reader **out,
                  struct ms_error *err)
{
    struct ms_plain_call *call;
    struct open_mirror *o = NULL;
    int code = ms_plain_call_new(site, item, true, &call, err);
    if (code)
        return code;
    struct plain_reader *r = calloc(1, sizeof *r);
    code = r ? keep_site(&r->home, site, err)
             : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a reader");
    if (code || !r) {
        free(r);
        ms_plain_call_free(call);
        return code;
    }
    r->call = call;
    r->base.ops = &reader_ops;
    ms_mutex_init(&r->mutex);
    r->verify = site->space->verify;
    code = open_next(r, true, &o, err);
    if (code) {
        reader_close(&r->base);
        return explain(site, item, code, err);
    }
    r->now = o;
    r->base.info = *ms_store_reader_info(o->reader);
    r->base.info.tag = (struct ms_tag){""};
    give(r, o);
    if (r->verify && !r->held)
        code = ms_digest_check_new(ms_placement_part(item.key), r->base.info.size_bytes, &r->check,
                                   err);
    if (code) {
        reader_close(&r->base);
        return code;
    }
    *out = &r->base;
    return 0;
}
