/* An S3 server for tests: see s3_fake.h. A thread for each connection, one mutex around all
 * objects. Keys in listings are percent-encoded, ETags are numbers: nobody can take one for a hash.
 */
#include "support/s3_fake.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEAD_MAX 16384

struct object {
    char *key, *data;
    size_t size;
    unsigned version;
    char id[40], sha256[80]; /* metadata */
};

struct upload {
    char *key;
    unsigned number;
    char id[40];
    struct object parts[64]; /* of which data and size are used */
};

static struct s3_fake_state *state;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct object *objects; /* sorted; under mutex, and the rest */
static size_t object_count, object_room;
static struct upload *uploads[64];
static unsigned version, emptied;

/* One request, and the answer being made. */
struct request {
    int fd;
    char head[HEAD_MAX];
    char method[16], path[2048], key[2048];
    char *query; /* in head */
    char *body;
    size_t body_size;
    FILE *out;
    char *text;
    size_t text_size;
    char extra[512]; /* headers */
};

/* ---- small things ---- */

static void decode(char *text)
{
    char *to = text;
    for (; *text; text++) {
        unsigned byte;
        if (*text == '%' && sscanf(text + 1, "%2x", &byte) == 1) {
            *to++ = (char)byte;
            text += 2;
        } else {
            *to++ = *text;
        }
    }
    *to = 0;
}

static void encode(FILE *f, const char *text)
{
    for (; *text; text++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/", *text))
            fputc(*text, f);
        else
            fprintf(f, "%%%02X", (uint8_t)*text);
}

static bool header(const struct request *r, const char *name, char *out, size_t size)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\r\n%s:", name);
    const char *at = strcasestr(r->head + strlen(r->head) + 1, wanted);
    out[0] = 0;
    if (!at)
        return false;
    at += strlen(wanted);
    at += strspn(at, " ");
    snprintf(out, size, "%.*s", (int)strcspn(at, "\r"), at);
    return true;
}

static bool query(const struct request *r, const char *name, char *out, size_t size)
{
    size_t length = strlen(name);
    out[0] = 0;
    for (const char *at = r->query; at && *at; at = strchr(at, '&'), at = at ? at + 1 : NULL)
        if (strncmp(at, name, length) == 0 && strchr("=&", at[length])) {
            const char *value = at[length] == '=' ? at + length + 1 : "";
            snprintf(out, size, "%.*s", (int)strcspn(value, "&"), value);
            decode(out);
            return true;
        }
    return false;
}

static size_t place_of(const char *key, bool *there)
{
    size_t low = 0, high = object_count;
    *there = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(objects[middle].key, key);
        if (order == 0) {
            *there = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct object *find(const char *key)
{
    bool there;
    size_t at = place_of(key, &there);
    return there ? &objects[at] : NULL;
}

static struct object *put(const char *key, char *data, size_t size)
{
    bool there;
    size_t at = place_of(key, &there);
    if (!there) {
        if (object_count == object_room) {
            object_room = object_room * 2 + 64;
            objects = realloc(objects, object_room * sizeof *objects);
        }
        memmove(objects + at + 1, objects + at, (object_count++ - at) * sizeof *objects);
        objects[at] = (struct object){.key = strdup(key)};
    }
    struct object *o = &objects[at];
    free(o->data);
    o->data = data;
    o->size = size;
    o->version = ++version;
    return o;
}

static void drop(const char *key)
{
    bool there;
    size_t at = place_of(key, &there);
    if (!there)
        return;
    free(objects[at].key);
    free(objects[at].data);
    memmove(objects + at, objects + at + 1, (--object_count - at) * sizeof *objects);
}

static void drop_upload(size_t i)
{
    for (size_t k = 0; k < 64; k++)
        free(uploads[i]->parts[k].data);
    free(uploads[i]->key);
    free(uploads[i]);
    uploads[i] = NULL;
}

static void forget(void)
{
    while (object_count)
        drop(objects[0].key);
    for (size_t i = 0; i < 64; i++)
        if (uploads[i])
            drop_upload(i);
    for (size_t i = 0; i < atomic_load(&state->stale_uploads) && i < 64; i++) {
        uploads[i] = calloc(1, sizeof **uploads);
        if (asprintf(&uploads[i]->key, "p/stale-%zu", i) < 0)
            abort();
        snprintf(uploads[i]->id, sizeof uploads[i]->id, "U%zu", i);
    }
}

/* ---- answers ---- */

static bool send_all(int fd, const char *bytes, size_t size)
{
    while (size) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

static bool reply(struct request *r, int status, const char *body, size_t size)
{
    char head[1024];
    bool head_only = strcmp(r->method, "HEAD") == 0;
    int length = snprintf(head, sizeof head,
                          "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nLast-Modified: Sun, 30 Aug 2015 "
                          "12:36:00 GMT\r\n%s\r\n",
                          status, size, r->extra);
    return send_all(r->fd, head, (size_t)length) && (head_only || send_all(r->fd, body, size));
}

/* Whether this one's answer is lost on the way. */
static bool loses_answer(void)
{
    bool lost = atomic_load(&state->lose_answers) > 0;
    if (lost)
        atomic_fetch_sub(&state->lose_answers, 1);
    return lost;
}

static bool fault(struct request *r, int status, const char *code)
{
    char body[200];
    int size = snprintf(body, sizeof body, "<Error><Code>%s</Code></Error>", code);
    return reply(r, status, body, (size_t)size);
}

static void add_header(struct request *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void add_header(struct request *r, const char *fmt, ...)
{
    size_t at = strlen(r->extra);
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->extra + at, sizeof r->extra - at, fmt, args);
    va_end(args);
}

static bool reply_made(struct request *r)
{
    fclose(r->out);
    r->out = NULL;
    return reply(r, 200, r->text, r->text_size);
}

/* ---- listings ---- */

static bool list_objects(struct request *r)
{
    char prefix[2048], token[2048], after[2048], most[16], delimiter[8];
    query(r, "prefix", prefix, sizeof prefix);
    query(r, "start-after", after, sizeof after);
    if (query(r, "continuation-token", token, sizeof token))
        snprintf(after, sizeof after, "%s", token);
    bool levels = query(r, "delimiter", delimiter, sizeof delimiter);
    size_t limit = query(r, "max-keys", most, sizeof most) ? strtoul(most, NULL, 10) : 1000;
    size_t count = 0, length = strlen(prefix);
    const char *last = NULL;
    char common[2048] = "";
    atomic_fetch_add(&state->lists, 1);
    fputs("<ListBucketResult><EncodingType>url</EncodingType>", r->out);
    for (size_t i = 0; i < object_count; i++) {
        const struct object *o = &objects[i];
        if (strncmp(o->key, prefix, length) != 0 || (after[0] && strcmp(o->key, after) <= 0) ||
            (common[0] && strncmp(o->key, common, strlen(common)) == 0))
            continue;
        if (count == limit) {
            fputs("<IsTruncated>true</IsTruncated><NextContinuationToken>", r->out);
            encode(r->out, last);
            fputs(common[0] ? "%FF" : "", r->out);
            fputs("</NextContinuationToken></ListBucketResult>", r->out);
            return reply_made(r);
        }
        const char *slash = levels ? strchr(o->key + length, '/') : NULL;
        if (slash)
            snprintf(common, sizeof common, "%.*s", (int)(slash + 1 - o->key), o->key);
        else
            common[0] = 0;
        fputs(slash ? "<CommonPrefixes><Prefix>" : "<Contents><Key>", r->out);
        encode(r->out, slash ? common : o->key);
        if (slash)
            fputs("</Prefix></CommonPrefixes>", r->out);
        else
            fprintf(r->out, "</Key><Size>%zu</Size><ETag>\"v%u\"</ETag></Contents>", o->size,
                    o->version);
        last = slash ? common : o->key;
        count++;
    }
    fputs("<IsTruncated>false</IsTruncated></ListBucketResult>", r->out);
    return reply_made(r);
}

/* Two on a page, so that there are pages. */
static bool list_uploads(struct request *r)
{
    char marker[40];
    size_t given = 0, i = 0;
    query(r, "upload-id-marker", marker, sizeof marker);
    fputs("<ListMultipartUploadsResult>", r->out);
    for (i = marker[0] ? strtoul(marker + 1, NULL, 10) % 64 + 1 : 0; i < 64 && given < 2; i++) {
        if (!uploads[i])
            continue;
        fprintf(r->out,
                "<Upload><Key>%s</Key><UploadId>%s</UploadId><Initiated>2015-08-30T12:36:00.000Z"
                "</Initiated></Upload><NextKeyMarker>%s</NextKeyMarker><NextUploadIdMarker>%s"
                "</NextUploadIdMarker>",
                uploads[i]->key, uploads[i]->id, uploads[i]->key, uploads[i]->id);
        given++;
    }
    bool more = false;
    for (; i < 64; i++)
        more = more || uploads[i];
    fprintf(r->out, "<IsTruncated>%s</IsTruncated></ListMultipartUploadsResult>",
            more ? "true" : "false");
    return reply_made(r);
}

/* ---- DeleteObjects ---- */

static void unescape(char *text)
{
    char *to = text;
    for (; *text; text++) {
        unsigned byte;
        if (sscanf(text, "&#x%x;", &byte) == 1) {
            *to++ = (char)byte;
            text = strchr(text, ';');
        } else {
            *to++ = *text;
        }
    }
    *to = 0;
}

static bool delete_many(struct request *r)
{
    char md5[64];
    atomic_fetch_add(&state->delete_many, 1);
    unsigned status = atomic_load(&state->refuse_delete_many);
    if (status == 200)
        return reply(r, 200, "<html></html>", 13);
    if (status)
        return fault(r, (int)status, state->said);
    if (!header(r, "content-md5", md5, sizeof md5) || strlen(md5) != 24)
        return fault(r, 400, "InvalidRequest");
    bool quiet = r->body && strstr(r->body, "<Quiet>true</Quiet>");
    unsigned count = 0;
    fputs("<DeleteResult>", r->out);
    for (char *at = r->body; at && (at = strstr(at, "<Key>")) && (at += 5, true);) {
        char *end = strstr(at, "</Key>");
        if (!end || ++count > 1000)
            return fault(r, 400, "MalformedXML");
        *end = 0;
        unescape(at);
        bool keep = atomic_load(&state->keep_what_was_asked) && strlen(at) >= 4 &&
                    strcmp(at + strlen(at) - 4, "keep") == 0;
        if (!keep)
            drop(at);
        if (keep || !quiet)
            fprintf(r->out,
                    keep ? "<Error><Key>%s</Key><Code>AccessDenied</Code></Error>"
                         : "<Deleted><Key>%s</Key></Deleted>",
                    at);
        at = end + 1;
    }
    fputs("</DeleteResult>", r->out);
    return count ? reply_made(r) : fault(r, 400, "MalformedXML");
}

/* ---- uploads ---- */

static struct upload *upload_of(struct request *r, size_t *at)
{
    char id[40];
    query(r, "uploadId", id, sizeof id);
    for (size_t i = 0; i < 64; i++)
        if (uploads[i] && strcmp(uploads[i]->id, id) == 0 && strcmp(uploads[i]->key, r->key) == 0) {
            *at = i;
            return uploads[i];
        }
    return NULL;
}

static bool begin_upload(struct request *r)
{
    size_t i = 0;
    while (i < 63 && uploads[i])
        i++;
    if (uploads[i])
        return fault(r, 503, "SlowDown");
    struct upload *u = calloc(1, sizeof *u);
    u->key = strdup(r->key);
    snprintf(u->id, sizeof u->id, "U%zu", i);
    header(r, "x-amz-meta-mstore-id", u->parts[0].id, sizeof u->parts[0].id);
    uploads[i] = u;
    fprintf(r->out,
            "<InitiateMultipartUploadResult><UploadId>%s</UploadId>"
            "</InitiateMultipartUploadResult>",
            u->id);
    return reply_made(r);
}

static char *copy_bytes(const char *bytes, size_t size)
{
    char *copy = malloc(size + 1);
    if (size)
        memcpy(copy, bytes, size);
    return copy;
}

static bool put_part(struct request *r)
{
    size_t at;
    char number[16], source[2048], range[64];
    query(r, "partNumber", number, sizeof number);
    size_t index = strtoul(number, NULL, 10) - 1;
    struct upload *u = upload_of(r, &at);
    if (!u || index >= 64)
        return fault(r, 404, "NoSuchUpload");
    if (atomic_load(&state->fail_parts))
        return fault(r, (int)atomic_load(&state->fail_parts), "InvalidRequest");
    struct object *part = &u->parts[index];
    free(part->data);
    if (header(r, "x-amz-copy-source", source, sizeof source)) {
        unsigned long long from = 0, last = 0;
        decode(source);
        struct object *o = find(strchr(source + 1, '/') + 1);
        header(r, "x-amz-copy-source-range", range, sizeof range);
        sscanf(range, "bytes=%llu-%llu", &from, &last);
        part->data = o && last < o->size ? copy_bytes(o->data + from, last + 1 - from) : NULL;
        part->size = last + 1 - from;
        if (!part->data)
            return fault(r, 400, "InvalidRange");
        fputs("<CopyPartResult><ETag>\"part\"</ETag></CopyPartResult>", r->out);
        return reply_made(r);
    }
    part->data = copy_bytes(r->body, r->body_size);
    part->size = r->body_size;
    add_header(r, "ETag: \"part\"\r\n");
    return reply(r, 200, "", 0);
}

static bool complete(struct request *r)
{
    size_t at, size = 0, count = 0;
    struct upload *u = upload_of(r, &at);
    if (!u)
        return fault(r, 404, "NoSuchUpload");
    for (const char *p = r->body; p && (p = strstr(p, "<ETag>&#x22;part&#x22;</ETag>")); p++)
        count++;
    for (size_t i = 0; i < 64; i++)
        count -= u->parts[i].data != NULL;
    if (count != 0)
        return fault(r, 400, "InvalidPart");
    char *whole = NULL;
    for (size_t i = 0; i < 64; i++) {
        if (!u->parts[i].data)
            continue;
        whole = realloc(whole, size + u->parts[i].size + 1);
        memcpy(whole + size, u->parts[i].data, u->parts[i].size);
        size += u->parts[i].size;
    }
    struct object *o = put(r->key, whole, size);
    memcpy(o->id, u->parts[0].id, sizeof o->id);
    o->sha256[0] = 0;
    drop_upload(at);
    if (loses_answer())
        return false;
    fprintf(r->out,
            "<CompleteMultipartUploadResult><ETag>\"v%u\"</ETag>"
            "</CompleteMultipartUploadResult>",
            o->version);
    return reply_made(r);
}

/* ---- objects ---- */

/* A PUT only if nothing is there; false: it is answered with *status. */
static bool is_absent(struct request *r, int *status)
{
    unsigned number = atomic_fetch_add(&state->conditional, 1) + 1;
    *status = (int)atomic_load(&state->refuse_conditional);
    if (*status)
        return false;
    *status = 412;
    return !find(r->key) ||
           (number >= atomic_load(&state->ignore_from) && number <= atomic_load(&state->ignore_to));
}

static bool put_object(struct request *r)
{
    char source[2048], any[8];
    int status = 0;
    bool copies = header(r, "x-amz-copy-source", source, sizeof source);
    if (header(r, "if-none-match", any, sizeof any) && !is_absent(r, &status)) {
        if (atomic_load(&state->do_refused) && !copies)
            put(r->key, copy_bytes(r->body, r->body_size), r->body_size);
        return fault(r, status,
                     status == 412   ? "PreconditionFailed"
                     : status == 501 ? "NotImplemented"
                                     : "InternalError");
    }
    if (!copies) {
        struct object *o = put(r->key, copy_bytes(r->body, r->body_size), r->body_size);
        header(r, "x-amz-meta-mstore-id", o->id, sizeof o->id);
        header(r, "x-amz-meta-mstore-sha256", o->sha256, sizeof o->sha256);
        add_header(r, "ETag: \"v%u\"\r\n", o->version);
        return !loses_answer() && reply(r, 200, "", 0);
    }
    decode(source);
    struct object *from = find(strchr(source + 1, '/') + 1);
    if (!from)
        return fault(r, 404, "NoSuchKey");
    struct object old = *from;
    struct object *o = put(r->key, copy_bytes(old.data, old.size), old.size);
    memcpy(o->id, old.id, sizeof o->id);
    memcpy(o->sha256, old.sha256, sizeof o->sha256);
    fputs("<CopyObjectResult></CopyObjectResult>", r->out);
    return reply_made(r);
}

static bool get_object(struct request *r)
{
    char range[64], tag[64], mine[64];
    const struct object *o = find(r->key);
    if (!o)
        return fault(r, 404, "NoSuchKey");
    snprintf(mine, sizeof mine, "\"v%u\"", o->version);
    if (header(r, "if-match", tag, sizeof tag) && strcmp(tag, mine) != 0)
        return fault(r, 412, "PreconditionFailed");
    add_header(r, "ETag: %s\r\n", mine);
    if (o->id[0])
        add_header(r, "x-amz-meta-mstore-id: %s\r\n", o->id);
    if (o->sha256[0])
        add_header(r, "x-amz-meta-mstore-sha256: %s\r\n", o->sha256);
    unsigned long long from = 0, last = o->size ? o->size - 1 : 0;
    if (!header(r, "range", range, sizeof range))
        return reply(r, 200, o->data, o->size);
    if (sscanf(range, "bytes=-%llu", &from) == 1)
        from = from < o->size ? o->size - from : 0;
    else
        sscanf(range, "bytes=%llu-%llu", &from, &last);
    if (from >= o->size)
        return fault(r, 416, "InvalidRange");
    if (last >= o->size)
        last = o->size - 1;
    add_header(r, "Content-Range: bytes %llu-%llu/%zu\r\n", from, last, o->size);
    uint8_t kept = (uint8_t)o->data[last], wrong = (uint8_t)(atomic_load(&state->damage) ? 1 : 0);
    o->data[last] = kept ^ wrong;
    bool sent = reply(r, 206, o->data + from, (size_t)(last + 1 - from));
    o->data[last] = kept;
    return sent;
}

static bool delete_object(struct request *r)
{
    char id[40];
    size_t at;
    if (query(r, "uploadId", id, sizeof id)) {
        if (!upload_of(r, &at))
            return fault(r, 404, "NoSuchUpload");
        drop_upload(at);
    } else {
        atomic_fetch_add(&state->deletes, 1);
        drop(r->key);
    }
    return reply(r, 204, "", 0);
}

/* ---- requests ---- */

static bool answer_bucket(struct request *r)
{
    char none[8];
    if (query(r, "delete", none, sizeof none))
        return delete_many(r);
    return query(r, "uploads", none, sizeof none) ? list_uploads(r) : list_objects(r);
}

static bool answer(struct request *r)
{
    char none[8];
    atomic_fetch_add(&state->requests, 1);
    if (emptied != atomic_load(&state->emptied)) {
        emptied = atomic_load(&state->emptied);
        forget();
    }
    header(r, "host", state->host, sizeof state->host);
    header(r, "authorization", state->authorization, sizeof state->authorization);
    if (!r->key[0])
        return answer_bucket(r);
    if (strcmp(r->method, "PUT") == 0)
        return query(r, "partNumber", none, sizeof none) ? put_part(r) : put_object(r);
    if (strcmp(r->method, "POST") == 0)
        return query(r, "uploads", none, sizeof none) ? begin_upload(r) : complete(r);
    if (strcmp(r->method, "DELETE") == 0)
        return delete_object(r);
    if (strcmp(r->method, "HEAD") == 0)
        atomic_fetch_add(&state->heads, 1);
    return get_object(r);
}

/* The head is cut into its first line and, behind the NUL, the rest. */
static bool read_request(struct request *r)
{
    size_t at = 0;
    char *end = NULL, length[24];
    while (!end && at < sizeof r->head - 2) {
        ssize_t n = recv(r->fd, r->head + at, sizeof r->head - 2 - at, 0);
        if (n <= 0)
            return false;
        at += (size_t)n;
        r->head[at] = 0;
        end = strstr(r->head, "\r\n\r\n");
    }
    if (!end || sscanf(r->head, "%15s %2047s", r->method, r->path) != 2)
        return false;
    char *line = strstr(r->head, "\r\n");
    memmove(line + 1, line, at - (size_t)(line - r->head) + 1); /* the lines begin with CR LF */
    *line = 0;
    end += 5;
    at++;
    r->query = strchr(r->path, '?');
    if (r->query)
        *r->query++ = 0;
    decode(r->path);
    const char *slash = strchr(r->path + 1, '/');
    snprintf(r->key, sizeof r->key, "%s", slash ? slash + 1 : "");
    r->body_size =
        header(r, "content-length", length, sizeof length) ? strtoul(length, NULL, 10) : 0;
    r->body = calloc(1, r->body_size + 1);
    size_t got = at - (size_t)(end - r->head);
    memcpy(r->body, end, got < r->body_size ? got : r->body_size);
    while (got < r->body_size) {
        ssize_t n = recv(r->fd, r->body + got, r->body_size - got, 0);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg, yes = 1;
    bool good = true;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    while (good) {
        struct request *r = calloc(1, sizeof *r);
        r->fd = fd;
        good = read_request(r);
        if (good) {
            r->out = open_memstream(&r->text, &r->text_size);
            pthread_mutex_lock(&mutex);
            good = answer(r);
            pthread_mutex_unlock(&mutex);
            if (r->out)
                fclose(r->out);
            free(r->text);
        }
        free(r->body);
        free(r);
    }
    close(fd);
    return NULL;
}

/* ---- the process ---- */

static int listen_on(bool ipv6, int *port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *address = ipv6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
    socklen_t size = ipv6 ? sizeof v6 : sizeof v4;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, address, size) == 0 && listen(fd, 64) == 0 &&
        getsockname(fd, address, &size) == 0) {
        *port = ntohs(ipv6 ? v6.sin6_port : v4.sin_port);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static void run(int listener)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        pthread_t thread;
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0 && pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
    }
}

bool s3_fake_start(struct s3_fake *f, bool ipv6)
{
    int listener = listen_on(ipv6, &f->port);
    void *shared =
        mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (listener < 0 || shared == MAP_FAILED)
        return false;
    f->state = state = shared;
    f->pid = fork();
    if (f->pid == 0)
        run(listener);
    close(listener);
    return f->pid > 0;
}

void s3_fake_stop(struct s3_fake *f)
{
    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
    munmap(f->state, sizeof *f->state);
}

void s3_fake_reset(struct s3_fake *f)
{
    unsigned next = atomic_load(&f->state->emptied) + 1;
    memset(f->state, 0, sizeof *f->state);
    atomic_store(&f->state->emptied, next);
}
