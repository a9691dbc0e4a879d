/* server/audit.c - see server/audit.h. A line is made in memory first, then written with one call:
 * lines of many threads and processes do not mix. (A pipe takes no more than PIPE_BUF bytes as one:
 * longer lines may mix there.) Nobody waits for another's write: a reader of the log that stands
 * still holds up neither a reload nor who writes to the log that the reload has opened. */
#include "server/audit.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/sync.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#define NAME_MAX_BYTES 1200 /* of a name from outside; what is longer is cut */
#define TIME_SIZE      32

/* Where lines go. A writer holds a reference: what SIGHUP replaces is closed by the last of them.
 */
struct sink {
    int fd; /* -1: nothing is written */
    bool json, failing;
    unsigned references; /* atomic, like failing */
};

struct server_audit {
    struct ms_mutex mutex; /* never held while something is written */
    struct sink *sink;     /* guarded by mutex */
};

/* ---- opening ---- */

static int open_log(const char *path, int *fd, struct ms_error *err)
{
    *fd = -1;
    if (!path || strcmp(path, "stderr") == 0)
        *fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    else if (strcmp(path, "none") != 0)
        *fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    else
        return 0;
    return *fd >= 0 ? 0
                    : ms_error_errno(err, errno, "open the audit log %s", path ? path : "stderr");
}

static void sink_unref(struct sink *s)
{
    if (!s || __atomic_sub_fetch(&s->references, 1, __ATOMIC_ACQ_REL))
        return;
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}

static struct sink *current_sink(struct server_audit *a)
{
    MS_HOLD(&a->mutex);
    __atomic_add_fetch(&a->sink->references, 1, __ATOMIC_RELAXED);
    return a->sink;
}

int server_audit_new(const char *path, bool json, struct server_audit **out, struct ms_error *err)
{
    struct server_audit *a = calloc(1, sizeof *a);
    struct sink *s = calloc(1, sizeof *s);
    int code = 0;
    if (!a || !s)
        code = ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the audit log");
    else
        code = open_log(path, &s->fd, err);
    if (code) {
        free(a);
        free(s);
        return code;
    }
    s->json = json;
    s->references = 1;
    a->sink = s;
    ms_mutex_init(&a->mutex);
    *out = a;
    return 0;
}

void server_audit_free(struct server_audit *a)
{
    if (!a)
        return;
    sink_unref(a->sink);
    ms_mutex_fini(&a->mutex);
    free(a);
}

void server_audit_replace(struct server_audit *a, struct server_audit *next)
{
    {
        MS_HOLD(&a->mutex);
        struct sink *old = a->sink;
        a->sink = next->sink;
        next->sink = old;
    }
    server_audit_free(next);
}

/* ---- a line ---- */

static const char *time_of(char text[TIME_SIZE], int64_t wall_ns)
{
    time_t s = (time_t)(wall_ns / 1000000000);
    struct tm tm;
    if (!gmtime_r(&s, &tm) || !strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm))
        return "-";
    size_t used = strlen(text);
    snprintf(text + used, TIME_SIZE - used, ".%03dZ", (int)(wall_ns / 1000000 % 1000));
    return text;
}

static bool is_plain(uint8_t c)
{
    return c > ' ' && c < 0x7f && c != '\\' && c != '=' && c != '"';
}

/* Blanks and '=' are escaped too: what is between two blanks is one field. */
static void put_field(FILE *f, const char *field, const char *text)
{
    fprintf(f, " %s=", field);
    if (!text || !*text || strcmp(text, "-") == 0) {
        fputs(text && *text ? "\\x2d" : "-", f);
        return;
    }
    size_t size = strnlen(text, NAME_MAX_BYTES + 1);
    for (size_t i = 0; i < size && i < NAME_MAX_BYTES; i++)
        if (is_plain((uint8_t)text[i]))
            fputc(text[i], f);
        else
            fprintf(f, "\\x%02x", (uint8_t)text[i]);
    if (size > NAME_MAX_BYTES)
        fputs("\\...", f);
}

static void put_text(FILE *f, const struct server_audit_line *l)
{
    char text[TIME_SIZE];
    fputs(time_of(text, l->wall_ns), f);
    put_field(f, "peer", l->peer);
    put_field(f, "user", l->user);
    put_field(f, "store", l->store);
    put_field(f, "method", l->method);
    put_field(f, "cmd", l->cmd);
    put_field(f, "name", l->name);
    put_field(f, "to", l->to);
    fprintf(f, " status=%d in=%llu out=%llu ms=%llu.%03llu", l->status,
            (unsigned long long)l->in_bytes, (unsigned long long)l->out_bytes,
            (unsigned long long)(l->duration_ns / 1000000),
            (unsigned long long)(l->duration_ns / 1000 % 1000));
}

static void put_member(struct ms_json *j, const char *key, const char *text)
{
    if (!text || !*text)
        return;
    ms_json_key(j, key);
    ms_json_string(j, ms_view(text, strnlen(text, NAME_MAX_BYTES)));
}

static void put_json(FILE *f, const struct server_audit_line *l)
{
    char text[TIME_SIZE];
    struct ms_json j;
    ms_json_init(&j, f);
    ms_json_object(&j);
    ms_json_put_text(&j, "time", time_of(text, l->wall_ns));
    put_member(&j, "peer", l->peer);
    put_member(&j, "user", l->user);
    put_member(&j, "store", l->store);
    put_member(&j, "method", l->method);
    put_member(&j, "cmd", l->cmd);
    put_member(&j, "name", l->name);
    put_member(&j, "to", l->to);
    ms_json_key(&j, "status");
    ms_json_i64(&j, l->status);
    ms_json_put_u64(&j, "in", l->in_bytes);
    ms_json_put_u64(&j, "out", l->out_bytes);
    ms_json_put_u64(&j, "duration_ns", l->duration_ns);
    ms_json_end(&j, '}');
}

static bool write_all(int fd, const char *text, size_t size)
{
    while (size) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        size -= (size_t)n;
    }
    return true;
}

static bool write_line(const struct sink *s, const struct server_audit_line *line)
{
    MS_AUTO_FREE char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return false;
    (s->json ? put_json : put_text)(f, line);
    fputc('\n', f);
    return fclose(f) == 0 && write_all(s->fd, text, size);
}

void server_audit_write(struct server_audit *a, const struct server_audit_line *line)
{
    struct sink *s = current_sink(a);
    bool ok = s->fd < 0 || write_line(s, line);
    int why = errno;
    bool failed_before = __atomic_exchange_n(&s->failing, !ok, __ATOMIC_RELAXED);
    if (!ok && !failed_before)
        ms_log(MS_LOG_ERROR, "the audit log cannot be written: %s", strerror(why));
    sink_unref(s);
}
