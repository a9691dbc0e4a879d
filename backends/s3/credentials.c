/* Who we are: from the environment, or from a profile of ~/.aws/credentials and ~/.aws/config, in
 * the order and with the names that the AWS tools use. No state; secrets are wiped when freed. */
#include "backends/s3/s3.h"

#include "base/cleanup.h"
#include "base/ini.h"
#include "base/text.h"

#include <stdio.h>

static void drop(char **text)
{
    ms_wipe_free(*text);
    *text = NULL;
}

void ms_s3_credentials_fini(struct ms_s3_credentials *c)
{
    drop(&c->id);
    drop(&c->secret);
    drop(&c->token);
    drop(&c->region);
    drop(&c->endpoint);
}

/* What stands first wins. */
static int keep(char **to, const char *value, struct ms_error *err)
{
    if (*to || !value || !*value)
        return 0;
    *to = strdup(value);
    return *to ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for credentials");
}

static const char *first_of(const char *a, const char *b)
{
    const char *value = getenv(a);
    return value && *value ? value : b ? getenv(b) : NULL;
}

static int from_environment(struct ms_s3_credentials *c, struct ms_error *err)
{
    const char *id = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY");
    if (!id || !*id || !secret || !*secret)
        return 0;
    int code = keep(&c->id, id, err);
    if (!code)
        code = keep(&c->secret, secret, err);
    if (!code)
        code = keep(&c->token, getenv("AWS_SESSION_TOKEN"), err);
    return code;
}

/* ---- the files ---- */

struct reading {
    struct ms_s3_credentials *c;
    const char *profile;
    bool found;
    char *id, *secret, *token; /* of this file */
};

static bool mine(const struct reading *r, const struct ms_ini_entry *e)
{
    if (e->name[0] == 0)
        return strcmp(e->section, r->profile) == 0;
    return strcmp(e->section, "profile") == 0 && strcmp(e->name, r->profile) == 0;
}

static int take_entry(void *ctx, const struct ms_ini_entry *e, struct ms_error *err)
{
    struct reading *r = ctx;
    if (!mine(r, e))
        return 0;
    r->found = true;
    if (!e->key)
        return 0;
    if (strcmp(e->key, "aws_access_key_id") == 0)
        return keep(&r->id, e->value, err);
    if (strcmp(e->key, "aws_secret_access_key") == 0)
        return keep(&r->secret, e->value, err);
    if (strcmp(e->key, "aws_session_token") == 0)
        return keep(&r->token, e->value, err);
    if (strcmp(e->key, "region") == 0)
        return keep(&r->c->region, e->value, err);
    if (strcmp(e->key, "endpoint_url") == 0)
        return keep(&r->c->endpoint, e->value, err);
    return 0;
}

/* The variable, or a file below the home folder. */
static int file_path(const char *variable, const char *name, char **out, struct ms_error *err)
{
    const char *path = getenv(variable), *home = getenv("HOME");
    if (path && *path)
        *out = strdup(path);
    else if (asprintf(out, "%s/.aws/%s", home ? home : "", name) < 0)
        *out = NULL;
    return *out ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for credentials");
}

static int from_file(const char *variable, const char *name, struct reading *r,
                     struct ms_error *err)
{
    MS_AUTO_FREE char *path = NULL;
    int code = file_path(variable, name, &path, err);
    if (code)
        return code;
    code = ms_ini_parse_file(path, take_entry, r, err);
    if (code == MS_ERR_NOT_FOUND)
        code = 0;
    if (!code && !r->c->id && r->id && r->secret) {
        r->c->id = MS_TAKE(r->id);
        r->c->secret = MS_TAKE(r->secret);
        r->c->token = MS_TAKE(r->token);
    }
    drop(&r->id);
    drop(&r->secret);
    drop(&r->token);
    return code;
}

static int from_profile(const char *profile, struct ms_s3_credentials *c, bool *found,
                        struct ms_error *err)
{
    struct reading r = {.c = c, .profile = profile};
    int code = from_file("AWS_SHARED_CREDENTIALS_FILE", "credentials", &r, err);
    if (!code)
        code = from_file("AWS_CONFIG_FILE", "config", &r, err);
    *found = r.found;
    return code;
}

static int missing(const char *profile, bool found, struct ms_error *err)
{
    if (profile && found)
        return ms_error_set(err, MS_ERR_AUTH,
                            "the profile \"%s\" has no aws_access_key_id and aws_secret_access_key",
                            MS_SHOW(ms_str(profile)));
    if (profile)
        return ms_error_set(err, MS_ERR_AUTH,
                            "there is no profile \"%s\" in ~/.aws/credentials or ~/.aws/config",
                            MS_SHOW(ms_str(profile)));
    return ms_error_set(err, MS_ERR_AUTH,
                        "no S3 credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                        "write a profile into ~/.aws/credentials");
}

int ms_s3_credentials_find(const char *profile, struct ms_s3_credentials *out, struct ms_error *err)
{
    struct ms_s3_credentials c = {0};
    bool found = false;
    const char *wanted = profile ? profile : getenv("AWS_PROFILE");
    int code = keep(&c.region, first_of("AWS_REGION", "AWS_DEFAULT_REGION"), err);
    if (!code)
        code = keep(&c.endpoint, first_of("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), err);
    if (!code && !profile)
        code = from_environment(&c, err);
    if (!code)
        code = from_profile(wanted && *wanted ? wanted : "default", &c, &found, err);
    if (!code && !c.id)
        code = missing(wanted && *wanted ? wanted : NULL, found, err);
    if (code)
        ms_s3_credentials_fini(&c);
    else
        *out = c;
    return code;
}
