/* The XML reader of S3 answers: what it takes, and that it refuses the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "backends/s3/s3.h"
#include "backends/s3/xml.h"

#include <stdio.h>
#include <stdlib.h>

static int join(void *ctx, const char *path, struct ms_view text, struct ms_error *err)
{
    char *to = ctx;
    (void)err;
    size_t at = strlen(to);
    snprintf(to + at, 1000 - at, "%s=%.*s|", path, (int)text.size, (const char *)text.data);
    return 0;
}

static void reads(const char *xml, const char *wanted)
{
    char got[1000] = "";
    struct ms_error err = {0};
    assert_int_equal(ms_xml_walk(ms_str(xml), join, got, &err), 0);
    assert_string_equal(got, wanted);
}

static void refuses(const char *xml)
{
    char got[1000] = "";
    struct ms_error err = {0};
    if (ms_xml_walk(ms_str(xml), join, got, &err) != MS_ERR_PROTOCOL)
        fail_msg("accepted: %s", xml);
    assert_true(err.text[0]);
}

static void reads_elements(void **state)
{
    (void)state;
    reads("<?xml version=\"1.0\"?>\n<A xmlns='x>y'><B>1</B><n:C/><!-- < --><B a=\"/\">2</B></A>\n",
          "A/B=1|A/C=|A/B=2|A=|");
    reads("<A>&lt;&amp;&#65;&#x20ac;&quot;&apos;&gt;</A>", "A=<&A\xe2\x82\xac\"'>|");
    reads("<A><![CDATA[<&>]]>x</A>", "A=<&>x|");
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "x",
        "<A>",
        "<A></B>",
        "</A>",
        "<A/><B/>",
        "<A>&x;</A>",
        "<A>&#0;</A>",
        "<A>&#xd800;</A>",
        "<A",
        "<A b='></A>",
        "<>x</>",
        "<!DOCTYPE A><A/>",
        "<A>&#99999999999;</A>",
        "<A><![CDATA[x</A>",
        "<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a></"
        "a>"
        "</a></a></a></a></a></a></a>",
        "<html><body>502<br></body></html>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuses(bad[i]);
}

static void escapes(void **state)
{
    (void)state;
    char *text = ms_xml_escape(ms_str("a<b>&\"'\n"));
    assert_string_equal(text, "a&#x3c;b&#x3e;&#x26;&#x22;&#x27;&#xa;");
    free(text);
}

static void reads_faults(void **state)
{
    (void)state;
    struct ms_s3_fault f;
    ms_s3_fault_read(ms_str("<Error><Code>SlowDown</Code><Message>x</Message></Error>"), &f);
    assert_string_equal(f.code, "SlowDown");
    ms_s3_fault_read(ms_str("<html>"), &f);
    assert_string_equal(f.code, "");
    ms_s3_fault_read(ms_str("<Error><Code>a b\n</Code><Region>eu-west-1</Region></Error>"), &f);
    assert_string_equal(f.code, ""); /* nothing with blanks goes into a message */
    assert_string_equal(f.region, "eu-west-1");
}

static void reads_dates(void **state)
{
    (void)state;
    assert_int_equal(ms_s3_http_date(ms_str("9999-01-01T00:00:00Z")), 0); /* no nanoseconds */
    assert_true(ms_s3_http_date(ms_str("Sun, 30 Aug 2015 12:36:00 GMT")) == 1440938160);
    assert_true(ms_s3_http_date(ms_str("2015-08-30T12:36:00.000Z")) == 1440938160);
    assert_true(ms_s3_http_date(ms_str("yesterday")) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_elements), cmocka_unit_test(refuses_what_is_none),
        cmocka_unit_test(escapes),        cmocka_unit_test(reads_faults),
        cmocka_unit_test(reads_dates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
