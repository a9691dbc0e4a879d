/* tests/support/s3_fake.h - an S3 server for tests, in memory, in a process of its own: for what a
 * real one cannot be made to do, and for tests that count requests.
 *
 * It knows objects, ranges, If-Match, If-None-Match, copies, multipart uploads, ListObjectsV2,
 * ListMultipartUploads and DeleteObjects, over path style. Signatures are not looked at: those are
 * checked against published vectors and real servers. Start it before any thread. */
#ifndef SUPPORT_S3_FAKE_H
#define SUPPORT_S3_FAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* In memory that both processes see; written by the test between requests. */
struct s3_fake_state {
    atomic_uint requests, heads, lists, deletes, delete_many; /* as they came */
    atomic_uint refuse_delete_many;  /* a status to answer DeleteObjects with; 0: it is done */
    atomic_uint keep_what_was_asked; /* DeleteObjects says AccessDenied of keys ending in "keep" */
    atomic_uint fail_parts;          /* UploadPart is answered with this status */
    atomic_uint lose_answers;        /* so many PUTs and completed uploads are done, then cut off */
    atomic_uint damage;              /* a byte of each answered range is wrong */
    atomic_uint stale_uploads;       /* so many are there when it has been emptied */
    atomic_uint conditional;         /* PUTs with If-None-Match, as they came */
    atomic_uint ignore_from,
        ignore_to;                  /* among those these are done whatever is there; 1: the first */
    atomic_uint refuse_conditional; /* a status to answer them with; 0: they are looked at */
    atomic_uint do_refused;         /* what is answered with 412 is done all the same */
    atomic_uint emptied;            /* counted up: the server forgets everything */
    char said[64];                  /* the code named in what refuse_delete_many answers */
    char host[128];                 /* the Host header of the last request */
    char authorization[512];        /* likewise */
};

struct s3_fake {
    pid_t pid;
    int port;
    struct s3_fake_state *state;
};

/* On 127.0.0.1, or on ::1; false: that address is not to be had here. */
bool s3_fake_start(struct s3_fake *f, bool ipv6);
void s3_fake_stop(struct s3_fake *f);
/* No objects, no uploads, every counter 0, every wish forgotten. */
void s3_fake_reset(struct s3_fake *f);

#endif
