/* SPDX-License-Identifier: ISC */
/*
 * The clocks and solo5_yield(). Nothing here depends on how fast the machine is:
 * waits may last longer than asked for, but never shorter.
 */
#include "../lib/console.h"
#include "solo5.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

#define READS      10000
#define YIELDS     5
#define YIELD_NS   (200 * NS_PER_MS)
#define YEAR_2017  (UINT64_C(1483228800) * NS_PER_S) /* 2017-01-01 UTC */
#define MAX_DRIFT  (NS_PER_S / 2) /* an NTP step of less is no fault */

static bool check(bool holds, const char *what)
{
    if (!holds)
        print("test_time: %s: FAILURE\n", what);
    return holds;
}

static bool never_goes_back(void)
{
    solo5_time_t last = solo5_clock_monotonic();

    for (int i = 0; i < READS; i++) {
        solo5_time_t now = solo5_clock_monotonic();

        if (now < last)
            return false;
        last = now;
    }
    return true;
}

static bool yields_until_deadline(void)
{
    for (int i = 0; i < YIELDS; i++) {
        solo5_time_t start = solo5_clock_monotonic();

        solo5_yield(start + YIELD_NS, NULL);
        solo5_time_t slept = solo5_clock_monotonic() - start;

        print("test_time: slept %lu ns of %lu\n", slept, YIELD_NS);
        if (slept < YIELD_NS)
            return false;
    }
    return true;
}

/* Reports no device as ready, since there is none, and returns at all. */
static bool returns_from_past_deadlines(void)
{
    solo5_handle_set_t ready = ~UINT64_C(0);

    solo5_yield(0, &ready);
    if (ready)
        return false;
    solo5_yield(solo5_clock_monotonic(), &ready);
    return !ready;
}

static solo5_time_t distance(solo5_time_t a, solo5_time_t b)
{
    return a > b ? a - b : b - a;
}

/*
 * The wall clock is read between two reads of the other, so that being scheduled
 * away widens the limit by just as much.
 */
static bool clocks_agree(void)
{
    solo5_time_t before = solo5_clock_monotonic();
    solo5_time_t wall = solo5_clock_wall();
    solo5_time_t slack = solo5_clock_monotonic() - before;

    solo5_yield(before + NS_PER_S, NULL);
    solo5_time_t middle = solo5_clock_monotonic();
    solo5_time_t wall_elapsed = solo5_clock_wall() - wall;

    slack += solo5_clock_monotonic() - middle;
    print("test_time: %lu ns passed, %lu on the wall clock\n", middle - before,
            wall_elapsed);
    return distance(middle - before, wall_elapsed) <= MAX_DRIFT + slack;
}

int solo5_app_main(const struct solo5_start_info *info)
{
    (void)info;
    if (!check(solo5_clock_wall() >= YEAR_2017, "wall clock is past 2017 (host's clock set?)")
            || !check(never_goes_back(), "monotonic clock never goes back")
            || !check(yields_until_deadline(), "yield waits for its deadline")
            || !check(returns_from_past_deadlines(), "yield to the past returns")
            || !check(clocks_agree(), "clocks run equally fast"))
        return SOLO5_EXIT_FAILURE;
    print("SUCCESS\n");
    return SOLO5_EXIT_SUCCESS;
}
