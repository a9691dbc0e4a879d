/* What a request says: see exchange.h. */
#include "server/exchange_core.h"

#include "base/text.h"

#include <stdlib.h>
#include <strings.h>

struct exchange *exchange_new(const struct exchange_peer *peer, struct ms_clock *clock)
{
    struct exchange *x = malloc(sizeof *x);
    if (!x)
        return NULL;
    memset(x, 0, offsetof(struct exchange, head) + offsetof(struct http_head, fields));
    x->peer = peer;
    x->clock = clock;
    x->body.fd = -1;
    x->began_ns = ms_clock_now(clock);
    x->began_wall_ns = ms_clock_wall(clock);
    return x;
}

void exchange_free(struct exchange *x)
{
    if (!x)
        return;
    if (x->release_guard && x->guard)
        x->release_guard(x->guard);
    exchange_drop_body(x);
    while (x->kept) {
        struct exchange_kept *kept = x->kept;
        x->kept = kept->next;
        free(kept);
    }
    free(x->fields);
    free(x->text);
    free(x);
}

const char *exchange_method(const struct exchange *x)
{
    return x->head.method ? x->head.method : "";
}

bool exchange_method_is(const struct exchange *x, const char *method)
{
    return strcmp(exchange_method(x), method) == 0;
}

bool exchange_is_head(const struct exchange *x)
{
    return exchange_method_is(x, "HEAD");
}

const char *exchange_path(const struct exchange *x)
{
    return x->head.path ? x->head.path : "";
}

const char *exchange_query_text(const struct exchange *x)
{
    return x->head.query ? x->head.query : "";
}

/* The byte that "%xx" stands for; -1: it is broken, or a NUL. */
static int escaped(const char *text, size_t size)
{
    int high = size > 2 ? ms_hex_digit((uint8_t)text[1]) : -1;
    int low = high >= 0 ? ms_hex_digit((uint8_t)text[2]) : -1;
    return low < 0 || (high == 0 && low == 0) ? -1 : high << 4 | low;
}

/* False: a broken %. `out` has room for size bytes and a NUL. */
static bool decode(const char *text, size_t size, char *out)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '%') {
            *out++ = text[i] == '+' ? ' ' : text[i];
            continue;
        }
        int byte = escaped(text + i, size - i);
        if (byte < 0)
            return false;
        *out++ = (char)byte;
        i += 2;
    }
    *out = '\0';
    return true;
}

bool exchange_query_is_sound(const struct exchange *x)
{
    const char *text = exchange_query_text(x);
    while ((text = strchr(text, '%'))) {
        if (escaped(text, strlen(text)) < 0)
            return false;
        text++;
    }
    return true;
}

static struct exchange_kept *keep(struct exchange *x, size_t size)
{
    struct exchange_kept *kept = malloc(sizeof *kept + size + 1);
    if (!kept)
        return NULL;
    kept->next = x->kept;
    x->kept = kept;
    return kept;
}

const char *exchange_query(struct exchange *x, const char *name)
{
    size_t name_size = strlen(name);
    const char *p = exchange_query_text(x);
    while (*p) {
        size_t size = strcspn(p, "&"), key = strcspn(p, "=&");
        if (key == name_size && memcmp(p, name, key) == 0) {
            size_t value = size > key ? size - key - 1 : 0;
            struct exchange_kept *kept = value ? keep(x, value) : NULL;
            return kept && decode(p + key + 1, value, kept->text) ? kept->text : NULL;
        }
        p += size + (p[size] == '&');
    }
    return NULL;
}

const char *exchange_header_at(const struct exchange *x, const char *name, size_t index)
{
    for (size_t i = 0; i < x->head.field_count; i++)
        if (strcasecmp(x->head.fields[i].name, name) == 0 && index-- == 0)
            return x->head.fields[i].value;
    return NULL;
}

const char *exchange_header(const struct exchange *x, const char *name)
{
    return exchange_header_at(x, name, 0);
}

size_t exchange_header_count(const struct exchange *x, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < x->head.field_count; i++)
        count += strcasecmp(x->head.fields[i].name, name) == 0;
    return count;
}

const char *exchange_peer(const struct exchange *x)
{
    return x->peer->text;
}

bool exchange_secure(const struct exchange *x)
{
    return x->peer->secure;
}

bool exchange_loopback(const struct exchange *x)
{
    return x->peer->loopback;
}

bool exchange_local(const struct exchange *x)
{
    return x->peer->local;
}

uint64_t exchange_length(const struct exchange *x)
{
    return x->head.chunked ? EXCHANGE_CHUNKED : x->head.length;
}

uint64_t exchange_received(const struct exchange *x)
{
    return x->received;
}

void exchange_set_state(struct exchange *x, void *state)
{
    x->state = state;
}

void *exchange_state(const struct exchange *x)
{
    return x->state;
}

void exchange_set_guard(struct exchange *x, void *guard, void (*release)(void *guard))
{
    x->guard = guard;
    x->release_guard = release;
}

void *exchange_guard(const struct exchange *x)
{
    return x->guard;
}

bool exchange_answered(const struct exchange *x)
{
    return x->status != 0;
}

int exchange_status(const struct exchange *x)
{
    return x->status;
}

uint64_t exchange_sent(const struct exchange *x)
{
    return x->sent;
}

uint64_t exchange_duration(const struct exchange *x)
{
    return ms_clock_now(x->clock) - x->began_ns;
}

int64_t exchange_began_wall(const struct exchange *x)
{
    return x->began_wall_ns;
}
