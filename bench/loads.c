/* bench/loads.c - `mstore-loads FOLDER COUNT`: loads one value of 4 KiB COUNT times, for counting.
 */
#include <mstore/mstore.h>

#include <stdio.h>
#include <stdlib.h>

static int run(struct ms_store *s, unsigned long count, struct ms_error *err)
{
    static char value[4096];
    struct ms_buf_borrowed place;
    struct ms_view key = ms_str("data/0123456789abcdef");
    int code = ms_store_create(s, err);
    if (!code)
        code = ms_store_open(s, err);
    if (!code)
        code = ms_store_store(s, key, ms_buf_borrow(&place, ms_view(value, sizeof value)), NULL,
                              NULL, err);
    while (!code && count--) {
        struct ms_buf *loaded;
        code = ms_store_load(s, key, NULL, &loaded, err);
        if (!code)
            ms_buf_unref(loaded);
    }
    return code;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    char url[4200];
    snprintf(url, sizeof url, "file://%.4000s?sync=none", argv[1]);
    struct ms_namespace ns = {.name = "data", .levels = {2}, .level_count = 1};
    struct ms_store_options options = MS_STORE_OPTIONS_INIT;
    options.namespaces = &ns;
    options.namespace_count = 1;
    struct ms_error err = {0};
    struct ms_store *s = NULL;
    int code = ms_store_new(url, &options, &s, &err);
    if (!code)
        code = run(s, strtoul(argv[2], NULL, 10), &err);
    if (code)
        fprintf(stderr, "mstore-loads: %s\n", err.text);
    ms_store_free(s);
    return code != 0;
}
