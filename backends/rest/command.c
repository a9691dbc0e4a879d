/* The words of the command that a "rest:" URL means. Nothing here passes a shell of ours; the path
 * is quoted for the one at the other end of ssh.
 *
 *   rest://[user@]host[:port]/path   ssh -o … -p PORT -- user@host borgstore-server-rest --stdio
 *                                    --backend FILE:path; BORGSTORE_RSH replaces all before the
 * host rest:///path                     borgstore-server-rest --stdio --backend FILE:path, started
 *                                    here; MSTORE_REST_SERVER names another program
 */
#include "backends/rest/stdio.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

#define SERVER    "borgstore-server-rest"
#define WORDS_MAX 64

struct words {
    char **list; /* WORDS_MAX + 1, zeroed */
    size_t count;
};

void ms_rest_command_free(char **command)
{
    for (size_t i = 0; command && command[i]; i++)
        free(command[i]);
    free(command);
}

static int no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a command");
}

/* Takes over `word`, which may be NULL: no memory. */
static int add(struct words *w, char *word, struct ms_error *err)
{
    if (!word)
        return no_memory(err);
    if (w->count == WORDS_MAX) {
        free(word);
        return ms_error_set(err, MS_ERR_CONFIG, "a command of more than %d words", WORDS_MAX);
    }
    w->list[w->count++] = word;
    return 0;
}

/* One word of `text` into `word`, which has room for all of it; false: a quote is open at the end.
 * Quotes and backslashes as in a POSIX shell, nothing else of it. */
static bool take_word(const char **text, char *word)
{
    const char *at = *text;
    char quote = 0;
    for (; *at && (quote || !strchr(" \t\n", *at)); at++) {
        if (quote ? *at == quote : (*at == '\'' || *at == '"')) {
            quote = quote ? 0 : *at;
            continue;
        }
        if (*at == '\\' && quote != '\'' && at[1] && (!quote || strchr("\"\\$`", at[1])))
            at++;
        *word++ = *at;
    }
    *word = 0;
    *text = at;
    return !quote;
}

static int add_split(struct words *w, const char *variable, const char *text, struct ms_error *err)
{
    for (;;) {
        text += strspn(text, " \t\n");
        if (!*text)
            return 0;
        char *word = malloc(strlen(text) + 1);
        if (!word)
            return no_memory(err);
        if (!take_word(&text, word)) {
            free(word);
            return ms_error_set(err, MS_ERR_CONFIG, "%s has a quote that does not end", variable);
        }
        int code = add(w, word, err);
        if (code)
            return code;
    }
}

/* 'it'\''s': one word for any POSIX shell. Plain words stay as they are. */
static char *quote(const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "@%+=:,./-_";
    size_t size = strlen(text);
    if (text[strspn(text, plain)] == 0)
        return strdup(text);
    char *quoted = malloc(size * 4 + 3), *to = quoted;
    if (!quoted)
        return NULL;
    *to++ = '\'';
    for (; *text; text++) {
        if (*text == '\'') {
            memcpy(to, "'\\''", 4);
            to += 4;
        } else {
            *to++ = *text;
        }
    }
    *to++ = '\'';
    *to = 0;
    return quoted;
}

static char *print(const char *format, const char *a, const char *b)
{
    size_t size = strlen(format) + strlen(a) + strlen(b) + 1;
    char *text = malloc(size);
    if (text)
        snprintf(text, size, "%s%s%s", a, format, b);
    return text;
}

static int add_ssh(struct words *w, const struct ms_url *url, struct ms_error *err)
{
    static const char *const ssh[] = {"ssh", "-o", "ServerAliveInterval=30", "-o",
                                      "ServerAliveCountMax=3"};
    const char *rsh = getenv("BORGSTORE_RSH");
    int code = 0;
    if (rsh && *rsh) {
        code = add_split(w, "BORGSTORE_RSH", rsh, err);
    } else {
        char port[16];
        snprintf(port, sizeof port, "%d", url->port);
        for (size_t i = 0; !code && i < sizeof ssh / sizeof *ssh; i++)
            code = add(w, strdup(ssh[i]), err);
        if (!code && url->port >= 0)
            code = add(w, strdup("-p"), err);
        if (!code && url->port >= 0)
            code = add(w, strdup(port), err);
        if (!code)
            code = add(w, strdup("--"), err);
    }
    if (!code)
        code = add(w, url->user ? print("@", url->user, url->host) : strdup(url->host), err);
    return code ? code : add(w, strdup(SERVER), err);
}

static int add_local(struct words *w, struct ms_error *err)
{
    const char *variable = "MSTORE_REST_SERVER", *server = getenv(variable);
    if (!server || !*server)
        server = getenv(variable = "BORGSTORE_REST_SERVER");
    return server && *server ? add_split(w, variable, server, err) : add(w, strdup(SERVER), err);
}

/* ssh would take a host that begins with '-' for an option, and a remote shell what is no word. */
static int check(const struct ms_url *url, struct ms_error *err)
{
    if (!url->authority || strlen(url->path) < 2)
        return ms_error_set(err, MS_ERR_URL,
                            "%s: expected rest://[user@]host[:port]/path, or rest:///path for a "
                            "server started here; an absolute path has two slashes",
                            url->safe);
    if (!url->host && (url->user || url->port >= 0))
        return ms_error_set(err, MS_ERR_URL, "%s: a user or port without a host", url->safe);
    if (url->password)
        return ms_error_set(err, MS_ERR_URL,
                            "%s: ssh takes no password from a URL: use a key or its agent",
                            url->safe);
    if ((url->host && url->host[0] == '-') || (url->user && url->user[0] == '-'))
        return ms_error_set(err, MS_ERR_URL,
                            "%s: a host or user that begins with '-' is refused: ssh would take it "
                            "for an option",
                            url->safe);
    if ((url->user && strpbrk(url->user, " \t\n@")) || (url->host && strpbrk(url->host, " \t\n@/")))
        return ms_error_set(err, MS_ERR_URL, "%s: a blank or '@' in the host or user", url->safe);
    return 0;
}

int ms_rest_command(const struct ms_url *url, char ***out, struct ms_error *err)
{
    int code = check(url, err);
    if (code)
        return code;
    struct words w = {.list = calloc(WORDS_MAX + 1, sizeof(char *))};
    if (!w.list)
        return no_memory(err);
    char *path = print("", "FILE:", url->path + 1);
    code = url->host ? add_ssh(&w, url, err) : add_local(&w, err);
    if (!code)
        code = add(&w, strdup("--stdio"), err);
    if (!code)
        code = add(&w, strdup("--backend"), err);
    if (!code)
        code = !path ? no_memory(err) : add(&w, url->host ? quote(path) : strdup(path), err);
    free(path);
    if (code) {
        ms_rest_command_free(w.list);
        return code;
    }
    *out = w.list;
    return 0;
}
