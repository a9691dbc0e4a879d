/* backends/s3/sign.h - Signature Version 4, header form (AWS General Reference, "Create a signed
 * AWS API request"), as S3 wants it: the path is encoded once and not normalised. Pure functions.
 */
#ifndef BACKENDS_S3_SIGN_H
#define BACKENDS_S3_SIGN_H

#include <mstore/base.h>

struct ms_s3_pair {
    const char *name, *value; /* not encoded */
};

#define MS_S3_DATE_SIZE 17 /* "20150830T123600Z" and NUL */

struct ms_s3_signing {
    const char *method, *path; /* the path not encoded, beginning with '/' */
    const struct ms_s3_pair *query, *headers;
    size_t query_count,
        header_count;         /* at most 32 of each; host and x-amz-date among the headers */
    const char *payload_hash; /* hex, or "UNSIGNED-PAYLOAD" */
    const char *date, *region, *service;
    const char *id, *secret;
};

struct ms_s3_signature {
    char *canonical;     /* the canonical request */
    char *to_sign;       /* the string to sign */
    char signature[65];  /* hex */
    char *authorization; /* value of the Authorization header */
};

/* INVALID when there are too many pairs; NO_MEMORY. */
int ms_s3_sign(const struct ms_s3_signing *in, struct ms_s3_signature *out, struct ms_error *err);
void ms_s3_signature_fini(struct ms_s3_signature *s);
/* The query, encoded and sorted; malloc'ed, NULL: no memory or too many. */
char *ms_s3_query(const struct ms_s3_pair *query, size_t count);
/* Seconds since 1970 as the date of a signature. */
void ms_s3_date(int64_t seconds, char date[MS_S3_DATE_SIZE]);

#endif
