/* What an answer of an S3 server means: one code, one sentence. Only the code an error names is
 * taken over, never its text, which may repeat a signature. */
#include "backends/s3/s3.h"

#include "backends/s3/xml.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int64_t ms_s3_http_date(struct ms_view text)
{
    char copy[64];
    struct tm tm = {0};
    if (text.size == 0 || text.size >= sizeof copy)
        return 0;
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    if (!strptime(copy, "%a, %d %b %Y %H:%M:%S GMT", &tm) &&
        !strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm))
        return 0;
    int64_t seconds = (int64_t)timegm(&tm);
    return seconds > 0 && seconds <= INT64_MAX / 1000000000 ? seconds : 0;
}

void ms_s3_plain(struct ms_view text, char *to, size_t room)
{
    if (text.size >= room)
        return;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f)
            return;
    memcpy(to, text.data, text.size);
    to[text.size] = 0;
}

static int take_leaf(void *ctx, const char *path, struct ms_view text, struct ms_error *err)
{
    struct ms_s3_fault *f = ctx;
    (void)err;
    if (strcmp(path, "Error/Code") == 0)
        ms_s3_plain(text, f->code, sizeof f->code);
    else if (strcmp(path, "Error/Region") == 0)
        ms_s3_plain(text, f->region, sizeof f->region);
    return 0;
}

void ms_s3_fault_read(struct ms_view body, struct ms_s3_fault *out)
{
    *out = (struct ms_s3_fault){0};
    if (body.size && ms_xml_walk(body, take_leaf, out, NULL))
        *out = (struct ms_s3_fault){0};
}

/* The codes of the S3 API reference, "Error responses". */
static const struct {
    const char *name;
    int code;
    const char *sentence;
} known[] = {
    {"NoSuchKey", MS_ERR_NOT_FOUND, "not found"},
    {"NoSuchUpload", MS_ERR_NOT_FOUND, "its multipart upload is gone"},
    {"NoSuchBucket", MS_ERR_NO_STORE,
     "the bucket does not exist: is its name right? make it in the provider's console"},
    {"AccessDenied", MS_ERR_ACCESS, "the server denies access: the key may not do this here"},
    {"AllAccessDisabled", MS_ERR_ACCESS, "the server denies access to this bucket"},
    {"InvalidAccessKeyId", MS_ERR_AUTH, "the server does not know this access key"},
    {"SignatureDoesNotMatch", MS_ERR_AUTH,
     "the server says the signature is wrong: is the secret key right?"},
    {"InvalidToken", MS_ERR_AUTH, "the session token is not valid"},
    {"ExpiredToken", MS_ERR_AUTH, "the session token has expired"},
    {"InvalidBucketName", MS_ERR_URL, "the server refuses the bucket's name"},
    {"QuotaExceeded", MS_ERR_NO_SPACE, "the quota at the provider is used up"},
    {"EntityTooLarge", MS_ERR_TOO_LARGE, "too large for this server"},
    {"InvalidObjectName", MS_ERR_NAME, "the server refuses the name"},
    {"KeyTooLongError", MS_ERR_NAME, "the name is too long for this server"},
    {"NotImplemented", MS_ERR_UNSUPPORTED, "this server cannot do that"},
    {"MethodNotAllowed", MS_ERR_UNSUPPORTED, "this server cannot do that here"},
    {"PreconditionFailed", MS_ERR_CONFLICT, "changed by somebody else"},
    {"ConditionalRequestConflict", MS_ERR_BUSY, "others change it at the same time"},
    {"InvalidRange", MS_ERR_RANGE, "the server refuses the range"},
    {"BadDigest", MS_ERR_CONNECTION, "the bytes were damaged on the way"},
    {"XAmzContentSHA256Mismatch", MS_ERR_CONNECTION, "the bytes were damaged on the way"},
    {"RequestTimeout", MS_ERR_TIMEOUT, "the server waited too long for the request"},
    {"SlowDown", MS_ERR_BUSY, "the server asks for fewer requests"},
    {"TooManyRequests", MS_ERR_BUSY, "the server asks for fewer requests"},
    {"ServiceUnavailable", MS_ERR_BUSY, "the server is overloaded"},
    {"InternalError", MS_ERR_BUSY, "the server had an internal error"},
    {"OperationAborted", MS_ERR_BUSY, "another operation is in the way"},
    {"InvalidObjectState", MS_ERR_ACCESS, "the value lies in an archive class; restore it first"},
};

int ms_s3_code_of(const char *name, const char **sentence)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0) {
            *sentence = known[i].sentence;
            return known[i].code;
        }
    return 0;
}

static int by_status(int status, const char **sentence)
{
    *sentence = "the server refuses it";
    switch (status) {
    case 401:
        *sentence = "the server does not accept the login: are the keys right, and is it S3?";
        return MS_ERR_AUTH;
    case 403:
        *sentence = "the server denies access: the key may not do this here";
        return MS_ERR_ACCESS;
    case 404:
        *sentence = "not found";
        return MS_ERR_NOT_FOUND;
    case 409:
    case 412:
        *sentence = "changed by somebody else";
        return MS_ERR_CONFLICT;
    case 413:
        *sentence = "too large for this server";
        return MS_ERR_TOO_LARGE;
    case 416:
        *sentence = "the server refuses the range";
        return MS_ERR_RANGE;
    case 405:
    case 501:
        *sentence = "this server cannot do that";
        return MS_ERR_UNSUPPORTED;
    case 507:
        *sentence = "no space left at the provider";
        return MS_ERR_NO_SPACE;
    default:
        break;
    }
    if (ms_http_status_transient(status)) {
        *sentence = "the server is overloaded or broken";
        return MS_ERR_BUSY;
    }
    return MS_ERR_IO;
}

static int clock_error(const struct ms_s3 *s, const struct ms_http_answer *answer,
                       struct ms_error *err)
{
    int64_t theirs = ms_s3_http_date(ms_http_header(answer, "date"));
    int64_t off = theirs ? ms_clock_wall(s->base.clock) / 1000000000 - theirs : 0;
    return ms_error_set(
        err, MS_ERR_AUTH,
        "%s: this machine's clock is %lld s %s the server's, which refuses requests "
        "with such a time; set the clock",
        s->base.url, (long long)(off < 0 ? -off : off), off < 0 ? "behind" : "ahead of");
}

int ms_s3_fault_error(const struct ms_s3 *s, const struct ms_s3_call *c,
                      const struct ms_http_answer *answer, const struct ms_s3_fault *fault,
                      struct ms_error *err)
{
    if (strcmp(fault->code, "RequestTimeTooSkewed") == 0)
        return clock_error(s, answer, err);
    const char *sentence = NULL;
    int code = ms_s3_code_of(fault->code, &sentence);
    if (!code && answer->status >= 300 && answer->status < 400)
        return ms_error_set(err, MS_ERR_PROTOCOL,
                            "%s: the server wants requests sent elsewhere; give the right host%s%s",
                            s->base.url, fault->region[0] ? " or region=" : "", fault->region);
    if (!code)
        code = by_status(answer->status, &sentence);
    const char *what = c->name.size ? MS_SHOW(c->name) : s->bucket;
    if (code == MS_ERR_NOT_FOUND && c->name.size)
        return ms_error_set(err, code, "%s not found", what);
    if (fault->code[0])
        return ms_error_set(err, code, "%s: %s: %s (%s)", s->base.url, what, sentence, fault->code);
    return ms_error_set(err, code, "%s: %s: %s (HTTP status %d)", s->base.url, what, sentence,
                        answer->status);
}
