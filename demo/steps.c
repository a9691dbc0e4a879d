/* demo/steps.c - see steps.h. */
#include "demo/steps.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned steps, checks;

static bool colours(void)
{
    static int answer = -1;
    if (answer < 0)
        answer = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    return answer;
}

void step(const char *title)
{
    printf("\n%s%u. %s%s\n", colours() ? "\033[1m" : "", ++steps, title,
           colours() ? "\033[0m" : "");
    fflush(stdout);
}

void tell(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("   ", stdout);
    vprintf(fmt, args);
    putchar('\n');
    va_end(args);
    fflush(stdout);
}

void check(bool as_promised, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs(as_promised ? "   ok: " : "   NOT SO: ", stdout);
    vprintf(fmt, args);
    putchar('\n');
    va_end(args);
    fflush(stdout);
    if (!as_promised)
        exit(1);
    checks++;
}

void check_ok(int code, const struct ms_error *err, const char *what)
{
    if (code) {
        printf("   FAILED: %s: %s\n", what, err->text);
        exit(1);
    }
}

unsigned checks_done(void)
{
    return checks;
}

static char *next_text(void)
{
    static char ring[8][32];
    static unsigned at;
    return ring[at++ % 8];
}

const char *size_text(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    unsigned unit = 0;
    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    char *text = next_text();
    snprintf(text, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

const char *time_text(uint64_t ns)
{
    char *text = next_text();
    if (ns < 1000000)
        snprintf(text, 32, "%.0f us", (double)ns / 1e3);
    else if (ns < 1000000000)
        snprintf(text, 32, "%.1f ms", (double)ns / 1e6);
    else
        snprintf(text, 32, "%.2f s", (double)ns / 1e9);
    return text;
}
