/* INI text and the configuration: what is accepted can be written down again and says the same;
 * each configured store can be resolved. */
#include "fuzz.h"

#include "base/ini.h"
#include "store/config.h"

#include <stdio.h>
#include <stdlib.h>

static int write_entry(void *ctx, const struct ms_ini_entry *e, struct ms_error *err)
{
    FILE *file = ctx;
    (void)err;
    ms_assert(e->section && e->section[0] && e->name && e->line > 0);
    if (!e->key)
        fprintf(file, "[%s%s%s]\n", e->section, e->name[0] ? " " : "", e->name);
    else
        fprintf(file, "%s = %s\n", e->key, e->value);
    return 0;
}

/* The text that says the same, or NULL. */
static char *write_down(struct ms_view input)
{
    char *text = NULL;
    size_t size;
    struct ms_error err = {0};
    FILE *file = open_memstream(&text, &size);
    ms_assert(file);
    int code = ms_ini_parse(input, "FILE", write_entry, file, &err);
    ms_assert(fclose(file) == 0);
    ms_assert(code == 0 || (code == MS_ERR_CONFIG && strncmp(err.text, "FILE:", 5) == 0));
    if (code == 0)
        return text;
    free(text);
    return NULL;
}

static void check_config(struct ms_view input)
{
    struct ms_config *config = NULL;
    struct ms_error err = {0};
    int code = ms_config_parse(input, "FILE", &config, &err);
    ms_assert(code == 0 || (code == MS_ERR_CONFIG && strncmp(err.text, "FILE:", 5) == 0));
    if (code)
        return;
    const struct ms_config_store *s;
    for (size_t i = 0; (s = ms_config_store_at(config, i)); i++) {
        struct ms_config_target *t = NULL;
        ms_assert(ms_config_find(config, s->name) == s);
        ms_assert(ms_config_resolve(config, s->name, NULL, 0, &t, NULL) == 0);
        ms_assert(strcmp(t->url, s->url) == 0 && t->options.namespace_count >= 1);
        for (size_t n = 0; n < t->options.namespace_count; n++)
            ms_assert(t->options.namespaces[n].level_count <= MS_LEVELS_MAX &&
                      (t->options.cache_url || t->options.namespaces[n].cache == MS_CACHE_OFF));
        ms_config_target_free(t);
    }
    ms_config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ms_view input = ms_view(data, size);
    char *once = write_down(input);
    if (once) {
        char *twice = write_down(ms_str(once));
        ms_assert(twice && strcmp(once, twice) == 0);
        free(twice);
    }
    free(once);
    check_config(input);
    return 0;
}
