/* SPDX-License-Identifier: ISC */
/* Two blocks of thread-local storage, each with values of its own. */

#include "../lib/console.h"
#include "lib.h"
#include "solo5.h"

#define ALIGNMENT 16

static _Thread_local volatile uint64_t initialised = 42;
static _Thread_local volatile uint64_t zero;
static _Thread_local volatile uint8_t last;

static uintptr_t block_at(const struct solo5_start_info *info, size_t nr)
{
    size_t size = (solo5_tls_size() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    uintptr_t block = info->heap_start + nr * size;

    memset((void *)block, 0xa5, size); /* nothing may depend on what was there */
    return block;
}

static bool use(uintptr_t block)
{
    return solo5_set_tls_base(solo5_tls_tp_offset(block)) == SOLO5_R_OK;
}

/*
 * Not inlined: a compiler may read the thread pointer once per function, and
 * here it changes in between.
 */
static __attribute__((noinline)) bool is_fresh(void)
{
    return initialised == 42 && zero == 0 && last == 0;
}

static __attribute__((noinline)) void write_all(uint8_t value)
{
    initialised = zero = last = value;
}

static __attribute__((noinline)) bool holds(uint8_t value)
{
    return initialised == value && zero == value && last == value;
}

static bool are_separate(uintptr_t one, uintptr_t two)
{
    if (!use(one) || !is_fresh())
        return false;
    write_all(1);
    if (!use(two) || !is_fresh())
        return false;
    write_all(2);
    return use(one) && holds(1) && use(two) && holds(2);
}

int solo5_app_main(const struct solo5_start_info *info)
{
    uintptr_t one = block_at(info, 0), two = block_at(info, 1);

    if (solo5_tls_init(0) != SOLO5_R_EINVAL || solo5_tls_init(one) != SOLO5_R_OK
            || solo5_tls_init(two) != SOLO5_R_OK || !are_separate(one, two)) {
        print("FAILURE\n");
        return SOLO5_EXIT_FAILURE;
    }
    print("SUCCESS\n");
    return SOLO5_EXIT_SUCCESS;
}
