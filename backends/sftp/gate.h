/* backends/sftp/gate.h - the connection's side of a gate (conn.h has the callers'). */
#ifndef BACKENDS_SFTP_GATE_H
#define BACKENDS_SFTP_GATE_H

#include "backends/sftp/conn.h"

/* The owner's thread, before a request is handed to a connection that will end it; or the same
 * taken back. */
void ms_sftp_gate_enter(struct ms_sftp_gate *g);
void ms_sftp_gate_leave(struct ms_sftp_gate *g);
/* Hands an ended request to its gate. False: nobody waits for it; the caller keeps it. */
bool ms_sftp_gate_end(struct ms_sftp_request *r);

#endif
