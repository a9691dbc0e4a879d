/* Does this server keep "only if absent"? Some ignore If-None-Match without a word; so it is tried
 * with racing writers, a late one, and a look at who won. That takes some requests, so what came
 * out is kept for a month, per server and bucket, in ~/.cache/mstore ($XDG_CACHE_HOME); no cache is
 * no harm. */
#include "backends/s3/s3.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/hash.h"
#include "base/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define WRITERS 4
#define PROBE   "probe-" /* PATH/probe-ID.tmp, which no listing shows */

struct race {
    struct ms_s3 *s;
    const char *key;
    int codes[WRITERS + 1];
};

static int write_one(void *arg, size_t index)
{
    struct race *r = arg;
    char value[2] = {(char)('0' + (int)index), 0};
    struct ms_s3_call c = {.verb = MS_VERB_OTHER,
                           .method = "PUT",
                           .key = r->key,
                           .body = ms_str(value),
                           .has_body = true};
    ms_s3_header_add(&c, "if-none-match", "*");
    r->codes[index] = ms_s3_do_quiet(r->s, &c, NULL);
    return r->codes[index] == MS_ERR_CANCELLED ? MS_ERR_CANCELLED : 0;
}

static int read_back(struct ms_s3 *s, const char *key, int *winner, struct ms_error *err)
{
    struct ms_s3_call c = {.verb = MS_VERB_OTHER, .method = "GET", .key = key};
    struct ms_http_answer answer;
    int code = ms_s3_do(s, &c, &answer, err);
    if (code)
        return code;
    *winner = -1;
    if (answer.body && ms_buf_size(answer.body) == 1)
        *winner = ms_buf_view(answer.body).data[0] - '0';
    ms_http_answer_fini(&answer);
    return 0;
}

/* *sure: every request had an answer that tells something. */
static int probe(struct ms_s3 *s, bool *works, bool *sure, struct ms_error *err)
{
    char id[33];
    MS_AUTO_FREE char *key = NULL;
    ms_s3_new_id(s, id);
    if (asprintf(&key, "%s" PROBE "%s.tmp", s->prefix, id) < 0) {
        key = NULL;
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a probe");
    }
    struct race r = {.s = s, .key = key};
    int winner = -1, won = 0, refused = 0, unable = 0;
    int code = ms_parallel(WRITERS, WRITERS, write_one, &r, err);
    if (!code)
        code = write_one(&r, WRITERS);
    for (int i = 0; i <= WRITERS; i++) {
        won += r.codes[i] == 0;
        refused += r.codes[i] == MS_ERR_CONFLICT;
        unable += r.codes[i] == MS_ERR_UNSUPPORTED;
    }
    if (!code && won)
        code = read_back(s, key, &winner, NULL);
    *works = !code && won == 1 && refused == WRITERS && winner >= 0 && winner < WRITERS &&
             r.codes[winner] == 0;
    *sure = !code && won + refused + unable == WRITERS + 1;
    struct ms_cancel *token = ms_cancel_swap(NULL);
    struct ms_s3_call c = {.verb = MS_VERB_OTHER, .method = "DELETE", .key = key};
    if (won || !*sure) /* an answer that was lost may have been a yes */
        (void)ms_s3_do_quiet(s, &c, NULL);
    ms_cancel_swap(token);
    return code;
}

/* ---- what was left behind ---- */

static bool is_probe(const struct ms_s3 *s, struct ms_view key)
{
    size_t head = strlen(s->prefix) + strlen(PROBE);
    if (key.size != head + 32 + 4 || !ms_ends_with(key, ms_str(".tmp")))
        return false;
    for (size_t i = head; i < head + 32; i++)
        if (!strchr("0123456789abcdef", key.data[i]))
            return false;
    return true;
}

/* Those of a page that are old enough. */
static int sweep_page(struct ms_s3 *s, const struct ms_s3_page *page, int64_t before_ns,
                      uint64_t *removed, struct ms_error *err)
{
    int code = 0;
    for (size_t i = 0; i < page->count && !code; i++) {
        const struct ms_s3_item *item = &page->items[i];
        bool old = item->info.mtime_ns && item->info.mtime_ns <= before_ns;
        if (!old || !is_probe(s, item->key))
            continue;
        MS_AUTO_FREE char *key = strndup((const char *)item->key.data, item->key.size);
        struct ms_s3_call c = {.verb = MS_VERB_OTHER, .method = "DELETE", .key = key};
        code = key ? ms_s3_do_quiet(s, &c, err)
                   : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a probe");
        *removed += code == 0;
        if (code == MS_ERR_NOT_FOUND)
            code = 0;
    }
    return code;
}

int ms_s3_probe_sweep(struct ms_s3 *s, int64_t before_ns, uint64_t *removed, struct ms_error *err)
{
    MS_AUTO_FREE char *token = NULL;
    MS_AUTO_FREE char *prefix = NULL;
    struct ms_s3_circle circle = {0};
    bool again = false;
    int code = 0;
    if (asprintf(&prefix, "%s" PROBE, s->prefix) < 0) {
        prefix = NULL;
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a probe");
    }
    do {
        struct ms_s3_page page = {0};
        code = ms_s3_page_get(s, prefix, false, NULL, token, 1000, &page, err);
        if (!code)
            code = sweep_page(s, &page, before_ns, removed, err);
        free(token);
        token = MS_TAKE(page.token);
        ms_s3_page_fini(&page);
        if (!code && token)
            code = ms_s3_circle_step(&circle, ms_str(token), &again, err);
        if (again)
            code = ms_s3_circle_error(s, "a listing", err);
    } while (!code && token);
    ms_s3_circle_fini(&circle);
    return code;
}

/* ---- what an earlier process found ---- */

#define VERDICT_AGE_S (30 * 24 * 3600)

/* "…/mstore/if-absent-HASH" below the cache folder, which is made; NULL: there is none. */
static char *verdict_path(const struct ms_s3 *s)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char hash[MS_SHA256_HEX], *path = NULL;
    MS_AUTO_FREE char *folder = NULL;
    MS_AUTO_FREE char *place = NULL;
    bool given = cache && cache[0] == '/';
    if (!given && (!home || home[0] != '/'))
        return NULL;
    if (asprintf(&folder, "%s%s", given ? cache : home, given ? "" : "/.cache") < 0)
        folder = NULL;
    if (asprintf(&place, "%s://%s/%s", s->scheme, s->host, s->bucket) < 0)
        place = NULL;
    if (!folder || !place || ms_sha256_hex(ms_str(place), hash, NULL))
        return NULL;
    (void)mkdir(folder, 0700);
    if (asprintf(&path, "%s/mstore", folder) < 0)
        return NULL;
    (void)mkdir(path, 0700);
    free(path);
    return asprintf(&path, "%s/mstore/if-absent-%.32s", folder, hash) < 0 ? NULL : path;
}

static bool read_verdict(const struct ms_s3 *s, const char *path, bool *works)
{
    MS_AUTO_CLOSE int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
    struct stat st;
    char text[4] = "";
    if (fd < 0 || fstat(fd, &st) < 0 || read(fd, text, 3) < 2)
        return false;
    int64_t age = ms_clock_wall(s->base.clock) / 1000000000 - (int64_t)st.st_mtime;
    *works = strcmp(text, "yes") == 0;
    return age >= -60 && age < VERDICT_AGE_S;
}

static void keep_verdict(const char *path, bool works)
{
    MS_AUTO_CLOSE int fd =
        path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    if (fd >= 0 && write(fd, works ? "yes" : "no", works ? 3 : 2) < 0)
        (void)unlink(path);
}

int ms_s3_probe_if_absent(struct ms_s3 *s, bool *works, struct ms_error *err)
{
    MS_AUTO_FREE char *path = verdict_path(s);
    bool sure = false;
    if (read_verdict(s, path, works))
        return 0;
    int code = probe(s, works, &sure, err);
    if (!code && sure)
        keep_verdict(path, *works);
    return code;
}
