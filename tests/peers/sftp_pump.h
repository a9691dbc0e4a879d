/* tests/peers/sftp_pump.h - packets between a channel and sftp-server, changed by the rules. */
#ifndef PEERS_SFTP_PUMP_H
#define PEERS_SFTP_PUMP_H

#include <libssh/libssh.h>

/* Until one side ends or a rule cuts the connection. */
void sftp_pump(ssh_channel channel, int to, int from, const char *extensions);

#endif
