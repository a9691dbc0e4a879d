/* mstore/state.c - see mstore/state.h. */
#include "mstore/state.h"
#include "mstore/state_text.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/private_file.h"
#include "base/sync.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_MAX_NS  1000000000u
#define LOCK_WAIT_NS 2000000u

struct ms_state {
    struct ms_state *self; /* for those who have a const one, and lock it */
    struct ms_mutex mutex; /* of what follows; not held during input and output */
    struct ms_cond idle;
    bool busy; /* one thread at a time meets the file: what is learnt later is newer */
    struct ms_uuid store;
    char folder[PATH_MAX]; /* "": in memory only */
    char name[MS_UUID_TEXT + 8];
    char path[PATH_MAX + MS_UUID_TEXT + 8];
    atomic_bool warned; /* of a damaged or newer file */
    bool epoch_changed; /* by this process, not yet saved */
    struct ms_state_content known;
};

static int no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for what is known of a store");
}

/* ---- the folder ---- */

/* The usual folder; "": none. False: none, and nobody wished so. */
bool ms_state_usual_folder(char *buf, size_t size)
{
    const char *own = secure_getenv("MSTORE_STATE_DIR");
    const char *state = secure_getenv("XDG_STATE_HOME");
    const char *home = secure_getenv("HOME");
    int length = 0;
    *buf = '\0';
    if (own)
        length = snprintf(buf, size, "%s", own);
    else if (state && *state == '/')
        length = snprintf(buf, size, "%s/mstore", state);
    else if (home && *home == '/')
        length = snprintf(buf, size, "%s/.local/state/mstore", home);
    else
        return false;
    if (length >= 0 && (size_t)length < size)
        return true;
    *buf = '\0';
    return false;
}

/* The folders above the last, as far as they are missing. What fails shows when the last is opened.
 */
static void make_parents(char *path)
{
    for (char *slash = path; (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
}

/* Tries the folder once, so that it is known from the beginning whether it will do. */
static int choose_folder(struct ms_state *s, const char *folder, struct ms_error *err)
{
    static atomic_bool warned;
    struct ms_error why = {.text = "there is none: set MSTORE_STATE_DIR or HOME"};
    bool found = true;
    if (!folder)
        found = ms_state_usual_folder(s->folder, sizeof s->folder);
    else if (snprintf(s->folder, sizeof s->folder, "%s", folder) >= (int)sizeof s->folder)
        return ms_error_set(err, MS_ERR_NAME, "the name of the state folder is too long");
    if (found && !*s->folder)
        return 0;
    int fd = -1;
    if (found) {
        make_parents(s->folder);
        fd = ms_private_folder_open(s->folder, "state", true, &why);
    }
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    *s->folder = '\0';
    if (folder)
        return ms_error_set(err, fd, "%s", why.text);
    if (!atomic_exchange(&warned, true))
        ms_log(MS_LOG_WARN,
               "nothing is kept on this machine of members that do not answer and of layouts seen: "
               "%s",
               why.text);
    return 0;
}

static int lock(int folder, const char *path, struct ms_error *err)
{
    struct ms_clock *clock = ms_clock_real();
    uint64_t begin = ms_clock_now(clock);
    while (flock(folder, LOCK_EX | LOCK_NB) != 0) {
        if (errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS)
            return 0; /* a file system without: the rename is whole all the same */
        if (errno != EWOULDBLOCK && errno != EINTR)
            return ms_error_errno(err, errno, "lock the state folder %s", path);
        if (ms_clock_now(clock) - begin > LOCK_MAX_NS)
            return ms_error_set(err, MS_ERR_BUSY,
                                "another process holds the lock of the state folder %s", path);
        int code = ms_sleep(clock, LOCK_WAIT_NS, err);
        if (code)
            return code;
    }
    return 0;
}

/* ---- the file ---- */

static void warn(struct ms_state *s, const char *what, const struct ms_error *why)
{
    if (!atomic_exchange(&s->warned, true))
        ms_log(MS_LOG_WARN, "%s: %s", what, why->text);
}

/* What the file says; nothing when there is none or it is damaged, but for the epoch. *newer: it
 * must not be replaced. */
static int read_file(struct ms_state *s, struct ms_state_content *out, bool *newer,
                     struct ms_error *err)
{
    struct ms_private_file file;
    struct ms_error why = {0};
    out->epoch = out->count = 0;
    out->marks = (struct ms_state_marks){.count = 0};
    *newer = false;
    int code = ms_private_file_read(s->path, "the state file", &file, &why);
    if (code == MS_ERR_NOT_FOUND)
        return 0;
    if (!code) {
        code = ms_state_parse(ms_private_file_view(&file), s->path, &s->store, out, &why);
        ms_private_file_free(&file);
    }
    if (code == MS_ERR_UNSUPPORTED) {
        *newer = true;
        warn(s, "what is learnt of members is not kept", &why);
    } else if (code == MS_ERR_CONFIG) {
        warn(s, "a damaged state file is ignored and will be replaced", &why);
    } else if (code) {
        return ms_error_set(err, code, "%s", why.text);
    }
    return 0;
}

/* ---- merging ---- */

/* Ours into the file's. */
static void merge(struct ms_state_content *file, const struct ms_state_content *ours,
                  int64_t wall_ns)
{
    if (ours->epoch > file->epoch)
        file->epoch = ours->epoch;
    for (size_t i = 0; i < ours->count; i++) {
        const struct ms_state_record *our = &ours->records[i];
        if (!our->changed)
            continue;
        const struct ms_state_record *there = ms_state_find(file, &our->member);
        int64_t changed = there ? there->saved.changed_wall_ns : 0;
        if (changed > our->saved.changed_wall_ns && changed <= wall_ns)
            continue;
        ms_state_find_or_add(file, &our->member)->saved = our->saved;
    }
    if (ours->marks.changed)
        (void)ms_state_marks_join(&file->marks, &ours->marks);
}

/* Takes over what was in the file. What was put since `ours` was copied (NULL: everything put)
 * stays to be saved. Under the lock. */
static void learn(struct ms_state *s, const struct ms_state_content *file,
                  struct ms_state_content *ours)
{
    struct ms_state_content *known = &s->known;
    if (ours && ours->epoch == known->epoch)
        s->epoch_changed = false;
    if (file->epoch > known->epoch)
        known->epoch = file->epoch;
    for (size_t i = 0; ours && i < ours->count; i++) {
        struct ms_state_record *r = ms_state_find(known, &ours->records[i].member);
        if (r && ms_health_saved_equal(&r->saved, &ours->records[i].saved))
            r->changed = false;
    }
    for (size_t i = 0; i < file->count; i++) {
        struct ms_state_record *r = ms_state_find_or_add(known, &file->records[i].member);
        if (!r->changed)
            r->saved = file->records[i].saved;
    }
    if (!known->marks.changed)
        known->marks = file->marks;
}

/* ---- the handle ---- */

const char *ms_state_path(const struct ms_state *s)
{
    return *s->folder ? s->path : NULL;
}

bool ms_state_get(const struct ms_state *s, const struct ms_uuid *member,
                  struct ms_health_saved *out)
{
    struct ms_state *m = s->self;
    MS_HOLD(&m->mutex);
    const struct ms_state_record *r = ms_state_find(&m->known, member);
    if (r)
        *out = r->saved;
    return r;
}

static int64_t not_negative(int64_t time)
{
    return time > 0 ? time : 0;
}

void ms_state_put(struct ms_state *s, const struct ms_uuid *member,
                  const struct ms_health_saved *saved)
{
    if (saved->changed_wall_ns <= 0)
        return;
    struct ms_health_saved bounded = *saved;
    bounded.since_wall_ns = not_negative(saved->since_wall_ns);
    bounded.next_wall_ns = not_negative(saved->next_wall_ns);
    bounded.last_wall_ns = not_negative(saved->last_wall_ns);
    if (bounded.failures > MS_STATE_FAILURES_MAX)
        bounded.failures = MS_STATE_FAILURES_MAX;
    MS_HOLD(&s->mutex);
    struct ms_state_record *r = ms_state_find_or_add(&s->known, member);
    if (ms_health_saved_equal(&r->saved, &bounded))
        return;
    r->saved = bounded;
    r->changed = true;
}

uint64_t ms_state_epoch(const struct ms_state *s)
{
    MS_HOLD(&s->self->mutex);
    return s->known.epoch;
}

bool ms_state_raise_epoch(struct ms_state *s, uint64_t epoch)
{
    MS_HOLD(&s->mutex);
    if (epoch <= s->known.epoch)
        return false;
    s->known.epoch = epoch;
    s->epoch_changed = true;
    return true;
}

void ms_state_marks(const struct ms_state *s, struct ms_state_marks *marks)
{
    MS_HOLD(&s->self->mutex);
    const struct ms_state_marks *known = &s->known.marks;
    bool ours = known->count && ms_state_marks_alike(known, marks);
    marks->count = ours ? known->count : 0;
    memcpy(marks->list, known->list, marks->count * sizeof *marks->list);
}

static bool is_news(const struct ms_state_marks *known, const struct ms_away_known *k)
{
    for (size_t i = 0; i < known->count; i++)
        if (ms_away_equal(&known->list[i].mark, &k->mark))
            return k->since_ns < known->list[i].since_ns ||
                   k->seen_ns > known->list[i].seen_ns + MS_AWAY_STANDS_NS / 4;
    return true;
}

void ms_state_put_marks(struct ms_state *s, const struct ms_state_marks *marks)
{
    MS_HOLD(&s->mutex);
    struct ms_state_marks *known = &s->known.marks;
    bool news = marks->count && !ms_state_marks_alike(known, marks);
    for (size_t i = 0; i < marks->count; i++)
        news |= is_news(known, &marks->list[i]);
    if (news && ms_state_marks_join(known, marks))
        known->changed = true;
}

/* Under the lock. */
static bool changed(const struct ms_state *s)
{
    bool any = s->epoch_changed || s->known.marks.changed;
    for (size_t i = 0; i < s->known.count; i++)
        any |= s->known.records[i].changed;
    return any;
}

/* Reads, merges, replaces: under flock, not under the mutex. */
static int exchange(struct ms_state *s, struct ms_state_content *file,
                    const struct ms_state_content *ours, int64_t wall_ns, struct ms_error *err)
{
    MS_AUTO_CLOSE int folder = ms_private_folder_open(s->folder, "state", true, err);
    if (folder < 0)
        return folder;
    bool newer;
    int code = lock(folder, s->folder, err);
    if (!code)
        code = read_file(s, file, &newer, err);
    if (code || newer)
        return code;
    merge(file, ours, wall_ns);
    MS_AUTO_BUF struct ms_buf *text = NULL;
    code = ms_state_format(file, &s->store, &text, err);
    if (!code)
        code = ms_private_file_replace(folder, s->name, ms_buf_view(text), err);
    return code ? ms_error_prefix(err, code, "the state folder %s", s->folder) : 0;
}

/* Under the lock, both. */
static void enter(struct ms_state *s)
{
    while (s->busy)
        ms_cond_wait(&s->idle, &s->mutex);
    s->busy = true;
}

static void leave(struct ms_state *s)
{
    s->busy = false;
    ms_cond_signal(&s->idle);
}

int ms_state_save(struct ms_state *s, int64_t wall_ns, struct ms_error *err)
{
    if (!*s->folder)
        return 0;
    MS_AUTO_FREE struct ms_state_content *ours = malloc(sizeof *ours);
    MS_AUTO_FREE struct ms_state_content *file = malloc(sizeof *file);
    if (!ours || !file)
        return no_memory(err);
    {
        MS_HOLD(&s->mutex);
        enter(s);
        if (!changed(s)) {
            leave(s);
            return 0;
        }
        *ours = s->known;
        s->known.marks.changed = false;
        if (ours->epoch == MS_STATE_ENDED && !s->epoch_changed)
            ours->epoch =
                0; /* whoever ends the store forgets that again; so nobody else keeps it */
    }
    int code = exchange(s, file, ours, wall_ns, err);
    MS_HOLD(&s->mutex);
    if (code)
        s->known.marks.changed |= ours->marks.changed;
    else
        learn(s, file, ours);
    leave(s);
    return code;
}

static int remove_file(const struct ms_state *s, struct ms_error *err)
{
    MS_AUTO_CLOSE int folder = ms_private_folder_open(s->folder, "state", true, err);
    int code = folder < 0 ? folder : lock(folder, s->folder, err);
    if (!code && unlinkat(folder, s->name, 0) != 0 && errno != ENOENT)
        code = ms_error_errno(err, errno, "remove %s", s->path);
    return code;
}

int ms_state_forget(struct ms_state *s, struct ms_error *err)
{
    {
        MS_HOLD(&s->mutex);
        enter(s);
    }
    int code = *s->folder ? remove_file(s, err) : 0;
    MS_HOLD(&s->mutex);
    if (!code) {
        s->known.epoch = s->known.count = s->known.marks.count = 0;
        s->epoch_changed = s->known.marks.changed = false;
    }
    leave(s);
    return code;
}

int ms_state_reload(struct ms_state *s, struct ms_error *err)
{
    if (!*s->folder)
        return 0;
    MS_AUTO_FREE struct ms_state_content *file = malloc(sizeof *file);
    if (!file)
        return no_memory(err);
    {
        MS_HOLD(&s->mutex);
        enter(s);
    }
    bool newer;
    int code = read_file(s, file, &newer, err);
    MS_HOLD(&s->mutex);
    if (!code)
        learn(s, file, NULL);
    leave(s);
    return code;
}

int ms_state_open(const struct ms_uuid *store, const char *folder, struct ms_state **out,
                  struct ms_error *err)
{
    struct ms_state *s = calloc(1, sizeof *s);
    if (!s)
        return no_memory(err);
    s->self = s;
    s->store = *store;
    ms_mutex_init(&s->mutex);
    ms_cond_init(&s->idle);
    int code = choose_folder(s, folder, err);
    snprintf(s->name, sizeof s->name, "%s.state", MS_UUID_SHOW(store));
    snprintf(s->path, sizeof s->path, "%s/%s", s->folder, s->name);
    struct ms_error why = {0};
    if (!code && ms_state_reload(s, &why) != 0) {
        if (why.code == MS_ERR_NO_MEMORY)
            code = ms_error_set(err, why.code, "%s", why.text);
        else
            warn(s, "what is known of members cannot be read", &why);
    }
    if (code) {
        ms_state_free(s);
        return code;
    }
    *out = s;
    return 0;
}

void ms_state_free(struct ms_state *s)
{
    if (!s)
        return;
    ms_cond_fini(&s->idle);
    ms_mutex_fini(&s->mutex);
    free(s);
}
