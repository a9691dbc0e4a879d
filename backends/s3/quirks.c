/* What providers do otherwise, and nowhere else in the code. */
#include "backends/s3/s3.h"

/* Y: known to; P: some versions do, so it is tried out when a store is opened. */
#define Y    MS_S3_YES
#define N    MS_S3_NO
#define P    MS_S3_PROBE
#define MOST MS_S3_PARTS_MAX

static const struct ms_s3_quirks table[] = {
    /* provider, host, region, parts, if absent, virtual host, keys of a DeleteObjects, checksum,
     * complete if absent, replaces in one step (Swift has moments without the value, and needs 30
     * ms for each key it deletes), delete if match */
    {"aws", ".amazonaws.com", "us-east-1", MOST, Y, true, 1000, true, true, true, true},
    {"b2", ".backblazeb2.com", "us-west-002", MOST, N, false, 1000, false, false, true, false},
    {"r2", ".r2.cloudflarestorage.com", "auto", MOST, P, false, 1000, false, false, true, false},
    {"gcs", "storage.googleapis.com", "auto", MOST, N, false, 0, false, false, true, false},
    {"wasabi", ".wasabisys.com", "us-east-1", MOST, P, false, 1000, false, false, true, false},
    {"digitalocean", ".digitaloceanspaces.com", "us-east-1", MOST, P, false, 1000, false, false,
     true, false},
    {"ceph", NULL, "us-east-1", MOST, P, false, 1000, true, false, true, false},
    {"minio", NULL, "us-east-1", MOST, P, false, 1000, true, false, true, false},
    {"swift", NULL, "us-east-1", 1000, N, false, 100, false, false, false, false},
    {"other", NULL, "us-east-1", MOST, P, false, 1000, false, false, true, false},
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
