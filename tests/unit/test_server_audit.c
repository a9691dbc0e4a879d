/* server/audit.c: a line for each request, whatever its names are. */
#include "server/audit.h"

#include "support/check.h"
#include "support/scratch.h"

#include "base/json_read.h"
#include "base/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct log {
    struct scratch scratch;
    char path[128], text[16384];
};

static void read_log(struct log *l)
{
    FILE *f = fopen(l->path, "r");
    assert_non_null(f);
    l->text[fread(l->text, 1, sizeof l->text - 1, f)] = '\0';
    fclose(f);
}

/* What a log says of these lines. */
static const char *written(struct log *l, bool json, const struct server_audit_line *line)
{
    struct server_audit *a = NULL;
    struct ms_error err = {0};
    assert_true(scratch_make(&l->scratch));
    snprintf(l->path, sizeof l->path, "%s/audit", l->scratch.path);
    check_ok(server_audit_new(l->path, json, &a, &err), err);
    server_audit_write(a, line);
    server_audit_free(a);
    read_log(l);
    scratch_remove(&l->scratch);
    return l->text;
}

static const struct server_audit_line plain = {
    .wall_ns = INT64_C(1763701200123456789),
    .peer = "192.0.2.1",
    .user = "alice",
    .store = "nas",
    .method = "POST",
    .name = "/data/x",
    .status = 200,
    .in_bytes = 4096,
    .duration_ns = 1234567,
};

static void a_line_says_who_did_what(void **state)
{
    (void)state;
    struct log l;
    assert_string_equal(written(&l, false, &plain),
                        "2025-11-21T05:00:00.123Z peer=192.0.2.1 user=alice store=nas method=POST "
                        "cmd=- name=/data/x to=- status=200 in=4096 out=0 ms=1.234\n");
    assert_string_equal(written(&l, true, &plain),
                        "{\"time\":\"2025-11-21T05:00:00.123Z\",\"peer\":\"192.0.2.1\",\"user\":"
                        "\"alice\",\"store\":\"nas\",\"method\":\"POST\",\"name\":\"/data/x\","
                        "\"status\":200,\"in\":4096,\"out\":0,\"duration_ns\":1234567}\n");
}

static void hostile_names_forge_nothing(void **state)
{
    (void)state;
    struct log l;
    struct server_audit_line line = plain;
    line.name = "/x\n2025-11-21 user=root status=200 \"\\\x1b[31m\xff";
    line.user = "a b=c";
    line.to = "-";
    const char *text = written(&l, false, &line);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    assert_non_null(strstr(text, " user=a\\x20b\\x3dc "));
    assert_non_null(strstr(text, "name=/x\\x0a2025-11-21\\x20user\\x3droot\\x20status\\x3d200\\x20"
                                 "\\x22\\x5c\\x1b[31m\\xff to=\\x2d status"));
    text = written(&l, true, &line);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    struct ms_json_reader r;
    struct ms_json_token token;
    unsigned keys = 0;
    ms_json_read_init(&r, ms_str(text));
    do {
        assert_int_equal(ms_json_next(&r, &token, NULL), 0);
        keys += token.kind == MS_JSON_KEY;
    } while (token.kind != MS_JSON_DONE);
    assert_int_equal(keys, 11);
    ms_json_read_fini(&r);
}

static void long_names_are_cut(void **state)
{
    (void)state;
    struct log l;
    struct server_audit_line line = plain;
    char name[4000];
    memset(name, '\n', sizeof name);
    name[sizeof name - 1] = '\0';
    line.name = name;
    assert_true(strlen(written(&l, false, &line)) < 1200 * 4 + 300);
    assert_non_null(strstr(l.text, "\\x0a\\... to=-"));
    assert_true(strlen(written(&l, true, &line)) < 1200 * 6 + 300);
}

static int write_some(void *arg, size_t index)
{
    struct server_audit_line line = plain;
    line.status = (int)index;
    for (int i = 0; i < 10; i++)
        server_audit_write(arg, &line);
    return 0;
}

static void lines_of_many_do_not_mix(void **state)
{
    (void)state;
    struct log l;
    struct server_audit *a = NULL, *next = NULL;
    struct ms_error err = {0};
    assert_true(scratch_make(&l.scratch));
    snprintf(l.path, sizeof l.path, "%s/audit", l.scratch.path);
    check_ok(server_audit_new(l.path, false, &a, &err), err);
    check_ok(ms_parallel(8, 8, write_some, a, &err), err);
    check_ok(server_audit_new(l.path, true, &next, &err), err);
    server_audit_replace(a, next);
    server_audit_write(a, &plain);
    server_audit_free(a);
    read_log(&l);
    unsigned lines = 0;
    for (const char *at = l.text; *at; at = strchr(at, '\n') + 1, lines++)
        if (lines < 80)
            assert_memory_equal(at, "2025-11-21T05:00:00.123Z peer=", 30);
        else
            assert_memory_equal(at, "{\"time\":", 8);
    assert_int_equal(lines, 81);
    scratch_remove(&l.scratch);
}

/* ---- a reader of the log that stands still ---- */

#define PAGE 4096

/* Full but for one page: of a longer line a page gets in, and its writer waits. */
static int nearly_full(const char *path, int *capacity)
{
    char page[PAGE] = {0};
    assert_int_equal(mkfifo(path, 0600), 0);
    int pipe = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    assert_true(pipe >= 0);
    for (*capacity = 0; write(pipe, page, PAGE) == PAGE; *capacity += PAGE)
        ;
    assert_true(*capacity >= 2 * PAGE);
    assert_int_equal(read(pipe, page, PAGE), PAGE);
    return pipe;
}

static void wait_until_full(int pipe, int capacity)
{
    int there = 0;
    for (int i = 0; there < capacity && i < 10000; i++) {
        assert_int_equal(ioctl(pipe, FIONREAD, &there), 0);
        usleep(1000);
    }
    assert_int_equal(there, capacity);
}

struct reload {
    struct server_audit *audit, *next;
    bool done; /* atomic */
};

static void *write_long(void *arg)
{
    char name[1201];
    struct server_audit_line line = plain;
    memset(name, '\n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    line.name = line.to = name;
    server_audit_write(arg, &line);
    return NULL;
}

static void *replace_and_write(void *arg)
{
    struct reload *r = arg;
    server_audit_replace(r->audit, r->next);
    server_audit_write(r->audit, &plain);
    __atomic_store_n(&r->done, true, __ATOMIC_RELEASE);
    return NULL;
}

static void drain_until_joined(int pipe, pthread_t writer)
{
    char page[PAGE];
    while (pthread_tryjoin_np(writer, NULL))
        if (read(pipe, page, PAGE) < 0)
            usleep(1000);
}

static void a_reader_that_stands_still_holds_up_no_reload(void **state)
{
    (void)state;
    struct log l;
    struct reload r = {0};
    struct ms_error err = {0};
    pthread_t writer, reloader;
    char fifo[128];
    int capacity;
    assert_true(scratch_make(&l.scratch));
    snprintf(l.path, sizeof l.path, "%s/audit", l.scratch.path);
    snprintf(fifo, sizeof fifo, "%s/fifo", l.scratch.path);
    int pipe = nearly_full(fifo, &capacity);
    check_ok(server_audit_new(fifo, true, &r.audit, &err), err);
    check_ok(server_audit_new(l.path, false, &r.next, &err), err);
    assert_int_equal(pthread_create(&writer, NULL, write_long, r.audit), 0);
    wait_until_full(pipe, capacity);
    assert_int_equal(pthread_create(&reloader, NULL, replace_and_write, &r), 0);
    for (int i = 0; !__atomic_load_n(&r.done, __ATOMIC_ACQUIRE) && i < 10000; i++)
        usleep(1000);
    bool in_time = __atomic_load_n(&r.done, __ATOMIC_ACQUIRE);
    assert_int_equal(pthread_tryjoin_np(writer, NULL), EBUSY);
    drain_until_joined(pipe, writer);
    assert_int_equal(pthread_join(reloader, NULL), 0);
    assert_true(in_time);
    server_audit_free(r.audit);
    read_log(&l);
    assert_memory_equal(l.text, "2025-11-21T05:00:00.123Z peer=", 30);
    assert_ptr_equal(strchr(l.text, '\n'), l.text + strlen(l.text) - 1);
    close(pipe);
    scratch_remove(&l.scratch);
}

static void none_is_none_and_a_folder_is_refused(void **state)
{
    (void)state;
    struct server_audit *a = NULL;
    struct ms_error err = {0};
    check_ok(server_audit_new("none", false, &a, &err), err);
    server_audit_write(a, &plain);
    server_audit_free(a);
    assert_int_not_equal(server_audit_new("/", false, &a, &err), 0);
    check_text(err, "open the audit log /");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_who_did_what),
        cmocka_unit_test(hostile_names_forge_nothing),
        cmocka_unit_test(long_names_are_cut),
        cmocka_unit_test(lines_of_many_do_not_mix),
        cmocka_unit_test(a_reader_that_stands_still_holds_up_no_reload),
        cmocka_unit_test(none_is_none_and_a_folder_is_refused),
    };
    return cmocka_run_group_tests_name("server audit", tests, NULL, NULL);
}
