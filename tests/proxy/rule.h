/* tests/proxy/rule.h - what happens to a connection after so many bytes, and the words for it. */
#ifndef PROXY_RULE_H
#define PROXY_RULE_H

#include <stdbool.h>
#include <stdint.h>

enum direction { UP, DOWN }; /* from the client to the server, and back */

#define RULE_TRACE_MAX 200 /* the first ones */

enum rule_kind { RULE_NONE, RULE_CUT, RULE_STALL };

struct rule {
    enum rule_kind kind;
    bool up, down;    /* whose bytes count */
    uint64_t bytes;   /* that pass; the rule acts when one more comes */
    bool once;        /* counts over all connections from now on, and acts once; else counts on
                         each connection from its beginning */
    bool then_refuse; /* no new connections after it acted */
    bool acted;       /* (once) */
    uint64_t seen[2]; /* (once) bytes that passed, by direction */
    uint64_t begins[2][RULE_TRACE_MAX]; /* (once) where the pieces began */
    unsigned pieces[2];
};

/* How many bytes may pass: on a connection that passed `up` and `down` bytes before. */
uint64_t rule_allowance(const struct rule *r, enum direction d, const uint64_t passed[2]);

/* One command of the control channel. */
enum command_kind {
    COMMAND_BAD,
    COMMAND_RULE,   /* cut|stall BYTES [up|down|both] [refuse] */
    COMMAND_CLEAR,  /* clear: no rule, stalled connections go on */
    COMMAND_DELAY,  /* delay MS */
    COMMAND_DROP,   /* drop: resets all connections */
    COMMAND_REFUSE, /* refuse: new connections are reset */
    COMMAND_ACCEPT, /* accept: no more */
    COMMAND_TRACE, /* trace up|down: answers "trace" and where each piece began since the last rule,
                      in bytes of that direction */
    COMMAND_STATE, /* state: answers "acted=0 up=BYTES down=BYTES connections=N" */
};
struct command {
    enum command_kind kind;
    struct rule rule;   /* COMMAND_RULE */
    uint64_t delay_ms;  /* COMMAND_DELAY */
    enum direction way; /* COMMAND_TRACE */
};
struct command command_parse(char *line);

/* Digits alone, at most `most`. */
bool number_parse(const char *text, uint64_t most, uint64_t *out);
bool direction_parse(const char *text, struct rule *r);

#endif
