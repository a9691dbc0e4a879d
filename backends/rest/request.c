/* One request to the server: its target, its repetitions, and what its answer means.
 *
 * Repeating is safe for every call of the protocol, as each asks for a state ("this value is here")
 * and not for a change; where an attempt may have happened before the answer was lost, the caller
 * is told (`repeated`) and resolves what the second answer says. The exception is marked `once`.
 *
 * Any thread. */
#include "backends/rest/rest.h"

#include "backends/name.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <stdio.h>

#define SLICE_NS UINT64_C(100000000) /* so often the cancellation is looked at */

int ms_rest_not_found(struct ms_view name, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NOT_FOUND, "%s not found", MS_SHOW(name));
}

int ms_rest_no_memory(struct ms_view name, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for %s", MS_SHOW(name));
}

/* "http://host/base/name?query" */
static char *target(const struct ms_rest *r, const struct ms_rest_call *call)
{
    size_t query = call->query ? strlen(call->query) + 1 : 0;
    size_t room = strlen(r->root) + ms_rest_wire_name(NULL, 0, call->name) + query + 4;
    char *text = malloc(room);
    if (!text)
        return NULL;
    size_t at = (size_t)snprintf(text, room, "%s/", r->root);
    at += ms_rest_wire_name(text + at, room - at, call->name);
    if (call->listing)
        text[at++] = '/';
    text[at] = 0;
    if (call->query)
        snprintf(text + at, room - at, "?%s", call->query);
    return text;
}

/* ---- what a status means ---- */

static const struct status {
    int status, code, final; /* final: the code when repeating did not help; 0: the same */
    const char *text;
} statuses[] = {
    {400, MS_ERR_INVALID, 0, "the server refuses the request"},
    {401, MS_ERR_AUTH, 0,
     "user or password are wrong or missing: give them in the URL or in BORGSTORE_REST_USERNAME "
     "and "
     "BORGSTORE_REST_PASSWORD"},
    {403, MS_ERR_PERMISSION, 0, "the server does not permit it"},
    {404, MS_ERR_NOT_FOUND, 0, "not found"},
    {405, MS_ERR_UNSUPPORTED, 0, "the server cannot do this"},
    {406, MS_ERR_PROTOCOL, 0, "speaks something else: no BorgStore REST server there"},
    {408, MS_ERR_BUSY, 0, "the server waited too long for the request"},
    {409, MS_ERR_EXISTS, 0, "something is there already"},
    {410, MS_ERR_NO_STORE, 0, "the store does not exist"},
    {412, MS_ERR_BUSY, MS_ERR_INTERNAL,
     "requests that came at the same time got into the server's way, again and again"},
    {413, MS_ERR_TOO_LARGE, 0, "larger than the server accepts"},
    {414, MS_ERR_NAME, 0, "the name is longer than the server accepts"},
    {416, MS_ERR_RANGE, 0, "the value has no such range"},
    {422, MS_ERR_BUSY, MS_ERR_CORRUPT, "the bytes arrive changed, again and again"},
    {429, MS_ERR_BUSY, 0, "the server is busy"},
    {500, MS_ERR_IO, 0, "the server failed"},
    {501, MS_ERR_UNSUPPORTED, 0, "the server cannot do this"},
    {502, MS_ERR_BUSY, 0, "the server behind the proxy does not answer"},
    {503, MS_ERR_BUSY, 0, "the server is busy"},
    {504, MS_ERR_BUSY, 0, "the server behind the proxy does not answer"},
    {507, MS_ERR_QUOTA, 0, "the server's quota is used up"},
};

static const struct status *find_status(int status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].status == status)
            return &statuses[i];
    return NULL;
}

static int something_else(const struct ms_rest *r, const char *detail, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_PROTOCOL,
                        "%s speaks something else: no BorgStore REST server there (%s)", r->peer,
                        detail);
}

static bool is_html(const struct ms_http_answer *answer)
{
    struct ms_view type = ms_http_header(answer, "content-type");
    return type.size >= 9 && strncasecmp((const char *)type.data, "text/html", 9) == 0;
}

static int judge(const struct ms_rest *r, const struct ms_rest_call *call,
                 const struct ms_http_answer *answer, struct ms_error *err)
{
    int status = answer->status;
    char number[32];
    snprintf(number, sizeof number, "status %d", status);
    if (status == 200 || status == 206)
        return is_html(answer) ? something_else(r, "it sends HTML", err) : 0;
    const struct status *known = find_status(status);
    if (!known || known->code == MS_ERR_PROTOCOL)
        return something_else(r, number, err);
    const char *name = MS_SHOW(call->name), *colon = call->name.size ? ": " : "";
    char page[256];
    struct ms_view said = ms_rest_said(
        ms_str(answer->head ? answer->head : ""), ms_http_header(answer, "content-type"),
        answer->body ? ms_buf_view(answer->body) : ms_view("", 0), page, sizeof page);
    if (status == 400 && said.size > 5 && memcmp(said.data, "name ", 5) == 0)
        return ms_error_set(err, MS_ERR_NAME, "%s: %s accepts no such name: %s", name, r->peer,
                            MS_SHOW(said));
    if (status == 404)
        return ms_rest_not_found(call->name.size ? call->name : said, err);
    return ms_error_set(err, known->code, "%s%s%s: %s (%s%s%s)", name, colon, r->peer, known->text,
                        number, said.size ? ", " : "", MS_SHOW(said));
}

/* ---- attempts ---- */

static int send_once(struct ms_rest *r, const struct ms_rest_call *call,
                     const struct ms_http_request *request, struct ms_http_answer *answer,
                     struct ms_error *err)
{
    if (r->pool)
        return ms_rest_pool_do(r->pool, request, call->patient ? 20 : 1, answer, err);
    return ms_http_do(call->patient ? r->patient_http : r->http, request, answer, err);
}

/* Waits until no other request is under way that goes alone; CANCELLED meanwhile. */
static int await_turn(struct ms_rest *r, struct ms_error *err)
{
    struct ms_clock *clock = ms_clock_real(); /* the others take real time */
    MS_HOLD(&r->mutex);
    while (r->busy) {
        ms_cond_wait_until(&r->turn, &r->mutex, clock, ms_clock_now(clock) + SLICE_NS);
        int code = ms_check_cancelled(err);
        if (code) {
            ms_cond_signal(&r->turn); /* it may have been for somebody else */
            return code;
        }
    }
    r->busy = true;
    return 0;
}

static void end_turn(struct ms_rest *r)
{
    MS_HOLD(&r->mutex);
    r->busy = false;
    ms_cond_signal(&r->turn);
}

static int attempt(struct ms_rest *r, struct ms_rest_call *call,
                   const struct ms_http_request *request, struct ms_http_answer *answer,
                   struct ms_error *err)
{
    bool alone = atomic_load_explicit(&r->alone, memory_order_relaxed);
    call->status = 0;
    int code = alone ? await_turn(r, err) : 0;
    if (code)
        return code;
    code = send_once(r, call, request, answer, err);
    if (alone)
        end_turn(r);
    call->status = code ? 0 : answer->status;
    if (code)
        return code;
    if (answer->status == 412)
        atomic_store_explicit(&r->alone, true, memory_order_relaxed);
    return judge(r, call, answer, err);
}

/* A failed attempt that the server may have carried out all the same. */
static bool may_have_happened(const struct ms_rest_call *call, const struct ms_http_answer *answer)
{
    return answer->sent && call->status != 429 && call->status != 503 && call->status != 422;
}

static int repeat(struct ms_rest *r, struct ms_rest_call *call,
                  const struct ms_http_request *request, struct ms_http_answer *out,
                  struct ms_error *err)
{
    struct ms_retry retry = {0};
    for (;;) {
        struct ms_http_answer answer = {0};
        int code = attempt(r, call, request, &answer, err);
        if (!code) {
            ms_retry_succeeded(&r->retry);
            *out = answer;
            return 0;
        }
        uint64_t wanted_ns = call->status ? ms_http_retry_after_ns(&answer) : 0;
        bool happened = may_have_happened(call, &answer);
        if (call->status)
            ms_http_answer_fini(&answer);
        if ((call->once && happened) ||
            !ms_retry_again(&retry, &r->retry, &r->base, call->verb, wanted_ns, &code, err)) {
            const struct status *known = find_status(call->status);
            if (code != MS_ERR_BUSY || !known || !known->final)
                return code;
            if (err)
                err->code = known->final;
            return known->final;
        }
        call->repeated = call->repeated || happened;
    }
}

int ms_rest_do(struct ms_rest *r, struct ms_rest_call *call, struct ms_http_answer *out,
               struct ms_error *err)
{
    MS_AUTO_FREE char *url = target(r, call);
    if (!url)
        return ms_rest_no_memory(call->name, err);
    struct ms_http_request request = {
        .method = call->method,
        .url = url,
        .headers = {"Accept: " MS_REST_ACCEPT, call->header},
        .body = call->body,
        .has_body = strcmp(call->method, "POST") == 0,
        .body_mapped = call->body_mapped,
        .body_max_bytes = call->answer_max,
        .into = call->into,
        .into_size = call->into_size,
        .into_mapped = call->into_mapped,
    };
    struct ms_error local = {0};
    int code = repeat(r, call, &request, out, &local);
    return code ? ms_error_set(err, code, "%s", local.text) : 0;
}

int ms_rest_tell(struct ms_rest *r, struct ms_rest_call *call, struct ms_error *err)
{
    struct ms_http_answer answer = {0};
    int code = ms_rest_do(r, call, &answer, err);
    if (!code)
        ms_http_answer_fini(&answer);
    return code;
}

/* ---- what stands at a name ---- */

int ms_rest_head(struct ms_rest *r, struct ms_view name, enum ms_verb verb, struct ms_info *out,
                 struct ms_error *err)
{
    struct ms_rest_call call = {.verb = verb, .method = "HEAD", .name = name};
    struct ms_http_answer answer = {0};
    int code = ms_rest_do(r, &call, &answer, err);
    if (code)
        return code;
    struct ms_info info = {.exists = true};
    struct ms_view directory = ms_http_header(&answer, "x-borgstore-is-directory");
    info.directory = ms_equal(directory, ms_str("true"));
    info.atime_ns = ms_rest_seconds(ms_http_header(&answer, "x-borgstore-atime"));
    bool sized = ms_rest_number(ms_http_header(&answer, "content-length"), &info.size_bytes);
    if (info.directory)
        info.size_bytes = 0;
    if ((!info.directory && !ms_equal(directory, ms_str("false"))) || (!info.directory && !sized))
        code = something_else(r, "an answer without BorgStore's headers", err);
    ms_http_answer_fini(&answer);
    if (!code)
        *out = info;
    return code;
}

int ms_rest_find(struct ms_rest *r, struct ms_view name, enum ms_verb verb, struct ms_info *out,
                 struct ms_error *err)
{
    struct ms_rest_call call = {.verb = verb, .status = 500};
    struct ms_error local = {0};
    int code = ms_rest_head(r, name, verb, out, &local);
    if (code == MS_ERR_IO) /* perhaps below a value */
        code = ms_rest_settle(r, code, &call, name, MS_REST_LISTS, &local);
    if (!code && out->directory)
        code = ms_rest_not_found(name, &local);
    return code ? ms_error_set(err, code, "%s", local.text) : 0;
}

enum standing { UNKNOWN, NOTHING, VALUE, DIRECTORY, BELOW_A_VALUE };

/* Looks at the name, then upwards until something is there. */
static enum standing look(struct ms_rest *r, struct ms_view name, enum ms_verb verb)
{
    bool failed = false; /* what failed says nothing, unless it lies below a value */
    for (struct ms_view at = name; at.size; at = ms_name_parent(at)) {
        struct ms_info info;
        int code = ms_rest_head(r, at, verb, &info, NULL);
        if (code && code != MS_ERR_NOT_FOUND && code != MS_ERR_IO)
            return UNKNOWN;
        failed = failed || code == MS_ERR_IO;
        if (code)
            continue;
        if (at.size == name.size)
            return info.directory ? DIRECTORY : VALUE;
        if (!info.directory)
            return BELOW_A_VALUE;
        break;
    }
    return failed ? UNKNOWN : NOTHING;
}

int ms_rest_settle(struct ms_rest *r, int code, const struct ms_rest_call *call,
                   struct ms_view name, enum ms_rest_intent intent, struct ms_error *err)
{
    if (code != MS_ERR_IO || call->status != 500)
        return code;
    enum standing there = look(r, name, call->verb);
    const char *shown = MS_SHOW(name);
    bool of_directory = intent == MS_REST_LISTS || intent == MS_REST_RMDIR;
    bool missing = there == BELOW_A_VALUE || (intent == MS_REST_READS && there == DIRECTORY) ||
                   (of_directory && (there == VALUE || there == NOTHING));
    if (intent == MS_REST_WRITES && there == DIRECTORY)
        return ms_error_set(err, MS_ERR_EXISTS, "%s is a directory", shown);
    if (intent == MS_REST_MKDIR && there == VALUE)
        return ms_error_set(err, MS_ERR_EXISTS, "%s is a value", shown);
    if ((intent == MS_REST_WRITES || intent == MS_REST_MKDIR) && there == BELOW_A_VALUE)
        return ms_error_set(err, MS_ERR_EXISTS, "%s would stand below a value", shown);
    if (intent == MS_REST_RMDIR && there == DIRECTORY)
        return ms_error_set(err, MS_ERR_EXISTS, "%s is not empty", shown);
    return missing ? ms_rest_not_found(name, err) : code;
}
