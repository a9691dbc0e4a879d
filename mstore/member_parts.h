/* mstore/member_parts.h - inside of a member: what its files share. */
#ifndef MSTORE_MEMBER_PARTS_H
#define MSTORE_MEMBER_PARTS_H

#include "mstore/member.h"

#include "base/entity.h"
#include "base/sync.h"
#include "mstore/names.h"

#include <limits.h>
#include <stdatomic.h>

enum ms_member_stage { MS_MEMBER_CLOSED, MS_MEMBER_OPENING, MS_MEMBER_READY };

struct ms_member_identity {
    struct ms_uuid store, uuid;
};

struct ms_member {
    char *name;
    struct ms_uuid store, uuid;
    struct ms_seal_key key;
    struct ms_clock *clock;
    struct ms_backend *backend; /* owned */
    struct ms_health *health;   /* owned */
    struct ms_entity *counts;   /* NULL: not counted */
    atomic_uint refs;
    atomic_bool away;              /* somebody said that it was */
    atomic_bool marked;            /* there are marks of it on members */
    atomic_uint_least64_t settled; /* times it had stopped answering when that was made up for */
    struct ms_mutex mutex;         /* of the stage and what follows; never held across a call */
    struct ms_cond changed;
    enum ms_member_stage stage;
    bool backend_open;            /* touched by whoever is opening, like the next */
    struct ms_member_identity as; /* whom it takes the member for */
    uint64_t openings;            /* that have ended */
    struct ms_error why;          /* the last one failed */
    bool keeps_values;            /* ms_member_options */
    bool fresh;                   /* it got its mark from this process */
    bool absent;                  /* there was no storage when this process looked */
    bool looked;                  /* ms_member_look found nothing that is in the way */
};

/* ---- opening: member.c; for member_life.c, which does more than that ---- */

int ms_member_mark_name(const struct ms_member *m, struct ms_name *out,
                        struct ms_error *err) MS_MUST_CHECK;
/* NO_STORE: none; UNTRUSTED: another one. */
int ms_member_check_mark(struct ms_member *m, struct ms_error *err) MS_MUST_CHECK;
int ms_member_open_backend(struct ms_member *m, struct ms_error *err) MS_MUST_CHECK;
/* True: the caller opens it. False: it is ready (and again is not set: then the mark is looked at
 * even if it was right before), or somebody else's opening failed (*code). */
bool ms_member_take_opening(struct ms_member *m, bool again, int *code, struct ms_error *err);
void ms_member_end_opening(struct ms_member *m, int code, const struct ms_error *why);

/* A call under way. */
struct ms_member_call {
    struct ms_member *member;
    uint64_t begin_ns, begin; /* by the clock; as the statistics measure it */
    int verb;                 /* MS_VERB_…, or one of these: */
    bool probe;
};
#define MS_MEMBER_OPENS(verb) (~(int)(verb)) /* a stream, which counts when it ends */
#define MS_MEMBER_STEP        INT_MIN        /* of a stream: counted with it */
/* Asks the member's health, and opens the member if need be. */
int ms_member_begin(struct ms_member *m, int verb, struct ms_member_call *call,
                    struct ms_error *err) MS_MUST_CHECK;
/* Tells the health what came of it, and counts it. measured: bytes moved, or MS_HEALTH_UNMEASURED;
 * volume: payload. Returns code, with the member's name before the sentence where the member is to
 * blame. */
int ms_member_end(struct ms_member_call *call, int code, uint64_t measured, uint64_t volume,
                  struct ms_error *err);
/* The same for a later step of a stream that has begun. */
void ms_member_step(struct ms_member *m, int verb, struct ms_member_call *call);

#endif
