/* SPDX-License-Identifier: ISC */

#include "bindings.h"
#include "hypercall.h"

solo5_result_t solo5_led_acquire(const char *name, solo5_handle_t *handle,
        struct solo5_led_info *info)
{
    const struct mft_entry *entry = mft_acquire(name, MFT_DEV_LED_BASIC, handle);

    if (!entry)
        return SOLO5_R_EINVAL;
    info->on = entry->u.led_basic.on;
    return SOLO5_R_OK;
}

solo5_result_t solo5_led_set(solo5_handle_t handle, bool on)
{
    volatile struct hvt_hc_led_set hc = { .handle = handle, .on = on };

    if (!mft_entry(handle, MFT_DEV_LED_BASIC))
        return SOLO5_R_EINVAL;
    hypercall(HVT_HYPERCALL_LED_SET, &hc);
    return (solo5_result_t)hc.ret;
}
