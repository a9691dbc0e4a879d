/* server/served.c, server/served_store.c, server/setup.c: which store a path means, what a reload
 * keeps and swaps. */
#include "server/audit.h"
#include "server/auth.h"
#include "server/served.h"
#include "server/setup.h"

#include "support/check.h"
#include "support/files.h"
#include "support/scratch.h"

#include "base/pool.h"
#include "store/permission_map.h"

#include <stdatomic.h>

#define SALT "AAAAAAAAAAAAAAAAAAAAAA"
#define HASH "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

struct place {
    struct scratch scratch;
    char config[128], users[128], audit[128];
};

static void place_make(struct place *p)
{
    assert_true(scratch_make(&p->scratch));
    snprintf(p->config, sizeof p->config, "%s/config", p->scratch.path);
    snprintf(p->users, sizeof p->users, "%s/users", p->scratch.path);
    snprintf(p->audit, sizeof p->audit, "%s/audit", p->scratch.path);
    write_file(p->users, "alice:$token$" HASH "\nbob:$scrypt$ln=4,r=8,p=1$" SALT "$" HASH "\n",
               0600);
}

/* @U and @A in the text stand for the users' file and the audit log. */
static void configure(const struct place *p, const char *text)
{
    char whole[4096];
    size_t used = 0;
    for (; *text; text++) {
        const char *path = strncmp(text, "@U", 2) == 0   ? p->users
                           : strncmp(text, "@A", 2) == 0 ? p->audit
                                                         : NULL;
        used += (size_t)snprintf(whole + used, sizeof whole - used, "%.*s", path ? 200 : 1,
                                 path ? path : text);
        text += path != NULL;
    }
    write_file(p->config, whole, 0600);
}

static atomic_int begun, ended;

static int begin_face(struct server_served *s, struct ms_error *err)
{
    if (strcmp(s->name, "broken") == 0)
        return ms_error_set(err, MS_ERR_IO, "it does not begin");
    begun++;
    s->face = &begun;
    return 0;
}

static void end_face(struct server_served *s)
{
    assert_ptr_equal(s->face, &begun);
    ended++;
}

static const struct server_faces faces = {begin_face, end_face};

static int make_site(const struct place *p, const char *text, struct server_site *old,
                     struct server_site **out, struct ms_error *err)
{
    struct server_conf *conf = NULL;
    struct serve_options o = {.config = p->config};
    configure(p, text);
    int code = server_setup_conf(&o, &conf, err);
    return code ? code : server_site_new(conf, old, &faces, out, err);
}

static struct server_site *site_of(const struct place *p, const char *text)
{
    struct server_site *site = NULL;
    struct ms_error err = {0};
    check_ok(make_site(p, text, NULL, &site, &err), err);
    return site;
}

/* ---- paths ---- */

static void the_longest_path_of_whole_parts_wins(void **state)
{
    (void)state;
    struct place p;
    place_make(&p);
    struct server_site *site = site_of(&p, "[serve root]\nstore = memory:\npath = /\n"
                                           "[serve a]\nstore = memory:\n"
                                           "[serve ab]\nstore = memory:\npath = /a/b\n");
    static const struct {
        const char *path, *store, *rest;
    } wanted[] = {
        {"/", "root", "/"},       {"//", "root", "//"},
        {"/x/a", "root", "/x/a"}, {"/a", "a", ""},
        {"/a/", "a", "/"},        {"/a//", "a", "//"},
        {"/ab", "root", "/ab"},   {"/a/bc", "a", "/bc"},
        {"/a/b", "ab", ""},       {"/a/b/data/x", "ab", "/data/x"},
        {"///a/b/c", "ab", "/c"}, {"/a//b", "a", "//b"},
        {"/A", "root", "/A"},     {"/%61", "root", "/%61"},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const char *rest = NULL;
        const struct server_served *s = server_site_find(site, wanted[i].path, &rest);
        assert_non_null(s);
        if (strcmp(s->name, wanted[i].store) != 0 || strcmp(rest, wanted[i].rest) != 0)
            fail_msg("%s: %s, %s", wanted[i].path, s->name, rest);
    }
    server_site_unref(site);
    site = site_of(&p, "[serve a]\nstore = memory:\n");
    const char *rest;
    assert_null(server_site_find(site, "/b", &rest));
    assert_null(server_site_find(site, "/", &rest));
    server_site_unref(site);
    scratch_remove(&p.scratch);
}

/* ---- users ---- */

static void each_store_has_its_users(void **state)
{
    (void)state;
    struct place p;
    place_make(&p);
    struct server_site *site = site_of(&p, "[server]\nusers = @U\nmanagers = bob\n"
                                           "[serve all]\nstore = memory:\n"
                                           "[serve hers]\nstore = memory:\nuser = alice\n"
                                           "[serve open]\nstore = memory:\nuser = anyone\n");
    const struct server_served *all = server_site_at(site, 0), *hers = server_site_at(site, 1),
                               *open = server_site_at(site, 2);
    assert_null(server_site_at(site, 3));
    assert_true(server_served_admits(all, "alice") && server_served_admits(all, "bob"));
    assert_false(server_served_admits(all, ""));
    assert_true(server_served_admits(hers, "alice"));
    assert_false(server_served_admits(hers, "bob") || server_served_admits(hers, ""));
    assert_true(open->anyone && server_served_admits(open, ""));
    assert_true(server_site_manages(site, "bob"));
    assert_false(server_site_manages(site, "alice") || server_site_manages(site, ""));
    server_site_unref(site);
    site = site_of(&p, "[serve a]\nstore = memory:\n");
    assert_true(server_site_at(site, 0)->anyone); /* there are no users */
    assert_null(server_site_users(site));
    server_site_unref(site);
    scratch_remove(&p.scratch);
}

static void what_is_not_there_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } bad[] = {
        {"[server]\nusers = @U\n[serve a]\nstore = memory:\nuser = alice eve\n",
         "[serve a]: there is no user \"eve\" in "},
        {"[server]\nusers = @U\nmanagers = eve\n[serve a]\nstore = memory:\n",
         "managers: there is no user \"eve\""},
        {"[server]\nusers = /nowhere/users\n[serve a]\nstore = memory:\n", "/nowhere/users"},
        {"[serve a]\nstore = nas\n", "[serve a]: "},
        {"[serve a]\nstore = /nowhere/home.conf\n", "[serve a]: "},
        {"[serve broken]\nstore = memory:\n", "it does not begin"},
    };
    struct place p;
    place_make(&p);
    int before = begun - ended;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct server_site *site = NULL;
        struct ms_error err = {0};
        if (make_site(&p, bad[i].text, NULL, &site, &err) == 0)
            fail_msg("%s is taken", bad[i].text);
        assert_int_not_equal(err.code, MS_ERR_NOT_FOUND);
        check_text(err, bad[i].sentence);
        assert_null(site);
    }
    assert_int_equal(begun - ended, before);
    scratch_remove(&p.scratch);
}

/* ---- stores ---- */

static void a_store_is_made_as_it_is_configured(void **state)
{
    (void)state;
    struct place p;
    struct ms_error err = {0};
    place_make(&p);
    struct server_site *site =
        site_of(&p, "[store m]\nurl = memory:\nquota = 1GiB\npermissions = data:lr\n"
                    "[serve a]\nstore = m\n"
                    "[serve b]\nstore = m\nquota = 2GiB\npermissions = {\"x\": \"lrw\"}\n"
                    "[serve c]\nstore = sftp://me:hunter2@host/x\n");
    const struct server_served *a = server_site_at(site, 0), *b = server_site_at(site, 1);
    assert_int_equal(a->quota_bytes, 1 << 30);
    assert_string_equal(a->permissions, "data:lr");
    assert_int_equal(ms_permission_map_find(a->map, ms_str("data/x"))->granted,
                     MS_MAY_LIST | MS_MAY_READ);
    assert_int_equal(b->quota_bytes, UINT64_C(2) << 30);
    assert_null(ms_permission_map_find(b->map, ms_str("data")));
    assert_null(strstr(server_site_at(site, 2)->shown, "hunter2"));
    struct ms_store *store = NULL;
    struct ms_backend *backend = NULL;
    check_ok(server_served_store(a, &store, &err), err);
    check_ok(server_served_backend(a, &backend, &err), err);
    check_ok(ms_store_create(store, &err), err);
    ms_store_free(store);
    ms_backend_free(backend);
    server_site_unref(site);
    scratch_remove(&p.scratch);
}

/* ---- reloading ---- */

#define TWO "[serve a]\nstore = memory:\n[serve b]\nstore = memory:\n"

static void what_is_served_alike_is_kept(void **state)
{
    (void)state;
    struct place p;
    struct ms_error err = {0};
    place_make(&p);
    begun = ended = 0;
    struct server_site *first = site_of(&p, TWO), *second = NULL;
    struct server_served *a = server_site_at(first, 0), *b = server_site_at(first, 1);
    check_ok(make_site(&p,
                       "[serve c]\nstore = memory:\n[serve b]\nstore = memory:\nquota = 1k\n"
                       "[serve a]\nstore = memory:\n",
                       first, &second, &err),
             err);
    assert_ptr_equal(server_site_at(second, 2), a);
    assert_ptr_not_equal(server_site_at(second, 1), b); /* another quota */
    assert_int_equal(begun, 4);
    server_site_unref(first);
    assert_int_equal(ended, 1); /* b as it was */
    server_site_unref(second);
    assert_int_equal(ended, 4);
    scratch_remove(&p.scratch);
}

struct reloaded {
    int renewed, followed;
    bool broken;
};

static int renew(void *ctx, const struct server_conf *conf, struct ms_error *err)
{
    struct reloaded *r = ctx;
    assert_non_null(conf);
    r->renewed++;
    return r->broken ? ms_error_set(err, MS_ERR_CONFIG, "no such certificate") : 0;
}

static void followed(void *ctx, struct server_site *site)
{
    assert_non_null(site);
    ((struct reloaded *)ctx)->followed++;
}

struct reload_rig {
    struct place place;
    struct serve_options options;
    struct reloaded seen;
    struct server_reloading r;
};

static void reload_rig_make(struct reload_rig *rig)
{
    struct ms_error err = {0};
    place_make(&rig->place);
    rig->options = (struct serve_options){.config = rig->place.config};
    rig->seen = (struct reloaded){0};
    rig->r = (struct server_reloading){.options = &rig->options,
                                       .faces = &faces,
                                       .renew = renew,
                                       .followed = followed,
                                       .ctx = &rig->seen};
    check_ok(server_sites_new(site_of(&rig->place, TWO), &rig->r.sites, &err), err);
    check_ok(server_audit_new(rig->place.audit, false, &rig->r.audit, &err), err);
}

static void reload_rig_fini(struct reload_rig *rig)
{
    server_sites_free(rig->r.sites);
    server_audit_free(rig->r.audit);
    scratch_remove(&rig->place.scratch);
}

static void a_reload_takes_all_or_nothing(void **state)
{
    (void)state;
    struct reload_rig rig;
    struct ms_error err = {0};
    char moved[200];
    reload_rig_make(&rig);
    struct server_site *before = server_sites_now(rig.r.sites);

    configure(&rig.place, "[serve a]\nstore = memory:\ncolour = red\n");
    check_code(server_reload(&rig.r, &err), MS_ERR_CONFIG, err);
    check_text(err, "config:3: [serve] has no key \"colour\"");
    configure(&rig.place, "[server]\naudit-log = /nowhere/audit\n" TWO);
    assert_int_not_equal(server_reload(&rig.r, &err), 0);
    check_text(err, "open the audit log /nowhere/audit");
    assert_int_equal(rig.seen.renewed, 0);
    configure(&rig.place, "[server]\naudit-log = @A\n" TWO);
    rig.seen.broken = true;
    check_code(server_reload(&rig.r, &err), MS_ERR_CONFIG, err);
    struct server_site *still = server_sites_now(rig.r.sites);
    assert_ptr_equal(still, before);
    server_site_unref(still);
    assert_int_equal(rig.seen.followed, 0);

    rig.seen.broken = false;
    snprintf(moved, sizeof moved, "%s.1", rig.place.audit);
    assert_int_equal(rename(rig.place.audit, moved), 0);
    check_ok(server_reload(&rig.r, &err), err);
    assert_int_equal(rig.seen.followed, 1);
    struct server_site *after = server_sites_now(rig.r.sites);
    assert_ptr_not_equal(after, before);
    assert_string_equal(server_site_at(before, 0)->name, "a"); /* a request still has it */
    server_audit_write(rig.r.audit, &(struct server_audit_line){.status = 200});
    struct stat st;
    assert_int_equal(stat(rig.place.audit, &st), 0); /* opened anew */
    assert_true(st.st_size > 0);
    server_site_unref(before);
    server_site_unref(after);
    reload_rig_fini(&rig);
}

static int ask_and_reload(void *arg, size_t index)
{
    struct reload_rig *rig = arg;
    const char *rest;
    for (int i = 0; i < 300; i++) {
        if (index == 0 && i % 10 == 0)
            (void)!server_reload(&rig->r, NULL);
        struct server_site *site = server_sites_now(rig->r.sites);
        const struct server_served *s = server_site_find(site, "/b/x", &rest);
        bool ok = s && s->face == &begun && strcmp(rest, "/x") == 0;
        server_site_unref(site);
        if (!ok)
            return MS_ERR_CORRUPT;
    }
    return 0;
}

static void requests_go_on_while_all_is_reloaded(void **state)
{
    (void)state;
    struct reload_rig rig;
    struct ms_error err = {0};
    reload_rig_make(&rig);
    begun = ended = 0;
    check_ok(ms_parallel(6, 6, ask_and_reload, &rig, &err), err);
    reload_rig_fini(&rig);
}

/* ---- the command line ---- */

static void the_command_line_means_the_same(void **state)
{
    (void)state;
    struct server_conf *conf = NULL;
    struct ms_error err = {0};
    struct place p;
    place_make(&p);
    configure(&p, "[store m]\nurl = memory:\n");
    struct serve_setting settings[] = {{"server", "listen", "127.0.0.1:0"},
                                       {"serve", "permissions", "borgbackup-read-only"},
                                       {"serve", "quota", "1GiB"},
                                       {"server", "user", "solo"}};
    struct serve_options o = {
        .config = p.config, .store = "m", .settings = settings, .setting_count = 4};
    unsetenv("MSTORE_SERVE_PASSWORD");
    check_code(server_setup_conf(&o, &conf, &err), MS_ERR_INVALID, err);
    assert_string_equal(err.text, "the command line: the user lacks a password file");
    setenv("MSTORE_SERVE_PASSWORD", "secret", 1);
    check_ok(server_setup_conf(&o, &conf, &err), err);
    assert_string_equal(conf->serves[0].path, "");
    assert_int_equal(conf->serves[0].quota_bytes, 1 << 30);
    struct server_site *site = NULL;
    check_ok(server_site_new(conf, NULL, &faces, &site, &err), err);
    assert_string_equal(server_users_find(server_site_users(site), ms_str("solo")), "solo");
    assert_false(server_site_at(site, 0)->anyone);
    server_site_unref(site);
    settings[2].value = "much";
    check_code(server_setup_conf(&o, &conf, &err), MS_ERR_INVALID, err);
    unsetenv("MSTORE_SERVE_PASSWORD");
    scratch_remove(&p.scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_path_of_whole_parts_wins),
        cmocka_unit_test(each_store_has_its_users),
        cmocka_unit_test(what_is_not_there_is_named),
        cmocka_unit_test(a_store_is_made_as_it_is_configured),
        cmocka_unit_test(what_is_served_alike_is_kept),
        cmocka_unit_test(a_reload_takes_all_or_nothing),
        cmocka_unit_test(requests_go_on_while_all_is_reloaded),
        cmocka_unit_test(the_command_line_means_the_same),
    };
    return cmocka_run_group_tests_name("server sites", tests, NULL, NULL);
}
