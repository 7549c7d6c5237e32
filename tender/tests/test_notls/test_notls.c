/* SPDX-License-Identifier: ISC */
/* Uses a thread-local variable without a block for it, which must trap. */

#include "../lib/console.h"
#include "solo5.h"

static _Thread_local volatile uint64_t variable;

int solo5_app_main(const struct solo5_start_info *info)
{
    (void)info;
    variable = 1;
    print("FAILURE\n");
    return SOLO5_EXIT_FAILURE;
}
