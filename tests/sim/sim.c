/* sim - runs simulations: one that is replayed, or many in several processes.
 *
 * Prints one line for each scenario; of a broken promise the seed, a sentence, the last operations
 * and the command that replays it. Ends with 0 when all promises held, 1 when one was broken, 2
 * when it was called wrongly. */
#include "tests/sim/run.h"

#include "base/text.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 256

struct request {
    const char *program, *scenario; /* NULL: all that must hold */
    uint64_t seed, runs, jobs;
    bool trace;
};

struct totals {
    uint64_t runs, ops, calls, faults, delayed, disturbances, deaths, undecided, broken;
};

static void print_line(void *ctx, const char *line)
{
    fprintf(ctx, "%s\n", line);
}

/* ---- one run ---- */

static void report(const struct request *r, const struct sim_scenario *sc, uint64_t seed,
                   const struct sim_result *result)
{
    printf("\n%s, seed %llu: a promise is broken: %s\n", sc->name, (unsigned long long)seed,
           result->why);
    if (result->history)
        printf("last operations:\n%s", result->history);
    printf("trace hash %016llx\nreplay: %s --scenario %s --seed %llu --trace\n\n",
           (unsigned long long)result->trace_hash, r->program, sc->name, (unsigned long long)seed);
    fflush(stdout);
}

static void add(struct totals *t, const struct sim_result *result)
{
    t->runs++;
    t->ops += result->ops;
    t->calls += result->calls;
    t->faults += result->faults;
    t->delayed += result->delayed;
    t->disturbances += result->disturbances;
    t->deaths += result->deaths;
    t->undecided += result->undecided;
    t->broken += result->broken;
}

static int replay(const struct request *r, const struct sim_scenario *sc)
{
    struct sim_result result;
    sim_run(sc, r->seed, r->trace ? print_line : NULL, stdout, &result);
    if (result.broken)
        report(r, sc, r->seed, &result);
    else
        printf("%s, seed %llu: all promises held; trace hash %016llx, %llu operations, %llu calls, "
               "%llu steps, %.1f s of virtual time, %llu undecided\n",
               sc->name, (unsigned long long)r->seed, (unsigned long long)result.trace_hash,
               (unsigned long long)result.ops, (unsigned long long)result.calls,
               (unsigned long long)result.steps, (double)result.end_ns / 1e9,
               (unsigned long long)result.undecided);
    free(result.history);
    return result.broken;
}

/* ---- many ---- */

/* Every jobs-th seed, until one breaks a promise. */
static void work(const struct request *r, const struct sim_scenario *sc, uint64_t job, int out)
{
    struct totals t = {0};
    for (uint64_t i = job; i < r->runs && !t.broken; i += r->jobs) {
        struct sim_result result;
        sim_run(sc, r->seed + i, NULL, NULL, &result);
        add(&t, &result);
        if (result.broken)
            report(r, sc, r->seed + i, &result);
        free(result.history);
    }
    if (write(out, &t, sizeof t) != (ssize_t)sizeof t)
        _exit(2);
}

static bool start(const struct request *r, const struct sim_scenario *sc, uint64_t job, int pipe[2],
                  pid_t *out)
{
    fflush(stdout);
    *out = fork();
    if (*out == 0) {
        close(pipe[0]);
        work(r, sc, job, pipe[1]);
        exit(0); /* leak checkers look */
    }
    return *out > 0;
}

static void sum(struct totals *t, const struct totals *one)
{
    uint64_t *to = &t->runs;
    const uint64_t *from = &one->runs;
    for (size_t i = 0; i < sizeof *t / sizeof *to; i++)
        to[i] += from[i];
}

/* A process that ends without its totals counts as a broken promise. */
static void gather(uint64_t jobs, int in, const pid_t *pids, struct totals *t)
{
    struct totals one;
    while (read(in, &one, sizeof one) == (ssize_t)sizeof one)
        sum(t, &one);
    for (uint64_t i = 0; i < jobs; i++) {
        int status = 0;
        if (waitpid(pids[i], &status, 0) != pids[i] || status != 0) {
            printf("a process of the simulation ended badly (status %d)\n", status);
            t->broken++;
        }
    }
}

static int run_many(const struct request *r, const struct sim_scenario *sc)
{
    int ends[2];
    pid_t pids[JOBS_MAX];
    uint64_t started = 0;
    struct totals t = {0};
    if (pipe(ends)) {
        perror("pipe");
        return 2;
    }
    while (started < r->jobs && start(r, sc, started, ends, &pids[started]))
        started++;
    close(ends[1]);
    gather(started, ends[0], pids, &t);
    close(ends[0]);
    if (started < r->jobs) {
        perror("fork");
        return 2;
    }
    if (t.undecided > t.runs / 20) {
        printf("%s: too many keys could not be decided\n", sc->name);
        t.broken++;
    }
    printf("%-16s %s: %llu runs, %llu operations, %llu calls, %llu lost, %llu delayed, %llu "
           "disturbances, %llu deaths, %llu undecided\n",
           sc->name, t.broken ? "BROKEN" : "held", (unsigned long long)t.runs,
           (unsigned long long)t.ops, (unsigned long long)t.calls, (unsigned long long)t.faults,
           (unsigned long long)t.delayed, (unsigned long long)t.disturbances,
           (unsigned long long)t.deaths, (unsigned long long)t.undecided);
    return t.broken ? 1 : 0;
}

/* ---- the command ---- */

static int usage(FILE *out)
{
    fprintf(out, "usage: sim --scenario NAME --seed N [--trace]    replays one run\n"
                 "       sim --runs N [--scenario NAME] [--seed FIRST] [--jobs J]\n"
                 "       sim --list\n");
    return out == stdout ? 0 : 2;
}

static int list_scenarios(void)
{
    const struct sim_scenario *sc;
    for (size_t i = 0; (sc = sim_scenario_at(i)); i++)
        printf("%-17s %s%s\n", sc->name, sc->what, sc->broken ? " (must be found)" : "");
    return 0;
}

static int run_request(const struct request *r)
{
    const struct sim_scenario *sc = r->scenario ? sim_scenario_named(r->scenario) : NULL;
    if (r->scenario && !sc) {
        fprintf(stderr, "sim: there is no scenario \"%s\"; --list shows all\n", r->scenario);
        return 2;
    }
    if (r->runs == 0)
        return sc ? replay(r, sc) : usage(stderr);
    if (sc)
        return run_many(r, sc);
    int worst = 0;
    for (size_t i = 0; (sc = sim_scenario_at(i)); i++)
        if (!sc->broken) {
            struct request part = *r;
            part.runs = sc->large ? (r->runs + 9) / 10 : r->runs;
            int rc = run_many(&part, sc);
            worst = rc > worst ? rc : worst;
        }
    return worst;
}

static bool number(const char *text, const char *what, uint64_t max, uint64_t *out)
{
    struct ms_error err = {0};
    if (ms_parse_u64(text, what, max, out, &err) == 0)
        return true;
    fprintf(stderr, "sim: %s\n", err.text);
    return false;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"scenario", required_argument, NULL, 's'}, {"seed", required_argument, NULL, 'n'},
        {"runs", required_argument, NULL, 'r'},     {"jobs", required_argument, NULL, 'j'},
        {"trace", no_argument, NULL, 't'},          {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},           {0}};
    struct request r = {.program = argv[0], .seed = 1, .jobs = 1};
    bool fine = true;
    int option;
    while (fine && (option = getopt_long(argc, argv, "", options, NULL)) >= 0)
        switch (option) {
        case 's':
            r.scenario = optarg;
            break;
        case 'n':
            fine = number(optarg, "--seed", UINT64_MAX, &r.seed);
            break;
        case 'r':
            fine = number(optarg, "--runs", UINT32_MAX, &r.runs);
            break;
        case 'j':
            fine = number(optarg, "--jobs", JOBS_MAX, &r.jobs) && r.jobs > 0;
            break;
        case 't':
            r.trace = true;
            break;
        case 'l':
            return list_scenarios();
        case 'h':
            return usage(stdout);
        default:
            fine = false;
        }
    return fine && optind == argc ? run_request(&r) : usage(stderr);
}
