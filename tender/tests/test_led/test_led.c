/* SPDX-License-Identifier: ISC */
/*
 * Blinks led0 as the command line says and, once the last edge is past, prints
 * when each edge was due and the clock before and after its hypercall.
 *
 * Every deadline counts from the first edge, so errors do not add up. Nothing is
 * printed between the edges: it would disturb them.
 */
#include "../lib/console.h"
#include "lib.h"
#include "solo5.h"

#define MAX_CYCLES    UINT64_C(1000000)
#define MAX_US        UINT64_C(1000000000)
#define NS_PER_US     UINT64_C(1000)
#define STACK_RESERVE (64 * 1024) /* bytes at the top of the heap */

enum word { CYCLES, ON_US, OFF_US, FINAL, WORDS };

static const struct {
    const char *name;
    uint64_t max;
} words[WORDS] = {
    [CYCLES] = { "cycles", MAX_CYCLES },
    [ON_US] = { "on_us", MAX_US },
    [OFF_US] = { "off_us", MAX_US },
    [FINAL] = { "final", 1 },
};

/* The command line, understood. */
struct job {
    uint64_t value[WORDS];
    bool given[WORDS];
};

/* One hypercall; its place in the array is its sequence number. */
struct record {
    solo5_time_t deadline_ns;
    solo5_time_t before_ns;
    solo5_time_t after_ns;
    bool level;
};

static void print_usage(const char *what, const char *word, size_t size)
{
    char text[64];
    size_t kept = size < sizeof text ? size : sizeof text - 1;

    memcpy(text, word, kept);
    text[kept] = '\0';
    print("test_led: %s '%s'; usage: cycles=N on_us=N off_us=N final=0|1 "
          "(each once; cycles up to %lu, times up to %lu)\n", what, text,
            MAX_CYCLES, MAX_US);
}

static size_t word_length(const char *text)
{
    size_t n = 0;

    while (text[n] && text[n] != ' ')
        n++;
    return n;
}

/* Decimal digits and nothing else, at most `max`. */
static bool parse_number(const char *text, size_t size, uint64_t max,
        uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *value = *value * 10 + (uint64_t)(text[i] - '0');
        if (*value > max)
            return false;
    }
    return size > 0;
}

static bool parse_word(const char *text, size_t size, struct job *job)
{
    for (enum word i = 0; i < WORDS; i++) {
        size_t name = strlen(words[i].name);

        if (size <= name || memcmp(text, words[i].name, name) || text[name] != '=')
            continue;
        if (job->given[i])
            return false;
        job->given[i] = true;
        return parse_number(text + name + 1, size - name - 1, words[i].max,
                &job->value[i]);
    }
    return false;
}

static bool is_complete(const struct job *job)
{
    for (enum word i = 0; i < WORDS; i++) {
        if (!job->given[i]) {
            print_usage("missing", words[i].name, strlen(words[i].name));
            return false;
        }
    }
    return true;
}

static bool parse_job(const char *cmdline, struct job *job)
{
    while (*cmdline) {
        size_t size = word_length(cmdline);

        if (!parse_word(cmdline, size, job)) {
            print_usage("bad word", cmdline, size);
            return false;
        }
        cmdline += size;
        while (*cmdline == ' ')
            cmdline++;
    }
    return is_complete(job);
}

static uint64_t count_records(const struct job *job)
{
    return 2 * job->value[CYCLES] + job->value[FINAL];
}

static bool records_fit(uint64_t count, const struct solo5_start_info *info)
{
    uint64_t needed = count * sizeof(struct record) + STACK_RESERVE;

    if (needed <= info->heap_size)
        return true;
    print("test_led: %lu records need %lu bytes of heap, there are %lu; "
          "fewer cycles or more --mem\n", count, needed, info->heap_size);
    return false;
}

static void wait_until(solo5_time_t deadline)
{
    while (solo5_clock_monotonic() < deadline)
        solo5_yield(deadline, NULL);
}

/* Even edges switch on, odd ones off; a final on is the even edge after the last. */
static void plan(const struct job *job, struct record *records)
{
    uint64_t on_ns = job->value[ON_US] * NS_PER_US;
    uint64_t period_ns = on_ns + job->value[OFF_US] * NS_PER_US;

    for (uint64_t seq = 0; seq < count_records(job); seq++) {
        records[seq].level = seq % 2 == 0;
        records[seq].deadline_ns = seq / 2 * period_ns
                + (records[seq].level ? 0 : on_ns);
    }
}

static bool switch_led(solo5_handle_t led, struct record *record, uint64_t seq)
{
    wait_until(record->deadline_ns);
    record->before_ns = solo5_clock_monotonic();
    solo5_result_t result = solo5_led_set(led, record->level);

    record->after_ns = solo5_clock_monotonic();
    if (result != SOLO5_R_OK)
        print("test_led: led_set %lu failed: %d\n", seq, result);
    return result == SOLO5_R_OK;
}

/*
 * The plan counts from zero until the first edge is due: writing it touches the
 * memory of all records, so that none of them is slow when its edge comes.
 */
static bool blink(solo5_handle_t led, const struct job *job,
        struct record *records)
{
    uint64_t count = count_records(job);

    plan(job, records);
    solo5_time_t start = solo5_clock_monotonic();
    solo5_time_t last = start;

    for (uint64_t seq = 0; seq < count; seq++) {
        last = records[seq].deadline_ns += start;
        if (!switch_led(led, &records[seq], seq))
            return false;
    }
    wait_until(last + job->value[OFF_US] * NS_PER_US);
    return true;
}

static void print_records(const struct record *records, uint64_t count,
        solo5_time_t app_start)
{
    print("led-begin,%lu\n", app_start);
    for (uint64_t i = 0; i < count; i++)
        print("led,%lu,%d,%lu,%lu,%lu\n", i, records[i].level,
                records[i].deadline_ns, records[i].before_ns, records[i].after_ns);
    print("led-end,%lu\n", count);
}

static bool run(const struct solo5_start_info *info)
{
    solo5_time_t app_start = solo5_clock_monotonic();
    struct record *records = (struct record *)info->heap_start;
    struct job job = { 0 };
    struct solo5_led_info led_info;
    solo5_handle_t led;

    if (!parse_job(info->cmdline, &job) || !records_fit(count_records(&job), info))
        return false;
    solo5_result_t result = solo5_led_acquire("led0", &led, &led_info);

    if (result != SOLO5_R_OK) {
        print("test_led: led_acquire led0 failed: %d\n", result);
        return false;
    }
    print("test_led: cycles=%lu on_us=%lu off_us=%lu final=%lu\n",
            job.value[CYCLES], job.value[ON_US], job.value[OFF_US],
            job.value[FINAL]);
    if (!blink(led, &job, records))
        return false;
    print_records(records, count_records(&job), app_start);
    return true;
}

int solo5_app_main(const struct solo5_start_info *info)
{
    if (!run(info))
        return SOLO5_EXIT_FAILURE;
    print("SUCCESS\n");
    return SOLO5_EXIT_SUCCESS;
}
