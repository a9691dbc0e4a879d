/* Whom we speak with: the host's key and known_hosts. In the I/O thread only.
 *
 * libssh passes over lines with a marker; of those @revoked says that a key is trusted by nobody,
 * whatever other lines say. @cert-authority stays without effect: such a host is not known. */
#include "backends/sftp/conn.h"

#include "base/text.h"

#include <libssh/libssh.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether a line of known_hosts revokes the key, for whatever host: nobody is to have it. */
static bool line_revokes(const char *line, const char *key)
{
    line += strspn(line, " \t");
    if (strncmp(line, "@revoked", 8) != 0 || !strchr(" \t", line[8]))
        return false;
    const char *at = strstr(line, key);
    return at && strchr(" \t", at[-1]) && strchr(" \t\r\n", at[strlen(key)]);
}

static bool file_revokes(const char *path, const char *key)
{
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    while (f && !found && getline(&line, &room, f) > 0)
        found = line_revokes(line, key);
    free(line);
    if (f)
        fclose(f);
    return found;
}

static bool revoked(struct ms_sftp_wire *w)
{
    static const enum ssh_options_e files[] = {SSH_OPTIONS_KNOWNHOSTS,
                                               SSH_OPTIONS_GLOBAL_KNOWNHOSTS};
    ssh_key key = NULL;
    char *text = NULL;
    bool found = false;
    if (ssh_get_server_publickey(w->session, &key) == SSH_OK &&
        ssh_pki_export_pubkey_base64(key, &text) == SSH_OK)
        for (size_t i = 0; i < 2 && !found; i++) {
            char *path = NULL;
            found = ssh_options_get(w->session, files[i], &path) == SSH_OK && path &&
                    file_revokes(path, text);
            ssh_string_free_char(path);
        }
    ssh_string_free_char(text);
    ssh_key_free(key);
    return found;
}

static void fingerprint(struct ms_sftp_wire *w, char *to, size_t size)
{
    ssh_key key = NULL;
    unsigned char *hash = NULL;
    size_t hash_size = 0;
    char *text = NULL;
    if (ssh_get_server_publickey(w->session, &key) == SSH_OK &&
        ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &hash_size) == 0)
        text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, hash_size);
    snprintf(to, size, "%s", text ? text : "of unknown fingerprint");
    ssh_string_free_char(text);
    ssh_clean_pubkey_hash(&hash);
    ssh_key_free(key);
}

int ms_sftp_wire_verify(struct ms_sftp_wire *w, struct ms_error *err)
{
    const struct ms_sftp_options *o = w->options;
    enum ssh_known_hosts_e known = ssh_session_is_known_server(w->session);
    char print[80];
    fingerprint(w, print, sizeof print);
    if (revoked(w))
        return ms_error_set(err, MS_ERR_UNTRUSTED,
                            "the key of %s, %s, is marked @revoked in known_hosts: somebody else "
                            "may have it; the server needs a new one",
                            w->where, print);
    if (known == SSH_KNOWN_HOSTS_OK)
        return 0;
    const char *file = o->known_hosts ? o->known_hosts : "~/.ssh/known_hosts";
    bool missing = known == SSH_KNOWN_HOSTS_UNKNOWN || known == SSH_KNOWN_HOSTS_NOT_FOUND;
    if (missing && o->accept_new) {
        if (ssh_session_update_known_hosts(w->session) == SSH_OK)
            return 0;
        return ms_error_set(err, MS_ERR_UNTRUSTED, "cannot add the key of %s to %s: %s", w->where,
                            MS_SHOW(ms_str(file)), MS_SHOW(ms_str(ssh_get_error(w->session))));
    }
    if (missing)
        return ms_error_set(err, MS_ERR_UNTRUSTED,
                            "the host %s is not known: check that its key is %s, then add it "
                            "(ssh-keyscan -p PORT HOST >> %s) or connect once with ?accept_new=1",
                            w->where, print, MS_SHOW(ms_str(file)));
    if (known == SSH_KNOWN_HOSTS_ERROR)
        return ms_error_set(err, MS_ERR_UNTRUSTED, "cannot check the key of %s: %s", w->where,
                            MS_SHOW(ms_str(ssh_get_error(w->session))));
    return ms_error_set(err, MS_ERR_UNTRUSTED,
                        "the key of %s is not the one that %s holds, it is %s now: somebody may "
                        "sit in between; if the server was set up anew, remove the old line "
                        "(ssh-keygen -R) and add the new key",
                        w->where, MS_SHOW(ms_str(file)), print);
}
