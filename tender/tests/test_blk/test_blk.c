/* SPDX-License-Identifier: ISC */
/* Block device `storage`: every block keeps its data, nothing beyond them works. */

#include "../lib/console.h"
#include "lib.h"
#include "solo5.h"

#define MAX_BLOCK 32768

static solo5_handle_t storage;
static struct solo5_block_info info;
static uint8_t written[MAX_BLOCK], seen[MAX_BLOCK];

static bool keeps_data(solo5_off_t offset)
{
    for (size_t i = 0; i < info.block_size; i++)
        written[i] = (uint8_t)(offset / info.block_size + i);
    memset(seen, 0, sizeof seen);
    return solo5_block_write(storage, offset, written, info.block_size) == SOLO5_R_OK
            && solo5_block_read(storage, offset, seen, info.block_size) == SOLO5_R_OK
            && !memcmp(written, seen, info.block_size);
}

static bool all_keep_data(void)
{
    for (solo5_off_t at = 0; at < info.capacity; at += info.block_size)
        if (!keeps_data(at))
            return false;
    return true;
}

static bool is_refused(solo5_off_t offset, size_t size)
{
    return solo5_block_write(storage, offset, written, size) != SOLO5_R_OK
            && solo5_block_read(storage, offset, seen, size) != SOLO5_R_OK;
}

int solo5_app_main(const struct solo5_start_info *start)
{
    (void)start;
    if (solo5_block_acquire("storage", &storage, &info) != SOLO5_R_OK
            || info.block_size > MAX_BLOCK || !all_keep_data()
            || !is_refused(info.capacity, info.block_size)
            || !is_refused(0, info.block_size - 1)
            || !is_refused(0, info.block_size + 1)
            || !is_refused(1, info.block_size)) {
        print("FAILURE\n");
        return SOLO5_EXIT_FAILURE;
    }
    print("SUCCESS\n");
    return SOLO5_EXIT_SUCCESS;
}
