/* A small XML reader; see xml.h. Every byte is looked at once; memory is bounded by the input. */
#include "backends/s3/xml.h"

#include "backends/collect.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <stdio.h>

#define DEPTH_MAX      16
#define PATH_MAX_BYTES 512

struct walk {
    struct ms_view xml;
    size_t at;
    char path[PATH_MAX_BYTES];
    size_t starts[DEPTH_MAX]; /* where each open element's name begins in path */
    size_t ends[DEPTH_MAX];
    unsigned depth;
    struct ms_collect text; /* of the innermost element, since its last tag */
    bool seen_root;
};

static int malformed(struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_PROTOCOL,
                        "the answer is no well-formed XML: is there an S3 server?");
}

static bool looking_at(const struct walk *w, const char *text)
{
    return ms_starts_with(ms_view(w->xml.data + w->at, w->xml.size - w->at), ms_str(text));
}

/* Behind the next occurrence of `end`; false: there is none. */
static bool skip_past(struct walk *w, const char *end, size_t *before)
{
    const uint8_t *found = memmem(w->xml.data + w->at, w->xml.size - w->at, end, strlen(end));
    if (!found)
        return false;
    if (before)
        *before = (size_t)(found - w->xml.data);
    w->at = (size_t)(found - w->xml.data) + strlen(end);
    return true;
}

static bool name_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':' || c >= 0x80;
}

static struct ms_view take_name(struct walk *w)
{
    size_t from = w->at;
    while (w->at < w->xml.size && name_byte(w->xml.data[w->at]))
        w->at++;
    return ms_view(w->xml.data + from, w->at - from);
}

/* ---- text ---- */

static size_t utf8(uint32_t c, uint8_t out[4])
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 63));
        out[2] = (uint8_t)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 63));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 63));
    out[3] = (uint8_t)(0x80 | (c & 63));
    return 4;
}

static bool character_reference(struct ms_view digits, uint32_t *out)
{
    bool hex = digits.size && digits.data[0] == 'x';
    uint32_t value = 0;
    if (digits.size <= hex || digits.size > 8)
        return false;
    for (size_t i = hex; i < digits.size; i++) {
        uint8_t c = digits.data[i];
        uint32_t digit = c >= '0' && c <= '9'   ? c - (uint32_t)'0'
                         : c >= 'a' && c <= 'f' ? c - (uint32_t)'a' + 10
                         : c >= 'A' && c <= 'F' ? c - (uint32_t)'A' + 10
                                                : 99;
        if (digit >= (hex ? 16u : 10u))
            return false;
        value = value * (hex ? 16 : 10) + digit;
    }
    *out = value;
    return value > 0 && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
}

static int take_entity(struct walk *w, struct ms_error *err)
{
    static const struct {
        const char *name, *text;
    } named[] = {{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (looking_at(w, named[i].name)) {
            w->at += strlen(named[i].name);
            return ms_collect_add(&w->text, ms_str(named[i].text), err);
        }
    size_t from = w->at + 2, end;
    uint32_t value;
    uint8_t bytes[4];
    if (!looking_at(w, "&#") || !skip_past(w, ";", &end) ||
        !character_reference(ms_view(w->xml.data + from, end - from), &value))
        return malformed(err);
    return ms_collect_add(&w->text, ms_view(bytes, utf8(value, bytes)), err);
}

static int take_text(struct walk *w, struct ms_error *err)
{
    size_t from = w->at;
    while (w->at < w->xml.size && w->xml.data[w->at] != '<' && w->xml.data[w->at] != '&')
        w->at++;
    struct ms_view text = ms_view(w->xml.data + from, w->at - from);
    if (w->depth)
        return ms_collect_add(&w->text, text, err);
    for (size_t i = 0; i < text.size; i++)
        if (!strchr(" \t\r\n", text.data[i]) && text.data[i] != 0xef && text.data[i] != 0xbb &&
            text.data[i] != 0xbf)
            return malformed(err); /* something outside the root */
    return 0;
}

/* ---- tags ---- */

static int push(struct walk *w, struct ms_view name, struct ms_error *err)
{
    const uint8_t *colon = memchr(name.data, ':', name.size);
    if (colon)
        name = ms_view(colon + 1, name.size - (size_t)(colon + 1 - name.data));
    size_t at = w->depth ? w->ends[w->depth - 1] : 0;
    if (name.size == 0 || w->depth == DEPTH_MAX || at + name.size + 2 > PATH_MAX_BYTES)
        return malformed(err);
    if (w->depth)
        w->path[at++] = '/';
    else if (w->seen_root)
        return malformed(err);
    w->seen_root = true;
    memcpy(w->path + at, name.data, name.size);
    w->path[at + name.size] = 0;
    w->starts[w->depth] = at;
    w->ends[w->depth++] = at + name.size;
    ms_collect_fini(&w->text);
    return 0;
}

static int pop(struct walk *w, ms_xml_fn *fn, void *ctx, struct ms_error *err)
{
    int code = fn(ctx, w->path,
                  ms_view(w->text.bytes ? w->text.bytes : (const uint8_t *)"", w->text.size), err);
    ms_collect_fini(&w->text);
    w->depth--;
    w->path[w->depth ? w->ends[w->depth - 1] : 0] = 0;
    return code;
}

static int open_tag(struct walk *w, ms_xml_fn *fn, void *ctx, struct ms_error *err)
{
    w->at++;
    int code = push(w, take_name(w), err);
    if (code)
        return code;
    for (uint8_t quote = 0; w->at < w->xml.size; w->at++) { /* over the attributes */
        uint8_t c = w->xml.data[w->at];
        if (quote) {
            quote = c == quote ? 0 : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '<') {
            break;
        } else if (c == '>') {
            bool empty = w->xml.data[w->at - 1] == '/';
            w->at++;
            return empty ? pop(w, fn, ctx, err) : 0;
        }
    }
    return malformed(err);
}

static int close_tag(struct walk *w, ms_xml_fn *fn, void *ctx, struct ms_error *err)
{
    w->at += 2;
    struct ms_view name = take_name(w);
    const uint8_t *colon = memchr(name.data, ':', name.size);
    if (colon)
        name = ms_view(colon + 1, name.size - (size_t)(colon + 1 - name.data));
    while (w->at < w->xml.size && strchr(" \t\r\n", w->xml.data[w->at]) && w->xml.data[w->at])
        w->at++;
    if (!looking_at(w, ">") || w->depth == 0 ||
        !ms_equal(name, ms_str(w->path + w->starts[w->depth - 1])))
        return malformed(err);
    w->at++;
    return pop(w, fn, ctx, err);
}

static int take_cdata(struct walk *w, struct ms_error *err)
{
    size_t from = w->at + 9, end;
    if (w->depth == 0 || !skip_past(w, "]]>", &end) || end < from)
        return malformed(err);
    return ms_collect_add(&w->text, ms_view(w->xml.data + from, end - from), err);
}

static int step(struct walk *w, ms_xml_fn *fn, void *ctx, struct ms_error *err)
{
    if (looking_at(w, "<?"))
        return skip_past(w, "?>", NULL) ? 0 : malformed(err);
    if (looking_at(w, "<!--"))
        return skip_past(w, "-->", NULL) ? 0 : malformed(err);
    if (looking_at(w, "<![CDATA["))
        return take_cdata(w, err);
    if (looking_at(w, "<!"))
        return malformed(err);
    if (looking_at(w, "</"))
        return close_tag(w, fn, ctx, err);
    if (looking_at(w, "<"))
        return open_tag(w, fn, ctx, err);
    if (looking_at(w, "&"))
        return w->depth ? take_entity(w, err) : malformed(err);
    return take_text(w, err);
}

int ms_xml_walk(struct ms_view xml, ms_xml_fn *fn, void *ctx, struct ms_error *err)
{
    struct walk w = {.xml = xml};
    int code = 0;
    while (code == 0 && w.at < xml.size)
        code = step(&w, fn, ctx, err);
    ms_collect_fini(&w.text);
    if (code == 0 && (w.depth || !w.seen_root))
        return malformed(err);
    return code;
}

char *ms_xml_escape(struct ms_view text)
{
    char *out = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);
    if (!f)
        return NULL;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c < 0x20 || strchr("&<>\"'", c))
            fprintf(f, "&#x%x;", c);
        else
            fputc(c, f);
    }
    bool good = !ferror(f);
    if (fclose(f) != 0 || !good) {
        free(out);
        return NULL;
    }
    return out;
}
