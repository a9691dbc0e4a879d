/* get: an item, or a range of it, to a file that appears when it is whole, or to standard output.
 */
#include "tools/mstore/cli.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "tools/mstore/output.h"
#include "tools/mstore/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define BLOCK_BYTES (1u << 20)

struct target {
    int fd;
    const char *name; /* for messages */
    char *path;       /* NULL: nothing to be renamed */
    char *temporary;  /* beside path */
    struct ms_cli *cli;
};

struct range {
    int64_t offset; /* negative: from the end */
    uint64_t size;
};

/* "-100", "4k", "-1MiB". */
static int parse_offset(const char *text, int64_t *out, struct ms_error *err)
{
    bool negative = text[0] == '-';
    uint64_t size;
    int code = ms_parse_size(text + negative, "--offset", &size, err);
    if (code || size > INT64_MAX)
        return ms_error_set(err, MS_CLI_USAGE,
                            "--offset must be a number of bytes, as 4096, 4k or -100 (from the "
                            "end), not %s",
                            MS_SHOW(ms_str(text)));
    *out = negative ? -(int64_t)size : (int64_t)size;
    return 0;
}

static int parse_range(const struct ms_cli *cli, struct range *r, struct ms_error *err)
{
    *r = (struct range){.size = MS_SIZE_TO_END};
    const char *offset = ms_args_value(&cli->args, "--offset");
    int code = offset ? parse_offset(offset, &r->offset, err) : 0;
    return code ? code : ms_args_size(&cli->args, "--size", &r->size, err);
}

/* ---- the target ----------------------------------------------------------------------------- */

/* A temporary file beside the target, with the mode of the file it will replace. */
static int open_temporary(struct target *t, mode_t mode, bool replaces, struct ms_error *err)
{
    char letters[13];
    ms_cli_scratch_name(letters);
    if (asprintf(&t->temporary, "%s.%s.tmp", t->path, letters) < 0) {
        t->temporary = NULL;
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a file name");
    }
    t->fd = open(t->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (t->fd < 0) {
        int errnum = errno;
        free(MS_TAKE(t->temporary));
        return ms_cli_local_error(err, errnum, "cannot write beside %s", t->name);
    }
    if (replaces && fchmod(t->fd, mode & 0777) != 0)
        return ms_cli_local_error(err, errno, "cannot set the mode of %s", t->name);
    return 0;
}

static int open_target(struct target *t, struct ms_error *err)
{
    const struct ms_args *args = &t->cli->args;
    const char *file = args->count > 2 ? args->positional[2] : "-";
    t->fd = STDOUT_FILENO;
    t->name = "standard output";
    if (strcmp(file, "-") == 0)
        return 0;
    t->name = file;
    struct stat st;
    bool there = stat(file, &st) == 0;
    if (there && S_ISDIR(st.st_mode))
        return ms_error_set(err, MS_CLI_LOCAL, "%s is a folder; name a file", file);
    if (there && !S_ISREG(st.st_mode)) { /* a device or a pipe is written to, not replaced */
        t->fd = open(file, O_WRONLY | O_CLOEXEC);
        return t->fd < 0 ? ms_cli_local_error(err, errno, "cannot write %s", file) : 0;
    }
    t->path = there ? realpath(file, NULL) : strdup(file);
    if (!t->path)
        return ms_cli_local_error(err, errno, "cannot write %s", file);
    return open_temporary(t, there ? st.st_mode : 0, there, err);
}

static int finish_target(struct target *t, int code, struct ms_error *err)
{
    bool opened = t->fd > STDOUT_FILENO;
    if (opened && close(t->fd) != 0 && !code)
        code = ms_cli_local_error(err, errno, "cannot write %s", t->name);
    if (!code && t->temporary && rename(t->temporary, t->path) != 0)
        code = ms_cli_local_error(err, errno, "cannot write %s", t->name);
    if (code && t->temporary)
        unlink(t->temporary);
    free(t->temporary);
    free(t->path);
    return code;
}

/* ---- the value ------------------------------------------------------------------------------ */

/* One request is all it takes. */
static int get_small(struct ms_store *store, struct ms_view key, const struct range *r,
                     bool deleted, const struct target *t, struct ms_error *err)
{
    struct ms_load_options options = MS_LOAD_OPTIONS_INIT;
    options.offset = r->offset;
    options.size = r->size;
    options.deleted = deleted;
    MS_AUTO_BUF struct ms_buf *value = NULL;
    int code = ms_store_load(store, key, &options, &value, err);
    return code ? code : ms_fd_write(t->fd, t->name, ms_buf_view(value), err);
}

static int get_blocks(struct ms_store_reader *reader, const struct range *r, const struct target *t,
                      struct ms_progress *progress, struct ms_error *err)
{
    uint64_t whole = ms_store_reader_info(reader)->size_bytes, at = 0;
    if (r->offset >= 0)
        at = (uint64_t)r->offset < whole ? (uint64_t)r->offset : whole;
    else if ((uint64_t)-r->offset < whole)
        at = whole - (uint64_t)-r->offset;
    uint64_t left = r->size < whole - at ? r->size : whole - at;
    ms_progress_total(progress, 1, left);
    MS_AUTO_FREE uint8_t *block = malloc(BLOCK_BYTES);
    if (!block)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a block of 1 MiB");
    while (left > 0) {
        size_t wanted = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES, got = 0;
        int code = ms_store_reader_read(reader, at, block, wanted, &got, err);
        if (!code && got < wanted)
            code = ms_error_set(err, MS_ERR_CORRUPT, "the item ended before its size");
        if (!code)
            code = ms_fd_write(t->fd, t->name, ms_view(block, got), err);
        if (code)
            return code;
        at += got;
        left -= got;
        ms_progress_add(progress, 0, got);
    }
    return 0;
}

static int get(struct ms_store *store, const struct range *r, const struct target *t,
               struct ms_error *err)
{
    struct ms_view key = ms_cli_key(t->cli, 1);
    bool deleted = ms_args_has(&t->cli->args, "--deleted");
    if (r->size <= BLOCK_BYTES)
        return get_small(store, key, r, deleted, t, err);
    struct ms_store_reader *reader = NULL;
    int code = ms_store_read(store, key, deleted, &reader, err);
    if (code)
        return code;
    struct ms_progress progress;
    ms_progress_begin(&progress, "get", NULL);
    progress.shown = progress.shown && !isatty(t->fd);
    code = get_blocks(reader, r, t, &progress, err);
    ms_progress_end(&progress);
    ms_store_reader_close(reader);
    return code;
}

int ms_cmd_get(struct ms_cli *cli, struct ms_error *err)
{
    struct target t = {.fd = -1, .cli = cli};
    struct range r;
    struct ms_store *store = NULL;
    int code = parse_range(cli, &r, err);
    if (!code)
        code = ms_cli_open(cli, &store, err);
    if (!code) {
        code = open_target(&t, err);
        if (!code)
            code = get(store, &r, &t, err);
        code = finish_target(&t, code, err);
    }
    return ms_cli_close(store, code, err);
}
