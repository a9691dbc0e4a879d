/* server/audit.h - one line for each request: who did what to which store, and how it ended.
 *
 *     2026-11-21T05:00:00.123Z peer=192.0.2.1 user=alice store=nas method=POST cmd=- name=/data/x
 *         to=- status=200 in=4096 out=0 ms=1.234
 *
 * (one line), or the same as a JSON object. Everything from outside is escaped so that it cannot
 * end a line or look like another field; no header's value is ever written. A line is one write to
 * a file opened for appending. Any thread.
 */
#ifndef SERVER_AUDIT_H
#define SERVER_AUDIT_H

#include <mstore/base.h>

struct server_audit;

struct server_audit_line {
    int64_t wall_ns;  /* when the request began */
    const char *peer; /* all texts: NULL or "": "-" */
    const char *user, *store;
    const char *method, *cmd; /* cmd: the query's */
    const char *name, *to;    /* the path as sent; the other name of a move */
    int status;               /* 0: the client went away before an answer */
    uint64_t in_bytes, out_bytes, duration_ns;
};

/* path: a file, "stderr" or "none". */
int server_audit_new(const char *path, bool json, struct server_audit **out,
                     struct ms_error *err) MS_MUST_CHECK;
void server_audit_free(struct server_audit *audit);
/* Goes on in the file of `next`, opened anew after the old one was moved away; frees next. Does not
 * wait for lines that are still being written to the old one. */
void server_audit_replace(struct server_audit *audit, struct server_audit *next);
/* What cannot be written is said once on the log, until it works again. */
void server_audit_write(struct server_audit *audit, const struct server_audit_line *line);

#endif
