/* Rules and commands: see rule.h. */
#include "proxy/rule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX (UINT64_MAX / 4)
#define DELAY_MAX 60000

uint64_t rule_allowance(const struct rule *r, enum direction d, const uint64_t passed[2])
{
    if (r->kind == RULE_NONE || (r->once && r->acted) || !(d == UP ? r->up : r->down))
        return UINT64_MAX;
    const uint64_t *counts = r->once ? r->seen : passed;
    uint64_t before = (r->up ? counts[UP] : 0) + (r->down ? counts[DOWN] : 0);
    return before < r->bytes ? r->bytes - before : 0;
}

bool number_parse(const char *text, uint64_t most, uint64_t *out)
{
    if (!text || !*text || text[strspn(text, "0123456789")])
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (errno || value > most)
        return false;
    *out = value;
    return true;
}

bool direction_parse(const char *text, struct rule *r)
{
    bool both = strcmp(text, "both") == 0;
    r->up = both || strcmp(text, "up") == 0;
    r->down = both || strcmp(text, "down") == 0;
    return r->up || r->down;
}

static bool parse_rule(struct rule *r, enum rule_kind kind, char **rest)
{
    *r = (struct rule){.kind = kind, .up = true, .down = true, .once = true};
    if (!number_parse(strtok_r(NULL, " \t", rest), BYTES_MAX, &r->bytes))
        return false;
    const char *word = strtok_r(NULL, " \t", rest);
    if (word && strcmp(word, "refuse") != 0) {
        if (!direction_parse(word, r))
            return false;
        word = strtok_r(NULL, " \t", rest);
    }
    r->then_refuse = word && strcmp(word, "refuse") == 0;
    return !word || r->then_refuse;
}

struct command command_parse(char *line)
{
    static const struct {
        const char *word;
        enum command_kind kind;
    } words[] = {
        {"clear", COMMAND_CLEAR},   {"drop", COMMAND_DROP},   {"refuse", COMMAND_REFUSE},
        {"accept", COMMAND_ACCEPT}, {"state", COMMAND_STATE},
    };
    struct command c = {.kind = COMMAND_BAD};
    char *rest = NULL;
    const char *word = strtok_r(line, " \t", &rest);
    if (!word)
        return c;
    bool cut = strcmp(word, "cut") == 0;
    if (cut || strcmp(word, "stall") == 0) {
        if (parse_rule(&c.rule, cut ? RULE_CUT : RULE_STALL, &rest))
            c.kind = COMMAND_RULE;
    } else if (strcmp(word, "delay") == 0) {
        if (number_parse(strtok_r(NULL, " \t", &rest), DELAY_MAX, &c.delay_ms))
            c.kind = COMMAND_DELAY;
    }
    if (strcmp(word, "trace") == 0) {
        const char *way = strtok_r(NULL, " \t", &rest);
        struct rule r = {0};
        if (way && direction_parse(way, &r) && r.up != r.down) {
            c.kind = COMMAND_TRACE;
            c.way = r.up ? UP : DOWN;
        }
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i].word) == 0)
            c.kind = words[i].kind;
    if (strtok_r(NULL, " \t", &rest))
        c.kind = COMMAND_BAD;
    return c;
}
