/* Which request fails, and how. The counters live in a file when one is named (--state), as a peer
 * on a pipe is started anew after each break. */
#include "peers/rest_peer.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define FAULTS_MAX 16

static struct {
    struct fault fault;
    int count; /* -1: always */
    const char *part;
} faults[FAULTS_MAX];
static size_t fault_count;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int used_here[FAULTS_MAX];

bool fault_add(const char *text)
{
    static const char *const kinds[] = {"none",    "drop", "lost",  "cut",   "stall",
                                        "garbage", "html", "plain", "extra", "endless"};
    if (fault_count == FAULTS_MAX)
        return false;
    size_t size = strcspn(text, ":@=");
    struct fault f = {FAULT_NONE, 0};
    for (int i = 1; i < 10; i++)
        if (strlen(kinds[i]) == size && strncmp(kinds[i], text, size) == 0)
            f.kind = (enum fault_kind)i;
    const char *at = text + size;
    if (strncmp(text, "status=", 7) == 0) {
        f = (struct fault){FAULT_STATUS, atoi(text + 7)};
        at += strcspn(at, ":@");
    }
    if (f.kind == FAULT_NONE)
        return false;
    faults[fault_count].count = *at == ':' ? atoi(at + 1) : -1;
    const char *part = strchr(at, '@');
    faults[fault_count].part = part ? part + 1 : "";
    faults[fault_count++].fault = f;
    return true;
}

/* Counts fault i once more; returns how often it was used before. */
static int use(size_t i)
{
    if (!settings.state)
        return used_here[i]++;
    int used[FAULTS_MAX] = {0};
    int fd = open(settings.state, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) < 0 || pread(fd, used, sizeof used, 0) < 0)
        abort();
    int before = used[i]++;
    if (pwrite(fd, used, sizeof used, 0) != (ssize_t)sizeof used)
        abort();
    close(fd);
    return before;
}

struct fault fault_take(const struct request *r)
{
    char line[20000];
    snprintf(line, sizeof line, "%s %s?%s", r->method, r->path, r->query);
    struct fault taken = {FAULT_NONE, 0};
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < fault_count && taken.kind == FAULT_NONE; i++)
        if (strstr(line, faults[i].part) && (faults[i].count < 0 || use(i) < faults[i].count))
            taken = faults[i].fault;
    pthread_mutex_unlock(&mutex);
    return taken;
}
