/* network_cuts PLACE up|down - the line breaks at every step of every verb.
 *
 * Each verb runs once through the proxy untouched, which tells where its pieces begin. Then it runs
 * once for each of those places, and for others between them: there the connection is cut, in the
 * one direction, once with the line whole again at once and once with nobody there until the verb
 * is over. Afterwards one looks at the server without the proxy: a value is whole or not there,
 * what was acknowledged is there, a failure is of the class that a repetition may cure. In the end
 * a sweep removes what lies about. The backend under test has a virtual clock, so that waiting
 * between attempts takes no time. */
#include "fault/operations.h"
#include "network/place.h"

#include "base/pool.h"
#include "base/sync.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define URL_SIZE   1024
#define CUTS_MAX   96 /* of one verb, one direction, one mode */
#define TRIES_MAX  (CUTS_MAX + 64)
#define UNLIMITED  "4000000000000000000"
#define STORE_NAME 96

struct run {
    const struct place *place;
    const char *direction;
    struct proxy_client proxy;
    unsigned stores; /* each changing run has one of its own */
    unsigned cuts, failures, survived;
    char base[48];
};

/* One store on the server: seen directly, and through the proxy. */
struct pair {
    char name[STORE_NAME];
    struct ms_backend *direct, *proxied;
    struct ms_backend *folder; /* of a server's only store; NULL: `direct` sees as much */
    struct ms_clock *clock;    /* of the proxied one: virtual */
};

static int open_proxied(struct ms_backend *b, struct ms_error *err)
{
    return ms_backend_open(b, err);
}
static const struct operation opening = {"open", STATE_BEFORE, false, open_proxied};

static bool is_opening(const struct operation *o)
{
    return o == &opening;
}

/* ---- stores ---- */

static int make(struct run *r, const char *name, int port, struct ms_clock *clock,
                struct ms_backend **out, struct ms_error *err)
{
    char url[URL_SIZE];
    struct ms_backend_env env = {.clock = clock, .seed = 1};
    if (!place_url(r->place, name, port, url, sizeof url))
        return ms_error_set(err, MS_ERR_INVALID, "the server's URL is too long");
    return ms_backend_make(url, &env, out, err);
}

static int make_in_folder(struct run *r, const char *name, struct ms_backend **out,
                          struct ms_error *err)
{
    char url[URL_SIZE];
    snprintf(url, sizeof url, "file://%s%s%s?sync=none", getenv(r->place->root), *name ? "/" : "",
             name);
    return ms_backend_make(url, NULL, out, err);
}

/* Past the proxy: in the server's folder where that is on this machine, which is quicker and asks
 * nobody who could be wrong in the same way. A server's only store it makes itself. */
static int make_direct(struct run *r, const char *name, struct ms_backend **out,
                       struct ms_error *err)
{
    bool away = r->place->one || !r->place->root || !getenv(r->place->root);
    return away ? make(r, name, 0, ms_clock_real(), out, err) : make_in_folder(r, name, out, err);
}

/* A second look at a server's only store, after it was made: into its folder. */
static int open_folder(struct run *r, struct pair *p, struct ms_error *err)
{
    if (!r->place->one)
        return 0;
    int code = make_in_folder(r, "", &p->folder, err);
    return code ? code : ms_backend_open(p->folder, err);
}

static void close_pair(struct pair *p)
{
    struct ms_error err = {0};
    ms_backend_free(p->folder);
    ms_backend_free(p->proxied);
    ms_clock_free(p->clock ? p->clock : ms_clock_real());
    if (p->direct) {
        int code = ms_backend_close(p->direct, &err);
        if (!code)
            code = ms_backend_destroy(p->direct, &err);
        if (code)
            fprintf(stderr, "cleaning up %s: %s\n", p->name, err.text);
    }
    ms_backend_free(p->direct);
    *p = (struct pair){.name = ""};
}

/* A virtual clock that shows the time of day, which S3 wants to be right. */
static struct ms_clock *clock_of_today(void)
{
    struct ms_clock *zero = ms_clock_virtual_new(0);
    if (!zero)
        return NULL;
    int64_t start = ms_clock_wall(ms_clock_real()) - ms_clock_wall(zero);
    ms_clock_free(zero);
    return ms_clock_virtual_new(start > 0 ? (uint64_t)start : 0);
}

/* A fresh store in the state before; the proxied handle open when the verb wants it so. */
static int open_pair(struct run *r, const struct operation *o, struct pair *p, struct ms_error *err)
{
    *p = (struct pair){.name = ""};
    snprintf(p->name, sizeof p->name, "%s-%u", r->base, ++r->stores);
    struct ms_backend *b = NULL;
    int code = make_direct(r, p->name, &b, err);
    if (!code)
        code = ms_backend_create(b, err);
    if (!code)
        code = ms_backend_open(b, err);
    if (code) {
        ms_backend_free(b);
        return code;
    }
    p->direct = b;
    p->clock = clock_of_today();
    code = p->clock ? operations_prepare(b, err) : ms_error_set(err, MS_ERR_NO_MEMORY, "no clock");
    if (!code)
        code = open_folder(r, p, err);
    if (!code)
        code = make(r, p->name, r->proxy.port, p->clock, &p->proxied, err);
    if (!code && !is_opening(o))
        code = ms_backend_open(p->proxied, err);
    if (code)
        close_pair(p);
    return code;
}

/* ---- one cut ---- */

static void complain(struct run *r, const struct operation *o, const char *mode, uint64_t k,
                     const char *what, const char *detail)
{
    r->failures++;
    printf("FAILED: %s: %s cut after %llu bytes %s%s: %s %s\n", r->place->name, o->name,
           (unsigned long long)k, r->direction, mode, what, detail);
}

/* A network's storage moves in two steps where it has no single one: a copy or a hard link, then a
 * deletion. Between them the value has both names. */
static bool between(const struct operation *o, int code, const char *state, struct pair *p)
{
    struct ms_capabilities can;
    ms_backend_capabilities(p->proxied, &can);
    if (strcmp(o->name, "move if absent") == 0)
        return code && strcmp(state, "ABA---") == 0;
    return code && !(can.flags & MS_CAP_DIRECTORIES) && strcmp(o->name, "move") == 0 &&
           strcmp(state, "AB--A-") == 0;
}

/* After the verb ended with `code`; directly, for the line may still be down. */
static void judge(struct run *r, const struct operation *o, const char *mode, uint64_t k, int code,
                  const struct ms_error *said, struct pair *p)
{
    char state[STATE_NAMES + 1] = "";
    struct ms_error err = {0};
    int looked = operations_state(p->folder ? p->folder : p->direct, state, &err);
    if (looked)
        complain(r, o, mode, k, "cannot look:", err.text);
    else if (!operations_allowed(o, code, state) && !between(o, code, state, p))
        complain(r, o, mode, k, code ? "the failure left" : "acknowledged, and yet", state);
    if (code && ms_code_class(code) != MS_CLASS_TRANSIENT)
        complain(r, o, mode, k, "the error is none that repeating may cure:", said->text);
    if (code && !said->text[0])
        complain(r, o, mode, k, "the error says nothing", ms_code_name(code));
}

/* Runs the verb with a cut after k bytes. *acted: the cut happened; false: cannot run it at all. */
static bool cut_once(struct run *r, const struct operation *o, const char *mode, uint64_t k,
                     bool *acted)
{
    struct pair p;
    struct ms_error err = {0}, said = {0};
    struct proxy_state seen = {0};
    int code = open_pair(r, o, &p, &err);
    if (code) {
        complain(r, o, mode, k, "cannot prepare:", err.text);
        return false;
    }
    bool told = proxy_tell(&r->proxy, "cut %llu %s%s", (unsigned long long)k, r->direction, mode);
    code = o->run(p.proxied, &said);
    told = told && proxy_ask(&r->proxy, &seen) && proxy_tell(&r->proxy, "clear");
    *acted = seen.acted;
    if (told)
        judge(r, o, mode, k, code, &said, &p);
    else
        complain(r, o, mode, k, "the proxy does not obey", "");
    if (!*acted && code)
        complain(r, o, mode, k, "failed without a cut:", said.text);
    r->cuts += *acted;
    r->survived += *acted && code == 0;
    told = told && proxy_tell(&r->proxy, "accept");
    close_pair(&p);
    return told;
}

/* ---- all cuts of one verb ---- */

/* Where to cut: at the beginning of each piece, in its middle, before its last byte, a byte into
 * it; the first `each` of these. Returns how many, in rising order. */
static size_t choose(const uint64_t *begins, size_t pieces, uint64_t total, size_t each,
                     uint64_t *cuts)
{
    size_t count = 0;
    if (pieces * each > CUTS_MAX)
        each = 1;
    for (size_t i = 0; i < pieces && count + each < CUTS_MAX; i++) {
        uint64_t from = begins[i], to = i + 1 < pieces ? begins[i + 1] : total;
        cuts[count++] = from;
        if (each > 3 && to - from > 1)
            cuts[count++] = from + 1;
        if (each > 1 && to - from > 3)
            cuts[count++] = from + (to - from) / 2;
        if (each > 2 && to - from > 2)
            cuts[count++] = to - 1;
    }
    return count;
}

/* An untouched run: learns the places. False: nothing to cut. */
static bool learn(struct run *r, const struct operation *o, uint64_t *cuts, size_t *count,
                  uint64_t *total)
{
    struct pair p;
    struct ms_error err = {0};
    struct proxy_state seen = {0};
    uint64_t begins[200];
    int code = open_pair(r, o, &p, &err);
    if (code) {
        complain(r, o, "", 0, "cannot prepare:", err.text);
        return false;
    }
    bool told = proxy_tell(&r->proxy, "cut " UNLIMITED " both");
    code = o->run(p.proxied, &err);
    told = told && proxy_ask(&r->proxy, &seen);
    size_t pieces = proxy_trace(&r->proxy, r->direction, begins, 200);
    told = told && proxy_tell(&r->proxy, "clear");
    *total = strcmp(r->direction, "up") == 0 ? seen.up : seen.down;
    *count = choose(begins, pieces, *total, r->place->cuts, cuts);
    struct ms_capabilities can;
    ms_backend_capabilities(p.proxied, &can);
    bool cannot = code == MS_ERR_UNSUPPORTED || /* folders that go when they are empty */
                  (code == MS_ERR_NOT_FOUND && !(can.flags & MS_CAP_DIRECTORIES));
    if (cannot)
        printf("%-24s the storage does not have this\n", o->name);
    else if (code || !told)
        complain(r, o, "", 0, "fails untouched:", err.text);
    close_pair(&p);
    return !code && told;
}

/* One mode: at every place, and then on until the verb passes untouched. */
static void cut_everywhere(struct run *r, const struct operation *o, const char *mode,
                           const uint64_t *cuts, size_t count, uint64_t total)
{
    bool acted = true;
    uint64_t k = 0, step = total / 16 + 1;
    size_t i = 0;
    for (; i < TRIES_MAX && (acted || i < count); i++) {
        k = i < count ? cuts[i] : k + step;
        if (!cut_once(r, o, mode, k, &acted))
            return;
    }
    if (acted)
        complain(r, o, mode, k, "never passes untouched", "");
}

static void cut_verb(struct run *r, const struct operation *o)
{
    uint64_t cuts[CUTS_MAX], total = 0;
    size_t count = 0;
    unsigned before = r->cuts, survived = r->survived;
    if (!learn(r, o, cuts, &count, &total))
        return;
    if (total) {
        cut_everywhere(r, o, "", cuts, count, total);
        cut_everywhere(r, o, " refuse", cuts, count, total);
    }
    printf("%-24s %6llu bytes %s, %3u cuts, %3u of them survived\n", o->name,
           (unsigned long long)total, r->direction, r->cuts - before, r->survived - survived);
    fflush(stdout);
}

/* ---- what lies about ---- */

/* A store whose writers were cut off and never came back; a sweep removes all they left. */
static void sweep_after_cuts(struct run *r)
{
    struct pair p;
    struct ms_error err = {0}, ignored = {0};
    uint64_t removed = 0, again = 0;
    const struct operation *store = &operations[0];
    if (open_pair(r, store, &p, &err)) {
        complain(r, store, "", 0, "cannot prepare:", err.text);
        return;
    }
    for (unsigned k = 0; k < 6000; k += 600) {
        bool told = proxy_tell(&r->proxy, "cut %u up refuse", k);
        if (store->run(p.proxied, &ignored) == 0)
            k = 6000; /* too short to be cut any more */
        told = told && proxy_tell(&r->proxy, "clear") && proxy_tell(&r->proxy, "accept");
        if (!told)
            complain(r, store, " refuse", k, "the proxy does not obey", "");
    }
    /* times on servers are whole seconds: what was written just now is not older than none */
    struct ms_backend *sweeper = NULL;
    if (ms_sleep(ms_clock_real(), UINT64_C(2100000000), &err) ||
        make(r, p.name, 0, ms_clock_real(), &sweeper, &err) || ms_backend_open(sweeper, &err) ||
        ms_backend_sweep(sweeper, 0, &removed, &err) || ms_backend_sweep(sweeper, 0, &again, &err))
        complain(r, store, "", 0, "the sweep fails:", err.text);
    ms_backend_free(sweeper);
    if (again)
        complain(r, store, "", again, "the second sweep still finds something", "");
    if (place_debris(r->place, p.name))
        complain(r, store, "", 0, "the sweep leaves something behind", "");
    printf("%-24s %6llu removed\n", "sweep after cut stores", (unsigned long long)removed);
    close_pair(&p);
}

int main(int argc, char **argv)
{
    struct run r = {.place = argc > 2 ? place_find(argv[1]) : NULL};
    bool right = argc > 2 && (strcmp(argv[2], "up") == 0 || strcmp(argv[2], "down") == 0);
    signal(SIGPIPE, SIG_IGN);
    if (!r.place || !right) {
        fputs("usage: network_cuts sftp|sftp2|s3|swift|rest|served up|down [VERB...]\n", stderr);
        return 2;
    }
    if (!getenv(r.place->variable)) {
        fprintf(stderr, "%s is not set: no server to talk to\n", r.place->variable);
        return 77;
    }
    r.direction = argv[2];
    snprintf(r.base, sizeof r.base, "cuts-%d", (int)getpid());
    if (!place_proxy(r.place, &r.proxy))
        return 1;
    for (size_t i = 0; i <= operation_count; i++) {
        const struct operation *o = i ? &operations[i - 1] : &opening;
        bool wanted = argc == 3;
        for (int a = 3; a < argc; a++)
            wanted = wanted || strcmp(argv[a], o->name) == 0;
        if (wanted && strcmp(o->name, "close and open") != 0) /* "open" is it, alone */
            cut_verb(&r, o);
    }
    sweep_after_cuts(&r);
    proxy_stop(&r.proxy);
    ms_pool_shutdown();
    printf("%u cuts, %u survived, %u failures\n", r.cuts, r.survived, r.failures);
    return r.failures || !r.cuts ? 1 : 0;
}
