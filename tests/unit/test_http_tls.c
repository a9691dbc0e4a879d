/* TLS as the drivers of HTTP use it, against a server with real certificates made here: whom they
 * trust, what they say when they do not, and that they do not ask again then. */
#include "support/check.h"
#include "support/scratch.h"

#include <mstore/mstore.h>

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define DAY 86400L

/* ---- certificates ---- */

static void add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

/* Signed by itself: whoever trusts it as an authority trusts it as a server. */
static X509 *make_certificate(EVP_PKEY *key, const char *names, long from_s, long until_s)
{
    static long serial = 1;
    X509 *x = X509_new();
    assert_non_null(x);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), from_s));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), until_s));
    X509_set_pubkey(x, key);
    X509_NAME *subject = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"mstore test",
                               -1, -1, 0);
    X509_set_issuer_name(x, subject);
    add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(x, NID_subject_alt_name, names);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    return x;
}

/* ---- the server ---- */

struct rig {
    struct scratch folder;
    SSL_CTX *tls; /* NULL: it speaks without */
    EVP_PKEY *key;
    int listener, port;
    atomic_uint connections, requests;
    pthread_t thread;
    struct ms_clock *clock;
    struct ms_backend *b;
    struct ms_error err;
};

/* A BorgStore's root, and an S3 bucket with nothing in it. */
static const char answer_text[] =
    "HTTP/1.1 200 OK\r\nX-BorgStore-Is-Directory: true\r\nX-BorgStore-Atime: 1.0\r\n"
    "Connection: close\r\nContent-Type: application/xml\r\nContent-Length: 206\r\n\r\n";
static const char listing_text[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/"
    "doc/2006-03-01/\"><IsTruncated>false</IsTruncated><Contents><Key>path/</Key><Size>0</Size></"
    "Contents></ListBucketResult>";

static void serve(struct rig *rig, int fd)
{
    char bytes[16384];
    size_t size = 0, got = 0;
    if (!rig->tls) {
        static const char greeting[] = "220 mail.example ESMTP\r\n";
        (void)!write(fd, greeting, sizeof greeting - 1);
        (void)!read(fd, bytes, sizeof bytes);
        return;
    }
    SSL *s = SSL_new(rig->tls);
    SSL_set_fd(s, fd);
    bool asked = false;
    if (SSL_accept(s) == 1)
        while (!asked && SSL_read_ex(s, bytes + size, sizeof bytes - 1 - size, &got)) {
            size += got;
            bytes[size] = 0;
            asked = strstr(bytes, "\r\n\r\n") != NULL;
        }
    if (size)
        atomic_fetch_add(&rig->requests, 1); /* a client asked: it trusts */
    if (asked && SSL_write(s, answer_text, sizeof answer_text - 1) > 0 &&
        strncmp(bytes, "HEAD ", 5) != 0)
        (void)SSL_write(s, listing_text, sizeof listing_text - 1);
    (void)SSL_shutdown(s);
    SSL_free(s);
}

static void *accept_all(void *arg)
{
    struct rig *rig = arg;
    for (int fd; (fd = accept(rig->listener, NULL, NULL)) >= 0;) {
        atomic_fetch_add(&rig->connections, 1);
        serve(rig, fd);
        close(fd);
    }
    return NULL;
}

static const char *certificate_path(const struct rig *rig)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/certificate.pem", rig->folder.path);
    return path;
}

static void make_tls(struct rig *rig, const char *names, long from_s, long until_s)
{
    rig->key = EVP_EC_gen("P-256");
    assert_non_null(rig->key);
    X509 *x = make_certificate(rig->key, names, from_s, until_s);
    FILE *file = fopen(certificate_path(rig), "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, x), 1);
    fclose(file);
    rig->tls = SSL_CTX_new(TLS_server_method());
    assert_non_null(rig->tls);
    assert_int_equal(SSL_CTX_use_certificate(rig->tls, x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(rig->tls, rig->key), 1);
    X509_free(x);
}

/* names: of the certificate, NULL: a server without TLS. */
static void rig_start(struct rig *rig, const char *names, long from_s, long until_s)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    *rig = (struct rig){.clock = ms_clock_virtual_new(0)};
    assert_true(scratch_make(&rig->folder));
    if (names)
        make_tls(rig, names, from_s, until_s);
    rig->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(rig->listener, (struct sockaddr *)&own, size), 0);
    assert_int_equal(listen(rig->listener, 16), 0);
    assert_int_equal(getsockname(rig->listener, (struct sockaddr *)&own, &size), 0);
    rig->port = ntohs(own.sin_port);
    assert_int_equal(pthread_create(&rig->thread, NULL, accept_all, rig), 0);
}

static void rig_stop(struct rig *rig)
{
    ms_backend_free(rig->b); /* closes its connections */
    shutdown(rig->listener, SHUT_RDWR);
    pthread_join(rig->thread, NULL);
    close(rig->listener);
    SSL_CTX_free(rig->tls);
    EVP_PKEY_free(rig->key);
    ms_clock_free(rig->clock);
    scratch_remove(&rig->folder);
}

enum kind { REST, S3, KINDS };

/* Asks the server something; The code of what it says. */
static int ask(struct rig *rig, enum kind kind, const char *host, const char *options)
{
    char url[1024];
    struct ms_backend_env env = {.clock = rig->clock, .seed = 1};
    if (kind == REST)
        snprintf(url, sizeof url, "https://%s:%d/?%s", host, rig->port, options);
    else
        snprintf(url, sizeof url, "s3:KEY:HUNTER2@https://%s:%d/bucket/path?region=us-east-1&%s",
                 host, rig->port, options);
    ms_backend_free(rig->b);
    rig->b = NULL;
    atomic_store(&rig->connections, 0);
    atomic_store(&rig->requests, 0);
    rig->err = (struct ms_error){0};
    int code = ms_backend_make(url, &env, &rig->b, &rig->err);
    return code ? code : ms_backend_open(rig->b, &rig->err);
}

static const char *ca(const struct rig *rig)
{
    static char text[300];
    snprintf(text, sizeof text, "ca=%s", certificate_path(rig));
    return text;
}

/* One sentence, one connection, nothing told to the server. */
static void refused(struct rig *rig, enum kind kind, const char *host, const char *options,
                    const char *words)
{
    check_code(ask(rig, kind, host, options), MS_ERR_UNTRUSTED, rig->err);
    check_text(rig->err, words);
    assert_null(strstr(rig->err.text, "HUNTER2"));
    assert_null(strchr(rig->err.text, '\n'));
    assert_int_equal(atomic_load(&rig->connections), 1);
    assert_int_equal(atomic_load(&rig->requests), 0);
    assert_int_not_equal(ms_code_class(rig->err.code), MS_CLASS_TRANSIENT);
}

static void accepted(struct rig *rig, enum kind kind, const char *host, const char *options)
{
    check_ok(ask(rig, kind, host, options), rig->err);
    assert_true(atomic_load(&rig->requests) > 0);
}

/* ---- the promises ---- */

static void a_certificate_nobody_signed_is_refused_unless_named(void **state)
{
    (void)state;
    for (enum kind kind = REST; kind < KINDS; kind++) {
        struct rig rig;
        rig_start(&rig, "DNS:localhost,IP:127.0.0.1", -DAY, DAY);
        refused(&rig, kind, "localhost", "", "is not trusted");
        check_text(rig.err, "?ca=FILE");
        accepted(&rig, kind, "localhost", ca(&rig));
        accepted(&rig, kind, "127.0.0.1", ca(&rig));
        rig_stop(&rig);
    }
}

static void s3_takes_its_authorities_from_the_environment(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, "DNS:localhost", -DAY, DAY);
    setenv("AWS_CA_BUNDLE", certificate_path(&rig), 1);
    accepted(&rig, S3, "localhost", "");
    refused(&rig, REST, "localhost", "", "is not trusted"); /* no business of Amazon's */
    setenv("AWS_CA_BUNDLE", "", 1);
    refused(&rig, S3, "localhost", "", "is not trusted");
    setenv("AWS_CA_BUNDLE", "/nonexistent/bundle.pem", 1);
    check_code(ask(&rig, S3, "localhost", ""), MS_ERR_CONFIG, rig.err);
    check_text(rig.err, "/nonexistent/bundle.pem");
    unsetenv("AWS_CA_BUNDLE");
    rig_stop(&rig);
}

static void a_certificate_of_another_host_is_refused(void **state)
{
    (void)state;
    for (enum kind kind = REST; kind < KINDS; kind++) {
        struct rig rig;
        rig_start(&rig, "DNS:other.example", -DAY, DAY);
        refused(&rig, kind, "localhost", ca(&rig), "is for another host");
        refused(&rig, kind, "127.0.0.1", ca(&rig), "is for another host");
        rig_stop(&rig);
    }
}

static void a_certificate_out_of_its_time_is_refused(void **state)
{
    (void)state;
    for (enum kind kind = REST; kind < KINDS; kind++) {
        struct rig rig;
        rig_start(&rig, "DNS:localhost", -3 * DAY, -DAY);
        refused(&rig, kind, "localhost", ca(&rig), "has expired");
        rig_stop(&rig);
        rig_start(&rig, "DNS:localhost", DAY, 3 * DAY);
        refused(&rig, kind, "localhost", ca(&rig), "is not valid yet");
        rig_stop(&rig);
    }
}

static unsigned warnings;

static void count_warnings(void *ctx, enum ms_log_level level, const char *line)
{
    (void)ctx;
    warnings += level == MS_LOG_WARN && strstr(line, "TLS is not verified") != NULL;
    assert_null(strstr(line, "HUNTER2"));
}

static void insecure_takes_any_certificate_and_warns(void **state)
{
    (void)state;
    ms_log_to(count_warnings, NULL, MS_LOG_WARN);
    for (enum kind kind = REST; kind < KINDS; kind++) {
        struct rig rig;
        rig_start(&rig, "DNS:other.example", -3 * DAY, -DAY);
        warnings = 0;
        accepted(&rig, kind, "localhost", "insecure=1");
        assert_int_equal(warnings, 1);
        refused(&rig, kind, "localhost", "insecure=0", "is not trusted");
        assert_int_equal(warnings, 1);
        rig_stop(&rig);
    }
    ms_log_to(NULL, NULL, MS_LOG_ERROR);
}

static void a_file_of_authorities_that_is_none_is_named(void **state)
{
    (void)state;
    for (enum kind kind = REST; kind < KINDS; kind++) {
        struct rig rig;
        rig_start(&rig, "DNS:localhost", -DAY, DAY);
        check_code(ask(&rig, kind, "localhost", "ca=/nonexistent/ca.pem"), MS_ERR_CONFIG, rig.err);
        check_text(rig.err, "/nonexistent/ca.pem");
        check_code(ask(&rig, kind, "localhost", "ca=/dev/null"), MS_ERR_CONFIG, rig.err);
        check_text(rig.err, "/dev/null");
        assert_int_equal(atomic_load(&rig.requests), 0);
        rig_stop(&rig);
    }
}

static void a_server_without_tls_speaks_something_else(void **state)
{
    (void)state;
    for (enum kind kind = REST; kind < KINDS; kind++) {
        struct rig rig;
        rig_start(&rig, NULL, 0, 0);
        check_code(ask(&rig, kind, "localhost", ""), MS_ERR_PROTOCOL, rig.err);
        check_text(rig.err, "speaks something else: no TLS there");
        assert_int_equal(atomic_load(&rig.connections), 1);
        rig_stop(&rig);
    }
}

static int ignore_pipes(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN); /* the server's */
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_nobody_signed_is_refused_unless_named),
        cmocka_unit_test(s3_takes_its_authorities_from_the_environment),
        cmocka_unit_test(a_certificate_of_another_host_is_refused),
        cmocka_unit_test(a_certificate_out_of_its_time_is_refused),
        cmocka_unit_test(insecure_takes_any_certificate_and_warns),
        cmocka_unit_test(a_file_of_authorities_that_is_none_is_named),
        cmocka_unit_test(a_server_without_tls_speaks_something_else),
    };
    return cmocka_run_group_tests(tests, ignore_pipes, NULL);
}
