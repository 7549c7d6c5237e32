/* SPDX-License-Identifier: ISC */
/* Writes into its constants, which the tender must have protected. */

#include "../lib/console.h"
#include "solo5.h"

static const uint64_t constant = 1;

int solo5_app_main(const struct solo5_start_info *info)
{
    (void)info;
    *(volatile uint64_t *)(uintptr_t)&constant = 2;
    print("FAILURE\n");
    return SOLO5_EXIT_FAILURE;
}
