/* SPDX-License-Identifier: ISC */
/*
 * As many devices as a manifest holds, `storage0` to `storage62`: each keeps what
 * was written to it, its own handle.
 */
#include "../lib/console.h"
#include "format.h"
#include "solo5.h"

#define DEVICES    63
#define BLOCK_SIZE 512

static union {
    uint8_t bytes[BLOCK_SIZE];
    solo5_handle_t handle;
} block;

static bool acquire(int number, solo5_handle_t *handle)
{
    char name[16] = "";
    struct solo5_block_info info;

    format(name, sizeof name - 1, "storage%d", number);
    return solo5_block_acquire(name, handle, &info) == SOLO5_R_OK
            && info.block_size == BLOCK_SIZE && info.capacity % BLOCK_SIZE == 0;
}

static bool write_own_handle(int number)
{
    if (!acquire(number, &block.handle))
        return false;
    return solo5_block_write(block.handle, 0, block.bytes, BLOCK_SIZE) == SOLO5_R_OK;
}

static bool reads_own_handle(int number)
{
    solo5_handle_t handle;

    return acquire(number, &handle)
            && solo5_block_read(handle, 0, block.bytes, BLOCK_SIZE) == SOLO5_R_OK
            && block.handle == handle;
}

static bool all(bool (*does)(int number))
{
    for (int i = 0; i < DEVICES; i++)
        if (!does(i)) {
            print("test_mft_maxdevices: storage%d: FAILURE\n", i);
            return false;
        }
    return true;
}

int solo5_app_main(const struct solo5_start_info *info)
{
    (void)info;
    if (!all(write_own_handle) || !all(reads_own_handle))
        return SOLO5_EXIT_FAILURE;
    print("SUCCESS\n");
    return SOLO5_EXIT_SUCCESS;
}
