/* Listings of the posix driver: the folder is read once, sorted (sort.h), and handed out entry by
 * entry; sizes and times are asked for when an entry is handed out. One thread a lister. */
#include "backends/posix/posix.h"

#include "backends/name.h"
#include "backends/posix/sort.h"
#include "base/cleanup.h"
#include "base/sync.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

struct lister {
    struct ms_lister base;
    struct ms_sorter *sorter;
    int dir;
    bool names_only;
    struct ms_entry entry;
};

/* Fills in the entry; false: it is none (any more). */
static bool look(struct lister *l, uint8_t kind, int *code, struct ms_error *err)
{
    if (l->names_only && kind != DT_UNKNOWN) {
        l->entry.info = (struct ms_info){.exists = true, .directory = kind == DT_DIR};
        return true;
    }
    char name[256];
    memcpy(name, l->entry.name.data, l->entry.name.size);
    name[l->entry.name.size] = 0;
    struct stat st;
    if (fstatat(l->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            *code = ms_posix_error(err, errno, "look at", l->entry.name);
        return false;
    }
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return false;
    ms_posix_fill_info(&st, &l->entry.info);
    return true;
}

static int lister_next(struct ms_lister *base, const struct ms_entry **out, struct ms_error *err)
{
    struct lister *l = (struct lister *)base;
    for (;;) {
        uint8_t kind = DT_UNKNOWN;
        int code = ms_sorter_next(l->sorter, &l->entry.name, &kind, err);
        if (code)
            return code;
        if (l->entry.name.size == 0) {
            *out = NULL;
            return 0;
        }
        if (look(l, kind, &code, err)) {
            *out = &l->entry;
            return 0;
        }
        if (code)
            return code;
    }
}

static void lister_close(struct ms_lister *base)
{
    struct lister *l = (struct lister *)base;
    ms_sorter_free(l->sorter);
    if (l->dir >= 0)
        close(l->dir);
    free(l);
}

static bool wanted(const struct dirent *e, struct ms_view name, struct ms_view start_after)
{
    if (e->d_type != DT_REG && e->d_type != DT_DIR && e->d_type != DT_UNKNOWN)
        return false;
    if (ms_equal(name, ms_str(".")) || ms_equal(name, ms_str("..")) || ms_name_hidden(name))
        return false;
    return ms_compare(name, start_after) > 0;
}

/* Reads the folder into the sorter. */
static int gather(struct lister *l, struct ms_view name, struct ms_view start_after,
                  struct ms_error *err)
{
    int fd = openat(l->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int failed = errno;
        if (fd >= 0)
            close(fd);
        return ms_posix_error(err, failed, "list", name);
    }
    int code = 0;
    const struct dirent *e;
    for (unsigned seen = 0; !code && (errno = 0, e = readdir(dir)); seen++) {
        struct ms_view entry = ms_str(e->d_name);
        if (wanted(e, entry, start_after))
            code = ms_sorter_add(l->sorter, entry, e->d_type, err);
        if (!code && seen % 4096 == 4095)
            code = ms_check_cancelled(err);
    }
    if (!code && errno)
        code = ms_posix_error(err, errno, "list", name);
    closedir(dir);
    return code ? code : ms_sorter_finish(l->sorter, err);
}

int ms_posix_list(struct ms_backend *b, struct ms_view name, const struct ms_list_request *request,
                  struct ms_lister **out, struct ms_error *err)
{
    static const struct ms_lister_ops ops = {lister_next, lister_close};
    struct lister *l = calloc(1, sizeof *l);
    if (!l)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory to list %s", MS_SHOW(name));
    l->base = (struct ms_lister){.ops = &ops, .backend = b};
    l->names_only = request->names_only;
    l->dir = ms_posix_open(ms_posix_self(b), name, O_RDONLY | O_DIRECTORY);
    int code = l->dir < 0 ? ms_posix_error(err, errno, "list", name) : 0;
    /* a limit counts entries given; some names may turn out to be none */
    uint64_t limit = request->limit ? request->limit + 1024 : 0;
    if (!code)
        code = ms_sorter_new(limit, MS_SORTER_BYTES, &l->sorter, err);
    if (!code)
        code = gather(l, name, request->start_after, err);
    if (code) {
        lister_close(&l->base);
        return code;
    }
    *out = &l->base;
    return 0;
}
