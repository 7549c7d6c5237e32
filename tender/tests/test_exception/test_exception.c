/* SPDX-License-Identifier: ISC */
/* Traps, with `stack` on its command line because the stack pointer is ruined. */

#include "../lib/console.h"
#include "lib.h"
#include "solo5.h"

static volatile uintptr_t unmapped = UINT64_C(0x400000000); /* 16 GiB */

static void ruin_stack(void)
{
#if defined(__x86_64__)
    __asm__ volatile("xorl %%esp, %%esp\n\tpushq $0" : : : "memory");
#elif defined(__aarch64__)
    __asm__ volatile("mov sp, %0\n\tstr xzr, [sp]" : : "r"(UINT64_C(0)) : "memory");
#endif
}

int solo5_app_main(const struct solo5_start_info *info)
{
    if (!strcmp(info->cmdline, "stack"))
        ruin_stack();
    *(volatile uint64_t *)unmapped = 1;
    print("FAILURE\n");
    return SOLO5_EXIT_FAILURE;
}
