/* bench/multi_plain.c - see multi_plain.h. */
#include "bench/multi_plain.h"

#include "bench/plain.h"
#include "mstore/erasure.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define K       4
#define BLOCK   ((size_t)65536)
#define FILES   4096
#define THREADS 16

static void sum_block(EVP_MD_CTX *ctx, EVP_MD *md, const uint8_t *block)
{
    static const uint8_t head[32];
    uint8_t sum[EVP_MAX_MD_SIZE];
    if (EVP_DigestInit_ex2(ctx, md, NULL) != 1 || EVP_DigestUpdate(ctx, head, sizeof head) != 1 ||
        EVP_DigestUpdate(ctx, block, BLOCK) != 1 || EVP_DigestFinal_ex(ctx, sum, NULL) != 1)
        plain_die("SHA-256");
}

void plain_shards(const uint8_t *value, size_t size, uint8_t *shards[SHARDS])
{
    struct ms_erasure *code = NULL;
    struct ms_error err;
    uint8_t *scratch = malloc((SHARDS - K) * BLOCK);
    uint8_t *parity[SHARDS - K] = {scratch, scratch + BLOCK};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_MD *md = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (ms_erasure_new(K, SHARDS - K, &code, &err) || !scratch || !ctx || !md)
        plain_die("preparing to code");
    for (unsigned i = 0; i < SHARDS; i++)
        if (!(shards[i] = malloc(size / K)))
            plain_die("malloc");
    for (size_t row = 0; row < size / (K * BLOCK); row++) {
        const uint8_t *cells[SHARDS];
        for (unsigned j = 0; j < SHARDS; j++)
            cells[j] = j < K ? value + (row * K + j) * BLOCK : parity[j - K];
        ms_erasure_encode(code, cells, parity, BLOCK);
        for (unsigned j = 0; j < SHARDS; j++) {
            sum_block(ctx, md, cells[j]);
            memcpy(shards[j] + row * BLOCK, cells[j], BLOCK);
        }
    }
    EVP_MD_CTX_free(ctx);
    EVP_MD_free(md);
    ms_erasure_free(code);
    free(scratch);
}

void plain_shards_free(uint8_t *shards[SHARDS])
{
    for (unsigned i = 0; i < SHARDS; i++)
        free(shards[i]);
}

/* ---- three writers ---- */

struct writer {
    pthread_t thread;
    pthread_barrier_t *all;
    int folder;
    unsigned first, count;
    const void *value;
    size_t size;
};

static void *write_all_of(void *arg)
{
    struct writer *w = arg;
    for (unsigned i = 0; i < w->count; i++) {
        char text[80], *name = text;
        snprintf(text, sizeof text, "./%064u", w->first + i);
        plain_store(w->folder, &name, 1, w->value, w->size, 1);
        pthread_barrier_wait(w->all);
    }
    return NULL;
}

void plain_mirror(const int folders[], unsigned folder_count, unsigned first, unsigned count,
                  const void *value, size_t size)
{
    struct writer writers[THREADS];
    pthread_barrier_t all;
    if (pthread_barrier_init(&all, NULL, folder_count))
        plain_die("a barrier");
    for (unsigned i = 0; i < folder_count; i++) {
        writers[i] = (struct writer){.all = &all,
                                     .folder = folders[i],
                                     .first = first,
                                     .count = count,
                                     .value = value,
                                     .size = size};
        if (pthread_create(&writers[i].thread, NULL, write_all_of, &writers[i]))
            plain_die("a thread");
    }
    for (unsigned i = 0; i < folder_count; i++)
        pthread_join(writers[i].thread, NULL);
    pthread_barrier_destroy(&all);
}

/* ---- copying ---- */

struct copying {
    int from, to;
    char *names[FILES];
    size_t count, next;
    uint64_t bytes;
    pthread_mutex_t mutex;
};

static uint64_t copy_one(const struct copying *c, const char *name)
{
    struct stat st;
    char temp[300];
    int in = openat(c->from, name, O_RDONLY | O_CLOEXEC);
    snprintf(temp, sizeof temp, "%.250s.tmp", name);
    int out = openat(c->to, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (in < 0 || out < 0 || fstat(in, &st))
        plain_die(name);
    char *bytes = malloc((size_t)st.st_size + 1);
    if (!bytes || read(in, bytes, (size_t)st.st_size) != st.st_size ||
        write(out, bytes, (size_t)st.st_size) != st.st_size || fsync(out) ||
        renameat(c->to, temp, c->to, name))
        plain_die(name);
    free(bytes);
    close(in);
    close(out);
    return (uint64_t)st.st_size;
}

static void *copy_some(void *arg)
{
    struct copying *c = arg;
    for (;;) {
        pthread_mutex_lock(&c->mutex);
        size_t at = c->next++;
        pthread_mutex_unlock(&c->mutex);
        if (at >= c->count)
            return NULL;
        uint64_t bytes = copy_one(c, c->names[at]);
        pthread_mutex_lock(&c->mutex);
        c->bytes += bytes;
        pthread_mutex_unlock(&c->mutex);
    }
}

uint64_t plain_copy(int from, int to, unsigned threads)
{
    static struct copying c;
    pthread_t thread[THREADS];
    c = (struct copying){.from = from, .to = to, .mutex = PTHREAD_MUTEX_INITIALIZER};
    DIR *dir = fdopendir(openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (e->d_name[0] != '.' && c.count < FILES && !(c.names[c.count++] = strdup(e->d_name)))
            plain_die("strdup");
    if (!dir)
        plain_die("a folder");
    closedir(dir);
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, copy_some, &c))
            plain_die("a thread");
    for (unsigned i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    if (fsync(to))
        plain_die("fsync of a folder");
    for (size_t i = 0; i < c.count; i++)
        free(c.names[i]);
    return c.bytes;
}
