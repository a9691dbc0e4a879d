/* Members that are asked for something else: see lies.h. */
#include "tests/sim/lies.h"

#include <string.h>

#define ID_SIZE 33 /* COUNTER-WRITER: see mstore/names.h */

static const char no_id[] = "0000000000000000-0000000000000000";

bool sim_lie_tells(const struct sim_world *w, unsigned member, bool store, char *name)
{
    if (w->lies & SIM_LIE_LOST && member == 0 && store && strstr(name, "/val/"))
        return true;
    if (w->lies & SIM_LIE_NO_INTENT && store && strstr(name, "/intent/"))
        return true;
    if (w->lies & SIM_LIE_KEPT && !store && strstr(name, "/tomb/"))
        return true;
    char *staged = w->lies & SIM_LIE_UNSTAGED ? strstr(name, "!+") : NULL;
    if (!staged || strlen(staged + 2) < ID_SIZE)
        return false;
    if (!store)
        return true;
    memmove(staged + 1, staged + 2, strlen(staged + 2) + 1);
    memcpy(staged + 1, no_id, ID_SIZE);
    return false;
}

void sim_lie_moves(const struct sim_world *w, char *to)
{
    char *staged = w->lies & SIM_LIE_NO_LOOK ? strstr(to, "!+") : NULL;
    if (staged)
        staged[1] = '~'; /* nobody will find it under this name */
}
