/* SPDX-License-Identifier: ISC */
/* Writes beyond a buffer on the stack, which the stack protector must notice. */

#include "../lib/console.h"
#include "solo5.h"

static volatile size_t size = 48;

static void fill(volatile char *buf)
{
    for (size_t i = 0; i < size; i++)
        buf[i] = 'x';
}

static __attribute__((noinline)) void overflow(void)
{
    volatile char buf[16];

    fill(buf);
}

int solo5_app_main(const struct solo5_start_info *info)
{
    (void)info;
    overflow();
    print("FAILURE\n");
    return SOLO5_EXIT_FAILURE;
}
