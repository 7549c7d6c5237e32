/* SPDX-License-Identifier: ISC */
/*
 * The handle of led0 is good for that LED and nothing else, in the bindings and
 * in the tender behind them. Leaves the LED as it was: off.
 */
#include "../lib/console.h"
#include "hvt/hypercall.h"
#include "solo5.h"

static solo5_handle_t led;

static bool is_acquired_by_its_name_and_type(void)
{
    struct solo5_led_info led_info;
    struct solo5_block_info block_info;
    struct solo5_net_info net_info;
    solo5_handle_t other;

    return solo5_led_acquire("led0", &led, &led_info) == SOLO5_R_OK && !led_info.on
            && solo5_led_acquire("led00", &other, &led_info) == SOLO5_R_EINVAL
            && solo5_led_acquire("led", &other, &led_info) == SOLO5_R_EINVAL
            && solo5_block_acquire("led0", &other, &block_info) == SOLO5_R_EINVAL
            && solo5_net_acquire("led0", &other, &net_info) == SOLO5_R_EINVAL;
}

static bool is_no_other_device(void)
{
    uint8_t buf[512] = { 0 };
    size_t size;

    return solo5_block_write(led, 0, buf, sizeof buf) == SOLO5_R_EINVAL
            && solo5_block_read(led, 0, buf, sizeof buf) == SOLO5_R_EINVAL
            && solo5_net_write(led, buf, sizeof buf) == SOLO5_R_EINVAL
            && solo5_net_read(led, buf, sizeof buf, &size) == SOLO5_R_EINVAL;
}

/* Past the bindings, which would not let these through. */
static int led_set(uint64_t handle, uint32_t on)
{
    volatile struct hvt_hc_led_set hc = { .handle = handle, .on = on, .ret = -1 };

    hypercall(HVT_HYPERCALL_LED_SET, &hc);
    return hc.ret;
}

static bool is_checked_by_the_tender(void)
{
    return led_set(led, 2) == HVT_R_EINVAL
            && led_set(led, UINT32_MAX) == HVT_R_EINVAL
            && led_set(0, 0) == HVT_R_EINVAL
            && led_set(led + 1, 0) == HVT_R_EINVAL
            && led_set(MFT_MAX_ENTRIES, 0) == HVT_R_EINVAL
            && led_set(led | UINT64_C(1) << 32, 0) == HVT_R_EINVAL
            && led_set(UINT64_MAX, 0) == HVT_R_EINVAL
            && led_set(led, 0) == HVT_R_OK;
}

static bool check(bool holds, const char *what)
{
    if (!holds)
        print("test_led_handle: %s: FAILURE\n", what);
    return holds;
}

int solo5_app_main(const struct solo5_start_info *info)
{
    (void)info;
    if (!check(is_acquired_by_its_name_and_type(), "acquired by name and type")
            || !check(is_no_other_device(), "no other device")
            || !check(is_checked_by_the_tender(), "checked by the tender")
            || !check(solo5_led_set(led, false) == SOLO5_R_OK, "good for its LED"))
        return SOLO5_EXIT_FAILURE;
    print("SUCCESS\n");
    return SOLO5_EXIT_SUCCESS;
}
