/* SPDX-License-Identifier: ISC */
/*
 * Says one word. Run with --solo5:quiet nothing else may be heard, and the option
 * is the bindings' alone.
 */
#include "../lib/console.h"
#include "solo5.h"

int solo5_app_main(const struct solo5_start_info *info)
{
    if (info->cmdline[0]) {
        print("test_quiet: '%s' is not for me\nFAILURE\n", info->cmdline);
        return SOLO5_EXIT_FAILURE;
    }
    print("SUCCESS\n");
    return SOLO5_EXIT_SUCCESS;
}
