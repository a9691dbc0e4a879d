/* Deletes: one, many, and a page of a store that is destroyed.
 *
 * No delete of S3 says whether there was anything, so each value is asked for before (many of them
 * side by side); then DeleteObjects takes up to 1000 keys, fewer where a thousand take longer than
 * an answer is waited for. What it cannot be trusted with goes one by one: a server without it (the
 * table of quirks, or its answer), keys that XML cannot hold, an answer that is none, single keys
 * for which it asks to come again. */
#include "backends/s3/s3.h"

#include "backends/s3/xml.h"
#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"

#include <openssl/evp.h>
#include <stdio.h>

#define KEYS_MAX    1000 /* of one DeleteObjects */
#define IN_FLIGHT   32
#define TO_BE_TRIED MS_ERR_BUSY

static int no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a list of keys");
}

static int check_there(struct ms_s3 *s, struct ms_view name, struct ms_error *err)
{
    struct ms_info info;
    int code = ms_s3_head(s, name, &info, NULL, err);
    if (!code && !info.exists)
        code = ms_error_set(err, MS_ERR_NOT_FOUND, "%s not found", MS_SHOW(name));
    return code;
}

int ms_s3_remove(struct ms_backend *b, struct ms_view name, struct ms_error *err)
{
    struct ms_s3 *s = ms_s3_self(b);
    int code = check_there(s, name, err);
    if (code)
        return code;
    struct ms_s3_call c = {.verb = MS_VERB_DELETE, .method = "DELETE", .name = name};
    code = ms_s3_do_quiet(s, &c, err);
    return code == MS_ERR_NOT_FOUND ? 0
                                    : code; /* somebody else's work, or our own lost attempt's */
}

/* ---- one by one ---- */

struct single {
    struct ms_s3 *s;
    struct ms_s3_doomed *keys;
};

static bool comes_again(const struct ms_s3_doomed *d)
{
    return ms_code_class(d->result.code) == MS_CLASS_TRANSIENT;
}

/* 0 even when it failed: the others are tried all the same. */
static int delete_key(void *arg, size_t index)
{
    struct single *a = arg;
    struct ms_s3_doomed *d = &a->keys[index];
    if (!comes_again(d))
        return 0;
    struct ms_error err = {0};
    MS_AUTO_FREE char *text = strndup((const char *)d->key.data, d->key.size);
    struct ms_s3_call c = {.verb = MS_VERB_DELETE, .method = "DELETE", .key = text};
    int code;
    if (text && strlen(text) < d->key.size) /* another key's name would be left */
        code = ms_error_set(&err, MS_ERR_NAME,
                            "%s: \"%s\" has a NUL in its key: delete it with the provider's tools",
                            a->s->base.url, MS_SHOW(d->key));
    else
        code = text ? ms_s3_do_quiet(a->s, &c, &err) : no_memory(&err);
    d->result = code && code != MS_ERR_NOT_FOUND ? err : (struct ms_error){0};
    return 0;
}

/* Those whose result says that they may be tried again. */
static int delete_one_by_one(struct ms_s3 *s, struct ms_s3_doomed *keys, size_t count,
                             struct ms_error *err)
{
    struct single a = {s, keys};
    return ms_parallel(count, IN_FLIGHT, delete_key, &a, err);
}

/* ---- DeleteObjects ---- */

/* XML has no control characters, not even escaped; servers differ in what they make of them. */
static bool xml_holds(struct ms_view key)
{
    for (size_t i = 0; i < key.size; i++)
        if (key.data[i] < 0x20)
            return false;
    return true;
}

/* Of those keys whose result is 0. */
static char *delete_body(const struct ms_s3_doomed *keys, size_t count)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    bool good = true;
    fputs("<Delete><Quiet>true</Quiet>", f);
    for (size_t i = 0; i < count && good; i++) {
        if (keys[i].result.code)
            continue;
        MS_AUTO_FREE char *key = ms_xml_escape(keys[i].key);
        good = key && fprintf(f, "<Object><Key>%s</Key></Object>", key) > 0;
    }
    fputs("</Delete>", f);
    good = !ferror(f) && good;
    if (fclose(f) != 0 || !good) {
        free(text);
        return NULL;
    }
    return text;
}

/* What the answer says went wrong; of an element <Error>. */
struct failures {
    struct ms_s3 *s;
    struct ms_s3_doomed *keys;
    size_t count, next; /* the server keeps our order, most do */
    char *key;
    char code[64];
    bool is_result;
};

static struct ms_s3_doomed *find(struct failures *f, struct ms_view key)
{
    for (size_t i = 0; i < f->count; i++) {
        struct ms_s3_doomed *d = &f->keys[(f->next + i) % f->count];
        if (ms_equal(d->key, key)) {
            f->next = (size_t)(d - f->keys) + 1;
            return d;
        }
    }
    return NULL;
}

static int failed(struct failures *f, struct ms_error *err)
{
    struct ms_s3_doomed *d = f->key ? find(f, ms_str(f->key)) : NULL;
    if (!d)
        return ms_error_set(err, MS_ERR_PROTOCOL,
                            "%s: the server says that a value was not deleted, but not which",
                            f->s->base.url);
    size_t prefix = strlen(f->s->prefix);
    struct ms_view name = ms_view(d->key.data + prefix, d->key.size - prefix);
    const char *sentence = "the server refuses it";
    int code = ms_s3_code_of(f->code, &sentence);
    if (code != MS_ERR_NOT_FOUND)
        ms_error_set(&d->result, code ? code : MS_ERR_IO, "%s: %s: %s (%s)", f->s->base.url,
                     MS_SHOW(name), sentence, f->code);
    for (size_t i = 0; i < f->count; i++) /* asked for twice, answered once */
        if (ms_equal(f->keys[i].key, d->key))
            f->keys[i].result = d->result;
    free(f->key);
    f->key = NULL;
    f->code[0] = 0;
    return 0;
}

static int take_leaf(void *ctx, const char *path, struct ms_view text, struct ms_error *err)
{
    struct failures *f = ctx;
    f->is_result = strncmp(path, "DeleteResult", 12) == 0;
    if (strcmp(path, "DeleteResult/Error/Key") == 0) {
        free(f->key);
        f->key = strndup((const char *)text.data, text.size);
        return f->key ? 0 : no_memory(err);
    }
    if (strcmp(path, "DeleteResult/Error/Code") == 0)
        ms_s3_plain(text, f->code, sizeof f->code);
    return strcmp(path, "DeleteResult/Error") == 0 ? failed(f, err) : 0;
}

static int content_md5(const char *body, char out[32])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(body, strlen(body), digest, &size, EVP_md5(), NULL) != 1)
        return MS_ERR_INTERNAL;
    EVP_EncodeBlock((uint8_t *)out, digest, (int)size);
    return 0;
}

/* UNSUPPORTED: the answer does not say what became of the keys. */
static int read_answer(struct ms_s3 *s, struct ms_s3_doomed *keys, size_t count,
                       const struct ms_http_answer *answer, struct ms_error *err)
{
    struct failures f = {.s = s, .keys = keys, .count = count};
    int code = answer->body ? ms_xml_walk(ms_buf_view(answer->body), take_leaf, &f, err) : 0;
    free(f.key);
    if (code != MS_ERR_NO_MEMORY && (code || !f.is_result))
        code =
            ms_error_set(err, MS_ERR_UNSUPPORTED, "%s: DeleteObjects has no result", s->base.url);
    return code;
}

static int delete_objects(struct ms_s3 *s, struct ms_s3_doomed *keys, size_t count,
                          struct ms_error *err)
{
    MS_AUTO_FREE char *body = delete_body(keys, count);
    char md5[32];
    if (!body)
        return no_memory(err);
    struct ms_s3_call c = {.verb = MS_VERB_DELETE,
                           .method = "POST",
                           .key = "",
                           .body = ms_str(body),
                           .has_body = true,
                           .body_max_bytes = 16u << 20,
                           .late_error = true};
    ms_s3_query_add(&c, "delete", "");
    ms_s3_header_add(&c, "content-type", "application/xml");
    if (content_md5(body, md5) == 0)
        ms_s3_header_add(&c, "content-md5", md5);
    struct ms_http_answer answer;
    int code = ms_s3_do(s, &c, &answer, err);
    if (code)
        return code;
    code = read_answer(s, keys, count, &answer, err);
    ms_http_answer_fini(&answer);
    return code;
}

/* 501, 400 MalformedXML, 404, 405, an answer that is none: what a server says that has no
 * DeleteObjects, or none for such keys. */
static bool falls_back(int code)
{
    return code == MS_ERR_UNSUPPORTED || code == MS_ERR_NOT_FOUND || code == MS_ERR_IO;
}

int ms_s3_delete_keys(struct ms_s3 *s, struct ms_s3_doomed *keys, size_t count,
                      struct ms_error *err)
{
    int code = 0;
    const size_t most = s->quirks->delete_many ? s->quirks->delete_many : KEYS_MAX;
    for (size_t at = 0; at < count && !code; at += most) {
        struct ms_s3_doomed *some = keys + at;
        size_t size = count - at < most ? count - at : most;
        size_t held = 0;
        for (size_t i = 0; i < size; i++) {
            bool holds = xml_holds(some[i].key);
            some[i].result = (struct ms_error){.code = holds ? 0 : TO_BE_TRIED};
            held += holds;
        }
        bool many = s->quirks->delete_many && held > 1 && !atomic_load(&s->no_delete_many);
        code = many ? delete_objects(s, some, size, err) : MS_ERR_UNSUPPORTED;
        if (many && code == MS_ERR_UNSUPPORTED)
            atomic_store(&s->no_delete_many, true);
        if (falls_back(code))
            for (size_t i = 0; i < size; i++)
                some[i].result.code = TO_BE_TRIED;
        if (!code || falls_back(code))
            code = delete_one_by_one(s, some, size, err);
    }
    return code;
}

/* ---- many by name ---- */

struct many {
    struct ms_s3 *s;
    struct ms_deletion *const *items;
};

static int look(void *arg, size_t index)
{
    struct many *m = arg;
    struct ms_error err = {0};
    check_there(m->s, m->items[index]->name, &err);
    m->items[index]->result = err;
    return 0;
}

/* The whole key; its text is to be freed. */
static char *key_of(const struct ms_s3 *s, struct ms_view name)
{
    char *key = NULL;
    return asprintf(&key, "%s%.*s", s->prefix, (int)name.size, (const char *)name.data) < 0 ? NULL
                                                                                            : key;
}

/* Those that are there. */
static int delete_there(struct ms_s3 *s, struct ms_deletion *const *items, size_t count,
                        struct ms_s3_doomed *keys, struct ms_error *err)
{
    size_t there = 0;
    int code = 0;
    for (size_t i = 0; i < count && !code; i++) {
        char *key = items[i]->result.code ? NULL : key_of(s, items[i]->name);
        if (key)
            keys[there++].key = ms_str(key);
        else if (!items[i]->result.code)
            code = no_memory(err);
    }
    if (!code && there)
        code = ms_s3_delete_keys(s, keys, there, err);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (items[i]->result.code)
            continue;
        items[i]->result = code ? (struct ms_error){.code = MS_ERR_CANCELLED} : keys[at++].result;
    }
    for (size_t i = 0; i < there; i++)
        free((void *)(uintptr_t)keys[i].key.data);
    return code;
}

int ms_s3_remove_many(struct ms_backend *b, struct ms_deletion *const *items, size_t count,
                      struct ms_error *err)
{
    struct many m = {ms_s3_self(b), items};
    int code = 0;
    for (size_t at = 0; at < count && !code; at += KEYS_MAX) {
        size_t size = count - at < KEYS_MAX ? count - at : KEYS_MAX;
        MS_AUTO_FREE struct ms_s3_doomed *keys = calloc(size, sizeof(*keys));
        m.items = items + at;
        code = keys ? ms_parallel(size, IN_FLIGHT, look, &m, err) : no_memory(err);
        if (!code)
            code = delete_there(m.s, m.items, size, keys, err);
        else
            for (size_t i = 0; i < size; i++) /* found, and not deleted */
                if (!items[at + i]->result.code)
                    items[at + i]->result = (struct ms_error){.code = MS_ERR_CANCELLED};
    }
    return code;
}
