/* SPDX-License-Identifier: ISC */
/* Initialised variables hold their values, others zero, and both can be written. */

#include "../lib/console.h"
#include "solo5.h"

#define WORDS 65536 /* 512 KiB of .bss */

static volatile uint64_t data = UINT64_C(0x0123456789abcdef);
static volatile uint64_t bss[WORDS];
static const uint64_t rodata[] = { 1, 2, 3 };
static volatile size_t last = 2; /* unknown to the compiler */

static bool is_zero(void)
{
    for (int i = 0; i < WORDS; i++)
        if (bss[i])
            return false;
    return true;
}

static bool can_be_written(void)
{
    data = 1;
    for (uint64_t i = 0; i < WORDS; i++)
        bss[i] = i;
    for (uint64_t i = 0; i < WORDS; i++)
        if (bss[i] != i)
            return false;
    return data == 1;
}

int solo5_app_main(const struct solo5_start_info *info)
{
    (void)info;
    if (data != UINT64_C(0x0123456789abcdef) || rodata[last] != 3 || !is_zero()
            || !can_be_written()) {
        print("FAILURE\n");
        return SOLO5_EXIT_FAILURE;
    }
    print("SUCCESS\n");
    return SOLO5_EXIT_SUCCESS;
}
