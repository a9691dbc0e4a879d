/* tests/support/files.h - a file with a text, whose mode is what the test says. */
#ifndef SUPPORT_FILES_H
#define SUPPORT_FILES_H

#include "support/check.h"

#include <stdio.h>
#include <sys/stat.h>

static inline void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

#endif
