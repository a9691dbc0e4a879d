/* upkeep.h - what commands that look after a store of many members have in common: options, telling
 * what is found on the way, the report. */
#ifndef TOOLS_MSTORE_UPKEEP_H
#define TOOLS_MSTORE_UPKEEP_H

#include "base/json.h"
#include "tools/mstore/cli.h"
#include "tools/mstore/progress.h"

struct ms_telling {
    const struct ms_cli *cli;
    struct ms_progress progress;
    uint64_t findings;
};

/* --bandwidth and the like. */
int ms_upkeep_read_options(struct ms_cli *cli, struct ms_upkeep_options *o,
                           struct ms_error *err) MS_MUST_CHECK;
/* From now on a run with these options is told on the terminal; ms_progress_begin is the caller's.
 */
void ms_upkeep_tell(struct ms_cli *cli, struct ms_telling *telling, struct ms_upkeep_options *o);
void ms_upkeep_print(const struct ms_cli *cli, const struct ms_telling *t,
                     const struct ms_upkeep_report *r);
/* What is to be done for a member that answers: "ok", "ok, ADVICE", "-" for one that is gone. */
const char *ms_status_advice(const struct ms_mstore_member *m, uint64_t epoch, char buf[80]);
void ms_upkeep_json(struct ms_json *j, const struct ms_upkeep_report *r);

#endif
