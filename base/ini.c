/* INI text, strictly: see ini.h. One pass over lines; repeated keys are found through a small list
 * of what the current section has. No state; any thread. */
#include "base/ini.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define LINE_MAX_BYTES 4096
#define FILE_MAX_BYTES (1 << 20)
#define KEYS_MAX       256

struct parser {
    const char *source;
    unsigned line;
    char section[LINE_MAX_BYTES + 1], *name; /* "store\0nas\0" */
    bool in_section;
    char *seen[KEYS_MAX]; /* keys of this section */
    size_t seen_count;
    int (*entry)(void *ctx, const struct ms_ini_entry *e, struct ms_error *err);
    void *ctx;
};

static int complain(const struct parser *p, const char *what, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_CONFIG, "%s:%u: %s", p->source, p->line, what);
}

static char *trim(char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    size_t size = strlen(text);
    while (size && (text[size - 1] == ' ' || text[size - 1] == '\t'))
        text[--size] = 0;
    return text;
}

static void forget_keys(struct parser *p)
{
    for (size_t i = 0; i < p->seen_count; i++)
        free(p->seen[i]);
    p->seen_count = 0;
}

static int remember_key(struct parser *p, const char *key, struct ms_error *err)
{
    for (size_t i = 0; i < p->seen_count; i++)
        if (strcmp(p->seen[i], key) == 0)
            return complain(p, "this key stands twice in its section", err);
    if (p->seen_count == KEYS_MAX)
        return complain(p, "too many keys in one section", err);
    if (!(p->seen[p->seen_count] = strdup(key)))
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to read %s", p->source);
    p->seen_count++;
    return 0;
}

static int report(const struct parser *p, const char *key, const char *value, struct ms_error *err)
{
    struct ms_ini_entry e = {p->section, p->name, key, value, p->line};
    return p->entry(p->ctx, &e, err);
}

static int parse_section(struct parser *p, char *text, struct ms_error *err)
{
    size_t size = strlen(text);
    if (text[size - 1] != ']')
        return complain(p, "a section is written [section] or [section name]", err);
    text[size - 1] = 0;
    strcpy(p->section, trim(text + 1));
    size_t word = strcspn(p->section, " \t");
    if (word == 0)
        return complain(p, "a section needs a name", err);
    p->name = p->section + word;
    if (*p->name) {
        *p->name = 0;
        p->name = trim(p->name + 1);
    }
    p->in_section = true;
    forget_keys(p);
    return report(p, NULL, NULL, err);
}

static int parse_line(struct parser *p, char *text, struct ms_error *err)
{
    text = trim(text);
    if (*text == 0 || *text == '#' || *text == ';')
        return 0;
    if (*text == '[')
        return parse_section(p, text, err);
    char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return complain(p, "expected \"key = value\", a [section] or a # comment", err);
    *equals = 0;
    const char *key = trim(text);
    if (!*key)
        return complain(p, "expected \"key = value\", a [section] or a # comment", err);
    if (!p->in_section)
        return complain(p, "a key stands before the first [section]", err);
    int code = remember_key(p, key, err);
    return code ? code : report(p, key, trim(equals + 1), err);
}

static int parse_lines(struct parser *p, struct ms_view text, char *line, struct ms_error *err)
{
    size_t at = 0;
    if (ms_starts_with(text, ms_view("\xef\xbb\xbf", 3)))
        at = 3; /* a byte order mark */
    while (at < text.size) {
        const uint8_t *start = text.data + at;
        const uint8_t *newline = memchr(start, '\n', text.size - at);
        size_t size = newline ? (size_t)(newline - start) : text.size - at;
        at += size + 1;
        p->line++;
        if (size && start[size - 1] == '\r')
            size--;
        if (size > LINE_MAX_BYTES)
            return complain(p, "this line is too long (4096 bytes at most)", err);
        if (memchr(start, 0, size))
            return complain(p, "there is a NUL byte in this line", err);
        memcpy(line, start, size);
        line[size] = 0;
        int code = parse_line(p, line, err);
        if (code)
            return code;
    }
    return 0;
}

int ms_ini_parse(struct ms_view text, const char *source,
                 int (*entry)(void *ctx, const struct ms_ini_entry *e, struct ms_error *err),
                 void *ctx, struct ms_error *err)
{
    struct parser *p = calloc(1, sizeof *p);
    char *line = malloc(LINE_MAX_BYTES + 1);
    int code = MS_ERR_NO_MEMORY;
    if (p && line) {
        p->source = source;
        p->name = p->section;
        p->entry = entry;
        p->ctx = ctx;
        code = text.size ? parse_lines(p, text, line, err) : 0;
        forget_keys(p);
    } else {
        ms_error_set(err, code, "no memory to read %s", source);
    }
    free(p);
    free(line);
    return code;
}

static int read_file(const char *path, struct ms_buf **out, struct ms_error *err)
{
    MS_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return ms_error_errno(err, errno, "cannot open %s", path);
    struct stat st;
    if (fstat(fd, &st) < 0)
        return ms_error_errno(err, errno, "cannot read %s", path);
    if (!S_ISREG(st.st_mode))
        return ms_error_set(err, MS_ERR_CONFIG, "%s is no regular file", path);
    if (st.st_size > FILE_MAX_BYTES)
        return ms_error_set(err, MS_ERR_CONFIG, "%s is too large (1 MiB at most)", path);
    MS_AUTO_BUF struct ms_buf *buf = ms_buf_new((size_t)st.st_size);
    if (!buf)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to read %s", path);
    size_t got = 0;
    while (got < (size_t)st.st_size) {
        ssize_t n = read(fd, ms_buf_data(buf) + got, (size_t)st.st_size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ms_error_errno(err, errno, "cannot read %s", path);
        if (n == 0)
            break;
        got += (size_t)n;
    }
    ms_buf_truncate(buf, got);
    *out = MS_TAKE(buf);
    return 0;
}

int ms_ini_parse_file(const char *path,
                      int (*entry)(void *ctx, const struct ms_ini_entry *e, struct ms_error *err),
                      void *ctx, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *buf = NULL;
    int code = read_file(path, &buf, err);
    return code ? code : ms_ini_parse(ms_buf_view(buf), path, entry, ctx, err);
}
