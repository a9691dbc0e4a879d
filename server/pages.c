/* The table of pages, their route, and those that are short: health, metrics, files, actions. */
#include "server/pages_parts.h"

#include "base/log.h"
#include "server/metrics.h"

#include <inttypes.h>
#include <stdlib.h>

#define JSON_TYPE "application/json"

/* ---- answers ---- */

void page_reply_written(struct exchange *x, int status, const char *type,
                        void (*write)(struct exchange *x, FILE *file))
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (file)
        write(x, file);
    if (file && fclose(file) == 0)
        exchange_reply(x, status, type, text, size);
    else
        exchange_reply_text(x, 500, "out of memory\n");
    free(text);
}

void page_fail(struct exchange *x, int status, const char *sentence)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (file) {
        struct ms_json j;
        ms_json_init(&j, file);
        ms_json_object(&j);
        ms_json_key(&j, "error");
        ms_json_text(&j, sentence);
        ms_json_end(&j, '}');
    }
    if (file && fclose(file) == 0)
        exchange_reply(x, status, JSON_TYPE, text, size);
    else
        exchange_reply_text(x, status, "");
    free(text);
}

/* Sentences name files and hosts of the storage, which is the managers' business. */
void page_fail_code(struct exchange *x, const struct ms_error *err)
{
    page_fail(x, exchange_status_of(err->code),
              server_caller(x)->user.manages ? err->text : ms_code_text(err->code));
}

bool page_admits(const struct exchange *x, const struct server_served *s)
{
    const struct server_caller *c = server_caller(x);
    return !server_site_users(c->site) || server_served_admits(s, c->user.name);
}

struct server_served *page_store(struct exchange *x)
{
    struct server_caller *caller = server_caller(x);
    const char *name = exchange_query(x, "store");
    struct server_served *s;
    for (size_t i = 0; name && (s = server_site_at(caller->site, i)); i++)
        if (!strcmp(s->name, name) && page_admits(x, s)) {
            caller->served = s; /* for the audit log */
            return s;
        }
    page_fail(x, 404, "there is no such store, or not for you");
    return NULL;
}

/* ---- health ---- */

struct health {
    const char *name;
    char *sentence; /* "": well */
    size_t size;
};

static void judge(void *ctx, const struct server_look *look)
{
    struct health *h = ctx;
    const struct ms_mstore_status *status = look->status;
    unsigned away = 0;
    if (look->code)
        snprintf(h->sentence, h->size, "store %s: %s", h->name, ms_code_text(look->code));
    for (size_t i = 0; status && i < status->member_count; i++)
        away += status->members[i].code != 0 && strcmp(status->members[i].state, "gone") != 0;
    for (size_t i = 0; status && !look->code && i < status->space_count; i++)
        if (away > status->spaces[i].tolerates)
            snprintf(h->sentence, h->size, "store %s: %u members are away, \"%s\" bears %u",
                     h->name, away, status->spaces[i].name, status->spaces[i].tolerates);
}

/* From what background work saw last: no storage is asked. Strangers get no names. */
void page_healthz(struct exchange *x)
{
    const struct server_caller *p = server_caller(x);
    char reason[256] = "";
    struct server_served *s;
    size_t bad = 0, all = 0;
    for (; (s = server_site_at(p->site, all)); all++) {
        char sentence[256] = "";
        struct health health = {s->name, sentence, sizeof sentence};
        struct server_background *b = server_face_background(s);
        if (b)
            server_background_view(b, judge, &health);
        else {
            server_face_try(s);
            snprintf(sentence, sizeof sentence, "store %s is not open", s->name);
        }
        bad += sentence[0] != '\0';
        if (sentence[0] && !reason[0])
            memcpy(reason, sentence, sizeof reason);
    }
    if (bad && !page_is_from_here(x))
        snprintf(reason, sizeof reason, "%zu of %zu stores cannot be used", bad, all);
    exchange_reply_text(x, bad ? 503 : 200, bad ? reason : "ok");
}

/* ---- metrics ---- */

static void write_metrics(struct exchange *x, FILE *file)
{
    server_metrics_write(file, server_caller(x)->site);
}

void page_metrics(struct exchange *x)
{
    const struct server_caller *p = server_caller(x);
    enum server_metrics who = server_site_conf(p->site)->metrics;
    bool open =
        who == SERVER_METRICS_ALL || (who == SERVER_METRICS_LOOPBACK && page_is_from_here(x));
    if (!open && !page_login(x))
        return;
    if (!open && !p->user.name[0])
        page_fail(x, 403,
                  "metrics are shown to this machine and to users: see metrics of [server]");
    else
        page_reply_written(x, 200, SERVER_METRICS_TYPE, write_metrics);
}

/* ---- the dashboard's own ---- */

static void write_session(struct exchange *x, FILE *file)
{
    const struct server_caller *p = server_caller(x);
    struct ms_json j;
    char token[PAGE_TOKEN];
    if (page_token(p->user.name, token, NULL))
        token[0] = '\0';
    ms_json_init(&j, file);
    ms_json_object(&j);
    ms_json_key(&j, "user");
    ms_json_text(&j, p->user.name);
    ms_json_key(&j, "manages");
    ms_json_bool(&j, p->user.manages);
    ms_json_key(&j, "token");
    ms_json_text(&j, token);
    ms_json_end(&j, '}');
}

static void page_session(struct exchange *x)
{
    page_reply_written(x, 200, JSON_TYPE, write_session);
}

static void page_ui_file(struct exchange *x)
{
    const char *path = exchange_path(x);
    if (!strcmp(path, "/ui"))
        path = "/ui/";
    for (const struct page_file *f = server_ui_files; f->path; f++)
        if (!strcmp(f->path, path)) {
            exchange_reply(x, 200, f->type, f->bytes, f->size);
            return;
        }
    page_fail(x, 404, "there is no such page");
}

/* ---- upkeep, asked for ---- */

static int start(struct exchange *x, struct server_background *b, struct ms_error *err)
{
    const char *name = exchange_query(x, "work"), *who = server_caller(x)->user.name;
    enum server_work work = server_work_of(name ? name : "");
    if (work == SERVER_WORK_COUNT)
        return ms_error_set(err, MS_ERR_INVALID, "work is scrub or heal");
    return server_background_start(b, work, *who ? who : "-", err);
}

static int stop(struct exchange *x, struct server_background *b, struct ms_error *err)
{
    (void)x;
    return server_background_stop(b, err);
}

static void manage(struct exchange *x, int (*act)(struct exchange *x, struct server_background *b,
                                                  struct ms_error *err))
{
    struct server_served *s = page_store(x);
    struct ms_store *store;
    struct ms_error err = {0};
    if (!s)
        return;
    if (!server_caller(x)->user.manages) {
        page_fail(x, 403, "only users that managers of [server] names may start and stop that");
        return;
    }
    int code = server_face_store(s, &store, &err);
    if (!code)
        code = act(x, server_face_background(s), &err);
    if (code == MS_ERR_BUSY)
        page_fail(x, 409, err.text);
    else if (code)
        page_fail_code(x, &err);
    else
        exchange_reply(x, 200, JSON_TYPE, "{}", 2);
}

static void page_start(struct exchange *x)
{
    manage(x, start);
}

static void page_stop(struct exchange *x)
{
    manage(x, stop);
}

/* ---- the table and the route ---- */

struct page_entry {
    const char *path;
    bool login, action;
    void (*answer)(struct exchange *x);
};

static const struct page_entry pages[] = {
    {"/healthz", false, false, page_healthz},
    {"/metrics", false, false, page_metrics}, /* asks itself */
    {"/stats.json", true, false, page_stats},
    {"/ui/session.json", true, false, page_session},
    {"/ui/list.json", true, false, page_list},
    {"/ui/download", true, false, page_download},
    {"/ui/undelete", true, true, page_undelete},
    {"/ui/start", true, true, page_start},
    {"/ui/stop", true, true, page_stop},
};
static const struct page_entry other = {"/ui", true, false, page_ui_file};

static const struct page_entry *find(const char *path)
{
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (!strcmp(pages[i].path, path))
            return &pages[i];
    return !strcmp(path, "/ui") || !strncmp(path, "/ui/", 4) ? &other : NULL;
}

bool server_pages_have(const char *path)
{
    return find(path) != NULL;
}

static bool method_fits(struct exchange *x, const struct page_entry *entry)
{
    if (entry->action ? exchange_method_is(x, "POST")
                      : exchange_method_is(x, "GET") || exchange_method_is(x, "HEAD"))
        return true;
    exchange_header_add(x, "Allow", entry->action ? "POST" : "GET, HEAD");
    page_fail(x, 405, entry->action ? "this is asked for with POST" : "this is asked for with GET");
    return false;
}

/* Whether it stands for a store for the first time: sections may serve the same one. */
static bool is_first(const struct server_site *site, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (server_site_at(site, i)->face == server_site_at(site, index)->face)
            return false;
    return true;
}

static void for_each_store(const struct server_site *site, void (*call)(struct server_served *s))
{
    struct server_served *s;
    for (size_t i = 0; (s = server_site_at(site, i)); i++)
        if (is_first(site, i))
            call(s);
}

/* None of the site's stores is ended while a page looks at it. */
static void hold_all(struct exchange *x)
{
    struct server_caller *caller = server_caller(x);
    for_each_store(caller->site, server_face_hold);
    caller->holds = true;
}

static void on_done(struct exchange *x, bool complete)
{
    struct server_caller *caller = server_caller(x);
    (void)complete;
    if (caller->holds)
        for_each_store(caller->site, server_face_drop);
}

static void on_end(struct exchange *x)
{
    const struct page_entry *entry = find(exchange_path(x));
    page_headers(x);
    if (!page_host_is_ours(x) || !method_fits(x, entry))
        return;
    if (entry->login && !page_login(x))
        return;
    if (entry->action && !page_is_wanted(x))
        return;
    hold_all(x);
    entry->answer(x);
}

/* The caller's guard has made what there is to free. */
const struct exchange_route *server_pages_route(const struct server_router *router,
                                                struct exchange *x)
{
    static const struct exchange_route route = {.end = on_end, .done = on_done};
    exchange_set_state(x, (void *)(uintptr_t)router);
    return &route;
}
