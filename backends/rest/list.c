/* Listings: the protocol sends a directory whole; it is parsed and sorted once and handed out entry
 * by entry. One thread a lister. */
#include "backends/rest/rest.h"

#include "base/cleanup.h"
#include "base/text.h"

#define LISTING_MAX_BYTES (UINT64_C(1) << 30)

struct lister {
    struct ms_lister base;
    struct ms_rest_listing listing;
    size_t at;
    bool names_only;
    struct ms_entry entry;
};

static int lister_next(struct ms_lister *base, const struct ms_entry **out, struct ms_error *err)
{
    (void)err;
    struct lister *l = (struct lister *)base;
    if (l->at == l->listing.count) {
        *out = NULL;
        return 0;
    }
    const struct ms_rest_entry *e = &l->listing.entries[l->at++];
    l->entry = (struct ms_entry){e->name, {.exists = true, .directory = e->directory}};
    if (!l->names_only) {
        l->entry.info.size_bytes = e->size_bytes;
        l->entry.info.atime_ns = e->atime_ns;
    }
    *out = &l->entry;
    return 0;
}

static void lister_close(struct ms_lister *base)
{
    struct lister *l = (struct lister *)base;
    ms_rest_listing_fini(&l->listing);
    free(l);
}

/* The first entry behind start_after. */
static size_t first_after(const struct ms_rest_listing *listing, struct ms_view start_after)
{
    size_t low = 0, high = listing->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ms_compare(listing->entries[middle].name, start_after) > 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static int fetch(struct ms_rest *r, struct ms_view name, struct ms_rest_listing *out,
                 struct ms_error *err)
{
    struct ms_rest_call call = {
        .verb = MS_VERB_LIST,
        .method = "GET",
        .name = name,
        .listing = true,
        .answer_max = LISTING_MAX_BYTES,
        .patient = true,
    };
    struct ms_http_answer answer = {0};
    int code = ms_rest_do(r, &call, &answer, err);
    code = ms_rest_settle(r, code, &call, name, MS_REST_LISTS, err);
    if (code)
        return code;
    struct ms_error local = {0};
    code =
        ms_rest_listing_parse(answer.body ? ms_buf_view(answer.body) : ms_view("", 0), out, &local);
    ms_http_answer_fini(&answer);
    return code ? ms_error_set(err, code, "%s: %s", r->peer, local.text) : 0;
}

int ms_rest_list(struct ms_backend *b, struct ms_view name, const struct ms_list_request *request,
                 struct ms_lister **out, struct ms_error *err)
{
    static const struct ms_lister_ops ops = {lister_next, lister_close};
    struct lister *l = calloc(1, sizeof *l);
    if (!l)
        return ms_rest_no_memory(name, err);
    l->base = (struct ms_lister){.ops = &ops, .backend = b};
    l->names_only = request->names_only;
    int code = fetch(ms_rest_of(b), name, &l->listing, err);
    if (code) {
        free(l);
        return code;
    }
    l->at = request->start_after.size ? first_after(&l->listing, request->start_after) : 0;
    *out = &l->base;
    return 0;
}
