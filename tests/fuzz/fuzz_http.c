/* Bytes from a client: the server's core answers or refuses them and ends, and each request that
 * began is done with. Where the bytes are cut changes nothing: heads and chunks are found the same
 * byte by byte. */
#include "fuzz.h"

#include "support/http_toy.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server/http_parse.h"

static void check_head(struct ms_view input)
{
    size_t whole = 0, scanned = 0;
    enum http_found found = http_head_find(input.data, input.size, &whole);
    enum http_found step = HTTP_FOUND_NOT_YET;
    for (size_t size = 1; size <= input.size && step == HTTP_FOUND_NOT_YET; size++)
        step = http_head_find(input.data, size, &scanned);
    ms_assert(found == step);
    if (found != HTTP_FOUND_END)
        return;
    ms_assert(whole == scanned && whole <= input.size);
    char *text = fuzz_text(ms_view(input.data, whole)); /* it has no NUL */
    struct http_head *head = malloc(sizeof *head);
    const char *why = NULL;
    ms_assert(head);
    int status = http_head_parse(text, whole, true, head, &why);
    ms_assert(status == 0 ? head->path[0] == '/' : status >= 400 && status < 600 && why);
    ms_assert(status || !(head->chunked && head->has_length));
    free(head);
    free(text);
}

/* The body's bytes, and whether it was well-formed and over. */
static bool decode(struct ms_view input, size_t step, uint8_t *out, size_t *size, bool *over)
{
    struct http_chunks c = {0};
    *size = 0;
    for (size_t at = 0, used; at < input.size && c.state != CHUNK_DONE; at += used) {
        struct ms_view bytes;
        size_t some = input.size - at < step ? input.size - at : step;
        if (!http_chunks_next(&c, input.data + at, some, &used, &bytes))
            return false;
        ms_assert(used > 0 && used <= some && bytes.size <= used);
        memcpy(out + *size, bytes.data, bytes.size);
        *size += bytes.size;
    }
    *over = c.state == CHUNK_DONE;
    return true;
}

static void check_chunks(struct ms_view input)
{
    uint8_t *one = malloc(input.size + 1), *two = malloc(input.size + 1);
    size_t one_size, two_size;
    bool one_over = false, two_over = false;
    ms_assert(one && two);
    bool good = decode(input, input.size, one, &one_size, &one_over);
    ms_assert(good == decode(input, 1, two, &two_size, &two_over));
    ms_assert(!good ||
              (one_over == two_over && one_size == two_size && memcmp(one, two, one_size) == 0));
    free(one);
    free(two);
}

/* The same handlers, but none that waits or makes much. */
static const struct exchange_route *route(void *ctx, struct exchange *x)
{
    const char *n = exchange_query(x, "n");
    if (strcmp(exchange_path(x), "/hold") == 0 || strcmp(exchange_path(x), "/late") == 0 ||
        (n && strlen(n) > 5)) {
        exchange_reply_text(x, 404, "not here");
        return NULL;
    }
    exchange_header(x, "Range");
    exchange_query(x, "cmd");
    return toy_route(ctx, x);
}

static void check_core(struct ms_view input)
{
    struct http_options options = {.route = route, .finished = toy_finished};
    options.limits = (struct http_limits){.header_bytes = 1024, .body_bytes = 4096};
    struct http_server *server = NULL;
    ms_assert(http_server_new(&options, &server, NULL) == 0);
    int in = memfd_create("requests", MFD_CLOEXEC);
    int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    ms_assert(in >= 0 && out >= 0);
    ms_assert(write(in, input.data, input.size) == (ssize_t)input.size &&
              lseek(in, 0, SEEK_SET) == 0);
    http_server_serve(server, in, out);
    ms_assert(toy.begun == toy.done);
    close(in);
    close(out);
    http_server_free(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t none;
    struct ms_view input = ms_view(data ? data : &none, size);
    check_head(input);
    check_chunks(input);
    check_core(input);
    return 0;
}
