/* mstore/conf.c - see mstore/conf.h. */
#include "mstore/conf.h"
#include "mstore/layout_parts.h"

#include "backends/secret.h"
#include "base/cleanup.h"
#include "base/private_file.h"
#include "base/text.h"

#include <mstore/backend.h>
#include <stdlib.h>

void ms_mconf_free(struct ms_mconf *c)
{
    if (!c)
        return;
    for (size_t i = 0; c->urls && i < MS_MEMBERS_MAX; i++)
        ms_wipe_free(c->urls[i]);
    free(c->urls);
    ms_layout_free(c->shared);
    explicit_bzero(&c->key, sizeof c->key);
    free(c);
}

const char *ms_mconf_url(const struct ms_mconf *c, const char *member)
{
    for (size_t i = 0; i < c->shared->member_count; i++)
        if (strcmp(c->shared->members[i].name, member) == 0)
            return c->urls[i];
    return NULL;
}

bool ms_mconf_is_path(const char *url)
{
    return !strchr(url, ':') && ms_ends_with(ms_str(url), ms_str(".conf"));
}

/* ---- keys of the file's own ---- */

static int no_memory(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for the store's configuration");
}

static int find_secret(struct ms_mconf *c, const struct ms_ini_entry *e, struct ms_error *err)
{
    char *copy = strdup(e->value);
    if (!copy)
        return no_memory(err);
    if (ms_secret_mask(copy) && !c->secret_line)
        c->secret_line = e->line;
    ms_wipe_free(copy);
    return 0;
}

static int set_url(struct ms_mconf *c, size_t member, const struct ms_ini_entry *e,
                   struct ms_error *err)
{
    struct ms_url *url = NULL;
    int code = ms_mconf_is_path(e->value) ? 0 : ms_url_parse(e->value, &url, err);
    if (code)
        return code;
    ms_url_free(url);
    for (size_t i = 0; i < member; i++)
        if (c->urls[i] && strcmp(c->urls[i], e->value) == 0)
            return ms_error_set(
                err, MS_ERR_CONFIG,
                "[member %s] has the url of [member %s]: copies on one storage "
                "are lost together; give it another, or take the section of one that "
                "is gone out",
                c->shared->members[member].name, c->shared->members[i].name);
    code = find_secret(c, e, err);
    if (code)
        return code;
    c->urls[member] = strdup(e->value);
    return c->urls[member] ? 0 : no_memory(err);
}

static int own_key(void *ctx, const struct ms_ini_entry *e, size_t member, bool *taken,
                   struct ms_error *err)
{
    struct ms_mconf *c = ctx;
    if (member != SIZE_MAX && strcmp(e->key, "url") == 0) {
        *taken = true;
        return set_url(c, member, e, err);
    }
    if (member == SIZE_MAX && strcmp(e->key, "key") == 0) {
        *taken = true;
        c->has_key = true;
        if (!c->secret_line)
            c->secret_line = e->line;
        return ms_seal_key_parse(e->value, &c->key, err);
    }
    return 0;
}

/* ---- the whole ---- */

static int check(const struct ms_mconf *c, const struct ms_layout_reader *r, struct ms_error *err)
{
    if (!r->has_mstore)
        return ms_layout_refuse(r->source, 1, err,
                                "there is no section [mstore]: begin the file with it");
    for (size_t i = 0; i < c->shared->member_count; i++)
        if (!c->urls[i])
            return ms_layout_refuse(r->source, c->shared->members[i].line, err,
                                    "[member %s] has no url: write url = as in file:///srv/store",
                                    c->shared->members[i].name);
    if (c->shared->member_count == 0)
        return ms_layout_refuse(r->source, 1, err,
                                "there is no [member NAME]: add one for each storage");
    return c->shared->space_count ? ms_layout_check(c->shared, r->source, err) : 0;
}

int ms_mconf_parse(struct ms_view text, const char *source, struct ms_mconf **out,
                   struct ms_error *err)
{
    struct ms_mconf *c = calloc(1, sizeof *c);
    if (!c)
        return no_memory(err);
    c->shared = calloc(1, sizeof *c->shared);
    c->urls = calloc(MS_MEMBERS_MAX, sizeof *c->urls);
    int code = c->shared && c->urls ? 0 : no_memory(err);
    struct ms_layout_reader r = {
        .layout = c->shared, .source = source, .own_key = own_key, .ctx = c};
    if (!code)
        code = ms_layout_read(&r, text, err);
    if (!code)
        code = check(c, &r, err);
    if (code) {
        ms_mconf_free(c);
        return code;
    }
    *out = c;
    return 0;
}

/* Whether `inner` names a place in that of `outer`; as they are written, without options. */
static bool lies_within(const char *inner, const char *outer)
{
    size_t size = strcspn(outer, "?"), end = strcspn(inner, "?");
    while (size && outer[size - 1] == '/')
        size--;
    return end > size + 1 && strncmp(inner, outer, size) == 0 && inner[size] == '/';
}

int ms_mconf_check_apart(const struct ms_mconf *c, const char *name, const char *url,
                         struct ms_error *err)
{
    for (size_t i = 0; i < c->shared->member_count; i++) {
        const struct ms_layout_member *m = &c->shared->members[i];
        bool within = lies_within(url, c->urls[i]);
        if (m->state == MS_GONE || strcmp(m->name, name) == 0 ||
            (!within && !lies_within(c->urls[i], url)))
            continue;
        return ms_error_set(err, MS_ERR_CONFIG,
                            "the storage of [member %s] lies within that of [member %s], where its "
                            "objects would be taken for the other's: give each a place of its own",
                            within ? name : m->name, within ? m->name : name);
    }
    return 0;
}

int ms_mconf_check_new(const struct ms_mconf *c, const char *source, struct ms_error *err)
{
    for (size_t i = 0; i < c->shared->member_count; i++) {
        const struct ms_layout_member *m = &c->shared->members[i];
        if (m->state == MS_GONE)
            return ms_layout_refuse(source, m->line, err,
                                    "[member %s] has state = gone, and a new store has no use for "
                                    "it: take the section out",
                                    m->name);
        int code = ms_mconf_check_apart(c, m->name, c->urls[i], err);
        if (code)
            return code;
    }
    return 0;
}

int ms_mconf_load(const char *path, struct ms_mconf **out, struct ms_error *err)
{
    struct ms_private_file file;
    struct ms_mconf *c;
    int code = ms_private_file_read(path, "the store's configuration", &file, err);
    if (code)
        return code;
    code = ms_mconf_parse(ms_private_file_view(&file), path, &c, err);
    ms_private_file_free(&file);
    if (code)
        return code;
    code = ms_private_file_check(&file, path, c->secret_line, "a secret", err);
    if (code) {
        ms_mconf_free(c);
        return code;
    }
    *out = c;
    return 0;
}
