/* The openat2 system call (Linux 5.6), which the C library of Debian 12 does not wrap. */
#include "backends/posix/posix.h"

#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

int ms_posix_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}
