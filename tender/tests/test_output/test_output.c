/* SPDX-License-Identifier: ISC */
/* Writes 4 KiB at once: 64 lines of 63 x and a newline. */

#include "solo5.h"

#define LINES 64
#define WIDTH 64 /* bytes, with the newline */

int solo5_app_main(const struct solo5_start_info *info)
{
    static char text[LINES * WIDTH];

    (void)info;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % WIDTH == WIDTH - 1 ? '\n' : 'x';
    solo5_console_write(text, sizeof text);
    return SOLO5_EXIT_SUCCESS;
}
