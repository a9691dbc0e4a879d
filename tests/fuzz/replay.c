/* tests/fuzz/replay.c - runs a fuzz target over files and folders, without a fuzzer: the corpus as
 * a test. A folder without files is a failure, so that a corpus cannot get lost unnoticed. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    size_t size = 0, room = 1u << 20;
    uint8_t *data = malloc(room);
    ms_assert(data);
    size = fread(data, 1, room, file);
    ms_assert(!ferror(file) && size < room);
    fclose(file);
    uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees a read past the end */
    ms_assert(exact);
    memcpy(exact, data, size);
    free(data);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int run_folder(const char *path)
{
    struct dirent **names;
    int count = scandir(path, &names, visible, alphasort);
    for (int i = 0; i < count; i++) {
        char file[4096];
        snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
        run_file(file);
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    return count;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int count = run_folder(argv[i]);
        if (count == 0) {
            fprintf(stderr, "%s is empty\n", argv[i]);
            return 1;
        }
        if (count < 0)
            run_file(argv[i]);
        printf("%s: %d inputs\n", argv[i], count < 0 ? 1 : count);
    }
    return argc > 1 ? 0 : 2;
}
