/* tests/peers/sftp_peer.h - an SSH server in this process, with OpenSSH's sftp-server behind it,
 * that errs where it is told to.
 *
 * Packets pass between the client and sftp-server; a rule changes what becomes of a request or of
 * its answer. Logins are checked here. It allocates nothing by itself, so that failing allocations
 * hit the driver alone. */
#ifndef PEERS_SFTP_PEER_H
#define PEERS_SFTP_PEER_H

#include <stdbool.h>
#include <stdint.h>

enum sftp_act {
    SFTP_STATUS,    /* is not done; the answer is the status `value` */
    SFTP_REPLACE,   /* is done; the answer is the status `value` all the same */
    SFTP_CUT,       /* is not done; the connection ends */
    SFTP_CUT_AFTER, /* is done; the connection ends before the answer */
    SFTP_CUT_IN,    /* … in the middle of the answer */
    SFTP_SWALLOW,   /* is done; no answer */
    SFTP_OTHER_ID,  /* the answer is to a request that was never made */
    SFTP_HUGE,      /* the answer says that it is 2 GiB long */
    SFTP_TINY,      /* … 3 bytes */
    SFTP_TYPE,      /* the answer's type is `value` */
    SFTP_CUT_BODY,  /* the answer lacks its last `value` bytes */
    SFTP_SHORT,     /* of a READ: `value` bytes at most are read */
    SFTP_LONG,      /* of a READ: `value` bytes are read, and sent if there are so many */
    SFTP_EARLY,     /* of a WRITE among such of one size: the one that the line has no room for
                       is answered while half of it is still to come; then the connection ends */
    SFTP_LIMITS,    /* the answer is that all limits are `value` */
    SFTP_NAMES,     /* is not done; the answer holds names, new ones each time, of `value` bytes */
    SFTP_DOTS,      /* is not done; the answer holds `value` times the name "." */
    SFTP_FOLLOW,    /* of a READDIR: symbolic links are shown as folders */
};

struct sftp_rule {
    int type;              /* of the request; 0: no rule */
    const char *extension; /* of an EXTENDED one; NULL: any */
    unsigned skip, times;  /* so many pass first; it holds so often (0: for ever) */
    enum sftp_act act;
    uint32_t value;
};
#define SFTP_RULES 4

enum sftp_login { SFTP_ANYBODY, SFTP_NOBODY, SFTP_PASSWORD, SFTP_KEYBOARD, SFTP_KEY };

struct sftp_setup {
    const char *banner;     /* behind "SSH-2.0-"; NULL: libssh's */
    const char *extensions; /* that are offered, "a b "; NULL: all, "": none */
    enum sftp_login login;
    const char *secret; /* the password, or the file of the public key */
    bool no_subsystem;
};

/* Where sftp-server is; NULL: nowhere. */
const char *sftp_peer_program(void);
/* Starts the only one of this process; its files go into `folder`, which is where sftp-server
 * starts too. */
void sftp_peer_start(const struct sftp_setup *setup, const char *folder);
void sftp_peer_stop(void);
int sftp_peer_port(void);
/* Rules from now on, up to SFTP_RULES; NULL: none. */
void sftp_peer_rules(const struct sftp_rule *rules, unsigned count);
/* How often a rule has held since. */
unsigned sftp_peer_hits(void);
unsigned sftp_peer_connections(void); /* since the start */
/* The host's key as it stands in known_hosts, for the port. */
const char *sftp_peer_host_key(void);

#endif
