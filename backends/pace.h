/* backends/pace.h - is the other side too slow to be waited for? One rule for HTTP over
 * sockets and over pipes, and for SFTP: whoever does not move MS_PACE_BYTES_PER_S on average within
 * the time-out is given up. So an exchange ends, however it is dragged out: after size /
 * MS_PACE_BYTES_PER_S and one time-out at the latest. A slow line is no such: bytes count when they
 * reach the other side, not when the kernel takes them, which may be minutes before. */
#ifndef BACKENDS_PACE_H
#define BACKENDS_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define MS_PACE_BYTES_PER_S 100

struct ms_pace {
    bool begun;
    uint64_t since_ns; /* the stretch that is looked at … */
    int64_t moved;     /* … and what had moved by its beginning */
};

/* `moved`: bytes sent and received so far, without those that wait in the kernel (ms_pace_held).
 * True when a stretch of window_ns went by without the bytes it takes; to be asked often. */
bool ms_pace_too_slow(struct ms_pace *p, uint64_t now_ns, int64_t moved, uint64_t window_ns);
/* Bytes in the send queue of a socket; 0 when that cannot be told. */
int64_t ms_pace_held(int fd);

#endif
