/* Who we are: keys of the agent and of files, passwords. In the I/O thread only. */
#include "backends/sftp/conn.h"

#include "base/text.h"

#include <libssh/libssh.h>

#include <errno.h>
#include <sys/stat.h>

struct login {
    struct ms_sftp_wire *w;
    uint64_t deadline;
    int methods;
    bool encrypted; /* a key could not be read without its passphrase */
};

/* Whether the call is to be repeated; *code says why not, when not 0. */
static bool again(struct login *l, int rc, int *code, struct ms_error *err)
{
    if (rc != SSH_AUTH_AGAIN)
        return false;
    *code = ms_sftp_wire_wait(l->w, l->deadline, err);
    return *code == 0;
}

/* *done: logged in. */
static int judge(struct login *l, int rc, int code, bool *done, struct ms_error *err)
{
    if (code)
        return code;
    *done = rc == SSH_AUTH_SUCCESS;
    if (rc == SSH_AUTH_ERROR && !ssh_is_connected(l->w->session))
        return ms_sftp_wire_error(l->w, "the connection broke during the login", err);
    return 0;
}

static int try_none(struct login *l, bool *done, struct ms_error *err)
{
    int rc, code = 0;
    do
        rc = ssh_userauth_none(l->w->session, NULL);
    while (again(l, rc, &code, err));
    l->methods = ssh_userauth_list(l->w->session, NULL);
    return judge(l, rc, code, done, err);
}

static int try_auto(struct login *l, bool *done, struct ms_error *err)
{
    int rc, code = 0;
    do
        rc = ssh_userauth_publickey_auto(l->w->session, NULL, l->w->options->passphrase);
    while (again(l, rc, &code, err));
    return judge(l, rc, code, done, err);
}

static int try_agent(struct login *l, bool *done, struct ms_error *err)
{
    int rc, code = 0;
    do
        rc = ssh_userauth_agent(l->w->session, NULL);
    while (again(l, rc, &code, err));
    return judge(l, rc, code, done, err);
}

static int no_passphrase(const char *prompt, char *buf, size_t len, int echo, int verify,
                         void *userdata)
{
    (void)prompt, (void)buf, (void)len, (void)echo, (void)verify;
    *(bool *)userdata = true; /* asked: the key is encrypted */
    return -1;
}

static int check_key_file(const char *file, struct ms_error *err)
{
    struct stat st;
    if (stat(file, &st) < 0) {
        int failed = errno;
        char text[100];
        return ms_error_set(err, MS_ERR_AUTH, "cannot read the key %s: %s", MS_SHOW(ms_str(file)),
                            strerror_r(failed, text, sizeof text));
    }
    if (st.st_mode & 077)
        return ms_error_set(err, MS_ERR_AUTH, "others may read the key %s: chmod 600 it",
                            MS_SHOW(ms_str(file)));
    return 0;
}

/* The key that the URL names, and no other; when encrypted and without its passphrase, the agent
 * may know it. */
static int try_identity(struct login *l, bool *done, struct ms_error *err)
{
    const struct ms_sftp_options *o = l->w->options;
    ssh_key key = NULL;
    int code = check_key_file(o->identity, err);
    if (code)
        return code;
    int rc =
        ssh_pki_import_privkey_file(o->identity, o->passphrase, no_passphrase, &l->encrypted, &key);
    if (rc != SSH_OK && (l->encrypted || o->passphrase)) {
        code = try_agent(l, done, err);
        if (code || *done)
            return code;
        return ms_error_set(err, MS_ERR_AUTH,
                            o->passphrase ? "the passphrase does not open the key %s"
                                          : "the key %s is encrypted: give its passphrase in "
                                            "MSTORE_SSH_PASSPHRASE or add it to ssh-agent",
                            MS_SHOW(ms_str(o->identity)));
    }
    if (rc != SSH_OK)
        return ms_error_set(err, MS_ERR_AUTH, "%s is no private key that libssh can read",
                            MS_SHOW(ms_str(o->identity)));
    do
        rc = ssh_userauth_publickey(l->w->session, NULL, key);
    while (again(l, rc, &code, err));
    ssh_key_free(key);
    return judge(l, rc, code, done, err);
}

static int try_password(struct login *l, bool *done, struct ms_error *err)
{
    int rc, code = 0;
    do
        rc = ssh_userauth_password(l->w->session, NULL, l->w->options->password);
    while (again(l, rc, &code, err));
    return judge(l, rc, code, done, err);
}

/* Every question whose answer is not shown is answered with the password. */
static int try_keyboard(struct login *l, bool *done, struct ms_error *err)
{
    ssh_session s = l->w->session;
    int rc, code = 0;
    for (int round = 0; round < 5; round++) {
        do
            rc = ssh_userauth_kbdint(s, NULL, NULL);
        while (again(l, rc, &code, err));
        if (code || rc != SSH_AUTH_INFO)
            return judge(l, rc, code, done, err);
        int count = ssh_userauth_kbdint_getnprompts(s);
        for (int i = 0; i < count; i++) {
            char echo = 0;
            (void)ssh_userauth_kbdint_getprompt(s, (unsigned)i, &echo);
            (void)ssh_userauth_kbdint_setanswer(s, (unsigned)i,
                                                echo ? "" : l->w->options->password);
        }
    }
    return 0;
}

static int refused(struct login *l, struct ms_error *err)
{
    const struct ms_sftp_options *o = l->w->options;
    char *user = NULL;
    (void)ssh_options_get(l->w->session, SSH_OPTIONS_USER, &user);
    const char *hint = o->identity   ? "the key of ?identity= is not accepted"
                       : o->password ? "neither a key nor the password is accepted"
                                     : "no key of ssh-agent or ~/.ssh is accepted; name one with "
                                       "?identity=FILE or give a password in MSTORE_SFTP_PASSWORD";
    int code = ms_error_set(err, MS_ERR_AUTH, "%s refuses the login of %s: %s", l->w->where,
                            MS_SHOW(ms_str(user ? user : "?")), hint);
    ssh_string_free_char(user);
    return code;
}

int ms_sftp_wire_login(struct ms_sftp_wire *w, struct ms_error *err)
{
    struct login l = {.w = w, .deadline = ms_sftp_wire_deadline(w)};
    bool done = false;
    int code = try_none(&l, &done, err);
    if (!code && !done && l.methods & SSH_AUTH_METHOD_PUBLICKEY)
        code = w->options->identity ? try_identity(&l, &done, err) : try_auto(&l, &done, err);
    bool password = w->options->password && *w->options->password;
    if (!code && !done && password && l.methods & SSH_AUTH_METHOD_PASSWORD)
        code = try_password(&l, &done, err);
    if (!code && !done && password && l.methods & SSH_AUTH_METHOD_INTERACTIVE)
        code = try_keyboard(&l, &done, err);
    if (!code && !done)
        code = refused(&l, err);
    return code;
}
