/* plan: what a store of many will store, bear and cost, from its file alone. */
#include "tools/mstore/cli.h"

#include "base/text.h"
#include "mstore/conf.h"
#include "mstore/layout_parts.h"
#include "mstore/plan.h"
#include "tools/mstore/output.h"

#include <stdio.h>
#include <stdlib.h>

static int price(const struct ms_cli *cli, const char *option, double *out, struct ms_error *err)
{
    const char *text = ms_args_value(&cli->args, option);
    char *end;
    if (!text)
        return 0;
    *out = strtod(text, &end);
    if (*text < '0' || *text > '9' || *end || !(*out >= 0 && *out < 1e9))
        return ms_error_set(err, MS_CLI_USAGE,
                            "%s %s: a price of 1000 requests is a number, such "
                            "as 0.005",
                            option, MS_SHOW(ms_str(text)));
    return 0;
}

static int read_options(const struct ms_cli *cli, struct ms_plan_options *o, struct ms_error *err)
{
    const char *rate = ms_args_value(&cli->args, "--failure-rate");
    const char *repair = ms_args_value(&cli->args, "--repair-time");
    int code = rate ? ms_parse_rate(rate, "--failure-rate", &o->yearly_failure, err) : 0;
    if (!code && repair)
        code = ms_parse_duration(repair, "--repair-time", &o->repair_ns, err);
    if (!code)
        code = ms_args_size(&cli->args, "--value-size", &o->value_bytes, err);
    if (!code)
        code = price(cli, "--write-price", &o->price_write, err);
    if (!code)
        code = price(cli, "--read-price", &o->price_read, err);
    return code;
}

/* ---- text ---- */

static void print_requests(const char *what, const struct ms_plan_requests *r)
{
    printf("  %s: %u puts", what, r->puts);
    printf(", %u listings, %u gets, %u deletions", r->lists, r->gets, r->deletes);
    if (r->price > 0)
        printf("; a million for %.2f", r->price);
    printf("\n");
}

static void print_space(const struct ms_plan_space *p)
{
    char redundancy[MS_REDUNDANCY_TEXT];
    printf("\nnamespace %s: %s, %s\n", p->space->name[0] ? p->space->name : "(others)",
           ms_layout_kinds[p->space->kind], ms_redundancy_format(p->space, redundancy));
    printf("  stored: %.2f bytes for a byte, on %u members, of which %u may be lost\n", p->overhead,
           p->members, p->tolerates);
    printf("  a value is lost within a year with a chance of %.2g (%.1f nines), any with %.2g "
           "(%.1f nines)\n",
           p->loss_per_year, p->nines, p->any_per_year, p->any_nines);
    print_requests("put", &p->put);
    print_requests("get", &p->get);
}

static void print_head(const struct ms_plan_options *o)
{
    char repair[32], size[32];
    printf("members: %.3g %% of them fail in a year, independently; replaced and filled within %s; "
           "values of %s\n",
           100 * o->yearly_failure, ms_format_duration(repair, sizeof repair, o->repair_ns),
           ms_format_size(size, sizeof size, o->value_bytes));
}

static void print_note(void *ctx, const char *sentence)
{
    (void)ctx;
    printf("\nnote: %s\n", sentence);
}

/* ---- JSON ---- */

static void number(struct ms_json *j, const char *key, double value)
{
    ms_json_key(j, key);
    ms_json_double(j, value);
}

static void json_requests(struct ms_json *j, const char *key, const struct ms_plan_requests *r)
{
    ms_json_key(j, key);
    ms_json_object(j);
    ms_json_put_u64(j, "puts", r->puts);
    ms_json_put_u64(j, "lists", r->lists);
    ms_json_put_u64(j, "gets", r->gets);
    ms_json_put_u64(j, "deletes", r->deletes);
    number(j, "price_of_million", r->price);
    ms_json_end(j, '}');
}

static void json_space(struct ms_json *j, const struct ms_plan_space *p)
{
    char redundancy[MS_REDUNDANCY_TEXT];
    ms_json_object(j);
    ms_json_put_text(j, "name", p->space->name);
    ms_json_put_text(j, "kind", ms_layout_kinds[p->space->kind]);
    ms_json_put_text(j, "redundancy", ms_redundancy_format(p->space, redundancy));
    ms_json_put_u64(j, "members", p->members);
    ms_json_put_u64(j, "tolerates", p->tolerates);
    number(j, "overhead", p->overhead);
    number(j, "loss_years", p->loss_years);
    number(j, "loss_per_year", p->loss_per_year);
    number(j, "nines", p->nines);
    number(j, "any_loss_per_year", p->any_per_year);
    number(j, "any_nines", p->any_nines);
    json_requests(j, "put", &p->put);
    json_requests(j, "get", &p->get);
    ms_json_end(j, '}');
}

static void json_head(struct ms_json *j, const struct ms_plan_options *o)
{
    number(j, "failure_rate", o->yearly_failure);
    ms_json_put_u64(j, "repair_ns", o->repair_ns);
    ms_json_put_u64(j, "value_bytes", o->value_bytes);
    ms_json_key(j, "namespaces");
    ms_json_array(j);
}

static void json_note(void *ctx, const char *sentence)
{
    ms_json_text(ctx, sentence);
}

/* ---- the command ---- */

static int show(const struct ms_cli *cli, const struct ms_layout *l,
                const struct ms_plan_options *o, struct ms_error *err)
{
    struct ms_json j;
    struct ms_plan_space plan;
    int code = 0;
    if (cli->json) {
        ms_out_json(&j);
        ms_json_object(&j);
        json_head(&j, o);
    } else {
        print_head(o);
    }
    for (size_t i = 0; i < l->space_count && !code; i++) {
        code = ms_plan_space(l, &l->spaces[i], o, &plan, err);
        if (!code && cli->json)
            json_space(&j, &plan);
        else if (!code)
            print_space(&plan);
    }
    if (code)
        return code;
    if (!cli->json) {
        ms_layout_notes(l, print_note, NULL);
        return 0;
    }
    ms_json_end(&j, ']');
    ms_json_key(&j, "notes");
    ms_json_array(&j);
    ms_layout_notes(l, json_note, &j);
    ms_json_end(&j, ']');
    ms_json_end(&j, '}');
    return 0;
}

/* Wrong options, and what this build cannot write, are told before anything is printed. */
static int try_out(const struct ms_mconf *conf, const char *path, const struct ms_plan_options *o,
                   struct ms_error *err)
{
    struct ms_plan_space plan;
    if (conf->shared->space_count == 0)
        return ms_error_set(err, MS_ERR_CONFIG,
                            "%s has no [namespace NAME] section: there is nothing to plan", path);
    int code = ms_mconf_check_new(conf, path, err);
    if (!code)
        code = ms_layout_check_build(conf->shared, err);
    return code ? code : ms_plan_space(conf->shared, &conf->shared->spaces[0], o, &plan, err);
}

int ms_cmd_plan(struct ms_cli *cli, struct ms_error *err)
{
    const char *path = NULL;
    struct ms_plan_options o = MS_PLAN_OPTIONS_INIT;
    struct ms_mconf *conf = NULL;
    int code = read_options(cli, &o, err);
    if (!code)
        code = ms_cli_file(cli, cli->args.positional[0], &path, err);
    if (!code && !path)
        code = ms_error_set(err, MS_CLI_USAGE, "%s is not a store of many members",
                            cli->args.positional[0]);
    if (!code)
        code = ms_mconf_load(path, &conf, err);
    if (path)
        code = ms_cli_no_file(path, code, err);
    if (!code)
        code = try_out(conf, path, &o, err);
    if (!code)
        code = ms_cli_no_file(path, ms_mconf_try(path, err), err);
    if (!code)
        code = show(cli, conf->shared, &o, err);
    if (!code)
        code = ms_out_flush(err);
    ms_mconf_free(conf);
    return code;
}
