/* What the S3 server for tests has: see s3_fake_parts.h. Keys in listings are percent-encoded,
 * ETags are numbers: nobody can take one for a hash. */
#include "support/s3_fake_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static struct object *objects; /* sorted */
static size_t object_count, object_room;
static struct upload *uploads[64];
static unsigned version;

/* ---- what is there ---- */

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

void s3_fake_forget(void)
{
    while (object_count)
        drop(objects[0].key);
    for (size_t i = 0; i < 64; i++)
        if (uploads[i])
            drop_upload(i);
    for (size_t i = 0; i < atomic_load(&s3_fake_shared->stale_uploads) && i < 64; i++) {
        uploads[i] = calloc(1, sizeof **uploads);
        if (asprintf(&uploads[i]->key, "p/stale-%zu", i) < 0)
            abort();
        snprintf(uploads[i]->id, sizeof uploads[i]->id, "U%zu", i);
    }
}

/* ---- listings ---- */

bool s3_fake_list_objects(struct s3_fake_request *r)
{
    char prefix[2048], token[2048], after[2048], most[16], delimiter[8];
    s3_fake_query(r, "prefix", prefix, sizeof prefix);
    s3_fake_query(r, "start-after", after, sizeof after);
    if (s3_fake_query(r, "continuation-token", token, sizeof token))
        snprintf(after, sizeof after, "%s", token);
    bool levels = s3_fake_query(r, "delimiter", delimiter, sizeof delimiter);
    size_t limit = s3_fake_query(r, "max-keys", most, sizeof most) ? strtoul(most, NULL, 10) : 1000;
    size_t count = 0, length = strlen(prefix);
    const char *last = NULL;
    char common[2048] = "";
    atomic_fetch_add(&s3_fake_shared->lists, 1);
    fputs("<ListBucketResult><EncodingType>url</EncodingType>", r->out);
    for (size_t i = 0; i < object_count; i++) {
        const struct object *o = &objects[i];
        if (strncmp(o->key, prefix, length) != 0 || (after[0] && strcmp(o->key, after) <= 0) ||
            (common[0] && strncmp(o->key, common, strlen(common)) == 0))
            continue;
        if (count == limit) {
            fputs("<IsTruncated>true</IsTruncated><NextContinuationToken>", r->out);
            s3_fake_encode(r->out, last);
            fputs(common[0] ? "%FF" : "", r->out);
            fputs("</NextContinuationToken></ListBucketResult>", r->out);
            return s3_fake_reply_made(r);
        }
        const char *slash = levels ? strchr(o->key + length, '/') : NULL;
        if (slash)
            snprintf(common, sizeof common, "%.*s", (int)(slash + 1 - o->key), o->key);
        else
            common[0] = 0;
        fputs(slash ? "<CommonPrefixes><Prefix>" : "<Contents><Key>", r->out);
        s3_fake_encode(r->out, slash ? common : o->key);
        if (slash)
            fputs("</Prefix></CommonPrefixes>", r->out);
        else
            fprintf(r->out, "</Key><Size>%zu</Size><ETag>\"v%u\"</ETag></Contents>", o->size,
                    o->version);
        last = slash ? common : o->key;
        count++;
    }
    fputs("<IsTruncated>false</IsTruncated></ListBucketResult>", r->out);
    return s3_fake_reply_made(r);
}

/* Two on a page, so that there are pages. */
bool s3_fake_list_uploads(struct s3_fake_request *r)
{
    char marker[40];
    size_t given = 0, i = 0;
    s3_fake_query(r, "upload-id-marker", marker, sizeof marker);
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
    return s3_fake_reply_made(r);
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

bool s3_fake_delete_many(struct s3_fake_request *r)
{
    char md5[64];
    atomic_fetch_add(&s3_fake_shared->delete_many, 1);
    unsigned status = atomic_load(&s3_fake_shared->refuse_delete_many);
    if (status == 200)
        return s3_fake_reply(r, 200, "<html></html>", 13);
    if (status)
        return s3_fake_fault(r, (int)status, s3_fake_shared->said);
    if (!s3_fake_header(r, "content-md5", md5, sizeof md5) || strlen(md5) != 24)
        return s3_fake_fault(r, 400, "InvalidRequest");
    bool quiet = r->body && strstr(r->body, "<Quiet>true</Quiet>");
    unsigned count = 0;
    fputs("<DeleteResult>", r->out);
    for (char *at = r->body; at && (at = strstr(at, "<Key>")) && (at += 5, true);) {
        char *end = strstr(at, "</Key>");
        if (!end || ++count > 1000)
            return s3_fake_fault(r, 400, "MalformedXML");
        *end = 0;
        unescape(at);
        bool keep = atomic_load(&s3_fake_shared->keep_what_was_asked) && strlen(at) >= 4 &&
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
    return count ? s3_fake_reply_made(r) : s3_fake_fault(r, 400, "MalformedXML");
}

/* ---- uploads ---- */

static struct upload *upload_of(struct s3_fake_request *r, size_t *at)
{
    char id[40];
    s3_fake_query(r, "uploadId", id, sizeof id);
    for (size_t i = 0; i < 64; i++)
        if (uploads[i] && strcmp(uploads[i]->id, id) == 0 && strcmp(uploads[i]->key, r->key) == 0) {
            *at = i;
            return uploads[i];
        }
    return NULL;
}

bool s3_fake_begin_upload(struct s3_fake_request *r)
{
    size_t i = 0;
    while (i < 63 && uploads[i])
        i++;
    if (uploads[i])
        return s3_fake_fault(r, 503, "SlowDown");
    struct upload *u = calloc(1, sizeof *u);
    u->key = strdup(r->key);
    snprintf(u->id, sizeof u->id, "U%zu", i);
    s3_fake_header(r, "x-amz-meta-mstore-id", u->parts[0].id, sizeof u->parts[0].id);
    uploads[i] = u;
    fprintf(r->out,
            "<InitiateMultipartUploadResult><UploadId>%s</UploadId>"
            "</InitiateMultipartUploadResult>",
            u->id);
    return s3_fake_reply_made(r);
}

static char *copy_bytes(const char *bytes, size_t size)
{
    char *copy = malloc(size + 1);
    if (size)
        memcpy(copy, bytes, size);
    return copy;
}

bool s3_fake_put_part(struct s3_fake_request *r)
{
    size_t at;
    char number[16], source[2048], range[64];
    s3_fake_query(r, "partNumber", number, sizeof number);
    size_t index = strtoul(number, NULL, 10) - 1;
    struct upload *u = upload_of(r, &at);
    if (!u || index >= 64)
        return s3_fake_fault(r, 404, "NoSuchUpload");
    if (atomic_load(&s3_fake_shared->fail_parts))
        return s3_fake_fault(r, (int)atomic_load(&s3_fake_shared->fail_parts), "InvalidRequest");
    struct object *part = &u->parts[index];
    free(part->data);
    if (s3_fake_header(r, "x-amz-copy-source", source, sizeof source)) {
        unsigned long long from = 0, last = 0;
        s3_fake_decode(source);
        struct object *o = find(strchr(source + 1, '/') + 1);
        s3_fake_header(r, "x-amz-copy-source-range", range, sizeof range);
        sscanf(range, "bytes=%llu-%llu", &from, &last);
        part->data = o && last < o->size ? copy_bytes(o->data + from, last + 1 - from) : NULL;
        part->size = last + 1 - from;
        if (!part->data)
            return s3_fake_fault(r, 400, "InvalidRange");
        fputs("<CopyPartResult><ETag>\"part\"</ETag></CopyPartResult>", r->out);
        return s3_fake_reply_made(r);
    }
    part->data = copy_bytes(r->body, r->body_size);
    part->size = r->body_size;
    s3_fake_add_header(r, "ETag: \"part\"\r\n");
    return s3_fake_reply(r, 200, "", 0);
}

bool s3_fake_complete_upload(struct s3_fake_request *r)
{
    size_t at, size = 0, count = 0;
    struct upload *u = upload_of(r, &at);
    if (!u)
        return s3_fake_fault(r, 404, "NoSuchUpload");
    for (const char *p = r->body; p && (p = strstr(p, "<ETag>&#x22;part&#x22;</ETag>")); p++)
        count++;
    for (size_t i = 0; i < 64; i++)
        count -= u->parts[i].data != NULL;
    if (count != 0)
        return s3_fake_fault(r, 400, "InvalidPart");
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
    if (s3_fake_loses_answer())
        return false;
    fprintf(r->out,
            "<CompleteMultipartUploadResult><ETag>\"v%u\"</ETag>"
            "</CompleteMultipartUploadResult>",
            o->version);
    return s3_fake_reply_made(r);
}

/* ---- objects ---- */

/* A PUT only if nothing is there; false: it is answered with *status. */
static bool is_absent(struct s3_fake_request *r, int *status)
{
    unsigned number = atomic_fetch_add(&s3_fake_shared->conditional, 1) + 1;
    *status = (int)atomic_load(&s3_fake_shared->refuse_conditional);
    if (*status)
        return false;
    *status = 412;
    return !find(r->key) || (number >= atomic_load(&s3_fake_shared->ignore_from) &&
                             number <= atomic_load(&s3_fake_shared->ignore_to));
}

bool s3_fake_put_object(struct s3_fake_request *r)
{
    char source[2048], any[8];
    int status = 0;
    bool copies = s3_fake_header(r, "x-amz-copy-source", source, sizeof source);
    if (s3_fake_header(r, "if-none-match", any, sizeof any) && !is_absent(r, &status)) {
        if (atomic_load(&s3_fake_shared->do_refused) && !copies)
            put(r->key, copy_bytes(r->body, r->body_size), r->body_size);
        return s3_fake_fault(r, status,
                             status == 412   ? "PreconditionFailed"
                             : status == 501 ? "NotImplemented"
                                             : "InternalError");
    }
    if (!copies) {
        struct object *o = put(r->key, copy_bytes(r->body, r->body_size), r->body_size);
        s3_fake_header(r, "x-amz-meta-mstore-id", o->id, sizeof o->id);
        s3_fake_header(r, "x-amz-meta-mstore-sha256", o->sha256, sizeof o->sha256);
        s3_fake_add_header(r, "ETag: \"v%u\"\r\n", o->version);
        return !s3_fake_loses_answer() && s3_fake_reply(r, 200, "", 0);
    }
    s3_fake_decode(source);
    struct object *from = find(strchr(source + 1, '/') + 1);
    if (!from)
        return s3_fake_fault(r, 404, "NoSuchKey");
    struct object old = *from;
    struct object *o = put(r->key, copy_bytes(old.data, old.size), old.size);
    memcpy(o->id, old.id, sizeof o->id);
    memcpy(o->sha256, old.sha256, sizeof o->sha256);
    fputs("<CopyObjectResult></CopyObjectResult>", r->out);
    return s3_fake_reply_made(r);
}

bool s3_fake_get_object(struct s3_fake_request *r)
{
    char range[64], tag[64], mine[64];
    const struct object *o = find(r->key);
    if (!o)
        return s3_fake_fault(r, 404, "NoSuchKey");
    snprintf(mine, sizeof mine, "\"v%u\"", o->version);
    if (s3_fake_header(r, "if-match", tag, sizeof tag) && strcmp(tag, mine) != 0)
        return s3_fake_fault(r, 412, "PreconditionFailed");
    s3_fake_add_header(r, "ETag: %s\r\n", mine);
    if (o->id[0])
        s3_fake_add_header(r, "x-amz-meta-mstore-id: %s\r\n", o->id);
    if (o->sha256[0])
        s3_fake_add_header(r, "x-amz-meta-mstore-sha256: %s\r\n", o->sha256);
    unsigned long long from = 0, last = o->size ? o->size - 1 : 0;
    if (!s3_fake_header(r, "range", range, sizeof range))
        return s3_fake_reply(r, 200, o->data, o->size);
    if (sscanf(range, "bytes=-%llu", &from) == 1)
        from = from < o->size ? o->size - from : 0;
    else
        sscanf(range, "bytes=%llu-%llu", &from, &last);
    if (from >= o->size)
        return s3_fake_fault(r, 416, "InvalidRange");
    if (last >= o->size)
        last = o->size - 1;
    s3_fake_add_header(r, "Content-Range: bytes %llu-%llu/%zu\r\n", from, last, o->size);
    uint8_t kept = (uint8_t)o->data[last],
            wrong = (uint8_t)(atomic_load(&s3_fake_shared->damage) ? 1 : 0);
    o->data[last] = kept ^ wrong;
    bool sent = s3_fake_reply(r, 206, o->data + from, (size_t)(last + 1 - from));
    o->data[last] = kept;
    return sent;
}

bool s3_fake_delete_object(struct s3_fake_request *r)
{
    char id[40];
    size_t at;
    if (s3_fake_query(r, "uploadId", id, sizeof id)) {
        if (!upload_of(r, &at))
            return s3_fake_fault(r, 404, "NoSuchUpload");
        drop_upload(at);
    } else {
        atomic_fetch_add(&s3_fake_shared->deletes, 1);
        drop(r->key);
    }
    return s3_fake_reply(r, 204, "", 0);
}
