/* SPDX-License-Identifier: ISC */
/* Ends as its command line says: `abort`, `return` or `exit`, the latter with 263. */

#include "../lib/console.h"
#include "lib.h"
#include "solo5.h"

#define STATUS 263 /* of which the host keeps the low 8 bits, 7 */

int solo5_app_main(const struct solo5_start_info *info)
{
    if (!strcmp(info->cmdline, "abort"))
        solo5_abort();
    if (!strcmp(info->cmdline, "exit"))
        solo5_exit(STATUS);
    if (!strcmp(info->cmdline, "return"))
        return STATUS;
    print("test_exit: expected abort, exit or return\nFAILURE\n");
    return SOLO5_EXIT_FAILURE;
}
