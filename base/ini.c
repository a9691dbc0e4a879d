/* INI text, strictly: what is not understood is refused, with the line it is on. Works on a copy of
 * the text that is cut into strings in place; keys seen so far are in a hash set of pointers into
 * it. Any thread. */
#include "base/ini.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define LINE_MAX_BYTES 4096
#define FILE_MAX_BYTES (1024 * 1024)

struct seen {
    const char *section, *name, *key;
};

struct parser {
    const char *source;
    struct ms_error *err;
    struct ms_ini_entry entry;
    struct seen *seen; /* open addressing; `capacity` is a power of two */
    size_t seen_count, seen_capacity;
};

static int refuse(const struct parser *p, const char *what)
{
    return ms_error_set(p->err, MS_ERR_CONFIG, "%s:%u: %s", p->source, p->entry.line, what);
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    do {
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3u; /* FNV-1a, the NUL too */
    } while (*text++);
    return hash;
}

/* The place of the key, taken or free. */
static struct seen *find_seen(struct seen *seen, size_t capacity, const struct seen *key)
{
    uint64_t hash = hash_text(0xcbf29ce484222325u, key->section);
    hash = hash_text(hash_text(hash, key->name), key->key);
    size_t i = (size_t)(hash ^ hash >> 32) & (capacity - 1);
    while (seen[i].key &&
           (strcmp(seen[i].key, key->key) != 0 || strcmp(seen[i].name, key->name) != 0 ||
            strcmp(seen[i].section, key->section) != 0))
        i = (i + 1) & (capacity - 1);
    return &seen[i];
}

static int grow_seen(struct parser *p)
{
    size_t capacity = p->seen_capacity ? 2 * p->seen_capacity : 64;
    struct seen *bigger = calloc(capacity, sizeof *bigger);
    if (!bigger)
        return ms_error_set(p->err, MS_ERR_NO_MEMORY, "no memory to read %s", p->source);
    for (size_t i = 0; i < p->seen_capacity; i++)
        if (p->seen[i].key)
            *find_seen(bigger, capacity, &p->seen[i]) = p->seen[i];
    free(p->seen);
    p->seen = bigger;
    p->seen_capacity = capacity;
    return 0;
}

static int note_key(struct parser *p)
{
    int code = p->seen_count >= p->seen_capacity / 2 ? grow_seen(p) : 0;
    if (code)
        return code;
    struct seen key = {p->entry.section, p->entry.name, p->entry.key};
    struct seen *place = find_seen(p->seen, p->seen_capacity, &key);
    if (place->key)
        return refuse(p, "this key was given before in the same section");
    *place = key;
    p->seen_count++;
    return 0;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static char *trim(char *text)
{
    while (blank(*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && blank(text[length - 1]))
        text[--length] = '\0';
    return text;
}

static bool is_word(const char *text, bool slashes)
{
    static const char allowed[] =
        "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    return *text && text[strspn(text, allowed + !slashes)] == '\0';
}

static int parse_section(struct parser *p, char *line)
{
    size_t length = strlen(line);
    if (line[length - 1] != ']')
        return refuse(p, "a section must end in ]");
    line[length - 1] = '\0';
    char *section = trim(line + 1);
    char *name = section + strcspn(section, " \t");
    if (*name) {
        *name++ = '\0';
        name = trim(name);
    }
    if (!is_word(section, false) || strpbrk(name, "[]"))
        return refuse(p, "a section must look like [section] or [section name]");
    p->entry.section = section;
    p->entry.name = name;
    p->entry.key = p->entry.value = NULL;
    return 0;
}

static int parse_pair(struct parser *p, char *line)
{
    char *equals = strchr(line, '=');
    if (!equals)
        return refuse(p, "expected [section] or key = value");
    if (!p->entry.section)
        return refuse(p, "a key must stand in a [section]");
    *equals = '\0';
    p->entry.key = trim(line);
    p->entry.value = trim(equals + 1);
    if (!is_word(p->entry.key, true))
        return refuse(p, "a key must be made of letters, digits, '_', '-', '.' and '/'");
    return note_key(p);
}

/* What may stand in a line: UTF-8 without control characters but tab. */
static bool is_text(const uint8_t *p, size_t size)
{
    for (size_t i = 0; i < size;) {
        uint8_t c = p[i++];
        if ((c < 0x20 && c != '\t') || c == 0x7f || (c >= 0x80 && c < 0xc2) || c > 0xf4)
            return false;
        size_t more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        if (more > size - i)
            return false;
        if ((c == 0xe0 && p[i] < 0xa0) || (c == 0xed && p[i] > 0x9f) ||
            (c == 0xf0 && p[i] < 0x90) || (c == 0xf4 && p[i] > 0x8f))
            return false;
        for (; more > 0; more--)
            if ((p[i++] & 0xc0) != 0x80)
                return false;
    }
    return true;
}

/* line: `size` bytes without the line's end, and a byte behind them that may be overwritten. Sets
 * *some when the line has an entry. */
static int parse_line(struct parser *p, char *line, size_t size, bool *some)
{
    *some = false;
    if (size > LINE_MAX_BYTES)
        return refuse(p, "the line is longer than 4096 bytes");
    if (size > 0 && line[size - 1] == '\r')
        size--;
    if (!is_text((const uint8_t *)line, size))
        return refuse(p, "the line is not UTF-8 text");
    line[size] = '\0';
    line = trim(line);
    if (*line == '\0' || *line == '#' || *line == ';')
        return 0;
    *some = true;
    return *line == '[' ? parse_section(p, line) : parse_pair(p, line);
}

int ms_ini_parse(struct ms_view text, const char *source,
                 int (*entry)(void *ctx, const struct ms_ini_entry *e, struct ms_error *err),
                 void *ctx, struct ms_error *err)
{
    MS_AUTO_FREE char *copy = malloc(text.size + 1);
    if (!copy)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to read %s", source);
    if (text.size)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\n';

    struct parser p = {.source = source, .err = err};
    int code = 0;
    size_t at = ms_starts_with(text, ms_str("\xef\xbb\xbf")) ? 3 : 0; /* a byte order mark */
    while (at < text.size && code == 0) {
        char *line = copy + at;
        const char *end = memchr(line, '\n', text.size + 1 - at);
        size_t size = (size_t)(end - line);
        bool some;
        p.entry.line++;
        code = parse_line(&p, line, size, &some);
        if (code == 0 && some)
            code = entry(ctx, &p.entry, err);
        at += size + 1;
    }
    free(p.seen);
    explicit_bzero(copy, text.size); /* it may hold secrets */
    return code;
}

int ms_ini_parse_file(const char *path,
                      int (*entry)(void *ctx, const struct ms_ini_entry *e, struct ms_error *err),
                      void *ctx, struct ms_error *err)
{
    MS_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return ms_error_errno(err, errno, "open %s", path);
    struct stat st;
    if (fstat(fd, &st) != 0)
        return ms_error_errno(err, errno, "stat %s", path);
    if (!S_ISREG(st.st_mode))
        return ms_error_set(err, MS_ERR_CONFIG, "%s is not a file", path);
    MS_AUTO_FREE uint8_t *text = malloc(FILE_MAX_BYTES + 1);
    if (!text)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to read %s", path);
    size_t size = 0;
    ssize_t got;
    while (size <= FILE_MAX_BYTES &&
           (got = read(fd, text + size, FILE_MAX_BYTES + 1 - size)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ms_error_errno(err, errno, "read %s", path);
        size += (size_t)got;
    }
    if (size > FILE_MAX_BYTES)
        return ms_error_set(err, MS_ERR_CONFIG, "%s is larger than 1 MiB", path);
    return ms_ini_parse(ms_view(text, size), path, entry, ctx, err);
}
