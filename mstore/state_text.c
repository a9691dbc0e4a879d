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
#define EPOCH_MAX  64 /* characters of its value */

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

enum section { NOWHERE, STATE, MEMBER, END };

struct reader {
    const char *source;
    const struct ms_uuid *store;
    struct ms_state_content *content;
    enum section section;
    unsigned seen; /* keys of this section, a bit each */
    uint64_t first_epoch;
};

static const char *const state_keys[] = {"format", "store", "epoch"};
static const char *const member_keys[] = {"state",    "changed", "since",   "next",
                                          "failures", "error",   "error-at"};
static const char *const end_keys[] = {"members", "epoch"};
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

static bool section_whole(const struct reader *r)
{
    static const size_t keys[] = {0, COUNT(state_keys), COUNT(member_keys), COUNT(end_keys)};
    return r->seen == (1u << keys[r->section]) - 1;
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

static bool begin_section(struct reader *r, const struct ms_ini_entry *e)
{
    static const char *const names[] = {"", "state", "member", "end"};
    size_t section = index_of(names, COUNT(names), e->section);
    bool follows = r->section == NOWHERE ? section == STATE : section == MEMBER || section == END;
    if (!follows || r->section == END || !section_whole(r))
        return false;
    r->section = (enum section)section;
    r->seen = 0;
    return section == MEMBER ? begin_member(r, e->name) : !*e->name;
}

static int state_key(struct reader *r, size_t key, const struct ms_ini_entry *e,
                     struct ms_error *err)
{
    struct ms_uuid uuid;
    uint64_t format;
    switch (key) {
    case 0:
        if (ms_parse_u64(e->value, "format", UINT64_MAX, &format, NULL) != 0 || format == 0)
            return refuse(r, e->line, err);
        return format == 1 ? 0
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

static bool end_key(const struct reader *r, size_t key, const char *value)
{
    uint64_t number;
    if (key == 0)
        return ms_parse_u64(value, "members", MS_STATE_MEMBERS, &number, NULL) == 0 &&
               number == r->content->count;
    return parse_epoch(value, r->store, &number) && number == r->first_epoch;
}

static int entry(void *ctx, const struct ms_ini_entry *e, struct ms_error *err)
{
    struct reader *r = ctx;
    if (!e->key)
        return begin_section(r, e) ? 0 : refuse(r, e->line, err);
    static const struct {
        const char *const *keys;
        size_t count;
    } sections[] = {{NULL, 0},
                    {state_keys, COUNT(state_keys)},
                    {member_keys, COUNT(member_keys)},
                    {end_keys, COUNT(end_keys)}};
    size_t count = sections[r->section].count;
    size_t key = index_of(sections[r->section].keys, count, e->key);
    if (key == count)
        return refuse(r, e->line, err);
    r->seen |= 1u << key;
    if (r->section == STATE)
        return state_key(r, key, e, err);
    bool good = r->section == MEMBER ? member_key(r, key, e->value) : end_key(r, key, e->value);
    return good ? 0 : refuse(r, e->line, err);
}

int ms_state_parse(struct ms_view text, const char *source, const struct ms_uuid *store,
                   struct ms_state_content *out, struct ms_error *err)
{
    struct reader r = {.source = source, .store = store, .content = out};
    out->epoch = out->count = 0;
    int code = ms_ini_parse(text, source, entry, &r, err);
    if (code == 0 && (r.section != END || !section_whole(&r)))
        code = ms_error_set(err, MS_ERR_CONFIG, "%s is not whole", source);
    if (code)
        out->count = 0;
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

static void write_content(FILE *file, const struct ms_state_content *content,
                          const struct ms_uuid *store)
{
    char epoch[EPOCH_MAX];
    format_epoch(epoch, store, content->epoch);
    fprintf(file, "[state]\nformat = 1\nstore = %s\n" EPOCH_LINE "%s\n", MS_UUID_SHOW(store),
            epoch);
    for (size_t i = 0; i < content->count; i++)
        write_record(file, &content->records[i]);
    fprintf(file, "\n[end]\nmembers = %zu\n" EPOCH_LINE "%s\n", content->count, epoch);
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
