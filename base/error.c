/* Codes, their classes and the one readable sentence. No state; any thread. */
#include <mstore/base.h>

#include "base/assert.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct code {
    const char *name, *text;
    enum ms_error_class class;
};

static const struct code codes[] = {{"OK", "success", MS_CLASS_PERMANENT},
#define MS_X(name, number, class_, text) [number] = {#name, text, MS_CLASS_##class_},
                                    MS_ERRORS(MS_X)
#undef MS_X
};

static const struct code *find(int code)
{
    size_t index = code <= 0 ? (size_t) - (int64_t)code : SIZE_MAX;
    if (index >= sizeof codes / sizeof *codes || !codes[index].name)
        return &codes[-MS_ERR_INTERNAL];
    return &codes[index];
}

const char *ms_code_name(int code)
{
    return find(code)->name;
}

const char *ms_code_text(int code)
{
    return find(code)->text;
}

enum ms_error_class ms_code_class(int code)
{
    return find(code)->class;
}

int ms_error_set(struct ms_error *err, int code, const char *fmt, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, fmt);
    err->code = code;
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return code;
}

/* Writes ": TEXT" behind the first `length` characters, as much as fits. */
static void append(struct ms_error *err, int length, const char *text)
{
    const char *parts[] = {": ", text};
    for (size_t i = 0, at = (size_t)length; i < 2 && at < sizeof err->text; i++) {
        size_t size = strlen(parts[i]), room = sizeof err->text - 1 - at;
        if (size > room)
            size = room;
        memcpy(err->text + at, parts[i], size);
        at += size;
        err->text[at] = '\0';
    }
}

int ms_error_prefix(struct ms_error *err, int code, const char *fmt, ...)
{
    if (!err)
        return code;
    char sentence[sizeof err->text];
    memcpy(sentence, err->text, sizeof sentence);
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    append(err, length, sentence[0] ? sentence : ms_code_text(code));
    err->code = code;
    return code;
}

static int from_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
        return MS_ERR_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY:
        return MS_ERR_EXISTS;
    case ENOMEM:
        return MS_ERR_NO_MEMORY;
    case ENOSPC:
    case EDQUOT:
        return MS_ERR_NO_SPACE;
    case EACCES:
    case EPERM:
    case EROFS:
        return MS_ERR_ACCESS;
    case EINVAL:
        return MS_ERR_INVALID;
    case ENAMETOOLONG:
    case ELOOP:
        return MS_ERR_NAME;
    case EFBIG:
        return MS_ERR_TOO_LARGE;
    case EOPNOTSUPP:
    case ENOSYS:
        return MS_ERR_UNSUPPORTED;
    case ETIMEDOUT:
        return MS_ERR_TIMEOUT;
    case EBUSY:
    case EAGAIN:
    case EMFILE:
    case ENFILE:
        return MS_ERR_BUSY;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case ENETUNREACH:
    case EHOSTUNREACH:
        return MS_ERR_CONNECTION;
    case ECANCELED:
        return MS_ERR_CANCELLED;
    default:
        return MS_ERR_IO;
    }
}

int ms_error_errno(struct ms_error *err, int errnum, const char *fmt, ...)
{
    int code = from_errno(errnum);
    if (!err)
        return code;
    va_list args;
    va_start(args, fmt);
    err->code = code;
    int length = vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    char buf[96];
    append(err, length, strerror_r(errnum, buf, sizeof buf));
    return code;
}

void ms_assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "mstore: %s:%d: assertion failed: %s\n", file, line, what);
    abort();
}
