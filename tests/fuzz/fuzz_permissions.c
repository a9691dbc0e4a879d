/* Maps of permissions: a map that is accepted can be written down again and means the same; the
 * deciding entry is the one that a walk from the path to the root meets first. Input: map '\n'
 * path. */
#include "fuzz.h"

#include "base/text.h"
#include "store/permission_map.h"

#include <stdio.h>
#include <stdlib.h>

static const struct ms_permission_entry *exact(const struct ms_permission_map *map,
                                               struct ms_view path)
{
    for (size_t i = 0; i < map->count; i++)
        if (ms_equal(ms_str(map->entries[i].path), path))
            return &map->entries[i];
    return NULL;
}

static const struct ms_permission_entry *walk(const struct ms_permission_map *map,
                                              struct ms_view path)
{
    for (;;) {
        const struct ms_permission_entry *e = exact(map, path);
        if (e || path.size == 0)
            return e;
        while (path.size && path.data[path.size - 1] != '/')
            path.size--;
        path.size -= path.size > 0;
    }
}

static char *write_down(const struct ms_permission_map *map)
{
    char *text = NULL, letters[MS_MAY_TEXT];
    size_t size;
    FILE *file = open_memstream(&text, &size);
    ms_assert(file);
    for (size_t i = 0; i < map->count; i++) {
        const struct ms_permission_entry *e = &map->entries[i];
        const char *quote = e->path[0] && !strpbrk(e->path, " \t\r\n") ? "" : "\"";
        fprintf(file, " %s%s%s:%s", quote, e->path, quote,
                ms_permission_letters(e->granted, letters));
    }
    ms_assert(fclose(file) == 0);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ms_view input = ms_view(data, size);
    const uint8_t *newline = size ? memrchr(data, '\n', size) : NULL;
    struct ms_view path =
        newline ? ms_view(newline + 1, size - (size_t)(newline + 1 - data)) : ms_view(data, 0);
    char *text = fuzz_text(ms_view(data, newline ? (size_t)(newline - data) : input.size));
    struct ms_permission_map *map = NULL, *again = NULL;
    struct ms_error err = {0};
    int code = ms_permission_map_parse(text, &map, &err);
    ms_assert(code == 0 || (code == MS_ERR_CONFIG && err.text[0] && !map));
    if (code == 0) {
        char *written = write_down(map);
        ms_assert(ms_permission_map_parse(written, &again, NULL) == 0);
        ms_assert(again->count == map->count);
        for (size_t i = 0; i < map->count; i++)
            ms_assert(strcmp(again->entries[i].path, map->entries[i].path) == 0 &&
                      again->entries[i].granted == map->entries[i].granted);
        if (!(path.size && (path.data[0] == '/' || path.data[path.size - 1] == '/')))
            ms_assert(ms_permission_map_find(map, path) == walk(map, path));
        free(written);
    }
    ms_permission_map_free(map);
    ms_permission_map_free(again);
    free(text);
    return 0;
}
