/* What every test of the suite stands on: a fresh backend, and checks that say what went wrong. */

#include "backend_suite.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct ms_precondition if_absent = {.kind = MS_IF_ABSENT};

void check_ok(struct fixture *f, int code, const char *what, const char *file, int line)
{
    if (code == 0)
        return;
    print_error("%s: %s: %s: %s\n", f->candidate->label, what, ms_code_name(code), f->err.text);
    _fail(file, line);
}

void check_fails(struct fixture *f, int code, int wanted, const char *what, const char *file,
                 int line)
{
    bool told = f->err.code == wanted && f->err.text[0];
    if (code != wanted || !told) {
        print_error("%s: %s: %s instead of %s, and the error says %s \"%s\"\n", f->candidate->label,
                    what, ms_code_name(code), ms_code_name(wanted), ms_code_name(f->err.code),
                    f->err.text);
        _fail(file, line);
    }
    f->err = (struct ms_error){0};
}

/* ---- a backend of its own ---- */

/* Of "$NAME?OPTIONS" the value of NAME; NULL: it is not set. */
static const char *base_url(const struct candidate *c)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(c->url + 1, "?"), c->url + 1);
    return getenv(name);
}

bool candidate_is_here(const struct candidate *c)
{
    return c->url[0] != '$' || base_url(c);
}

/* The variable holds the address of a server that is there for us alone ("http://…"), or the
 * command of one, which is then spoken to over its pipes. */
static void server_url(const char *server, char *url, size_t size)
{
    if (strncmp(server, "http:", 5) == 0 || strncmp(server, "https:", 6) == 0) {
        snprintf(url, size, "%s", server);
        return;
    }
    setenv("MSTORE_REST_SERVER", server, 1);
    snprintf(url, size, "rest:///%s/store", candidate_folder);
}

/* The path of this process goes before the options of the variable, the candidate's behind them. */
static void network_url(const struct candidate *c, char *url, size_t size)
{
    const char *base = base_url(c), *mine = strchr(c->url, '?');
    size_t path = strcspn(base, "?");
    bool slash = path && base[path - 1] == '/';
    snprintf(url, size, "%.*s%sconformance-%d%s%s%s", (int)path, base, slash ? "" : "/",
             (int)getpid(), base + path, mine ? (base[path] ? "&" : "?") : "",
             mine ? mine + 1 : "");
}

static int make(struct fixture *f, struct ms_backend **out)
{
    struct ms_backend_env env = {.clock = f->clock, .seed = 1};
    struct ms_url *url;
    int code = ms_url_parse(f->url, &url, &f->err);
    if (code)
        return code;
    code = ms_emulator_make_url(url, &env, false, out, &f->err);
    ms_url_free(url);
    return code;
}

struct ms_backend *fixture_another(struct fixture *f)
{
    struct ms_backend *b = NULL;
    OK(make(f, &b));
    return b;
}

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->candidate = *state;
    *state = f;
    const char *before = f->candidate->url, *hole = strstr(before, "%s");
    if (strcmp(before, "$BORGSTORE_SERVER") == 0 || strcmp(before, "$MSTORE_SERVED") == 0)
        server_url(base_url(f->candidate), f->url, sizeof f->url);
    else if (before[0] == '$')
        network_url(f->candidate, f->url, sizeof f->url);
    else
        snprintf(f->url, sizeof f->url, "%.*s%s%s", hole ? (int)(hole - before) : 0, before,
                 hole ? candidate_folder : "", hole ? hole + 2 : before);
    f->clock = f->candidate->virtual_clock ? ms_clock_virtual_new(0) : NULL;
    OK(make(f, &f->b));
    OK(ms_backend_create(f->b, &f->err));
    OK(ms_backend_open(f->b, &f->err));
    ms_backend_capabilities(f->b, &f->can);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind;
    return ftw->level == 0 ? 0 : remove(path);
}

int fixture_teardown(void **state)
{
    struct fixture *f = fixture(state);
    if (f->candidate->url[0] == '$') {
        (void)!ms_backend_close(f->b, NULL);
        (void)!ms_backend_destroy(f->b, NULL);
    }
    ms_backend_free(f->b);
    ms_clock_free(f->clock ? f->clock : ms_clock_real());
    nftw(candidate_folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

/* ---- short forms ---- */

int put_bytes(struct fixture *f, const char *name, struct ms_view value,
              const struct ms_precondition *pre, struct ms_tag *tag)
{
    struct ms_buf_borrowed place;
    return ms_backend_store(f->b, ms_str(name), ms_buf_borrow(&place, value), pre, tag, &f->err);
}

int put(struct fixture *f, const char *name, const char *value)
{
    return put_bytes(f, name, ms_str(value), NULL, NULL);
}

void holds_value(struct fixture *f, const char *name, struct ms_view value)
{
    struct ms_buf *got = NULL;
    OK(ms_backend_load(f->b, ms_str(name), 0, MS_SIZE_TO_END, &got, NULL, &f->err));
    assert_int_equal(ms_buf_size(got), value.size);
    if (value.size)
        assert_memory_equal(ms_buf_view(got).data, value.data, value.size);
    ms_buf_unref(got);
}

void holds_text(struct fixture *f, const char *name, const char *value)
{
    holds_value(f, name, ms_str(value));
}

void is_missing(struct fixture *f, const char *name)
{
    struct ms_info info = {.exists = true};
    OK(ms_backend_info(f->b, ms_str(name), &info, &f->err));
    assert_false(info.exists);
    struct ms_buf *untouched = NULL;
    FAILS(MS_ERR_NOT_FOUND,
          ms_backend_load(f->b, ms_str(name), 0, MS_SIZE_TO_END, &untouched, NULL, &f->err));
    assert_null(untouched);
}

void lists(struct fixture *f, const char *name, const char *wanted)
{
    struct ms_lister *l = NULL;
    const struct ms_entry *e = NULL;
    char got[4096] = "";
    size_t at = 0;
    int code = ms_backend_list(f->b, ms_str(name), NULL, &l, &f->err);
    if (code == MS_ERR_NOT_FOUND && !CAN(f, MS_CAP_DIRECTORIES) && !wanted[0])
        return; /* gone with its last value */
    OK(code);
    for (;;) {
        OK(ms_lister_next(l, &e, &f->err));
        if (!e)
            break;
        at += (size_t)snprintf(got + at, sizeof got - at, "%s%.*s%s", at ? "|" : "",
                               (int)e->name.size, (const char *)e->name.data,
                               e->info.directory ? "/" : "");
        assert_true(at < sizeof got);
    }
    ms_lister_close(l);
    assert_string_equal(got, wanted);
}

uint8_t *pattern(size_t size, uint64_t seed)
{
    uint8_t *bytes = malloc(size + 1);
    assert_non_null(bytes);
    struct ms_random random;
    ms_random_seed(&random, seed);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)ms_random_u64(&random);
    return bytes;
}

bool is_pattern(struct ms_view bytes, size_t size, uint64_t seed)
{
    uint8_t *wanted = pattern(size, seed);
    bool same = bytes.size == size && (size == 0 || memcmp(bytes.data, wanted, size) == 0);
    free(wanted);
    return same;
}
