/* check of a store of many: each member's storage as by itself (check.h), then what makes one store
 * of them: the layout and the members' marks, what each namespace bears, a value of each kind
 * written, read and deleted. */
#include "tools/mstore/check_tell.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/sync.h"
#include "base/text.h"
#include "mstore/conf.h"
#include "mstore/no_backend.h"
#include "tools/mstore/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PROBE_BYTES 4096

struct many {
    struct ms_cli *cli;
    const char *path;
    struct ms_json json;
    struct ms_check_tally tally;
    struct ms_store *store;          /* open; NULL: it is not, and */
    struct ms_error closed;          /* why */
    struct ms_mstore_status *status; /* of an open one */
};

/* ---- telling ---- */

static void tell(struct many *m, struct ms_check_result *r)
{
    if (r->code)
        r->verdict = MS_CHECK_FAILED;
    if (m->cli->json)
        ms_check_json_result(&m->json, r);
    else
        ms_check_print(r);
    ms_check_count(&m->tally, "", r);
}

/* A step that took no time: err is its failure, or has code 0; else the note. */
static void tell_found(struct many *m, const char *what, const struct ms_error *err,
                       const char *note)
{
    struct ms_check_result r = {.what = what, .verdict = MS_CHECK_OK, .code = err ? err->code : 0};
    snprintf(r.note, sizeof r.note, "%s", r.code ? err->text : note);
    tell(m, &r);
}

/* ---- members, each by itself ---- */

/* As status knows it; NULL: it does not. */
static const struct ms_mstore_member *known(const struct many *m, const char *name)
{
    for (size_t i = 0; m->status && i < m->status->member_count; i++)
        if (strcmp(m->status->members[i].name, name) == 0)
            return &m->status->members[i];
    return NULL;
}

static bool is_gone(const struct many *m, const char *name)
{
    const struct ms_mstore_member *member = known(m, name);
    return member && strcmp(member->state, "gone") == 0;
}

/* What cannot be had fails at its first step, and the others are looked at none the less. */
static int backend_of(const struct many *m, const char *name, struct ms_backend **out,
                      struct ms_error *err)
{
    const struct ms_mstore_member *member = known(m, name);
    struct ms_error why = {0};
    int code = ms_mconf_backend(m->path, name, out, &why);
    if (!code || code == MS_ERR_NO_MEMORY || !member || !member->url)
        return code ? ms_error_set(err, code, "%s", why.text) : 0;
    return ms_no_backend_new(member->url, ms_clock_real(), &why, out, err);
}

static int check_member(struct many *m, const char *name, struct ms_error *err)
{
    MS_AUTO_FREE struct ms_check *c = calloc(1, sizeof *c);
    struct ms_backend *backend = NULL;
    char who[80];
    snprintf(who, sizeof who, "member %s: ", name);
    int code = c ? backend_of(m, name, &backend, err)
                 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a check");
    if (code)
        return code;
    if (m->cli->json) {
        ms_json_object(&m->json);
        ms_json_key(&m->json, "name");
        ms_json_text(&m->json, name);
        ms_json_key(&m->json, "url");
        ms_json_text(&m->json, backend->url);
    } else {
        printf("member %s  %s\n", name, backend->url);
    }
    code = ms_check_storage(m->cli, backend, m->path, c, err);
    ms_check_count_all(&m->tally, who, c);
    if (m->cli->json) {
        ms_check_json(&m->json, c);
        ms_json_end(&m->json, '}');
    } else {
        puts("");
    }
    return code;
}

static int check_members(struct many *m, struct ms_error *err)
{
    struct ms_mconf *conf;
    int code = ms_mconf_load(m->path, &conf, err);
    if (code)
        return code;
    for (size_t i = 0; i < conf->shared->member_count && !code; i++)
        if (!is_gone(m, conf->shared->members[i].name))
            code = check_member(m, conf->shared->members[i].name, err);
    ms_mconf_free(conf);
    return code;
}

/* ---- the store of them ---- */

static void tell_layout(struct many *m)
{
    const struct ms_mstore_status *s = m->status;
    char note[200], proposed[80] = "";
    size_t members = 0, having = 0;
    for (size_t i = 0; i < s->member_count; i++) {
        bool gone = strcmp(s->members[i].state, "gone") == 0;
        members += !gone;
        having += !gone && !s->members[i].code && s->members[i].layout == s->epoch;
    }
    if (s->proposed)
        snprintf(proposed, sizeof proposed, "; layout %" PRIu64 " is proposed", s->proposed);
    snprintf(note, sizeof note, "layout %" PRIu64 ", on %zu of %zu members%s", s->epoch, having,
             members, proposed);
    tell_found(m, "layout", NULL, note);
}

static void tell_member(struct many *m, const struct ms_mstore_member *member)
{
    char what[80], note[200];
    struct ms_error err = {.code = member->code};
    snprintf(what, sizeof what, "member %s", member->name);
    snprintf(err.text, sizeof err.text, "%s", member->trouble);
    int used =
        member->joining ? snprintf(note, sizeof note, "%s, comes with the layout that is proposed",
                                   member->state)
        : member->layout < m->status->epoch
            ? snprintf(note, sizeof note, "%s, lacks layout %" PRIu64 ", which is on enough others",
                       member->state, m->status->epoch)
        : member->damaged
            ? snprintf(note, sizeof note,
                       "%s, its copy of layout %" PRIu64 " is damaged: run mstore heal",
                       member->state, member->layout)
            : snprintf(note, sizeof note, "%s, has its mark and the layout", member->state);
    if (member->behind && used > 0 && (size_t)used < sizeof note)
        snprintf(note + used, sizeof note - (size_t)used,
                 "; it has missed something: run mstore heal");
    tell_found(m, what, &err, note);
}

static void tell_space(struct many *m, const struct ms_mstore_space *s)
{
    char what[400], note[200];
    snprintf(what, sizeof what, "namespace %s", s->name[0] ? s->name : "(others)");
    snprintf(note, sizeof note, "%s, %s on %u members: %u may be lost", s->kind, s->redundancy,
             s->targets, s->tolerates);
    tell_found(m, what, NULL, note);
}

/* ---- a value of our own ---- */

struct probe {
    struct many *many;
    const char *kind;
    struct ms_buf *value;
    struct ms_view key;
};

static int probe_write(struct probe *p, struct ms_error *err)
{
    return ms_store_store(p->many->store, p->key, p->value, NULL, NULL, err);
}

static int probe_read(struct probe *p, struct ms_error *err)
{
    MS_AUTO_BUF struct ms_buf *got = NULL;
    int code = ms_store_load(p->many->store, p->key, NULL, &got, err);
    if (!code && !ms_equal(ms_buf_view(got), ms_buf_view(p->value)))
        code = ms_error_set(err, MS_ERR_CORRUPT, "what came back is not what was written");
    return code;
}

/* Also after Ctrl-C: nothing of ours stays. */
static int probe_delete(struct probe *p, struct ms_error *err)
{
    struct ms_cancel *token = ms_cancel_swap(NULL);
    struct ms_item_info info = {0};
    int code = ms_store_delete(p->many->store, p->key, false, err);
    if (!code)
        code = ms_store_info(p->many->store, p->key, false, &info, err);
    if (!code && info.exists)
        code = ms_error_set(err, MS_ERR_CORRUPT, "it is still there");
    ms_cancel_swap(token);
    return code;
}

static int probe_step(struct probe *p, const char *verb,
                      int (*fn)(struct probe *p, struct ms_error *err))
{
    char what[80];
    struct ms_error err = {0};
    uint64_t begin = ms_clock_now(ms_clock_real());
    snprintf(what, sizeof what, "%s %s", verb, p->kind);
    struct ms_check_result r = {.what = what, .verdict = MS_CHECK_OK};
    r.code = fn(p, &err);
    r.time_ns = ms_clock_now(ms_clock_real()) - begin;
    if (r.code)
        snprintf(r.note, sizeof r.note, "%s", err.text);
    if (r.code != MS_ERR_CANCELLED)
        tell(p->many, &r);
    return r.code;
}

/* Its key is its SHA-256: good for any rule about names, and for `verify`. */
static int probe_space(struct many *m, const struct ms_mstore_space *s, struct ms_error *err)
{
    struct probe p = {.many = m, .kind = s->kind};
    char letters[13], hex[MS_SHA256_HEX];
    struct ms_random random;
    uint64_t seed;
    ms_cli_scratch_name(letters);
    memcpy(&seed, letters, sizeof seed);
    ms_random_seed(&random, seed);
    MS_AUTO_BUF struct ms_buf *value = ms_buf_new(PROBE_BYTES);
    for (size_t i = 0; value && i < PROBE_BYTES; i += 8) {
        uint64_t number = ms_random_u64(&random);
        memcpy(ms_buf_data(value) + i, &number, 8);
    }
    int code = value ? ms_sha256_hex(ms_buf_view(value), hex, err)
                     : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a value");
    if (code)
        return code;
    MS_AUTO_FREE char *key = ms_cli_join(s->name, ms_str(hex), &p.key.size);
    if (!key)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for a key");
    p.key.data = (const uint8_t *)key;
    p.value = value;
    if (probe_step(&p, "write", probe_write) == 0)
        (void)!probe_step(&p, "read", probe_read);
    (void)!probe_step(&p, "delete", probe_delete);
    return ms_check_cancelled(err);
}

/* What a member that is away misses would have to be noted, and made up for by heal. */
static bool is_whole(const struct ms_mstore_status *s)
{
    for (size_t i = 0; i < s->member_count; i++)
        if (s->members[i].code)
            return false;
    return true;
}

/* In one namespace of each kind. */
static int probe_kinds(struct many *m, struct ms_error *err)
{
    const struct ms_mstore_status *s = m->status;
    int code = 0;
    for (size_t i = 0; i < s->space_count && !code; i++) {
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen |= strcmp(s->spaces[k].kind, s->spaces[i].kind) == 0;
        if (!seen)
            code = probe_space(m, &s->spaces[i], err);
    }
    return code;
}

static int check_store(struct many *m, struct ms_error *err)
{
    if (!m->cli->json)
        printf("store %s\n", m->path);
    if (!m->store) {
        tell_found(m, "layout", &m->closed, "");
        return 0;
    }
    tell_layout(m);
    for (size_t i = 0; i < m->status->member_count; i++)
        if (strcmp(m->status->members[i].state, "gone") != 0)
            tell_member(m, &m->status->members[i]);
    for (size_t i = 0; i < m->status->space_count; i++)
        tell_space(m, &m->status->spaces[i]);
    if (is_whole(m->status))
        return probe_kinds(m, err);
    if (!m->cli->json)
        puts("(no value is tried out while a member is away: that would leave it behind)");
    return 0;
}

/* ---- all of it ---- */

/* A store that cannot be opened is a finding; a wrong file, or Ctrl-C, ends the check. */
static int open_store(struct many *m, struct ms_error *err)
{
    struct ms_store *store = NULL;
    int code = ms_cli_store(m->cli, m->path, "--levels", &store, err);
    if (code)
        return code;
    code = ms_store_open(store, &m->closed);
    if (code) {
        ms_store_free(store);
        return code == MS_ERR_CANCELLED ? ms_error_set(err, code, "%s", m->closed.text) : 0;
    }
    m->store = store;
    return ms_mstore_status(store, &m->status, err);
}

static int check_all(struct many *m, struct ms_error *err)
{
    const bool json = m->cli->json;
    if (json) {
        ms_out_json(&m->json);
        ms_json_object(&m->json);
        ms_json_key(&m->json, "store");
        ms_json_text(&m->json, m->path);
        ms_json_key(&m->json, "members");
        ms_json_array(&m->json);
    }
    int code = check_members(m, err);
    if (json) {
        ms_json_end(&m->json, ']');
        ms_json_key(&m->json, "checks");
        ms_json_array(&m->json);
    }
    if (!code)
        code = check_store(m, err);
    if (json) {
        ms_json_end(&m->json, ']');
        ms_json_key(&m->json, "failures");
        ms_json_u64(&m->json, m->tally.failures);
        ms_json_end(&m->json, '}');
    }
    return code;
}

int ms_check_many(struct ms_cli *cli, const char *path, struct ms_error *err)
{
    struct many m = {.cli = cli, .path = path};
    int code = open_store(&m, err);
    if (!code)
        code = check_all(&m, err);
    if (!code)
        code = ms_check_judge(&m.tally, err);
    ms_mstore_status_free(m.status);
    return ms_cli_close(m.store, code, err);
}
