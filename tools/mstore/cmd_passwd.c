/* passwd: lines for the server's file of users. */
#include "tools/mstore/cli.h"

#ifdef MSTORE_HAVE_SERVER

#include "base/cleanup.h"
#include "base/private_file.h"
#include "base/text.h"
#include "server/serve.h"
#include "tools/mstore/output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <termios.h>

struct password {
    char bytes[SERVER_PASSWORD_MAX + 2];
    size_t size;
};

/* ---- asking ---- */

static int read_line(struct password *p, struct ms_error *err)
{
    size_t got = 1;
    for (p->size = 0; p->size < sizeof p->bytes; p->size++) {
        int code =
            ms_fd_read(STDIN_FILENO, "standard input", (uint8_t *)p->bytes + p->size, 1, &got, err);
        if (code)
            return code;
        if (!got || p->bytes[p->size] == '\n')
            break;
    }
    if (got && p->size && p->bytes[p->size - 1] == '\r')
        p->size--;
    if (p->size > SERVER_PASSWORD_MAX)
        return ms_error_set(err, MS_CLI_LOCAL, "the password is longer than %d bytes",
                            SERVER_PASSWORD_MAX);
    return 0;
}

static int ask(const char *prompt, struct password *p, struct ms_error *err)
{
    fputs(prompt, stderr);
    fflush(stderr);
    int code = read_line(p, err);
    fputc('\n', stderr);
    return code;
}

static int ask_twice(struct password *p, struct ms_error *err)
{
    struct password again = {.size = 0};
    int code = ask("Password: ", p, err);
    if (!code)
        code = ask("Once more: ", &again, err);
    if (!code && !ms_equal(ms_view(p->bytes, p->size), ms_view(again.bytes, again.size)))
        code = ms_error_set(err, MS_CLI_LOCAL, "the two passwords differ");
    explicit_bzero(&again, sizeof again);
    return code;
}

/* Without showing what is typed when it is a terminal. */
static int read_password(struct password *p, struct ms_error *err)
{
    struct termios shown, hidden;
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &shown) != 0)
        return read_line(p, err);
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    int code = ask_twice(p, err);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    return code;
}

/* ---- the file ---- */

/* Copies the lines that stay: all but the password of a user who gets another. */
static void copy_lines(FILE *to, struct ms_view text, const char *drop)
{
    while (text.size) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        struct ms_view line = ms_view(text.data, end ? (size_t)(end - text.data) : text.size);
        if (!drop || !ms_starts_with(line, ms_str(drop)))
            fprintf(to, "%.*s\n", (int)line.size, (const char *)line.data);
        text =
            ms_view(text.data + line.size + (end != NULL), text.size - line.size - (end != NULL));
    }
}

static int joined(struct ms_view old, const char *drop, const char *line, char **out, size_t *size,
                  struct ms_error *err)
{
    FILE *file = open_memstream(out, size);
    if (file) {
        copy_lines(file, old, drop);
        fprintf(file, "%s\n", line);
    }
    if (file && fclose(file) == 0)
        return 0;
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the users");
}

/* What the file is now must be one of users, too: a slip must not overwrite another file. */
static int read_users(const char *path, struct ms_private_file *old, struct stat *st,
                      struct ms_error *err)
{
    struct server_users *users = NULL;
    st->st_mode = 0;
    if (stat(path, st) != 0)
        return errno == ENOENT ? 0 : ms_cli_local_error(err, errno, "cannot read %s", path);
    int code = st->st_size ? server_users_load(path, &users, err) : 0;
    if (!code)
        code = ms_private_file_read(path, "the users", old, err);
    server_users_unref(users);
    return code;
}

static int replace_file(const char *path, const struct stat *st, struct ms_view text,
                        struct ms_error *err)
{
    char for_folder[PATH_MAX], for_name[PATH_MAX];
    snprintf(for_folder, sizeof for_folder, "%s", path);
    snprintf(for_name, sizeof for_name, "%s", path);
    const char *folder_path = dirname(for_folder), *name = basename(for_name);
    MS_AUTO_CLOSE int folder = open(folder_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return ms_cli_local_error(err, errno, "cannot open the folder %s", folder_path);
    int code = ms_private_file_replace(folder, name, text, err);
    if (!code && st->st_mode && (st->st_uid != geteuid() || st->st_gid != getegid()) &&
        fchownat(folder, name, st->st_uid, st->st_gid, 0) != 0)
        code = ms_cli_local_error(err, errno, "%s is written, but not its former owner's", path);
    return code;
}

static int put_line(const char *given, const char *user, bool token, const char *line,
                    struct ms_error *err)
{
    char real[PATH_MAX], drop[SERVER_USER_MAX + 16];
    const char *path = realpath(given, real) ? real : given; /* a link stays one */
    MS_AUTO_FREE char *text = NULL;
    struct ms_private_file old = {NULL, false};
    struct stat st;
    size_t size;
    snprintf(drop, sizeof drop, "%s:$scrypt$", user);
    int code = read_users(path, &old, &st, err);
    if (!code)
        code = joined(old.text ? ms_private_file_view(&old) : ms_view(NULL, 0), token ? NULL : drop,
                      line, &text, &size, err);
    if (!code)
        code = replace_file(path, &st, ms_view(text, size), err);
    ms_private_file_free(&old);
    return code;
}

/* ---- the command ---- */

static int make_password(const char *user, char line[SERVER_LINE_MAX], struct ms_error *err)
{
    struct password password = {.size = 0};
    const char *fault = server_user_fault(ms_str(user));
    if (fault)
        return ms_error_set(err, MS_CLI_USAGE, "the user's name \"%s\" %s", MS_SHOW(ms_str(user)),
                            fault);
    int code = read_password(&password, err);
    if (!code)
        code = server_users_line(user, ms_view(password.bytes, password.size),
                                 SERVER_SCRYPT_DEFAULT, line, err);
    explicit_bzero(&password, sizeof password);
    return code;
}

int ms_cmd_passwd(struct ms_cli *cli, struct ms_error *err)
{
    const char *user = cli->args.positional[0], *path = ms_args_value(&cli->args, "--file");
    bool wants_token = ms_args_has(&cli->args, "--token");
    char line[SERVER_LINE_MAX], token[SERVER_TOKEN_TEXT] = "";
    int code = wants_token ? server_users_token_line(user, token, line, err)
                           : make_password(user, line, err);
    if (!code && path)
        code = put_line(path, user, wants_token, line, err);
    if (code == MS_ERR_NOT_FOUND || code == MS_ERR_EXISTS)
        code = MS_CLI_LOCAL;
    if (code)
        return code;
    if (!path)
        printf("%s\n", line);
    if (wants_token)
        fprintf(path ? stdout : stderr, "%s\n", token);
    explicit_bzero(token, sizeof token);
    return 0;
}

#else

int ms_cmd_passwd(struct ms_cli *cli, struct ms_error *err)
{
    (void)cli;
    return ms_error_set(err, MS_ERR_UNSUPPORTED,
                        "this build has no server, and so no users: it was made without libssl");
}

#endif
