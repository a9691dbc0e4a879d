/* tests/support/s3_fake_parts.h - between the two halves of the S3 server for tests: s3_fake.c
 * speaks HTTP, s3_fake_objects.c has the objects and uploads. All of it under s3_fake.c's mutex. */
#ifndef SUPPORT_S3_FAKE_PARTS_H
#define SUPPORT_S3_FAKE_PARTS_H

#include "support/s3_fake.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define S3_FAKE_HEAD_MAX 16384

/* One request, and the answer being made. */
struct s3_fake_request {
    int fd;
    char head[S3_FAKE_HEAD_MAX];
    char method[16], path[2048], key[2048];
    char *query; /* in head */
    char *body;
    size_t body_size;
    FILE *out;
    char *text;
    size_t text_size;
    char extra[512]; /* headers */
};

extern struct s3_fake_state *s3_fake_shared; /* with the test's process */

/* ---- s3_fake.c: what a request says, and its answer (false: the connection ends) ---- */

void s3_fake_decode(char *text); /* percent-encoded, in place */
void s3_fake_encode(FILE *f, const char *text);
/* "": there is no such one. */
bool s3_fake_header(const struct s3_fake_request *r, const char *name, char *out, size_t size);
bool s3_fake_query(const struct s3_fake_request *r, const char *name, char *out, size_t size);

bool s3_fake_reply(struct s3_fake_request *r, int status, const char *body, size_t size);
bool s3_fake_reply_made(struct s3_fake_request *r); /* what was written to r->out */
bool s3_fake_fault(struct s3_fake_request *r, int status, const char *code);
void s3_fake_add_header(struct s3_fake_request *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Whether this one's answer is lost on the way. */
bool s3_fake_loses_answer(void);

/* ---- s3_fake_objects.c ---- */

/* All objects and uploads; the stale uploads that the state wants are there again. */
void s3_fake_forget(void);
bool s3_fake_list_objects(struct s3_fake_request *r);
bool s3_fake_put_object(struct s3_fake_request *r);
bool s3_fake_get_object(struct s3_fake_request *r);
bool s3_fake_delete_object(struct s3_fake_request *r); /* or an upload */
bool s3_fake_delete_many(struct s3_fake_request *r);
bool s3_fake_list_uploads(struct s3_fake_request *r);
bool s3_fake_begin_upload(struct s3_fake_request *r);
bool s3_fake_put_part(struct s3_fake_request *r);
bool s3_fake_complete_upload(struct s3_fake_request *r);

#endif
