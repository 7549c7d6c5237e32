/* SPDX-License-Identifier: ISC */
/*
 * reference.c NUMBER EDGES INTERVAL_NS: switches a line at known times, so that
 * an observer of the line can be qualified. NUMBER is the line's in sysfs. The
 * line starts low; intervals spread evenly from 3/4 to 5/4 of INTERVAL_NS, so that
 * no two of them hit an observer's own clock alike; 0 is as fast as it goes.
 *
 * Prints one line per edge, when all are made: its level, and CLOCK_MONOTONIC_RAW
 * in ns just before and just after the write. The edge lies between the two.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define GPIO "/sys/class/gpio"
#define NS 1000000000ULL
#define LONGEST_NS (4 * NS)
#define MOST_EDGES 1000000ULL
#define GOLDEN 2654435769U /* 2^32 over the golden ratio: its multiples fill the circle evenly */

struct edge {
    uint64_t before_ns, after_ns;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

static uint64_t parse_number(const char *text, const char *what, uint64_t most)
{
    char *end;
    uint64_t number;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || number > most)
        errx(2, "%s '%s': must be a number up to %llu", what, text, (unsigned long long)most);
    return number;
}

static int open_file(const char *format, const char *number)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), format, number);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        err(1, "%s", path);
    return fd;
}

static int write_text(int fd, const char *text)
{
    return pwrite(fd, text, strlen(text), 0) == (ssize_t)strlen(text) ? 0 : -1;
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * NS + now.tv_nsec;
}

static void sleep_until(uint64_t time_ns)
{
    struct timespec due = { .tv_sec = time_ns / NS, .tv_nsec = time_ns % NS };

    while (!interrupted &&
           clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
        ;
}

static uint64_t gap_ns(uint64_t interval_ns, uint32_t edge)
{
    return interval_ns / 4 * 3 + (interval_ns / 2 * (edge * GOLDEN) >> 32);
}

/* Returns how many edges were made: an even number, so that the line ends low. */
static uint64_t switch_line(int value, uint64_t interval_ns, struct edge *edges, uint64_t count)
{
    uint64_t due_ns = now_ns(CLOCK_MONOTONIC), made;

    for (made = 0; made < count && !(interrupted && made % 2 == 0); made++) {
        sleep_until(due_ns += gap_ns(interval_ns, made));
        edges[made].before_ns = now_ns(CLOCK_MONOTONIC_RAW);
        if (write_text(value, made % 2 ? "0" : "1") < 0)
            break;
        edges[made].after_ns = now_ns(CLOCK_MONOTONIC_RAW);
    }
    return made;
}

static void print_edges(const struct edge *edges, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        printf("%d,%llu,%llu\n", i % 2 ? 0 : 1, (unsigned long long)edges[i].before_ns,
               (unsigned long long)edges[i].after_ns);
}

int main(int argc, char **argv)
{
    uint64_t count, interval_ns, made;
    int direction, value, unexport;
    struct edge *edges;

    if (argc != 4)
        errx(2, "usage: %s NUMBER EDGES INTERVAL_NS", argv[0]);
    count = parse_number(argv[2], "EDGES", MOST_EDGES) & ~1ULL;
    interval_ns = parse_number(argv[3], "INTERVAL_NS", LONGEST_NS);
    edges = calloc(count + 1, sizeof(*edges));
    if (!edges)
        err(1, "no memory for %s edges", argv[2]);
    catch_signals();
    unexport = open_file(GPIO "/unexport", "");
    if (write_text(open_file(GPIO "/export", ""), argv[1]) < 0)
        err(1, "cannot export line %s", argv[1]);
    direction = open_file(GPIO "/gpio%s/direction", argv[1]);
    value = open_file(GPIO "/gpio%s/value", argv[1]);
    made = write_text(direction, "low") < 0 ? 0 : switch_line(value, interval_ns, edges, count);
    if (write_text(direction, "in") < 0 || write_text(unexport, argv[1]) < 0)
        err(1, "cannot release line %s", argv[1]);
    if (interrupted)
        errx(1, "interrupted by signal %d", (int)interrupted);
    if (made < count)
        errx(1, "cannot switch line %s", argv[1]);
    print_edges(edges, made);
    return 0;
}
