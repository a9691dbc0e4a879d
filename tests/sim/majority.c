/* The rules of the register over a majority: see majority.h. A value is kept with a checksum of
 * eight bytes behind it. Members are asked one after the other. */
#include "tests/sim/majority_parts.h"

#include "tests/sim/values.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>

#define SUM_SIZE     8
#define ATTEMPTS_MAX 5

uint64_t version_size(const char *version)
{
    return strtoull(version + 20, NULL, 16);
}

static struct ms_view name_of(struct ms_view key, const char *version, char *text, size_t size)
{
    snprintf(text, size, "%.*s/%s", (int)key.size, (const char *)key.data, version);
    return ms_str(text);
}
#define NAME(key, version) name_of(key, version, (char[NAME_SIZE]){0}, NAME_SIZE)

static int too_few(const struct majority *m, unsigned answered, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_CONNECTION, "only %u of %u members answered", answered,
                        m->count);
}

/* ---- one member ---- */

/* A member that did not answer when the Store was opened may do so now. */
static int reach(const struct majority *m, unsigned member, struct ms_error *err)
{
    struct ms_backend *b = m->members[member];
    int code = ms_backend_open(b, err);
    return code == MS_ERR_MUST_NOT_BE_OPEN ? 0 : code;
}

static uint64_t checksum(struct ms_view bytes)
{
    uint64_t sum = bytes.size;
    for (size_t i = 0; i < bytes.size; i++)
        sum = sim_mix(sum, bytes.data[i]);
    return sum;
}

int majority_send(const struct majority *m, unsigned member, struct ms_view key,
                  const char *version, struct ms_buf *value, struct ms_error *err)
{
    struct ms_view bytes = value ? ms_buf_view(value) : ms_view("", 0);
    MS_AUTO_BUF struct ms_buf *framed = ms_buf_new(bytes.size + SUM_SIZE);
    if (!framed)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    int code = reach(m, member, err);
    if (code)
        return code;
    uint64_t sum = checksum(bytes);
    if (bytes.size)
        memcpy(ms_buf_data(framed), bytes.data, bytes.size);
    memcpy(ms_buf_data(framed) + bytes.size, &sum, SUM_SIZE);
    return ms_backend_store(m->members[member], NAME(key, version), framed, NULL, NULL, err);
}

int majority_fetch(const struct majority *m, unsigned member, struct ms_view key,
                   const char *version, struct ms_buf **out, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *framed = NULL;
    int code = reach(m, member, err);
    if (!code)
        code = ms_backend_load(m->members[member], NAME(key, version), 0, MS_SIZE_TO_END, &framed,
                               NULL, err);
    if (code)
        return code;
    struct ms_view bytes = ms_buf_view(framed);
    if (bytes.size != version_size(version) + SUM_SIZE)
        return ms_error_set(err, MS_ERR_CORRUPT, "a version has a wrong length");
    bytes.size -= SUM_SIZE;
    uint64_t sum = checksum(bytes);
    if (memcmp(bytes.data + bytes.size, &sum, SUM_SIZE) != 0 && !(m->flaws & SIM_FLAW_CHECKSUM))
        return ms_error_set(err, MS_ERR_CORRUPT, "a version has a wrong checksum");
    struct ms_buf *value = ms_buf_copy(bytes);
    if (!value)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    *out = value;
    return 0;
}

int majority_drop(const struct majority *m, unsigned member, struct ms_view key,
                  const char *version, struct ms_error *err)
{
    int code = reach(m, member, err);
    if (!code)
        code = ms_backend_delete(m->members[member], NAME(key, version), err);
    return code == MS_ERR_NOT_FOUND ? 0 : code;
}

int majority_names(const struct majority *m, unsigned member, struct ms_view directory,
                   struct texts *out, struct ms_error *err)
{
    struct ms_lister *lister = NULL;
    int code = reach(m, member, err);
    if (!code)
        code = ms_backend_list(m->members[member], directory, NULL, &lister, err);
    if (code)
        return code == MS_ERR_NOT_FOUND ? 0 : code;
    const struct ms_entry *entry = NULL;
    while (!(code = ms_lister_next(lister, &entry, err)) && entry)
        if (out->count < VERSIONS_MOST && entry->name.size < VERSION_SIZE)
            memcpy(out->text[out->count++], entry->name.data, entry->name.size);
    ms_lister_close(lister);
    return code;
}

/* ---- a majority ---- */

static void look_at(struct seen *seen, unsigned member, const struct texts *versions)
{
    const char *best = versions->count ? versions->text[versions->count - 1] : "";
    seen->answered++;
    if (!*best || strcmp(best, seen->best) < 0)
        return;
    if (strcmp(best, seen->best) > 0) {
        memset(seen->holds, 0, sizeof seen->holds);
        seen->holders = 0;
        strcpy(seen->best, best); /* NOLINT: both have VERSION_SIZE bytes */
    }
    seen->holds[member] = true;
    seen->holders++;
}

int majority_look(const struct majority *m, struct ms_view key, struct seen *out,
                  struct ms_error *err)
{
    *out = (struct seen){0};
    unsigned wanted = m->flaws & SIM_FLAW_READ_ONE ? 1 : m->count;
    unsigned needed = m->flaws & SIM_FLAW_READ_ONE ? 1 : majority_quorum(m);
    for (unsigned i = 0; i < m->count && out->answered < wanted; i++) {
        struct texts versions = {0};
        int code = majority_names(m, i, key, &versions, err);
        if (code == MS_ERR_CANCELLED)
            return code;
        if (!code)
            look_at(out, i, &versions);
    }
    return out->answered < needed ? too_few(m, out->answered, err) : 0;
}

static int fetch_any(const struct majority *m, struct ms_view key, const struct seen *seen,
                     struct ms_buf **out, struct ms_error *err)
{
    int code = MS_ERR_NOT_FOUND;
    for (unsigned i = 0; i < m->count; i++)
        if (seen->holds[i] && (code = majority_fetch(m, i, key, seen->best, out, err)) == 0)
            break;
    return code;
}

/* Copies the version to members that lack it until a majority has it. */
static int spread(const struct majority *m, struct ms_view key, struct seen *seen,
                  struct ms_buf *value, struct ms_error *err)
{
    unsigned needed = m->flaws & (SIM_FLAW_WRITE_BACK | SIM_FLAW_READ_ONE) ? 0 : majority_quorum(m);
    for (unsigned i = 0; i < m->count && seen->holders < needed; i++)
        if (!seen->holds[i] && majority_send(m, i, key, seen->best, value, err) == 0) {
            seen->holds[i] = true;
            seen->holders++;
        }
    return seen->holders < needed ? too_few(m, seen->holders, err) : 0;
}

/* The newest version may be at one member only, since it is being stored just now; that member goes
 * away, or is harmed, between the look and the load. Then others have it a moment later. */
static bool look_again(int code)
{
    return code == MS_ERR_NOT_FOUND || code == MS_ERR_CONNECTION || code == MS_ERR_CORRUPT;
}

int majority_settle(const struct majority *m, struct ms_view key, struct seen *out,
                    struct ms_buf **value, struct ms_error *err)
{
    int code = MS_ERR_NOT_FOUND;
    for (int i = 0; i < ATTEMPTS_MAX && look_again(code); i++) {
        code = majority_look(m, key, out, err);
        if (code || !out->best[0])
            return code;
        if (!version_deleted(out->best))
            code = fetch_any(m, key, out, value, err);
    }
    if (code == MS_ERR_NOT_FOUND) /* healed away again and again */
        return ms_error_set(err, MS_ERR_BUSY, "a version vanished while it was read");
    return code ? code : spread(m, key, out, *value, err);
}

int majority_put(struct majority *m, struct ms_view key, const struct seen *above,
                 struct ms_buf *value, struct ms_error *err)
{
    char version[VERSION_SIZE];
    unsigned long long counter = strtoull(above->best, NULL, 16) + 1;
    snprintf(version, sizeof version, "%08llx-%04x%04x-%c-%08zx", counter & 0xffffffff, m->client,
             m->writes++ & 0xffff, value ? 'v' : 'x', value ? ms_buf_size(value) : 0);
    unsigned done = 0, needed = m->flaws & SIM_FLAW_QUORUM ? 1 : majority_quorum(m);
    for (unsigned i = 0; i < m->count; i++) {
        int code = majority_send(m, i, key, version, value, err);
        if (code == MS_ERR_CANCELLED)
            return code;
        done += code == 0;
    }
    return done < needed ? too_few(m, done, err) : 0;
}

/* ---- all keys ---- */

static void add_sorted(struct texts *to, const char *text)
{
    size_t at = 0;
    while (at < to->count && strcmp(to->text[at], text) < 0)
        at++;
    if ((at < to->count && strcmp(to->text[at], text) == 0) || to->count == VERSIONS_MOST)
        return;
    memmove(to->text[at + 1], to->text[at], (to->count - at) * VERSION_SIZE);
    memcpy(to->text[at], text, VERSION_SIZE);
    to->count++;
}

int majority_keys(const struct majority *m, struct texts *out, struct ms_error *err)
{
    unsigned answered = 0, needed = m->flaws & SIM_FLAW_LISTING ? 0 : majority_quorum(m);
    for (unsigned i = 0; i < m->count; i++) {
        struct texts keys = {0};
        int code = majority_names(m, i, ms_str(""), &keys, err);
        if (code == MS_ERR_CANCELLED)
            return code;
        answered += code == 0;
        for (size_t k = 0; k < keys.count; k++)
            add_sorted(out, keys.text[k]);
    }
    return answered < needed ? too_few(m, answered, err) : 0;
}
