/* scrub.h - secrets of the command line, taken out of what other users see of this process. */
#ifndef TOOLS_MSTORE_SCRUB_H
#define TOOLS_MSTORE_SCRUB_H

#include "tools/mstore/cli.h"

/* Overwrites the secrets of URLs among the arguments where the kernel shows them (the process list,
 * /proc/PID/cmdline); the commands go on with a copy. Says so in one line of warning. First thing
 * once the arguments are taken apart, also when that failed. */
int ms_scrub(struct ms_cli *cli, struct ms_error *err) MS_MUST_CHECK;
/* Wipes the copies. */
void ms_scrub_fini(struct ms_cli *cli);

#endif
