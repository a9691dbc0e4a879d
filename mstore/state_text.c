/* mstore/state_text.c - see mstore/state_text.h. Every key must be there, once, in its section, and
 * within bounds: a file that says anything else was not written by this program. */
#include "mstore/state_text.h"
#include "mstore/siphash.h"

#include "base/cleanup.h"
#include "base/ini.h"
#include "base/text.h"

#include <inttypes.h>
#include <mstore/stats.h>
#include <stdio.h>
#include <stdlib.h>

#define EPOCH_LINE "epoch = "
#define EPOCH_MAX  64        /* characters of its value */
#define BOOT_APART 100000000 /* ns that two looks at one boot's clocks may differ */

/* ---- the epoch and its check ---- */

/* "EPOCH CHECK": decimal, and SipHash-2-4 of it under the store's UUID in hex. */
static const char *format_epoch(char text[EPOCH_MAX], const struct ms_uuid *store, uint64_t epoch)
{
    snprintf(text, EPOCH_MAX, "%" PRIu64 " %016" PRIx64, epoch,
             ms_siphash_word(store->bytes, epoch));
    return text;
}

static bool parse_epoch(const char *text, const struct ms_uuid *store, uint64_t *out)
{
    char again[EPOCH_MAX];
    uint64_t epoch = strtoull(text, NULL, 10); /* whatever it made of it is compared */
    if (strcmp(format_epoch(again, store, epoch), text) != 0)
        return false;
    *out = epoch;
    return true;
}

/* The highest epoch in any line of the text that carries its check. */
static uint64_t salvage_epoch(struct ms_view text, const struct ms_uuid *store)
{
    uint64_t highest = 0;
    const uint8_t *at = text.data, *end = text.data + text.size;
    while (at < end) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        struct ms_view line = ms_view(at, (size_t)((stop ? stop : end) - at));
        size_t skip = strlen(EPOCH_LINE);
        char value[EPOCH_MAX] = {0};
        uint64_t epoch;
        if (ms_starts_with(line, ms_str(EPOCH_LINE)) && line.size - skip < sizeof value) {
            memcpy(value, line.data + skip, line.size - skip);
            if (parse_epoch(value, store, &epoch) && epoch > highest)
                highest = epoch;
        }
        at += line.size + 1;
    }
    return highest;
}

/* ---- reading ---- */

enum section { NOWHERE, STATE, MEMBER, MARKS, MARK, END };

struct reader {
    const char *source;
    const struct ms_uuid *store;
    struct ms_state_content *content;
    uint64_t format; /* 2: with marks */
    enum section section;
    unsigned seen; /* keys of this section, a bit each */
    uint64_t first_epoch;
};

static const char *const state_keys[] = {"format", "store", "epoch"};
static const char *const member_keys[] = {"state",    "changed", "since",   "next",
                                          "failures", "error",   "error-at"};
static const char *const marks_keys[] = {"boot", "began", "epoch"};
static const char *const mark_keys[] = {"since", "seen"};
static const char *const end_keys[] = {"members", "epoch", "marks"};
static const char *const state_words[] = {"closed", "open", "half-open"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int refuse(const struct reader *r, unsigned line, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_CONFIG, "%s:%u: this is not what mstore wrote", r->source,
                        line);
}

static size_t index_of(const char *const words[], size_t count, const char *word)
{
    size_t i = 0;
    while (i < count && strcmp(words[i], word) != 0)
        i++;
    return i;
}

static size_t keys_of(const struct reader *r, const char *const **keys)
{
    static const struct {
        const char *const *keys;
        size_t count;
    } sections[] = {{NULL, 0},
                    {state_keys, COUNT(state_keys)},
                    {member_keys, COUNT(member_keys)},
                    {marks_keys, COUNT(marks_keys)},
                    {mark_keys, COUNT(mark_keys)},
                    {end_keys, COUNT(end_keys)}};
    *keys = sections[r->section].keys;
    return sections[r->section].count - (r->section == END && r->format == 1);
}

static bool section_whole(const struct reader *r)
{
    const char *const *keys;
    return r->seen == (1u << keys_of(r, &keys)) - 1;
}

static bool begin_member(struct reader *r, const char *name)
{
    struct ms_uuid uuid;
    if (r->content->count == MS_STATE_MEMBERS || ms_uuid_parse(name, "member", &uuid, NULL) != 0 ||
        ms_state_find(r->content, &uuid))
        return false;
    r->content->records[r->content->count++] = (struct ms_state_record){.member = uuid};
    return true;
}

/* "MEMBER.ID": of an open one. */
static bool begin_mark(struct reader *r, const char *name)
{
    struct ms_state_marks *m = &r->content->marks;
    char whole[MS_AWAY_ID_TEXT + 2];
    struct ms_away mark;
    int length = snprintf(whole, sizeof whole, "%s.o", name);
    if (m->count == MS_AWAY_KEPT || (size_t)length >= sizeof whole ||
        !ms_away_parse(ms_str(whole), &mark))
        return false;
    for (size_t i = 0; i < m->count; i++)
        if (ms_away_equal(&m->list[i].mark, &mark))
            return false;
    m->list[m->count++] = (struct ms_away_known){.mark = mark};
    return true;
}

static bool may_follow(const struct reader *r, size_t section)
{
    switch (r->section) {
    case NOWHERE:
        return section == STATE;
    case STATE:
    case MEMBER:
        return section == MEMBER || section == (r->format == 1 ? END : MARKS);
    case MARKS:
        return section == MARK;
    case MARK:
        return section == MARK || section == END;
    case END:
        break;
    }
    return false;
}

static bool begin_section(struct reader *r, const struct ms_ini_entry *e)
{
    static const char *const names[] = {"", "state", "member", "marks", "mark", "end"};
    size_t section = index_of(names, COUNT(names), e->section);
    if (!may_follow(r, section) || !section_whole(r))
        return false;
    r->section = (enum section)section;
    r->seen = 0;
    return section == MEMBER ? begin_member(r, e->name)
           : section == MARK ? begin_mark(r, e->name)
                             : !*e->name;
}

static int state_key(struct reader *r, size_t key, const struct ms_ini_entry *e,
                     struct ms_error *err)
{
    struct ms_uuid uuid;
    switch (key) {
    case 0:
        if (ms_parse_u64(e->value, "format", UINT64_MAX, &r->format, NULL) != 0 || r->format == 0)
            return refuse(r, e->line, err);
        return r->format <= 2 ? 0
                              : ms_error_set(err, MS_ERR_UNSUPPORTED,
                                             "%s was written by a newer mstore", r->source);
    case 1:
        return ms_uuid_parse(e->value, "store", &uuid, NULL) == 0 && ms_uuid_equal(&uuid, r->store)
                   ? 0
                   : refuse(r, e->line, err);
    default:
        return parse_epoch(e->value, r->store, &r->first_epoch) ? 0 : refuse(r, e->line, err);
    }
}

static bool parse_time(const char *text, int64_t *out)
{
    uint64_t time;
    if (ms_parse_u64(text, "time", INT64_MAX, &time, NULL) != 0)
        return false;
    *out = (int64_t)time;
    return true;
}

static bool parse_code(const char *text, int *out)
{
    for (int code = 0; code > -MS_ERROR_SLOTS; code--)
        if (strcmp(ms_code_name(code), text) == 0) {
            *out = code;
            return true;
        }
    return false;
}

static bool member_key(struct reader *r, size_t key, const char *value)
{
    struct ms_health_saved *s = &r->content->records[r->content->count - 1].saved;
    uint64_t number;
    switch (key) {
    case 0:
        number = index_of(state_words, COUNT(state_words), value);
        s->state = (enum ms_health_state)number;
        return number < COUNT(state_words);
    case 1:
        return parse_time(value, &s->changed_wall_ns) && s->changed_wall_ns > 0;
    case 2:
        return parse_time(value, &s->since_wall_ns);
    case 3:
        return parse_time(value, &s->next_wall_ns);
    case 4:
        if (ms_parse_u64(value, "failures", MS_STATE_FAILURES_MAX, &number, NULL) != 0)
            return false;
        s->failures = (unsigned)number;
        return true;
    case 5:
        return parse_code(value, &s->last_code);
    default:
        return parse_time(value, &s->last_wall_ns);
    }
}

static bool marks_key(struct reader *r, size_t key, const char *value)
{
    struct ms_state_marks *m = &r->content->marks;
    switch (key) {
    case 0:
        return ms_uuid_parse(value, "boot", &m->boot.id, NULL) == 0;
    case 1:
        return parse_time(value, &m->boot.began_wall_ns);
    default:
        return ms_parse_u64(value, "epoch", UINT64_MAX, &m->epoch, NULL) == 0;
    }
}

static bool mark_key(struct reader *r, size_t key, const char *value)
{
    struct ms_away_known *k = &r->content->marks.list[r->content->marks.count - 1];
    uint64_t *time = key == 0 ? &k->since_ns : &k->seen_ns;
    return ms_parse_u64(value, "time", INT64_MAX, time, NULL) == 0 && *time > 0;
}

static bool end_key(const struct reader *r, size_t key, const char *value)
{
    uint64_t number;
    if (key == 1)
        return parse_epoch(value, r->store, &number) && number == r->first_epoch;
    return ms_parse_u64(value, "number", MS_STATE_MEMBERS, &number, NULL) == 0 &&
           number == (key == 0 ? r->content->count : r->content->marks.count);
}

static bool section_key(struct reader *r, size_t key, const char *value)
{
    return r->section == MEMBER  ? member_key(r, key, value)
           : r->section == MARKS ? marks_key(r, key, value)
           : r->section == MARK  ? mark_key(r, key, value)
                                 : end_key(r, key, value);
}

static int entry(void *ctx, const struct ms_ini_entry *e, struct ms_error *err)
{
    struct reader *r = ctx;
    if (!e->key)
        return begin_section(r, e) ? 0 : refuse(r, e->line, err);
    const char *const *keys;
    size_t count = keys_of(r, &keys), key = index_of(keys, count, e->key);
    if (key == count)
        return refuse(r, e->line, err);
    r->seen |= 1u << key;
    if (r->section == STATE)
        return state_key(r, key, e, err);
    return section_key(r, key, e->value) ? 0 : refuse(r, e->line, err);
}

int ms_state_parse(struct ms_view text, const char *source, const struct ms_uuid *store,
                   struct ms_state_content *out, struct ms_error *err)
{
    struct reader r = {.source = source, .store = store, .content = out};
    out->epoch = out->count = 0;
    out->marks = (struct ms_state_marks){.count = 0};
    int code = ms_ini_parse(text, source, entry, &r, err);
    if (code == 0 && (r.section != END || !section_whole(&r)))
        code = ms_error_set(err, MS_ERR_CONFIG, "%s is not whole", source);
    if (code)
        out->count = out->marks.count = 0;
    if (code != MS_ERR_NO_MEMORY)
        out->epoch = code ? salvage_epoch(text, store) : r.first_epoch;
    return code;
}

/* ---- writing ---- */

static void write_record(FILE *file, const struct ms_state_record *r)
{
    const struct ms_health_saved *s = &r->saved;
    fprintf(file,
            "\n[member %s]\nstate = %s\nchanged = %" PRId64 "\nsince = %" PRId64 "\nnext = %" PRId64
            "\nfailures = %u\nerror = %s\nerror-at = %" PRId64 "\n",
            MS_UUID_SHOW(&r->member), state_words[s->state], s->changed_wall_ns, s->since_wall_ns,
            s->next_wall_ns, s->failures, ms_code_name(s->last_code), s->last_wall_ns);
}

static void write_marks(FILE *file, const struct ms_state_marks *m)
{
    fprintf(file, "\n[marks]\nboot = %s\nbegan = %" PRId64 "\nepoch = %" PRIu64 "\n",
            MS_UUID_SHOW(&m->boot.id), m->boot.began_wall_ns, m->epoch);
    for (size_t i = 0; i < m->count; i++) {
        char id[MS_AWAY_ID_TEXT];
        fprintf(file, "\n[mark %s]\nsince = %" PRIu64 "\nseen = %" PRIu64 "\n",
                ms_away_format_id(&m->list[i].mark, id), m->list[i].since_ns, m->list[i].seen_ns);
    }
}

static void write_content(FILE *file, const struct ms_state_content *content,
                          const struct ms_uuid *store)
{
    char epoch[EPOCH_MAX];
    format_epoch(epoch, store, content->epoch);
    fprintf(file, "[state]\nformat = %d\nstore = %s\n" EPOCH_LINE "%s\n",
            content->marks.count ? 2 : 1, MS_UUID_SHOW(store), epoch);
    for (size_t i = 0; i < content->count; i++)
        write_record(file, &content->records[i]);
    if (content->marks.count)
        write_marks(file, &content->marks);
    fprintf(file, "\n[end]\nmembers = %zu\n" EPOCH_LINE "%s\n", content->count, epoch);
    if (content->marks.count)
        fprintf(file, "marks = %zu\n", content->marks.count);
}

int ms_state_format(const struct ms_state_content *content, const struct ms_uuid *store,
                    struct ms_buf **out, struct ms_error *err)
{
    MS_AUTO_FREE char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (file)
        write_content(file, content, store);
    struct ms_buf *buf = NULL;
    if (file && fclose(file) == 0)
        buf = ms_buf_copy(ms_view(text, size));
    if (!buf)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to write what is known of a store");
    *out = buf;
    return 0;
}

/* ---- records ---- */

struct ms_state_record *ms_state_find(struct ms_state_content *content,
                                      const struct ms_uuid *member)
{
    for (size_t i = 0; i < content->count; i++)
        if (ms_uuid_equal(&content->records[i].member, member))
            return &content->records[i];
    return NULL;
}

struct ms_state_record *ms_state_find_or_add(struct ms_state_content *content,
                                             const struct ms_uuid *member)
{
    struct ms_state_record *r = ms_state_find(content, member);
    if (r)
        return r;
    if (content->count < MS_STATE_MEMBERS) {
        r = &content->records[content->count++];
    } else {
        r = content->records;
        for (size_t i = 1; i < content->count; i++)
            if (content->records[i].saved.changed_wall_ns < r->saved.changed_wall_ns)
                r = &content->records[i];
    }
    *r = (struct ms_state_record){.member = *member};
    return r;
}

/* ---- marks ---- */

bool ms_state_marks_alike(const struct ms_state_marks *a, const struct ms_state_marks *b)
{
    int64_t apart = a->boot.began_wall_ns - b->boot.began_wall_ns;
    return ms_uuid_equal(&a->boot.id, &b->boot.id) && a->epoch == b->epoch && apart <= BOOT_APART &&
           apart >= -BOOT_APART;
}

/* Both were seen to stand: without a gap in between since the earlier time, else since the later.
 */
static void join_one(struct ms_away_known *known, const struct ms_away_known *other)
{
    const struct ms_away_known *last = other->seen_ns > known->seen_ns ? other : known;
    const struct ms_away_known *first = last == other ? known : other;
    uint64_t since = last->since_ns, seen = last->seen_ns;
    if (first->since_ns < since && since <= first->seen_ns + MS_AWAY_STANDS_NS)
        since = first->since_ns;
    known->since_ns = since;
    known->seen_ns = seen;
}

static void add_one(struct ms_state_marks *marks, const struct ms_away_known *more)
{
    struct ms_away_known *oldest = &marks->list[0];
    for (size_t i = 0; i < marks->count; i++) {
        if (ms_away_equal(&marks->list[i].mark, &more->mark)) {
            join_one(&marks->list[i], more);
            return;
        }
        if (marks->list[i].seen_ns < oldest->seen_ns)
            oldest = &marks->list[i];
    }
    if (marks->count < MS_AWAY_KEPT)
        marks->list[marks->count++] = *more;
    else if (oldest->seen_ns < more->seen_ns)
        *oldest = *more;
}

/* What may have been removed meanwhile. */
static void drop_old(struct ms_state_marks *marks)
{
    uint64_t newest = 0;
    size_t kept = 0;
    for (size_t i = 0; i < marks->count; i++)
        newest = marks->list[i].seen_ns > newest ? marks->list[i].seen_ns : newest;
    for (size_t i = 0; i < marks->count; i++)
        if (newest - marks->list[i].seen_ns <= MS_AWAY_STANDS_NS)
            marks->list[kept++] = marks->list[i];
    marks->count = kept;
}

bool ms_state_marks_join(struct ms_state_marks *marks, const struct ms_state_marks *more)
{
    bool same_boot = ms_uuid_equal(&marks->boot.id, &more->boot.id);
    if (!more->count || (marks->count && same_boot && more->epoch < marks->epoch))
        return false;
    if (!marks->count || !ms_state_marks_alike(marks, more)) {
        *marks = *more;
        marks->changed = false;
    } else {
        for (size_t i = 0; i < more->count; i++)
            add_one(marks, &more->list[i]);
    }
    drop_old(marks);
    return true;
}
