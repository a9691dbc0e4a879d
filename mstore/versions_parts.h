/* mstore/versions_parts.h - what the files versions*.c share: an errand, the same call on several
 * voters of a key. It owns all that its legs use, so that they may outlive the operation. */
#ifndef MSTORE_VERSIONS_PARTS_H
#define MSTORE_VERSIONS_PARTS_H

#include "mstore/versions.h"

#include "base/fan.h"

struct ms_errand_leg {
    struct ms_member *member; /* lives as long as the roster */
    unsigned index;           /* of the layout's member */
    struct ms_held *held;     /* listing: found; others: what is called by these names */
    size_t count, room;
    struct ms_buf *value; /* to put; loaded */
};
struct ms_errand {
    struct ms_roster *roster; /* a reference */
    struct ms_own_name own;   /* the key; its views lie behind the legs */
    bool times;
    unsigned legs;
    struct ms_errand_leg leg[];
};

/* A fan of a leg for each voter; legs get their voter's member. The fan owns the errand. */
int ms_errand_new(const struct ms_versions *v, ms_fan_fn fn, struct ms_errand **out,
                  struct ms_fan **fan, struct ms_error *err) MS_MUST_CHECK;
/* Adds an object to a leg, before it starts or within it. */
int ms_errand_add(struct ms_errand_leg *leg, const struct ms_held *held,
                  struct ms_error *err) MS_MUST_CHECK;
/* The name of an object of the key. */
int ms_errand_name(const struct ms_errand *e, const struct ms_held *held, struct ms_name *out,
                   struct ms_error *err) MS_MUST_CHECK;
/* Lists the key's folder at the leg's member, into its objects. */
int ms_errand_list(struct ms_errand *e, unsigned leg, struct ms_error *err) MS_MUST_CHECK;
/* Whether an extra request may go out now; without a budget never. */
bool ms_errand_hedge(const struct ms_versions *v);
/* Members that failed are asked in earnest (ms_member_insist), until a majority could be had with
 * them. True: some answer; they are as if not asked. */
bool ms_versions_wake(struct ms_versions *v);
/* What a voter's leg ended with, for the sentence. */
void ms_errand_note(struct ms_versions *v, unsigned voter, const struct ms_fan *fan);

#endif
