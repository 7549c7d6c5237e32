/* SPDX-License-Identifier: ISC */
/* What the manifest does not declare cannot be acquired, nor used by guessing. */

#include "../lib/console.h"
#include "solo5.h"

static bool none_acquired(void)
{
    struct solo5_block_info block;
    struct solo5_net_info net;
    struct solo5_led_info led;
    solo5_handle_t handle;

    return solo5_block_acquire("none", &handle, &block) == SOLO5_R_EINVAL
            && solo5_net_acquire("none", &handle, &net) == SOLO5_R_EINVAL
            && solo5_led_acquire("none", &handle, &led) == SOLO5_R_EINVAL
            && solo5_led_acquire("", &handle, &led) == SOLO5_R_EINVAL;
}

static bool none_used(solo5_handle_t handle)
{
    uint8_t buf[512] = { 0 };
    size_t size;

    return solo5_block_write(handle, 0, buf, sizeof buf) == SOLO5_R_EINVAL
            && solo5_block_read(handle, 0, buf, sizeof buf) == SOLO5_R_EINVAL
            && solo5_net_write(handle, buf, sizeof buf) == SOLO5_R_EINVAL
            && solo5_net_read(handle, buf, sizeof buf, &size) == SOLO5_R_EINVAL
            && solo5_led_set(handle, true) == SOLO5_R_EINVAL;
}

int solo5_app_main(const struct solo5_start_info *info)
{
    (void)info;
    if (!none_acquired() || !none_used(0) || !none_used(1) || !none_used(64)
            || !none_used(UINT64_C(1) << 32)) {
        print("FAILURE\n");
        return SOLO5_EXIT_FAILURE;
    }
    print("SUCCESS\n");
    return SOLO5_EXIT_SUCCESS;
}
