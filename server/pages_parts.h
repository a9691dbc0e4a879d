/* server/pages_parts.h - inside of the pages. Who asks, and of which site, is server_caller(x)
 * (server/router.h); the state of the exchange is the router. */
#ifndef SERVER_PAGES_PARTS_H
#define SERVER_PAGES_PARTS_H

#include "server/auth.h"
#include "server/face.h"
#include "server/pages.h"

#include "base/json.h"

/* ---- guards: true when the request may go on, else it has been answered (pages_guard.c) ---- */

void page_headers(struct exchange *x);
bool page_host_is_ours(struct exchange *x);
bool page_login(struct exchange *x);        /* any user, or nobody where nobody is asked for */
bool page_is_from_here(struct exchange *x); /* this machine, and not handed on by a proxy */
/* An action: POST, token and Origin. */
bool page_is_wanted(struct exchange *x);
/* The token of the user who asks: hex digits. */
#define PAGE_TOKEN 65
int page_token(const char *user, char token[PAGE_TOKEN], struct ms_error *err) MS_MUST_CHECK;

/* ---- answers ---- */

void page_fail(struct exchange *x, int status, const char *sentence);
void page_fail_code(struct exchange *x, const struct ms_error *err);
/* What `write` puts into a FILE in memory. */
void page_reply_written(struct exchange *x, int status, const char *type,
                        void (*write)(struct exchange *x, FILE *file));

/* Whether the user who asks may use the store. */
bool page_admits(const struct exchange *x, const struct server_served *s);
/* The store named by the query, that the user may use. NULL: it has been answered. */
struct server_served *page_store(struct exchange *x);

/* ---- the pages ---- */

void page_healthz(struct exchange *x);
void page_metrics(struct exchange *x);
void page_stats(struct exchange *x);    /* pages_stats.c */
void page_list(struct exchange *x);     /* pages_browse.c */
void page_download(struct exchange *x); /* pages_browse.c */
void page_undelete(struct exchange *x); /* pages_browse.c */

/* ---- the files of the dashboard, embedded when the program is built (server/ui/) ---- */

struct page_file {
    const char *path; /* "/ui/app.js" */
    const char *type;
    const unsigned char *bytes;
    size_t size;
};
extern const struct page_file server_ui_files[]; /* ends with path NULL */

#endif
