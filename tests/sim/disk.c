/* Disks at rest: walked, copied, harmed. See world.h. */
#include "tests/sim/world.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/sim.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

int sim_disk_new(struct sim_world *w, struct ms_backend **out, struct ms_error *err)
{
    struct ms_backend **disks =
        realloc(w->disks, (w->disk_count + 1) * sizeof *disks); /* NOLINT: pointers */
    if (!disks)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a disk");
    w->disks = disks;
    struct ms_backend_env env = {.clock = w->clock};
    struct ms_backend *disk = NULL;
    int code = ms_backend_make("memory:", &env, &disk, err);
    if (code)
        return code;
    w->disks[w->disk_count++] = disk;
    code = ms_backend_create(disk, err);
    if (!code)
        code = ms_backend_open(disk, err);
    if (!code)
        *out = disk;
    return code;
}

/* ---- walking ---- */

struct names { /* of one directory */
    char **name;
    bool *directory;
    size_t count;
};

static void names_fini(struct names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->name[i]);
    free(n->name);
    free(n->directory);
}

static int names_add(struct names *n, struct ms_view parent, const struct ms_entry *entry,
                     struct ms_error *err)
{
    char **name = realloc(n->name, (n->count + 1) * sizeof *name); /* NOLINT: pointers */
    if (name)
        n->name = name;
    bool *directory = realloc(n->directory, (n->count + 1) * sizeof *directory);
    if (directory)
        n->directory = directory;
    if (!name || !directory ||
        asprintf(&name[n->count], "%.*s%s%.*s", (int)parent.size, (const char *)parent.data,
                 parent.size ? "/" : "", (int)entry->name.size, (const char *)entry->name.data) < 0)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the names of a disk");
    directory[n->count++] = entry->info.directory;
    return 0;
}

static int names_of(struct ms_backend *disk, struct ms_view directory, struct names *out,
                    struct ms_error *err)
{
    struct ms_lister *lister = NULL;
    int code = ms_backend_list(disk, directory, NULL, &lister, err);
    if (code)
        return code;
    const struct ms_entry *entry = NULL;
    while (!(code = ms_lister_next(lister, &entry, err)) && entry)
        if ((code = names_add(out, directory, entry, err)))
            break;
    ms_lister_close(lister);
    return code;
}

static int walk(struct ms_backend *disk, struct ms_view directory,
                int (*fn)(void *ctx, struct ms_view name, struct ms_error *err), void *ctx,
                struct ms_error *err)
{
    struct names names = {0};
    int code = names_of(disk, directory, &names, err);
    for (size_t i = 0; !code && i < names.count; i++) {
        struct ms_view name = ms_str(names.name[i]);
        code = names.directory[i] ? walk(disk, name, fn, ctx, err) : fn(ctx, name, err);
    }
    names_fini(&names);
    return code;
}

int sim_disk_walk(struct ms_backend *disk,
                  int (*fn)(void *ctx, struct ms_view name, struct ms_error *err), void *ctx,
                  struct ms_error *err)
{
    return walk(disk, ms_str(""), fn, ctx, err);
}

/* ---- copying ---- */

struct copying {
    struct ms_backend *from, *to;
};

static int copy_value(void *ctx, struct ms_view name, struct ms_error *err)
{
    struct copying *c = ctx;
    MS_AUTO_BUF struct ms_buf *value = NULL;
    int code = ms_backend_load(c->from, name, 0, MS_SIZE_TO_END, &value, NULL, err);
    return code ? code : ms_backend_store(c->to, name, value, NULL, NULL, err);
}

int sim_disk_copy(struct sim_world *w, struct ms_backend *from, struct ms_backend **out,
                  struct ms_error *err)
{
    struct copying c = {.from = from};
    int code = sim_disk_new(w, &c.to, err);
    if (!code)
        code = sim_disk_walk(from, copy_value, &c, err);
    if (!code)
        *out = c.to;
    return code;
}

/* ---- harm ---- */

struct harm {
    struct sim_world *w;
    struct ms_backend *disk;
    enum sim_disturbance how;
    uint64_t one_in, count, certain; /* values so far; the one that is hit in any case */
};

/* As rot does it, which changes no object's time. */
static int replace_quietly(struct harm *h, struct ms_view name, struct ms_buf *value,
                           int64_t mtime_ns, struct ms_error *err)
{
    struct ms_clock then, *now = h->disk->clock;
    ms_clock_init_wrong(&then, now, mtime_ns - ms_clock_wall(now));
    h->disk->clock = &then;
    int code = ms_backend_store(h->disk, name, value, NULL, NULL, err);
    h->disk->clock = now;
    return code;
}

static int flip_bit(struct harm *h, struct ms_view name, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *value = NULL;
    struct ms_info info = {0};
    int code = ms_backend_load(h->disk, name, 0, MS_SIZE_TO_END, &value, &info, err);
    if (code || ms_buf_size(value) == 0)
        return code;
    MS_AUTO_BUF struct ms_buf *wrong = ms_buf_copy(ms_buf_view(value));
    if (!wrong)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    uint64_t bit = sim_below(h->w, 8 * ms_buf_size(wrong));
    ms_buf_data(wrong)[bit / 8] ^= (uint8_t)(1u << bit % 8);
    return replace_quietly(h, name, wrong, info.mtime_ns, err);
}

static bool is_spared(const struct sim_world *w, struct ms_view name)
{
    return (w->spares && ms_ends_with(name, ms_str(w->spares))) ||
           (w->harms && !memmem(name.data, name.size, w->harms, strlen(w->harms)));
}

static int harm_value(void *ctx, struct ms_view name, struct ms_error *err)
{
    struct harm *h = ctx;
    if (is_spared(h->w, name))
        return 0;
    bool hit = h->count++ == h->certain || sim_below(h->w, h->one_in) == 0;
    if (!hit)
        return 0;
    ms_sim_note("harm %d to %.*s", (int)h->how, (int)name.size, (const char *)name.data);
    return h->how == SIM_LOSE ? ms_backend_delete(h->disk, name, err) : flip_bit(h, name, err);
}

static int count_value(void *ctx, struct ms_view name, struct ms_error *err)
{
    (void)err;
    struct harm *h = ctx;
    h->count += !is_spared(h->w, name);
    return 0;
}

int sim_disk_harm(struct sim_world *w, struct ms_backend *disk, enum sim_disturbance how,
                  unsigned one_in, struct ms_error *err)
{
    struct harm h = {.w = w, .disk = disk, .how = how, .one_in = one_in};
    int code = sim_disk_walk(disk, count_value, &h, err);
    h.certain = sim_below(w, h.count);
    h.count = 0;
    return code ? code : sim_disk_walk(disk, harm_value, &h, err);
}
