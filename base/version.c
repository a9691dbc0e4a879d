/* The version, from the build. */
#include <mstore/base.h>

const char *ms_version(void)
{
    return MSTORE_VERSION;
}
