/* store/permission_map.c - parsing and asking the map of permissions (see its header). */
#include "store/permission_map.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdlib.h>

static const char letters[] = "lrwWD"; /* bit i of a grant is letter i */

static const struct {
    const char *name, *map;
} shortcuts[] = {
    {"borgbackup-all", "\"\":lrwWD"},
    {"borgbackup-no-delete",
     "\"\":lr archives:lrw cache:lrwWD config:lrW data:lrw keys:lr locks:lrwD"},
    {"borgbackup-write-only",
     "\"\":l archives:lw cache:lrwWD config:lrW data:lw keys:lr locks:lrwD"},
    {"borgbackup-read-only", "\"\":lr locks:lrwD"},
};

const char *ms_permission_letters(unsigned granted, char text[MS_MAY_TEXT])
{
    size_t n = 0;
    for (size_t i = 0; letters[i]; i++)
        if (granted & 1u << i)
            text[n++] = letters[i];
    text[n] = '\0';
    return text;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void ms_permission_map_free(struct ms_permission_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->count; i++)
        free(map->entries[i].path);
    free(map);
}

static const char *path_fault(struct ms_view path)
{
    if (path.size == 0)
        return NULL;
    if (path.data[0] == '/' || path.data[path.size - 1] == '/')
        return "must not begin or end with '/'";
    if (memmem(path.data, path.size, "//", 2))
        return "must not have an empty segment";
    return NULL;
}

/* The PATH of an entry at *at, which then stands behind its ':'. */
static int parse_path(const char **at, struct ms_view *path, struct ms_error *err)
{
    const char *p = *at;
    if (*p == '"') {
        const char *end = strchr(p + 1, '"');
        if (!end)
            return ms_error_set(err, MS_ERR_CONFIG, "permissions: a '\"' is not closed");
        *path = ms_view(p + 1, (size_t)(end - p - 1));
        p = end + 1;
        if (*p != ':')
            return ms_error_set(err, MS_ERR_CONFIG,
                                "permissions: ':' and letters of lrwWD must follow \"%s\"",
                                MS_SHOW(*path));
    } else {
        size_t size = strcspn(p, " \t\r\n");
        const char *colon = memrchr(p, ':', size);
        if (!colon)
            return ms_error_set(err, MS_ERR_CONFIG,
                                "permissions: \"%s\" is neither PATH:LETTERS (letters of lrwWD) "
                                "nor borgbackup-all, borgbackup-no-delete, borgbackup-write-only "
                                "or borgbackup-read-only",
                                MS_SHOW(ms_view(p, size)));
        if (colon == p)
            return ms_error_set(err, MS_ERR_CONFIG,
                                "permissions: the root is written \"\", as in \"\":lr");
        *path = ms_view(p, (size_t)(colon - p));
        p = colon;
    }
    const char *fault = path_fault(*path);
    if (fault)
        return ms_error_set(err, MS_ERR_CONFIG, "permissions: the path \"%s\" %s", MS_SHOW(*path),
                            fault);
    *at = p + 1;
    return 0;
}

static int parse_letters(const char **at, struct ms_view path, unsigned *granted,
                         struct ms_error *err)
{
    const char *p = *at;
    for (*granted = 0; *p && !is_blank(*p); p++) {
        const char *letter = strchr(letters, *p);
        if (!letter)
            return ms_error_set(err, MS_ERR_CONFIG,
                                "permissions of \"%s\": '%s' is not one of l (list), r (read), "
                                "w (write new), W (overwrite), D (delete)",
                                MS_SHOW(path), MS_SHOW(ms_view(p, 1)));
        *granted |= 1u << (letter - letters);
    }
    *at = p;
    return 0;
}

static int add_entry(struct ms_permission_map *map, struct ms_view path, unsigned granted,
                     struct ms_error *err)
{
    for (size_t i = 0; i < map->count; i++)
        if (ms_equal(ms_view(map->entries[i].path, map->entries[i].path_size), path))
            return ms_error_set(err, MS_ERR_CONFIG, "permissions: \"%s\" is given twice",
                                MS_SHOW(path));
    char *copy = strndup(path.size ? (const char *)path.data : "", path.size);
    if (!copy)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the permissions");
    map->entries[map->count++] = (struct ms_permission_entry){copy, path.size, granted};
    return 0;
}

static int parse_entries(const char *text, struct ms_permission_map *map, struct ms_error *err)
{
    const char *at = text;
    for (;;) {
        while (is_blank(*at))
            at++;
        if (!*at)
            break;
        struct ms_view path;
        unsigned granted;
        int code = parse_path(&at, &path, err);
        if (!code)
            code = parse_letters(&at, path, &granted, err);
        if (!code)
            code = add_entry(map, path, granted, err);
        if (code)
            return code;
    }
    if (map->count == 0)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "permissions: empty; leave them out, or say borgbackup-all, to allow "
                            "everything");
    return 0;
}

int ms_permission_map_parse(const char *text, struct ms_permission_map **out, struct ms_error *err)
{
    for (size_t i = 0; i < sizeof(shortcuts) / sizeof(*shortcuts); i++)
        if (strcmp(text, shortcuts[i].name) == 0)
            text = shortcuts[i].map;
    size_t room = 0; /* each entry has a ':' */
    for (const char *p = text; *p; p++)
        room += *p == ':';
    size_t bytes;
    struct ms_permission_map *map = NULL;
    if (ms_mul_size(room, sizeof(map->entries[0]), &bytes) && bytes <= SIZE_MAX - sizeof(*map))
        map = calloc(1, sizeof(*map) + bytes);
    if (!map)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the permissions");
    int code = parse_entries(text, map, err);
    if (code) {
        ms_permission_map_free(map);
        return code;
    }
    *out = map;
    return 0;
}

const struct ms_permission_entry *ms_permission_map_find(const struct ms_permission_map *map,
                                                         struct ms_view path)
{
    const struct ms_permission_entry *best = NULL;
    for (size_t i = 0; i < map->count; i++) {
        const struct ms_permission_entry *e = &map->entries[i];
        bool above = e->path_size == 0 ||
                     (path.size >= e->path_size && !memcmp(path.data, e->path, e->path_size) &&
                      (path.size == e->path_size || path.data[e->path_size] == '/'));
        if (above && (!best || e->path_size > best->path_size))
            best = e;
    }
    return best;
}

bool ms_permission_map_below(const struct ms_permission_map *map, struct ms_view path,
                             unsigned wanted)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct ms_permission_entry *e = &map->entries[i];
        bool below = e->path_size > path.size &&
                     (path.size == 0 ||
                      (!memcmp(e->path, path.data, path.size) && e->path[path.size] == '/'));
        if (below && (e->granted & wanted) != wanted)
            return false;
    }
    return true;
}
