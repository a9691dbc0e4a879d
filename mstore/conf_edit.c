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
    return text ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a configuration");
}

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

/* *there: the file has the member already, with that URL. */
static int look_for(const char *path, struct ms_view text, const char *name, const char *url,
                    bool *there, struct ms_error *err)
{
    struct ms_mconf *conf = NULL;
    int code = ms_mconf_parse(text, path, &conf, err);
    if (code)
        return code;
    const char *found = ms_mconf_url(conf, name);
    *there = found != NULL;
    if (found && strcmp(found, url) != 0)
        code = ms_error_set(err, MS_ERR_CONFIG,
                            "%s has a [member %s] with another url: remove that section, or take "
                            "another name",
                            path, name);
    ms_mconf_free(conf);
    return code;
}

static int add(const struct edited *e, const struct ms_layout_member *m, const char *url,
               struct ms_mconf_edit *edit, struct ms_error *err)
{
    struct ms_private_file file;
    MS_AUTO_BUF struct ms_buf *text = NULL;
    bool there = false;
    int code = ms_private_file_read(e->path, "the store's configuration", &file, err);
    if (code)
        return code;
    struct ms_view before = ms_private_file_view(&file);
    code = look_for(e->path, before, m->name, url, &there, err);
    if (!code && !there)
        code = append(before, m, url, &text, err);
    if (!code && !there)
        code = check_text(e->path, ms_buf_view(text), m->name, url, err);
    if (!code && !there)
        code = replace(e, ms_buf_view(text), err);
    if (!code && !there) /* without memory for it, it stays */
        edit->added =
            ms_buf_copy(ms_view(ms_buf_data(text) + before.size, ms_buf_size(text) - before.size));
    if (text)
        explicit_bzero(ms_buf_data(text), ms_buf_size(text));
    ms_private_file_free(&file);
    return code;
}

int ms_mconf_add_member(const char *path, const struct ms_layout_member *m, const char *url,
                        struct ms_mconf_edit *edit, struct ms_error *err)
{
    struct edited e;
    *edit = (struct ms_mconf_edit){0};
    int code = begin_edit(path, &e, err);
    if (!code)
        code = add(&e, m, url, edit, err);
    end_edit(&e);
    return code;
}

/* All but what was added, wherever that is by now; nothing is done when it is not there. */
static int take_out(const struct edited *e, struct ms_view added, struct ms_error *err)
{
    struct ms_private_file file;
    int code = ms_private_file_read(e->path, "the store's configuration", &file, err);
    if (code)
        return code;
    uint8_t *text = ms_buf_data(file.text), *end = text + ms_buf_size(file.text);
    uint8_t *found = memmem(text, ms_buf_size(file.text), added.data, added.size);
    if (found) {
        memmove(found, found + added.size, (size_t)(end - found) - added.size);
        code = replace(e, ms_view(text, ms_buf_size(file.text) - added.size), err);
    }
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
        code = take_out(&e, ms_buf_view(edit->added), err);
    end_edit(&e);
    return code;
}

void ms_mconf_edit_fini(struct ms_mconf_edit *edit)
{
    if (edit->added)
        explicit_bzero(ms_buf_data(edit->added), ms_buf_size(edit->added));
    ms_buf_unref(edit->added);
    edit->added = NULL;
}
