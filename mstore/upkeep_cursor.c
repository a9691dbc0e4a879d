/* mstore/upkeep_cursor.c - how far an interrupted run of mstore/upkeep.h came: a line of text in
 * the local state folder, UUID.scrub, UUID.heal, UUID.rebalance (docs/formats.md). Losing it costs
 * time and nothing else; so does a stale one, since everything is looked at by the next run. */
#include "mstore/upkeep_parts.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/private_file.h"
#include "base/text.h"
#include "mstore/self.h"
#include "mstore/siphash.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- text ---- */

#define HEAD    "mstore-upkeep 2"
#define CHECKED 16 /* hex digits */
#define COUNT   16 /* likewise */

static void check_of(const char *text, size_t size, char out[CHECKED + 1])
{
    static const uint8_t key[16] = "upkeep";
    snprintf(out, CHECKED + 1, "%016" PRIx64, ms_siphash(key, ms_view(text, size)));
}

/* "-" stands for nothing. */
static const char *hex_of(char *out, const uint8_t *bytes, size_t size)
{
    ms_hex_encode(out, bytes, size);
    return size ? out : "-";
}

void ms_upkeep_cursor_format(const struct ms_upkeep_cursor *c, uint64_t epoch, uint64_t options,
                             char text[MS_UPKEEP_CURSOR_TEXT])
{
    char space[2 * MS_LAYOUT_SPACE_MAX + 1], key[2 * MS_BYTES_KEY_MAX + 1], check[CHECKED + 1];
    int used = snprintf(text, MS_UPKEEP_CURSOR_TEXT,
                        HEAD " %" PRIu64 " %016" PRIx64 " %016" PRIx64 " %s %s %s ", epoch, options,
                        c->left, c->step, hex_of(space, c->space, c->space_size),
                        hex_of(key, c->key, c->key_size));
    check_of(text, (size_t)used, check);
    snprintf(text + used, MS_UPKEEP_CURSOR_TEXT - (size_t)used, "%s\n", check);
}

static bool read_hex(struct ms_view word, uint8_t *out, size_t most, size_t *size)
{
    char hex[2 * MS_BYTES_KEY_MAX + 1];
    *size = 0;
    if (ms_equal(word, ms_str("-")))
        return true;
    if (!word.size || word.size % 2 || word.size / 2 > most)
        return false;
    memcpy(hex, word.data, word.size);
    hex[word.size] = '\0';
    *size = word.size / 2;
    return ms_hex_decode(out, *size, hex) == 0;
}

static bool read_count(struct ms_view word, uint64_t *out)
{
    return word.size == COUNT && ms_hex_number((const char *)word.data, COUNT, out);
}

/* The next word, and the space behind it. */
static struct ms_view take_word(struct ms_view *rest)
{
    const uint8_t *end = rest->size ? memchr(rest->data, ' ', rest->size) : NULL;
    if (!end)
        return ms_view(NULL, 0);
    struct ms_view word = ms_view(rest->data, (size_t)(end - rest->data));
    *rest = ms_view(end + 1, rest->size - word.size - 1);
    return word;
}

/* That what stands before the last word is whole, and of this layout and run. */
static bool check_text(struct ms_view text, uint64_t epoch, uint64_t options, struct ms_view *rest)
{
    char check[CHECKED + 1], head[80];
    if (text.size <= CHECKED + 1 || text.size >= MS_UPKEEP_CURSOR_TEXT ||
        text.data[text.size - 1] != '\n')
        return false;
    size_t size = text.size - 1 - CHECKED;
    check_of((const char *)text.data, size, check);
    if (memcmp(text.data + size, check, CHECKED) != 0)
        return false;
    snprintf(head, sizeof head, HEAD " %" PRIu64 " %016" PRIx64 " ", epoch, options);
    *rest = ms_view(text.data, size);
    if (!ms_starts_with(*rest, ms_str(head)))
        return false;
    *rest = ms_view(rest->data + strlen(head), rest->size - strlen(head));
    return true;
}

static bool is_word(struct ms_view word, size_t most)
{
    if (!word.size || word.size > most)
        return false;
    for (size_t i = 0; i < word.size; i++)
        if (word.data[i] < 'a' || word.data[i] > 'z')
            return false;
    return true;
}

bool ms_upkeep_cursor_parse(struct ms_view text, uint64_t epoch, uint64_t options,
                            struct ms_upkeep_cursor *out)
{
    struct ms_view rest;
    if (!check_text(text, epoch, options, &rest))
        return false;
    struct ms_view left = take_word(&rest), step = take_word(&rest), space = take_word(&rest),
                   key = take_word(&rest);
    if (!read_count(left, &out->left) || !step.data || !is_word(step, sizeof out->step - 1) ||
        rest.size || !read_hex(space, out->space, sizeof out->space, &out->space_size) ||
        !read_hex(key, out->key, sizeof out->key, &out->key_size))
        return false;
    memcpy(out->step, step.data, step.size);
    out->step[step.size] = '\0';
    return true;
}

/* ---- the file ---- */

/* Equal for runs of which one can go on where the other was. A sample is drawn anew each time. */
static uint64_t options_of(const struct ms_upkeep *u)
{
    static const uint8_t key[16] = "options";
    char text[MS_LAYOUT_SPACE_MAX + 64];
    int size = snprintf(text, sizeof text, "%d %d %d %u %.*s", (int)u->task, u->options.deep,
                        u->options.dry_run, u->options.sample_ppm, MS_LAYOUT_SPACE_MAX,
                        u->options.space ? u->options.space : " ");
    return ms_siphash(key, ms_view(text, (size_t)size));
}

static const char *const names[] = {"scrub", "heal", "rebalance"};

struct file {
    char path[PATH_MAX], name[MS_UUID_TEXT + 16];
    int folder;
};

static bool open_folder(const struct ms_upkeep *u, struct file *f)
{
    const char *state = u->self && u->self->state ? ms_state_path(u->self->state) : NULL;
    const char *slash = state ? strrchr(state, '/') : NULL;
    char folder[PATH_MAX];
    if (!slash || (size_t)(slash - state) >= sizeof folder)
        return false;
    memcpy(folder, state, (size_t)(slash - state));
    folder[slash - state] = '\0';
    snprintf(f->name, sizeof f->name, "%s.%s", MS_UUID_SHOW(&u->roster->layout->uuid),
             names[u->task]);
    if (snprintf(f->path, sizeof f->path, "%s/%s", folder, f->name) >= (int)sizeof f->path)
        return false;
    f->folder = ms_private_folder_open(folder, "state", false, NULL);
    return f->folder >= 0;
}

/* By another program there may be other steps. */
static bool is_step(const char *name)
{
    for (const struct ms_upkeep_step *s = ms_upkeep_steps; s->name; s++)
        if (s->run_space && strcmp(s->name, name) == 0)
            return true;
    return false;
}

void ms_upkeep_resume(struct ms_upkeep *u)
{
    struct ms_private_file text;
    struct file f;
    if (!open_folder(u, &f))
        return;
    close(f.folder);
    if (u->options.from_start || ms_private_file_read(f.path, "the cursor", &text, NULL))
        return;
    u->report->resumed =
        ms_upkeep_cursor_parse(ms_private_file_view(&text), u->roster->layout->epoch, options_of(u),
                               &u->from) &&
        is_step(u->from.step);
    if (!u->report->resumed)
        u->from = (struct ms_upkeep_cursor){0};
    u->at = u->from;
    u->report->failed += u->from.left;
    ms_private_file_free(&text);
}

void ms_upkeep_remember(struct ms_upkeep *u)
{
    char text[MS_UPKEEP_CURSOR_TEXT];
    struct ms_error why = {0};
    struct file f;
    if (!u->at.step[0] || !open_folder(u, &f))
        return;
    {
        MS_HOLD(&u->mutex);
        u->at.left = u->report->failed;
    }
    ms_upkeep_cursor_format(&u->at, u->roster->layout->epoch, options_of(u), text);
    if (ms_private_file_replace(f.folder, f.name, ms_str(text), &why))
        ms_log(MS_LOG_WARN, "how far it came is not kept: %s", why.text);
    close(f.folder);
}

void ms_upkeep_forget(struct ms_upkeep *u)
{
    struct file f;
    if (!open_folder(u, &f))
        return;
    (void)unlinkat(f.folder, f.name, 0);
    close(f.folder);
}
