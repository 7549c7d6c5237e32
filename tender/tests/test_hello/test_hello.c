/* SPDX-License-Identifier: ISC */
/* Starts, reads its command line, speaks, ends. */

#include "../lib/console.h"
#include "lib.h"
#include "solo5.h"

#define EXPECTED "Hello_Solo5"

int solo5_app_main(const struct solo5_start_info *info)
{
    print("test_hello: command line '%s'\n", info->cmdline);
    if (strcmp(info->cmdline, EXPECTED)) {
        print("test_hello: expected '" EXPECTED "'\nFAILURE\n");
        return SOLO5_EXIT_FAILURE;
    }
    print("SUCCESS\n");
    return SOLO5_EXIT_SUCCESS;
}
