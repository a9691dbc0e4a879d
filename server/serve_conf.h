/* server/serve_conf.h - what is to be served and how, as written down: sections [server] and [serve
 * NAME] of the configuration file (docs/server.md), or the command line put into the same form.
 *
 *     [server]                               [serve nas]
 *     listen = 127.0.0.1:5618                store = nas            (or a URL, or a .conf)
 *     tls-cert = /etc/mstore/cert.pem        path = /nas
 *     tls-key = /etc/mstore/key.pem          user = alice bob       (or *, or anyone)
 *     users = /etc/mstore/users              permissions = borgbackup-no-delete
 *     managers = alice                       quota = 100GiB
 *     audit-log = /var/log/mstore/audit
 *
 * Parsing touches no other file and no storage. Immutable once made: any thread.
 */
#ifndef SERVER_SERVE_CONF_H
#define SERVER_SERVE_CONF_H

#include "server/users.h"

#include <mstore/base.h>

#define SERVER_STORES_MAX 256
#define SERVER_LISTEN_MAX 16

struct ms_config;

struct server_words {
    char **at;
    size_t count;
};

struct server_conf_serve {
    char *name, *store, *path;
    char *permissions; /* NULL: all; JSON has become a map's text */
    struct server_words users;
    bool anyone;
    uint64_t quota_bytes; /* 0: none */
    unsigned line;        /* 0: from the command line */
};

enum server_metrics { SERVER_METRICS_LOOPBACK, SERVER_METRICS_USERS, SERVER_METRICS_ALL };

/* 0: the server's own choice. */
struct server_conf_limits {
    uint64_t connections, connections_per_address, requests;
    uint64_t header_bytes, body_bytes;
    uint64_t header_timeout_ns, idle_timeout_ns, body_timeout_ns, stop_timeout_ns;
    uint64_t least_bps; /* of a body, below which a client is too slow */
    uint64_t auth_failures, auth_interval_ns, auth_checks, auth_remember_ns;
};

struct server_conf {
    char *source;                   /* "FILE", or "the command line" */
    struct server_words listen;     /* "127.0.0.1:5618" "[::1]:5618" "unix:/run/mstore.sock" */
    char *tls_cert, *tls_key;       /* both or none */
    char *users_file;               /* NULL: none */
    char *user, *password_file;     /* the single user; NULL: none */
    char *password;                 /* of the environment, instead of the file; wiped when freed */
    struct server_words host_names; /* by which browsers may name it beside its addresses */
    struct server_words managers;   /* "*": all users */
    char *audit_log;                /* a path, "stderr" or "none"; NULL: stderr */
    bool audit_json;
    bool insecure;     /* others than this machine may come without TLS or users */
    bool behind_proxy; /* see server/peer.h */
    enum server_metrics metrics;
    struct server_conf_limits limits;
    uint64_t scrub_interval_ns;    /* 0: never by itself */
    uint64_t upkeep_bandwidth_bps; /* 0: no limit */
    bool no_heal;                  /* members that return are not healed by themselves */
    struct server_conf_serve *serves;
    size_t serve_count;
    struct ms_config *stores; /* owned; what names of stores stand for; NULL: none */
};

/* MS_ERR_CONFIG names SOURCE:LINE. Other sections than [server] and [serve] are passed over. */
int server_conf_parse(struct ms_view text, const char *source, struct server_conf **out,
                      struct ms_error *err) MS_MUST_CHECK;
/* The same from a file, whose [store] and [namespace] sections are checked too and become
 * `stores`. */
int server_conf_load(const char *path, struct server_conf **out,
                     struct ms_error *err) MS_MUST_CHECK;
void server_conf_free(struct server_conf *conf);
int server_conf_new(const char *source, struct server_conf **out,
                    struct ms_error *err) MS_MUST_CHECK;
/* Whether that address may be listened on; others than this machine's need TLS and users. */
int server_conf_check_listen(const struct server_conf *conf, const char *address,
                             struct ms_error *err) MS_MUST_CHECK;
/* One key as if it stood in the file (section "server", or "serve" of the last
 * server_conf_serve_begin): so that the command line means the same and is checked the same. */
int server_conf_set(struct server_conf *conf, const char *section, const char *key,
                    const char *value, struct ms_error *err) MS_MUST_CHECK;
int server_conf_serve_begin(struct server_conf *conf, const char *name,
                            struct ms_error *err) MS_MUST_CHECK;
/* For the caller of the above, when all is there: at least one store, paths that differ, a
 * certificate with its key, users that are asked for exist, nobody listens to the world
 * unprotected. */
int server_conf_check(const struct server_conf *conf, struct ms_error *err) MS_MUST_CHECK;

#endif
