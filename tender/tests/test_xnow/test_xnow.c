/* SPDX-License-Identifier: ISC */
/* Writes into its own code, which the tender must have protected. */

#include "../lib/console.h"
#include "solo5.h"

int solo5_app_main(const struct solo5_start_info *info)
{
    (void)info;
    *(volatile uint8_t *)(uintptr_t)&solo5_app_main = 0;
    print("FAILURE\n");
    return SOLO5_EXIT_FAILURE;
}
