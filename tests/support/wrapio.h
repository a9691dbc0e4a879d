/* tests/support/wrapio.h - stands between the library and the C library's input and output.
 *
 * The linker sends the library's I/O calls here (--wrap, see tests/fault/CMakeLists.txt). One of
 * them can be made to fail, and the successful ones that change the file system can be recorded.
 * Any thread; arming and recording are for one test at a time.
 */
#ifndef SUPPORT_WRAPIO_H
#define SUPPORT_WRAPIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WRAPIO_SHORT (-1) /* instead of an errno: writes take about half of what they are given */

/* I/O call number k (0 is the next) fails with that errno, once; the call itself is not made. */
void wrapio_arm(long k, int errnum);
/* No more. The name of the function that failed since, NULL: none did. */
const char *wrapio_disarm(void);

/* ---- recording ---- */

enum io_kind { IO_CREATE, IO_MKDIR, IO_WRITE, IO_FSYNC, IO_SYNCFS, IO_RENAME, IO_LINK, IO_UNLINK };

/* One successful change. Files and folders go by numbers: 0 is what was there before recording
 * began and the recorder has not met (the root), new ones count up. */
struct io_event {
    enum io_kind kind;
    unsigned object;       /* created, written, synced */
    unsigned folder, into; /* of name, of to */
    char name[64], to[64];
    uint64_t offset;
    size_t size;
    uint8_t *bytes; /* of a write */
};

struct io_record {
    struct io_event *events;
    size_t count;
};

/* Begins; `root` is the folder that gets the number 0. */
void wrapio_record(const char *root);
size_t wrapio_recorded(void); /* how many events so far */
/* Ends and hands over. */
struct io_record wrapio_take(void);
void wrapio_free(struct io_record *record);

#endif
