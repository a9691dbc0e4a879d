/* When the last scrub ended, in the user's state folder: UUID.scrubbed, one line, the time in whole
 * seconds since 1970. A file that says something else counts as none. */
#include "server/background_parts.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/private_file.h"
#include "base/text.h"
#include "mstore/state.h"

#include <inttypes.h>
#include <stdio.h>

#define SECOND INT64_C(1000000000)

static bool folder_of(const struct server_background *b, char *buf, size_t size)
{
    if (!b->state_folder)
        return ms_state_usual_folder(buf, size) && *buf;
    return *b->state_folder && snprintf(buf, size, "%s", b->state_folder) < (int)size;
}

int64_t server_scrubbed_read(const struct server_background *b, const char *uuid)
{
    char folder[3072], path[4096];
    struct ms_private_file file = {0};
    int64_t seconds = 0;
    if (!folder_of(b, folder, sizeof folder))
        return 0;
    snprintf(path, sizeof path, "%s/%s.scrubbed", folder, uuid);
    if (ms_private_file_read(path, "the time of the last scrub", &file, NULL))
        return 0;
    struct ms_view text = ms_private_file_view(&file);
    char digits[24] = "";
    if (text.size > 1 && text.size < sizeof digits && text.data[text.size - 1] == '\n')
        memcpy(digits, text.data, text.size - 1);
    if (ms_parse_i64(digits, "time", &seconds, NULL) || seconds < 0 || seconds > INT64_MAX / SECOND)
        seconds = 0;
    ms_private_file_free(&file);
    return seconds * SECOND;
}

void server_scrubbed_write(const struct server_background *b, const char *uuid, int64_t wall_ns)
{
    char folder[3072], name[64], line[32];
    struct ms_error err = {0};
    if (!folder_of(b, folder, sizeof folder))
        return;
    MS_AUTO_CLOSE int fd = ms_private_folder_open(folder, "state", true, &err);
    snprintf(name, sizeof name, "%s.scrubbed", uuid);
    snprintf(line, sizeof line, "%" PRId64 "\n", wall_ns / SECOND);
    if (fd < 0 || ms_private_file_replace(fd, name, ms_str(line), &err))
        ms_log(MS_LOG_WARN, "%s: when it was scrubbed cannot be kept: %s", b->name, err.text);
}
