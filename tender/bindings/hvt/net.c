/* SPDX-License-Identifier: ISC */
/*
 * Network by hypercall only. The shared-memory ring that newer tenders offer is
 * not used: every tender takes the hypercalls as well.
 */
#include "bindings.h"
#include "hypercall.h"
#include "lib.h"

solo5_result_t solo5_net_acquire(const char *name, solo5_handle_t *handle,
        struct solo5_net_info *info)
{
    const struct mft_entry *entry = mft_acquire(name, MFT_DEV_NET_BASIC, handle);

    if (!entry)
        return SOLO5_R_EINVAL;
    memcpy(info->mac_address, entry->u.net_basic.mac, sizeof info->mac_address);
    info->mtu = entry->u.net_basic.mtu;
    return SOLO5_R_OK;
}

solo5_result_t solo5_net_write(solo5_handle_t handle, const uint8_t *buf,
        size_t size)
{
    volatile struct hvt_hc_net_write hc = {
        .handle = handle,
        .data = buf,
        .len = size,
    };

    if (!mft_entry(handle, MFT_DEV_NET_BASIC))
        return SOLO5_R_EINVAL;
    hypercall(HVT_HYPERCALL_NET_WRITE, &hc);
    return (solo5_result_t)hc.ret;
}

solo5_result_t solo5_net_read(solo5_handle_t handle, uint8_t *buf, size_t size,
        size_t *read_size)
{
    volatile struct hvt_hc_net_read hc = {
        .handle = handle,
        .data = buf,
        .len = size,
    };

    if (!mft_entry(handle, MFT_DEV_NET_BASIC))
        return SOLO5_R_EINVAL;
    hypercall(HVT_HYPERCALL_NET_READ, &hc);
    *read_size = hc.len;
    return (solo5_result_t)hc.ret;
}
