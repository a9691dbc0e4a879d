/* put: a file or standard input becomes an item, streamed in blocks, whole or not at all. */
#include "tools/mstore/cli.h"

#include "base/cleanup.h"
#include "tools/mstore/output.h"
#include "tools/mstore/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mstore/multi.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK_BYTES (1u << 20)

struct source {
    int fd;
    const char *name; /* for messages */
    uint64_t size_hint;
    off_t start; /* -1: it can be read once */
};

static int open_source(const struct ms_cli *cli, struct source *s, struct ms_error *err)
{
    const char *file = cli->args.count > 2 ? cli->args.positional[2] : NULL;
    struct stat st;
    if (!file || strcmp(file, "-") == 0) {
        *s = (struct source){.fd = STDIN_FILENO, .name = "standard input"};
        if (isatty(STDIN_FILENO))
            return ms_error_set(err, MS_CLI_USAGE,
                                "no FILE given, and standard input is a terminal; name a file or "
                                "pipe something in");
    } else {
        *s = (struct source){.fd = open(file, O_RDONLY | O_CLOEXEC), .name = file};
        if (s->fd < 0)
            return ms_cli_local_error(err, errno, "cannot read %s", file);
    }
    if (fstat(s->fd, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return ms_error_set(err, MS_CLI_LOCAL, "%s is a folder; put-tree stores folders",
                                s->name);
        if (S_ISREG(st.st_mode))
            s->size_hint = (uint64_t)st.st_size;
    }
    s->start = s->size_hint ? lseek(s->fd, 0, SEEK_CUR) : -1;
    return 0;
}

static int stream(const struct source *s, struct ms_store_writer *w, struct ms_progress *progress,
                  uint64_t *total, struct ms_error *err)
{
    MS_AUTO_FREE uint8_t *block = malloc(BLOCK_BYTES);
    if (!block)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a block of 1 MiB");
    *total = 0;
    for (;;) {
        size_t got = 0;
        int code = ms_fd_read(s->fd, s->name, block, BLOCK_BYTES, &got, err);
        if (!code && got > 0)
            code = ms_store_writer_append(w, ms_view(block, got), err);
        if (code)
            return code;
        *total += got;
        ms_progress_add(progress, 0, got);
        if (got < BLOCK_BYTES)
            return 0;
    }
}

static int read_condition(const struct ms_cli *cli, struct ms_precondition *pre,
                          struct ms_error *err)
{
    const char *tag = ms_args_value(&cli->args, "--if-tag");
    bool absent = ms_args_has(&cli->args, "--if-absent");
    if (tag && absent)
        return ms_error_set(err, MS_CLI_USAGE, "--if-absent and --if-tag exclude each other");
    if (tag && (!tag[0] || strlen(tag) >= sizeof pre->tag.text))
        return ms_error_set(err, MS_CLI_USAGE,
                            "--if-tag takes a tag as info and put --json say it");
    pre->kind = tag ? MS_IF_TAG : absent ? MS_IF_ABSENT : MS_ALWAYS;
    if (tag)
        snprintf(pre->tag.text, sizeof pre->tag.text, "%s", tag);
    return 0;
}

static int put_once(const struct ms_cli *cli, struct ms_store *store, const struct source *s,
                    const struct ms_store_value_options *options, uint64_t *total,
                    struct ms_tag *tag, struct ms_error *err)
{
    struct ms_store_writer *w = NULL;
    int code = ms_store_write(store, ms_cli_key(cli, 1), s->size_hint, options, &w, err);
    if (code)
        return code;
    struct ms_progress progress;
    ms_progress_begin(&progress, "put", NULL);
    if (s->size_hint)
        ms_progress_total(&progress, 1, s->size_hint);
    code = stream(s, w, &progress, total, err);
    ms_progress_end(&progress);
    if (!code)
        return ms_store_writer_commit(w, tag, err);
    ms_store_writer_abort(w);
    return code;
}

/* A member of a store of many turned out to be full when much of the value was there. Now that this
 * is known others are asked first. */
static bool try_again(struct ms_store *store, const struct source *s,
                      const struct ms_store_value_options *options, int code)
{
    return (code == MS_ERR_NO_SPACE || code == MS_ERR_QUOTA) && ms_store_is_mstore(store) &&
           options->precondition.kind == MS_ALWAYS && s->start >= 0 &&
           lseek(s->fd, s->start, SEEK_SET) == s->start;
}

static int put(struct ms_cli *cli, struct ms_store *store, const struct source *s,
               struct ms_error *err)
{
    struct ms_store_value_options options = MS_STORE_VALUE_OPTIONS_INIT;
    uint64_t total = 0;
    struct ms_tag tag = {{0}};
    int code = read_condition(cli, &options.precondition, err);
    if (code)
        return code;
    code = put_once(cli, store, s, &options, &total, &tag, err);
    if (try_again(store, s, &options, code))
        code = put_once(cli, store, s, &options, &total, &tag, err);
    if (code == MS_ERR_CONFLICT && options.precondition.kind == MS_IF_TAG)
        code = ms_error_set(err, MS_ERR_EXISTS,
                            "%s has not the tag %s any more: look at it again (mstore info)",
                            cli->args.positional[1], options.precondition.tag.text);
    if (code || !cli->json)
        return code;
    struct ms_json j;
    ms_out_json(&j);
    ms_json_object(&j);
    ms_json_key(&j, "key");
    ms_json_text(&j, cli->args.positional[1]);
    ms_json_key(&j, "size");
    ms_json_u64(&j, total);
    ms_json_key(&j, "tag");
    ms_json_text(&j, tag.text);
    ms_json_end(&j, '}');
    return 0;
}

int ms_cmd_put(struct ms_cli *cli, struct ms_error *err)
{
    struct source s = {.fd = -1};
    struct ms_store *store = NULL;
    int code = open_source(cli, &s, err);
    if (!code)
        code = ms_cli_open(cli, &store, err);
    if (!code)
        code = put(cli, store, &s, err);
    if (s.fd > STDIN_FILENO)
        close(s.fd);
    return ms_cli_close(store, code, err);
}
