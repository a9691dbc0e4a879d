/* mstore/names.c - see mstore/names.h. Parsing reads what it can and then writes the name again:
 * only what comes out the same is accepted, so that each object has one name. */
#include "mstore/names.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

#define PREFIX      "mstore-"
#define PREFIX_SIZE 7
#define PIECE_MAX   120
#define FLAT_MAX    80 /* of a value's key: 62 more characters are in the same part */
#define PARTS_MAX   64 /* a key of 1024 bytes has 39 pieces, 8 chunks, and 5 parts around them */

static const char *const folders[] = {"member", "layout", "obj",   "tomb", "hint",
                                      "intent", "block",  "trash", "val",  "val"};
/* The object's own part stands behind the key's last '!' instead of in a folder. */
static bool is_flat(enum ms_own_kind kind)
{
    return kind == MS_OWN_VALUE || kind == MS_OWN_STAGED;
}
static const char marks[] = "ldst", ops[] = "dsur";

int ms_write_id_compare(const struct ms_write_id *a, const struct ms_write_id *b)
{
    if (a->counter != b->counter)
        return a->counter < b->counter ? -1 : 1;
    if (a->writer != b->writer)
        return a->writer < b->writer ? -1 : 1;
    return a->next < b->next ? -1 : a->next > b->next;
}

bool ms_own_reserved(struct ms_view name, const struct ms_uuid *store)
{
    char own[PREFIX_SIZE + MS_UUID_HEX] = PREFIX;
    ms_hex_encode(own + PREFIX_SIZE, store->bytes, sizeof store->bytes);
    struct ms_view prefix = ms_str(own);
    return ms_starts_with(name, prefix) &&
           (name.size == prefix.size || name.data[prefix.size] == '/');
}

/* ---- writing ---- */

static bool add_bytes(struct ms_name *o, const char *text, size_t size)
{
    if (size > sizeof o->text - o->size)
        return false;
    memcpy(o->text + o->size, text, size);
    o->size += size;
    return true;
}

static bool MS_PRINTF(2, 3) add(struct ms_name *o, const char *fmt, ...)
{
    char text[128];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return n >= 0 && (size_t)n < sizeof text && add_bytes(o, text, (size_t)n);
}

/* "/k." or "/n.", the text, the character that ends it. */
static bool add_part(struct ms_name *o, const char *head, const char *text, size_t size, char end)
{
    return add_bytes(o, head, 3) && add_bytes(o, text, size) && add_bytes(o, &end, 1);
}

static bool add_space(struct ms_name *o, struct ms_view space)
{
    char escaped[3 * MS_OWN_SPACE_MAX];
    size_t size = ms_escape(space, escaped);
    return size <= PIECE_MAX && add_part(o, "/n.", escaped, size, '!');
}

size_t ms_own_piece(enum ms_own_kind kind)
{
    return is_flat(kind) ? FLAT_MAX : PIECE_MAX;
}

/* Chunks and pieces; what is left of the escaped key is the rest. */
static bool add_folders(struct ms_name *o, const struct ms_own_name *n,
                        char escaped[MS_ESCAPED_MAX], struct ms_view *rest)
{
    size_t size = ms_escape(n->key, escaped), at = 0, piece = ms_own_piece(n->kind);
    bool fits = true;
    for (unsigned level = 0; level < n->level && fits; level++) {
        size_t from = 2 * level < size ? 2 * level : size;
        fits = add_part(o, "/k.", escaped + from, size - from < 2 ? size - from : 2, ',');
    }
    for (; size - at > piece && fits; at += piece)
        fits = add_part(o, "/k.", escaped + at, piece, '+');
    *rest = ms_view(escaped + at, size - at);
    return fits;
}

/* With `rest`, or only the folders above it. */
static bool add_key(struct ms_name *o, const struct ms_own_name *n, bool with_rest)
{
    char escaped[MS_ESCAPED_MAX];
    struct ms_view rest;
    return add_folders(o, n, escaped, &rest) &&
           (!with_rest || add_part(o, "/k.", (const char *)rest.data, rest.size, '!'));
}

static bool add_id(struct ms_name *o, const struct ms_write_id *id)
{
    return add(o, "%016llx-%016llx", (unsigned long long)id->counter,
               (unsigned long long)id->writer) &&
           (!id->next || add(o, "_%016llx", (unsigned long long)id->next));
}

size_t ms_own_about(const struct ms_write_id *id, char out[MS_OWN_ABOUT_MAX])
{
    struct ms_name text;
    text.size = 0;
    if (!add_id(&text, id) || !add(&text, "."))
        return 0;
    memcpy(out, text.text, text.size);
    return text.size;
}

static bool add_object(struct ms_name *o, const struct ms_own_name *n)
{
    bool fits = add_id(o, &n->id);
    if (n->size == MS_OWN_SIZE_UNKNOWN)
        fits = fits && add(o, ".----------------");
    else
        fits = fits && add(o, ".%016llx", (unsigned long long)n->size);
    fits = fits && add(o, ".%c", marks[n->mark]);
    if (n->k)
        fits = fits && add(o, ".%02x%02x%02x", n->k, n->m, n->index);
    return fits;
}

/* What stands behind the last '/'. */
static bool add_last(struct ms_name *o, const struct ms_own_name *n)
{
    if (n->kind == MS_OWN_STAGED ? !add_bytes(o, "+", 1)
                                 : !is_flat(n->kind) && !add_bytes(o, "/", 1))
        return false;
    switch (n->kind) {
    case MS_OWN_LAYOUT:
        return add(o, "%016llx.%c", (unsigned long long)n->epoch, n->final ? 'f' : 'p');
    case MS_OWN_HINT:
        return add_id(o, &n->id);
    case MS_OWN_INTENT:
        return add_id(o, &n->id) && add(o, ".%c", ops[n->op]);
    case MS_OWN_BLOCK:
        return (!n->of_version || (add_id(o, &n->id) && add(o, "."))) &&
               add(o, "%016llx", (unsigned long long)n->number);
    case MS_OWN_TRASH:
        return add(o, "%016llx.", (unsigned long long)n->time) && add_object(o, n);
    case MS_OWN_OBJECT:
    case MS_OWN_TOMBSTONE:
    case MS_OWN_VALUE:
    case MS_OWN_STAGED:
    case MS_OWN_MEMBER:
    default:
        return add_object(o, n);
    }
}

static bool has_key(enum ms_own_kind kind)
{
    return kind != MS_OWN_MEMBER && kind != MS_OWN_LAYOUT;
}

static bool add_head(struct ms_name *o, const struct ms_own_name *n)
{
    char hex[MS_UUID_HEX];
    ms_hex_encode(hex, n->store.bytes, sizeof n->store.bytes);
    bool fits = add(o, PREFIX "%s/%s", hex, folders[n->kind]);
    if (n->kind == MS_OWN_HINT) {
        ms_hex_encode(hex, n->member.bytes, sizeof n->member.bytes);
        fits = fits && add(o, "/%s", hex);
    }
    return fits;
}

static const char *fault_of(const struct ms_own_name *n)
{
    bool shard = n->kind == MS_OWN_OBJECT || n->kind == MS_OWN_TRASH || is_flat(n->kind);
    if (n->space.size > MS_OWN_SPACE_MAX)
        return "its namespace is longer than 100 bytes";
    if (has_key(n->kind) && n->key.size == 0)
        return "it is empty";
    if (n->key.size > MS_BYTES_KEY_MAX)
        return "it is longer than 1024 bytes";
    if (n->level > MS_OWN_LEVELS_MAX)
        return "it is nested too deep";
    if (shard ? (n->k == 0 && (n->m || n->index || is_flat(n->kind))) || n->k + n->m > 255 ||
                    (n->k && n->index >= n->k + n->m)
              : n->k || n->m || n->index)
        return "there is no such shard of it";
    if (n->mark == MS_OWN_TAKEN_BACK && n->kind != MS_OWN_TOMBSTONE)
        return "only a tombstone is taken back";
    return NULL;
}

static bool parts_fit(const struct ms_name *o, unsigned name_max_bytes)
{
    size_t start = 0;
    for (size_t i = 0; i <= o->size; i++) {
        if (i < o->size && o->text[i] != '/')
            continue;
        if (i - start > name_max_bytes)
            return false;
        start = i + 1;
    }
    return true;
}

static int refuse(const struct ms_own_name *n, const char *why, struct ms_error *err)
{
    return ms_error_set(err, MS_ERR_NAME, "the key \"%s\" cannot be kept: %s", MS_SHOW(n->key),
                        why);
}

static int check_parts(const struct ms_own_name *n, const struct ms_name *made,
                       unsigned name_max_bytes, struct ms_error *err)
{
    if (name_max_bytes && !parts_fit(made, name_max_bytes))
        return ms_error_set(err, MS_ERR_NAME,
                            "the key \"%s\" cannot be kept: a part of its name is longer than %u "
                            "bytes, the most that the storage holds; use a shorter key",
                            MS_SHOW(n->key), name_max_bytes);
    return 0;
}

/* What the name of an object begins with (as deep as asked, the rest of the key included), or that
 * of the member and layout objects. */
static int make_head(const struct ms_own_name *n, enum ms_own_depth depth, bool with_rest,
                     struct ms_name *out, struct ms_error *err)
{
    const char *fault = fault_of(n);
    if (fault)
        return refuse(n, fault, err);
    out->size = 0;
    bool fits = add_head(out, n);
    if (has_key(n->kind) && depth >= MS_OWN_OF_SPACE) {
        if (!add_space(out, n->space))
            return refuse(n, "its namespace takes more than 120 characters when escaped", err);
        fits = fits && (depth < MS_OWN_OF_KEY || add_key(out, n, with_rest));
    }
    return fits ? 0 : refuse(n, "its name would be longer than 4096 bytes; use a shorter key", err);
}

int ms_own_folder(const struct ms_own_name *n, enum ms_own_depth depth, unsigned name_max_bytes,
                  struct ms_name *out, struct ms_error *err)
{
    struct ms_name made;
    int code = make_head(n, depth, !is_flat(n->kind), &made, err);
    if (!code)
        code = check_parts(n, &made, name_max_bytes, err);
    if (code)
        return code;
    memcpy(out->text, made.text, made.size);
    out->size = made.size;
    return 0;
}

int ms_own_format(const struct ms_own_name *n, unsigned name_max_bytes, struct ms_name *out,
                  struct ms_error *err)
{
    struct ms_name made;
    int code = make_head(n, MS_OWN_OF_KEY, true, &made, err);
    if (!code && n->kind != MS_OWN_MEMBER && !add_last(&made, n))
        code = refuse(n, "its name would be longer than 4096 bytes; use a shorter key", err);
    if (!code)
        code = check_parts(n, &made, name_max_bytes, err);
    if (code)
        return code;
    memcpy(out->text, made.text, made.size);
    out->size = made.size;
    return 0;
}

int ms_own_begin(const struct ms_own_name *n, char out[MS_OWN_BEGIN_MAX], size_t *size,
                 struct ms_error *err)
{
    struct ms_name made;
    char escaped[MS_ESCAPED_MAX];
    struct ms_view rest;
    int code = make_head(n, MS_OWN_OF_SPACE, false, &made, err);
    if (code)
        return code;
    if (!add_folders(&made, n, escaped, &rest) || rest.size > FLAT_MAX)
        return refuse(n, "its name would be longer than 4096 bytes; use a shorter key", err);
    memcpy(out, "k.", 2);
    memcpy(out + 2, rest.data, rest.size);
    out[2 + rest.size] = '!';
    *size = rest.size + 3;
    return 0;
}

/* ---- reading ---- */

struct parts {
    struct ms_view at[PARTS_MAX];
    unsigned count;
};

static bool split(struct ms_view text, struct parts *out)
{
    out->count = 0;
    for (size_t start = 0, i = 0; i <= text.size; i++) {
        if (i < text.size && text.data[i] != '/')
            continue;
        if (out->count == PARTS_MAX)
            return false;
        out->at[out->count++] = ms_view(text.data + start, i - start);
        start = i + 1;
    }
    return true;
}

/* Hex digits at the front of *text, which is then shorter. */
static bool take_hex(struct ms_view *text, unsigned digits, uint64_t *out)
{
    if (text->size < digits || !ms_hex_number((const char *)text->data, digits, out))
        return false;
    *text = ms_view(text->data + digits, text->size - digits);
    return true;
}

static bool take(struct ms_view *text, const char *literal)
{
    struct ms_view l = ms_str(literal);
    if (!ms_starts_with(*text, l))
        return false;
    *text = ms_view(text->data + l.size, text->size - l.size);
    return true;
}

static bool take_letter(struct ms_view *text, const char *letters, unsigned *out)
{
    const char *found = text->size && text->data[0] ? strchr(letters, text->data[0]) : NULL;
    if (!found)
        return false;
    *out = (unsigned)(found - letters);
    *text = ms_view(text->data + 1, text->size - 1);
    return true;
}

static bool take_uuid(struct ms_view *text, struct ms_uuid *out)
{
    for (size_t i = 0; i < sizeof out->bytes; i++) {
        uint64_t byte;
        if (!take_hex(text, 2, &byte))
            return false;
        out->bytes[i] = (uint8_t)byte;
    }
    return true;
}

static bool take_id(struct ms_view *text, struct ms_write_id *out)
{
    return take_hex(text, 16, &out->counter) && take(text, "-") &&
           take_hex(text, 16, &out->writer) && (!take(text, "_") || take_hex(text, 16, &out->next));
}

static bool take_object(struct ms_view *text, struct ms_own_name *n)
{
    unsigned mark;
    uint64_t shard;
    if (!take_id(text, &n->id) || !take(text, "."))
        return false;
    n->size = MS_OWN_SIZE_UNKNOWN;
    if (!take(text, "----------------") && !take_hex(text, 16, &n->size))
        return false;
    if (!take(text, ".") || !take_letter(text, marks, &mark))
        return false;
    n->mark = (enum ms_own_mark)mark;
    if (text->size == 0)
        return true;
    if (!take(text, ".") || !take_hex(text, 6, &shard))
        return false;
    n->k = (unsigned)(shard >> 16);
    n->m = (unsigned)(shard >> 8) & 255;
    n->index = (unsigned)shard & 255;
    return n->k > 0;
}

static bool take_last(struct ms_view text, struct ms_own_name *n)
{
    unsigned letter = 0;
    bool good;
    switch (n->kind) {
    case MS_OWN_LAYOUT:
        good =
            take_hex(&text, 16, &n->epoch) && take(&text, ".") && take_letter(&text, "pf", &letter);
        n->final = letter;
        break;
    case MS_OWN_HINT:
        good = take_id(&text, &n->id);
        break;
    case MS_OWN_INTENT:
        good = take_id(&text, &n->id) && take(&text, ".") && take_letter(&text, ops, &letter);
        n->op = (enum ms_own_op)letter;
        break;
    case MS_OWN_BLOCK:
        n->of_version = text.size > 16;
        good = (!n->of_version || (take_id(&text, &n->id) && take(&text, "."))) &&
               take_hex(&text, 16, &n->number);
        break;
    case MS_OWN_TRASH:
        good = take_hex(&text, 16, &n->time) && take(&text, ".") && take_object(&text, n);
        break;
    case MS_OWN_OBJECT:
    case MS_OWN_TOMBSTONE:
    case MS_OWN_VALUE:
    case MS_OWN_STAGED:
    case MS_OWN_MEMBER:
    default:
        good = take_object(&text, n);
        break;
    }
    return good && text.size == 0;
}

/* What stands between `head` and the character `end`; false: the part is not made so. */
static bool unwrap(struct ms_view part, const char *head, char end, struct ms_view *inner)
{
    if (!take(&part, head) || part.size == 0 || part.data[part.size - 1] != (uint8_t)end)
        return false;
    *inner = ms_view(part.data, part.size - 1);
    return true;
}

/* Namespace and key from parts [from, to). */
static bool read_key(const struct parts *parts, unsigned from, unsigned to,
                     struct ms_own_parsed *out)
{
    struct ms_view inner;
    char escaped[MS_ESCAPED_MAX];
    size_t size = 0, length;
    if (to < from + 2 || !unwrap(parts->at[from++], "n.", '!', &inner) || inner.size > PIECE_MAX)
        return false;
    uint8_t space[PIECE_MAX];
    if (!ms_unescape(inner, space, &length) || length > MS_OWN_SPACE_MAX)
        return false;
    memcpy(out->space, space, length);
    out->name.space = ms_view(out->space, length);
    while (from < to && unwrap(parts->at[from], "k.", ',', &inner)) {
        out->name.level++;
        from++;
    }
    for (; from < to; from++) {
        if (!unwrap(parts->at[from], "k.", from + 1 == to ? '!' : '+', &inner) ||
            inner.size > sizeof escaped - size)
            return false;
        memcpy(escaped + size, inner.data, inner.size);
        size += inner.size;
    }
    uint8_t key[MS_ESCAPED_MAX];
    if (!ms_unescape(ms_view(escaped, size), key, &length) || length > sizeof out->key)
        return false;
    memcpy(out->key, key, length);
    out->name.key = ms_view(out->key, length);
    return true;
}

static bool read_head(const struct parts *parts, struct ms_own_name *n, unsigned *used)
{
    struct ms_view first = parts->at[0];
    if (parts->count < 2 || !take(&first, PREFIX) || !take_uuid(&first, &n->store) || first.size)
        return false;
    unsigned kind = 0;
    while (kind < sizeof folders / sizeof *folders &&
           !ms_equal(parts->at[1], ms_str(folders[kind])))
        kind++;
    if (kind == sizeof folders / sizeof *folders)
        return false;
    n->kind = (enum ms_own_kind)kind;
    *used = 2;
    if (n->kind != MS_OWN_HINT)
        return true;
    struct ms_view member = parts->at[2];
    *used = 3;
    return parts->count > 3 && take_uuid(&member, &n->member) && member.size == 0;
}

/* A value's last part: "k.REST!" belongs to the key; "+" behind it says that it is staged. */
static bool cut_last(struct parts *parts, unsigned *end, struct ms_view *last,
                     enum ms_own_kind *kind)
{
    const uint8_t *mark = last->size ? memchr(last->data, '!', last->size) : NULL;
    if (!mark)
        return false;
    size_t key = (size_t)(mark - last->data) + 1;
    parts->at[(*end)++] = ms_view(last->data, key);
    *last = ms_view(last->data + key, last->size - key);
    if (take(last, "+"))
        *kind = MS_OWN_STAGED;
    return true;
}

static bool read_parts(struct parts *parts, struct ms_own_parsed *out)
{
    unsigned used;
    if (!read_head(parts, &out->name, &used))
        return false;
    if (out->name.kind == MS_OWN_MEMBER)
        return parts->count == 2;
    if (parts->count <= used)
        return false;
    struct ms_view last = parts->at[parts->count - 1];
    unsigned end = parts->count - 1; /* of what says the key */
    if (out->name.kind == MS_OWN_VALUE && !cut_last(parts, &end, &last, &out->name.kind))
        return false;
    if (!take_last(last, &out->name))
        return false;
    if (out->name.kind == MS_OWN_LAYOUT)
        return parts->count == used + 1;
    return read_key(parts, used, end, out);
}

bool ms_own_parse(struct ms_view text, struct ms_own_parsed *out)
{
    struct parts parts;
    struct ms_name again;
    memset(&out->name, 0, sizeof out->name);
    if (text.size == 0 || text.size > MS_NAME_MAX || !split(text, &parts) ||
        !read_parts(&parts, out) || ms_own_format(&out->name, 0, &again, NULL) != 0)
        return false;
    return ms_equal(text, ms_name_view(&again));
}
