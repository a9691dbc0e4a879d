/* libcurl as a blocking client: each request borrows an idle easy handle, whose connections stay
 * open when it is given back. Names and TLS sessions are shared among the handles.
 *
 * Any thread. What a callback needs is in the request's own `struct transfer`. */
#include "backends/http/explain.h"
#include "backends/pace.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sync.h"
#include "base/text.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE_MAX       64
#define HEAD_MAX_BYTES 65536u
#define LARGE_BYTES    (256u * 1024) /* a body that deserves larger buffers */
#define BUFFER_BYTES   (512L * 1024)
#define DROP_BYTES     ((size_t)8 << 20)

/* An easy handle and the socket it opened last, for which curl has no question while it is used. */
struct handle {
    CURL *curl;
    curl_socket_t fd;
};

struct ms_http {
    struct ms_http_options options;
    char *host, *ca_file, *user, *password;
    struct curl_slist *resolve;
    CURLSH *share;
    struct ms_mutex shared[CURL_LOCK_DATA_LAST];
    struct ms_mutex mutex;
    struct handle
        *idle[IDLE_MAX]; /* under mutex; the last used is taken first: its connection is warm */
    size_t idle_count;
};

/* One request under way. */
struct transfer {
    const struct ms_http_request *request;
    struct ms_http_answer *answer;
    struct handle *handle;
    struct ms_buf *body;
    size_t got, head_size;
    size_t dropped; /* bytes of a mapped body or of a mapped `into` that were given back */
    int failed;     /* a code of ours that ended it */
    bool begun;     /* the request went out */
    struct ms_pace pace;
    uint64_t patience_ns; /* window of the pace */
};

static struct ms_mutex global_mutex = MS_MUTEX_STATIC;
static bool global_ready;

static int global_init(struct ms_error *err)
{
    MS_HOLD(&global_mutex);
    if (!global_ready && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ms_error_set(err, MS_ERR_INTERNAL, "libcurl cannot be started");
    global_ready = true;
    return 0;
}

/* ---- the client ---- */

static void share_lock(CURL *curl, curl_lock_data data, curl_lock_access access, void *ctx)
{
    (void)curl, (void)access;
    ms_mutex_lock(&((struct ms_http *)ctx)->shared[data]);
}

static void share_unlock(CURL *curl, curl_lock_data data, void *ctx)
{
    (void)curl;
    ms_mutex_unlock(&((struct ms_http *)ctx)->shared[data]);
}

static char *copy_text(const char *text)
{
    return text ? strdup(text) : NULL;
}

/* Closes its connections, which tell the handle so. */
static void free_handle(struct handle *h)
{
    curl_easy_cleanup(h->curl);
    free(h);
}

void ms_http_free(struct ms_http *http)
{
    if (!http)
        return;
    for (size_t i = 0; i < http->idle_count; i++)
        free_handle(http->idle[i]);
    if (http->share)
        curl_share_cleanup(http->share);
    curl_slist_free_all(http->resolve);
    for (int i = 0; i < CURL_LOCK_DATA_LAST; i++)
        ms_mutex_fini(&http->shared[i]);
    ms_mutex_fini(&http->mutex);
    free(http->host);
    free(http->ca_file);
    free(http->user);
    ms_wipe_free(http->password);
    free(http);
}

static bool copy_options(struct ms_http *http, const struct ms_http_options *o)
{
    http->options = *o;
    http->options.connect_timeout_s = o->connect_timeout_s ? o->connect_timeout_s : 10;
    http->options.stall_timeout_s = o->stall_timeout_s ? o->stall_timeout_s : 30;
    http->host = copy_text(o->host);
    http->ca_file = copy_text(o->ca_file);
    http->user = copy_text(o->user);
    http->password = copy_text(o->password);
    http->resolve = o->resolve ? curl_slist_append(NULL, o->resolve) : NULL;
    return http->host && (!o->ca_file || http->ca_file) && (!o->user || http->user) &&
           (!o->password || http->password) && (!o->resolve || http->resolve);
}

void ms_http_warn_insecure(const char *host)
{
    ms_log(MS_LOG_WARN,
           "%s: TLS is not verified (insecure=1): whoever is on the way can read and change what "
           "is sent",
           host);
}

int ms_http_new(const struct ms_http_options *options, struct ms_http **out, struct ms_error *err)
{
    int code = global_init(err);
    if (code)
        return code;
    struct ms_http *http = calloc(1, sizeof *http);
    if (!http)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an HTTP client");
    ms_mutex_init(&http->mutex);
    for (int i = 0; i < CURL_LOCK_DATA_LAST; i++)
        ms_mutex_init(&http->shared[i]);
    http->share = curl_share_init();
    if (!copy_options(http, options) || !http->share) {
        ms_http_free(http);
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an HTTP client");
    }
    curl_share_setopt(http->share, CURLSHOPT_LOCKFUNC, share_lock);
    curl_share_setopt(http->share, CURLSHOPT_UNLOCKFUNC, share_unlock);
    curl_share_setopt(http->share, CURLSHOPT_USERDATA, http);
    curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    *out = http;
    return 0;
}

static struct handle *new_handle(void)
{
    struct handle *h = malloc(sizeof *h);
    if (!h)
        return NULL;
    *h = (struct handle){curl_easy_init(), CURL_SOCKET_BAD};
    if (h->curl)
        return h;
    free(h);
    return NULL;
}

static struct handle *take_handle(struct ms_http *http)
{
    {
        MS_HOLD(&http->mutex);
        if (http->idle_count)
            return http->idle[--http->idle_count];
    }
    return new_handle();
}

static void give_handle(struct ms_http *http, struct handle *h)
{
    curl_easy_reset(h->curl); /* connections stay */
    {
        MS_HOLD(&http->mutex);
        if (http->idle_count < IDLE_MAX) {
            http->idle[http->idle_count++] = h;
            return;
        }
    }
    free_handle(h);
}

static int note_socket(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
    (void)purpose;
    ((struct handle *)ctx)->fd = fd;
    return CURL_SOCKOPT_OK;
}

static int close_socket(void *ctx, curl_socket_t fd)
{
    struct handle *h = ctx;
    if (h->fd == fd)
        h->fd = CURL_SOCKET_BAD;
    return close(fd);
}

/* ---- what arrives ---- */

/* A server that writes head and body apart, and has Nagle's algorithm on, holds the body back until
 * the head is acknowledged, which this side delays by 40 ms unless told. */
static void acknowledge(const struct handle *h)
{
#ifdef TCP_QUICKACK
    int yes = 1;
    if (h->fd != CURL_SOCKET_BAD)
        (void)setsockopt(h->fd, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof yes);
#else
    (void)h;
#endif
}

static size_t take_head(char *bytes, size_t one, size_t size, void *ctx)
{
    struct transfer *t = ctx;
    (void)one;
    if (size >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
        t->head_size = 0; /* the one before was an interim answer */
    if (t->head_size + size + 1 > HEAD_MAX_BYTES) {
        t->failed = MS_ERR_PROTOCOL;
        return 0;
    }
    char *head = realloc(t->answer->head, t->head_size + size + 1);
    if (!head) {
        t->failed = MS_ERR_NO_MEMORY;
        return 0;
    }
    memcpy(head + t->head_size, bytes, size);
    t->head_size += size;
    head[t->head_size] = 0;
    /* a NUL in a header would hide what follows */
    for (size_t i = t->head_size - size; i < t->head_size; i++)
        if (head[i] == 0)
            head[i] = ' ';
    t->answer->head = head;
    if (size == 2 && bytes[0] == '\r')
        acknowledge(t->handle);
    return size;
}

static bool wants_into(const struct transfer *t)
{
    long status = 0;
    curl_easy_getinfo(t->handle->curl, CURLINFO_RESPONSE_CODE, &status);
    return t->request->into && status >= 200 && status < 300;
}

/* Room for `more` bytes behind those there; the whole at once when its length was announced. */
static int make_room(struct transfer *t, size_t more, uint64_t limit)
{
    if (more > limit || t->got > limit - more)
        return MS_ERR_PROTOCOL;
    size_t room = t->body ? ms_buf_size(t->body) : 0, wanted = t->got + more;
    if (wanted <= room)
        return 0;
    curl_off_t announced = -1;
    curl_easy_getinfo(t->handle->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if (announced > 0 && (uint64_t)announced > limit)
        return MS_ERR_PROTOCOL; /* no need to wait for the rest */
    size_t size = room * 2 < wanted ? wanted : room * 2;
    if (size > limit)
        size = (size_t)limit;
    if (announced > 0 && (uint64_t)announced <= limit && (size_t)announced >= wanted)
        size = (size_t)announced;
    struct ms_buf *larger = ms_buf_new(size);
    if (!larger)
        return MS_ERR_NO_MEMORY;
    if (t->got)
        memcpy(ms_buf_data(larger), ms_buf_view(t->body).data, t->got);
    ms_buf_unref(t->body);
    t->body = larger;
    return 0;
}

/* What has come into a mapped file need not stay in memory. */
static void drop_received(struct transfer *t)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), until = t->got / page * page;
    if (!t->request->into_mapped || until < t->dropped + DROP_BYTES)
        return;
    (void)madvise(t->request->into + t->dropped, until - t->dropped, MADV_DONTNEED);
    t->dropped = until;
}

static uint64_t body_limit(const struct transfer *t)
{
    const struct ms_http_request *r = t->request;
    long status = 0;
    curl_off_t announced = -1;
    curl_easy_getinfo(t->handle->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->handle->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if (r->whole_max_bytes && status == 200 && announced > 0)
        return r->whole_max_bytes;
    return r->body_max_bytes ? r->body_max_bytes : 1u << 20;
}

static size_t take_body(char *bytes, size_t one, size_t size, void *ctx)
{
    struct transfer *t = ctx;
    const struct ms_http_request *r = t->request;
    (void)one;
    if (wants_into(t)) {
        if (size > r->into_size - t->got) {
            t->failed = MS_ERR_PROTOCOL;
            return 0;
        }
        memcpy(r->into + t->got, bytes, size);
        t->got += size;
        drop_received(t);
        return size;
    }
    t->failed = make_room(t, size, body_limit(t));
    if (t->failed)
        return 0;
    memcpy(ms_buf_data(t->body) + t->got, bytes, size);
    t->got += size;
    return size;
}

/* What was sent of a mapped file need not stay in memory; some is kept for curl's buffer. */
static void drop_sent(struct transfer *t, size_t sent)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), keep = 2 * (size_t)BUFFER_BYTES;
    size_t until = sent > keep ? (sent - keep) / page * page : 0;
    if (!t->request->body_mapped || until < t->dropped + DROP_BYTES)
        return;
    const uint8_t *from = t->request->body.data + t->dropped;
    (void)madvise((void *)(uintptr_t)from, until - t->dropped, MADV_DONTNEED);
    t->dropped = until;
}

/* curl's own watch counts what the kernel took: a line that needs longer for that would seem dead.
 */
static bool too_slow(struct transfer *t, int64_t received, int64_t sent)
{
    return t->begun &&
           ms_pace_too_slow(&t->pace, ms_clock_now(ms_clock_real()),
                            received + sent - ms_pace_held(t->handle->fd), t->patience_ns);
}

/* curl asks about once a second, and whenever bytes move. */
static int watch(void *ctx, curl_off_t a, curl_off_t received, curl_off_t b, curl_off_t sent)
{
    (void)a, (void)b;
    struct transfer *t = ctx;
    drop_sent(t, (size_t)sent);
    if (ms_check_cancelled(NULL))
        t->failed = MS_ERR_CANCELLED;
    else if (too_slow(t, received, sent))
        t->failed = MS_ERR_TIMEOUT;
    return t->failed != 0;
}

/* When a kept connection turns out to be dead, curl sends the request again by itself. That may be
 * twice, and only the caller knows what that means: reading alone may be repeated unseen. */
static int before_sending(void *ctx, char *to, char *from, int to_port, int from_port)
{
    (void)to, (void)from, (void)to_port, (void)from_port;
    struct transfer *t = ctx;
    bool reads = strcmp(t->request->method, "GET") == 0 || strcmp(t->request->method, "HEAD") == 0;
    bool again = t->begun && !reads;
    t->begun = true;
    return again ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* ---- one request ---- */

static void set_connection(const struct ms_http *http, CURL *c)
{
    const struct ms_http_options *o = &http->options;
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_SHARE, http->share);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)o->connect_timeout_s);
    curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(c, CURLOPT_TCP_NODELAY, 1L);
    if (http->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, http->ca_file);
    if (o->no_verify) {
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (http->user) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(c, CURLOPT_USERNAME, http->user);
        curl_easy_setopt(c, CURLOPT_PASSWORD, http->password ? http->password : "");
    }
    if (http->resolve)
        curl_easy_setopt(c, CURLOPT_RESOLVE, http->resolve);
}

static void set_request(CURL *c, const struct ms_http_request *r, struct curl_slist *headers)
{
    curl_easy_setopt(c, CURLOPT_URL, r->url);
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    if (strcmp(r->method, "HEAD") == 0)
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    else if (r->has_body) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.size);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS,
                         r->body.size ? (const char *)r->body.data : (const char *)"");
    }
    if (r->body.size >= LARGE_BYTES)
        curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
    if (r->into_size >= LARGE_BYTES || r->body_max_bytes >= LARGE_BYTES)
        curl_easy_setopt(c, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
}

static void set_callbacks(struct transfer *t)
{
    CURL *c = t->handle->curl;
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_head);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, watch);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, before_sending);
    curl_easy_setopt(c, CURLOPT_PREREQDATA, t);
    curl_easy_setopt(c, CURLOPT_SOCKOPTFUNCTION, note_socket);
    curl_easy_setopt(c, CURLOPT_SOCKOPTDATA, t->handle);
    curl_easy_setopt(c, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(c, CURLOPT_CLOSESOCKETDATA, t->handle);
}

/* Headers of the request, without those curl would add by itself. */
static struct curl_slist *request_headers(const struct ms_http_request *r)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    bool typed = false;
    for (size_t i = 0; list && i < MS_HTTP_HEADERS_MAX && r->headers[i]; i++) {
        typed = typed || strncasecmp(r->headers[i], "content-type:", 13) == 0;
        struct curl_slist *longer = curl_slist_append(list, r->headers[i]);
        if (!longer)
            curl_slist_free_all(list);
        list = longer;
    }
    if (list && r->has_body && !typed) {
        struct curl_slist *longer = curl_slist_append(list, "Content-Type:");
        if (!longer)
            curl_slist_free_all(list);
        list = longer;
    }
    return list;
}

static int own_failure(const struct ms_http *http, int code, struct ms_error *err)
{
    if (code == MS_ERR_CANCELLED)
        return ms_error_set(err, code, "cancelled");
    if (code == MS_ERR_TIMEOUT)
        return ms_http_explain(http->host, NULL, CURLE_OPERATION_TIMEDOUT, "", err);
    if (code == MS_ERR_NO_MEMORY)
        return ms_error_set(err, code, "no memory for an answer of %s", http->host);
    return ms_error_set(err, code, "%s sent an answer that is longer than it may be", http->host);
}

static void count_bytes(const struct ms_http *http, CURL *c, struct ms_http_answer *out)
{
    curl_off_t up = 0, down = 0;
    long request = 0, head = 0;
    curl_easy_getinfo(c, CURLINFO_SIZE_UPLOAD_T, &up);
    curl_easy_getinfo(c, CURLINFO_SIZE_DOWNLOAD_T, &down);
    curl_easy_getinfo(c, CURLINFO_REQUEST_SIZE, &request);
    curl_easy_getinfo(c, CURLINFO_HEADER_SIZE, &head);
    out->sent = request > 0;
    if (http->options.backend)
        ms_backend_count_moved(http->options.backend, (uint64_t)(down + head),
                               (uint64_t)(up + request));
}

/* curl takes an end in the middle of the headers for their end. */
static bool head_is_whole(const struct transfer *t)
{
    return t->head_size >= 4 && memcmp(t->answer->head + t->head_size - 4, "\r\n\r\n", 4) == 0;
}

static void take_answer(struct transfer *t, struct ms_http_answer *out)
{
    long status = 0;
    curl_easy_getinfo(t->handle->curl, CURLINFO_RESPONSE_CODE, &status);
    out->status = (int)status;
    out->body_size = t->got;
    out->body = MS_TAKE(t->body);
    if (out->body)
        ms_buf_truncate(out->body, t->got);
}

int ms_http_do(struct ms_http *http, const struct ms_http_request *request,
               struct ms_http_answer *out, struct ms_error *err)
{
    struct ms_http_answer answer = {0};
    char detail[CURL_ERROR_SIZE] = "";
    out->sent = false;
    int code = ms_check_cancelled(err);
    if (code)
        return code;
    struct transfer t = {.request = request,
                         .answer = &answer,
                         .handle = take_handle(http),
                         .patience_ns = http->options.stall_timeout_s * UINT64_C(1000000000)};
    struct curl_slist *headers = request_headers(request);
    CURLcode result = CURLE_OUT_OF_MEMORY;
    if (t.handle && headers) {
        set_connection(http, t.handle->curl);
        set_request(t.handle->curl, request, headers);
        set_callbacks(&t);
        curl_easy_setopt(t.handle->curl, CURLOPT_ERRORBUFFER, detail);
        result = curl_easy_perform(t.handle->curl);
        count_bytes(http, t.handle->curl, &answer);
        answer.sent = answer.sent || t.begun;
    }
    if (t.failed)
        code = own_failure(http, t.failed, err);
    else if (result != CURLE_OK)
        code = ms_http_explain(http->host, http->ca_file, result, detail, err);
    else if (!head_is_whole(&t))
        code = ms_http_explain(http->host, http->ca_file, CURLE_RECV_ERROR, "", err);
    else
        take_answer(&t, &answer);
    if (t.handle)
        give_handle(http, t.handle);
    curl_slist_free_all(headers);
    if (code) {
        out->sent = answer.sent;
        ms_buf_unref(t.body);
        ms_http_answer_fini(&answer);
        return code;
    }
    *out = answer;
    return 0;
}
