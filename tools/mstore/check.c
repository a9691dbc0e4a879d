/* Runs the steps of `mstore check` and cleans up behind them (see tools/mstore/check.h). */
#include "tools/mstore/check.h"

#include "base/sync.h"
#include "base/text.h"
#include "tools/mstore/check_steps.h"

#include <stdio.h>

/* ---- reaching the storage
 * ------------------------------------------------------------------------
 *
 * A backend has one call for it, so its failure tells how far it came. */

/* How far an open that ended with `code` came: 0 not even a connection, 1 connected, 2 let in, 3
 * all of it. */
static unsigned reached(int code)
{
    if (code == 0)
        return 3;
    if (code == MS_ERR_NO_STORE || code == MS_ERR_NOT_FOUND)
        return 2;
    return code == MS_ERR_AUTH || code == MS_ERR_ACCESS || code == MS_ERR_PERMISSION ? 1 : 0;
}

static void add(struct ms_check *c, const struct ms_check_result *result,
                void (*report)(const struct ms_check_result *r))
{
    c->results[c->count++] = *result;
    if (report)
        report(&c->results[c->count - 1]);
}

static int open_all(struct ms_check *c, void (*report)(const struct ms_check_result *r),
                    struct ms_error *err)
{
    static const char *const names[] = {"connect", "authenticate", "store"};
    struct ms_error own = {0};
    uint64_t begin = ms_clock_now(c->clock);
    int code = ms_backend_open(c->backend, &own);
    uint64_t took = ms_clock_now(c->clock) - begin;
    if (code == MS_ERR_CANCELLED)
        return ms_error_set(err, code, "%s", own.text);
    c->open = code == 0;
    unsigned far = reached(code);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        struct ms_check_result r = {.what = names[i], .verdict = MS_CHECK_OK};
        if (i == far) {
            r.verdict = MS_CHECK_FAILED;
            r.code = code;
            if (code == MS_ERR_NO_STORE && !c->backend->no_place)
                snprintf(r.note, sizeof r.note, "%s; make it with: mstore create %s", own.text,
                         c->create_hint);
            else
                snprintf(r.note, sizeof r.note, "%s", own.text);
        } else if (i > far) {
            r.verdict = MS_CHECK_SKIPPED;
        }
        r.time_ns = i == (far < 2 ? far : 2) ? took : 0; /* it cannot be divided */
        add(c, &r, report);
    }
    if (c->open)
        ms_backend_capabilities(c->backend, &c->capabilities);
    return 0;
}

static const char *durability(const struct ms_check *c)
{
    switch (c->capabilities.durability) {
    case MS_DURABLE_NONE:
        return "none: what is written is safe whenever the storage pleases";
    case MS_DURABLE_DATA:
        return "data: the bytes survive a power cut, a new name may not";
    case MS_DURABLE_FULL:
        break;
    }
    return "full: what is acknowledged survives a power cut";
}

static int step_durability(struct ms_check *c, char *note, struct ms_error *err)
{
    (void)err;
    snprintf(note, MS_CHECK_NOTE_BYTES, "%s", durability(c));
    return 0;
}

/* ---- the steps
 * ----------------------------------------------------------------------------------- */

static const struct step {
    const char *what;
    int (*run)(struct ms_check *c, char *note, struct ms_error *err);
    const char *needs[2]; /* steps that did not fail; NULL: the open storage alone */
} steps[] = {
    {"write", ms_check_write, {NULL}},
    {"info", ms_check_info, {"write"}},
    {"read back", ms_check_read, {"write"}},
    {"range", ms_check_range, {"read back"}},
    {"list", ms_check_list, {"write"}},
    {"round trip", ms_check_round_trip, {"info"}},
    {"clock", ms_check_clock, {"info"}},
    {"rename", ms_check_rename, {"read back", "info"}},
    {"only if absent", ms_check_if_absent, {"read back"}},
    {"delete", ms_check_delete, {"write", "info"}},
    {"upload", ms_check_up, {"write"}},
    {"download", ms_check_down, {"read back", "upload"}},
    {"free space", ms_check_space, {NULL}},
    {"durability", step_durability, {NULL}},
    {"capabilities", ms_check_capabilities, {NULL}},
};
/* and three of reaching it, and the cleaning up */
_Static_assert(sizeof steps / sizeof *steps + 4 == MS_CHECK_STEPS, "there is room for each result");

static bool worked(const struct ms_check *c, const char *what)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->results[i].what, what) == 0)
            return c->results[i].verdict == MS_CHECK_OK;
    return false;
}

static bool makes_sense(const struct ms_check *c, const struct step *s)
{
    for (size_t i = 0; i < 2; i++)
        if (s->needs[i] && !worked(c, s->needs[i]))
            return false;
    return c->open;
}

static int run_steps(struct ms_check *c, void (*report)(const struct ms_check_result *r),
                     struct ms_error *err)
{
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        int code = ms_check_cancelled(err);
        if (code)
            return code;
        struct ms_check_result r = {.what = steps[i].what};
        struct ms_error failure = {0};
        if (makes_sense(c, &steps[i])) {
            uint64_t begin = ms_clock_now(c->clock);
            r.code = steps[i].run(c, r.note, &failure);
            r.time_ns = ms_clock_now(c->clock) - begin;
            r.verdict = r.code == MS_ERR_UNSUPPORTED ? MS_CHECK_UNSUPPORTED
                        : r.code                     ? MS_CHECK_FAILED
                                                     : MS_CHECK_OK;
        }
        if (r.code)
            snprintf(r.note, sizeof r.note, "%s", failure.text);
        if (r.code == MS_ERR_CANCELLED)
            return ms_error_set(err, r.code, "%s", failure.text);
        add(c, &r, report);
    }
    return 0;
}

/* ---- behind them
 * ----------------------------------------------------------------------------------- */

/* Removes what any step may have written, also one whose answer was lost. A storage that cannot be
 * reached is not tried again for each name. */
static int remove_all(struct ms_check *c, struct ms_error *err)
{
    int result = 0;
    for (size_t i = 0; i <= MS_CHECK_NAMES; i++) {
        struct ms_error own = {0};
        int code = i < MS_CHECK_NAMES ? ms_backend_delete(c->backend, ms_check_name(c, i), &own)
                                      : ms_backend_rmdir(c->backend, ms_str(c->folder), &own);
        if (code == 0 || code == MS_ERR_NOT_FOUND || code == MS_ERR_UNSUPPORTED)
            continue;
        if (!result)
            result =
                ms_error_set(err, code, "something may be left in %s: %s", c->folder, own.text);
        if (ms_code_class(code) == MS_CLASS_TRANSIENT)
            break;
    }
    return result;
}

/* Whatever failed, nothing of ours stays; also after Ctrl-C, which is not looked at here. */
static void clean_up(struct ms_check *c, void (*report)(const struct ms_check_result *r))
{
    struct ms_check_result r = {.what = "clean up", .verdict = MS_CHECK_OK};
    struct ms_error failure = {0};
    struct ms_cancel *token = ms_cancel_swap(NULL);
    uint64_t begin = ms_clock_now(c->clock);
    r.code = remove_all(c, &failure);
    r.time_ns = ms_clock_now(c->clock) - begin;
    ms_cancel_swap(token);
    if (r.code) {
        r.verdict = MS_CHECK_FAILED;
        snprintf(r.note, sizeof r.note, "%s", failure.text);
    }
    add(c, &r, report);
}

int ms_check_run(struct ms_check *c, void (*report)(const struct ms_check_result *r),
                 struct ms_error *err)
{
    int code = open_all(c, report, err);
    if (code)
        return code;
    code = run_steps(c, report, err);
    if (!c->open)
        return code;
    clean_up(c, report);
    (void)!ms_backend_close(c->backend, NULL);
    c->open = false;
    return code;
}

int ms_check_init(struct ms_check *c, struct ms_backend *backend, const char *random,
                  struct ms_error *err)
{
    static const char *const names[] = {
        [MS_CHECK_VALUE] = "value",
        [MS_CHECK_RENAMED] = "renamed",
        [MS_CHECK_RACED] = "raced",
        [MS_CHECK_LARGE] = "large",
    };
    *c =
        (struct ms_check){.backend = backend, .clock = backend->clock, .create_hint = backend->url};
    snprintf(c->folder, sizeof c->folder, "mstore-check-%s", random);
    for (size_t i = 0; i < MS_CHECK_NAMES; i++)
        snprintf(c->names[i], sizeof c->names[i], "%s/%s", c->folder, names[i]);
    c->noise = ms_buf_new(MS_CHECK_MOST_BYTES);
    if (!c->noise)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the values of a check");
    struct ms_random bytes; /* not alike: a storage or a line may compress */
    ms_random_seed(&bytes, ms_clock_now(c->clock));
    for (size_t i = 0; i < MS_CHECK_MOST_BYTES; i += 8) {
        uint64_t number = ms_random_u64(&bytes);
        memcpy(ms_buf_data(c->noise) + i, &number, 8);
    }
    return 0;
}

void ms_check_fini(struct ms_check *c)
{
    ms_buf_unref(c->noise);
    c->noise = NULL;
}

const char *ms_check_verdict_text(enum ms_check_verdict verdict)
{
    static const char *const texts[] = {[MS_CHECK_SKIPPED] = "skipped",
                                        [MS_CHECK_OK] = "ok",
                                        [MS_CHECK_UNSUPPORTED] = "not supported",
                                        [MS_CHECK_FAILED] = "FAILED"};
    return texts[verdict];
}
