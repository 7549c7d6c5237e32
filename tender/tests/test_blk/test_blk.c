/* SPDX-License-Identifier: ISC */
/*
 * Block device `storage`: its blocks keep their data and do not share it, and
 * nothing but whole blocks on the device can be transferred. Only some blocks
 * are tried, since some KVMs interpret every instruction.
 */
#include "../lib/console.h"
#include "hvt/hypercall.h"
#include "solo5.h"

#define MAX_BLOCK 32768
#define WORDS     (MAX_BLOCK / sizeof(uint64_t))

static solo5_handle_t storage;
static struct solo5_block_info info;
static union {
    uint64_t words[WORDS];
    uint8_t bytes[MAX_BLOCK + 1]; /* a block that is one byte too large */
} buffer;

static size_t block_words(void)
{
    return info.block_size / sizeof(uint64_t);
}

static bool write_pattern(solo5_off_t offset)
{
    for (size_t i = 0; i < block_words(); i++)
        buffer.words[i] = offset + i;
    return solo5_block_write(storage, offset, buffer.bytes, info.block_size)
            == SOLO5_R_OK;
}

static bool reads_pattern(solo5_off_t offset)
{
    for (size_t i = 0; i < block_words(); i++)
        buffer.words[i] = 0;
    if (solo5_block_read(storage, offset, buffer.bytes, info.block_size)
            != SOLO5_R_OK)
        return false;
    for (size_t i = 0; i < block_words(); i++)
        if (buffer.words[i] != offset + i)
            return false;
    return true;
}

/* The first two, one in the middle, and the last; all the same if there is one. */
static bool blocks_keep_their_data(void)
{
    solo5_off_t blocks = info.capacity / info.block_size;
    const solo5_off_t tried[] = { 0, blocks > 1, blocks / 2, blocks - 1 };

    for (size_t i = 0; i < 4; i++)
        if (!write_pattern(tried[i] * info.block_size))
            return false;
    for (size_t i = 0; i < 4; i++)
        if (!reads_pattern(tried[i] * info.block_size))
            return false;
    return true;
}

static bool is_refused(solo5_off_t offset, size_t size)
{
    return solo5_block_write(storage, offset, buffer.bytes, size) != SOLO5_R_OK
            && solo5_block_read(storage, offset, buffer.bytes, size) != SOLO5_R_OK;
}

static bool only_whole_blocks_on_the_device_work(void)
{
    return is_refused(info.capacity, info.block_size)
            && is_refused(-info.block_size, info.block_size)
            && is_refused(0, info.block_size - 1)
            && is_refused(0, info.block_size + 1)
            && is_refused(0, 0)
            && is_refused(1, info.block_size)
            && is_refused(info.capacity - 1, info.block_size);
}

/* Past the bindings, which would not let these through. */
static int read_directly(uint64_t handle, uint64_t offset, uint64_t len)
{
    volatile struct hvt_hc_block_read hc = { .handle = handle, .offset = offset,
        .data = buffer.bytes, .len = len, .ret = -1 };

    hypercall(HVT_HYPERCALL_BLOCK_READ, &hc);
    return hc.ret;
}

static bool is_checked_by_the_tender(void)
{
    return read_directly(storage, info.capacity - 1, 1) == HVT_R_OK
            && read_directly(storage, 1, 0) == HVT_R_OK
            && read_directly(storage, info.capacity, 0) == HVT_R_EINVAL
            && read_directly(storage, info.capacity - 1, 2) == HVT_R_EINVAL
            && read_directly(storage, 1, UINT64_MAX) == HVT_R_EINVAL
            && read_directly(storage, UINT64_MAX, 2) == HVT_R_EINVAL
            && read_directly(0, 0, 1) == HVT_R_EINVAL
            && read_directly(storage + 1, 0, 1) == HVT_R_EINVAL
            && read_directly(storage | UINT64_C(1) << 32, 0, 1) == HVT_R_EINVAL
            && read_directly(UINT64_MAX, 0, 1) == HVT_R_EINVAL;
}

static bool check(bool holds, const char *what)
{
    if (!holds)
        print("test_blk: %s: FAILURE\n", what);
    return holds;
}

int solo5_app_main(const struct solo5_start_info *start)
{
    (void)start;
    if (!check(solo5_block_acquire("storage", &storage, &info) == SOLO5_R_OK
                    && info.block_size <= MAX_BLOCK, "acquired")
            || !check(blocks_keep_their_data(), "blocks keep their data")
            || !check(only_whole_blocks_on_the_device_work(), "only whole blocks")
            || !check(is_checked_by_the_tender(), "checked by the tender"))
        return SOLO5_EXIT_FAILURE;
    print("test_blk: %lu bytes in blocks of %lu\nSUCCESS\n", info.capacity,
            info.block_size);
    return SOLO5_EXIT_SUCCESS;
}
