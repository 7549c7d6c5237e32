/* SPDX-License-Identifier: ISC */
/* Writes through a null pointer, which must trap. */

#include "../lib/console.h"
#include "solo5.h"

static volatile uintptr_t near_null = 8;

int solo5_app_main(const struct solo5_start_info *info)
{
    (void)info;
    *(volatile uint64_t *)near_null = 1;
    print("FAILURE\n");
    return SOLO5_EXIT_FAILURE;
}
