/* SFTP packets from a server: whatever comes in, nothing is read beyond it, what is accepted lies
 * inside it, and a string put into a packet comes out again. */
#include "fuzz.h"

#include "backends/sftp/packet.h"

static void check_inside(struct ms_view part, struct ms_view whole)
{
    ms_assert(part.size <= whole.size);
    if (part.size)
        ms_assert(part.data >= whole.data && part.data + part.size <= whole.data + whole.size);
}

static void take_names(struct ms_sftp_answer *a, struct ms_view packet)
{
    struct ms_view name;
    struct ms_sftp_attrs attrs;
    uint32_t count = 0;
    while (count < a->count && ms_sftp_next_name(&a->rest, &name, &attrs)) {
        check_inside(name, packet);
        count++;
    }
    ms_assert(count <= packet.size / 12); /* each takes three numbers at least */
}

static void take_answer(struct ms_view packet)
{
    struct ms_sftp_answer a;
    if (!ms_sftp_parse(packet, &a))
        return;
    check_inside(a.text, packet);
    if (a.type == MS_FXP_HANDLE)
        ms_assert(a.text.size > 0 && a.text.size <= MS_HANDLE_MAX);
    if (a.type == MS_FXP_NAME)
        take_names(&a, packet);
    if (a.type == MS_FXP_EXTENDED_REPLY) {
        struct ms_sftp_features f = {.max_read = 1};
        uint64_t total = 1, left = 1;
        if (ms_sftp_parse_limits(a.rest, &f))
            ms_assert(f.max_read >= 512 && f.max_read <= 255 << 10 && f.max_write >= 512 &&
                      f.max_write <= 255 << 10);
        (void)!ms_sftp_parse_statvfs(a.rest, &total, &left);
    }
    (void)ms_sftp_status_code(a.status);
    ms_assert(ms_sftp_status_name(a.status));
}

static void put_and_take(struct ms_view text, uint32_t id)
{
    struct ms_sftp_out o;
    ms_sftp_out_begin(&o, MS_FXP_DATA, text.size % 7);
    ms_sftp_put_joined(&o, ms_view(text.data, text.size / 2),
                       ms_view(text.data + text.size / 2, text.size - text.size / 2));
    ms_assert(ms_sftp_out_finish(&o, id));
    struct ms_sftp_in in = ms_sftp_in(ms_view(o.data, o.size));
    ms_assert(ms_sftp_get_u32(&in) == o.size - 4);
    struct ms_sftp_answer a;
    ms_assert(ms_sftp_parse(ms_view(o.data + 4, o.size - 4), &a));
    ms_assert(a.type == MS_FXP_DATA && a.id == id && a.text.size == text.size);
    ms_assert(text.size == 0 || memcmp(a.text.data, text.data, text.size) == 0);
    ms_sftp_out_fini(&o);
}

/* Every name comes back as it went. */
static void write_name(struct ms_view name)
{
    uint8_t there[3 * 4096], back[3 * 4096];
    if (name.size > 4096)
        return;
    size_t n = ms_sftp_encode_name(name, there);
    ms_assert(n <= MS_SFTP_ENCODED(name.size));
    ms_assert(ms_sftp_decode_name(name, back) <= name.size);
    size_t m = ms_sftp_decode_name(ms_view(there, n), back);
    ms_assert(m == name.size && (m == 0 || memcmp(back, name.data, m) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t nothing[1];
    struct ms_view packet = ms_view(size ? data : nothing, size);
    struct ms_sftp_features f;
    take_answer(packet);
    if (ms_sftp_parse_version(packet, &f))
        ms_assert(f.max_read && f.max_write);
    put_and_take(packet, size ? data[0] : 0);
    write_name(packet);
    return 0;
}
