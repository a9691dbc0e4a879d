/* A client's own file of an MStore: each member has a URL, and no URL is in the text that members
 * get, and a bad key is not shown. */
#include "fuzz.h"

#include "mstore/conf.h"

#include <mstore/backend.h>
#include <stdlib.h>

static void check_shared(const struct ms_mconf *c)
{
    struct ms_buf *text = NULL;
    ms_assert(ms_layout_format(c->shared, &text, NULL) == 0);
    struct ms_view v = ms_buf_view(text);
    ms_assert(!memmem(v.data, v.size, "://", 3));
    ms_buf_unref(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ms_mconf *c = NULL;
    struct ms_error err = {0};
    int code = ms_mconf_parse(ms_view(data, size), "FILE", &c, &err);
    ms_assert(code == 0 || (code == MS_ERR_CONFIG && strncmp(err.text, "FILE:", 5) == 0));
    const char *sentence = code ? strchr(err.text + 5, ':') : NULL;
    if (sentence && strncmp(sentence, ": the key ", 10) == 0) /* and no word of it */
        ms_assert(strcmp(sentence, ": the key is not 64 hex digits: make one with openssl rand "
                                   "-hex 32") == 0);
    if (code)
        return 0;
    ms_assert(c->shared->member_count > 0 && c->shared->epoch == 0);
    ms_assert(!c->has_key || c->secret_line);
    for (size_t i = 0; i < c->shared->member_count; i++) {
        const char *url = ms_mconf_url(c, c->shared->members[i].name);
        ms_assert(url && url == c->urls[i]);
        struct ms_url *parsed = NULL;
        ms_assert(ms_mconf_is_path(url) || ms_url_parse(url, &parsed, NULL) == 0);
        ms_url_free(parsed);
    }
    if (c->shared->space_count)
        ms_assert(ms_layout_check(c->shared, NULL, NULL) == 0);
    check_shared(c);
    ms_mconf_free(c);
    return 0;
}
