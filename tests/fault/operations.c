/* One of each thing a backend does: see operations.h. An operation that reads checks what it got
 * and fails with CORRUPT when that is wrong. */
#include "fault/operations.h"

#include "base/text.h"

#include <stdlib.h>

static const char *const names[STATE_NAMES] = {"d/a", "d/b", "d/n", "x/y/n", "e/m", "x/m"};

/* ---- contents ---- */

static const struct content {
    char letter, first;
    size_t first_size;
    char second;
    size_t second_size;
} contents[] = {
    {'A', 'A', 3000, 0, 0},
    {'B', 'B', 2000, 0, 0},
    {'N', 'n', 5000, 0, 0},
    {'C', 'A', 1000, 'B', 2000}, /* composed */
};

static const struct content *content(char letter)
{
    const struct content *c = contents;
    while (c->letter != letter)
        c++;
    return c;
}

static char letter_of(struct ms_view bytes)
{
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        const struct content *c = &contents[i];
        bool same = bytes.size == c->first_size + c->second_size;
        for (size_t at = 0; same && at < bytes.size; at++)
            same = bytes.data[at] == (uint8_t)(at < c->first_size ? c->first : c->second);
        if (same)
            return c->letter;
    }
    return '?';
}

/* Static bytes: an operation's own allocations are not the library's. */
static struct ms_view bytes_of(char letter)
{
    static uint8_t room[4][8192];
    const struct content *c = content(letter);
    uint8_t *bytes = room[c - contents];
    memset(bytes, c->first, c->first_size);
    memset(bytes + c->first_size, c->second, c->second_size);
    return ms_view(bytes, c->first_size + c->second_size);
}

static int put(struct ms_backend *b, const char *name, char letter, enum ms_precondition_kind kind,
               struct ms_error *err)
{
    struct ms_buf_borrowed place;
    struct ms_precondition pre = {.kind = kind};
    return ms_backend_store(b, ms_str(name), ms_buf_borrow(&place, bytes_of(letter)), &pre, NULL,
                            err);
}

static int wrong(struct ms_error *err, const char *what)
{
    return ms_error_set(err, MS_ERR_CORRUPT, "%s gave something wrong", what);
}

/* ---- changing ---- */

static int store_new(struct ms_backend *b, struct ms_error *err)
{
    return put(b, "d/n", 'N', MS_ALWAYS, err);
}

static int store_deep(struct ms_backend *b, struct ms_error *err)
{
    return put(b, "x/y/n", 'N', MS_ALWAYS, err);
}

static int replace(struct ms_backend *b, struct ms_error *err)
{
    return put(b, "d/a", 'N', MS_ALWAYS, err);
}

static int store_if_absent(struct ms_backend *b, struct ms_error *err)
{
    return put(b, "d/n", 'N', MS_IF_ABSENT, err);
}

static int delete (struct ms_backend *b, struct ms_error *err)
{
    return ms_backend_delete(b, ms_str("d/a"), err);
}

static int delete_many(struct ms_backend *b, struct ms_error *err)
{
    struct ms_deletion items[] = {
        {.name = ms_str("d/a")}, {.name = ms_str("d/missing")}, {.name = ms_str("d/b")}};
    int rc = ms_backend_delete_many(b, items, 3, err);
    for (int i = 0; i < 3 && rc == 0; i++)
        if (items[i].result.code != (i == 1 ? MS_ERR_NOT_FOUND : 0))
            rc = ms_error_set(err, items[i].result.code, "%s", items[i].result.text);
    return rc;
}

static int move(struct ms_backend *b, struct ms_error *err)
{
    return ms_backend_move(b, ms_str("d/a"), ms_str("e/m"), NULL, err);
}

static int move_if_absent(struct ms_backend *b, struct ms_error *err)
{
    struct ms_precondition pre = {.kind = MS_IF_ABSENT};
    return ms_backend_move(b, ms_str("d/a"), ms_str("d/n"), &pre, err);
}

static int stream_in(struct ms_backend *b, struct ms_error *err)
{
    struct ms_writer *w;
    struct ms_view bytes = bytes_of('N');
    int rc = ms_backend_write(b, ms_str("d/n"), 1u << 20, NULL, &w, err); /* more than come */
    if (rc < 0)
        return rc;
    rc = ms_writer_append(w, ms_view(bytes.data, 1234), err);
    if (rc == 0)
        rc = ms_writer_append(w, ms_view(bytes.data + 1234, bytes.size - 1234), err);
    if (rc == 0)
        return ms_writer_commit(w, NULL, err);
    ms_writer_abort(w);
    return rc;
}

static int batch(struct ms_backend *b, struct ms_error *err)
{
    static const char *const targets[] = {"d/n", "d/a", "x/m"};
    struct ms_batch *batch;
    int rc = ms_backend_batch(b, &batch, err);
    if (rc < 0)
        return rc;
    for (int i = 0; rc == 0 && i < 3; i++) {
        struct ms_buf_borrowed place;
        rc = ms_batch_store(batch, ms_str(targets[i]), ms_buf_borrow(&place, bytes_of('N')), NULL,
                            err);
    }
    if (rc == 0)
        return ms_batch_commit(batch, err);
    ms_batch_abort(batch);
    return rc;
}

static int copy(struct ms_backend *b, struct ms_error *err)
{
    return ms_backend_copy(b, ms_str("d/a"), ms_str("d/n"), NULL, err);
}

static int compose(struct ms_backend *b, struct ms_error *err)
{
    struct ms_part parts[] = {{ms_str("d/a"), 0, 1000}, {ms_str("d/b"), 0, MS_SIZE_TO_END}};
    return ms_backend_compose(b, parts, 2, ms_str("d/n"), NULL, err);
}

static int directories(struct ms_backend *b, struct ms_error *err)
{
    int rc = ms_backend_mkdir(b, ms_str("p/q"), err);
    if (rc == 0)
        rc = ms_backend_rmdir(b, ms_str("p/q"), err);
    return rc < 0 ? rc : ms_backend_rmdir(b, ms_str("p"), err);
}

static int sweep(struct ms_backend *b, struct ms_error *err)
{
    uint64_t removed;
    return ms_backend_sweep(b, UINT64_C(1000000000000), &removed, err);
}

/* ---- reading ---- */

static int info(struct ms_backend *b, struct ms_error *err)
{
    struct ms_info found = {0}, missing = {0};
    int rc = ms_backend_info(b, ms_str("d/a"), &found, err);
    if (rc == 0)
        rc = ms_backend_info(b, ms_str("d/missing"), &missing, err);
    if (rc < 0)
        return rc;
    return found.exists && found.size_bytes == 3000 && !missing.exists ? 0 : wrong(err, "info");
}

static int load(struct ms_backend *b, struct ms_error *err)
{
    struct ms_buf *value;
    int rc = ms_backend_load(b, ms_str("d/a"), 0, MS_SIZE_TO_END, &value, NULL, err);
    if (rc < 0)
        return rc;
    bool right = letter_of(ms_buf_view(value)) == 'A';
    ms_buf_unref(value);
    return right ? 0 : wrong(err, "load");
}

static int stream_out(struct ms_backend *b, struct ms_error *err)
{
    uint8_t bytes[3000];
    size_t got = 0, more = 0;
    struct ms_reader *r;
    int rc = ms_backend_read(b, ms_str("d/a"), &r, err);
    if (rc < 0)
        return rc;
    rc = ms_reader_read(r, 0, bytes, 2000, &got, err);
    if (rc == 0)
        rc = ms_reader_read(r, 2000, bytes + got, 1000, &more, err);
    ms_reader_close(r);
    if (rc < 0)
        return rc;
    return letter_of(ms_view(bytes, got + more)) == 'A' ? 0 : wrong(err, "the reader");
}

static int list(struct ms_backend *b, struct ms_error *err)
{
    const struct ms_entry *entry = NULL;
    struct ms_lister *l;
    bool right = true;
    size_t count = 0;
    int rc = ms_backend_list(b, ms_str("d"), NULL, &l, err);
    if (rc < 0)
        return rc;
    while ((rc = ms_lister_next(l, &entry, err)) == 0 && entry) {
        right &= ms_equal(entry->name, ms_str(count == 0 ? "a" : "b"));
        right &= entry->info.size_bytes == (count == 0 ? 3000 : 2000);
        count++;
    }
    ms_lister_close(l);
    if (rc < 0)
        return rc;
    return right && count == 2 ? 0 : wrong(err, "the listing");
}

static int hash(struct ms_backend *b, struct ms_error *err)
{
    char hex[129];
    int rc = ms_backend_hash(b, ms_str("d/b"), "md5", hex, sizeof hex, err);
    if (rc < 0)
        return rc;
    return strlen(hex) == 32 ? 0 : wrong(err, "hash");
}

static int usage(struct ms_backend *b, struct ms_error *err)
{
    uint64_t total, left;
    return ms_backend_usage(b, &total, &left, err);
}

static int reopen(struct ms_backend *b, struct ms_error *err)
{
    int rc = ms_backend_close(b, err);
    struct ms_error ignored;
    if (rc == 0)
        rc = ms_backend_open(b, err);
    if (rc < 0 && ms_backend_open(b, &ignored) < 0) /* the caller wants it open */
        return wrong(err, "opening again");
    return rc;
}

const struct operation operations[] = {
    {"store", "ABN---", false, store_new},
    {"store with new folders", "AB-N--", false, store_deep},
    {"replace", "NB----", false, replace},
    {"store if absent", "ABN---", false, store_if_absent},
    {"delete", "-B----", false, delete},
    {"delete many", "------", true, delete_many},
    {"move", "-B--A-", false, move},
    {"move if absent", "-BA---", false, move_if_absent},
    {"stream in", "ABN---", false, stream_in},
    {"batch", "NBN--N", true, batch},
    {"copy", "ABA---", false, copy},
    {"compose", "ABC---", false, compose},
    {"mkdir and rmdir", STATE_BEFORE, false, directories},
    {"sweep", STATE_BEFORE, false, sweep},
    {"info", STATE_BEFORE, false, info},
    {"load", STATE_BEFORE, false, load},
    {"stream out", STATE_BEFORE, false, stream_out},
    {"list", STATE_BEFORE, false, list},
    {"hash", STATE_BEFORE, false, hash},
    {"usage", STATE_BEFORE, false, usage},
    {"close and open", STATE_BEFORE, false, reopen},
};
const size_t operation_count = sizeof operations / sizeof *operations;

int operations_prepare(struct ms_backend *b, struct ms_error *err)
{
    int rc = put(b, "d/a", 'A', MS_ALWAYS, err);
    return rc < 0 ? rc : put(b, "d/b", 'B', MS_ALWAYS, err);
}

int operations_state(struct ms_backend *b, char state[STATE_NAMES + 1], struct ms_error *err)
{
    for (int i = 0; i < STATE_NAMES; i++) {
        struct ms_buf *value;
        int rc = ms_backend_load(b, ms_str(names[i]), 0, MS_SIZE_TO_END, &value, NULL, err);
        if (rc < 0 && rc != MS_ERR_NOT_FOUND)
            return rc;
        state[i] = rc == 0 ? letter_of(ms_buf_view(value)) : '-';
        if (rc == 0)
            ms_buf_unref(value);
    }
    state[STATE_NAMES] = '\0';
    return 0;
}

bool operations_allowed(const struct operation *o, int code, const char *state)
{
    if (strcmp(state, o->after) == 0)
        return true;
    if (code == 0)
        return false;
    for (int i = 0; o->each && i < STATE_NAMES; i++)
        if (state[i] != STATE_BEFORE[i] && state[i] != o->after[i])
            return false;
    return o->each || strcmp(state, STATE_BEFORE) == 0;
}
