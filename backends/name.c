/* The rule for backend names. No state; any thread. */
#include "backends/name.h"

#include "base/text.h"

static int complain(struct ms_view name, const char *why, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NAME, "invalid name \"%s\": %s", MS_SHOW(name), why);
}

static const char *segment_fault(struct ms_view segment, unsigned name_max_bytes)
{
    if (segment.size == 0)
        return "an empty part between slashes";
    if (ms_equal(segment, ms_str(".")) || ms_equal(segment, ms_str("..")))
        return "\".\" and \"..\" are no names";
    if (segment.size > name_max_bytes)
        return "a part is longer than this storage can hold";
    return NULL;
}

int ms_name_check(struct ms_view name, unsigned name_max_bytes, struct ms_error *err)
{
    if (name.size == 0)
        return ms_error_set(err, MS_ERR_NAME, "an empty name");
    if (name.size > MS_NAME_MAX)
        return complain(name, "it is longer than 4096 bytes", err);
    if (memchr(name.data, 0, name.size))
        return complain(name, "a NUL byte", err);
    for (size_t at = 0; at <= name.size;) {
        const uint8_t *slash = at < name.size ? memchr(name.data + at, '/', name.size - at) : NULL;
        size_t end = slash ? (size_t)(slash - name.data) : name.size;
        const char *fault = segment_fault(ms_view(name.data + at, end - at), name_max_bytes);
        if (fault)
            return complain(name, fault, err);
        at = end + 1;
    }
    if (ms_ends_with(name, ms_str(".tmp")))
        return complain(name, "names ending in .tmp are for uploads under way", err);
    return 0;
}

struct ms_view ms_name_last(struct ms_view name)
{
    const uint8_t *slash = name.size ? memrchr(name.data, '/', name.size) : NULL;
    if (!slash)
        return name;
    return ms_view(slash + 1, (size_t)(name.data + name.size - slash - 1));
}

struct ms_view ms_name_parent(struct ms_view name)
{
    const uint8_t *slash = name.size ? memrchr(name.data, '/', name.size) : NULL;
    return ms_view(name.data, slash ? (size_t)(slash - name.data) : 0);
}

bool ms_name_hidden(struct ms_view segment)
{
    return ms_ends_with(segment, ms_str(".tmp")) || ms_ends_with(segment, ms_str(".hid"));
}
