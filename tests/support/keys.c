/* tests/support/keys.c - see tests/support/keys.h. */
#include "tests/support/keys.h"

#include "tests/support/check.h"

#include <stdio.h>

static int run_keys(void *arg)
{
    struct keys *s = arg;
    cluster_make(&s->cluster, s->layout, ms_sim_clock());
    client_make(&s->client, &s->cluster, 1);
    check_ok(ms_mutable_new(1, &s->verbs, &s->err), s->err);
    s->play(s);
    assert_int_equal(ms_sleep(ms_sim_clock(), 3600 * SECOND, NULL), 0); /* stragglers end */
    ms_mutable_free(s->verbs);
    client_free(&s->client);
    cluster_free(&s->cluster);
    return 0;
}

void keys_play(const char *layout, void (*fn)(struct keys *))
{
    struct keys s = {.layout = layout, .play = fn};
    struct ms_sim_options options = {
        .seed = 7, .start_ns = SECOND, .start_wall_ns = INT64_C(1800000000) * 1000000000};
    struct ms_error err = {0};
    check_ok(ms_sim_run(&options, run_keys, &s, NULL, &err), err);
}

int keys_put(struct keys *s, const char *key, const char *value)
{
    struct ms_site site = client_site(&s->client, key);
    struct ms_buf *buf = ms_buf_copy(ms_str(value));
    if (!buf)
        return MS_ERR_NO_MEMORY;
    int code = ms_mutable_store(s->verbs, &site, buf, NULL, NULL, &s->err);
    ms_buf_unref(buf);
    return code;
}

int keys_get(struct keys *s, const char *key, bool deleted, char text[64])
{
    struct ms_site site = client_site(&s->client, key);
    struct ms_load_options options = MS_LOAD_OPTIONS_INIT;
    struct ms_buf *buf = NULL;
    options.deleted = deleted;
    int code = ms_mutable_load(s->verbs, &site, &options, &buf, &s->err);
    if (!code)
        snprintf(text, 64, "%.*s", (int)ms_buf_size(buf), (const char *)ms_buf_view(buf).data);
    ms_buf_unref(buf);
    return code;
}

void keys_assert_at(struct keys *s, const char *key, const char *value, int line)
{
    char text[64] = "";
    int code = keys_get(s, key, false, text);
    if (code || strcmp(text, value) != 0)
        fail_msg("line %d: %s is \"%s\" (%s), not \"%s\"", line, key, text,
                 code ? s->err.text : "no error", value);
}

void keys_assert_absent(struct keys *s, const char *key)
{
    char text[64];
    check_code(keys_get(s, key, false, text), MS_ERR_NOT_FOUND, s->err);
}

int keys_delete(struct keys *s, const char *key)
{
    struct ms_site site = client_site(&s->client, key);
    return ms_mutable_delete(s->verbs, &site, false, &s->err);
}

int keys_move(struct keys *s, enum ms_move how, const char *key, const char *to)
{
    struct ms_site site = client_site(&s->client, key), target = site;
    if (to)
        target = client_site(&s->client, to);
    return ms_mutable_move(s->verbs, how, &site, &target, false, &s->err);
}

/* Lets what runs in the background end, and breakers close. */
void keys_rest(void)
{
    assert_int_equal(ms_sleep(ms_sim_clock(), 600 * SECOND, NULL), 0);
}

void keys_assert_objects(struct keys *s, unsigned each)
{
    for (unsigned i = 0; i < s->cluster.members; i++)
        assert_int_equal(cluster_objects(&s->cluster, i), each);
}
