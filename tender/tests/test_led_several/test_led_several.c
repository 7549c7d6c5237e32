/* SPDX-License-Identifier: ISC */
/*
 * Counts from 1 to 7 on three LEDs, led0 being the lowest bit, and ends with all
 * of them on. Says which were on at the start.
 */
#include "../lib/console.h"
#include "solo5.h"

#define LEDS    3
#define STEP_NS UINT64_C(50000000)

static const char *const names[LEDS] = { "led0", "led1", "led2" };
static solo5_handle_t leds[LEDS];

static bool acquire(void)
{
    struct solo5_led_info info;

    for (unsigned i = 0; i < LEDS; i++) {
        if (solo5_led_acquire(names[i], &leds[i], &info) != SOLO5_R_OK)
            return false;
        print("%s: %s\n", names[i], info.on ? "on" : "off");
    }
    return true;
}

static bool show(unsigned number)
{
    for (unsigned i = 0; i < LEDS; i++)
        if (solo5_led_set(leds[i], number >> i & 1) != SOLO5_R_OK)
            return false;
    return true;
}

static void wait_until(solo5_time_t deadline)
{
    while (solo5_clock_monotonic() < deadline)
        solo5_yield(deadline, NULL);
}

int solo5_app_main(const struct solo5_start_info *info)
{
    solo5_time_t start = solo5_clock_monotonic();

    (void)info;
    if (!acquire())
        return SOLO5_EXIT_FAILURE;
    for (unsigned number = 1; number < 1U << LEDS; number++) {
        if (!show(number))
            return SOLO5_EXIT_FAILURE;
        wait_until(start + number * STEP_NS);
    }
    print("SUCCESS\n");
    return SOLO5_EXIT_SUCCESS;
}
