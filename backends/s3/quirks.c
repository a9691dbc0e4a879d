/* What providers do otherwise, and nowhere else in the code. */
#include "backends/s3/s3.h"

/* Y: known to; P: some versions do, so it is tried out when a store is opened. */
#define Y    MS_S3_YES
#define N    MS_S3_NO
#define P    MS_S3_PROBE
#define MOST MS_S3_PARTS_MAX

static const struct ms_s3_quirks table[] = {
    /* provider, host, region, virtual host, if absent, delete many, checksum, complete if absent,
     * replaces in one step (Swift has moments without the value), delete if match, parts */
    {"aws", ".amazonaws.com", "us-east-1", true, Y, true, true, true, true, true, MOST},
    {"b2", ".backblazeb2.com", "us-west-002", false, N, true, false, false, true, false, MOST},
    {"r2", ".r2.cloudflarestorage.com", "auto", false, P, true, false, false, true, false, MOST},
    {"gcs", "storage.googleapis.com", "auto", false, N, false, false, false, true, false, MOST},
    {"wasabi", ".wasabisys.com", "us-east-1", false, P, true, false, false, true, false, MOST},
    {"digitalocean", ".digitaloceanspaces.com", "us-east-1", false, P, true, false, false, true,
     false, MOST},
    {"ceph", NULL, "us-east-1", false, P, true, true, false, true, false, MOST},
    {"minio", NULL, "us-east-1", false, P, true, true, false, true, false, MOST},
    {"swift", NULL, "us-east-1", false, N, true, false, false, false, false, 1000},
    {"other", NULL, "us-east-1", false, P, true, false, false, true, false, MOST},
};
#define COUNT (sizeof table / sizeof *table)

const struct ms_s3_quirks *ms_s3_quirks_at(size_t index)
{
    return index < COUNT ? &table[index] : NULL;
}

static bool ends_with(const char *host, const char *suffix)
{
    size_t size = strcspn(host, ":"), tail = strlen(suffix);
    return size >= tail && strncasecmp(host + size - tail, suffix, tail) == 0;
}

const struct ms_s3_quirks *ms_s3_quirks_find(const char *provider, const char *host)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (provider ? strcmp(table[i].provider, provider) == 0
                     : table[i].host_suffix && ends_with(host, table[i].host_suffix))
            return &table[i];
    }
    return provider ? NULL : &table[COUNT - 1];
}
