/* What the system says of this process. */
#include "server/metrics.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* The second number of the line, in pages. */
static uint64_t resident_bytes(void)
{
    char line[256];
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    const char *second = fgets(line, sizeof line, file) ? strchr(line, ' ') : NULL;
    fclose(file);
    return second ? strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static uint64_t open_fds(void)
{
    uint64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count > 3 ? count - 3 : 0; /* without ".", ".." and the folder itself */
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

void server_process_take(struct server_process *out)
{
    struct rusage used = {0};
    struct rlimit files = {0};
    *out = (struct server_process){.resident_bytes = resident_bytes(), .open_fds = open_fds()};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        out->max_fds = files.rlim_cur;
    if (getrusage(RUSAGE_SELF, &used) == 0)
        out->cpu_seconds = seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
}
