/* mstore/intent.c - see mstore/intent.h. */
#include "mstore/intent.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/text.h"
#include "mstore/voters.h"

#include <stdio.h>
#include <stdlib.h>

/* For the voters not needed: so that none gets its intent after that has been taken back. */
#define PATIENCE (UINT64_C(1) * 1000000000)

#define FORMAT_TEXT "[intent]\nformat = "
static const char head_text[] = FORMAT_TEXT "1\ndeleted = ";
static const char new_text[] = "\nnew = ";

int ms_intent_init(struct ms_intent *out, enum ms_own_op op, struct ms_write_id id, bool deleted,
                   struct ms_view new_key, struct ms_error *err)
{
    if (new_key.size > sizeof out->new_key)
        return ms_error_set(err, MS_ERR_NAME, "%s: the new key is too long", MS_SHOW(new_key));
    *out = (struct ms_intent){.op = op, .id = id, .deleted = deleted, .new_size = new_key.size};
    if (new_key.size)
        memcpy(out->new_key, new_key.data, new_key.size);
    return 0;
}

/* ---- text ---- */

int ms_intent_make(const struct ms_intent *intent, struct ms_buf **out, struct ms_error *err)
{
    char text[MS_INTENT_TEXT_MAX + 1];
    int size =
        snprintf(text, sizeof text, "%s%s%s", head_text, intent->deleted ? "yes" : "no", new_text);
    ms_hex_encode(text + size, intent->new_key, intent->new_size);
    size_t whole = (size_t)size + 2 * intent->new_size;
    text[whole++] = '\n';
    *out = ms_buf_copy(ms_view(text, whole));
    return *out ? 0 : ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an intent");
}

/* Takes `text` off the beginning. */
static bool take(struct ms_view *from, const char *text)
{
    struct ms_view begin = ms_str(text);
    if (!ms_starts_with(*from, begin))
        return false;
    *from = ms_view(from->data + begin.size, from->size - begin.size);
    return true;
}

static bool parse(struct ms_view text, struct ms_intent *out)
{
    char hex[2 * MS_INTENT_KEY_MAX + 1];
    if (!take(&text, head_text))
        return false;
    out->deleted = take(&text, "yes");
    if ((!out->deleted && !take(&text, "no")) || !take(&text, new_text))
        return false;
    if (text.size == 0 || text.size % 2 == 0 || text.size > sizeof hex ||
        text.data[text.size - 1] != '\n')
        return false;
    memcpy(hex, text.data, text.size - 1);
    hex[text.size - 1] = '\0';
    out->new_size = (text.size - 1) / 2;
    return ms_hex_decode(out->new_key, out->new_size, hex) == 0;
}

/* A line that says another number. */
static bool is_newer(struct ms_view text)
{
    size_t digits = 0;
    if (!take(&text, FORMAT_TEXT))
        return false;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    return digits && digits < text.size && text.data[digits] == '\n' && text.data[0] > '0' &&
           !(digits == 1 && text.data[0] == '1');
}

int ms_intent_parse(struct ms_view text, struct ms_intent *out, struct ms_error *err)
{
    struct ms_buf *again = NULL;
    if (parse(text, out)) { /* one right text: upper-case digits are none of ours */
        int code = ms_intent_make(out, &again, err);
        bool same = !code && ms_equal(ms_buf_view(again), text);
        ms_buf_unref(again);
        if (code || same)
            return code;
    }
    return is_newer(text)
               ? ms_error_set(err, MS_ERR_UNSUPPORTED, "an intent was written by a newer version")
               : ms_error_set(err, MS_ERR_FORMAT, "an intent is damaged");
}

/* ---- on members ---- */

struct round { /* shared with the calls */
    struct ms_voters base;
    enum ms_own_op op;
    struct ms_write_id id;
    struct ms_buf *text;        /* NULL: it goes */
    bool found[MS_MEMBERS_MAX]; /* by voter */
    bool *there;                /* the caller's, of those that it has waited for */
    bool late[MS_MEMBERS_MAX];  /* dropping: by voter, as in the intent */
    bool *left;                 /* putting: the caller's, likewise */
};

static void round_free(struct ms_voters *base)
{
    ms_buf_unref(((struct round *)base)->text);
    free(base);
}

struct ms_own_name ms_intent_name(const struct ms_site *site, enum ms_own_op op,
                                  struct ms_write_id id)
{
    return (struct ms_own_name){.kind = MS_OWN_INTENT,
                                .store = site->roster->layout->uuid,
                                .space = site->space_path,
                                .key = site->key,
                                .level = site->level,
                                .id = id,
                                .op = op};
}

unsigned ms_intent_needs(const struct ms_site *site)
{
    bool mirror = site->space->kind == MS_KIND_PLAIN && ms_voters_count(site) <= 2;
    return mirror ? 1 : ms_voters_majority(site);
}

static int voter_call(struct ms_voters *base, const struct ms_site *site, unsigned leg,
                      struct ms_member *m, struct ms_error *err)
{
    struct round *r = (struct round *)base;
    struct ms_own_name own = ms_intent_name(site, r->op, r->id);
    struct ms_name name;
    int code = ms_own_format(&own, 0, &name, err);
    if (code)
        return code;
    if (r->text)
        return ms_member_store(m, ms_name_view(&name), r->text, NULL, NULL, err);
    code = ms_member_delete(m, ms_name_view(&name), err);
    if ((!code || code == MS_ERR_NOT_FOUND) && r->late[leg])
        return ms_error_set(err, MS_ERR_BUSY, "%s may get it yet", ms_member_name(m));
    return code == MS_ERR_NOT_FOUND ? 0 : code;
}

static void put_good(struct ms_voters *base, unsigned leg)
{
    struct round *r = (struct round *)base;
    if (r->left)
        r->left[leg] = false;
}

static struct round *round_new(const struct ms_intent *intent, struct ms_error *err)
{
    struct round *r = calloc(1, sizeof *r);
    if (!r) {
        ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for an intent");
        return NULL;
    }
    r->base.call = voter_call;
    r->base.good = put_good;
    r->base.free = round_free;
    r->op = intent->op;
    r->id = intent->id;
    return r;
}

int ms_intent_put(const struct ms_site *site, struct ms_intent *intent, struct ms_error *err)
{
    struct round *r = round_new(intent, err);
    if (!r)
        return MS_ERR_NO_MEMORY;
    for (unsigned v = 0; v < ms_voters_count(site); v++)
        intent->late[v] = true;
    r->left = intent->late;
    int code = ms_intent_make(intent, &r->text, err);
    if (code) {
        round_free(&r->base);
        return code;
    }
    return ms_voters_ask(site, &r->base, ms_intent_needs(site), PATIENCE, "what is to be done",
                         err);
}

/* The rest must be too few; on two mirrors, where one is enough, it cannot be. */
static unsigned drop_needs(const struct ms_site *site)
{
    unsigned count = ms_voters_count(site), needs = ms_intent_needs(site);
    return needs == 1 ? 1 : count - needs + 1;
}

int ms_intent_drop(const struct ms_site *site, const struct ms_intent *intent, struct ms_error *err)
{
    struct round *r = round_new(intent, err);
    if (!r)
        return MS_ERR_NO_MEMORY;
    if (drop_needs(site) > 1)
        memcpy(r->late, intent->late, sizeof r->late);
    return ms_voters_ask(site, &r->base, drop_needs(site), PATIENCE,
                         "taking back what was to be done, which is done,", err);
}

/* ---- looking ---- */

static int found_one(void *ctx, const struct ms_entry *entry, struct ms_error *err)
{
    (void)entry, (void)err;
    *(bool *)ctx = true;
    return 1;
}

static int look_call(struct ms_voters *base, const struct ms_site *site, unsigned leg,
                     struct ms_member *m, struct ms_error *err)
{
    static const struct ms_list_request request = {.limit = 1, .names_only = true};
    struct round *r = (struct round *)base;
    struct ms_own_name own = ms_intent_name(site, MS_OWN_RENAME, (struct ms_write_id){0});
    struct ms_name folder;
    int code = ms_own_folder(&own, MS_OWN_OF_KEY, 0, &folder, err);
    if (!code)
        code = ms_member_list(m, ms_name_view(&folder), &request, found_one, &r->found[leg], err);
    return code == 1 ? 0 : code;
}

static void look_good(struct ms_voters *base, unsigned leg)
{
    struct round *r = (struct round *)base;
    *r->there = *r->there || r->found[leg];
}

int ms_intent_look(const struct ms_site *site, bool *there, struct ms_error *err)
{
    struct round *r = calloc(1, sizeof *r);
    if (!r)
        return ms_error_set(err, MS_ERR_NO_MEMORY, "no memory for looking for an intent");
    *there = false;
    r->base.call = look_call;
    r->base.good = look_good;
    r->base.reads = true;
    r->base.free = round_free;
    r->there = there;
    return ms_voters_ask(site, &r->base, ms_voters_meeting(site), 0, "looking for an intent", err);
}
