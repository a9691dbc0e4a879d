/* Old values put aside while they are replaced, on servers that do not rename over a file:
 * "NAME~" SECONDS LETTERS ".tmp", SECONDS (8 hex digits) since 1970 when that was, 4 letters so
 * that two never meet. Should whoever replaces it die in the middle, no value has the name: then a
 * sweep gives it back, once the time in the name (not the value's, which may be years) is old
 * enough. */
#include "backends/sftp/sftp.h"

#include "base/log.h"
#include "base/text.h"

#include <stdio.h>
#include <sys/random.h>

#define TAIL (1 + 8 + 4 + 4) /* "~", seconds, letters, ".tmp" */

static const char digits[] = "0123456789abcdef", letters[] = "abcdefghijklmnopqrstuvwxyz234567";

void ms_sftp_aside_name(const struct ms_sftp *s, struct ms_sftp_temp *t, struct ms_view of)
{
    const uint8_t *slash = memrchr(of.data, '/', of.size);
    size_t last = slash ? (size_t)(of.data + of.size - slash - 1) : of.size;
    uint8_t noise[4];
    if (last + TAIL > MS_SFTP_SEGMENT_MAX || of.size + TAIL > MS_NAME_MAX ||
        getrandom(noise, sizeof noise, 0) != (ssize_t)sizeof noise) {
        ms_sftp_temp_name(t, of); /* nobody can tell then whose it was */
        return;
    }
    snprintf(t->text, sizeof t->text, "%.*s~%08x%c%c%c%c.tmp", (int)of.size, (const char *)of.data,
             (unsigned)(ms_clock_wall(s->base.clock) / 1000000000), letters[noise[0] % 32],
             letters[noise[1] % 32], letters[noise[2] % 32], letters[noise[3] % 32]);
}

bool ms_sftp_aside_parse(struct ms_view name, struct ms_view *of, int64_t *when_s)
{
    if (name.size <= TAIL || !ms_ends_with(name, ms_str(".tmp")))
        return false;
    const uint8_t *at = name.data + name.size - TAIL;
    int64_t seconds = 0;
    if (*at++ != '~')
        return false;
    for (int i = 0; i < 8; i++, at++) {
        const char *digit = *at ? strchr(digits, *at) : NULL;
        if (!digit)
            return false;
        seconds = seconds * 16 + (digit - digits);
    }
    for (int i = 0; i < 4; i++, at++)
        if (!*at || !strchr(letters, *at))
            return false;
    *of = ms_view(name.data, name.size - TAIL);
    *when_s = seconds;
    return true;
}

int ms_sftp_aside_settle(struct ms_sftp_op *op, struct ms_view aside, uint64_t *removed,
                         struct ms_error *err)
{
    struct ms_view of = ms_view(aside.data, aside.size - TAIL);
    struct ms_sftp_found there;
    struct ms_sftp_out o;
    uint32_t status;
    int code = ms_sftp_look(op, MS_FXP_LSTAT, of, &there, err);
    if (code)
        return code;
    if (!there.exists) { /* refused when somebody stores it just now: the next sweep sees that */
        code = ms_sftp_two_paths(op, NULL, aside, of, &status, err);
        if (!code && status == MS_FX_OK)
            ms_log(MS_LOG_WARN,
                   "%s: %s was missing since a replacement broke off: its old value "
                   "is back",
                   op->s->base.url, MS_SHOW(of));
        return code;
    }
    ms_sftp_out_path(&o, op->s, MS_FXP_REMOVE, aside, 0);
    code = ms_sftp_change(op, &o, &status, err);
    *removed += !code && status == MS_FX_OK;
    return code;
}
