/* tests/peers/sftp_rig.h - an SSH server that errs and a backend that speaks to it, on a clock on
 * which waiting between attempts takes no time. */
#ifndef PEERS_SFTP_RIG_H
#define PEERS_SFTP_RIG_H

#include "peers/sftp_peer.h"
#include "support/check.h"
#include "support/scratch.h"

#include "backends/sftp/sftp.h"
#include "base/pool.h"

#include <mstore/mstore.h>

struct rig {
    struct scratch folder;
    struct ms_clock *clock;
    struct ms_backend *b;
    struct ms_error err;
};

static inline const char *rig_path(const struct rig *rig, const char *name)
{
    static char ring[4][400];
    static unsigned at;
    char *text = ring[at++ % 4];
    snprintf(text, sizeof ring[0], "%s/%s", rig->folder.path, name);
    return text;
}

static inline void rig_file(const struct rig *rig, const char *name, const char *text, size_t size)
{
    FILE *f = fopen(rig_path(rig, name), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static inline bool rig_has(const struct rig *rig, const char *name)
{
    return access(rig_path(rig, name), F_OK) == 0;
}

/* Starts the server; its key is known. */
static inline void rig_up(struct rig *rig, const struct sftp_setup *setup)
{
    *rig = (struct rig){0};
    assert_true(scratch_make(&rig->folder));
    sftp_peer_start(setup, rig->folder.path);
    rig_file(rig, "known_hosts", sftp_peer_host_key(), strlen(sftp_peer_host_key()));
    rig->clock = ms_clock_virtual_new(0);
}

/* A backend, closed; its store is the folder "store" there. */
static inline struct ms_backend *rig_make(struct rig *rig, const char *options)
{
    char url[1024];
    struct ms_backend_env env = {.clock = rig->clock, .seed = 1};
    struct ms_backend *b = NULL;
    const char *known = strstr(options, "known_hosts=") ? "" : rig_path(rig, "known_hosts");
    snprintf(url, sizeof url, "sftp://tester@127.0.0.1:%d/store?%s%s%s%s%s", sftp_peer_port(),
             strstr(options, "ssh_config=") ? "" : "ssh_config=none", *known ? "&known_hosts=" : "",
             known, *options ? "&" : "", options);
    check_ok(ms_backend_make(url, &env, &b, &rig->err), rig->err);
    return b;
}

static inline void rig_open(struct rig *rig, const char *options)
{
    rig->b = rig_make(rig, options);
    check_ok(ms_backend_create(rig->b, &rig->err), rig->err);
    check_ok(ms_backend_open(rig->b, &rig->err), rig->err);
}

static inline void rig_down(struct rig *rig)
{
    ms_backend_free(rig->b);
    ms_clock_free(rig->clock);
    sftp_peer_stop();
    scratch_remove(&rig->folder);
    ms_pool_shutdown();
}

static inline int rig_put(struct rig *rig, const char *name, struct ms_view value,
                          const struct ms_precondition *pre)
{
    struct ms_buf_borrowed place;
    return ms_backend_store(rig->b, ms_str(name), ms_buf_borrow(&place, value), pre, NULL,
                            &rig->err);
}

static inline void rig_holds(struct rig *rig, const char *name, struct ms_view wanted)
{
    struct ms_buf *value = NULL;
    check_ok(ms_backend_load(rig->b, ms_str(name), 0, MS_SIZE_TO_END, &value, NULL, &rig->err),
             rig->err);
    assert_int_equal(ms_buf_size(value), wanted.size);
    assert_memory_equal(ms_buf_view(value).data, wanted.data, wanted.size);
    ms_buf_unref(value);
}

/* Whether the store holds a temporary: `ls` is asked, not the driver. */
static inline unsigned rig_temporaries(const struct rig *rig)
{
    unsigned count = 0;
    DIR *dir = opendir(rig_path(rig, "store"));
    for (struct dirent *e; dir && (e = readdir(dir));)
        count += strstr(e->d_name, ".tmp") != NULL;
    if (dir)
        closedir(dir);
    return count;
}

#endif
