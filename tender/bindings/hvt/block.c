/* SPDX-License-Identifier: ISC */

#include "bindings.h"
#include "hypercall.h"

solo5_result_t solo5_block_acquire(const char *name, solo5_handle_t *handle,
        struct solo5_block_info *info)
{
    const struct mft_entry *entry = mft_acquire(name, MFT_DEV_BLOCK_BASIC, handle);

    if (!entry)
        return SOLO5_R_EINVAL;
    info->capacity = entry->u.block_basic.capacity;
    info->block_size = entry->u.block_basic.block_size;
    return SOLO5_R_OK;
}

/* One block at a block's place; the tender checks that it lies on the device. */
static bool is_one_block(solo5_handle_t handle, solo5_off_t offset, size_t size)
{
    const struct mft_entry *entry = mft_entry(handle, MFT_DEV_BLOCK_BASIC);

    return entry && size == entry->u.block_basic.block_size && offset % size == 0;
}

solo5_result_t solo5_block_write(solo5_handle_t handle, solo5_off_t offset,
        const uint8_t *buf, size_t size)
{
    volatile struct hvt_hc_block_write hc = {
        .handle = handle,
        .offset = offset,
        .data = buf,
        .len = size,
    };

    if (!is_one_block(handle, offset, size))
        return SOLO5_R_EINVAL;
    hypercall(HVT_HYPERCALL_BLOCK_WRITE, &hc);
    return (solo5_result_t)hc.ret;
}

solo5_result_t solo5_block_read(solo5_handle_t handle, solo5_off_t offset,
        uint8_t *buf, size_t size)
{
    volatile struct hvt_hc_block_read hc = {
        .handle = handle,
        .offset = offset,
        .data = buf,
        .len = size,
    };

    if (!is_one_block(handle, offset, size))
        return SOLO5_R_EINVAL;
    hypercall(HVT_HYPERCALL_BLOCK_READ, &hc);
    return (solo5_result_t)hc.ret;
}
