/* A cutproxy of the test's own: see client.h. */
#include "proxy/client.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS_MAX 16

static void become_proxy(const int in[2], const int out[2], const char *target,
                         const char *const *options)
{
    const char *path = getenv("CUTPROXY");
    const char *argv[OPTIONS_MAX + 8] = {path, "0", target, "--control", "-"};
    for (int i = 0; options && options[i] && i < OPTIONS_MAX; i++)
        argv[5 + i] = options[i];
    union {
        const char **in;
        char *const *out;
    } arguments = {.in = argv};
    if (dup2(in[0], STDIN_FILENO) >= 0 && dup2(out[1], STDOUT_FILENO) >= 0)
        execv(path, arguments.out);
    perror(path);
    _exit(127);
}

bool proxy_start(struct proxy_client *p, const char *target, const char *const *options)
{
    int in[2], out[2];
    *p = (struct proxy_client){.pid = -1};
    if (!getenv("CUTPROXY")) {
        fputs("CUTPROXY does not say where the proxy is\n", stderr);
        return false;
    }
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || (p->pid = fork()) < 0) {
        perror("no proxy");
        return false;
    }
    if (p->pid == 0)
        become_proxy(in, out, target, options);
    close(in[0]);
    close(out[1]);
    p->to = fdopen(in[1], "w");
    p->from = fdopen(out[0], "r");
    char line[64];
    if (p->to && p->from && fgets(line, sizeof line, p->from) &&
        sscanf(line, "listening %d", &p->port) == 1)
        return true;
    fputs("the proxy did not start\n", stderr);
    return false;
}

void proxy_stop(struct proxy_client *p)
{
    if (p->to)
        fclose(p->to);
    if (p->pid > 0)
        waitpid(p->pid, NULL, 0);
    if (p->from)
        fclose(p->from);
    *p = (struct proxy_client){.pid = -1};
}

bool proxy_tell(struct proxy_client *p, const char *fmt, ...)
{
    char answer[128];
    va_list args;
    va_start(args, fmt);
    vfprintf(p->to, fmt, args);
    va_end(args);
    fputc('\n', p->to);
    if (fflush(p->to) || !fgets(answer, sizeof answer, p->from))
        return false;
    return strcmp(answer, "ok\n") == 0;
}

bool proxy_ask(struct proxy_client *p, struct proxy_state *out)
{
    char answer[256];
    fputs("state\n", p->to);
    if (fflush(p->to) || !fgets(answer, sizeof answer, p->from))
        return false;
    return sscanf(answer, "acted=%d up=%llu down=%llu connections=%lu", &out->acted, &out->up,
                  &out->down, &out->connections) == 4;
}

size_t proxy_trace(struct proxy_client *p, const char *direction, uint64_t *begins, size_t room)
{
    char answer[8192], *at = answer, *end;
    size_t count = 0;
    fprintf(p->to, "trace %s\n", direction);
    if (fflush(p->to) || !fgets(answer, sizeof answer, p->from) || strncmp(answer, "trace", 5) != 0)
        return 0;
    for (at += 5; count < room; at = end) {
        unsigned long long value = strtoull(at, &end, 10);
        if (end == at)
            break;
        begins[count++] = value;
    }
    return count;
}
