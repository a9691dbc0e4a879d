/* The pace of an exchange: see pace.h. No state but the caller's. */
#include "backends/pace.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#define SECOND UINT64_C(1000000000)

bool ms_pace_too_slow(struct ms_pace *p, uint64_t now_ns, int64_t moved, uint64_t window_ns)
{
    int64_t enough = (int64_t)(window_ns / SECOND * MS_PACE_BYTES_PER_S);
    if (p->begun && moved - p->moved < (enough ? enough : 1))
        return now_ns - p->since_ns >= window_ns;
    *p = (struct ms_pace){.begun = true, .since_ns = now_ns, .moved = moved};
    return false;
}

int64_t ms_pace_held(int fd)
{
    int held = 0;
    return fd >= 0 && ioctl(fd, SIOCOUTQ, &held) == 0 && held > 0 ? held : 0;
}
