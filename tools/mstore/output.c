/* Standard output and error. Main's thread, except ms_fd_*, which any thread may call. */
#include "tools/mstore/output.h"

#include "base/sync.h"
#include "tools/mstore/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A pipe that is ready takes a little at once; a long write would hold up Ctrl-C. */
#define PIPE_PIECE ((size_t)64 << 10)
/* The kernel caches a new file in pages as large as the writes. Large ones are made of memory that
 * lay idle, which a virtual machine has to get back from its host first: several times the time. */
#define FILE_PIECE ((size_t)32 << 10)

static bool on_terminal(void)
{
    static int known = -1;
    if (known < 0)
        known = isatty(STDOUT_FILENO) == 1;
    return known;
}

void ms_out_name(struct ms_view name)
{
    if (!on_terminal()) {
        fwrite(name.data, 1, name.size, stdout);
        return;
    }
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        if (c < 0x20 || c >= 0x7f || c == '\\')
            printf("\\x%02x", c);
        else
            putchar(c);
    }
}

const char *ms_out_time(char *buf, size_t size, int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / INT64_C(1000000000));
    struct tm parts;
    if (wall_ns == 0 || !gmtime_r(&seconds, &parts) ||
        strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        snprintf(buf, size, "-");
    return buf;
}

/* Of a pipe or socket; when the failure was noticed later, errno says something else by then. */
static bool reader_has_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

static int output_error(int errnum, struct ms_error *err)
{
    if (errnum == EPIPE || reader_has_gone())
        return ms_error_set(err, MS_CLI_PIPE_CLOSED, "the reader of standard output went away");
    return ms_cli_local_error(err, errnum, "cannot write to standard output");
}

static int shown_in_vain; /* what errno was when ms_out_show failed; 0: it has not */

void ms_out_show(void)
{
    if (fflush(stdout) && !shown_in_vain)
        shown_in_vain = errno;
}

int ms_out_check(struct ms_error *err)
{
    int errnum = shown_in_vain ? shown_in_vain : errno;
    return ferror(stdout) ? output_error(errnum ? errnum : EIO, err) : 0;
}

int ms_out_flush(struct ms_error *err)
{
    int code = ms_out_check(err);
    if (code)
        return code;
    return fflush(stdout) ? output_error(errno, err) : 0;
}

void ms_out_json(struct ms_json *json)
{
    ms_json_init(json, stdout);
    json->lines = true;
}

/* Waits until a pipe or terminal is ready, so that Ctrl-C is noticed meanwhile; a file always is.
 */
static int wait_ready(int fd, short events, struct ms_error *err)
{
    for (;;) {
        int code = ms_cli_interrupted(err, NULL);
        if (code)
            return code;
        struct pollfd p = {.fd = fd, .events = events};
        int ready = poll(&p, 1, 100);
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return 0; /* errors show in the read or write that follows */
    }
}

int ms_fd_read(int fd, const char *what, uint8_t *into, size_t size, size_t *got,
               struct ms_error *err)
{
    size_t done = 0;
    while (done < size) {
        int code = wait_ready(fd, POLLIN, err);
        if (code)
            return code;
        ssize_t n = read(fd, into + done, size - done);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return ms_cli_local_error(err, errno, "cannot read %s", what);
        if (n > 0)
            done += (size_t)n;
    }
    *got = done;
    return 0;
}

int ms_fd_write(int fd, const char *what, struct ms_view bytes, struct ms_error *err)
{
    struct stat st;
    bool file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    while (bytes.size > 0) {
        int code = wait_ready(fd, POLLOUT, err);
        if (code)
            return code;
        size_t most = file ? FILE_PIECE : PIPE_PIECE;
        size_t size = bytes.size < most ? bytes.size : most;
        ssize_t n = write(fd, bytes.data, size);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return fd == STDOUT_FILENO ? output_error(errno, err)
                                       : ms_cli_local_error(err, errno, "cannot write %s", what);
        if (n > 0)
            bytes = ms_view(bytes.data + n, bytes.size - (size_t)n);
    }
    return 0;
}
