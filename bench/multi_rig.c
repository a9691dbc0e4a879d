/* bench/multi_rig.c - see multi_rig.h. A member "rig:NAME" is memory:NAME with a switch before the
 * calls that small values need. */
#include "bench/multi_rig.h"

#include "base/sync.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEAD_NS UINT64_C(3000000000)

static struct ms_backend_ops with_switch;
static const struct ms_backend_ops *without;
static char dead[32];
static atomic_bool is_dead;

void rig_ok(int code, const char *what, const struct ms_error *err)
{
    if (code) {
        fprintf(stderr, "mstore-multi: %s: %s\n", what, err->text);
        exit(1);
    }
}

void rig_kill(const char *name)
{
    snprintf(dead, sizeof dead, "%s", name ? name : "");
    atomic_store(&is_dead, name != NULL);
}

/* 0, or the time-out of a storage that is not there any more. */
static int knock(struct ms_backend *b, struct ms_error *err)
{
    if (!atomic_load(&is_dead) || !strstr(b->url, dead))
        return 0;
    int code = ms_sleep(b->clock, DEAD_NS, err);
    return code ? code : ms_error_set(err, MS_ERR_TIMEOUT, "%s does not answer", b->url);
}

static int knocking_store(struct ms_backend *b, struct ms_view name, struct ms_buf *value,
                          const struct ms_precondition *pre, struct ms_tag *tag,
                          struct ms_error *err)
{
    int code = knock(b, err);
    return code ? code : without->store(b, name, value, pre, tag, err);
}

static int knocking_load(struct ms_backend *b, struct ms_view name, int64_t offset, uint64_t size,
                         struct ms_buf **out, struct ms_info *info, struct ms_error *err)
{
    int code = knock(b, err);
    return code ? code : without->load(b, name, offset, size, out, info, err);
}

static int knocking_info(struct ms_backend *b, struct ms_view name, struct ms_info *out,
                         struct ms_error *err)
{
    int code = knock(b, err);
    return code ? code : without->info(b, name, out, err);
}

static int knocking_list(struct ms_backend *b, struct ms_view name,
                         const struct ms_list_request *request, struct ms_lister **out,
                         struct ms_error *err)
{
    int code = knock(b, err);
    return code ? code : without->list(b, name, request, out, err);
}

static int make(struct ms_url *url, const struct ms_backend_env *env, struct ms_backend **out,
                struct ms_error *err)
{
    char text[64];
    snprintf(text, sizeof text, "memory:%s", url->path);
    int code = ms_backend_make(text, env, out, err);
    if (code)
        return code;
    if (!without) {
        without = (*out)->ops;
        with_switch = *without;
        with_switch.store = knocking_store;
        with_switch.load = knocking_load;
        with_switch.info = knocking_info;
        with_switch.list = knocking_list;
    }
    (*out)->ops = &with_switch;
    return 0;
}

void rig_register(void)
{
    static const struct ms_backend_type type = {"rig", "rig:NAME", make};
    struct ms_error err;
    rig_ok(ms_backend_register(&type, &err), "registering", &err);
}

static void write_file(const char *path, const struct rig_options *o)
{
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        exit(1);
    }
    fprintf(f, "[mstore]\nkey = %064d\n", 1);
    for (unsigned i = 0; i < o->members; i++) {
        char name[48];
        snprintf(name, sizeof name, "%s-%u", o->name, i);
        fprintf(f, "[member m%u]\nurl = ", i);
        for (const char *c = o->url; *c; c++)
            if (c[0] == '%' && c[1] == 's') {
                fputs(name, f);
                c++;
            } else {
                fputc(*c, f);
            }
        fputc('\n', f);
    }
    fprintf(f, "[namespace]\n%s", o->policy);
    if (fclose(f) || chmod(path, 0600)) {
        perror(path);
        exit(1);
    }
}

struct ms_store *rig_open(const char *folder, const struct rig_options *o)
{
    struct ms_mstore_options options = MS_MSTORE_OPTIONS_INIT;
    struct ms_store *s = NULL;
    struct ms_error err;
    char path[4200];
    snprintf(path, sizeof path, "%s/%s.conf", folder, o->name);
    write_file(path, o);
    options.state_folder = "";
    rig_ok(ms_mstore_new(path, &options, &s, &err), "new", &err);
    rig_ok(ms_store_create(s, &err), "create", &err);
    rig_ok(ms_store_open(s, &err), "open", &err);
    return s;
}
