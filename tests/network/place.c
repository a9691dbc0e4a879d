/* Servers and the ways to them: see place.h. */
#include "network/place.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define ADDRESS "127.0.0.1:"

const struct place places[] = {
    {"sftp", "MS_TEST_SFTP_URL", 2, "MS_TEST_SFTP_ROOT"},
    {"sftp2", "MS_TEST_SFTP2_URL", 1, "MS_TEST_SFTP2_ROOT"},
    {"s3", "MS_TEST_S3_URL", 4, NULL},
    {"swift", "MS_TEST_SWIFT_URL", 1, NULL},
    {"rest", "MS_TEST_REST_URL", 4, "MS_TEST_REST_ROOT"},
    {"s3-h2", "MS_TEST_S3_H2_URL", 1, NULL},
    {"rest-ssh", "MS_TEST_REST_SSH_URL", 1, "MS_TEST_REST_ROOT"},
    {"rest-h2", "MS_TEST_REST_H2_URL", 2, "MS_TEST_REST_ROOT"},
    {"served", "MS_TEST_SERVED_URL", 4, "MS_TEST_SERVED_ROOT", .one = true},
    {"served-tls", "MS_TEST_SERVED_URL", 2, "MS_TEST_SERVED_ROOT", .one = true},
    {0},
};

const struct place *place_find(const char *name)
{
    for (const struct place *p = places; p->name; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

/* The port in the server's URL, and what stands before and behind it. */
static bool split(const struct place *p, int *head, int *port, const char **tail)
{
    const char *url = getenv(p->variable), *address = url ? strstr(url, ADDRESS) : NULL;
    if (!address) {
        fprintf(stderr, "%s names no " ADDRESS "PORT\n", p->variable);
        return false;
    }
    char *end;
    const char *digits = address + strlen(ADDRESS);
    long value = strtol(digits, &end, 10);
    if (end == digits || value < 1 || value > 65535)
        return false;
    *head = (int)(digits - url);
    *port = (int)value;
    *tail = end;
    return true;
}

bool place_proxy(const struct place *p, struct proxy_client *proxy)
{
    int head, port;
    const char *tail;
    char target[32];
    if (!split(p, &head, &port, &tail))
        return false;
    snprintf(target, sizeof target, ADDRESS "%d", port);
    return proxy_start(proxy, target, NULL);
}

bool place_url(const struct place *p, const char *path, int port, char *url, size_t size)
{
    int head, own;
    const char *tail;
    if (!split(p, &head, &own, &tail))
        return false;
    size_t folder = strcspn(tail, "?");
    if (p->one)
        path = "";
    bool slash = folder && tail[folder - 1] == '/';
    int n = snprintf(url, size, "%.*s%d%.*s%s%s%s", head, getenv(p->variable), port ? port : own,
                     (int)folder, tail, slash ? "" : "/", path, tail + folder);
    return n > 0 && (size_t)n < size;
}

static int debris;

static int look(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    size_t size = strlen(path);
    if (size > 4 && strcmp(path + size - 4, ".tmp") == 0) {
        fprintf(stderr, "left behind: %s\n", path);
        debris++;
    }
    return 0;
}

int place_debris(const struct place *p, const char *path)
{
    char folder[1024];
    const char *root = p->root ? getenv(p->root) : NULL;
    debris = 0;
    if (!root)
        return 0;
    snprintf(folder, sizeof folder, "%s/%s", root, p->one ? "" : path);
    nftw(folder, look, 16, FTW_PHYS);
    return debris;
}
