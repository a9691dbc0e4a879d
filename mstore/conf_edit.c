/* mstore/conf_edit.c - see mstore/conf_edit.h. */
#include "mstore/conf_edit.h"

#include "base/cleanup.h"
#include "base/private_file.h"
#include "mstore/layout_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#define SECTION_MAX 8192

static int system_error(const char *path, const char *what, struct ms_error *err)
{
    int number = errno;
    return ms_error_set(err, number == EACCES || number == EPERM ? MS_ERR_ACCESS : MS_ERR_IO,
                        "%s: %s: %s", path, what, strerror(number));
}

static int no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a configuration");
}

static void wipe(struct ms_buf **text)
{
    if (*text)
        explicit_bzero(ms_buf_data(*text), ms_buf_size(*text));
    ms_buf_unref(*text);
    *text = NULL;
}

/* ---- replacing a file ---- */

/* A file that is being edited. Edits of several programs come one after the other: each holds a
 * lock on the folder (the file itself is replaced). */
struct edited {
    const char *path; /* for sentences */
    char *real;       /* a link stays one: what it leads to is replaced */
    int folder;       /* -1: it cannot be read, and not be locked */
};

static void end_edit(struct edited *e)
{
    free(e->real);
    if (e->folder >= 0)
        close(e->folder);
}

static int begin_edit(const char *path, struct edited *e, struct ms_error *err)
{
    char folder[PATH_MAX];
    *e = (struct edited){.path = path, .real = realpath(path, NULL), .folder = -1};
    if (!e->real)
        return system_error(path, "it cannot be read", err);
    snprintf(folder, sizeof folder, "%s", e->real);
    char *slash = strrchr(folder, '/');
    slash[slash == folder] = 0;
    e->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (e->folder >= 0 && flock(e->folder, LOCK_EX) && errno == EINTR)
        continue;
    return 0;
}

/* The new file, beside the old one and with its rights. */
static int write_beside(const char *beside, const struct stat *like, struct ms_view text,
                        struct ms_error *err)
{
    (void)!unlink(beside); /* of one who died */
    MS_AUTO_CLOSE int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return system_error(beside, "it cannot be made", err);
    if (!ms_pwrite_all(fd, text.data, text.size, 0))
        return system_error(beside, "it cannot be written", err);
    if (fchown(fd, like->st_uid, like->st_gid) && errno != EPERM)
        return system_error(beside, "its owner cannot be set", err);
    if (fchmod(fd, like->st_mode & 07777) || fsync(fd))
        return system_error(beside, "it cannot be finished", err);
    return 0;
}

static int replace(const struct edited *e, struct ms_view text, struct ms_error *err)
{
    char beside[PATH_MAX + 32];
    struct stat like;
    if (stat(e->real, &like))
        return system_error(e->path, "it cannot be read", err);
    snprintf(beside, sizeof beside, "%s.mstore.tmp", e->real);
    int code = write_beside(beside, &like, text, err);
    if (!code && rename(beside, e->real))
        code = system_error(e->path, "it cannot be replaced", err);
    if (code)
        (void)!unlink(beside);
    else if (e->folder >= 0)
        (void)!fsync(e->folder);
    return code;
}

/* ---- the section ---- */

/* Its length; 0: it does not fit. */
static size_t write_section(char *to, const struct ms_layout_member *m, const char *url)
{
    int n = snprintf(to, SECTION_MAX, "\n[member %s]\nurl = %s\n", m->name, url);
    if (n > 0 && n < SECTION_MAX && m->weight != 1)
        n += snprintf(to + n, SECTION_MAX - (size_t)n, "weight = %u\n", m->weight);
    if (n > 0 && n < SECTION_MAX && strcmp(m->zone, m->name) != 0)
        n += snprintf(to + n, SECTION_MAX - (size_t)n, "zone = %s\n", m->zone);
    if (n > 0 && n < SECTION_MAX && m->state == MS_WITNESS)
        n += snprintf(to + n, SECTION_MAX - (size_t)n, "state = witness\n");
    return n > 0 && n < SECTION_MAX ? (size_t)n : 0;
}

static bool ends_line(struct ms_view text)
{
    return !text.size || text.data[text.size - 1] == '\n';
}

/* The old text, a line's end if there is none, the section. */
static int append(struct ms_view before, const struct ms_layout_member *m, const char *url,
                  struct ms_buf **out, struct ms_error *err)
{
    char section[SECTION_MAX];
    size_t size = write_section(section, m, url), line = ends_line(before) ? 0 : 1;
    if (!size)
        return ms_error_set(err, MS_ERR_CONFIG, "the url of member %s is too long", m->name);
    struct ms_buf *text = ms_buf_new(before.size + line + size);
    if (text) {
        memcpy(ms_buf_data(text), before.data, before.size);
        memset(ms_buf_data(text) + before.size, '\n', line);
        memcpy(ms_buf_data(text) + before.size + line, section, size);
    }
    explicit_bzero(section, sizeof section);
    *out = text;
    return text ? 0 : no_memory(err);
}

/* ---- a section that gives way ---- */

static struct ms_view first_line(struct ms_view text)
{
    const uint8_t *feed = memchr(text.data, '\n', text.size);
    return ms_view(text.data, feed ? (size_t)(feed + 1 - text.data) : text.size);
}

/* What it begins with; 0: it is empty. */
static char begin_of(struct ms_view line)
{
    size_t at = 0;
    while (at < line.size && (line.data[at] == ' ' || line.data[at] == '\t'))
        at++;
    return at < line.size && line.data[at] != '\r' && line.data[at] != '\n' ? (char)line.data[at]
                                                                            : 0;
}

/* Whose head is the line of that number: up to the next head. */
static struct ms_view section_at(struct ms_view text, unsigned number)
{
    struct ms_view found = {0};
    for (unsigned n = 1; text.size; n++) {
        struct ms_view line = first_line(text);
        if (n == number)
            found = ms_view(line.data, 0);
        else if (n > number && begin_of(line) == '[')
            break;
        found.size += n >= number ? line.size : 0;
        text = ms_view(text.data + line.size, text.size - line.size);
    }
    return found;
}

/* With "# " before each line that says something. NULL: no memory. */
static struct ms_buf *comment_out(struct ms_view section)
{
    size_t size = 0;
    struct ms_buf *out = ms_buf_new(3 * section.size);
    for (struct ms_view rest = section; out && rest.size;) {
        struct ms_view line = first_line(rest);
        char begin = begin_of(line);
        if (begin && begin != '#' && begin != ';') {
            memcpy(ms_buf_data(out) + size, "# ", 2);
            size += 2;
        }
        memcpy(ms_buf_data(out) + size, line.data, line.size);
        size += line.size;
        rest = ms_view(rest.data + line.size, rest.size - line.size);
    }
    if (out)
        ms_buf_truncate(out, size);
    return out;
}

/* The text with something else in place of a part of it. NULL: no memory. */
static struct ms_buf *exchange(struct ms_view text, struct ms_view part, struct ms_view other)
{
    size_t begin = (size_t)(part.data - text.data), end = begin + part.size;
    struct ms_buf *out = ms_buf_new(text.size - part.size + other.size);
    if (!out)
        return NULL;
    memcpy(ms_buf_data(out), text.data, begin);
    if (other.size)
        memcpy(ms_buf_data(out) + begin, other.data, other.size);
    memcpy(ms_buf_data(out) + begin + other.size, text.data + end, text.size - end);
    return out;
}

/* The section whose head is that line (0: none) becomes a comment. */
static int hide(struct ms_view text, unsigned line, struct ms_mconf_edit *edit, struct ms_buf **out,
                struct ms_error *err)
{
    struct ms_view section = line ? section_at(text, line) : ms_view(text.data, 0);
    if (line) {
        edit->was = ms_buf_copy(section);
        edit->hidden = comment_out(section);
        *out =
            edit->was && edit->hidden ? exchange(text, section, ms_buf_view(edit->hidden)) : NULL;
    } else {
        *out = ms_buf_copy(text);
    }
    return *out ? 0 : no_memory(err);
}

/* ---- the file with a member more ---- */

/* What the file would be must be accepted as a file of members, and have the URL where it belongs
 * (a URL with a line's end in it would be more than that). */
static int check_text(const char *path, struct ms_view text, const char *name, const char *url,
                      struct ms_error *err)
{
    struct ms_mconf *conf = NULL;
    int code = ms_mconf_parse(text, path, &conf, err);
    const char *found = code ? NULL : ms_mconf_url(conf, name);
    if (!code && (!found || strcmp(found, url) != 0))
        code = ms_error_set(err, MS_ERR_CONFIG, "what is to be the url of member %s is none", name);
    if (!code)
        ms_mconf_free(conf);
    return code;
}

/* *there: the file has the member already, with that URL. *line: of the section that gives way. */
static int look_for(const char *path, struct ms_view text, const struct ms_mconf_member *m,
                    bool *there, unsigned *line, struct ms_error *err)
{
    struct ms_mconf *conf = NULL;
    int code = ms_mconf_parse(text, path, &conf, err);
    if (code)
        return code;
    const char *found = ms_mconf_url(conf, m->as->name);
    const char *other = m->gives_way ? ms_mconf_url(conf, m->gives_way) : NULL;
    *there = found != NULL;
    if (other && strcmp(other, m->url) == 0)
        *line = ms_layout_member(conf->shared, m->gives_way)->line;
    if (found && strcmp(found, m->url) != 0)
        code = ms_error_set(err, MS_ERR_CONFIG,
                            "%s has a [member %s] with another url: remove that section, or take "
                            "another name",
                            path, m->as->name);
    ms_mconf_free(conf);
    return code;
}

/* What the file would be; NULL: as it is. */
static int make_text(const char *path, struct ms_view before, const struct ms_mconf_member *m,
                     struct ms_mconf_edit *edit, struct ms_buf **out, struct ms_error *err)
{
    struct ms_buf *rest = NULL, *text = NULL;
    bool there = false;
    unsigned line = 0;
    int code = look_for(path, before, m, &there, &line, err);
    if (code || there)
        return code;
    code = hide(before, line, edit, &rest, err);
    if (!code)
        code = append(ms_buf_view(rest), m->as, m->url, &text, err);
    if (!code)
        code = check_text(path, ms_buf_view(text), m->as->name, m->url, err);
    if (!code) {
        size_t size = ms_buf_size(rest);
        edit->added = ms_buf_copy(ms_view(ms_buf_data(text) + size, ms_buf_size(text) - size));
        code = edit->added ? 0 : no_memory(err);
    }
    wipe(&rest);
    if (code)
        wipe(&text);
    *out = text;
    return code;
}

static int add(const struct edited *e, const struct ms_mconf_member *m, struct ms_mconf_edit *edit,
               struct ms_error *err)
{
    struct ms_private_file file;
    struct ms_buf *text = NULL;
    int code = ms_private_file_read(e->path, "the store's configuration", &file, err);
    if (code)
        return code;
    code = make_text(e->path, ms_private_file_view(&file), m, edit, &text, err);
    if (!code && text)
        code = replace(e, ms_buf_view(text), err);
    if (code)
        ms_mconf_edit_fini(edit);
    wipe(&text);
    ms_private_file_free(&file);
    return code;
}

int ms_mconf_add_member(const char *path, const struct ms_mconf_member *m,
                        struct ms_mconf_edit *edit, struct ms_error *err)
{
    struct edited e;
    *edit = (struct ms_mconf_edit){0};
    int code = begin_edit(path, &e, err);
    if (!code)
        code = add(&e, m, edit, err);
    end_edit(&e);
    return code;
}

int ms_mconf_try_member(const char *path, const struct ms_mconf_member *m, struct ms_error *err)
{
    struct ms_private_file file;
    struct ms_mconf_edit edit = {0};
    struct ms_buf *text = NULL;
    int code = ms_private_file_read(path, "the store's configuration", &file, err);
    if (code)
        return code;
    code = make_text(path, ms_private_file_view(&file), m, &edit, &text, err);
    ms_mconf_edit_fini(&edit);
    wipe(&text);
    ms_private_file_free(&file);
    return code;
}

/* ---- undoing it ---- */

/* `to` in place of `from`, wherever that is by now; nothing is done when it is not there, else
 * *changed is set. */
static int put_back(struct ms_buf **text, struct ms_view from, struct ms_view to, bool *changed,
                    struct ms_error *err)
{
    struct ms_view all = ms_buf_view(*text);
    const uint8_t *found = memmem(all.data, all.size, from.data, from.size);
    struct ms_buf *out = found ? exchange(all, ms_view(found, from.size), to) : NULL;
    if (found && !out)
        return no_memory(err);
    if (found) {
        wipe(text);
        *text = out;
        *changed = true;
    }
    return 0;
}

static int undo(const struct edited *e, const struct ms_mconf_edit *edit, struct ms_error *err)
{
    struct ms_private_file file;
    bool changed = false;
    int code = ms_private_file_read(e->path, "the store's configuration", &file, err);
    if (code)
        return code;
    code = put_back(&file.text, ms_buf_view(edit->added), ms_str(""), &changed, err);
    if (!code && edit->hidden)
        code =
            put_back(&file.text, ms_buf_view(edit->hidden), ms_buf_view(edit->was), &changed, err);
    if (!code && changed)
        code = replace(e, ms_private_file_view(&file), err);
    ms_private_file_free(&file);
    return code;
}

int ms_mconf_undo(const char *path, struct ms_mconf_edit *edit, struct ms_error *err)
{
    struct edited e;
    if (!edit->added)
        return 0;
    int code = begin_edit(path, &e, err);
    if (!code)
        code = undo(&e, edit, err);
    end_edit(&e);
    return code;
}

void ms_mconf_edit_fini(struct ms_mconf_edit *edit)
{
    wipe(&edit->added);
    wipe(&edit->hidden);
    wipe(&edit->was);
}
